"""YAML as people write it: one mapping a file, no key twice, and every fault one sentence."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from errors import BadInput


def mapping(path: Path) -> dict[Any, Any]:
    """What a file of `key: value` lines says.

    Raises:
        BadInput: it cannot be read, is no UTF-8, no YAML or no mapping, or has a key twice.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}): check its permissions.") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is no UTF-8 from byte {error.start} on: save it as UTF-8.") from error
    found = value(text, str(path))
    if isinstance(found, dict):
        return found
    what = "is empty" if found is None else "is a list" if isinstance(found, list) else "is a single value"
    raise BadInput(f"{path} {what}: a recipe is made of `key: value` lines.")


def value(text: str, source: str) -> Any:
    """What a piece of YAML says; `source` is named in the error.

    Raises:
        BadInput: it is none, or has a key twice.
    """
    try:
        repeated = _repeated(text)
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(
            f"{source} is no YAML: {_place(error)}; mend it, or put the text in quotes."
        ) from error
    if repeated:
        raise BadInput(f"{source}: {repeated} is there twice; leave one of them out.")
    return found


def _repeated(text: str) -> str | None:
    """A key that is there more than once: YAML forbids it, and PyYAML takes the last in silence."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return None
    counted = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
    return next((name for name, count in counted.items() if count > 1), None)


def _place(error: Exception) -> str:
    """Where and what, in a few words."""
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"line {mark.line + 1}, {said}" if mark is not None else said
