"""Whether what stands in a secret's place is one: no placeholder, no name of a variable, no ordinary word."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from functools import cache, lru_cache
from typing import NamedTuple


class Span(NamedTuple):
    """A secret's place in the text, and the name of its kind."""

    start: int
    end: int
    kind: str


def vocabulary(words: str) -> frozenset[str]:
    """The words of a list that is kept as a text."""
    return frozenset(words.split())


# What stands for a secret or tells its type or state; a value made of nothing else is none.
_STAND_INS = vocabulary("""
    password passwords passwd passwort passphrase passcode pass pwd secret secrets token tokens apikey
    keys authorization authentication authenticated credential credentials creds bearer basic access
    account client refresh session csrf xsrf login user username usuario database webhook signing
    contraseña contrasena clave claves secreto senha kennwort your mine some this that current actual
    real here there enter insert replace change changeme changeit with from nueva cambiar cambia
    cambiame cámbiame poner ejemplo prueba valor aquí aqui example examples sample dummy fake mock
    placeholder demo test testing tests fixture todo tbd fixme xyz redacted filtered hidden masked
    removed omitted censored encrypted hashed hash stored value values string text varchar char integer
    bool boolean bytes byte number float object array unknown nullable null none undefined true false
    empty blank unset missing required optional invalid valid wrong incorrect correct weak strong short
    long expired revoked rejected mismatch confirm confirmed reset forgot forgotten update updated
    disabled enabled default static const return await function class public private readonly type name
    field file path environment variable config something whatever anything nothing same different
    unique random generated secure safe plain plaintext cleartext requerida requerido obligatoria
    obligatorio incorrecta inválida invalida inválido correcta vacía vacia débil debil segura my api key
    new old own vault keyring keychain stdin prompt bcrypt scrypt argon files compat
""")
# So short that other words begin with them.
_SHORT_STAND_INS = vocabulary("""
    pw auth db our the an any put add use set to for goes by of and or is foo bar baz qux xxx xx abc
    temp tu mi su de del la el str int nil yes no on off bad good self env raw you me it in at one two
""")
# Words of sentences: no passphrase holds one, and none is a password.
GRAMMAR = vocabulary("""
    the a an is are of to for in on with your you must be please enter not and or by this that has have
    can should will at least it from as su la el de es un una por debe ser no con para flag flags option
    options argument instead parameter was when if field too never always only also still just now then
    very more than into over after before because which who what how why where there here they we do
    does did get require requires needs expects takes exists given cannot
""")
# The consonants that meet in words.
_CLUSTERS = vocabulary("""
    bb bl br cc ch ck cl cr cs ct dd dg dl dm dr ds dw ff fl fr ft gg gh gl gn gr gs hr kn ks lc ld lf lk ll
    lm lp ls lt lv mb mm mn mp ms nc nd nf ng nk nl nm nn ns nt nv ph pl pp pr ps pt rb rc rd rf rg rk rl rm
    rn rp rr rs rt rv rw sc sh sk sl sm sn sp sq ss st sw tb tc tf th tl tm tr ts tt tw wd wh wn wr ws xc xp
    xt
""")
_MASKED = re.compile(
    r"[\x1a…]|a-z|A-Z|0-9\]|\.[*+]|\*{3}|x{4}|X{4}|•{2}|\.{3}|<[^>]*>|\{\{|\}\}|[$#@]\{|\$\(|%\(\w+\)"
    r"|\{[A-Za-z_][\w.]*\}|^%\w+%$|^%[sdvq]$|^\{[^}]*\}$|^\[[A-Z_ ]+\]$|^@\w+@$|^__\w+__$"
    r"|^\$[A-Za-z_]\w*(?:[-.:(\[]|$)|^\$(?:env|ENV):|^&(?:[a-z]+;|#x?\w+)|^[\W_]*$|^(.)\1*$"
)
# Made of stand-ins as it is, people copy this one from a manual and keep it.
_FROM_MANUALS = re.compile(r"my[-_]?secret[-_]?(?:password|passwd|pass|pw)", re.IGNORECASE)
_HASH = re.compile(r"\$(?:2[abxy]?|[156y]|argon2\w*|apr1)\$|pbkdf2_|\{SSHA|(?:sha|md)\d+[:$-]")
_CALL = re.compile(
    r"\w\(|\w\[|->|::|=>|\(\?"
    r"|^(?:[A-Za-z_]\w{0,30}\.)+(?:[A-Z][a-z]+\d*[A-Z]\w*|[A-Z][A-Z\d]*_\w+|[a-z]+_\w+)$"
)
_REFERENCE = re.compile(
    r"[*&!@][A-Za-z_:-]+\*?$|\w+\(\)$"
    r"|[A-Za-z_$][\w$]*(?:\??\.[A-Za-z_$]+)+$"  # a path through objects, none of whose names has a figure
    r"|(?:os|self|this|process|env|config|settings|args|opts?|req(?:uest)?|res(?:ponse)?|ctx|var|local|data"
    r"|module|secrets|values|params|props|state|user|app|vault|ssm|op|arn|secretref|file|https?)[.:/]"
    r"|(?:~|\.{1,2})?/[\w.-]*(?:/[\w.@-]+)*/?$|[A-Za-z]:[\\/]|[\w.-]+(?:/[\w.-]+)+\.\w{1,5}$"
    r"|(?i:[\w./-]+\.(?:py|[jt]sx?|json|ya?ml|toml|md|txt|go|rs|java|rb|php|c|h|cpp|env|cfg|conf|ini|sh|html"
    r"|css|pem|key|crt|log|sql|xml|csv|lock|com|org|net|io|dev|local|internal|example)$)"
    r"|(?i:[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}$)"
)
# Words with figures in them that people use when they talk about secrets.
_TERM = re.compile(
    r"(?i:(?:\w{2,10}-)?(?:sha|md|aes|rsa|dsa|ecdsa|rfc|x|http|ip|oauth|oidc|utf|latin|base|ed|curve|pkcs"
    r"|pbkdf|argon|blake|crc|tls|ssl|python|node|java|bcrypt|scrypt|fido|web|log|neo|step|part|phase|test|case"
    r"|item|row|line|page|id|v)"
    r"-?\d[\d.a-z]{0,4}(?:[-_/]\w{1,12}){0,3}"
    r"|\d[\d.,:/-]*[a-z]{0,2}|\d+(?:st|th|fa|rem|mib|gib|kib|min|sec|bits?|bytes?|chars?)|\d+(?:-[a-z]{3,})+"
    r"|\d+(?:[.:]\d+)+[\w.+~-]*|\d{4}-\d\d-\d\d[T ].*|0x[\da-f]{1,8})|[A-Z]{2,10}(?:-\d[\dA-Z]*)+"
)
_NAME = re.compile(
    r"[a-z]+(?:_[a-z\d]+)+|[A-Z]+(?:_[A-Z\d]+)+|[A-Za-z][a-z]*(?:[A-Z]+[a-z]*)*|[a-z]+(?:[.:][a-z]+)+"
)
# A plain word that tells something about a password is none.
_STATEMENT = re.compile(
    r"(?:\w*(?:ed|ing|ly|ado|ido|ada|ida|[ai]ble|ory|ary|ive|ous|ful|less|[ae]nte?|ic[ao]?|os[ao]|tion|ción)"
    r"|.{0,3}|lost|sent|kept|found|known|given|shown|hidden|broken|written|stolen|gone|fine|okay|right|there"
    r"|easy|hard|complex|simple|nueva?|vieja?|mala?|mía|suya|otra|igual|fácil|difícil)$",
    re.IGNORECASE,
)
_SPEAKS_OF_SECRETS = re.compile(r"passw|passphrase|auth|token|secret|contraseña|clave", re.IGNORECASE)
_COMPOUND_NAME = re.compile(
    r"[a-z]+(?:_[a-z]+)+|[A-Z]+(?:_[A-Z]+)+|[A-Za-z][a-z]+(?:[A-Z][a-z]+)+|[a-z]+(?:[.:][a-z]+)+"
)
_WORD = r"(?:[A-Z]?[a-z]+|[A-Z]+|\d{1,4}|v\d|[a-z]{2,6}\d)"
_WORDS = re.compile(rf"{_WORD}(?:[-_.:/]{_WORD})*")
_HUMPS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^A-Za-z]")
_CAMEL = re.compile(r"(?:[A-Z]\d)?(?:[A-Z][a-z]{2,}\d{0,2}){2,}|[A-Z][A-Z\d]{0,9}(?:_[A-Z\d]{1,10})+")
_SENTENCE = re.compile(r"\s(?:.*[a-z]{4})|[a-z]{4}.*\s")
_SHUFFLED = re.compile(r"(?!.*[a-z]{6})[A-Za-z+/]{12,}={0,2}")


