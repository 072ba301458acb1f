"""A passage in pieces: no word is lost, none is too short, and bytes keep the cosines."""

import numpy as np
import pytest

from stores.pieces import MOST, SHORTEST, Packed, cut

SENTENCE = "The pump of the house by the river was mended in the spring of that year by two men."


def test_a_short_text_is_one_piece():
    assert cut("One line.") == ["One line."]
    assert cut("") == [""]
    assert cut(" \n ") == [" \n "]


def test_sentences_and_lines_are_put_together_until_they_say_enough():
    text = f"Part 7.\nPart 8. {SENTENCE} {SENTENCE}\n{SENTENCE}"
    pieces = cut(text)
    assert len(pieces) > 1
    assert all(len(piece) >= SHORTEST for piece in pieces[:-1])
    assert " ".join(pieces).split() == text.split()


def test_a_last_word_is_not_a_piece_of_its_own():
    assert cut(f"{SENTENCE} {SENTENCE} The end.") == [f"{SENTENCE} {SENTENCE} The end."]


@pytest.mark.parametrize("count", [9, 20, 100])
def test_a_long_text_has_longer_pieces_not_more_of_them(count):
    text = "\n".join(f"{number}. {SENTENCE} {SENTENCE}" for number in range(count))
    pieces = cut(text)
    assert 1 < len(pieces) <= MOST
    assert " ".join(pieces).split() == text.split()


def test_a_text_without_a_full_stop_is_one_piece():
    assert len(cut("word " * 200)) == 1


@pytest.fixture
def vectors():
    drawn = np.random.default_rng(0).standard_normal((50, 384)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_bytes_keep_the_cosine(vectors):
    rows = np.arange(len(vectors))
    for vector in vectors[:5]:
        assert Packed.of(vectors).cosines(rows, vector) == pytest.approx(vectors @ vector, abs=0.002)


def test_packed_vectors_survive_the_disk_and_being_cut_and_joined(vectors, tmp_path):
    packed = Packed.of(vectors)
    packed.save(tmp_path)
    joined = Packed.joined([packed[:20], packed[20:20], packed[20:]], 384)
    for other in (Packed.load(tmp_path, 384), joined):
        assert np.array_equal(other.levels, packed.levels)
        assert np.array_equal(other.factors, packed.factors)


def test_a_vector_of_zeros_is_no_division_by_zero():
    assert Packed.of(np.zeros((1, 384), np.float32)).cosines(np.array([0]), np.ones(384, np.float32)) == [0]
