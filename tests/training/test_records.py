"""Records from the formats of Hugging Face `datasets`, and from its hub when that is out of reach."""

import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

from errors import BadInput
from tests.conftest import ROOT
from tests.training.dataset_hub import serving
from training import dataset

datasets = pytest.importorskip("datasets", reason="needs `make setup-train`")

ROWS = [{"instruction": f"Add {number}.", "output": str(number + 1)} for number in range(3)]
TOOLS, OTHERS = (
    [
        {
            "type": "function",
            "function": {"name": "tide", "parameters": {"properties": {name: {"type": "string"}}}},
        }
    ]
    for name in ("place", "hour")
)
CALL = {"id": "1", "function": {"name": "tide", "arguments": "{}"}}
ASK, ANSWER = (
    {"role": "user", "content": "What is the tide?"},
    {"role": "assistant", "content": "It is high."},
)
STEPS = [
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "1", "content": "high"},
]
NO_DATA_SET = r"cannot be read as a data set \(.+\): give JSONL, JSON, CSV or Parquet\.$"


@pytest.fixture(autouse=True)
def no_bars():
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def asked(data):
    return [row.messages[0]["content"] for row in data.rows]


def written(root, names):
    """A folder of files that each hold one row, which asks for the file's name."""
    for name in names:
        path = root / name
        path.parent.mkdir(exist_ok=True)
        row = {"instruction": name, "output": "x"}
        path.write_text(f"instruction,output\n{name},x\n" if path.suffix == ".csv" else json.dumps(row))


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.parquet", "rows.json", "rows.arrow"])
def test_a_file_in_any_of_their_formats_is_read(name, tmp_path):
    path = tmp_path / name
    table = datasets.Dataset.from_list(ROWS)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(ROWS))
    elif path.suffix == ".arrow":
        table.save_to_disk(tmp_path / "saved")
        next((tmp_path / "saved").glob("*.arrow")).rename(path)
    else:
        table.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False)
    data = dataset.read(path)
    assert asked(data) == ["Add 0.", "Add 1.", "Add 2."]
    assert data.rows[0].session == f"{name}:1"


def test_every_cell_of_a_table_in_text_is_text(tmp_path):
    """A number, and a word that stands for nothing elsewhere: both are answers."""
    (tmp_path / "rows.csv").write_text("instruction,output\nAgent?,007\nNobody?,None\n")
    told = [row.messages[1]["content"] for row in dataset.read(tmp_path / "rows.csv").rows]
    assert told == ["007", "None"]


def test_a_table_of_chats_gives_calls_and_tools_without_its_empty_fields(tmp_path):
    chats = [
        {"messages": [ASK, *STEPS, ANSWER], "tools": TOOLS},
        {"messages": [ASK, ANSWER], "tools": OTHERS},
    ]
    datasets.Dataset.from_list(chats).to_parquet(tmp_path / "chats.parquet")
    one, other = dataset.read(tmp_path / "chats.parquet").rows
    assert [sorted(message) for message in one.messages] == [
        ["content", "role"],
        ["content", "role", "tool_calls"],
        ["content", "name", "role", "tool_call_id"],
        ["content", "role"],
    ]
    assert (one.tools, other.tools) == (TOOLS, OTHERS)


PARTS = ["data/train-00000-of-00002.csv", "data/train-00001-of-00002.csv", "data/validation-0.csv"]


@pytest.mark.parametrize("readme", [True, False])
@pytest.mark.parametrize(("names", "count"), [(["train.csv", "test.csv"], 1), (PARTS, 2)])
def test_a_folder_gives_its_train_split(names, count, readme, tmp_path):
    written(tmp_path, names)
    if readme:
        (tmp_path / "README.md").write_text("A data set.")
    assert asked(dataset.read(tmp_path)) == names[:count]


def test_a_folder_without_a_train_split_gives_all_but_the_other_splits(tmp_path):
    written(tmp_path, ["a.jsonl", "b_test.jsonl", "eval/c.jsonl", "contest.jsonl", "sub/d.json", ".e.jsonl"])
    assert asked(dataset.read(tmp_path)) == ["a.jsonl", "contest.jsonl", "sub/d.json"]


