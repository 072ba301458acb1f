"""What is told fits its room, one item a session, each piece once and in whole words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.excerpt import narrowed
from stores.sides import sides
from stores.telling import LEAST, SHARE_OF_A_SESSION, Room, told
from stores.weighing import Piece
from tests.stores.turns import turn

WORDS = " ".join(f"word{number}" for number in range(700))


def found(place, relevances, session="s1", text=None, cosine=0.5, **more):
    """A candidate whose sides have these relevances."""
    made = turn(place, text, session, **more)
    made.id = f"{session} {place}"
    pieces = [
        Piece(side.said, side.end, cosine, relevance)
        for side, relevance in zip(sides(made), relevances, strict=True)
    ]
    made.metadata |= {"pieces": pieces, "asked": [], "score": cosine, "relevance": 0.5}
    return made


def texts(turns, k=5, least=0.3, room=2000):
    return [item.page_content for item in told(turns, k, least, Room(room))]


def test_a_session_is_one_item_in_the_order_in_which_it_was_said():
    turns = [found(7, [0.9, 0.2]), found(2, [0.5, 0.8]), found(3, [0.7, 0.6]), found(1, [0.4, 0.5], "s2")]
    first, second = told(turns, 5, 0.3, Room(2000))
    assert (first.id, first.metadata["turns"]) == ("s1 7", ["s1 2", "s1 3", "s1 7"])
    assert first.page_content == (
        "User: How do I fold map number 2?\nAssistant: Along line 2, twice.\n\n"
        "User: How do I fold map number 3?\nAssistant: Along line 3, twice.\n[…]\n"
        "User: How do I fold map number 7?"
    )
    assert second.metadata["turns"] == ["s2 1"]
    assert first.metadata["relevance"] == 0.9
    assert told(turns, 5, 0.3, Room(2000)) == [first, second]


def test_an_answer_brings_the_beginning_of_its_question_along():
    asked = f"User: Why is it so? {WORDS}\nAssistant: Because of the wind."
    (text,) = texts([found(1, [0.1, 0.9], text=asked)])
    assert text.startswith("User: Why is it so? word0 word1")
    assert text.endswith(" […]\nAssistant: Because of the wind.")
    assert len(text) < 220


def test_among_people_nobody_asks_first():
    said = "Ana: Look at my dog.\nBen: He is called Rex."
    assert texts([found(1, [0.1, 0.9], text=said, speakers=["Ana", "Ben"])]) == ["Ben: He is called Rex."]


def test_an_item_has_a_piece_that_reaches_the_minimum_and_what_stands_beside_it():
    turns = [
        found(1, [0.9, 0.8], cosine=0.2),
        found(2, [0.7, 0.6], cosine=0.4),
        found(1, [1.0, 1.0], "s2", cosine=0.29),
    ]
    (item,) = told(turns, 5, 0.3, Room(2000))
    assert item.metadata["turns"] == ["s1 1", "s1 2"]
    assert item.metadata["score"] == 0.4
    assert told(turns, 5, 0.5, Room(2000)) == []
    assert told([], 5, 0.3, Room(2000)) == []


def test_what_matters_little_beside_the_best_is_not_told():
    (text,) = texts([found(1, [0.8, LEAST * 0.8]), found(2, [LEAST * 0.79, 0.1])])
    assert "number 1" in text
    assert "line 1" in text
    assert "number 2" not in text


def test_no_more_than_k_sessions_and_no_session_fills_the_room_of_others():
    flood = [found(number, [0.9, 0.9]) for number in range(100)]
    others = [
        found(1, [0.5, 0.5], f"o{number}", f"User: Other {number}?\nAssistant: Yes.") for number in range(9)
    ]
    items = told(flood + others, 3, 0.3, Room(2000))
    assert [item.metadata["session_id"] for item in items] == ["s1", "o0", "o1"]
    assert len(items[0].page_content) <= SHARE_OF_A_SESSION * 2000
    (alone,) = told(flood, 3, 0.3, Room(2000))
    assert len(alone.page_content) > 1800


def test_what_is_told_already_is_not_told_again():
    same = "User: What did we decide about the tests today?\nAssistant: They stay as they are for now."
    items = told([found(1, [0.9, 0.9], f"s{number}", same) for number in range(9)], 5, 0.3, Room(2000))
    assert [item.id for item in items] == ["s0 1"]


def test_overlapping_windows_are_told_once_and_a_long_one_is_cut_where_the_words_are():
    long = found(1, [0.9], text=f"User: {WORDS}")
    start = len("User: ")
    long.metadata["pieces"] = [
        Piece(start, 1000, 0.5, 0.9),
        Piece(900, 2000, 0.5, 0.8),
        Piece(3000, 4500, 0.5, 0.7),
    ]
    long.metadata["asked"] = ["word450"]
    (text,) = texts([long], room=2900)
    assert text.count("word115 ") == 1
    assert "word450" in text
    assert text.startswith("User: word0 ")
    assert text.endswith(" […]")
    assert all(word in {*WORDS.split(), "User:", "[…]"} for word in text.split())


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(1, 9), st.integers(1, 300), st.floats(0, 1)), max_size=20
    ),
    st.integers(1, 6),
    st.integers(50, 3000),
)
def test_what_is_told_fits_its_room(drawn, k, characters):
    turns = [
        found(
            place,
            [relevance, relevance / 2],
            f"s{session}",
            f"User: Nr. {size}?\nAssistant: {WORDS[: 9 * size]}",
        )
        for session, place, size, relevance in drawn
    ]
    room = Room(characters, 10, 2)
    items = told(turns, k, 0.3, room)
    assert len(items) <= k
    assert sum(room.cost(item.page_content) for item in items) <= characters
    assert all(item.page_content.startswith("User: ") for item in items)


@pytest.mark.parametrize("longest", [100, 400, 1200])
@pytest.mark.parametrize("word", ["word5", "word300", "word699", "absent"])
def test_a_stretch_is_narrowed_to_whole_words_around_the_place_that_answers(longest, word):
    start, end = narrowed(WORDS, 0, len(WORDS), longest, [word])
    assert longest / 2 < end - start <= longest
    assert set(WORDS[start:end].split()) <= set(WORDS.split())
    assert word == "absent" or word in WORDS[start:end]
    assert narrowed(WORDS, 10, 60, 100) == (10, 60)


def test_a_text_without_spaces_is_narrowed_too():
    start, end = narrowed("x" * 5000, 0, 5000, 400)
    assert end - start == 400
