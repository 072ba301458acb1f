"""A fake `ollama` program for the tests: installed, and not running until it is started."""

import sys
from pathlib import Path

import httpx

from tests import scripted

SERVING = f"""#!{sys.executable}
import os, sys
sys.path.insert(0, {str(Path.cwd())!r})
from http.server import ThreadingHTTPServer
from tests.scripted import Handler, Server, streamed

assert sys.argv[1:] == ["serve"]
with open(sys.argv[0] + ".started", "a") as started:
    print(os.getpid(), file=started)
host, port = os.environ["OLLAMA_HOST"].split(":")
Handler.state = Server(streamed("Hola"), "ollama", ("qwen3:8b",), {{}})
ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
"""
SILENT = '#!/bin/sh\necho $$ >> "$0.started"\nexec sleep 60\n'
DYING = "#!/bin/sh\necho no room on the disk\nexit 7\n"


class Installed:
    """The program in a folder, its address on a free port, and the process ids it was started under."""

    def __init__(self, folder: Path, script: str = SERVING) -> None:
        self.command = str(folder / "ollama")
        Path(self.command).write_text(script)
        Path(self.command).chmod(0o755)
        with scripted.server() as free:
            self.url = free.url

    @property
    def started(self) -> list[int]:
        record = Path(f"{self.command}.started")
        return [int(line) for line in record.read_text().split()] if record.exists() else []

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/version", trust_env=False).is_success
        except httpx.TransportError:
            return False
