import io
import json

import pytest

from loaders.vibe.json_lines import read_lines
from loaders.vibe.messages import MESSAGE
from loaders.vibe.salvage import Found, Shape, holds_nothing

A = '{"role": "user", "content": "first"}'
B = '{"role": "assistant", "content": "second"}'
C = '{"role": "user", "content": "third"}'


def read(text, shape=MESSAGE, longest=2**26):
    """The records' contents, and the damaged places as (line, what)."""
    data = text if isinstance(text, bytes) else text.encode()
    found = list(read_lines(io.BytesIO(data), shape, longest))
    kept = [piece.record.get("content") for piece in found if isinstance(piece, Found)]
    return kept, [(piece.place, piece.what) for piece in found if not isinstance(piece, Found)]


@pytest.mark.parametrize(
    "text",
    [f"{A}\n{B}\n", f"{A}\n{B}", f"{A}\r\n{B}\r\n", f"\n{A}\n\n  \n{B}\n\n", f"\ufeff{A}\n{B}\n"],
    ids=["plain", "no last newline", "CRLF", "blank lines", "byte order mark"],
)
def test_whole_lines_are_no_problem(text):
    assert read(text) == (["first", "second"], [])


def test_a_last_line_that_is_cut_off_is_one_problem():
    assert read(f"{A}\n{B}\n{C[:20]}") == (["first", "second"], [(3, "a record that is cut off")])


@pytest.mark.parametrize("at", range(1, len(B)))
def test_a_record_cut_off_anywhere_and_glued_to_the_next_loses_only_itself(at):
    kept, problems = read(f"{A}\n{B[:at]}{C}\n{A}\n")
    assert kept == ["first", "third", "first"]
    assert problems == [(2, "a damaged record")]


def test_two_whole_records_on_one_line_are_both_kept():
    assert read(f"{A}{B}\n{C}\n") == (["first", "second", "third"], [(1, "2 records on one line")])


def test_a_run_of_nuls_is_one_place_and_what_is_around_it_is_kept():
    damaged = f"{A}\n{B[:10]}" + "\0" * 50 + f"{C}\n{A}\n"
    assert read(damaged) == (["first", "third", "first"], [(2, "50 NUL bytes in place of text")])


def test_a_record_with_bytes_that_are_not_utf_8_is_damaged_and_no_other():
    line = B.encode().replace(b"second", b"sec\xffond")
    kept, problems = read(A.encode() + b"\n" + line + C.encode() + b"\n")
    assert kept == ["first", "third"]
    assert problems == [(2, "bytes that are not UTF-8")]


@pytest.mark.parametrize("line", ['"text"', "[1, 2]", "17", "null", "Traceback (most recent call last):"])
def test_lines_that_are_no_objects_are_problems(line):
    assert read(f"{A}\n{line}\n{B}\n") == (["first", "second"], [(2, "something that is no record")])


@pytest.mark.parametrize(
    "torn",
    [
        '{"role": "tool", "result": {"messages": [{"role": "user", "content": "inner"}',
        '{"role": "tool", "result": [{"role": "user", "content": "a"}, {"role": "user", "content": "inner"}',
        '{"role": "tool", "result": {"a": {"role": "user", "content": "inner"}}, "content": "x',
        '{"role": "tool", "cont"nt": 1, "result": [{"role": "user", "content": "inner"}]}',
    ],
)
def test_an_object_inside_a_torn_record_is_never_taken_for_a_record(torn):
    kept, problems = read(f"{A}\n{torn}\n{B}\n")
    assert kept == ["first", "second"]
    assert len(problems) == 1


def test_an_object_with_more_of_its_record_behind_it_is_no_record():
    assert read(f'{A[:15]}}} "content": "first"}}\n{B}\n') == (["second"], [(1, "a damaged record")])


@pytest.mark.parametrize(
    ("fragment", "nothing"),
    [("x", True), ("}", True), ('"', True), ("{", False), ('{"', False), ('tent": "x"}', False),
     ("\0" * 14, True), ("\0" * 15, False), ("Traceback (most recent call last):", True)],
)  # fmt: skip
def test_a_piece_that_cannot_have_been_a_record_loses_nothing(fragment, nothing):
    assert holds_nothing(fragment) is nothing


def test_a_text_that_quotes_a_log_is_a_text():
    quoting = json.dumps({"role": "user", "content": f"look: {A}{B}\n{A}"})
    assert read(f"{quoting}\n{B}\n") == ([f"look: {A}{B}\n{A}", "second"], [])
    kept, problems = read(f"{quoting[:-3]}{B}\n")
    assert (kept, len(problems)) == (["second"], 1)


def test_a_line_without_end_is_passed_over_and_the_next_one_is_read():
    text = f"{A}\n".encode() + bytes(3 * 2**20) + f"\n{B}\n".encode()
    kept, problems = read(text, longest=2**20)
    assert (kept, problems) == (["first", "second"], [(2, "a line of more than 1 MB")])


@pytest.mark.parametrize(
    "bomb", ["[" * 100_000, '{"a":' * 100_000, '{"' * 50_000, '{"n":' + "9" * 5000 + "}"]
)
def test_a_line_made_to_break_parsers_is_one_problem(bomb):
    kept, problems = read(f"{A}\n{bomb}\n{B}\n")
    assert kept == ["first", "second"]
    assert len(problems) == 1


def test_an_object_of_another_shape_is_handed_on_whole_but_not_found_amid_damage():
    only = Shape(lambda record: "role" in record, lambda _: frozenset())
    other = '{"content": "other"}'
    assert read(f"{A}\n{other}\n{B}\n", only) == (["first", "other", "second"], [])
    assert read(f"{A[:9]}{other}\n", only)[0] == []
