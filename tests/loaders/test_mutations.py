"""Logs of every format, damaged in every way that is known: nothing raised, invented or lost.

`MUTATIONS=10000 pytest tests/loaders/test_mutations.py` is the slow proof.
"""

import itertools
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.loaders.corpora import CORPORA
from tests.loaders.told import question_and_answer, tell

EXAMPLES = int(os.environ.get("MUTATIONS", "300"))


@dataclass(frozen=True)
class Damage:
    kind: str
    file: str
    start: int
    end: int
    data: bytes | None = field(repr=False)  # what the file is then; None where it was deleted


def read(files):
    """The documents of a tree of files, and the problems."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        found, _, problems = tell(Path(folder))
    return found, problems


def told(document):
    """What is compared: identity, question and answer; not the actions, of which some may be lost."""
    return document.metadata["identity"], *question_and_answer(document)


WHOLE = {name: {told(document) for document in read(corpus.files)[0]} for name, corpus in CORPORA.items()}


@st.composite
def damages(draw, corpus, kinds=("cut", "nul", "flip", "glue", "delete")):
    file = draw(st.sampled_from(sorted(file for file, data in corpus.files.items() if data)))
    data = corpus.files[file]
    kind = draw(st.sampled_from(kinds))
    start = draw(st.integers(0, len(data) - 1))
    if kind == "cut":
        return Damage(kind, file, start, len(data), data[:start])
    if kind == "nul":
        end = min(len(data), start + draw(st.integers(1, 400)))
        return Damage(kind, file, start, end, data[:start] + bytes(end - start) + data[end:])
    if kind == "flip":
        other = data[start] ^ (1 << draw(st.integers(0, 7)))
        return Damage(kind, file, start, start + 1, data[:start] + bytes([other]) + data[start + 1 :])
    if kind == "glue" and len(corpus.separators.get(file, ())) > 1:
        places = corpus.separators[file]
        number = draw(st.integers(0, len(places) - 2))
        start = draw(st.integers(places[number][0] + 1, places[number][1]))
        end = places[number + 1][0]
        return Damage(kind, file, start, end, data[:start] + data[end:])
    return Damage("delete", file, 0, len(data), None)


def applied(corpus, *all_damage):
    files = dict(corpus.files)
    for damage in all_damage:
        if damage.data is None:
            files.pop(damage.file, None)
        else:
            files[damage.file] = damage.data
    return files


def touches(places, damage):
    return any(
        file == damage.file and start < damage.end and damage.start < end for file, start, end in places
    )


def nearly(text, texts):
    """Whether it is one of the texts but for one byte in the log, which may have been part of an escape."""
    return any(
        common(text, other) + common(text[::-1], other[::-1]) >= max(len(text), len(other)) - 2
        for other in texts
    )


def common(one, other):
    """How many signs two texts have in common at their beginning."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def is_excused(name, damage, told_turn, corpus):
    """A flipped byte in a record may change its turn's texts and identity; never give it what others said."""
    _, user, answer = told_turn
    return damage.kind == "flip" and any(
        nearly(user, texts) and nearly(answer, texts)
        for turn, texts in corpus.said.items()
        if any(
            touches(places, damage) for places in corpus.turns.get(turn) or corpus.unfinished.get(turn, ())
        )
    )


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", CORPORA)
def test_damage_neither_invents_nor_loses_a_turn(name):
    corpus = CORPORA[name]
    assert {user for _, user, _ in WHOLE[name]} == set(corpus.turns)

    @settings(
        max_examples=max(EXAMPLES // len(CORPORA), 1),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(damages(corpus))
    def check(damage):
        found, problems = read(applied(corpus, damage))
        turns = {told(document) for document in found}
        assert len(turns) == len(found)
        same = (lambda turn: turn) if knows_project(found) else (lambda turn: turn[1:])
        whole = set(map(same, WHOLE[name]))
        strange = [turn for turn in turns if same(turn) not in whole]
        assert all(is_excused(name, damage, turn, corpus) for turn in strange), strange
        read_back = {user for _, user, _ in turns}
        for user, alternatives in corpus.turns.items():
            if any(not touches(places, damage) for places in alternatives) and not refused(damage, problems):
                changed = damage.kind == "flip" and any(nearly(user, {other}) for other in read_back)
                assert user in read_back or changed, (user, problems)

    check()


def knows_project(found):
    return all(document.metadata["project"] == "/home/dev/shop" for document in found)


def refused(damage, problems):
    """A flipped byte in the name of the store format makes it another one, which is not read."""
    return damage.kind == "flip" and any("the store format" in str(problem) for problem in problems)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", ["unified", "compacted", "two", "one"])
def test_damage_at_two_places_invents_nothing(name):
    corpus = CORPORA[name]
    kinds = ("cut", "nul", "glue", "delete")

    @settings(
        max_examples=max(EXAMPLES // 8, 1),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(damages(corpus, kinds), damages(corpus, kinds))
    def check(first, second):
        if first.file == second.file and first.data is not None:
            return
        found, _ = read(applied(corpus, first, second))
        same = (lambda turn: turn) if knows_project(found) else (lambda turn: turn[1:])
        assert {same(told(document)) for document in found} <= set(map(same, WHOLE[name]))

    check()


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def places(value, path=()):
    """The path to each value inside a record."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def changed(value, path, odd):
    """The value with another one at a path in it."""
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], odd)
    return copy


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", CORPORA)
def test_values_of_any_type_in_any_place_raise_nothing(name):
    corpus = CORPORA[name]

    @settings(max_examples=max(EXAMPLES // 20, 1), deadline=None, database=None)
    @given(st.data())
    def check(data):
        files = sorted(
            file for file, content in corpus.files.items() if content and "generations" not in file
        )
        file = data.draw(st.sampled_from(files))
        lines = corpus.files[file].splitlines() if file.endswith(".jsonl") else [corpus.files[file]]
        number = data.draw(st.integers(0, len(lines) - 1))
        record = json.loads(lines[number])
        odd = changed(record, data.draw(st.sampled_from(list(places(record)))), data.draw(ODD))
        lines[number] = json.dumps(odd).encode()
        read(corpus.files | {file: b"\n".join(lines)})

    check()
