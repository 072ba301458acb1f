"""Secrets that show by their own shape alone: the keys and tokens of known services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from loaders.secrets.values import Span, entropy, is_key, is_shuffled

# Looser than the services are: people cut their keys and change them before they show them.
_SHAPES = {
    "github-token": r"gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}",
    "gitlab-token": r"gl(?:pat|dt|ptt|rt|cbt|ft|imt|agent|soat|oas|ffct|rtr)-[\w.-]{16,}|GR1348941[\w-]{16,}",
    "slack-token": r"xox[abcdeoprs](?:\.xox[bp])?-[\w-]{10,}|xapp-\d-[\w-]{10,}",
    "stripe-key": r"[sr]k[_-](?:live|test|prod)[_-]\w{10,}|whsec_[A-Za-z0-9]{16,}",
    "anthropic-key": r"sk-ant-[\w-]{12,}",
    "openai-key": r"sk-(?:(?:proj|svcacct|admin|None|or-v1|or|lf)-)?[\w-]{16,}|sess-[A-Za-z0-9]{32,}",
    "huggingface-token": r"(?:hf|api_org)_[A-Za-z0-9]{16,}",
    "npm-token": r"npm_[A-Za-z0-9]{20,}",
    "pypi-token": r"pypi-[\w-]{20,}",
    "aws-access-key": r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,24}(?![A-Za-z0-9])",
    "google-key": r"AIza[\w-]{28,40}|GOCSPX-[\w-]{16,}|ya29\.[\w.-]{16,}",
    "jwt": r"eyJ[\w-]{10,}(?:\.[\w-]+){1,4}",
    "sendgrid-key": r"SG\.[\w-]{12,}\.[\w-]{12,}",
    "twilio-key": r"(?:AC|SK)[0-9a-f]{32}(?![0-9a-z])",
    "mailchimp-key": r"[0-9a-f]{32}-us\d{1,2}",
    "mailgun-key": r"key-[0-9a-z]{32}|[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}",
    "digitalocean-token": r"do[opr]_v1_[0-9a-f]{24,}",
    "discord-token": r"[MNO][\w-]{22,27}\.[\w-]{6}\.[\w-]{27,40}",
    "telegram-token": r"(?<=\d{8}:)[\w-]{32,40}(?![\w-])",
    "vault-token": r"hv[sbr]\.[\w-]{20,}",
    "age-key": r"AGE-SECRET-KEY-1[A-Z0-9]{40,}",
    "notion-token": r"secret_[A-Za-z0-9]{40,60}(?![A-Za-z0-9_])|ntn_[A-Za-z0-9]{16,}",
    "token": (
        r"(?:shp(?:at|ca|pa|ss)|glsa|glc|ntn|rubygems|sbp|sntry[su]|gsk|r8|re|rnd|ops|jina|tgp|fw|pul|ph[sx]"
        r"|cfut|sgp|duffel_(?:live|test)|dckr_(?:pat|oat)|lin_api|lsv2_[ps][tk]|pscale_(?:tkn|pw|oauth)|fo1|fm2)"
        r"_[\w-]{20,}"
        r"|(?:nvapi|xai|pplx|tvly|CFPAT|PMAK|NRAK|tskey-\w+|csk|figd|pat-[a-z]{2}\d)[_-][\w-]{20,}"
        r"|dapi[0-9a-f]{32}|AT[AC]TT3x[\w=-]{20,}|dp\.[psc]t\.\w{20,}|sq0[a-z]{3}-[\w-]{20,}|EAAC\w{20,}"
        r"|[a-z][a-z0-9]{1,11}[_-](?:live|test|prod|sk|pat|secret|key|token|tok|api|app|oauth)"
        r"[_-][A-Za-z0-9]{16,}"
    ),
}
_LONG = re.compile(r"[\w.-]{14,}", re.ASCII)
_NO_SECRET = re.compile(r"(?:pk|pub|public|cache|idempotency|dedup|sort|row|partition|hash|etag)[_-]")
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+=_.-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_-])")
_AWS_WORD = re.compile(r"aws|akia|asia|amazon|\bs3\b|\biam\b|secret", re.IGNORECASE)


def shaped(scan: str) -> Iterator[Span]:
    """Every key of a known shape; a bare AWS secret, which has none, near a word of its world."""
    for long in _LONG.finditer(scan):
        for match in _shape().finditer(scan, *long.span()):
            value = match[0].rstrip(".-")
            if is_key(value) and not _NO_SECRET.match(value):
                yield Span(match.start(), match.start() + len(value), str(match.lastgroup).replace("_", "-"))
    for match in _AWS_SECRET.finditer(scan):
        if _is_aws(match[0]) and _AWS_WORD.search(scan, max(0, match.start() - 300), match.end() + 200):
            yield Span(*match.span(), "aws-secret-key")


@cache
def _shape() -> re.Pattern[str]:
    shapes = "|".join(f"(?P<{kind.replace('-', '_')}>{shape})" for kind, shape in _SHAPES.items())
    return re.compile(rf"(?<![A-Za-z0-9])(?:{shapes})", re.ASCII)


def _is_aws(value: str) -> bool:
    mixed = all(re.search(kind, value) for kind in (r"[a-z]", r"[A-Z]", r"\d"))
    return mixed and entropy(value) > 4 and is_shuffled(value)
