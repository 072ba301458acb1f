"""Traces: what LangSmith is told of an answer, what it never learns, and that no answer waits for it."""

import json
import time
from contextlib import suppress
from pathlib import Path

import openai
import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from graphs import prompts
from graphs.answer import answer_graph
from graphs.nodes import Speaking
from graphs.recall import Recalling
from loaders.secrets.redactor import Redactor
from models.chat import chat_model
from models.endpoint import Endpoint
from tests import scripted, trace_server
from tests.test_planted_secrets import PLANTED
from tracing import WAITING, Tracing, traced

QUESTION = "How long is the warranty of the Aurora 300?"
STEPS = ["retrieve", "score_filter", "augment", "generate"]
NOBODY = "http://127.0.0.1:9/v1"


def with_usage(*pieces):
    """A stream that says at its end what it cost."""

    def script(handler):
        scripted.cut(*pieces)(handler)
        handler.chunk(finish_reason="stop")
        usage = {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42}
        handler.event({"id": "1", "object": "chat.completion.chunk", "choices": [], "usage": usage})
        handler.event("[DONE]")

    return script


@pytest.fixture
def ask(app, pump_folder):
    """Ask on the command line, with traces to an address."""

    def asking(model_url, langsmith_url, question=QUESTION, **extra):
        chosen = {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": langsmith_url, "LANGSMITH_API_KEY": "k"}
        chosen |= {"OPENAI_BASE_URL": model_url, **extra}
        return app("ask", question, "--documents", pump_folder, "--json", **chosen)

    return asking


def test_an_answer_is_one_root_with_its_steps_below_it_and_the_model_below_generate(ask):
    with scripted.server(with_usage("Three years ", "[1].")) as model, trace_server.server() as langsmith:
        run = ask(model.url, langsmith.url, LANGSMITH_PROJECT="pumps")
    assert (run.returncode, run.stderr) == (0, "")
    assert (langsmith.root["name"], langsmith.children(langsmith.root)) == ("answer", STEPS)
    called = langsmith.run("ChatOpenAI")
    assert called["run_type"] == "llm"
    names = {one["id"]: one["name"] for one in langsmith.runs.values()}
    assert names[called["parent_run_id"]] == "generate"
    assert called["extra"]["metadata"]["usage_metadata"]["total_tokens"] == 42
    assert {one["session_name"] for one in langsmith.runs.values()} == {"pumps"}
    assert all(one["end_time"] and one["trace_id"] == langsmith.root["id"] for one in langsmith.runs.values())
    asked, sent = langsmith.requests
    assert (asked[0], sent[0], sent[1]["x-api-key"]) == ("GET /info", "POST /runs/multipart", "k")


def test_a_trace_says_which_model_answered_and_how_well_the_passages_fitted(ask):
    with scripted.server(scripted.streamed("Three years [1].")) as model, trace_server.server() as langsmith:
        answer = json.loads(ask(model.url, langsmith.url, DOCUMENTS_TOP_K="2", MIN_SCORE="0.2").stdout)
    facts = langsmith.root["extra"]["metadata"]
    assert (facts["model"], facts["top_k"], facts["min_score"], facts["abstained"]) == ("m", 2, 0.2, False)
    assert facts["best_score"] == answer["best_score"]
    assert facts["scores"] == [source["score"] for source in answer["sources"]]


def test_an_answer_without_a_model_is_traced_with_its_abstention(ask):
    with trace_server.server() as langsmith:
        ask(NOBODY, langsmith.url, "Who won the football world cup in 1998?")
    assert langsmith.children(langsmith.root) == ["retrieve", "score_filter", "abstain"]
    facts = langsmith.root["extra"]["metadata"]
    assert (facts["abstained"], facts["model"], facts["scores"]) == (True, None, [])


def test_a_search_is_traced_too(app, pump_folder):
    with trace_server.server() as langsmith:
        chosen = {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": langsmith.url}
        old = {"LANGCHAIN_API_KEY": "another", "LANGCHAIN_PROJECT": "another"}
        app("search", QUESTION, "--documents", pump_folder, "--json", **chosen, **old)
    assert b"another" not in langsmith.raw
    assert (langsmith.root["name"], langsmith.children(langsmith.root)) == ("recall", STEPS[:3])
    assert len(langsmith.root["extra"]["metadata"]["scores"]) == 1


def test_what_past_sessions_are_asked_is_traced_too(app, data_dir):
    told = [{"role": "user", "content": "Which port?"}, {"role": "assistant", "content": "11435."}]
    (data_dir / "log.jsonl").write_text(json.dumps({"messages": told}) + "\n")
    app("ingest")
    with trace_server.server() as langsmith:
        chosen = {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": langsmith.url}
        hits = json.loads(app("recall", "Which port?", "--json", **chosen).stdout)["hits"]
    assert (langsmith.root["name"], langsmith.children(langsmith.root)) == ("recall", STEPS[:3])
    (hit,) = hits
    assert langsmith.root["extra"]["metadata"]["scores"] == [hit["score"]]


@pytest.mark.parametrize(
    "others",
    [
        {"LANGCHAIN_TRACING_V2": "true", "LANGSMITH_TRACING_V2": "true", "LANGCHAIN_API_KEY": "k"},
        {"LANGCHAIN_TRACING": "true", "LANGCHAIN_HANDLER": "langchain"},
    ],
    ids=["names of the second tracer", "names of the first"],
)
def test_nothing_is_sent_unless_langsmith_tracing_asks_for_it(ask, others):
    with scripted.server() as model, trace_server.server() as langsmith:
        more = {"LANGCHAIN_ENDPOINT": langsmith.url, **others}
        run = ask(model.url, langsmith.url, LANGSMITH_TRACING="", **more)
    assert (run.returncode, run.stderr) == (0, "")
    assert langsmith.requests == []


def test_the_older_names_beside_it_start_no_second_tracer(ask):
    with scripted.server() as model, trace_server.server() as langsmith:
        run = ask(model.url, langsmith.url, LANGCHAIN_TRACING_V2="true", LANGSMITH_TRACING_MODE="otel")
    assert run.stderr == ""
    assert [name for name, _ in langsmith.requests] == ["GET /info", "POST /runs/multipart"]
    assert len(langsmith.roots) == 1


def test_an_endpoint_that_is_not_there_costs_one_line_and_no_answer(ask):
    address = trace_server.closed_port()
    with scripted.server(scripted.streamed("Three years [1].")) as model:
        run = ask(model.url, address)
    assert (run.returncode, json.loads(run.stdout)["answer"]) == (0, "Three years [1].")
    assert run.stderr == f"Traces could not be delivered to {address}: it cannot be reached.\n"


@pytest.mark.slow
def test_a_silent_endpoint_costs_an_answer_no_second(ask):
    took = {"normal": [], "silent": []}
    with scripted.server() as model, trace_server.server() as well, trace_server.server("silent") as ill:
        ask(model.url, well.url)  # the index and the redactor's rules are made
        for _ in range(2):
            for langsmith in (well, ill):
                begun = time.monotonic()
                assert ask(model.url, langsmith.url).returncode == 0
                took[langsmith.manner].append(time.monotonic() - begun)
    assert min(took["silent"]) <= min(took["normal"]) + 1.0


@pytest.fixture(scope="module")
def redact(model_cache):
    redactor = Redactor(Path(model_cache) / "rules")
    return lambda text: redactor.redact(text).text


def told(langsmith_url, redact, *passages, question=QUESTION, script=None, history=()):
    """Answer once, traced; what was noted about the traces."""
    notes = []
    found = [Document(text, metadata={"file": "a.txt", "score": 0.5, "relevance": 0.1}) for text in passages]
    with scripted.server(script) as model:
        endpoint = Endpoint(model.url + "/v1", model="m", kind="configured")
        speaking = Speaking(lambda: chat_model(endpoint, timeout_seconds=5), lambda: "m", lambda _: "english")
        recalling = Recalling(lambda *_, **__: found, 3, 0.3, prompts.numbered, str.split)
        with traced(Tracing(langsmith_url, "p"), redact, notes.append) as tracers:
            graph = answer_graph(recalling, speaking).with_config(callbacks=tracers)
            with suppress(openai.BadRequestError):  # where the script refuses
                graph.invoke({"question": question, "history": list(history)})
    return notes


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("silent", "it does not answer"),
        ("slow", "it does not answer"),
        (401, "it refuses LANGSMITH_API_KEY"),
        (429, "it takes no more for now"),
        (500, "it answered with an error (LangSmithAPIError)"),
    ],
)
def test_a_sick_endpoint_is_named_with_its_illness(redact, manner, reason):
    with trace_server.server(manner) as langsmith:
        notes = told(langsmith.url, redact, "A note.")
    assert notes == [f"Traces could not be delivered to {langsmith.url}: {reason}."]


@pytest.mark.parametrize("kind", PLANTED)
def test_no_planted_secret_is_in_the_bytes_wherever_it_stood(redact, kind):
    form, secret = PLANTED[kind]
    text = form.format(secret)
    half = len(text) // 2
    answered = scripted.streamed("It is\n", text[:half], text[half:], "\nas you see [1].")
    with trace_server.server() as langsmith:
        told(langsmith.url, redact, f"A note of the garden.\n\n{text}", script=answered)
        told(langsmith.url, redact, "A note.", question=f"Is this right?\n{text}")
        told(langsmith.url, redact, "A note.", history=[AIMessage(f"I wrote\n{text}")])
        told(langsmith.url, redact, "A note.", script=scripted.failing(400, f"refused:\n{text}"))
    assert len(langsmith.roots) == 4
    assert [root["name"] for root in langsmith.roots if "refused" in (root.get("error") or "")] == ["answer"]
    assert b"[redacted:" in langsmith.raw
    assert not any(line[:20].encode() in langsmith.raw for line in secret.split("\n"))


def test_a_password_that_a_passage_names_is_not_told_when_the_model_says_it_bare(redact):
    said = scripted.streamed("Xq7-", "hT93kLmp", " [1].")
    with trace_server.server() as langsmith:
        told(langsmith.url, redact, "The password of the pump is Xq7-hT93kLmp, keep it.", script=said)
    assert langsmith.root["outputs"]["answer"] == "[redacted:password] [1]."
    assert b"hT93kLmp" not in langsmith.raw


def test_contents_are_withheld_where_a_secret_runs_from_one_text_into_the_next():
    def greedy(text):
        return text.replace("\x1e", "")

    with trace_server.server() as langsmith:
        told(langsmith.url, greedy, "A note of the garden.")
    assert langsmith.children(langsmith.root) == STEPS
    assert "withheld" in langsmith.root["extra"]["metadata"]
    assert b"garden" not in langsmith.raw


@pytest.mark.parametrize("at_once", [True, False], ids=["at its start", "at the trace"])
def test_a_redactor_that_fails_sends_nothing_and_is_told(at_once):
    def failing(text):
        if text or at_once:
            raise OSError("no rules")
        return text

    with trace_server.server() as langsmith:
        notes = told(langsmith.url, failing, "A note.")
    assert not any(name.startswith("POST") for name, _ in langsmith.requests)
    assert notes == [
        f"Traces could not be delivered to {langsmith.url}: they could not be made ready (OSError)."
    ]


def test_a_long_talk_before_a_silent_endpoint_never_waits():
    notes, run = [], RunnableLambda(str)
    run.invoke(0)  # loads what it needs
    with trace_server.server("silent") as langsmith:
        with traced(Tracing(langsmith.url, "p"), str, notes.append) as tracers:
            begun = time.monotonic()
            for number in range(WAITING * 3):
                run.invoke(number, {"callbacks": tracers})
            assert time.monotonic() - begun < 2.0
            begun = time.monotonic()
        assert time.monotonic() - begun < 1.0
    (note,) = notes
    assert "does not answer" in note


def test_the_address_in_the_notice_is_without_its_password(redact):
    address = trace_server.closed_port().replace("//", "//ana:hT93kLmp@")
    (note,) = told(address, redact, "A note.")
    assert "hT93kLmp" not in note
