"""Passwords that people tell in a sentence, where no name stands right before the value."""

from __future__ import annotations

import re

from loaders.secrets.values import GRAMMAR, is_compound_name, is_statement, looks_chosen
from loaders.secrets.windows import Rule, given

_NAMED = r"(?:password|passwd|passphrase|pass|pw|pwd|contraseña|clave)"
_THE = r"(?:(?:the|its|my|el|la|su|mi)\s)?"
# A word, without the sign that ends the sentence.
_TOLD = r"[\"'`«“]?(?P<a>[^\s\"'`«»“”,;()]{2,63}[^\s\"'`«»“”,;.:?()])"
_ENDS = r"(?=[\"'`»”]?(?:[.,;:)!]*(?:\s*$|\s*\n|[.,;:)!]\s)|\s(?:\(|and\b|y\b|for\b|para\b|btw\b|on\b|en\b)))"
_USER = (
    r"(?:user\s?name|user|usuario|login)(?:\s(?:is|es)|:)?\s[\"'`]?(?!and\b"
    r"|y\b|or\b|name\b)[\w.@+-]{2,40}[\"'`]?"
)


def _word(value: str) -> bool:
    """A word that says nothing about the password, where the sentence can only give one."""
    return given(value) and len(value) > 3 and not is_compound_name(value) and not is_statement(value)


def _plain(value: str) -> bool:
    return bool(re.fullmatch(r"[a-zñáéíóú]{4,24}", value)) and _word(value) and value not in GRAMMAR


def _digits(value: str) -> bool:
    return value.isdigit()


SENTENCES = (
    Rule(
        "password",
        "user|usuario|login",
        rf"\b{_USER}(?:\s?[,;/]\s?|\s)(?:(?:and|y|with|con|e)\s)?{_THE}\b{_NAMED}\b(?:\s(?:is|es)|:)?"
        rf"\s{_TOLD}{_ENDS}",
        _word,
    ),
    Rule(
        "password",
        "with|con ",
        rf"\b(?:as|como)\s[\w.@-]{{2,40}}\s(?:with|con)\s{_THE}{_NAMED}\s{_TOLD}{_ENDS}",
        _word,
        before=60,
    ),
    Rule(
        "password",
        "log in|login|sign in|connect|entra|accede|conéctate|creds|credentials|credenciales",
        r"(?:log ?in|sign in|connect|entra\w{0,2}|accede|conéctate"
        r"|inicia sesión|creds|credentials|credenciales)\b"
        rf"[^\n.]{{0,40}}?\s(?:user\s|usuario\s)?[a-z][\w.@-]{{1,40}}\s(?:and|y)\s{_TOLD}",
        looks_chosen,
    ),
    Rule(
        "password",
        "password|contraseña|passw|clave",
        rf"\b{_NAMED}\b[^\n]{{0,80}}?\b(?:new one|other one|la nueva|la otra|ahora|now)(?:['’]s|"
        rf"\s(?:is|es))\s{_TOLD}",
        looks_chosen,
    ),
    Rule(
        "password",
        "password|contraseña|clave",
        rf"\b{_NAMED}\b[^\n]{{0,80}}?\b(?:c[aá]mbi[ae](?:la|lo)|cambiarl[ao]|changed? it|set it)"
        rf"\s(?:por|to|a)\s{_TOLD}"
        rf"|\bcambi\w{{1,4}}\s(?:la|tu|su|mi)\s{_NAMED}\s(?:\w+\s){{0,3}}?(?:por|a)"
        rf"\s{_TOLD.replace('<a>', '<b>')}",
        looks_chosen,
        before=12,
    ),
    Rule(
        "password",
        "password|contraseña",
        rf"{_NAMED}\s(?:from|de)\s{_TOLD}[\"'`]?\s(?:to|a)\s",
        looks_chosen,
    ),
    Rule(
        "password",
        "the |la |el ",
        rf"(?:\bit['’]?s|\bes)\s{_TOLD}[\"'`]?\s?,\s(?:the|la|el)\s(?:\w+\s)?{_NAMED}\b(?=[\s.!?]|$)",
        looks_chosen,
        before=80,
    ),
    Rule(
        "password",
        " as | como ",
        r"\b(?:use|usa|usad|pon|ponle|put|type|enter|try)\s[\"'`]?(?P<a>[a-zñáéíóú]{4,24})[\"'`]?"
        r"\s(?:as|como)\s"
        r"(?:(?:the|my|your|la|el|tu)\s)?(?:\w{2,12}\s)?(?:password|passphrase|contraseña)\b"
        + _ENDS.replace(r"on\b", r"on\b|del?\b"),
        _plain,
        before=60,
    ),
    Rule(
        "password",
        "password|contraseña",
        r"(?:password|contraseña)(?:\?\s|[^\n.?]{0,40}?\b(?:type"
        r"|enter|try|escribe|introduce|teclea|prueba con|"
        rf"la de siempre,)\s){_TOLD}|\b(?:try|type|prueba con|escribe)"
        rf"\s{_TOLD.replace('<a>', '<b>')}[\"'`]?\s"
        r"(?:if|when|si|cuando)\s[^\n.]{0,30}?(?:password|contraseña)",
        looks_chosen,
        before=90,
    ),
    Rule(
        "password",
        "contraseña",
        rf"contraseña\s(?:que\s)?\w{{3,12}}(?:\s\w{{2,12}})?\s(?:fue|era|es)\s{_TOLD}",
        looks_chosen,
    ),
    Rule(
        "pin",
        "pin ",
        r"\bpin(?:\s(?:code|number)|\s(?:de|del|for|of)(?:\s\w+){1,3})?\s(?:is|es|sigue siendo)"
        r"\s(?P<a>\d{4,8})\b"
        r"(?!\s?(?:digit|dígito|char))",
        _digits,
    ),
)
