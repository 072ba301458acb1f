"""Secrets that a program hands over in a call: a login, a setter, the signing of a token."""

from __future__ import annotations

import re

from loaders.secrets.commands import OPERAND
from loaders.secrets.values import looks_chosen, looks_random
from loaders.secrets.windows import Rule, given

_PAIR = r"\s*[\"'][^\"'\n]{1,64}[\"']\s*,\s*[\"'](?P<a>[^\"'\n]{1,128})[\"']\s*[,)]"  # "user", "password"
_LAST = r"\(\s*(?:[^()\n\"']{1,60},|[\"'][^\"'\n]{1,100}[\"']\s*,)?" + _PAIR


def _long(value: str) -> bool:
    return given(value) and len(value) >= 10 and not re.search(r"\s", value)


CALLS = (
    Rule("password", "identified ", rf"identified\s+(?:with\s+\S+\s+)?by\s+(?=[\"']){OPERAND}", given),
    Rule("password", "identified ", r"(?-i:IDENTIFIED BY)\s+(?P<a>[\w!@#$%^&*]{5,64})", looks_chosen),
    Rule(
        "password",
        "basic|auth=|auth =|login|credential|mysqli",
        r"(?:basic_?auth\w*|auth\s?=\s?|login|\wcredentials?(?=\()"
        r"|mysqli?(?:_connect)?\(\s*[\"'][^\"'\n]{1,64}[\"']\s*,)\s*\(?" + _PAIR,
        given,
        before=1,
    ),
    Rule("password", "auth", r"auth\w*\(" + _PAIR, looks_chosen),
    Rule(
        "password",
        "passwordauthentication(|getconnection(|pdo(|create_superuser(|.basic(|credentials(",
        r"(?:Authentication|getConnection|\bPDO|create_superuser|(?:auth|AuthTokens)\.basic"
        r"|\bnew\s\w*Credentials)" + _LAST,
        given,
        before=40,
    ),
    Rule(
        "password",
        "login(|connect(|create_user(|passwordauthentic",
        r"(?:login\(\s*[\w.]{1,60}\s*,\s*[\"'](?P<b>[^\"'\s]{5,128})[\"']\s*\)"
        r"|(?:connect|create_user|AuthenticationToken)"
        + _LAST
        + r"|connect\([^()\n]{1,80},\s*\d+\s*,"
        + _PAIR.replace("<a>", "<c>")
        + ")",
        looks_chosen,
    ),
    Rule(
        "password",
        "set_password(|setpassword(|wifi.begin(|wifi.softap(",
        r"(?:set_?password\(\s*|wifi\.(?:begin|softAP)\([^,\n]{1,60},\s*)[\"'](?P<a>[^\"'\s]{4,128})[\"']"
        r"\s*[,)]",
        given,
    ),
    Rule(
        "password",
        "bcrypt.|password_hash(|password_verify(|check_password(",
        r"(?:bcrypt\.\w+|password_hash|password_verify|check_password)\("
        r"\s*b?[\"'](?P<a>[^\"'\s]{5,128})[\"']",
        looks_chosen,
    ),
    Rule(
        "token",
        ".run(|.login(|.start(",
        r"\.(?:run|login|start)\(\s*[\"'](?P<a>[\w.-]{20,200})[\"']\s*[,)]",
        looks_random,
    ),
    Rule(
        "secret",
        "jwt.|jsonwebtoken",
        r"jwt\.(?:sign|verify|encode|decode)\(\s*(?:\{[^{}\n]{0,200}\}|[^,\n{}]{1,200}),"
        r"\s*[\"'](?P<a>[^\"'\s]{8,128})[\"']",
        _long,
    ),
    Rule(
        "password",
        "assword",
        r"assword:?\s?[\"'][\s)}{]*;?\s*(?:\w+\.)?send(?:line|_user)?\W{1,5}(?P<a>[^\s\"'`]{3,64})",
        given,
    ),
)
