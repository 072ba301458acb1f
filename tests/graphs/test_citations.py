"""Every citation that reaches a reader points at a passage, however the text was cut into pieces."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.citations import Citations, support


def check(text, passages=3, pieces=None):
    citations = Citations(passages)
    said = "".join(citations.feed(piece) for piece in (pieces or [text])) + citations.close()
    return said, citations


@pytest.mark.parametrize(
    ("text", "said", "removed"),
    [
        ("Three years [1].", "Three years [1].", 0),
        ("Three years [4].", "Three years.", 1),
        ("Three years [0][2].", "Three years[2].", 1),
        ("Both [1, 3].", "Both [1][3].", 0),
        ("All [1-3].", "All [1][2][3].", 0),
        ("Some [2, 9].", "Some [2].", 1),
        ("Harmony【2†source】.", "Harmony[2].", 0),
        ("See [passage 1] and [Pasaje 7].", "See [1] and.", 1),
        ("An array[index] and [a note].", "An array[index] and [a note].", 0),
        ("It ends in [", "It ends in [", 0),
        ("The year [1999] was wet.", "The year [1999] was wet.", 0),
        ("No citation.", "No citation.", 0),
        ("See [100-2].", "See [2].", 1),
    ],
)
def test_a_citation_to_nothing_is_taken_out_and_counted(text, said, removed):
    spoken, citations = check(text)
    assert (spoken, citations.removed) == (said, removed)


@given(
    st.lists(
        st.sampled_from(["[1]", "[7]", "[", "]", "【2】", " ", "a", "12", "-", ",", "[1, 9]", "\n", "[[2]"])
    ),
    st.integers(0, 4),
    st.randoms(),
)
def test_streaming_in_pieces_says_the_same_as_all_at_once(parts, passages, random):
    text = "".join(parts)
    cuts = sorted(random.randint(0, len(text)) for _ in range(5))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole, whole_citations = check(text, passages)
    said, citations = check(text, passages, pieces)
    assert said == whole
    assert citations.used == whole_citations.used
    assert all(
        1 <= int(number) <= passages for number in re.findall(r"\[(\d{1,3})\]", said)
    )  # longer: a year


@pytest.mark.parametrize("pieces", [["[[2]", "12", "]"], ["[12", "[7]", "]"], ["[1", "[7", "]", "]"]])
def test_taking_a_citation_out_makes_no_other(pieces):
    said, _ = check("".join(pieces), 0, pieces)
    assert said == ""


def test_text_without_brackets_is_not_held_back():
    citations = Citations(3)
    assert citations.feed("Three years") == "Three years"
    assert citations.feed(", says [") == ", says"
    assert citations.feed("2]. And") == " [2]. And"
    assert citations.used == {2}


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("The warranty lasts 36 months.", 2),
        ("We repair it for 30 months after the purchase, so long it lasts.", None),
        ("The warranty lasts 30 months.", None),
        ("It must be painted blue by a licensed painter.", None),
        ("How long is the warranty?", None),
        ("", None),
    ],
)
def test_support_needs_every_number_and_most_words(answer, number):
    passages = [
        "The pump weighs 9 kg.",
        "We repair it for 36 months after the purchase; that is how long it lasts.",
    ]
    assert support(answer, "How long is the warranty?", passages) == number
