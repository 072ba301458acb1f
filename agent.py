"""The agent's own configuration: what Vibe has to be told, and whether it was."""

from __future__ import annotations

import json
import tomllib
from urllib.parse import urlsplit

import proxied
from errors import PartMissing
from parts import Parts
from proxy.access import is_loopback

DEFAULT_MODEL = "mistralai/Devstral-Small-2-24B-Instruct-2512"
NAME = "recuerdo"
FULL = 0.8


def config(parts: Parts) -> str:
    """The lines for `~/.vibe/config.toml` that make Vibe ask the proxy, in TOML."""
    chosen = parts.settings
    base = f"http://{host(chosen.rag_proxy_host)}:{chosen.rag_proxy_port}/v1"
    room = chosen.max_model_len - chosen.rag_max_tokens
    return lines(base, _model(parts), int(FULL * room), keyed=bool(chosen.rag_proxy_api_key))


def lines(base: str, model: str, full: int, *, keyed: bool) -> str:
    """The same for an address, a model, and at how many tokens Vibe sums up; a key is read from its variable.

    Not max_context_length: with it, Vibe 3.0.2 asks for all that its prompt leaves of the context as an
    answer, and no memory fits any more.
    """
    key = 'api_key_env_var = "RAG_PROXY_API_KEY"\n' if keyed else ""
    return f"""\
# At the top of the file, above every [section]:
active_model = {json.dumps(NAME)}

# Anywhere below:
[[providers]]
name = {json.dumps(NAME)}
api_base = {json.dumps(base)}
{key}api_style = "openai"
backend = "generic"

[[models]]
name = {json.dumps(model)}
provider = {json.dumps(NAME)}
alias = {json.dumps(NAME)}
temperature = 0.2
auto_compact_threshold = {full}
"""


def told(parts: Parts) -> str:
    """Where Vibe's configuration names the proxy.

    Raises:
        PartMissing: it does not, there is none, or it cannot be read.
    """
    chosen = parts.settings
    path = chosen.vibe_home.expanduser() / "config.toml"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PartMissing(f"there is no {path}") from None
    except (OSError, ValueError) as error:
        raise PartMissing(f"{path} cannot be read: {error}") from error
    providers = found.get("providers", [])
    bases = (
        [one.get("api_base") for one in providers if isinstance(one, dict)]
        if isinstance(providers, list)
        else []
    )
    if not any(_is_ours(str(base), chosen.rag_proxy_port) for base in bases):
        raise PartMissing(f"{path} names no provider on port {chosen.rag_proxy_port}")
    return f"{path} names the proxy"


def _is_ours(base: str, port: int) -> bool:
    try:
        parts = urlsplit(base)
        return parts.port == port and is_loopback(parts.hostname or "")
    except ValueError:
        return False


def _model(parts: Parts) -> str:
    """What the settings name, else what the model server serves first, else what it is meant for."""
    from models.probe import probe

    chosen = parts.settings
    found = chosen.llm_model or next(iter(probe(proxied.upstream(chosen), parts.wanted.api_key).models), None)
    return found or DEFAULT_MODEL


def host(host: str) -> str:
    """What an agent on this machine calls the address."""
    plain = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  # where it is asked, not where we listen
    return f"[{plain}]" if ":" in plain else plain
