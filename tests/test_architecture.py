"""The rules of docs/architecture.md that a machine can check."""

import ast
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    "bucket",
    "checks",
    "graphs",
    "loaders",
    "models",
    "proxy",
    "stores",
    "terminal",
    "training",
    "benchmarks",
}
TOP = {
    "questioned",
    "app",
    "contained",
    "errors",
    "ingest",
    "lending",
    "library",
    "memories",
    "memory_commands",
    "parts",
    "proxied",
    "over_http",
    "settings",
    "studio",
    "synced",
    "traces",
    "tracing",
    "agent",
    "voice",
}
# Who may import what, beside itself and errors. Rooms do not import their siblings.
MAY_IMPORT = {
    "app": {
        "checks",
        "contained",
        "memory_commands",
        "parts",
        "proxied",
        "over_http",
        "settings",
        "synced",
        "terminal",
        "traces",
        "agent",
    },
    "contained": {"models", "proxy", "settings", "terminal", "training"},
    "synced": {"bucket", "parts", "settings", "terminal"},
    "memory_commands": {"parts", "settings", "terminal", "traces"},
    "over_http": {"questioned", "parts", "proxy"},
    "questioned": {"parts"},
    "studio": {"parts", "settings"},
    "checks": {"agent", "contained", "lending", "models", "parts", "proxy", "terminal", "training"},
    "agent": {"models", "parts", "proxied", "proxy"},
    "parts": {"voice", "settings", "memories", "graphs", "models", "stores", "terminal", "tracing"},
    "voice": {"library", "loaders", "models", "terminal", "tracing"},
    "tracing": {"models"},
    "proxied": {"lending", "parts", "memories", "graphs", "loaders", "proxy", "settings"},
    "traces": {"proxied", "models", "proxy", "settings"},
    "memories": {"settings", "ingest", "loaders", "stores", "terminal"},
    "ingest": {"loaders", "stores"},
    "library": {"settings", "loaders", "stores", "terminal"},
    "settings": set(),
    "errors": set(),
    "lending": set(),
    "bucket": {"stores"},
    "graphs": set(),
    "loaders": set(),
    "models": set(),
    "proxy": set(),
    "stores": set(),
    "terminal": set(),
    # Rows and memories come from the same reader and the same redaction.
    "training": {"lending", "loaders"},
    # Its command line puts the parts together, as app.py does.
    "training/__main__": {"lending", "settings", "terminal"},
    "training/parts": {"loaders", "settings", "stores"},
    "benchmarks": {"settings", "parts", "graphs", "loaders", "stores", "terminal"},
}
# Each outside library that reaches far is met in one place.
ONE_PLACE = {
    "boto3": {"bucket/server.py"},
    "botocore": {"bucket/server.py"},
    "langsmith": {"tracing.py"},
    "faiss": {"stores/documents.py", "benchmarks/baselines.py"},
    "langchain_community": {"stores/documents.py"},
    "langserve": {"app.py"},
    "onnxruntime": {"stores/minilm.py", "benchmarks/shortcuts.py"},
    "onnx": {"stores/minilm_graph.py"},
    "sentence_transformers": {"stores/sentence_model.py"},
    "qdrant_edge": {"stores/conversations/embedded.py"},
    "qdrant_client": {"stores/conversations/server.py"},
    "langchain_qdrant": {"stores/conversations/server.py"},
    "kingfisher_sdk": {"loaders/secrets/redactor.py"},
    "sqlite3": {"stores/ledger.py", "stores/threads.py", "proxy/journal.py", "proxy/sticky.py"},
    "aiohttp": {f"proxy/{name}.py" for name in ("own", "relay", "serve", "server")},
    "httptools": {"proxy/line.py"},
    "uvloop": {"proxy/serve.py", "benchmarks/instant.py"},
    "prometheus_client": {"proxy/metrics.py"},
    "xllamacpp": {"models/embedded.py"},
    "pydantic_settings": {"settings.py"},
}


def modules():
    for path in [*ROOT.glob("*.py"), *(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))]:
        name = path.relative_to(ROOT).as_posix()
        yield name, name.split("/")[0].removesuffix(".py"), ast.parse(path.read_text())


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_imports_form_the_tree_of_the_architecture():
    for name, room, tree in modules():
        ours = {module.split(".")[0] for module in imported(tree)} & (ROOMS | TOP)
        allowed = MAY_IMPORT.get(name.removesuffix(".py"), MAY_IMPORT[room])
        assert ours <= allowed | {room, "errors"}, name


