"""A model that Ollama has: the file with its weights, and its Modelfile for another such file."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from errors import BadInput, PartMissing
from training.programs import asked

SECONDS = 60
NAME = re.compile(r"[\w.][\w.:/-]*")
BLOCK = '"""'


@dataclass(frozen=True)
class Known:
    """The file of a model's weights, and its Modelfile with `./model.gguf` in that file's place."""

    weights: Path
    modelfile: str


def known(name: str, merged: str) -> Known:
    """What Ollama has under a name; `merged` is what the new Modelfile calls the file of weights.

    Raises:
        BadInput: no such name, or a model of which no other can be made.
        PartMissing: there is no Ollama here, it has no such model, or it does not answer.
    """
    if not NAME.fullmatch(name):
        raise BadInput(f"ollama:{name} names no model: write it as `ollama list` does.")
    if shutil.which("ollama") is None:
        raise PartMissing(f"There is no `ollama` on the PATH: install it, or give {name}'s GGUF as a file.")
    return of(asked(["ollama", "show", "--modelfile", name], SECONDS), name, merged)


def of(modelfile: str, name: str, merged: str) -> Known:
    """What a Modelfile says, as `ollama show` prints it.

    Its first FROM is the weights. A further one is what sees pictures, which no adapter of a language model
    reaches: it stays as it is. Comments are dropped, and all else is kept byte for byte.

    Raises:
        BadInput: it names no file on this machine, or another adapter.
    """
    weights, kept = None, []
    for instruction in _instructions(modelfile, name):
        word, value = _parted(instruction)
        if word == "ADAPTER":
            raise BadInput(f"{name} carries an adapter already: name the model that yours was trained on.")
        if word == "FROM" and weights is None:
            weights = Path(value.strip('"'))
            kept.append(f"FROM {merged}\n")
        else:
            kept.append(instruction)
    if weights is None or not weights.is_file():
        raise BadInput(
            f"Ollama says that {name} is made of {weights or 'nothing'}, which is no file on this machine: "
            "give its GGUF as a file."
        )
    return Known(weights, "".join(kept))


def _instructions(modelfile: str, name: str) -> Iterator[str]:
    """Each with all of its lines; what is quoted goes on until a line ends with the quotation mark."""
    lines = StringIO(modelfile, newline="\n")  # no other sign ends a line
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        text = line
        while _open(_parted(text)[1]):
            more = next(lines, None)
            if more is None:
                raise BadInput(f"The Modelfile that Ollama prints for {name} ends within {text.split()[0]}.")
            text += more
        yield text if text.endswith("\n") else f"{text}\n"


def _parted(instruction: str) -> tuple[str, str]:
    """Its word, and what it says: of a PARAMETER without the parameter's name."""
    word, _, value = instruction.strip().partition(" ")
    if word.upper() in {"PARAMETER", "MESSAGE"}:
        value = value.strip().partition(" ")[2]
    return word.upper(), value.strip()


def _open(value: str) -> bool:
    mark = BLOCK if value.startswith(BLOCK) else '"'
    return value.startswith(mark) and not (len(value) >= 2 * len(mark) and value.endswith(mark))
