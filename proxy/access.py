"""Who may ask, from where, and for what: keys and their owners, hosts and origins, paths."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from errors import BadInput

OWNER = re.compile(r"[A-Za-z0-9_-]{1,40}")
FORM = "RAG_PROXY_API_KEY is one key, or OWNER:KEY,OWNER:KEY with plain names and each key for one owner."
# Served below /v1 too; a client whose base address lacks it means the same.
OPENAI = re.compile(
    r"/(chat/completions|completions|embeddings|models|responses|messages|audio|images|files|batches|moderations"
    r"|realtime|rerank|score|pooling|classify)(/.*)?"
)
# What vLLM and Ollama serve outside /v1. A list of what may pass, since vLLM guards only /v1 by its key.
SERVED = re.compile(
    r"/(v1|v2|api)(/.*)?|/(health|livez|ready|metrics|tokenize|detokenize|pooling|classify|score|rerank|embed|version|ping|load|server_info)"
    r"|/tokenizer_info|/docs|/redoc|/openapi\.json|/inference/v1/generate|/"
)
ADMIN = re.compile(
    r"(/v\d+)?/(pause|resume|is_paused|scale_elastic_ep|is_scaling_elastic_ep|update_weights|init_weight_transfer\w*"
    r"|sleep|wake_up|is_sleeping|collective_rpc|reset_\w+|start_profile|stop_profile|load_lora_adapter"
    r"|unload_lora_adapter|invocations|server_info|abort_requests)(/.*)?",
    re.S,
)


class Refusal(Exception):
    """Why a request goes no further: an HTTP status, a code for programs, a sentence for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def owners(configured: str | None) -> dict[bytes, str]:
    """The owner of each key, by the key's digest; one key alone is the owner of the ordinary memory, "".

    Raises:
        BadInput: not `KEY`, nor `OWNER:KEY,OWNER:KEY`, or one key for two owners.
    """
    found: dict[bytes, str] = {}
    for entry in filter(None, (one.strip() for one in (configured or "").split(","))):
        owner, colon, key = entry.rpartition(":")
        meant = key and (OWNER.fullmatch(owner) or not colon)
        if not meant or found.setdefault(_digest(key), owner) != owner:
            raise BadInput(FORM)
    if configured and not found:
        raise BadInput(FORM)
    return found


def first_key(configured: str) -> str:
    """The first of the keys, for whoever asks a proxy of the same settings."""
    return configured.partition(",")[0].strip().rpartition(":")[2]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


@dataclass(frozen=True)
class Access:
    """The rules of one proxy: its keys, and the names under which it may be called (none: any)."""

    keys: Mapping[bytes, str]
    hosts: frozenset[str]
    open_to_all: bool

    def owner(self, authorization: str | None) -> str | None:
        """Whose memory a caller may have; None for a stranger."""
        if not self.keys:
            return ""
        scheme, _, key = (authorization or "").partition(" ")
        given = _digest(key.strip())
        # Every key is compared, so that time tells nothing.
        found = [owner for known, owner in self.keys.items() if hmac.compare_digest(known, given)]
        return found[0] if found and scheme.lower() == "bearer" else None

    def check(self, host: str | None, origin: str | None) -> None:
        """Refuse a web page that calls us by a name of its own (DNS rebinding), or from another origin."""
        cure = "name it in RAG_PROXY_HOSTS if it is yours"
        if host is not None and not self._known(f"//{host}"):
            raise Refusal(403, "host_not_allowed", f"This proxy is not called {host[:100]}: {cure}.")
        if origin is not None and not self._known(origin):
            message = f"Web pages of {origin[:100]} may not call this proxy: {cure}."
            raise Refusal(403, "origin_not_allowed", message)

    def _known(self, address: str) -> bool:
        if self.open_to_all:
            return True
        name = _host(address)
        return name is not None and (name in self.hosts or is_loopback(name))


@lru_cache(256)  # nearly all requests have the same few
def _host(address: str) -> str | None:
    """The host of an address; None where it is no address."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return None


@lru_cache(256)
def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine only."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(256)  # nearly all requests have the same few
def target(raw: str) -> tuple[str, str]:
    """A request's target as the server shall get it, and its path with nothing hidden in it.

    Raises:
        Refusal: a path that steers the server, that hides something, or that nobody serves.
    """
    plain = unquote(raw.partition("?")[0], errors="replace")
    bare = unquote(
        unquote(plain, errors="replace"), errors="replace"
    )  # a server behind the server decodes again
    dots = {"..", "."} & set(re.split(r"[/\\]", bare))
    # Servers drop what comes after a #: a path that is refused could hide before it.
    if not raw.startswith("/") or "#" in raw or dots or "\0" in bare:
        message = "The path cannot be used as it is: give it from the root, without dots and without #."
        raise Refusal(400, "bad_path", message)
    path = _short(plain)
    if ADMIN.fullmatch(_short(re.split("[?#;]", bare)[0]).lower()):
        message = "This path steers the model server: ask the server itself."
        raise Refusal(403, "admin_path", message)
    if SERVED.fullmatch(path):
        return raw, path
    if OPENAI.fullmatch(path):
        return "/v1" + raw, "/v1" + path
    raise Refusal(404, "not_found", "Neither the model server nor this proxy serves this path.")


def _short(path: str) -> str:
    return re.sub(r"/{2,}", "/", path).rstrip("/") or "/"
