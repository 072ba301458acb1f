"""Secrets beside their name: in an assignment, an option, a header, an element, a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from loaders.secrets import places
from loaders.secrets.names import KEYWORD, Name, classify
from loaders.secrets.places import Place, ends_sentence, is_alone, is_shell, placed
from loaders.secrets.values import (
    GRAMMAR,
    Span,
    is_basic,
    is_code,
    is_compound_name,
    is_jumbled,
    is_literal,
    is_phrase,
    is_reference,
    is_statement,
    looks_chosen,
    looks_random,
)

_BACK = re.compile(r"[\w.-]{0,60}")  # these two read backwards
_BACK_ONE_WORD = re.compile(r" [A-Za-z]{3,12}\b")
_REST = re.compile(r"[\w-]{0,40}")
_SAID_BEFORE = re.compile(
    r"(?:^|[\s\"'`])(?P<value>[^\s\"'`]{5,64})[\"'`]?\s(?:is|as|es|como|de)\s"
    r"(?:(?:the|my|our|a|la|el|mi|su|nuestra|tu|your)\s)?(?:\w+\s)?$"
)
_AFTER_SAID = re.compile(r"[.,;:!?)]|\s*$|\s*\n|\s(?:for|to|on|in|and|with|y|para|de|del|en)\b")
_OPTION_AFTER = re.compile(r"\s*(?:$|\n|\s-)")
_WITH = re.compile(r"(?:with|by|encrypted|using|define)\s+$", re.IGNORECASE)
_DEFINE = re.compile(
    r"(?:(?:define|getenv|get_?env\w*|environ\.(?:get|setdefault)|env|ENV\.fetch|setenv|setProperty)\([\"']"
    r"|\.(?:fill|type)\([\"'][^\"'\s]{0,30})$"
)
_SIGNING = re.compile(r"jwt|session|signing|hmac|secret_?key|api_?secret", re.IGNORECASE)
_TOLD_KEY = re.compile(r"wi-?fi|acceso|admin|root|panel|servidor|correo|server|email")
_ACCOUNT = re.compile(r"(?:user|login|usuario|email|account|cuenta)\w*\W", re.IGNORECASE)
_PLAIN = re.compile(r"(?!-)[\w!@#$%^&*+?~.:/-]+")
_TAILED = re.compile(r"[a-zñáéíóú]{4,}\d{2,4}")
_STRIKING = re.compile(r"[A-Z].*\d|\d.*[A-Za-z]|[!@#$%^&*]")


def named(scan: str) -> Iterator[Span]:
    """Every value that its name gives away as a secret."""
    backwards, done = scan[::-1], 0
    for match in KEYWORD.finditer(scan.lower()):
        if match.start() < done:
            continue
        start, end = _name_around(scan, backwards, match)
        name = classify(scan[start:end].strip("-._"))
        span = name and (_after_name(scan, start, end, name) or _before_name(scan, start, end, name))
        if span:
            yield span
            done = span.end


def _name_around(scan: str, backwards: str, match: re.Match[str]) -> tuple[int, int]:
    start = match.start() - _length(_BACK.match(backwards, len(scan) - match.start()))
    if match[0] == "key" and start == match.start():
        start -= _length(_BACK_ONE_WORD.match(backwards, len(scan) - start))
    return start, match.end() + _length(_REST.match(scan, match.end()))


def _length(match: re.Match[str] | None) -> int:
    return len(match[0]) if match else 0


def _after_name(scan: str, start: int, end: int, name: Name) -> Span | None:
    for pattern, accepts in _JOINTS:
        match = pattern.match(scan, end)
        place = match and placed(match, start, end)
        if place and accepts(name, place):
            more = places.MORE.match(scan, place.after) if len(place.value) == 128 else None
            return Span(place.at, place.after + _length(more), name.kind)
    return None


def _before_name(scan: str, start: int, end: int, name: Name) -> Span | None:
    """The words that come before their name: use such and such as the password."""
    match = _SAID_BEFORE.search(scan, max(0, start - 100), start)
    if not match or (name.vague and name.kind != "password") or not _AFTER_SAID.match(scan, end):
        return None
    value = match["value"].lstrip("(")
    fits = looks_chosen(value) if name.chosen else looks_random(value)
    return Span(match.end("value") - len(value), match.end("value"), name.kind) if fits else None


def _assigned(name: Name, place: Place) -> bool:
    if place.scan[place.start - 1 : place.start] == ":" == place.joint:  # arn:…:secret:…
        return False
    if place.name == "PASS" and ":" in place.joint:  # the result of a test
        return False
    if place.quote:
        return _quoted(name, place)
    if is_code(place.value):
        return False
    return _bare_word(name, place) if name.chosen else _bare_key(name, place)


def _bare_word(name: Name, place: Place) -> bool:
    value = place.value
    if name.vague and not (is_alone(place) and _ACCOUNT.search(place.before)):
        return looks_chosen(value)
    if is_shell(place) or (is_alone(place) and not is_compound_name(value)):
        return is_literal(value)
    return looks_chosen(value) or (value.isdigit() and len(value) > 3 and '"' in place.joint)


def _bare_key(name: Name, place: Place) -> bool:
    exposed = is_shell(place) or is_alone(place)
    if looks_random(place.value, 8 if exposed else 12) or is_basic(place.value):
        return not name.vague or len(place.value) >= 20
    return exposed and _is_own_words(name, place)


def _quoted(name: Name, place: Place) -> bool:
    value = place.value
    if is_reference(value) or is_compound_name(value):
        return False
    if name.vague and not (name.chosen and _ACCOUNT.search(place.before)):
        return looks_chosen(value) if name.chosen else looks_random(value, 20) or is_basic(value)
    if name.chosen:
        return is_literal(value) and (" " not in value or is_phrase(value))
    return looks_random(value, 8) or is_jumbled(value) or is_basic(value) or _is_own_words(name, place)


def _is_own_words(name: Name, place: Place) -> bool:
    """JWT_SECRET=some-long-words-of-ours: people choose secrets of this kind as well."""
    long = len(place.value) >= 12 and not re.search(r"[ /]", place.value)
    if not long or not is_literal(place.value):
        return False
    signs = "secret" in place.name.lower() and _SIGNING.search(place.before[-24:] + place.name)
    return bool((place.name.isupper() and name.kind == "secret") or signs)


def _element(name: Name, place: Place) -> bool:
    tag = place.joint != ">" or place.scan[place.start - 1 : place.start] == "<"
    if not tag or is_code(place.value):
        return False
    return is_literal(place.value) if name.chosen else looks_random(place.value, 8)


def _argument(name: Name, place: Place) -> bool:
    if _DEFINE.search(place.before) or (place.name.isupper() and "=" not in place.joint):
        return _quoted(name, place)
    return looks_chosen(place.value) if name.chosen else looks_random(place.value)


def _said(name: Name, place: Place) -> bool:
    value, passed = (
        place.value,
        place.joint.rsplit(None, 1)[-1:] in (["to"], ["a"], ["be"], ["ser"], ["sería"]),
    )
    if ("\n" in place.scan[place.end : place.at] and "=" in place.joint + value) or (passed and name.vague):
        return False
    if not place.quote and is_code(value):
        return False
    if not name.chosen:
        return looks_random(value, 10)
    if looks_chosen(value):
        return not name.vague or bool(
            _STRIKING.search(value) or (ends_sentence(place) and _TAILED.fullmatch(value))
        )
    word = re.fullmatch(r"[a-zñáéíóú]{4,24}|\d{4,12}", value, re.IGNORECASE)
    vague = name.vague and not (name.kind == "password" and _TOLD_KEY.search(place.joint))
    if vague or not word or not is_literal(value) or is_compound_name(value):
        return False
    told = re.search(r"[a-z]", place.joint) and not passed
    return bool(place.quote) or bool(told and ends_sentence(place) and not is_statement(value))


def _beside(name: Name, place: Place) -> bool:
    """Nothing but a space between: password hunter2x, PASSWORD 'x', --password x."""
    value = place.value
    if place.name.startswith("-"):
        return _operand(name, place)
    if name.chosen and _is_given(place):
        return is_literal(value)
    if is_code(value) or not _PLAIN.fullmatch(value):
        return False
    if not name.chosen:
        return not name.vague and looks_random(value, 12 if place.quote and place.name.isupper() else 20)
    if name.vague and not (
        _STRIKING.search(value)
        and (place.name.lower() not in {"pass", "contra"} or _ACCOUNT.search(place.before))
    ):
        return False
    return looks_chosen(value)


def _is_given(place: Place) -> bool:
    """WITH PASSWORD 'x', #define PASSWORD "x"."""
    statement = _WITH.search(place.before) or (place.name.isupper() and place.quote == "'")
    return bool(place.quote in {"'", '"'} and " " not in place.value and statement)


def _operand(name: Name, place: Place) -> bool:
    """What follows an option of a command; who only speaks of the option goes on with a word."""
    value = place.value
    if place.quote or not name.chosen:
        return _quoted(name, place)
    if value.startswith("-") or is_code(value) or not is_literal(value):
        return False
    word = value.islower() and value.isalpha()
    return not word or bool(value not in GRAMMAR and _OPTION_AFTER.match(place.scan, place.after))


_JOINTS: tuple[tuple[re.Pattern[str], Callable[[Name, Place], bool]], ...] = (
    (places.ASSIGNED, _assigned),
    (places.ELEMENT, _element),
    (places.RECORD, _assigned),
    (places.ARGUMENT, _argument),
    (places.SPOKEN, _said),
    (places.BESIDE, _beside),
)
