"""A program's end: its exit status, and one sentence on standard error where it failed."""

from __future__ import annotations

import os
import sys

import typer

from errors import RecuerdoError


def run(cli: typer.Typer, name: str) -> None:
    """Carry out what the command line says; `--debug` anywhere in it shows the traceback of an error."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        status = cli(arguments, prog_name=name, standalone_mode=False)
    except (RecuerdoError, typer.TyperException) as error:
        if debug:
            raise
        message = error.format_message() if isinstance(error, typer.TyperException) else str(error)
        sys.stderr.write(f"{message}\n")
        raise SystemExit(getattr(error, "exit_status", 2)) from None
    except (typer.Abort, KeyboardInterrupt):
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Whoever read our output has gone; what is still buffered has nowhere to go either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    raise SystemExit(status or 0)


def leave() -> None:
    """End now, in order: a thread that is inside a library's own code would be ended there, which aborts."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
