"""What a dishonest registry holds and what a bent receipt says, each with its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from support.bent_receipts import honest_receipts, world
from support.world import REGISTRY, World

from anchor.base.types import Hash32
from anchor.registry.storage import operator_key_slot


def with_key(word: bytes) -> Callable[[World], None]:
    def bend(here: World) -> None:
        here.main.storage[REGISTRY, operator_key_slot(here.log, 1)] = [(6, word)]

    return bend


def late(here: World, time: int) -> None:
    """Let the anchor's block be of that time."""
    here.main.genesis_time = time - 12 * 20
    here.rewrite(here.word())


DISHONEST: dict[str, tuple[int, Callable[[World], None]]] = {
    "honest": (0, lambda here: None),
    "another code": (12, lambda here: here.main.code.update({REGISTRY: (5, Hash32(b"\1" * 32))})),
    "the root is not held": (11, lambda here: here.rewrite(None)),
    "another size": (10, lambda here: here.rewrite(here.word(size=10))),
    "another sequence": (10, lambda here: here.rewrite(here.word(sequence=3))),
    "another block": (10, lambda here: here.rewrite(here.word(block_number=21))),
    "another time": (10, lambda here: here.rewrite(here.word(timestamp=1))),
    "no size": (12, lambda here: here.rewrite(here.word(size=0))),
    "no sequence": (12, lambda here: here.rewrite(here.word(sequence=0))),
    "a later block": (10, lambda here: here.rewrite(here.word(block_number=41))),
    "a time after 9999": (20, lambda here: late(here, 253_402_300_800)),
    "the last seconds of 9999": (20, lambda here: late(here, 253_402_300_799)),
    "the last minute of 9999": (0, lambda here: late(here, 253_402_300_769)),
    "a later time": (12, lambda here: here.rewrite(here.word(timestamp=1 << 40))),
    "the owner's, with an operator's key": (2, lambda here: here.rewrite(here.word(operator_id=0))),
    "another operator's": (10, lambda here: here.rewrite(here.word(operator_id=2))),
    "an operator without a key": (12, with_key(bytes(32))),
    "an operator with a long key": (12, with_key(b"\1" * 32)),
    "an operator with a key of 20 bytes": (0, with_key(bytes(12) + b"\xff" * 20)),
}  # fmt: skip


