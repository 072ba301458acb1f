"""The diagnosis as the program gives it: each link of the chain well, and ill with the name of its cure."""

import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import sessions
from checks.serving import Server, context, endpoint, model, tool_calls
from checks.told import Told
from models import embedded
from models.endpoint import Wanted
from tests import scripted
from tests.loaders.store import shop
from tests.training.docker_stand_in import Engine

LOGS = Path(__file__).parent / "loaders" / "vibe"
MINE = "mistralai/Devstral-Small-2"


@pytest.fixture
def found(app, pump_folder):
    """Run doctor; its checks by name, as a script gets them."""

    def run(status=0, **settings):
        done = app("doctor", "--documents", pump_folder, "--json", **settings)
        assert done.returncode == status, done.stderr
        rows = json.loads(done.stdout)["checks"]
        assert all({"name", "ok", "detail", "fix"} <= row.keys() for row in rows)
        assert all(bool(row["fix"]) != row["ok"] for row in rows)
        return {row["name"]: row for row in rows}

    return run


def ok(row, *words):
    assert row["ok"], row
    assert all(word in row["detail"] for word in words), row["detail"]


def ill(row, said, fix):
    assert not row["ok"], row
    assert said in row["detail"]
    assert fix in row["fix"]


def called(arguments='{"path": "notes.txt"}', name="read_file"):
    """The answer of a model that calls a tool."""
    call = {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return lambda handler: handler.reply(
        200, {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    )


def dripping(handler):
    """A sign of life again and again, which a client's own limit takes for an answer."""
    handler.start(200, "application/json")
    while not handler.state.closing.wait(0.2):
        handler.wfile.write(b" ")


@contextmanager
def vllm(script=None, length=81_920, adapters=(), names=(MINE,)):
    """A vLLM with a context, and adapters beside its model."""
    entries = [{"id": name, "max_model_len": length, "parent": None} for name in names]
    entries += [{"id": name, "max_model_len": None, "parent": MINE} for name in adapters]
    listed = {"/v1/models": (200, {"object": "list", "data": entries})}
    with scripted.server(script or called(), pose="vllm", paths=listed) as server:
        yield server


@contextmanager
def ollama(shown, loaded=(), script=None, models=("gpt-oss:20b",)):
    """An Ollama that tells what `shown` says of a model, and which models are loaded."""

    def answer(handler):
        if handler.path == "/api/show":
            handler.reply(200, shown)
        else:
            (script or called())(handler)

    paths = {"/api/ps": (200, {"models": list(loaded)})}
    with scripted.server(answer, pose="ollama", models=models, paths=paths) as server:
        yield server


def test_a_served_model_is_well_from_its_name_to_its_context(found):
    with vllm() as server:
        rows = found(OPENAI_BASE_URL=server.url, OPENAI_API_KEY="sesame")
    ok(rows["model endpoint"], "vllm at", MINE)
    ok(rows["model"], MINE)
    ok(rows["tool calls"], "called read_file")
    ok(rows["context"], "81920")
    ok(rows["adapter"], "make train")
    (asked,) = [one.body for one in server.requests if one.method == "POST"]
    assert (asked["temperature"], asked["max_tokens"], asked["tool_choice"]) == (0, 512, "auto")
    assert asked["tools"][0]["function"]["name"] == "read_file"


def test_without_a_server_the_trial_model_is_enough_and_is_asked_nothing(found):
    rows = found(LLM_MODEL=embedded.MODEL)
    for name in ("model", "tool calls", "context"):
        ok(rows[name], "trial model")
    ok(rows["tool calls"], "cannot call tools")
    assert {f"port {11434}", "GPU", "adapter"} <= rows.keys()


def test_what_a_chat_would_do_without_a_server_is_what_is_told(tmp_path):
    with scripted.server() as gone:
        nobody = gone.url
    starts = Server(Wanted(tmp_path, local_url=nobody, ollama_command="sh"))
    assert "starts the Ollama that is installed" in endpoint(starts).detail
    lacks = Server(Wanted(tmp_path, local_url=nobody, ollama_command="", model="qwen"))
    assert endpoint(lacks).fix
    assert model(lacks).fix
    stands_in = Server(Wanted(tmp_path, local_url=nobody, ollama_command=""))
    assert (endpoint(stands_in).fix, model(stands_in).fix) == (None, None)
    assert "trial model" in endpoint(stands_in).detail


def test_a_named_server_that_is_not_there_makes_what_stands_on_it_ill_but_not_the_house(found):
    rows = found(OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    ill(rows["model endpoint"], "Nothing answers", "README")
    for name in ("model", "tool calls", "context"):
        ill(rows[name], "not asked", "model endpoint")


def test_a_model_that_the_server_lacks_is_named_with_its_cure(found):
    with vllm() as server:
        rows = found(OPENAI_BASE_URL=server.url, LLM_MODEL="qwen")
        ill(rows["model"], "qwen", f"set LLM_MODEL to one that it serves ({MINE})")
        ill(rows["tool calls"], "not asked", "`model`")
        assert all(one.method == "GET" for one in server.requests)
    with ollama({}, models=("qwen3:8b",)) as server:
        ill(found(OPENAI_BASE_URL=server.url)["model"], "gpt-oss:20b", "`ollama pull gpt-oss:20b`")
    with scripted.server(called(), models=("listed",)) as server:
        ok(found(OPENAI_BASE_URL=server.url, LLM_MODEL="other")["model"], "other", "not list")


def test_a_context_shorter_than_the_settings_say_is_a_fault(found):
    with vllm(length=32_768) as server:
        rows = found(OPENAI_BASE_URL=server.url)
    ill(rows["context"], "32768 tokens", "set MAX_MODEL_LEN=32768")


def test_what_ollama_says_of_its_context_is_found_where_it_says_it(found):
    about = {"model_info": {"gptoss.context_length": 131_072}}
    with ollama(about) as server:
        ok(found(OPENAI_BASE_URL=server.url)["context"], "131072 tokens", "may give it less")
    with ollama(about, loaded=[{"name": "gpt-oss:20b", "context_length": 4096}]) as server:
        ill(found(OPENAI_BASE_URL=server.url)["context"], "4096", "OLLAMA_CONTEXT_LENGTH=81920")
    with ollama(about | {"parameters": 'stop "x"\nnum_ctx    8192'}) as server:
        ill(found(OPENAI_BASE_URL=server.url)["context"], "8192", "MAX_MODEL_LEN=8192")
    with ollama({"model_info": {"llama.context_length": 2048}}) as server:
        assert found(OPENAI_BASE_URL=server.url)["context"]["fix"] == "set MAX_MODEL_LEN=2048"


def test_a_server_that_does_not_say_its_context_is_believed(found):
    with scripted.server(called()) as server:
        ok(found(OPENAI_BASE_URL=server.url)["context"], "does not say")


def test_the_real_llama_cpp_tells_its_context(tmp_path):
    with embedded.serving(2, tmp_path / "embedded.log") as (url, key):
        server = Server(Wanted(tmp_path, url, key))
        assert context(server, embedded.CONTEXT_TOKENS) == Told("8192 tokens; MAX_MODEL_LEN is 8192")
        assert context(server, 81_920).fix == "set MAX_MODEL_LEN=8192"


def test_a_model_that_never_comes_to_its_end_is_not_waited_for(tmp_path):
    with vllm(dripping) as server:
        told = tool_calls(Server(Wanted(tmp_path, server.url)), seconds=1)
    assert "no answer within 1 s" in told.detail
    assert "busy" in told.fix


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (scripted.plain('[TOOL_CALLS]read_file{"path": "notes.txt"}'), "came as text"),
        (scripted.plain('{"name": "read_file", "arguments": {"path": "notes.txt"}}'), "came as text"),
        (scripted.plain("I cannot read files."), "no call came, only “I cannot read files.”"),
        (called('{"path": '), "broken call"),
        (called("[]"), "broken call"),
        (called(name="write_file"), "broken call"),
        (scripted.failing(400, "auto tool choice requires --tool-call-parser"), "status 400"),
        (scripted.broken(), "connection was lost"),
        (lambda handler: handler.reply(200, {"choices": []}), "no chat completion"),
        (lambda handler: handler.reply(200, ["sesame"]), "***"),
    ],
    ids=["mistral text", "json text", "words", "cut", "a list", "other", "400", "lost", "empty", "key"],
)
def test_a_call_that_does_not_come_is_told_with_what_came(found, script, said):
    with vllm(script) as server:
        row = found(OPENAI_BASE_URL=server.url, OPENAI_API_KEY="sesame")["tool calls"]
    ill(row, said, "--enable-auto-tool-choice --tool-call-parser mistral")
    assert "sesame" not in row["detail"]


def test_a_model_of_ollama_that_calls_no_tools_is_to_be_changed(found):
    with ollama({}, script=scripted.failing(400, "does not support tools")) as server:
        ill(found(OPENAI_BASE_URL=server.url)["tool calls"], "does not support tools", "LLM_MODEL")


def test_the_gpu_and_the_adapter_are_looked_at_through_the_programs_that_know(found, data_dir, tmp_path):
    engine = Engine(tmp_path / "bin")
    engine.put("nvidia-smi", "print('NVIDIA L40S, 46068')")
    adapter = data_dir / "adapters" / "mine"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text('{"r": 32}')
    (adapter / "training.json").write_text("{}")
    told = [{"State": {"Status": "running"}, "Args": ["serve", "--max-lora-rank", "16"]}]
    with vllm(adapters=("mine",)) as server:
        settings = {"OPENAI_BASE_URL": server.url, "PATH": f"{engine.folder}:{os.environ['PATH']}"}
        rows = found(**settings)
        ok(rows["GPU"], "NVIDIA L40S (48.3 GB)")
        ok(rows["adapter"], "mine", "is served")
        engine.put("docker", f"print({json.dumps(told)!r})")
        ill(found(**settings)["adapter"], "the container takes 16", "make vllm-lora")
    assert not [one for one in engine.calls("inspect") if one != "devstral-vllm-lora"]


def test_the_logs_are_counted_by_the_client_that_wrote_them(found, data_dir):
    ill(found()["logs"], "no session logs", "make pull-local")
    sessions.write(data_dir / "logs", 1, [("1", "Which code?", "R1.")], "/home/dev/shop")
    shop().write(data_dir / "logs" / "unified" / "5e551011-0000-4000-8000-000000000001")
    shutil.copytree(LOGS / "1.3.5" / "makefile-legacy", data_dir / "old")
    row = found()["logs"]
    ill(row, "4 session logs", "make ingest")
    assert (
        ": 1 of Vibe 2.26 or 3 (unified store), 1 of Vibe 2 (folder), 2 of Vibe 1 (JSON file)"
        in row["detail"]
    )


def test_only_what_the_house_cannot_do_without_decides_the_exit(found):
    rows = found(1, DATA_DIR="/proc/nowhere")
    assert not rows["data folder"]["ok"]
    assert rows["data folder"]["matters"]
    assert not rows["model endpoint"]["matters"]


def test_the_logs_that_are_in_the_memory_are_well(app, found, data_dir):
    sessions.write(data_dir / "logs", 1, [("1", "Which code?", "R1.")], "/home/dev/shop")
    assert app("ingest").returncode == 0
    ok(found()["logs"], "1 session logs", "1 of Vibe 2 (folder)")
