"""Bodies beyond any prompt pass through the proxy in pieces, so that they cost it no memory."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.proxy.caller import Caller
from tests.proxy.upstream import Reply, Upstream

ROOT = Path(__file__).resolve().parents[2]
CHAT = "/v1/chat/completions"
MEBIBYTE = 2**20

APART = """
import sys
from pathlib import Path
from proxy.recalled import Recalled
from proxy.serve import Remembering, Wanted, serve
remembering = Remembering(lambda asked: Recalled(asked.question), lambda: None, lambda: [], str, lambda: None)
wanted = Wanted("127.0.0.1", 0, upstream=sys.argv[1], home=Path(sys.argv[2]))
serve(wanted, remembering, lambda host, port: print(port, flush=True))
"""


@contextmanager
def apart(upstream, home):
    """The proxy in a process of its own, whose memory can be looked at; its port and process id."""
    command = [sys.executable, "-c", APART, upstream.url, str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.terminate()
            process.wait(20)
            process.stdout.close()


def peak(process):
    """The most memory that a process ever held, in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_fifty_megabytes_pass_in_little_memory(tmp_path):
    large = b'{"messages":[{"role":"user","content":"' + b"x" * (50 * MEBIBYTE) + b'"}]}'
    with (
        Upstream(lambda _: Reply(body=b"{}")) as upstream,
        apart(upstream, tmp_path) as (port, process),
        Caller(port) as caller,
    ):
        caller.ask("POST", CHAT, body=b"{}")
        before = peak(process)
        for path in ("/v1/audio/transcriptions", CHAT):
            upstream.requests.clear()
            assert caller.ask("POST", path, body=large).status == 200
            assert upstream.requests[-1].body == large
        upstream.requests.clear()
        upstream.script = lambda _: Reply(body=large, framing="chunked")
        assert caller.ask("GET", "/v1/files/large").body == large
        grown = peak(process) - before
    print(f"50 MB up twice and down once: {grown:.0f} MiB more memory")
    assert grown < 64
