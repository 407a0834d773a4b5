"""Lines are cut alike however they arrive, and plain ones become what the careful reader makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.native import native

from anchor.base.types import Address, ChainId, Hash32, make_log_id
from anchor.evidence.not_before import NotBefore
from anchor.evidence.record import parse_record
from anchor.service import bulk_runs
from anchor.service.bulk_lines import LineReader
from anchor.service.bulk_runs import NO_CODE, RunKinds, format_accepted
from anchor.service.problems import Problem
from anchor.service.submission import Origin, read_submission
from anchor.store.columns import MOST_PIECES, EvidenceRow, NewEvidence, Run

LOG = make_log_id(Address(b"\x0a" * 20), 0)
NOW = "2026-01-01T00:00:00.000Z"
MAX_LINE = 10_000


@contextmanager
def in_python() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk_runs, "IS_NATIVE", False)
        yield


BLOCK = NotBefore(chain_id=ChainId(1), block_number=20_000_000, block_hash=Hash32(b"\xab" * 32))


def origin(key: str | None = None) -> Origin:
    return Origin(
        tenant="t",
        key=key,
        recorded_at=NOW,
        log=LOG,
        not_before=None if key else BLOCK,
        random_bytes=lambda count: b"\x07" * count,
    )


HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
NAMES = st.text(max_size=40) | st.text('abc.pdftxt\\"/\0é ', min_size=1, max_size=12)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "sha256": HEX | st.text(max_size=3),
        "name": NAMES,
        "size": st.integers(-1, 2**54),
        "sm3": HEX,
        "media_type": st.sampled_from(["a/b", "text/plain; charset=utf-8", "x", "a/b "]),
    },
)
PLAIN = st.builds(
    lambda digest, name: {"sha256": digest} if name is None else {"sha256": digest, "name": name},
    HEX,
    st.none() | st.text("abc.pdftxt ~!#[]", min_size=1, max_size=12),
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")])


@st.composite
def lines_of(draw: st.DrawFn, members: Any) -> bytes:
    text = json.dumps(
        draw(members), separators=draw(SEPARATORS), ensure_ascii=draw(st.booleans())
    ).encode("utf-8", "surrogatepass")
    return text + draw(st.sampled_from([b"", b"", b"\r"]))


def read_carefully(line: bytes, from_whom: Origin, max_line: int = MAX_LINE) -> object:
    if len(line) > max_line:
        return 413
    try:
        found = read_submission(line, from_whom, max_bytes=max_line)
    except Problem as problem:
        return problem.status, problem.members()
    return shown(found)


def shown(row: NewEvidence | EvidenceRow) -> object:
    return (
        row.identity, row.source, row.sha256, row.sm3, row.record, row.leaf, row.accepted_at,
    )  # fmt: skip


def read_all(
    data: bytes, from_whom: Origin, *, most: int = 5_000, max_line: int = MAX_LINE
) -> list[tuple[int, object]]:
    reader = LineReader(max_line)
    reader.feed(data)
    reader.finish()
    found: list[tuple[int, object]] = []
    while reader.count:
        before = reader.count
        for number, entry in reader.read(most, from_whom):
            if isinstance(entry, Run):
                entry.check()
                found += ((number + at, shown(row)) for at, row in enumerate(entry.rows()))
            elif isinstance(entry, Problem):
                told = 413 if entry.status == 413 else (entry.status, entry.members())
                found.append((number, told))
            else:
                found.append((number, shown(entry)))
        assert before - most <= reader.count < before
    assert reader.size == 0
    return found


def expect(data: bytes, from_whom: Origin, max_line: int = MAX_LINE) -> list[tuple[int, object]]:
    return [
        (number, read_carefully(line, from_whom, max_line))
        for number, line in enumerate(data.split(b"\n"), 1)
        if line and not line.isspace()
    ]


@given(
    st.lists(lines_of(PLAIN), max_size=30),
    st.lists(st.tuples(st.integers(0), lines_of(MEMBERS) | st.sampled_from([b"", b" ", b"{"]))),
    st.sampled_from([None, "k"]),
    st.integers(1, 40),
    st.sampled_from([MAX_LINE, 90, 75]),
)
@settings(max_examples=examples(300), deadline=None)
def test_a_line_comes_to_the_same_by_both_readers(
    plain: list[bytes],
    others: list[tuple[int, bytes]],
    key: str | None,
    most: int,
    max_line: int,
):
    lines = list(plain)
    for place, line in others:
        lines.insert(place % (len(lines) + 1), line)
    data = b"\n".join(lines)
    expected = expect(data, origin(key), max_line)
    assert read_all(data, origin(key), most=most, max_line=max_line) == expected
    with in_python():
        assert read_all(data, origin(key), most=most, max_line=max_line) == expected


@native
@given(
    st.lists(lines_of(PLAIN), min_size=1, max_size=5),
    st.integers(0),
    st.binary(max_size=3),
    st.integers(0, 3),
    st.integers(0, 100),
)
@settings(max_examples=examples(2_000, 500), deadline=None)
def test_native_code_and_python_read_the_same_of_bent_lines(
    lines: list[bytes], place: int, inserted: bytes, dropped: int, max_line: int
):
    whole = b"\n".join(lines) + b"\n"
    at = place % (len(whole) + 1)
    data = bytearray(whole[:at] + inserted + whole[at + dropped :])
    for start in (0, min(len(data), at)):
        read = bulk_runs.read_plain_lines(data, start, 1_000, max_line + 50, RunKinds(origin()))
        with in_python():
            again = bulk_runs.read_plain_lines(
                data, start, 1_000, max_line + 50, RunKinds(origin())
            )
        assert read == again


@native
@pytest.mark.parametrize("number", [1, 9, 10, 2**64 - 3])
def test_answers_are_written_the_same_by_native_code_and_python(number: int):
    identities = bytes(range(96))
    for tail in (b"}\n", b',"copies":2}\n'):
        answers = format_accepted(number, identities, tail)
        with in_python():
            assert format_accepted(number, identities, tail) == answers
        found = [json.loads(line) for line in answers.splitlines()]
        assert [each["line"] for each in found] == [number, number + 1, number + 2]
        assert "".join(each["id"] for each in found) == identities.hex()


def test_endings_beyond_those_of_a_run_begin_another_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk_runs, "_MOST_KINDS", 3)
    endings = ["", ".pdf", ".txt", ".png", ".html", ".csv"]
    data = b"".join(
        b'{"sha256":"%064x","name":"n%b"}\n' % (number, endings[number // 20].encode())
        for number in range(120)
    )
    expected = expect(data, origin())
    assert read_all(data, origin()) == expected
    with in_python():
        assert read_all(data, origin()) == expected
    codes = RunKinds(origin())
    assert [codes[b"n" + ending.encode()] for ending in endings[1:]] == [0, 1, 2, NO_CODE, NO_CODE]


@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=12),
    st.lists(st.integers(0, 200), max_size=6),
    st.booleans(),
)
def test_lines_are_cut_alike_wherever_the_pieces_end(
    content: list[bytes], cuts: list[int], has_end: bool
):
    data = b"\n".join(content) + (b"\n" if content and has_end else b"")
    expected = read_all(data, origin(), max_line=20)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    reader = LineReader(20)
    for start, end in pairwise(places):
        reader.feed(data[start:end])
        assert reader.size <= len(data[:end])
    reader.finish()
    found = [number for number, _ in reader.read(5_000, origin())]
    assert found == [number for number, _ in expected]
    assert found == [number for number, _ in expect(data, origin(), 20)]


def test_of_a_line_that_is_too_long_little_is_kept():
    reader = LineReader(100)
    for _ in range(50):
        reader.feed(b"x" * 90)
    assert reader.size == 101
    reader.feed(b"x" * 90 + b"\n" + b"y" * 1_000)
    assert reader.size == 203
    reader.finish()
    assert [number for number, _ in reader.read(9, origin())] == [1, 2]


def test_many_lines_become_full_runs_and_odd_ones_are_read_a_few_at_a_time():
    reader = LineReader(1_000)
    reader.feed(b"".join(b'{"sha256":"%064x"}\n' % n for n in range(3_000)) + b"{}\n" * 500)
    sizes = []
    while reader.count > 500:
        entries = reader.read(reader.count - 500, origin())
        sizes += [entry.pieces for _, entry in entries if isinstance(entry, Run)]
    assert sizes == [MOST_PIECES, MOST_PIECES, 3_000 - 2 * MOST_PIECES]
    assert len(reader.read(500, origin())) == 100
    assert reader.count == 400


def test_each_line_of_a_submission_gets_a_salt_of_its_own():
    reader = LineReader(1_000)
    reader.feed(b"".join(b'{"sha256":"%064d"}\n' % n for n in range(1, 50)))
    ((_, run),) = reader.read(50, Origin(tenant="t", key=None, recorded_at=NOW, log=LOG))
    assert isinstance(run, Run)
    assert len({parse_record(record or b"").salt for record in run.all_records()}) == 49
