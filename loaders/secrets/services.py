"""The keys and cookies of services whose name or cookie stands beside them."""

from __future__ import annotations

import re

from loaders.secrets.values import is_key, looks_random
from loaders.secrets.windows import Rule

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_COOKIE_VALUE = r"[A-Za-z0-9_.%:/+=~|-]"


def _no_identifier(value: str) -> bool:
    """Random, and neither the id of a record nor that of a commit."""
    return looks_random(value) and not _UUID.fullmatch(value) and not _COMMIT.fullmatch(value)


def _session(value: str) -> bool:
    return looks_random(value.replace("%", ""))


SERVICES = (
    Rule("token", "notion", r"(?<!\w)(?P<a>(?:secret|ntn)_[A-Za-z0-9]{12,})(?![\w-])", is_key, 200),
    Rule(
        "token",
        "cf_|cf:|cloudflare",
        r"(?<![a-z])(?:cf_\w{1,30}|cf|cloudflare\w{0,30})\b[^\n]{0,30}?[\s=:\"'`]"
        r"(?P<a>[\w-]{40}|[0-9a-f]{37})(?![\w-])",
        _no_identifier,
    ),
    Rule(
        "token",
        "cloudflared",
        r"cloudflared\s[^\n]{0,80}?(?:--token|install)[ =](?P<a>eyJ[\w=+/-]{20,})",
        is_key,
    ),
    Rule("key", "v1.0-", r"(?<![\w.])(?P<a>v1\.0-[0-9a-f]{20,32}-[0-9a-f]{60,160})(?![\w-])", looks_random),
    Rule(
        "cookie",
        "cookie",
        r"(?<![\w.-])[\w.-]{0,40}(?:sess|sid|auth|token|jwt|remember|li_at|logged_in|AspNetCore\.Cookies)"
        r"[\w.-]{0,40}=(?P<a>[^\s;\"'`,]{12,9000})",
        _session,
        after=1000,
    ),
    Rule(
        "cookie",
        "phpsessid|jsessionid|connect.sid|laravel_session|sessionid|token_v2|remember_token",
        r"(?:PHPSESSID|JSESSIONID|connect\.sid|laravel_session|ASP\.NET_SessionId|(?-i:\bsessionid)|token_v2"
        rf"|remember_token)[\"'`]{{0,2}}\]?\s{{0,2}}[:=,\s]"
        rf"\s{{0,3}}[\"'`]{{0,2}}(?P<a>{_COOKIE_VALUE}{{16,9000}})",
        _no_identifier,
        before=8,
    ),
    Rule(
        "cookie",
        "cookie",
        r"cookies?\b[^\n]{0,80}?(?:\[|[\"']?name[\"']?\s?[:=]\s?|\{\s?|\("
        r"\s?|\.)[\"']?[\w.-]{0,30}(?:sess|sid|auth|token)[\w.-]{0,30}"
        rf"[\"']?\]?\s?[:,=]\s?(?:[\"']?value[\"']?\s?[:=]\s?)?[\"'](?P<a>{_COOKIE_VALUE}{{16,9000}})[\"']",
        _no_identifier,
        before=4,
    ),
    Rule(
        "cookie",
        "session cookie|cookie de sesión|auth cookie",
        rf"(?:cookie|sesión)(?:\s(?:is|es|was))?\s?[:=]?\s[\"'`]?(?P<a>{_COOKIE_VALUE}{{20,9000}})",
        _no_identifier,
    ),
)