def test_far_reaching_libraries_are_met_in_one_place():
    for name, _, tree in modules():
        for library in {module.split(".")[0] for module in imported(tree)} & set(ONE_PLACE):
            assert name in ONE_PLACE[library], f"{name} imports {library}"


def test_only_settings_reads_the_environment():
    for name, _, tree in modules():
        if name == "settings.py":
            continue
        reads = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"}
        ]
        assert not reads, name


QUIET = """
import builtins, importlib, os, socket, sys, time
watching = True
def watch(event, arguments):
    if not watching:
        return
    if event == "socket.bind" and arguments[1] == ("::1", 0):
        return  # how urllib3 learns whether there is IPv6
    if event in ("socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir", "os.rename"):
        raise SystemExit(f"{event} {arguments}")
    code = (".py", ".pyc", ".so")
    if event == "open" and isinstance(arguments[0], str) and not arguments[0].endswith(code):
        caller = sys._getframe(1).f_code.co_filename
        if caller.startswith(sys.argv[1]) and ".venv" not in caller:
            raise SystemExit(f"open {arguments[0]} by {caller}")
sys.addaudithook(watch)
for name in sys.argv[2:]:
    importlib.import_module(name)
heavy = {"torch", "faiss", "onnxruntime", "onnx", "langchain_openai", "langgraph", "langchain_community"}
heavy |= {"qdrant_client", "qdrant_edge", "kingfisher_sdk", "aiohttp", "prometheus_client"}
if len(sys.argv) == 3 and heavy & set(sys.modules):
    raise SystemExit(f"imported {heavy & set(sys.modules)}")
"""


def quiet(*names):
    run = subprocess.run(
        [sys.executable, "-B", "-c", QUIET, str(ROOT), *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_nothing_happens_at_import():
    names = [name.removesuffix(".py").replace("/", ".") for name, _, _ in modules()]
    quiet(*(name.removesuffix(".__init__") for name in names))


def test_the_prompt_does_not_wait_for_heavy_libraries():
    quiet("app")


# safety.md keeps this table: a scanner is silent where its index lacks advisories.
FIXED_IN = {
    "langchain-core": "1.2.5",
    "langchain": "1.2.11",
    "langchain-openai": "1.1.14",
    "langgraph-checkpoint": "4.1.1",
    "langgraph-checkpoint-sqlite": "3.0.1",
    "langgraph-checkpoint-redis": "1.0.2",
    "langgraph": "1.0.10",
    "langgraph-sdk": "0.3.15",
    "langsmith": "0.6.0",
    "langserve": "0.0.16",
    "vllm": "0.14.1",
}


def pins(file):
    for line in (ROOT / file).read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.rstrip("\\ "))
            yield requirement.name, str(requirement.specifier)


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-train.txt", "requirements-dev.txt"])
def test_no_pin_has_a_known_hole(file):
    for name, pin in pins(file):
        if name in FIXED_IN:
            assert Version(pin.removeprefix("==")) >= Version(FIXED_IN[name]), name


def test_what_is_installed_is_what_is_pinned():
    for file in ("requirements.txt", "requirements-dev.txt", "requirements-weights.txt"):
        pinned = {}
        for name, pin in pins(file):
            pinned.setdefault(name, set()).add(pin.removeprefix("=="))
        for name, versions in pinned.items():
            try:
                assert version(name) in versions, name
            except PackageNotFoundError:
                continue  # a pin for another system or another Python


NAMED = {
    "requirements.txt": [
        "langchain-community", "langchain-core", "langgraph", "langchain-qdrant", "langchain-openai",
        "faiss-cpu", "pypdf",
    ],
    "requirements-train.txt": ["sentence-transformers", "peft", "trl", "bitsandbytes", "torch"],
}  # fmt: skip


@pytest.mark.parametrize("file", NAMED)
def test_every_named_package_is_a_direct_dependency(file):
    direct = (ROOT / file.replace(".txt", ".in")).read_text()
    locked = dict(pins(file))
    for name in NAMED[file]:
        assert name in direct
        assert locked[name].startswith("==")


def test_run_time_pins_carry_hashes_and_no_file_names_an_index():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert all(line.endswith("\\") for line in lines if line and not line.startswith((" ", "#")))
    for file in ROOT.glob("requirements*"):
        assert "index-url" not in file.read_text()
        assert "+cpu" not in file.read_text()
