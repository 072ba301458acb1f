"""Rows of damaged logs: no step of a turn is invented, lost or another's.

`MUTATIONS=10000 pytest tests/training/test_damage.py` is the slow proof.
"""

import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.vibe.logs import list_logs, read_log
from tests.loaders.corpora import CORPORA
from tests.loaders.test_mutations import EXAMPLES, ODD, applied, changed, damages, places
from training.chats import Unusable
from training.threads import Choice, threads
from training.transcript import messages

KINDS = ("cut", "nul", "glue", "delete")


def told(files):
    """Every turn in the rows of a tree of files: its question with all that follows."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        sessions = [one for log in list_logs(Path(folder)).logs for one in read_log(log, steps=True).sessions]
    found = []
    for thread in threads(sessions, Choice(), lambda text: (text, 0), Counter()):
        try:
            said = messages(thread, Counter())
        except Unusable:
            continue
        starts = [at for at, message in enumerate(said) if message["role"] == "user"]
        found += [
            json.dumps([nameless(message) for message in said[start:end]])
            for start, end in zip(starts, [*starts[1:], None], strict=True)
        ]
    return found


def nameless(message):
    """A message without the ids of its calls, which count on from the turn before."""
    calls = [call["function"] for call in message.get("tool_calls", ())]
    return [message["role"], message["content"], calls]


WHOLE = {name: set(told(corpus.files)) for name, corpus in CORPORA.items()}


def quick(examples):
    return settings(
        max_examples=max(examples, 1), deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", CORPORA)
def test_what_damage_leaves_is_told_as_it_was(name):
    corpus = CORPORA[name]
    assert WHOLE[name]

    @quick(EXAMPLES // len(CORPORA))
    @given(damages(corpus, KINDS))
    def check(damage):
        found = told(applied(corpus, damage))
        assert len(found) == len(set(found))
        strange = set(found) - WHOLE[name]
        assert not strange or (unseen(corpus, damage) and all(is_part(name, turn) for turn in strange))

    check()


def unseen(corpus, damage):
    """Whether a file ends where a record does: nothing in it shows that there was more."""
    ends = {end for _, end in corpus.separators.get(damage.file, ())}
    return damage.kind == "cut" and not ends.isdisjoint({damage.start, damage.start - 1})


def is_part(name, turn):
    """Whether the turn lacks some steps of one, and has no other's."""
    steps = [iter(json.loads(whole)) for whole in WHOLE[name]]
    return any(all(message in rest for message in json.loads(turn)) for rest in steps)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", CORPORA)
def test_a_flipped_bit_or_a_field_of_another_type_never_raises(name):
    corpus = CORPORA[name]

    @quick(EXAMPLES // len(CORPORA))
    @given(damages(corpus, ("flip",)), st.data(), ODD)
    def check(damage, data, odd):
        told(applied(corpus, damage))
        file = data.draw(st.sampled_from(sorted(file for file in corpus.files if file.endswith(".jsonl"))))
        lines = corpus.files[file].splitlines()
        if lines:
            at = data.draw(st.integers(0, len(lines) - 1))
            record = json.loads(lines[at])
            path = data.draw(st.sampled_from(list(places(record))))
            lines[at] = json.dumps(changed(record, path, odd)).encode()
        told(corpus.files | {file: b"\n".join(lines)})

    if any(file.endswith(".jsonl") for file in corpus.files):
        check()