def with_text(old: str, new: str) -> Callable[[str], str]:
    def bend(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return bend


def with_record(**members: Any) -> Callable[[str], str]:
    def bend(text: str) -> str:
        document = json.loads(text)
        record = json.loads(document["record"]) | members
        in_order = dict(sorted(record.items(), key=lambda pair: pair[0].encode("utf-16-be")))
        document["record"] = json.dumps(in_order, ensure_ascii=False, separators=(",", ":"))
        return json.dumps(document)

    return bend


def with_record_of(length: int) -> Callable[[str], str]:
    return with_record(filler="x" * (length - len(RECORD) - len(',"filler":""')))


def with_member(*path: str | int, value: Any = None) -> Callable[[str], str]:
    """Return what sets the member at ``path`` below the document."""

    def bend(text: str) -> str:
        document = json.loads(text)
        holder = document
        for name in path[:-1]:
            holder = holder[name]
        holder[path[-1]] = value
        return json.dumps(document)

    return bend


def both(*bends: Callable[[str], str]) -> Callable[[str], str]:
    def bend(text: str) -> str:
        for one in bends:
            text = one(text)
        return text

    return bend


def without_operator_proof(text: str) -> str:
    document = json.loads(text)
    del document["anchors"][0]["state"]["operator_proof"]
    return json.dumps(document)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


STATE = ("anchors", 0, "state")
RECORD: str = honest_receipts()[0].document["record"]
TEXT = json.dumps(honest_receipts()[0].document)

NAMED: dict[str, tuple[int, Callable[[str], str]]] = {
    "as it is": (0, lambda text: text),
    "1 MiB": (0, lambda text: text + " " * ((1 << 20) - len(text))),
    "a byte more than 1 MiB": (2, lambda text: text + " " * ((1 << 20) + 1 - len(text))),
    "a character as an escape": (0, with_text("anchor-receipt/1", "anchor\\u002dreceipt/1")),
    "minus zero": (2, with_text('"index": 6', '"index": -0')),
    "zero": (10, with_text('"index": 6', '"index": 0')),
    "a float": (2, with_text('"index": 6', '"index": 6.0')),
    "an exponent": (2, with_text('"index": 6', '"index": 6e0')),
    "no number": (2, with_text('"index": 6', '"index": NaN')),
    "true": (2, with_text('"sequence": 2', '"sequence": true')),
    "a digit too many": (2, with_text('"index": 6', '"index": ' + "6" * 5000)),
    "a name twice": (2, with_text('"index": 6', '"index": 6, "index": 6')),
    "a member unknown": (2, with_text('"index": 6', '"index": 6, "status": "final"')),
    "a promise beside anchors": (2, with_text('"index": 6', '"index": 6, "head": {}')),
    "another version": (22, with_text("anchor-receipt/1", "anchor-receipt/2")),
    "a version that is none": (22, with_text('"anchor-receipt/1"', "false")),
    "no version": (2, with_text('"format"', '"Format"')),
    "upper-case hex": (2, with_text("a11ce", "A11CE")),
    "no prefix": (2, with_text('"log": "0x', '"log": "')),
    "a newline after hex": (2, with_text('0001", "index"', '0001\\n", "index"')),
    "an index beyond the tree": (10, with_text('"index": 6', '"index": 9')),
    "an index as long as can be": (10, with_text('"index": 6', f'"index": {(1 << 48) - 2}')),
    "an index longer than that": (2, with_text('"index": 6', f'"index": {(1 << 48) - 1}')),
    "a record of another version": (22, with_record(schema="evidence-record/2")),
    "a record of another version with a name that is not ASCII": (
        22, with_record(schema="evidence-record/2", **{"a b": 1, "\uff5e": 1, "\U0001f600": 2}),
    ),
    "a record of another version that is not canonical": (
        2, with_text('\\"schema\\":\\"evidence-record/1', '\\"schema\\": \\"evidence-record/2'),
    ),
    "a record with more in it": (10, with_record(more=None)),
    "a record with a digest more": (10, with_record(digests={"sha256": "00" * 32, "x": 1})),
    "a record with other digests only": (22, with_record(digests={"sha512": "00"})),
    "a record without digests": (2, with_record(digests={})),
    "a record with a space in a name": (2, with_record(**{"a b": 1})),
    "a record with a name that is not ASCII": (2, with_record(é=1)),
    "a record with null for the size": (2, with_record(size=None)),
    "a record of another size": (10, with_record(size=18)),
    "a record 16 levels deep": (10, with_record(z=nested(15))),
    "a record 17 levels deep": (2, with_record(z=nested(16))),
    "a record with half a character": (2, with_text("evidence-6", "\\ud83d")),
    "a record with a character in halves": (10, with_text("evidence-6", "\\ud83d\\ude00")),
    "a record that is not canonical": (2, with_text('\\"name\\":', '\\"name\\": ')),
    "a record of 65,535 bytes": (10, with_record_of(65_535)),
    "a record of 65,536 bytes": (2, with_record_of(65_536)),
    "a name of 4,096 characters": (10, with_record(name="\U0001f600" * 4096)),
    "a name of 4,097 characters": (2, with_record(name="x" * 4097)),
    "no operator's proof": (20, without_operator_proof),
    "null for a promise": (2, with_member("head")),
    "null for the anchors": (2, with_member("anchors")),
    "null for an anchor": (2, with_member("anchors", 0)),
    "null for hints": (2, with_member("anchors", 0, "hints")),
    "null for a hint": (2, with_member("anchors", 0, "hints", "tx_hash")),
    "null for a state proof": (2, with_member("anchors", 0, "state")),
    "null for an operator's proof": (2, with_member(*STATE, "operator_proof")),
    "null for a successor's proof": (2, with_member(*STATE, "successor")),
    "null for a takeover": (2, with_member(
        *STATE, "successor", value={"proof": ["0x80"], "takeover": None})),
    "a successor's proof of no nodes": (2, with_member(*STATE, "successor", value={"proof": []})),
    "a successor's proof with more in it": (2, with_member(
        *STATE, "successor", value={"proof": ["0x80"], "log": "0x00"})),
    "a takeover without a root": (2, with_member(
        *STATE, "successor", value={"proof": ["0x80"], "takeover": {"proof": ["0x80"]}})),
    "a successor's proof of something else": (10, with_member(
        *STATE, "successor", value={"proof": ["0x80"]})),
    "a record that names its log": (10, with_record(log=f"0x{world().log.hex()}")),
    "a record with null for its log": (2, with_record(log=None)),
    "a record with a log without a prefix": (2, with_record(log=world().log.hex())),
    "a record with null for its media type": (2, with_record(media_type=None)),
    # Two faults each: the order of step 1.
    "other digests only, and null for the size": (2, with_record(
        digests={"sha512": "00"}, size=None)),
    "other digests only, and a negative size": (2, with_record(digests={"sha512": "00"}, size=-1)),
    "other digests only, and null for the name": (2, with_record(
        digests={"sha512": "00"}, name=None)),
    "other digests only, and a log that is none": (2, with_record(
        digests={"sha512": "00"}, log="x")),
    "a record of another version, and null for the size": (22, with_record(
        schema="evidence-record/2", size=None)),
    "a record of another version, without digests": (22, with_record(
        schema="evidence-record/2", digests=None)),
    "a record without a version, and other digests only": (2, both(
        with_record(digests={"sha512": "00"}), with_text('\\"schema\\"', '\\"scheme\\"'))),
    "a record of another version in a receipt of another": (22, both(
        with_record(schema="evidence-record/2"), with_member("format", value="anchor-receipt/2"))),
    "a record of another version in a receipt with a member unknown": (2, both(
        with_record(schema="evidence-record/2"), with_member("status", value=1))),
    "a record that is not canonical in a receipt of another version": (22, both(
        with_text('\\"name\\":', '\\"name\\": '),
        with_text("anchor-receipt/1", "anchor-receipt/2"))),
    "another version, and nothing else of the format": (22, lambda text: '{"format": "x"}'),
    "another version, and a name twice": (2, both(
        with_text("anchor-receipt/1", "anchor-receipt/2"),
        with_text('"index": 6', '"index": 6, "index": 6'))),
    "null for the version": (22, with_member("format")),
    "null for the record": (2, with_member("record")),
}  # fmt: skip