@cache
def _stand_in() -> re.Pattern[str]:
    long, short = (
        "|".join(sorted(words, key=lambda word: (-len(word), word)))
        for words in (_STAND_INS, _SHORT_STAND_INS)
    )
    word = rf"(?:{long})|(?:{short})(?![a-zñ\d])"
    return re.compile(rf"[^\w\s]?(?>(?:{word})[^a-zñáéíóú\d]*+)++", re.IGNORECASE)


@lru_cache(4096)
def is_literal(value: str) -> bool:
    """Whether it could be a secret at all, and is not what stands for one."""
    if len(value) < 3 or _MASKED.search(value) or _HASH.match(value):
        return False
    return not _stand_in().fullmatch(value) or bool(_FROM_MANUALS.fullmatch(value))


@lru_cache(4096)
def is_reference(value: str) -> bool:
    """Whether it says where something is: an attribute, a path, a file, an address."""
    return bool(_REFERENCE.match(value))


def is_code(value: str) -> bool:
    """Whether an unquoted value is an expression of a program."""
    return bool(_CALL.search(value)) or is_reference(value)


def is_compound_name(value: str) -> bool:
    """Whether it is spelled as the names of variables are, with more than one word in it."""
    return bool(_COMPOUND_NAME.fullmatch(value.rstrip("!?")))


