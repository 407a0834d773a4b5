"""``anchor-receipt/1``: the format member by member, its bounds, and files kept for ever."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import VECTORS
from support.proven_states import check_state
from support.world import SIDE, World, failing_steps, make_record, verdicts

from anchor.base.errors import AnchorError, MalformedError, MismatchError, UnknownVersionError
from anchor.base.types import MAX_LOG_SIZE, Address, Anchor, ChainId, Hash32, Head, LogId
from anchor.ethereum.header import parse_header
from anchor.evidence.record import MAX_RECORD_BYTES
from anchor.log.merkle import MAX_PATH
from anchor.receipt.format import (
    FORMAT,
    MAX_ANCHORS,
    MAX_RECEIPT_BYTES,
    AnchorHints,
    Promise,
    Receipt,
    ReceiptAnchor,
    decode_state,
    encode_receipt,
    encode_state,
    parse_receipt,
)
from anchor.receipt.state_proof import StateProof
from anchor.registry.artifact import expected_code_hash
from anchor.verification.policy import TrustEntry
from anchor.verification.verifier import judge

GOLDEN = VECTORS / "receipts" / "anchor-receipt-1.json"
PROMISE = GOLDEN.with_name("anchor-receipt-1-promise.json")

Place = tuple[str | int, ...]


def golden(place: Place = ()) -> dict[str, Any]:
    """Return a golden receipt that has something at ``place``."""
    path = PROMISE if place[:1] == ("head",) else GOLDEN
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def at(document: Any, place: Place) -> Any:
    return reduce(lambda value, key: value[key], place, document)


def changed(place: Place, change: Callable[[Any], Any]) -> bytes:
    """Return the golden receipt with the value at ``place`` replaced."""
    document = golden(place)
    at(document, place[:-1])[place[-1]] = change(at(document, place))
    return json.dumps(document).encode()


def refusal(data: bytes, kind: type[AnchorError] = MalformedError) -> str:
    with pytest.raises(kind) as caught:
        parse_receipt(data)
    assert type(caught.value) is kind
    assert len(caught.value.message) < 400
    return caught.value.message


def accepts(data: bytes) -> Receipt:
    receipt = parse_receipt(data)
    assert parse_receipt(encode_receipt(receipt)) == receipt
    return receipt


ANCHOR: Place = ("anchors", 0)
STATE: Place = (*ANCHOR, "state")
OBJECTS: list[Place] = [(), ("head",), ANCHOR, (*ANCHOR, "hints"), STATE]
BARE_HASHES: list[Place] = [
    ("head", "root"),
    ("head", "path", 0),
    (*ANCHOR, "root"),
    (*ANCHOR, "path", 1),
]
PREFIXED: list[tuple[Place, int]] = [
    (("log",), 32),
    ((*ANCHOR, "registry"), 20),
    ((*ANCHOR, "hints", "tx_hash"), 32),
    ((*ANCHOR, "hints", "block_hash"), 32),
]
# Of any length, and no longer than that many bytes.
DATA: list[tuple[Place, int]] = [
    ((*STATE, "header"), 8192),
    ((*STATE, "account_proof", 0), 532),
    ((*STATE, "storage_proof", 0), 532),
]
PROOFS: list[Place] = [(*STATE, "account_proof"), (*STATE, "storage_proof")]
INTEGERS: list[tuple[Place, int, int]] = [
    (("index",), 0, MAX_LOG_SIZE - 1),
    (("head", "size"), 1, 2**48 - 1),
    ((*ANCHOR, "size"), 1, 2**48 - 1),
    ((*ANCHOR, "chain_id"), 1, 2**53 - 1),
    ((*ANCHOR, "sequence"), 1, 2**40 - 1),
    ((*ANCHOR, "block_number"), 0, 2**48 - 1),
    ((*ANCHOR, "timestamp"), 0, 2**48 - 1),
]
LISTS: list[Place] = [("head", "path"), ("anchors",), (*ANCHOR, "path"), *PROOFS]
STRINGS: list[Place] = [("record",), *BARE_HASHES, *(place for place, _ in PREFIXED + DATA)]

REQUIRED = [
    (place, name)
    for place in OBJECTS
    for name in at(golden(place), place)
    if (place, name) not in {((), "format"), (ANCHOR, "hints"), (ANCHOR, "state")}
]


def name_of(place: Place) -> str:
    return ".".join(str(key) for key in place)


# Its record was made at 15:00, three quarters of an hour after that world's first block.
TOLERANCE = 3_600


def golden_world() -> tuple[World, TrustEntry]:
    """Return the world in which the golden receipts were made, and who trusts its clock."""
    plain = World()
    world = World(
        [make_record(index, content, hour=15) for index, content in enumerate(plain.files)]
    )
    return world, dataclasses.replace(world.entry(), recorded_at_tolerance=TOLERANCE)


def test_the_golden_receipt_is_parsed_and_written_back_byte_for_byte() -> None:
    data = GOLDEN.read_bytes()
    receipt = parse_receipt(data)
    assert encode_receipt(receipt) == data
    assert (receipt.index, receipt.promise) == (3, None)
    assert [(anchor.head.size, len(anchor.path)) for anchor in receipt.anchors] == [(4, 2), (9, 4)]
    assert [anchor.chain_id for anchor in receipt.anchors] == [31337, 10]
    assert receipt.anchors[0].hints is not None
    assert receipt.anchors[1].hints is None
    assert receipt.anchors[0].registry.hex() == "5e61" + "0" * 35 + "3"
    assert receipt.log.hex() == "0" * 24 + "a11ce" + "0" * 34 + "1"


def test_the_golden_promise_is_parsed_and_written_back_byte_for_byte() -> None:
    data = PROMISE.read_bytes()
    receipt = parse_receipt(data)
    assert encode_receipt(receipt) == data
    assert (receipt.index, receipt.anchors) == (3, ())
    assert receipt.promise is not None
    assert (receipt.promise.head.size, len(receipt.promise.path)) == (9, 4)
    world, entry = golden_world()
    report = judge(data, world.evidence(3), policy=world.policy(entry), connect=world.connect)
    assert (failing_steps(report), verdicts(report)) == ([], "PPPPP")


def test_a_line_of_a_receipt_is_a_member_or_an_objects_end() -> None:
    lines = GOLDEN.read_text("utf-8").split("\n")
    assert lines.pop() == ""
    assert all(re.fullmatch(r'[{}\]],?|"[a-z_]+":([{\[]|\S+)', line) for line in lines)
    document = golden()
    assert len(lines) == 2 + len(document) + 1 + sum(
        2 + len(anchor) + (1 + len(anchor["state"]) if "state" in anchor else 0)
        for anchor in document["anchors"]
    )


def test_the_golden_receipt_with_a_beacon_is_written_back_byte_for_byte() -> None:
    data = GOLDEN.with_name("anchor-receipt-1-not-before.json").read_bytes()
    receipt = parse_receipt(data)
    assert encode_receipt(receipt) == data
    assert (receipt.state_proof_count, receipt.beacon_count) == (1, 1)
    state = receipt.anchors[0].state
    assert state is not None
    assert decode_state(encode_state(state)) == state


def test_a_receipt_without_the_beacon_does_not_replace_one_with_it(tmp_path: Path) -> None:
    full = parse_receipt(GOLDEN.with_name("anchor-receipt-1-not-before.json").read_bytes())
    state = full.anchors[0].state
    assert state is not None
    bare = replace(full, anchors=(replace(full.anchors[0], state=replace(state, beacon=None)),))
    path = tmp_path / "receipt"
    assert bare.save(path) == bare
    assert full.save(path) == full
    assert bare.save(path) == full


def test_the_golden_receipts_state_proof_still_holds() -> None:
    receipt = parse_receipt(GOLDEN.read_bytes())
    anchor = receipt.anchors[0]
    assert anchor.state is not None
    assert receipt.anchors[1].state is None
    proven = check_state(
        anchor.state,
        block_hash=parse_header(anchor.state.header).hash,
        registry=anchor.registry,
        code_hash=expected_code_hash(anchor.chain_id),
        log=receipt.log,
        root=anchor.head.root,
    )
    assert proven.anchor == Anchor(
        size=anchor.head.size,
        sequence=anchor.sequence,
        block_number=anchor.block_number,
        timestamp=anchor.timestamp,
        operator_id=0,
    )


def test_the_golden_receipt_still_verifies() -> None:
    # Its registry is a made-up address, which only a policy can vouch for.
    world, entry = golden_world()
    registry = parse_receipt(GOLDEN.read_bytes()).anchors[0].registry
    world.copy_registry(registry)
    policy = world.policy(
        dataclasses.replace(entry, registry=registry),
        dataclasses.replace(world.entry(SIDE), registry=registry, recorded_at_tolerance=TOLERANCE),
    )
    state = parse_receipt(GOLDEN.read_bytes()).anchors[0].state
    assert state is not None
    report = judge(
        GOLDEN.read_bytes(),
        world.evidence(3),
        policy=policy,
        connect=world.connect,
        block_hashes={parse_header(state.header).hash},
    )
    assert (failing_steps(report), verdicts(report)) == ([], "PPPPP")
    assert [proven.assurance for proven in report.proven] == ["asserted", "rpc"]
    report = judge(GOLDEN.read_bytes(), world.evidence(3), policy=None, connect=world.connect)
    assert (int(report.exit_code), failing_steps(report)) == (12, [4, 4])
    assert verdicts(report) == "PFFFF"


@pytest.mark.fault(
    "K8",
    how="a receipt of a later format",
    then="unknown, exit code 22; never called invalid",
)
@pytest.mark.parametrize(
    "version", ["anchor-receipt/2", "anchor-receipt/1 ", "", 1, None, [], {}, "x" * 10_000]
)
def test_another_format_is_an_unknown_version_and_not_an_invalid_receipt(version: Any) -> None:
    assert "format" in refusal(changed(("format",), lambda _: version), UnknownVersionError)
    assert "format" in refusal(json.dumps({"format": version}).encode(), UnknownVersionError)


@pytest.mark.parametrize("data", [b"[]", b"1", b"null", b'"anchor-receipt/1"', b"{}", b""])
def test_a_document_that_does_not_say_its_format_is_no_receipt(data: bytes) -> None:
    refusal(data)


@pytest.mark.parametrize(("place", "name"), REQUIRED, ids=lambda value: str(value))
def test_a_missing_member_is_refused_by_name(place: Place, name: str) -> None:
    def drop(value: dict[str, Any]) -> dict[str, Any]:
        return {key: member for key, member in value.items() if key != name}

    data = changed(place, drop) if place else json.dumps(drop(golden())).encode()
    assert f"the receipt's member {name_of((*place, name))!r}: " in refusal(data)


@pytest.mark.fault(
    "J7",
    how="a receipt carries a member it has no right to, as a node's URL would be",
    then="refused by its name; nothing is asked",
)
@pytest.mark.parametrize("place", OBJECTS, ids=name_of)
@pytest.mark.parametrize("name", ["status", "url", "state", "Format", "", "__class__"])
def test_an_unknown_member_is_refused_by_name(place: Place, name: str) -> None:
    document = golden(place)
    at(document, place)[name] = "x"
    said = refusal(json.dumps(document).encode())
    assert f"the receipt's member {name_of((*place, name))!r}: " in said


@pytest.mark.parametrize(
    "name", ["\x1b[2Jpass", "a\nstep 7: pass", "\u202e", "\x9b", "'", "x" * 9_000]
)
def test_a_hostile_member_name_is_quoted_and_cut(name: str) -> None:
    said = refusal(json.dumps(golden() | {name: 1}).encode())
    assert said.startswith(f"the receipt's member {name[:80]!r}: ")
    assert said.isprintable()


@pytest.mark.parametrize("name", ["hints", "state"])
def test_hints_and_state_may_be_left_out_but_not_be_null(name: str) -> None:
    document = golden()
    del document["anchors"][0][name]
    assert getattr(accepts(json.dumps(document).encode()).anchors[0], name) is None
    assert name in refusal(changed((*ANCHOR, name), lambda _: None))


@pytest.mark.fault(
    "H17",
    how="a hash in capitals, with 0x, with blanks or cut short",
    then="refused",
)
@pytest.mark.parametrize("place", BARE_HASHES, ids=name_of)
@pytest.mark.parametrize(
    "spell",
    [
        str.upper,
        lambda text: "0x" + text,
        lambda text: "0x" + text[2:],
        lambda text: text[:-1],
        lambda text: text + "00",
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: text[:62] + "\n" + text[62:],
        lambda text: text[:2] + "  " + text[4:],
        lambda text: text[:-1] + "g",
        lambda text: text[:-1] + "١",
        lambda text: "",
    ],
)
def test_a_sha256_value_has_exactly_one_spelling(place: Place, spell: Callable[[str], str]) -> None:
    data = changed(place, lambda text: spell("ab" + text[2:]))
    assert name_of(place) in refusal(data)


@pytest.mark.parametrize(("place", "length"), PREFIXED, ids=str)
@pytest.mark.parametrize(
    "spell",
    [
        lambda digits: digits,
        lambda digits: "0X" + digits,
        lambda digits: "0x" + digits.upper(),
        lambda digits: "0x0x" + digits[2:],
        lambda digits: "0x" + digits[:-1],
        lambda digits: "0x" + digits[:-2],
        lambda digits: "0x" + digits + "00",
        lambda digits: "0x" + digits + "\n",
        lambda digits: " 0x" + digits,
        lambda digits: "0x" + digits[:-1] + "g",
        lambda digits: "0x",
        lambda digits: "",
    ],
)
def test_an_ethereum_value_has_exactly_one_spelling(
    place: Place, length: int, spell: Callable[[str], str]
) -> None:
    assert name_of(place) in refusal(changed(place, lambda _: spell("ab" * length)))
    accepts(changed(place, lambda _: "0x" + "ab" * length))


@pytest.mark.parametrize(("place", "most"), DATA, ids=str)
@pytest.mark.parametrize(
    "spelled",
    ["", "0x", "ab", "0Xab", "0xAB", "0xa", "0xab\n", "0x ab", "0x0xab", "0xag", "0xab0"],
)
def test_data_has_exactly_one_spelling(place: Place, most: int, spelled: str) -> None:
    assert name_of(place) in refusal(changed(place, lambda _: spelled))


@pytest.mark.parametrize(("place", "most"), DATA, ids=str)
def test_datas_bounds_are_exact(place: Place, most: int) -> None:
    accepts(changed(place, lambda _: "0xab"))
    accepts(changed(place, lambda _: "0x" + "ab" * most))
    assert name_of(place) in refusal(changed(place, lambda _: "0x" + "ab" * (most + 1)))


@pytest.mark.parametrize("place", PROOFS, ids=name_of)
def test_a_state_proof_has_1_to_65_nodes(place: Place) -> None:
    accepts(changed(place, lambda _: ["0xab"]))
    accepts(changed(place, lambda _: ["0xab"] * 65))
    assert name_of(place) in refusal(changed(place, lambda _: ["0xab"] * 66))
    assert name_of(place) in refusal(changed(place, lambda _: []))


@pytest.mark.parametrize(("place", "lowest", "highest"), INTEGERS, ids=str)
def test_an_integers_bounds_are_exact(place: Place, lowest: int, highest: int) -> None:
    accepts(changed(place, lambda _: lowest))
    accepts(changed(place, lambda _: highest))
    refusal(changed(place, lambda _: lowest - 1))
    refusal(changed(place, lambda _: highest + 1))


@pytest.mark.parametrize(("place", "lowest", "highest"), INTEGERS, ids=str)
@pytest.mark.parametrize("value", [True, False, "1", None, [], {}, 1.0, "0x1"])
def test_an_integer_is_nothing_but_an_integer(
    place: Place, lowest: int, highest: int, value: Any
) -> None:
    refusal(changed(place, lambda _: value))


@pytest.mark.parametrize("place", STRINGS, ids=name_of)
@pytest.mark.parametrize("value", [True, 1, None, [], {}, ["x"]])
def test_a_string_is_nothing_but_a_string(place: Place, value: Any) -> None:
    assert name_of(place) in refusal(changed(place, lambda _: value))


@pytest.mark.parametrize("place", LISTS, ids=name_of)
@pytest.mark.parametrize("value", [True, 1, None, {}, "", "ab" * 32, {"0": "ab" * 32}])
def test_a_list_is_nothing_but_a_list(place: Place, value: Any) -> None:
    assert name_of(place) in refusal(changed(place, lambda _: value))


@pytest.mark.parametrize("place", OBJECTS[1:], ids=name_of)
@pytest.mark.parametrize("value", [True, 1, [], "", None])
def test_an_object_is_nothing_but_an_object(place: Place, value: Any) -> None:
    assert name_of(place) in refusal(changed(place, lambda _: value))


@pytest.mark.parametrize("place", [("head", "path"), (*ANCHOR, "path")], ids=name_of)
def test_a_path_has_at_most_48_hashes(place: Place) -> None:
    assert MAX_PATH == 48
    accepts(changed(place, lambda _: ["ab" * 32] * 48))
    accepts(changed(place, lambda _: []))
    refusal(changed(place, lambda _: ["ab" * 32] * 49))


def test_a_receipt_has_at_most_16_anchors() -> None:
    assert MAX_ANCHORS == 16
    assert len(accepts(changed(("anchors",), lambda anchors: anchors * 8)).anchors) == 16
    refusal(changed(("anchors",), lambda anchors: [*(anchors * 8), anchors[0]]))


def test_a_head_is_there_while_no_anchor_is_and_only_then() -> None:
    head = golden(("head",))["head"]
    beside = refusal(json.dumps(golden() | {"head": head}).encode())
    assert beside == "the receipt's member 'head' must be left out where there is an anchor"
    neither = refusal(json.dumps(golden() | {"anchors": []}).encode())
    assert neither == "the receipt's member 'head' is required where there is no anchor"
    assert "must not be null" in refusal(json.dumps(golden() | {"head": None}).encode())
    assert accepts(json.dumps(golden() | {"anchors": [], "head": head}).encode()).anchors == ()
    with pytest.raises(AssertionError):
        dataclasses.replace(parse_receipt(PROMISE.read_bytes()), promise=None)


def test_a_record_is_bounded_in_bytes_and_not_in_characters() -> None:
    assert len(accepts(changed(("record",), lambda _: "x" * MAX_RECORD_BYTES)).record) == 65_535
    refusal(changed(("record",), lambda _: "x" * (MAX_RECORD_BYTES + 1)))
    refusal(changed(("record",), lambda _: "é" * (MAX_RECORD_BYTES // 2 + 1)))


def test_a_receipt_is_bounded_before_it_is_read() -> None:
    data = GOLDEN.read_bytes()
    accepts(data + b" " * (MAX_RECEIPT_BYTES - len(data)))
    assert "more than the 1,048,576 bytes" in refusal(
        data + b" " * (MAX_RECEIPT_BYTES + 1 - len(data))
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"index":3', b'"index":3, "index":4'),
        (b'"index":3', b'"index":3.0'),
        (b'"index":3', b'"index":-0'),
        (b'"index":3', b'"index":3e0'),
        (b'"sequence":1,', b'"sequence":1, "sequence":1,'),
        (b'"log":"0x', b'"log":"\\ud8000x'),
        (b'"index":3', b'"index":[' * 20 + b"]" * 20),
        (b"{", b"\xef\xbb\xbf{"),
    ],
)
def test_what_two_json_readers_could_understand_differently_is_refused(
    old: bytes, new: bytes
) -> None:
    data = GOLDEN.read_bytes()
    assert old in data
    refusal(data.replace(old, new, 1))


_HASHES = st.binary(min_size=32, max_size=32).map(Hash32)
_HEADS = st.builds(Head, root=_HASHES, size=st.integers(1, MAX_LOG_SIZE))
_PATHS = st.lists(_HASHES, max_size=MAX_PATH).map(tuple)
_NODES = st.lists(st.binary(min_size=1, max_size=532), min_size=1, max_size=4).map(tuple)
_ANCHORS = st.builds(
    ReceiptAnchor,
    chain_id=st.integers(1, 2**53 - 1).map(ChainId),
    registry=st.binary(min_size=20, max_size=20).map(Address),
    head=_HEADS,
    path=_PATHS,
    sequence=st.integers(1, 2**40 - 1),
    block_number=st.integers(0, 2**48 - 1),
    timestamp=st.integers(0, 2**48 - 1),
    hints=st.none() | st.builds(AnchorHints, tx_hash=_HASHES, block_hash=_HASHES),
    state=st.none()
    | st.builds(
        StateProof,
        header=st.binary(min_size=1, max_size=900),
        account_proof=_NODES,
        storage_proof=_NODES,
    ),
)
_PROMISES = st.builds(Promise, head=_HEADS, path=_PATHS)


def receipts(promise: st.SearchStrategy[Any], anchors: st.SearchStrategy[Any]) -> Any:
    return st.builds(
        Receipt,
        record=st.text(st.characters(exclude_categories=["Cs"]), max_size=200).map(str.encode),
        log=_HASHES.map(LogId),
        index=st.integers(0, MAX_LOG_SIZE - 1),
        promise=promise,
        anchors=anchors,
    )


RECEIPTS = receipts(_PROMISES, st.just(())) | receipts(
    st.none(), st.lists(_ANCHORS, min_size=1, max_size=3).map(tuple)
)


@given(RECEIPTS)
def test_what_was_written_is_read_back_equal(receipt: Receipt) -> None:
    data = encode_receipt(receipt)
    assert parse_receipt(data) == receipt
    assert encode_receipt(parse_receipt(data)) == data
    assert json.loads(data)["format"] == FORMAT


@given(st.data())
def test_no_single_changed_byte_is_read_as_the_same_receipt_or_crashes(data: st.DataObject) -> None:
    original = GOLDEN.read_bytes()
    position = data.draw(st.integers(0, len(original) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != original[position]))
    mutated = original[:position] + bytes([byte]) + original[position + 1 :]
    try:
        receipt = parse_receipt(mutated)
    except (MalformedError, UnknownVersionError, MismatchError):
        return
    if chr(original[position]).isspace() and chr(byte).isspace():
        return
    assert receipt != parse_receipt(original)
