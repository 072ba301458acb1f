"""What a log says of its session as a whole, also where that part of it is damaged."""

import json
import re
from typing import Any

from loaders.vibe.salvage import Record
from loaders.vibe.sessions import Session
from loaders.vibe.times import moment

_FIELDS = (
    "session_id",
    "parent_session_id",
    "start_time",
    "git_branch",
    "working_directory",
    "title",
    "active_model",
    "model_name",
)
_CONTINUES = "You are continuing a trajectory"  # how the title of a compacted session begins


def salvaged_header(text: str) -> Record:
    """The fields that can still be read in damaged metadata, where a whole one would have them."""
    found: Record = {}
    for name in _FIELDS:
        match = re.search(rf'"{name}"\s*:\s*("(?:[^"\\\x00-\x1f\udc80-\udcff]|\\.)*")', text)
        if match:
            try:
                found[name] = json.loads(match[1])
            except ValueError:
                continue
    environment = {"working_directory": found.pop("working_directory", None)}
    config = {key: found.pop(key, None) for key in ("active_model", "model_name")}
    return {**found, "environment": environment, "config": config}


def tools_of(header: Record) -> list[Record]:
    """The tools that the model was offered, as OpenAI's protocol has them; none where it is not said."""
    given = header.get("tools_available")
    return [tool for tool in given if isinstance(tool, dict)] if isinstance(given, list) else []


def describe(session: Session, header: Record, wrapper: str | None = None) -> None:
    """Write what the header says into the session; `wrapper` is the text whose beginning is no title."""
    environment = _mapping(header.get("environment"))
    session.project = _text(environment.get("working_directory")) or _text(header.get("origin_directory"))
    session.branch = _text(header.get("git_branch"))
    session.started = moment(header.get("start_time"), naive_is_local=True)
    session.model = _model(_mapping(header.get("config") or header.get("agent_config")))
    title = _text(header.get("title"))
    if title and not title.startswith(_CONTINUES) and not (wrapper or "").startswith(title.rstrip("…")):
        session.title = title


def _model(config: Record) -> str | None:
    """The model's own name; the configuration knows the active one by an alias."""
    alias = _text(config.get("active_model"))
    models = config.get("models")
    for model in models if isinstance(models, list) else []:
        if _mapping(model).get("alias") == alias and alias:
            return _text(model.get("name")) or alias
    return _text(config.get("model_name")) or alias


def _mapping(value: Any) -> Record:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
