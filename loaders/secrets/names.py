"""Which names promise a secret: DB_PASSWORD, apiKey, x-auth-token, contraseña, but not max_tokens."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from loaders.secrets.values import vocabulary


class Name(NamedTuple):
    """What a name promises: a word that a person chose, or characters that a machine made."""

    kind: str
    chosen: bool
    vague: bool = False  # means other things too, so that its value has to convince


# Where a name may be, in small letters; classify decides.
KEYWORD = re.compile(
    r"passwor[dt]|passwd|passphrase|passcode|pass|pwd|pw|psk|contrase(?:ñ|n[iy]?)a|contra|clave|senha"
    r"|kennwort|mdp|secreto?|token|auth|credential|bearer|key"
)
_PASSWORDS = vocabulary("""
    password passwd passwort passphrase passcode pass pwd pw psk contraseña contrasena contrasenia
    senha kennwort mdp sshpass dbpass userpass smtppass storepass keypass requirepass masterauth
""")
_JOINED_PASSWORD = re.compile(r"[a-z]+(?:password|passwd|passphrase|pwd)")
_MADE = vocabulary("token secret secreto secrets auth apikey credential credentials bearer clave")
_JOINED_MADE = re.compile(
    r"[a-z]+(?:token|secret)"
    r"|(?:api|secret|access|auth|private|account|encryption|signing|master|app|shared|license)key"
)
_KEYS = vocabulary("""
    api access secret private encryption encrypt signing sign master account shared storage auth
    service app application deploy consumer license subscription admin session webhook hmac aes
    fernet crypto jwt root write server client rest integration unseal recovery preshared vpn preshared vpn
""")
_QUALIFIERS = vocabulary("""
    prod production dev development staging stage stg qa test testing live local old new backup main
    primary secondary default value raw plain text plaintext string str base b64 base64 encoded
    current previous confirm confirmation repeat again db temp temporary hex secure data 1 2 3 01 02 v
""")
# Of keys and tokens: these are no secrets.
_HARMLESS = vocabulary("""
    public pub next page continuation pagination cursor idempotency primary foreign partition sort
    cache row column eos bos pad unk sep cls mask special stop start end max min num total prompt
    completion input output per cancellation lookup dedup index host
""")
_KINDS = {"token": "token", "bearer": "token", "apikey": "api-key", "auth": "credential", "clave": "password"}
_WORD = re.compile(r"[A-ZÑ]+(?![a-zñ])|[A-ZÑ]?[a-zñ]+|\d+")


@lru_cache(4096)
def classify(written: str) -> Name | None:
    """The promise of a name in any spelling, by its last word; None for one that promises no secret."""
    words = [word.lower() for word in _WORD.findall(written)]
    while len(words) > 1 and words[-1] in _QUALIFIERS:
        words.pop()
    if not words:
        return None
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last == "contra" or last in _PASSWORDS or _JOINED_PASSWORD.fullmatch(last):
        return Name("password", chosen=True, vague=last in {"pass", "contra"} and not before)
    if _HARMLESS & set(words):
        return None
    if last in {"key", "keys"} and before and (before in _KEYS or written.isupper() or words[0] == "x"):
        return Name(
            "api-key" if before == "api" else "key",
            chosen=False,
            vague=before not in _KEYS and words[0] != "x",
        )
    if last in _MADE or _JOINED_MADE.fullmatch(last):
        kind = _KINDS.get(
            last, "token" if last.endswith("token") else "key" if last.endswith("key") else "secret"
        )
        return Name(kind, chosen=last == "clave", vague=last in {"clave", "auth"})
    return None
