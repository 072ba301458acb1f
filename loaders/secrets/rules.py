"""Secrets that show by what they stand in: a URL, a header, an option of a command, a call, a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from loaders.secrets.calls import CALLS
from loaders.secrets.commands import COMMANDS
from loaders.secrets.sentences import SENTENCES
from loaders.secrets.services import SERVICES
from loaders.secrets.values import Span, is_basic, is_code, is_literal, is_phrase, looks_chosen, looks_random
from loaders.secrets.windows import Rule, Search, given

_S = r"[\"'`]{0,8}\s{0,3}[:=]\s{0,3}[\"'`]{0,8}"  # between the name and the value of a header


def _in_url(value: str) -> bool:
    return is_literal(value) or (len(value) < 3 and value.isalnum())


def _in_header(value: str) -> bool:
    return given(value) and bool(re.search(r"[\d_.-]", value) or len(value) > 20)


def _made(value: str) -> bool:
    return looks_random(value) and not is_code(value)


_URLS = (
    Rule(
        "url-password",
        "://|:\\/\\/",
        r":(?:\\?/){2}[^\s:/@\"'`<>]{0,128}:(?P<a>[^\s/?#\"'`<>]{1,256})@(?=[\w\[$({%-])(?!sha\d)"
        r"|://[^\s:/@\"'`<>]{1,128}:(?P<b>(?!\d{1,5}/)[^\s\"'`<>@]{1,128})@"
        r"(?=[\w.-]+(?::\d+)?(?:[/\s\"'?]|$))",
        _in_url,
        after=600,
    ),
    Rule("url-key", "://", r"(?<!ssh)://(?P<a>[\w-]{20,200})(?=(?::[^\s/@]{0,200})?@[\w.-])", looks_random),
    Rule("url-password", "@tcp(|@unix(", r"\b[\w.-]{1,64}:(?P<a>[^\s@\"'/]{1,128})@\w+\(", _in_url, 200),
    Rule(
        "url-password",
        "jdbc:oracle|sqlplus",
        r"(?:sqlplus(?:\s-\w)*\s|:)[\w.-]{1,64}/(?P<a>[^\s@\"'/]{1,128})@",
        _in_url,
    ),
    Rule(
        "webhook",
        "hooks.slack.com/|/api/webhooks/|webhook.office.com|hooks.zapier.com",
        r"slack\.com/(?:services|workflows|triggers)/(?P<a>[\w/]{12,})|/webhooks/\d{6,}/(?P<b>[\w-]{12,})"
        r"|office\.com/webhookb2/(?P<c>[\w@/-]{20,})|zapier\.com/hooks/catch/(?P<d>\d+/\w+)",
        is_literal,
    ),
    Rule(
        "signature",
        "signature=|sig=",
        r"(?:signature|(?<=[?&;])sig)=(?P<a>[A-Za-z0-9%+/=_-]{20,700})",
        looks_random,
    ),
)
_HEADERS = (
    Rule(
        "authorization",
        "authorization",
        r"authorization[\"'`]{0,8}\]?\s{0,3}[:=,]\s{0,3}[\"'`]{0,8}"
        r"(?:bearer|token|api-?key|key|basic|bot|digest)\s{1,3}[\"']?(?P<a>[^\s\"'`<>,;]{5,9000})",
        _in_header,
    ),
    Rule("authorization", "authorization", rf"authorization{_S}(?P<a>[^\s\"'`<>,;]{{16,9000}})", _made),
    Rule("authorization", "bearer ", r"\bbearer\s{1,3}(?P<a>[\w.~+/=-]{16,9000})", looks_random),
    Rule("authorization", "basic ", r"\bbasic\s{1,3}(?P<a>[A-Za-z0-9+/]{8,400}={0,2})", is_basic),
)
_LINES = (
    Rule(
        "password",
        "login ",
        r"login\s+(?!and\b|or\b)[\w.@+-]{1,64}\s+password\s+(?P<a>[^\s\"'`]{1,128})",
        given,
    ),
    Rule(
        "password",
        ":5432:|:5433:|:6432:|:*:",
        r"(?:localhost|\*|[\w-]+(?:\.[\w-]+)*):(?:\d{4,5}|\*):(?:\*|[a-zA-Z_][\w-]*):[\w*-]+:"
        r"(?P<a>[^\s:\"']{3,128})(?=[\"']|\s|$)",
        given,
        before=80,
    ),
    Rule(
        "password",
        "cred|login|log in|acceso|basic auth|entra|sign in|sesión",
        r"(?:creds?|credentials|credencial(?:es)?|log ?in|accesos?|basic auth|entra[rs]?|sign in"
        r"|sesión con)\b[^\n\"{}]{0,40}?[\s:(\"'`][A-Za-z][\w.@-]{1,40}`?"
        r"(?:\s/\s|:|/(?-i:(?=\S*[A-Z])(?=\S*\d)|(?=\w*[!#$%^&*])))[\"'`]?(?P<a>[^\s/:\"'`,)]{5,64})",
        looks_chosen,
    ),
    Rule(
        "password",
        "user/|usuario/|login/",
        r"(?:user|usuario|login)/[\w ]{2,20}[:=]\s{0,2}[A-Za-z][\w.@-]{1,40}\s?[/:]\s?"
        r"(?P<a>[^\s/:\"'`,)]{4,64})",
        given,
    ),
    Rule(
        "passphrase",
        "passphrase|frase|password",
        r"(?:(?:passphrase|frase(?: de (?:paso|acceso|contraseña))?)(?:\s(?:is|es)|\s?[:=])|password is)"
        r"\s{1,2}[\"'`«]{0,3}(?P<a>(?-i:(?:[a-z]{3,12}[ ]){3,7}[a-z]{3,12}))(?=[\"'`».,;!\n]|\s*$)",
        is_phrase,
    ),
    Rule(
        "seed-phrase",
        "seed|mnemonic|recovery|semilla",
        r"(?:seed|mnemonic|recovery|semilla)\w*(?:\s(?:phrase|words|is|es))*\W{1,5}"
        r"(?P<a>(?:[a-z]{3,8} ){11,23}[a-z]{3,8})",
        is_literal,
    ),
)


def surrounded(scan: str) -> Iterator[Span]:
    """Every secret that its surroundings give away."""
    return _search().found(scan)


@cache
def _search() -> Search:
    return Search((*_URLS, *_HEADERS, *SERVICES, *COMMANDS, *CALLS, *_LINES, *SENTENCES))