def is_statement(word: str) -> bool:
    """Whether an ordinary word at the end of a sentence says how a password is and not what it is."""
    return bool(_STATEMENT.match(word)) or word.lower() in GRAMMAR


def is_phrase(value: str) -> bool:
    """Whether it is a passphrase: words in a row that make no sentence."""
    words = value.split()
    if any(looks_chosen(word) and re.search(r"[!@#$%^&*]\w", word) for word in words):
        return True
    if GRAMMAR & {*value.lower().split()} or _SPEAKS_OF_SECRETS.search(value):
        return False
    plain = len(words) > 3 and all(re.fullmatch(r"[A-Za-z]{3,12}(?<!ed)(?<!ing)", word) for word in words)
    return plain or (len(words) < 5 and any(looks_chosen(word) for word in words))


@lru_cache(4096)
def looks_chosen(value: str) -> bool:
    """Whether an unquoted word in a sentence or in code is what people choose as a password."""
    if not 5 <= len(value) <= 128 or not is_literal(value) or is_code(value):
        return False
    if _TERM.fullmatch(value) or _NAME.fullmatch(value) or is_compound_name(value):
        return False
    mixed = re.search(r"\d|[!@#$%^&*+=?~].*\w|!$", value)
    words = re.fullmatch(r"\w+(?:-\w+){2,}", value) and not _SPEAKS_OF_SECRETS.search(value)
    return bool((mixed or words) and re.search(r"[^\W\d_]", value))


@lru_cache(4096)
def looks_random(value: str, least: int = 16) -> bool:
    """Whether a machine made it: long, of mixed kinds of characters, with little order."""
    if len(value) < least or not is_literal(value) or is_reference(value):
        return False
    if (
        _WORDS.fullmatch(value)
        or _TERM.fullmatch(value)
        or _CAMEL.fullmatch(value)
        or _SENTENCE.search(value)
    ):
        return False
    if not re.search(r"\d", value):
        return bool(_SHUFFLED.fullmatch(value)) and is_shuffled(value)
    return bool(re.search(r"[A-Za-z]", value)) and entropy(value) >= min(2.75, math.log2(len(value)) - 0.9)


def is_jumbled(value: str) -> bool:
    """Whether small letters alone follow each other as in no word: quoted under a secret's name, a key."""
    if not re.fullmatch(r"[a-z]{12,64}", value):
        return False
    pairs = (value[n : n + 2] for n in range(len(value) - 1))
    odd = sum(not re.search("[aeiouy]", pair) and pair not in _CLUSTERS for pair in pairs)
    return odd >= max(3, len(value) / 5)


def is_shuffled(value: str) -> bool:
    """Whether capital and small letters and figures change too often for words."""
    return len(_HUMPS.findall(value)) > len(value) / 2.7


def is_key(value: str) -> bool:
    """Whether what has the shape of a service's key is one, and not a name that begins alike."""
    if not is_literal(value) or _WORDS.fullmatch(value):
        return False
    mixed = len(value) >= 20 and not value.islower() and not value.isupper()
    return entropy(value) > 2.5 and bool(re.search(r"\d", value) or (mixed and entropy(value) > 3.8))


def is_distinctive(value: str) -> bool:
    """Whether it means the same secret wherever it occurs; an ordinary word means others too."""
    return (len(value) >= 6 and not value.isalpha() and not value.isdigit()) or len(value) >= 12


def is_basic(value: str) -> bool:
    """Whether it is base64 of a name and a password with a colon between."""
    try:
        return bool(re.fullmatch(rb"[ -9;-~]+:[ -~]+", base64.b64decode(value, validate=True)))
    except (binascii.Error, ValueError):
        return False


def entropy(value: str) -> float:
    """Shannon's, in bits for a character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
