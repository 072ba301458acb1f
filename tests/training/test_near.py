"""Which rows nearly repeat another, and that telling it takes no longer for many rows than for few."""

import random
import subprocess
import sys
import time

from tests.conftest import ROOT
from training.near import MOST, SKETCH, Near, likeness

WORDS = [f"word{number}" for number in range(5000)]


def text(seed, length=400):
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def changed(told, count, seed=0):
    """The text with so many of its words replaced by others."""
    words = told.split()
    for at in random.Random(seed).sample(range(len(words)), count):
        words[at] = f"new{at}"
    return " ".join(words)


def test_the_same_text_is_found_whatever_its_case_and_punctuation():
    near = Near()
    assert not near.repeats("Fix the bug in cart.py, and run the tests: they must pass.")
    assert near.repeats("fix the BUG in cart.py and run the tests — they must pass")


def test_texts_without_words_or_with_few_are_told_apart():
    near = Near()
    assert [near.repeats(told) for told in ("", "one", "one two", "one", "!?")] == [False] * 3 + [True] * 2


def test_texts_that_differ_in_one_word_of_a_hundred_are_alike_and_of_twenty_are_not():
    for seed in range(50):
        near = Near()
        told = text(seed)
        assert not near.repeats(told)
        assert near.repeats(changed(told, 4, seed))
        assert not near.repeats(changed(told, 20, seed))


def test_what_was_dropped_is_not_compared_with():
    near = Near()
    told = text(1)
    once = changed(told, 6, 1)
    twice = changed(once, 6, 2)
    assert [near.repeats(one) for one in (told, once, twice)] == [False, True, False]


def exactly(one, other):
    shingles = [
        {tuple(words[at : at + 5]) for at in range(len(words) - 4)} for words in (one.split(), other.split())
    ]
    return len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])


def test_the_estimate_is_near_the_exact_likeness():
    from training.near import _sketch

    worst = 0.0
    for seed in range(100):
        one = text(seed)
        other = changed(one, seed, seed)
        worst = max(worst, abs(likeness(_sketch(one), _sketch(other)) - exactly(one, other)))
    assert worst < 4 * (0.25 / SKETCH) ** 0.5  # four standard errors


def test_a_phrase_that_all_texts_share_does_not_make_it_slow():
    near = Near()
    shared = text(0, 60)
    for seed in range(1, 120):
        assert not near.repeats(f"{shared} {text(seed, 60)}")
    assert max(map(len, near._places.values())) == MOST


def test_the_same_rows_are_found_in_another_process():
    code = (
        "from tests.training.test_near import *\n"
        "near = Near()\n"
        "print([near.repeats(changed(text(seed % 5), seed % 9, seed)) for seed in range(20)])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert "True" in told[0]


if __name__ == "__main__":
    for count in (1_000, 4_000, 16_000):
        rows = [text(seed) for seed in range(count)]
        near, began = Near(), time.process_time()
        for row in rows:
            near.repeats(row)
        print(f"{count} rows of 400 words: {(time.process_time() - began) / count * 1000:.2f} ms a row")
