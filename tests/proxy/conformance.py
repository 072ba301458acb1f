"""What other people's conformance suites say of a server, directly and through the proxy: always the same.

    python -m tests.proxy.conformance      # makes what is absent below .venv-conformance/; needs npm

Memory is empty, always finds something, or never answers. Two servers are asked: one that does all as it
should, and one that does not know half of it, for a fault must stay one too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from proxy.recalled import Asked, Recalled
from tests.proxy.answering import answering
from tests.proxy.inside import found, inside, nothing
from tests.proxy.upstream import Script, Upstream, chat

FOLDER = Path(__file__).resolve().parents[2] / ".venv-conformance"
PYTHON_SUITE, NODE_SUITE = "llm-comply==0.5.0", "compatcanary@0.2.2"
COMPLY = FOLDER / "python" / "bin" / "llm-comply"
CANARY = FOLDER / "node" / "node_modules" / "compatcanary" / "src" / "cli.js"
MODEL = "gpt-5-scripted"  # a name that lets the suites ask for reasoning
PLANTED = "The lighthouse at Cape Morva has 217 steps."
MISSING = 3

Verdicts = dict[str, str]
SERVERS: Mapping[str, Script] = {"faultless": answering, "faulty": chat("Hola")}


def full(asked: Asked) -> Recalled:
    return found(PLANTED)


def silent(asked: Asked) -> Recalled:
    time.sleep(3600)
    return Recalled()


MEMORIES: Mapping[str, Callable[[Asked], Recalled]] = {"empty": nothing, "full": full, "silent": silent}


def missing() -> str | None:
    """What has to be there for the suites to run; None where all of it is."""
    if not COMPLY.exists():
        return (
            f"llm-comply is missing: install {PYTHON_SUITE} into a virtual environment {FOLDER.name}/python."
        )
    if not CANARY.exists():
        return f"CompatCanary is missing: npm install --prefix {FOLDER.name}/node {NODE_SUITE}"
    return None if shutil.which("node") else "Node is missing: install Node 20 or newer."


def install() -> None:
    """Make what is absent; what cannot be made is told by `missing`."""
    if not COMPLY.exists():
        _run([sys.executable, "-m", "venv", str(FOLDER / "python")])
        _run([str(FOLDER / "python" / "bin" / "pip"), "install", "--quiet", PYTHON_SUITE])
    if not CANARY.exists() and (npm := shutil.which("npm")):
        _run([npm, "install", "--silent", "--prefix", str(FOLDER / "node"), NODE_SUITE])


def _run(command: Sequence[str]) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=600, check=False)
    return done.stdout


def verdicts(url: str) -> Verdicts:
    """Every check of both suites, and what came of it in all detail but the time it took."""
    found: Verdicts = {}
    for name in ("openai-chat", "open-responses"):
        asked = ["--base-url", f"{url}/v1", "--api-key", "k", "--model", MODEL, "--timeout", "20", "--json"]
        for one in json.loads(_run([str(COMPLY), *asked, "--format", name]))["results"]:
            more = [*one.get("errors", ()), *one.get("warnings", ())]
            found[f"llm-comply {one['id']}"] = "; ".join([one["status"], *more])
    asked = [
        "--base-url",
        f"{url}/v1",
        "--api-key",
        "k",
        "--model",
        MODEL,
        "--timeout",
        "20",
        "--format",
        "json",
    ]
    for one in json.loads(_run(["node", str(CANARY), "scan", *asked, "--fail-on", "never"]))["results"]:
        told = json.dumps([one["summary"], one.get("evidence"), one.get("error")], sort_keys=True)
        found[f"CompatCanary {one['id']}"] = f"{one['status']}; {told}"
    return found


def compared(script: Script) -> tuple[dict[str, Verdicts], int]:
    """The verdicts on a server by the way that leads to it, and how many prompts held the planted memory."""
    with Upstream(script) as upstream:
        by_way = {"direct": verdicts(upstream.url)}
        upstream.requests.clear()
        for name, recall in MEMORIES.items():
            with tempfile.TemporaryDirectory() as home, inside(upstream.url, Path(home), recall) as proxy:
                by_way[name] = verdicts(proxy.url)
        planted = sum(PLANTED.encode() in one.body for one in upstream.requests)
    return by_way, planted


def differences(by_way: Mapping[str, Verdicts]) -> list[tuple[str, str]]:
    """The ways and checks whose verdict is another one than directly."""
    direct = by_way["direct"]
    return [
        (way, check)
        for way, told in by_way.items()
        for check in direct.keys() | told.keys()
        if told.get(check) != direct.get(check)
    ]


def main() -> int:
    """Print every verdict, and how many differ; 1 where one does."""
    install()
    if reason := missing():
        print(reason, file=sys.stderr)
        return MISSING
    total = 0
    for name, script in SERVERS.items():
        by_way, planted = compared(script)
        different = differences(by_way)
        total += len(different)
        print(f"A {name} server ({planted} prompts were given a memory)")
        print(f"  {'':<44}{''.join(f'{way:<9}' for way in by_way)}")
        for check, verdict in by_way["direct"].items():
            others = ["differs" if (way, check) in different else "same" for way in MEMORIES]
            print(f"  {check:<44}{verdict.partition(';')[0]:<9}{''.join(f'{other:<9}' for other in others)}")
    print(f"{total} differences")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
