"""That a person's own folder is measured, and that a change of settings shows in the next run."""

import json
import subprocess
import sys
from collections import Counter

import pytest
from langchain_core.documents import Document

from benchmarks import own_runs
from benchmarks.own_questions import Question, Vocabulary, by_model, drawn, flat, of_words
from benchmarks.servers import ROOT
from stores.language import detect
from tests import scripted

ENGLISH = """
The lighthouse keeper trims the copper lamp before the autumn storms reach the northern harbour.
Every apprentice carpenter sharpens two chisels and oils the oak bench on Friday afternoon.
The museum lends wooden telescopes to visitors who climb the observatory tower after sunset.
A ferry with forty bicycles crosses the narrow strait whenever the southern bridge is closed.
Bakers in the valley mix chestnut flour with honey for the festival of the first snow.
The orchestra rehearses the symphony in the empty railway station beside the river.
Gardeners cover the young lemon trees with straw mats against the frost of January.
The printer keeps spare ribbons and ink cartridges in a locked drawer behind the counter.
"""
SPANISH = """
El farero enciende la lámpara de cobre antes de que lleguen las tormentas del otoño.
La biblioteca presta mapas antiguos a los viajeros que cruzan la cordillera en mula.
Los panaderos del valle amasan harina de castaña con miel para la fiesta de la nieve.
Cada aprendiz de carpintero afila dos formones y engrasa el banco de roble los viernes.
El museo abre su torre de observación a los visitantes después de la puesta del sol.
Las abejas del monasterio descansan en colmenas de corcho junto al molino de agua.
"""
COMMON = {
    "en": "This confidential document belongs exclusively to the municipal archive of Portavela.",
    "es": "Este documento confidencial pertenece exclusivamente al archivo municipal de Portavela.",
}


@pytest.fixture
def folder(tmp_path):
    """A file a sentence with boilerplate around it, in two languages."""
    folder = tmp_path / "papers"
    folder.mkdir()
    for name, text in (("en", ENGLISH), ("es", SPANISH)):
        for number, sentence in enumerate(text.strip().split("\n")):
            (folder / f"{name}-{number}.txt").write_text(f"{COMMON[name]}\n\n{sentence}\n\n{COMMON[name]}\n")
    return folder


@pytest.fixture
def mine(environment, folder, tmp_path):
    """Run `python -m benchmarks.mine` over a folder."""

    def run(*arguments, documents=folder, status=0, **extra):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.mine", "--documents", documents, *arguments],
            cwd=tmp_path, env=environment | {"PYTHONPATH": str(ROOT), "THREADS": "1"} | extra,
            capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
        return done

    return run


def passages(text, language, file="one.txt"):
    told = [Document(one, metadata={"file": file, "language": language}) for one in text.strip().split("\n")]
    assert detect(text) == language
    return told


def test_a_run_tells_what_is_found_what_the_minimum_lost_and_what_is_slow(mine, data_dir):
    facts = json.loads(mine("--json", "--questions", "12").stdout)
    rows = {row["method"]: row for row in facts["rows"]}
    assert list(rows) == ["plain", "bm25", "ours"]
    for row in rows.values():
        assert row["questions"] == 12
        assert 0 <= row["hit@1"] <= row["hit@3"] <= row["hit@5"] <= 100
    assert rows["ours"]["hit@5"] > 80
    assert set(facts["by_language"]) == {"english", "spanish"}
    assert facts["filter"]["lost"] >= len(facts["filter"]["worst"])
    assert facts["delivered"] == pytest.approx(
        100 - facts["filter"]["share"], abs=100 - rows["ours"]["hit@3"]
    )
    steps = facts["steps"]
    assert 0 < steps["embedding"] < steps["whole"]
    assert facts["indexing"]["embedding_ms"] > 0
    assert facts["machine"]["python"] == sys.version.split()[0]
    assert facts["compared"] is None
    (kept,) = (data_dir / "benchmarks").iterdir()
    assert kept.name.startswith("papers-")


def test_the_next_run_asks_the_same_and_shows_that_a_setting_changed(mine):
    mine("--json")
    same = json.loads(mine("--json").stdout)["compared"]
    assert (same["won"], same["lost"], same["changed"], same["gone"]) == ([], [], [], 0)
    strict = json.loads(mine("--json", MIN_SCORE="0.8").stdout)["compared"]
    assert strict["changed"] == [{"name": "min_score", "then": 0.3, "now": 0.8}]
    assert len(strict["lost"]) > 5
    assert strict["won"] == []
    then, now = strict["rows"]
    assert then["questions"] == now["questions"] == same["questions"]
    assert then["delivered"] > now["delivered"]
    told = mine()
    assert "MIN_SCORE: 0.8 → 0.3" in told.stdout
    assert f"{len(strict['lost'])} were won and 0 lost" in told.stdout
    assert "easier to find than what a person asks" in told.stderr


def test_questions_whose_sentence_is_gone_are_left_out_and_new_ones_are_made_on_request(mine, folder):
    first = json.loads(mine("--json").stdout)["rows"][0]["questions"]
    (folder / "en-0.txt").write_text("Nothing of what stood here is left, and little is told instead.\n")
    after = json.loads(mine("--json", "--questions", str(first - 1)).stdout)["compared"]
    assert (after["gone"], after["questions"]) == (1, first - 1)
    fresh = json.loads(mine("--json", "--new").stdout)["compared"]
    assert fresh["questions"] < first - 1


