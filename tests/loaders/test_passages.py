import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from loaders.passages import split

# Few different pieces, so that the text repeats itself: there a passage is easily found in the wrong place.
REPEATING = st.lists(st.sampled_from(["a", "b", "aaaa", " ", "\n", "\n\n", ". ", "A.", "é", "。", "x" * 60]))
SENTENCE = "The pump has a filter, and it is cleaned every two weeks. "


def cut(text: str, size: int = 1000, overlap: int = 200) -> list[Document]:
    return split([Document(text, metadata={"file": "a.txt"})], size, overlap)


@settings(max_examples=400, deadline=None)
@given(REPEATING.map("".join) | st.text(), st.integers(1, 120), st.data())
def test_every_passage_is_the_text_at_its_place_and_nothing_is_lost(text, size, data):
    passages = cut(text, size, data.draw(st.integers(0, size - 1)))
    held = set()
    for passage in passages:
        start, end = passage.metadata["start"], passage.metadata["end"]
        assert text[start:end] == passage.page_content
        assert 0 < len(passage.page_content) <= size
        assert passage.page_content.strip()
        held.update(range(start, end))
    assert all(index in held for index, letter in enumerate(text) if not letter.isspace())
    starts = [passage.metadata["start"] for passage in passages]
    assert starts == sorted(starts)


def test_a_passage_keeps_what_its_source_says_and_leaves_it_unchanged():
    page = Document("words", metadata={"file": "a.pdf", "page": 3, "page_label": "iii", "pages": 9})
    [passage] = split([page])
    assert passage.metadata == page.metadata | {"start": 0, "end": 5}
    assert "start" not in page.metadata


def test_a_repeated_page_is_cut_where_it_repeats():
    passages = cut("spam " * 1000)
    assert passages[0].metadata["start"] == 0
    assert passages[-1].metadata["end"] == 4999
    assert len({passage.metadata["start"] for passage in passages}) == len(passages)


def test_neighbours_share_at_most_the_overlap_and_begin_with_a_sentence():
    passages = cut("".join(f"{number}. {SENTENCE}" for number in range(100)))
    assert len(passages) > 5
    for before, after in pairwise(passages):
        assert 0 < before.metadata["end"] - after.metadata["start"] <= 200
        assert re.match(r"\d+\.|The pump", after.page_content)
        assert before.page_content.endswith(".")


def test_a_paragraph_is_cut_before_a_sentence_and_a_sentence_before_a_line():
    paragraphs = [
        passage.page_content for passage in cut((SENTENCE * 3).strip() + "\n\n" + SENTENCE * 3, 250, 0)
    ]
    assert paragraphs == [(SENTENCE * 3).strip(), (SENTENCE * 3).strip()]
    sentences = cut("Clean\nthe filter. Close\nthe cup.", 20, 0)
    assert [passage.page_content for passage in sentences] == ["Clean\nthe filter.", "Close\nthe cup."]


def test_a_text_without_any_blank_is_cut_by_length():
    assert [len(passage.page_content) for passage in cut("x" * 2500, 1000, 0)] == [1000, 1000, 500]


def test_a_blank_text_gives_no_passages():
    assert cut(" \n\n\t \n") == []
    assert split([]) == []
