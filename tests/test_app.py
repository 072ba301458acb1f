"""The commands as people and scripts call them: what they print, and how they leave."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import scripted
from tests.pdfs import encrypted, lines, pdf

ROOT = Path(__file__).resolve().parent.parent
QUESTION = "How long is the warranty of the Aurora 300?"


def one_line(text):
    return len(text.strip().splitlines()) == 1


def test_ask_gives_every_field_and_keeps_only_citations_that_hold(app, pump_folder):
    with scripted.server(scripted.streamed("Three years ", "[1] or", " not [7].")) as model:
        run = app("ask", QUESTION, "--documents", pump_folder, "--json", OPENAI_BASE_URL=model.url + "/v1")
    answer = json.loads(run.stdout)
    assert (run.returncode, answer["question"], answer["abstained"]) == (0, QUESTION, False)
    assert (answer["answer"], answer["removed_citations"], answer["model"]) == (
        "Three years [1] or not.",
        1,
        "m",
    )
    source = answer["sources"][0]
    assert {"n", "file", "page", "score", "text"} <= source.keys()
    assert (source["n"], source["file"], source["page"], source["cited"]) == (1, "pump.txt", None, True)
    assert answer["best_score"] == source["score"] > 0.3
    sent = model.requests[-1].body
    assert sent["stream"] is True
    assert "warranty of three years" in sent["messages"][-1]["content"]


def test_ask_shows_the_answer_and_where_it_comes_from(app, pump_folder):
    (pump_folder / "manual.pdf").write_bytes(pdf(lines("Cover"), lines("The shaft seal is part AU-204.")))
    with scripted.server(scripted.streamed("AU-204 [1].")) as model:
        run = app(
            "ask", "Which part is the shaft seal?", "--documents", pump_folder, OPENAI_BASE_URL=model.url
        )
    assert run.stdout.startswith("AU-204 [1].\n[1] manual.pdf, p. 2 (0.")
    assert run.stderr == ""


def test_a_question_that_the_documents_do_not_answer_needs_no_model(app, pump_folder):
    nobody = "http://127.0.0.1:9/v1"
    question = "Who won the football world cup in 1998?"
    run = app("ask", question, "--documents", pump_folder, "--json", OPENAI_BASE_URL=nobody)
    answer = json.loads(run.stdout)
    assert (run.returncode, answer["abstained"], answer["model"], answer["sources"]) == (0, True, None, [])
    assert answer["best_score"] < 0.3
    assert ".txt" in answer["answer"]


def test_an_abstention_answers_a_spanish_question_in_spanish(app, pump_folder):
    (pump_folder / "huerto.txt").unlink()
    run = app("ask", "¿Quién ganó la copa del mundo de fútbol en 1998?", "--documents", pump_folder)
    assert run.stdout.startswith("Los documentos no contienen una respuesta")


def test_search_calls_no_model_and_gives_every_field(app, pump_folder):
    run = app(
        "search", QUESTION, "--documents", pump_folder, "--json", OPENAI_BASE_URL="http://127.0.0.1:9/v1"
    )
    (hit,) = json.loads(run.stdout)["hits"]
    assert {"file", "page", "score", "relevance", "confidence", "text"} == hit.keys()
    assert (hit["file"], run.returncode, run.stderr) == ("pump.txt", 0, "")


def test_what_the_confidence_refuses_is_shown_to_who_searches_and_not_answered(app, pump_folder):
    question, home = "How is the warranty of my new bicycle?", ("--documents", pump_folder, "--json")
    nobody = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "MIN_CONFIDENCE": "0.99"}
    hits = json.loads(app("search", question, *home, **nobody).stdout)["hits"]
    answer = json.loads(app("ask", question, *home, **nobody).stdout)
    assert hits[0]["score"] >= 0.3
    assert hits[0]["confidence"] == answer["confidence"] < 0.99
    assert answer["abstained"]
    assert "minimum 0.99" in answer["answer"]


def test_search_obeys_k_and_the_minimum(app, pump_folder):
    def hits(*options):
        run = app("search", QUESTION, "--documents", pump_folder, "--json", *options)
        return json.loads(run.stdout)["hits"]

    assert len(hits("-k", "2", "--min-score", "-1")) == 2
    assert hits("--min-score", "0.99") == []


def test_index_reports_what_it_did_and_what_it_could_not_read(app, pump_folder):
    (pump_folder / "picture.pdf").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (pump_folder / "notes.docx").write_bytes(b"PK\x03\x04")
    first = json.loads(app("index", "--documents", pump_folder, "--json").stdout)
    assert (first["files"], first["added"], first["unchanged"]) == (3, 2, 0)
    assert [row["file"] for row in first["problems"]] == ["picture.pdf"]
    assert "PNG" in first["problems"][0]["reason"]
    assert first["left_out"] == {".docx": 1}
    second = app("index", "--documents", pump_folder)
    assert "3 files: 0 added, 0 changed, 0 removed, 2 unchanged. 2 passages." in second.stdout
    assert "picture.pdf" in second.stdout


def test_doctor_finds_a_healthy_house_and_names_the_cure_for_a_missing_room(app, pump_folder):
    well = app("doctor", "--documents", pump_folder, "--json")
    checks = {row["name"]: row for row in json.loads(well.stdout)["checks"]}
    assert well.returncode == 0
    assert {"name", "ok", "detail", "fix"} <= checks["documents"].keys()
    assert checks["documents"]["detail"] == "2 files"
    ill = app("doctor", "--documents", pump_folder / "nowhere")
    assert ill.returncode == 1
    assert "nowhere" in ill.stdout
    assert "→ put PDF or TXT files into" in ill.stdout


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (scripted.failing(500, "out of memory"), "out of memory"),
        (scripted.failing(429, "busy", retry_after="0"), "busy"),
        (scripted.failing(401, "bad key"), "OPENAI_API_KEY"),
        (scripted.complained("Three"), "out of memory"),
        (scripted.broken("Three"), "before the answer was whole"),
    ],
    ids=["500", "429", "401", "error in the stream", "connection lost"],
)
def test_what_the_model_server_does_wrong_is_one_sentence_and_status_3(app, pump_folder, script, sentence):
    with scripted.server(script) as model:
        run = app("ask", QUESTION, "--documents", pump_folder, OPENAI_BASE_URL=model.url)
    assert run.returncode == 3
    assert sentence in run.stderr
    assert one_line(run.stderr)


def test_a_server_that_never_answers_is_waited_for_no_longer_than_was_said(app, pump_folder):
    with scripted.server(scripted.silent()) as model:
        run = app(
            "ask", QUESTION, "--documents", pump_folder, OPENAI_BASE_URL=model.url, LLM_TIMEOUT_SECONDS="0.5"
        )
    assert (run.returncode, one_line(run.stderr)) == (3, True)


def test_a_server_that_is_named_but_not_there_is_never_replaced(app, pump_folder):
    run = app("ask", QUESTION, "--documents", pump_folder, OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert run.returncode == 3
    assert "127.0.0.1:9" in run.stderr
    assert one_line(run.stderr)


def test_an_answer_that_stops_half_way_is_marked(app, pump_folder):
    with scripted.server(scripted.cut("Three ye")) as model:
        run = app("ask", QUESTION, "--documents", pump_folder, OPENAI_BASE_URL=model.url)
        facts = app("ask", QUESTION, "--documents", pump_folder, "--json", OPENAI_BASE_URL=model.url)
    assert "may be cut off" in run.stderr
    assert json.loads(facts.stdout)["complete"] is False


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ask", "  "], "The question is empty"),
        (["ask"], "'question'"),
        (["serch", "x"], "serch"),
        (["search", "x", "--documents", "/nowhere"], "/nowhere"),
        (["search", "x", "--min-score", "30"], "MIN_SCORE=30"),
        (["search", "x", "-k", "0"], "'-k'"),
        (["index", "--rebild"], "--rebild"),
        (["--documents", "x", "index"], "after the command: app.py index --documents"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(app, arguments, sentence):
    run = app(*arguments)
    assert run.returncode == 2
    assert sentence in run.stderr
    assert one_line(run.stderr)


def test_debug_shows_where_an_error_comes_from(app):
    run = app("index", "--documents", "/nowhere", "--debug")
    assert "Traceback" in run.stderr


def test_another_process_that_indexes_is_named_with_status_75(app, pump_folder, data_dir):
    app("index", "--documents", pump_folder)
    (place,) = (data_dir / "documents").iterdir()
    hold = (
        f"from pathlib import Path\nfrom stores.lock import held\nwith held(Path({str(place / 'lock')!r})):\n"
    )
    program = hold + "    print('held', flush=True)\n    input()"
    holder = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=-1, stdout=-1, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        (pump_folder / "new.txt").write_text("A new file about bees.")
        busy = app("index", "--documents", pump_folder)
        old = app("search", QUESTION, "--documents", pump_folder, "--json")
    finally:
        holder.kill()
        holder.communicate()
    assert busy.returncode == 75
    assert f"Process {holder.pid} " in busy.stderr
    assert json.loads(old.stdout)["hits"][0]["file"] == "pump.txt"
    assert "index before it answers" in old.stderr


def test_200_files_with_20_broken_ones_are_20_rows_and_the_rest_answers(app, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(180):
        text = f"Machine number {number} is painted in colour code K{number:03}."
        kind = number % 3
        if kind == 0:
            (folder / f"machine-{number}.pdf").write_bytes(pdf(lines(text)))
        else:
            (folder / f"machine-{number}.txt").write_text(text, encoding="utf-8" if kind == 1 else "utf-16")
    good = pdf(lines("A good page."))
    broken = [
        b"",
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        good[:60],
        b"%PDF-1.7\nnothing",
        encrypted(good, "secret"),
    ]
    for number in range(20):
        (folder / f"broken-{number}.pdf").write_bytes(broken[number % len(broken)])
    with scripted.server(scripted.streamed("K077 [1].")) as model:
        question = "In which colour code is machine number 77 painted?"
        run = app("ask", question, "--documents", folder, "--json", OPENAI_BASE_URL=model.url)
        report = app("index", "--documents", folder, "--json")
    assert (run.returncode, report.returncode) == (0, 0)
    assert "K077" in json.loads(run.stdout)["sources"][0]["text"]
    facts = json.loads(report.stdout)
    assert (facts["files"], facts["unchanged"], len(facts["problems"])) == (200, 180, 20)
    assert all(row["file"].startswith("broken-") and row["reason"] for row in facts["problems"])


def test_an_unknown_key_in_the_settings_file_is_named(app, tmp_path):
    (tmp_path / ".env").write_text("DOCUMENT_DIR=x\n")
    run = app("doctor")
    assert run.returncode == 2
    assert "did you mean DOCUMENTS_DIR?" in run.stderr


def test_a_reader_who_leaves_early_is_no_error(environment, tmp_path, pump_folder):
    command = (
        f"{sys.executable} {ROOT / 'app.py'} search pump --documents {pump_folder} --min-score -1 | true"
    )
    run = subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""


def test_a_python_without_the_libraries_names_the_command_that_supplies_them(tmp_path):
    words = [sys.executable, "-S", str(ROOT / "app.py"), "doctor"]
    run = subprocess.run(words, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert "make setup" in run.stderr
    assert one_line(run.stderr)
