"""The process that opens other people's files, so that one that kills its reader kills nothing else.

`python -m loaders.child`, started by `loaders.reading`: a JSON request a line in, a JSON answer a line out.
"""

import json
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from loaders.page import Page, Pages, Unreadable
from loaders.pdf import read_pdf
from loaders.text import read_text


def main() -> None:
    """Answer requests until there are no more; what a library prints goes to the error stream."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        answers.write(answer(line) + "\n")
        answers.flush()


def answer(line: str) -> str:
    """The answer to one request; whatever a file does, its reason comes back in the place of its pages."""
    request = json.loads(line)
    try:
        _limit(request["memory_mb"], request["seconds"])
        pages = _pages(Path(request["path"]))
        return _line([vars(page) for page in pages.found], pages.total, pages.problem)
    except MemoryError:
        problem = f"needs more than {request['memory_mb']} MB"
    except Unreadable as error:
        problem = str(error)
    except OSError as error:
        problem = f"cannot be opened: {error.strerror}"
    return _line([], 0, problem)


def _line(pages: list[dict[str, Any]], total: int, problem: str | None) -> str:
    return json.dumps({"pages": pages, "pages_total": total, "problem": problem}, ensure_ascii=False)


def _pages(path: Path) -> Pages:
    if path.suffix.lower() == ".pdf":
        return read_pdf(path)
    return Pages([Page(read_text(path), 1, "")], 1)


def _limit(memory_mb: int, seconds: float) -> None:
    """Bound what the next file may take: memory in all, and processor time from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = used.ru_utime + used.ru_stime
    for kind, most in [
        (resource.RLIMIT_AS, memory_mb * 2**20),
        (resource.RLIMIT_CPU, int(spent + seconds) + 1),
    ]:
        with suppress(ValueError, OSError):  # a system that knows no such limit, or has set a lower one
            resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


if __name__ == "__main__":
    main()
