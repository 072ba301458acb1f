"""LangGraph's own server runs the same graphs: started offline, asked over HTTP."""

import json
import socket
import subprocess
from pathlib import Path

import httpx
import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tests import scripted
from tests.test_served import SAID, WARRANTY

ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT / ".venv-langgraph" / "bin" / "langgraph"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SERVER.exists(), reason="needs `make setup-langgraph`"),
]


def test_the_graphs_of_langgraph_json_are_there():
    import studio

    named = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
    assert named == {name: f"./studio.py:{name}" for name in ("answer", "recall")}
    assert all(callable(getattr(studio, name)) for name in named)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@pytest.fixture
def url(environment, pump_folder, tmp_path):
    words = [
        SERVER,
        "dev",
        "--no-browser",
        "--no-reload",
        "--host",
        "127.0.0.1",
        "--port",
        port := _free_port(),
    ]
    # Its graphs are looked for where it is started, and it writes there.
    config = (ROOT / "langgraph.json").read_text().replace("./", f"{ROOT}/").replace('"."', f'"{ROOT}"')
    (tmp_path / "langgraph.json").write_text(config)
    with (
        scripted.server(scripted.streamed(*SAID), pose="vllm") as model,
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            list(map(str, words)),
            cwd=tmp_path,
            env=environment | {"OPENAI_BASE_URL": f"{model.url}/v1", "DOCUMENTS_DIR": str(pump_folder)},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            for attempt in Retrying(
                retry=retry_if_exception_type(httpx.HTTPError),
                stop=stop_after_delay(90),
                wait=wait_fixed(0.5),
            ):
                with attempt:
                    httpx.get(f"http://127.0.0.1:{port}/ok").raise_for_status()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def test_a_run_answers_with_a_citation_and_a_thread_keeps_it(url):
    told = httpx.post(
        f"{url}/runs/wait", json={"assistant_id": "answer", "input": WARRANTY}, timeout=90
    ).json()
    assert told["answer"] == "".join(SAID)
    assert [source["file"] for source in told["sources"] if source["cited"]] == ["pump.txt"]
    assert "candidates" not in told
    found = httpx.post(
        f"{url}/runs/wait", json={"assistant_id": "recall", "input": WARRANTY}, timeout=90
    ).json()
    assert "three years" in found["context"]
    thread = httpx.post(f"{url}/threads", json={}).json()["thread_id"]
    run = {"assistant_id": "answer", "input": WARRANTY}
    httpx.post(f"{url}/threads/{thread}/runs/wait", json=run, timeout=90).raise_for_status()
    assert httpx.get(f"{url}/threads/{thread}/state").json()["values"]["answer"] == "".join(SAID)
