"""Lines are cut alike however they arrive, and the quick reader makes what the careful one does."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from anchor.evidence.record import parse_record
from anchor.service.bulk_lines import LineSplitter, read_lines
from anchor.service.problems import Problem
from anchor.service.submission import Origin, read_submission
from anchor.store.evidence import NewEvidence
from anchor.types import Address, make_log_id

LOG = make_log_id(Address(b"\x0a" * 20), 0)
NOW = "2026-01-01T00:00:00.000Z"


def origin(key: str | None = None) -> Origin:
    return Origin(
        tenant="t", key=key, recorded_at=NOW, log=LOG, random_bytes=lambda count: b"\x07" * count
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


def read_carefully(line: bytes, from_whom: Origin) -> NewEvidence | Problem:
    try:
        return read_submission(line, from_whom, max_bytes=10_000)
    except Problem as problem:
        return problem


def shown(found: NewEvidence | Problem) -> object:
    return found.members() if isinstance(found, Problem) else found


@given(MEMBERS, st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")]), st.booleans())
def test_a_line_comes_to_the_same_by_both_readers(
    members: dict[str, object], separators: tuple[str, str], is_ascii: bool
):
    text = json.dumps(members, separators=separators, ensure_ascii=is_ascii)
    line = text.encode("utf-8", "surrogatepass")
    for key in (None, "k"):
        ((number, found),) = read_lines([(3, line)], origin(key), max_line=10_000)
        assert number == 3
        assert shown(found) == shown(read_carefully(line, origin(key)))
        if isinstance(found, NewEvidence):
            assert parse_record(found.record).salt == b"\x07" * 32


@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=12),
    st.lists(st.integers(0, 200), max_size=6),
    st.booleans(),
)
def test_lines_are_cut_alike_wherever_the_pieces_end(
    content: list[bytes], cuts: list[int], has_end: bool
):
    data = b"\n".join(content) + (b"\n" if content and has_end else b"")
    expected = [
        (number, None if len(line) > 20 else line)
        for number, line in enumerate(data.split(b"\n"), 1)
        if (line and not line.isspace()) or len(line) > 20
    ]
    splitter = LineSplitter(20)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found = [line for start, end in pairwise(places) for line in splitter.feed(data[start:end])]
    assert found + splitter.finish() == expected


def test_each_line_of_a_submission_gets_a_salt_of_its_own():
    lines = [(n, b'{"sha256":"%064d"}' % n) for n in range(1, 50)]
    found = read_lines(
        lines, Origin(tenant="t", key=None, recorded_at=NOW, log=LOG), max_line=1_000
    )
    salts = {parse_record(item.record).salt for _, item in found if isinstance(item, NewEvidence)}
    assert len(salts) == 49