@pytest.mark.parametrize("split", [True, False])
def test_a_folder_that_was_saved_is_read(split, tmp_path):
    table = datasets.Dataset.from_list(ROWS)
    made = datasets.DatasetDict({"train": table, "test": table.select([0])}) if split else table
    made.save_to_disk(tmp_path / "saved")
    assert len(dataset.read(tmp_path / "saved").rows) == 3


def test_a_folder_of_rows_gives_the_rows_and_not_their_manifests(tmp_path):
    written(tmp_path, ["a.jsonl", "b.jsonl", "notes.json"])
    for name in ("a.jsonl", "b.jsonl"):
        noted = {"sha256": hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}
        (tmp_path / f"{name}.manifest.json").write_text(json.dumps(noted))
    assert asked(dataset.read(tmp_path)) == ["a.jsonl", "b.jsonl"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.parquet", b"none", NO_DATA_SET),
        ("a.arrow", b"none", NO_DATA_SET),
        ("a.csv", b"", r"holds nothing to learn from: it is empty\.$"),
        ("a.csv", b"\xff\xfe\x00\x01\n1,2\n", r"1 no messages, and no instruction with its output\.$"),
        ("a.json", b"[1, {", r"1 no JSON\.$"),
    ],
)
def test_a_damaged_file_is_one_sentence(name, content, sentence, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=sentence):
        dataset.read(tmp_path / name)


def test_a_folder_without_a_data_set_is_one_sentence(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(BadInput, match=NO_DATA_SET):
        dataset.read(tmp_path)


def test_no_copy_of_the_rows_is_left_anywhere(tmp_path):
    """The library's cache would outlive the file."""
    path, home, temporary = (tmp_path / name for name in ("rows.parquet", "home", "temporary"))
    datasets.Dataset.from_list([{"instruction": "Add.", "output": "kestrel-4417"}]).to_parquet(path)
    temporary.mkdir()
    code = "import sys\nfrom pathlib import Path\nfrom training import dataset\n"
    code += "print(len(dataset.read(Path(sys.argv[1])).rows))"
    assert run(code, path, HOME=str(home), HF_HOME=str(home), TMPDIR=str(temporary)) == "1\n"
    left = [file for root in (home, temporary) for file in root.rglob("*") if file.is_file()]
    assert not any(b"kestrel-4417" in file.read_bytes() for file in left)


HUB = """
import sys
from errors import RecuerdoError
from training import dataset
for name in sys.argv[1:]:
    try:
        print(*(f"{row.session} {row.messages[0]['content']}" for row in dataset.read_hub(name).rows))
    except RecuerdoError as error:
        print(error.exit_status, error)
"""
TABLE = b"instruction,output\nAdd.,3\n"
SEVERAL = b"""---
configs: [{config_name: one, data_files: a.csv}, {config_name: two, data_files: b.csv}]
---
"""
SETS = {
    "somebody/chats": {"train.csv": TABLE, "test.csv": TABLE.replace(b"Add", b"Take")},
    "somebody/several": {"README.md": SEVERAL, "a.csv": TABLE, "b.csv": TABLE.replace(b"Add", b"Take")},
    "somebody/tests": {"test.csv": TABLE},
    "somebody/program": {"program.py": b"raise SystemExit"},
}
FAULTS = {
    "somebody/several": "Config name is missing.*'one', 'two'",
    "somebody/tests": "Unknown split",
    "somebody/program": "scripts are no longer supported",
    "nobody/nothing": "doesn't exist on the Hub",
    "not a name": "",
}


def test_a_hub_gives_the_train_split_and_one_sentence_for_what_it_has_not(tmp_path):
    names = ["somebody/chats", "somebody/several:two", *FAULTS]
    with serving(SETS) as address:
        told = run(HUB, *names, HF_ENDPOINT=address, HF_HOME=str(tmp_path), HF_HUB_OFFLINE="0").splitlines()
    assert told[:2] == ["somebody/chats:1 Add.", "somebody/several:two:1 Take."]
    for (name, fault), line in zip(FAULTS.items(), told[2:], strict=True):
        assert re.match(rf"2 The data set {name} cannot be read \(.*{fault}.*\): check its name, or ", line)


def test_a_hub_that_is_out_of_reach_is_one_sentence(tmp_path):
    assert run(HUB, "somebody/chats", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path)) == (
        "3 The data set somebody/chats is not here and the hub is out of reach: "
        "go online, or give a file instead.\n"
    )


def run(code, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env=dict(os.environ) | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
