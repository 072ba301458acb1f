"""What may stand between a client and a model server, each started and ended here."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load, spent
from errors import PartMissing

ROOT = Path(__file__).resolve().parent.parent
APP = (sys.executable, str(ROOT / "app.py"), "proxy", "--port", "0")
NGINX = Path("/usr/sbin/nginx")
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
START_SECONDS, POLL_SECONDS = 120.0, 0.05
NGINX_CONFIG = """
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/errors;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_buffer_size 1m;
  client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
  uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
  upstream model {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""
LITELLM_MODEL = """
- model_name: {name}
  litellm_params: {{model: openai/{name}, api_base: "http://127.0.0.1:{upstream}/v1", api_key: none}}
"""
# It does not start without a key otherwise; looking keys up would only make it slower.
LITELLM_OPEN = "general_settings: {dangerously_permit_weak_or_unset_master_key: true}\n"
# Without these it first asks the network for prices and tells its makers that it runs.
LITELLM_WORDS = ("LITELLM_LOCAL_MODEL_COST_MAP=True", "LITELLM_TELEMETRY=False", "LITELLM_LOG=ERROR")


@dataclass(frozen=True)
class Running(load.Target):
    """A server and the process whose cost is measured (None: nobody's)."""

    pid: int | None = None

    @property
    def processor_seconds(self) -> float | None:
        """Processor time since its start."""
        return spent.processor_seconds(self.pid) if self.pid else None

    @property
    def rss_mb(self) -> float | None:
        """Memory that it uses now."""
        return spent.resident_mb(self.pid) if self.pid else None


@contextlib.contextmanager
def ours(upstream: int, home: Path, *words: str) -> Iterator[Running]:
    """The proxy of this project over the memory below `home`; `words` are further `NAME=value`."""
    given = ("env", f"DATA_DIR={home}", *words, *APP, "--upstream", f"http://127.0.0.1:{upstream}")
    with _started(given, home / "proxy.log") as (process, log):
        yield Running(_announced(process, log, upstream), pid=process.pid)


@contextlib.contextmanager
def nginx(upstream: int, home: Path) -> Iterator[Running]:
    """An nginx as people put it before a stream: without buffering, with kept connections."""
    port = _free_port()
    config = home / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(home=home, upstream=upstream, port=port))
    home.chmod(0o755)  # its worker may be another user
    with _started((str(NGINX), "-c", str(config)), home / "nginx.log") as (process, log):
        _listening(port, process, log)
        yield Running(port, pid=process.pid)


@contextlib.contextmanager
def litellm(program: Path, upstream: int, home: Path, models: Sequence[str]) -> Iterator[Running]:
    """LiteLLM's proxy with one worker and no database."""
    port = _free_port()
    config = home / "litellm.yaml"
    listed = "".join(LITELLM_MODEL.format(name=name, upstream=upstream) for name in models)
    config.write_text(f"model_list:{listed}{LITELLM_OPEN}")
    words = (str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port))
    with _started(("env", *LITELLM_WORDS, *words), home / "litellm.log") as (process, log):
        _listening(port, process, log)
        yield Running(port, pid=process.pid)


@contextlib.contextmanager
def _started(words: Sequence[str], log: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    with log.open("wb") as output, subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=output) as process:
        try:
            yield process, log
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _announced(process: subprocess.Popen[bytes], log: Path, upstream: int) -> int:
    for _ in _patiently(process):
        ports = {int(port) for port in ADDRESS.findall(log.read_text(errors="replace"))} - {upstream}
        if ports:
            return ports.pop()
    raise PartMissing(_failed(log))


def _listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in _patiently(process):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
    raise PartMissing(_failed(log))


def _patiently(process: subprocess.Popen[bytes]) -> Iterator[None]:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        yield
        time.sleep(POLL_SECONDS)


def _failed(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().split("\n")
    return f"{log.stem} did not start: {lines[-1] or 'it said nothing'}"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