def test_the_model_writes_questions_and_what_is_none_is_counted(mine):
    answers = iter(["", "Who trims the lamp of the lighthouse?"])

    def script(handler):
        scripted.streamed(next(answers, "¿Quién cuida todo esto?"))(handler)

    with scripted.server(script) as model:
        address = {"OPENAI_BASE_URL": f"{model.url}/v1"}
        facts = json.loads(mine("--json", "--with-model", "--questions", "3", **address).stdout)
        asked = len(model.requests)
        again = json.loads(mine("--json", "--with-model", "--questions", "3", **address).stdout)
        assert len(model.requests) == asked  # what was written once is asked again
    assert facts["dropped"] == {"empty": 1}
    assert facts["rows"][0]["questions"] == again["compared"]["questions"] == 3
    told = model.requests[-1].body["messages"]
    assert "Write one question that the passage below answers" in told[0]["content"]


def test_a_model_that_is_not_there_or_writes_nothing_is_told(mine):
    with scripted.server(scripted.streamed(" ")) as model:
        done = mine("--with-model", "--questions", "2", status=3, OPENAI_BASE_URL=f"{model.url}/v1")
        assert "wrote no question that can be asked (6 empty)" in done.stderr
        address = f"{model.url}/v1"
    assert "Nothing answers at" in mine("--with-model", status=3, OPENAI_BASE_URL=address).stderr


def test_a_folder_that_cannot_be_asked_about_is_refused_in_a_sentence(mine, tmp_path):
    assert "create it" in mine(documents=tmp_path / "absent", status=2).stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no text to ask about" in mine(documents=empty, status=2).stderr
    (empty / "short.txt").write_text("Yes.\n")
    assert "makes a question" in mine(documents=empty, status=2).stderr
    assert "questions" in mine("--questions", "0", status=2).stderr


@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "english"), (SPANISH, "spanish")])
def test_a_question_has_some_of_the_sentences_words_and_not_the_sentence(text, language):
    vocabulary = Vocabulary(passages(text, language))
    made = [(one, of_words(vocabulary, one, 0)) for one in drawn(vocabulary, 0, ())]
    assert len(made) == len(text.strip().split("\n"))
    for sentence, question in made:
        words = set(vocabulary.stems(question.text, language).values())
        own = set(vocabulary.stems(sentence.text, language).values())
        assert 2 <= len(words & own) < len(own)
        assert flat(sentence.text) not in question.text
        assert question.answered_by(flat(sentence.passage.page_content))
    about = "What about " if language == "english" else "¿Qué hay de "
    assert 0 < sum(question.text.startswith(about) for _, question in made) < len(made)


def test_another_form_of_a_word_is_one_that_the_documents_use():
    vocabulary = Vocabulary(
        passages("The bridges are closed.\nThe bridge was old.\nIt is in the town.", "english")
    )
    assert vocabulary.forms("bridge", "english") == ["bridges"]
    assert vocabulary.forms("town", "english") == []


def test_what_stands_everywhere_is_not_asked_about():
    told = [f"{COMMON['en']} {one}" for one in ENGLISH.strip().split("\n")[:3]]
    vocabulary = Vocabulary(passages("\n".join(told), "english"))
    asked = {sentence.text for sentence in vocabulary.worth_asking}
    assert asked == set(ENGLISH.strip().split("\n")[:3])


def test_the_draw_goes_from_file_to_file_and_is_the_same_again():
    few = passages(ENGLISH, "english", "few.txt")[:2]
    many = passages(ENGLISH, "english", "many.txt")[2:]
    vocabulary = Vocabulary(few + many)
    files = [one.passage.metadata["file"] for one in drawn(vocabulary, 0, ())]
    assert Counter(files[:4]) == {"few.txt": 2, "many.txt": 2}
    assert list(drawn(vocabulary, 3, ())) == list(drawn(vocabulary, 3, ()))
    assert list(drawn(vocabulary, 3, ())) != list(drawn(vocabulary, 4, ()))
    (first, *rest) = drawn(vocabulary, 3, ())
    assert list(drawn(vocabulary, 3, {first.text})) == rest


FERRY = "A ferry with forty bicycles crosses the narrow strait whenever the southern bridge is closed."


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("", "empty"),
        ("Why? " * 41, "too long"),
        ("The ferry crosses the strait.", "not one question"),
        ("1. Who sails? 2. Who rows?", "not one question"),
        (f"Is it so that {FERRY[2:-1]}?", "copied"),
        ("A ferry with forty bicycles?", "copied"),
        ('"When does the boat with the bikes go?"', None),
    ],
)
def test_an_answer_of_the_model_that_is_no_question_of_its_own_is_dropped(answer, fault):
    vocabulary, dropped = Vocabulary(passages(FERRY, "english")), Counter()
    (sentence,) = vocabulary.worth_asking
    question = by_model(lambda passage: answer, sentence, dropped)
    assert dropped == ({fault: 1} if fault else {})
    assert (question and question.text) == (None if fault else "When does the boat with the bikes go?")


def test_a_passage_is_right_when_it_holds_half_of_what_was_said():
    question = Question("?", "a.txt", "english", ("One two three.", "Four five six.", "Seven."))
    assert question.answered_by("One two three. Four five six.")
    assert not question.answered_by("Seven. One two")


def test_the_probability_is_that_of_a_sign_test():
    assert own_runs.chance(0, 0) == own_runs.chance(3, 3) == 1.0
    assert own_runs.chance(0, 8) == pytest.approx(0.008)
    assert own_runs.chance(8, 0) == own_runs.chance(0, 8)


def test_a_damaged_file_of_results_is_as_good_as_none(tmp_path):
    for text in ("", "[]", "{}", '{"format": 1, "runs": {"words": {}}}', '{"format": 1, "runs": 3}'):
        (tmp_path / "kept.json").write_text(text)
        assert own_runs.last(tmp_path / "kept.json", "words") is None
