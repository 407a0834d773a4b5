"""``anchor-receipts/1``: what is written is read again, and what is bent is refused by its line."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.paths import ROOT, VECTORS
from support.world import OWNER, World, make_record

from anchor.base.errors import MalformedError, MismatchError, UnknownVersionError
from anchor.base.types import MAX_LOG_SIZE, Head, LogId, make_log_id
from anchor.evidence.record import MAX_RECORD_BYTES
from anchor.log.merkle import hash_leaf, path_length, path_sides
from anchor.log.tree import Tree
from anchor.receipt.bundle import (
    MAX_LINE_BYTES,
    encode_bundle,
    is_bundle,
    is_bundle_file,
    load_bundle,
    read_bundle,
)
from anchor.receipt.format import Promise, Receipt, parse_receipt

RECORDS = [make_record(index % 60, b"%d" % index) for index in range(300)]
TREE = Tree(b"".join(map(hash_leaf, RECORDS)))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def receipts(world: World) -> list[Receipt]:
    """Receipts of two anchors and of a promise."""
    first = [world.receipt(index, world.prove(world.anchor(index, 4))) for index in range(4)]
    second = [world.receipt(index, world.prove(world.anchor(index, 9))) for index in (5, 6, 8)]
    return [*first, *second, world.receipt(9, head_size=13), world.receipt(12, head_size=13)]


@pytest.fixture(scope="module")
def lines(receipts: list[Receipt]) -> list[bytes]:
    """The header; an anchor and four receipts; another and three; a head and two."""
    return list(encode_bundle(receipts, log=receipts[0].log, count=len(receipts)))


def read(*lines: bytes) -> list[Receipt]:
    return list(read_bundle(io.BytesIO(b"".join(lines))))


def bent(lines: list[bytes], place: int, change: Callable[[dict[str, Any]], Any]) -> list[bytes]:
    """Return the lines with the members of one changed."""
    members = json.loads(lines[place])
    change(members)
    return [*lines[:place], json.dumps(members).encode() + b"\n", *lines[place + 1 :]]


def test_what_is_written_is_read_again(receipts: list[Receipt], lines: list[bytes]) -> None:
    assert len(lines) == 13
    assert read(*lines) == receipts
    assert [receipt.encode() for receipt in read(*lines)] == [each.encode() for each in receipts]


@given(st.integers(1, 300), st.data())
def test_any_receipts_of_any_tree_are_read_as_they_were(size: int, data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=40))
    log = make_log_id(OWNER, 0)
    head = Head(root=TREE.root(size), size=size)
    receipts = [
        Receipt(
            record=RECORDS[index],
            log=log,
            index=index,
            promise=Promise(head=head, path=tuple(TREE.inclusion_path(index, size))),
            anchors=(),
        )
        for index in sorted(chosen)
    ]
    written = list(encode_bundle(receipts, log=log, count=len(receipts)))
    again = read(*written)
    assert [receipt.encode() for receipt in again] == [each.encode() for each in receipts]
    assert [parse_receipt(receipt.encode()) for receipt in again] == again


@given(st.integers(1, 300).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))))
def test_a_paths_length_follows_from_index_and_size(place: tuple[int, int]) -> None:
    index, size = place
    assert path_length(index, size) == len(TREE.inclusion_path(index, size))


def test_the_longest_path_is_of_the_largest_tree() -> None:
    assert path_length(0, MAX_LOG_SIZE) == 48
    assert path_length(MAX_LOG_SIZE - 1, MAX_LOG_SIZE) == 47
    assert len(path_sides(2**47 + 5, MAX_LOG_SIZE, 48)) == path_length(2**47 + 5, MAX_LOG_SIZE)


def without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda members: members.pop(name)


def having(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda members: members.update(changes)


ANCHOR, RECEIPT, LATER = 1, 3, 8
BENT: dict[str, tuple[int, Callable[[dict[str, Any]], Any], str]] = {
    "no count": (0, without("count"), "'count': Field required"),
    "no log": (0, without("log"), "'log': Field required"),
    "a count of 0": (0, having(count=0), "'count'"),
    "an unknown member of the header": (0, having(more=1), "'more'"),
    "null in the header": (0, having(log=None), "'log'"),
    "an anchor with a path": (ANCHOR, lambda line: line["anchor"].update(path=[]), "anchor.path"),
    "an anchor without a size": (ANCHOR, lambda line: line["anchor"].pop("size"), "anchor.size"),
    "an anchor with a null state": (
        ANCHOR, lambda line: line["anchor"].update(state=None), "anchor.state",
    ),
    "an anchor and a head": (ANCHOR, having(head={"size": 4, "root": "00" * 32}), "'head'"),
    "an anchor and a record": (ANCHOR, having(record=""), "'record'"),
    "a head with a path": (10, lambda line: line["head"].update(path=[]), "head.path"),
    "no record": (RECEIPT, without("record"), "'record'"),
    "no index": (RECEIPT, without("index"), "'index'"),
    "no path": (RECEIPT, without("path"), "'path'"),
    "another format's member": (RECEIPT, having(format="anchor-receipts/1"), "'format'"),
    "a record that is too long": (RECEIPT, having(record="é" * 40_000), f"{MAX_RECORD_BYTES:,}"),
    "the index before": (RECEIPT, having(index=0), "index 0 is not greater than 0"),
    "an index of true": (RECEIPT, having(index=True), "'index'"),
    "an index outside the tree": (5, having(index=4), "index 4 is outside a tree of 4 leaves"),
    "an index before those of another anchor": (LATER - 1, having(index=3), "not greater than 3"),
    "a hash too many": (RECEIPT, having(path=["00" * 32]), "has 1 hashes, but 0 are needed"),
    "a hash missing": (2, lambda line: line["path"].pop(), "has 1 hashes, but 2 are needed"),
    "a hash in capitals": (2, lambda line: line.update(path=["AB" * 32] * 2), "path.0"),
}  # fmt: skip


@pytest.mark.parametrize("name", BENT)
def test_a_line_that_breaks_the_format_is_named(lines: list[bytes], name: str) -> None:
    place, change, reason = BENT[name]
    with pytest.raises(MalformedError) as refused:
        read(*bent(lines, place, change))
    assert str(refused.value).startswith(f"line {place + 1} of the bundle: ")
    assert reason in str(refused.value)


def shuffled(lines: list[bytes], *places: int) -> list[bytes]:
    return [lines[place] for place in places]


BROKEN: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "nothing": (lambda lines: [], "line 1 of the bundle: it is cut off"),
    "a receipt first": (lambda lines: lines[2:], "line 1 of the bundle: it is not the header"),
    "no anchor": (lambda lines: [lines[0], *lines[2:]], "line 2 of the bundle: no anchor precedes"),
    "two headers": (lambda lines: [lines[0], *lines], "line 2 of the bundle: the receipt's member"),
    "an anchor of none": (
        lambda lines: [*lines[:2], *lines[1:]],
        "line 3 of the bundle: no receipt follows the anchor before it",
    ),
    "an empty line": (lambda lines: [*lines[:2], b"\n", *lines[2:]], "line 3 of the bundle"),
    "a list": (lambda lines: [*lines[:2], b"[]\n"], "line 3 of the bundle: the line is not a JSON"),
    "a member twice": (
        lambda lines: [*lines[:2], lines[2].replace(b'"index":0', b'"index":0,"index":0')],
        "line 3 of the bundle: the line has the member 'index' twice",
    ),
    "a float": (
        lambda lines: [*lines[:2], lines[2].replace(b'"index":0', b'"index":0.0')],
        "line 3 of the bundle",
    ),
    "a line missing at the end": (
        lambda lines: lines[:-1],
        "line 12 of the bundle: the bundle end",
    ),
    "only the header": (lambda lines: lines[:1], "line 1 of the bundle: the bundle ends after 0"),
    "no line feed at the end": (
        lambda lines: [*lines[:-1], lines[-1][:-1]],
        "line 13 of the bundle: it is cut off",
    ),
    "half a line at the end": (
        lambda lines: [*lines[:-1], lines[-1][:100]],
        "line 13 of the bundle: it is cut off",
    ),
    "no line feed after the header": (
        lambda lines: [lines[0][:-1]],
        "line 1 of the bundle: it is cut off",
    ),
    "a receipt too many": (
        lambda lines: [lines[0].replace(b":9}", b":8}"), *lines[1:]],
        "line 13 of the bundle: more follows after the 8 receipts",
    ),
    "an anchor at the end": (
        lambda lines: [*lines, lines[1]],
        "line 14 of the bundle: more follows",
    ),
    "an empty line at the end": (lambda lines: [*lines, b"\n"], "line 14 of the bundle"),
    "two receipts swapped": (
        lambda lines: shuffled(lines, 0, 1, 3, 2),
        "line 3 of the bundle: the path has 0 hashes, but 2 are needed",
    ),
    "a receipt twice": (lambda lines: shuffled(lines, 0, 1, 2, 2), "line 4 of the bundle: index 0"),
    "a line that is too long": (
        lambda lines: [*lines[:2], b" " * MAX_LINE_BYTES + lines[2]],
        f"line 3 of the bundle: the line has more than the {MAX_LINE_BYTES:,} bytes",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bundle_that_is_not_whole_is_refused(lines: list[bytes], name: str) -> None:
    change, reason = BROKEN[name]
    with pytest.raises(MalformedError) as refused:
        read(*change(lines))
    assert str(refused.value).startswith(reason)


def test_blanks_and_another_order_of_members_are_read(
    receipts: list[Receipt], lines: list[bytes]
) -> None:
    spelled = [
        json.dumps(dict(reversed(json.loads(line).items())), indent=1).replace("\n", " ").encode()
        + b"\r\n"
        for line in lines
    ]
    assert read(*spelled) == receipts


def test_another_version_is_unknown(lines: list[bytes]) -> None:
    later = lines[0].replace(b"receipts/1", b"receipts/2")
    assert is_bundle(later)
    with pytest.raises(UnknownVersionError, match="'anchor-receipts/2', not 'anchor-receipts/1'"):
        read(later, *lines[1:])


ALTERED: dict[str, tuple[int, Callable[[dict[str, Any]], Any]]] = {
    "a record": (3, lambda line: line.update(record=line["record"].replace("dence-1", "dence-2"))),
    "a hash": (2, lambda line: line["path"].reverse()),
    "a root": (1, lambda line: line["anchor"].update(root="00" * 32)),
}


@pytest.mark.parametrize("name", ALTERED)
def test_what_does_not_lead_to_the_root_ends_the_reading(
    receipts: list[Receipt], lines: list[bytes], name: str
) -> None:
    place, change = ALTERED[name]
    number = max(place, 2)
    reading = read_bundle(io.BytesIO(b"".join(bent(lines, place, change))))
    assert [next(reading) for _ in range(number - 2)] == receipts[: number - 2]
    with pytest.raises(MismatchError, match=f"^line {number + 1} of the bundle: the path leads"):
        next(reading)


def test_the_kept_bundle_is_read_for_ever() -> None:
    kept = VECTORS / "receipts" / "anchor-receipts-1.jsonl"
    found = list(load_bundle(kept))
    assert [(receipt.index, len(receipt.anchors)) for receipt in found] == [
        *((index, 1) for index in range(9)), (9, 0), (11, 0),
    ]  # fmt: skip
    assert b"".join(encode_bundle(found, log=found[0].log, count=11)) == kept.read_bytes()


def test_the_kept_bundle_with_a_beacon_is_read_for_ever() -> None:
    kept = VECTORS / "receipts" / "anchor-receipts-1-not-before.jsonl"
    receipts = list(load_bundle(kept))
    assert [(receipt.index, receipt.beacon_count) for receipt in receipts] == [
        *((4, 1), (5, 1), (6, 0), (7, 1)),
    ]
    encoded = encode_bundle(receipts, log=receipts[0].log, count=4)
    assert b"".join(encoded) == kept.read_bytes()
    single = parse_receipt((VECTORS / "receipts" / "anchor-receipt-1-not-before.json").read_bytes())
    assert single.anchors[0].state is not None
    states = [receipt.anchors[0].state for receipt in receipts]
    assert states[0] == states[1] == states[3] == single.anchors[0].state != states[2]


def test_a_beacon_is_written_once_for_the_receipts_that_have_it() -> None:
    receipts = list(load_bundle(VECTORS / "receipts" / "anchor-receipts-1-not-before.jsonl"))
    lines = [json.loads(line) for line in encode_bundle(receipts, log=receipts[0].log, count=4)]
    assert [sorted(line) for line in lines] == [
        ["count", "format", "log"], ["anchor"], ["beacon"],
        ["beacon", "index", "path", "record"], ["beacon", "index", "path", "record"],
        ["index", "path", "record"], ["beacon", "index", "path", "record"],
    ]  # fmt: skip
    assert "beacon" not in lines[1]["anchor"]["state"]
    path = ROOT / "docs" / "schemas" / "receipts-line.json"
    schema = jsonschema_rs.validator_for(json.loads(path.read_bytes()))
    assert all(schema.is_valid(line) for line in lines)
    for line, member in ((lines[3], 1), (lines[3], False), (lines[3], None), (lines[2], None)):
        assert not schema.is_valid(line | {"beacon": member})


def test_the_schema_knows_every_line_and_no_bent_one(lines: list[bytes]) -> None:
    path = ROOT / "docs" / "schemas" / "receipts-line.json"
    schema = jsonschema_rs.validator_for(json.loads(path.read_bytes()))
    assert all(schema.is_valid(json.loads(line)) for line in lines)
    # What a line's own form does not tell, a reader finds out.
    others = {
        "another format's member", "the index before", "an index outside the tree",
        "an index before those of another anchor", "a hash too many", "a hash missing",
        "a record that is too long",
    }  # fmt: skip
    taken = {
        name
        for name, (place, change, _) in BENT.items()
        if schema.is_valid(json.loads(bent(lines, place, change)[place]))
    }
    assert taken <= others


def test_the_first_line_tells_a_bundle(lines: list[bytes], receipts: list[Receipt]) -> None:
    assert is_bundle(lines[0])
    assert is_bundle(lines[0].rstrip())
    for other in (b"", b"{}\n", b"{\n", lines[1], lines[2], receipts[0].encode(), b"[]", b"\xff\n"):
        assert not is_bundle(other)


def test_a_file_is_read_as_a_bundle(
    tmp_path: Any, receipts: list[Receipt], lines: list[bytes]
) -> None:
    path = tmp_path / "all.anchor.jsonl"
    path.write_bytes(b"".join(lines))
    assert is_bundle_file(path)
    assert list(load_bundle(path)) == receipts
    assert not is_bundle_file(tmp_path)
    assert not is_bundle_file(tmp_path / "missing")


def measure_peak(log: LogId, count: int) -> int:
    """Return the peak memory of writing and reading a bundle of so many receipts, in bytes."""
    leaves = b"".join(hash_leaf(RECORDS[index % 256]) for index in range(count))
    tree = Tree(leaves)
    head = Head(root=tree.root(count), size=count)
    receipts = (
        Receipt(
            record=RECORDS[index % 256],
            log=log,
            index=index,
            promise=Promise(head=head, path=tuple(tree.inclusion_path(index, count))),
            anchors=(),
        )
        for index in range(count)
    )
    tracemalloc.start()
    try:
        # A file in memory would be counted: each line is read as soon as it is written.
        pipe = _Lines(encode_bundle(receipts, log=log, count=count))
        found = sum(1 for _ in read_bundle(cast(BinaryIO, pipe)))
        assert found == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class _Lines:
    """A file whose lines are made when they are read."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines

    def readline(self, _most: int) -> bytes:
        return next(self._lines, b"")


def test_memory_does_not_grow_with_the_receipts(world: World) -> None:
    least = examples(5_000, ordinary=500)
    small, large = (measure_peak(world.log, count) for count in (least, 10 * least))
    assert large < small + (1 << 20)  # what the garbage collector has not taken yet
