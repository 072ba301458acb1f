"""Session logs whose turns ask for the colour code of a machine."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks import sessions


def session(root: Path, number: int, turns: Iterable[int], project: str = "/home/dev/shop") -> Path:
    """A folder with a session of some turns; turn n asks for the code of machine n."""
    told = (
        (
            str(turn),
            f"Which colour code has machine {turn}?",
            f"Machine {turn} is painted in colour code R{turn:05}.",
        )
        for turn in turns
    )
    return sessions.write(root, number, told, project)
