"""Bags with an original and custody events: honest ones, and each bent in one way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from support.bags import Files, complete
from support.command import Ran
from support.custodies import AT, Custody
from support.group_examples import FULL
from support.in_process import run_in_process
from support.world import MAIN, World

from anchor.ethereum.header import parse_header
from anchor.receipt.format import encode_receipt
from anchor.standalone import verify as standalone
from anchor.verification.pinning import encode_policy

ORIGINAL = "data/originals/x"


class Judged(NamedTuple):
    """What a verifier says of the original: exit code, and the verdict of C7."""

    code: int
    verdict: str


def event_name(number: int) -> str:
    return f"custody/{number}.anchor.json"


def make_bag(custody: Custody, **more: bytes) -> Files:
    """Return a bag of the record of leaf `AT`, with its three events and more files."""
    events = {
        event_name(number): encode_receipt(custody.receipt(AT + 1 + number)) for number in range(3)
    }
    return complete(
        {
            ORIGINAL: custody.world.files[AT],
            "receipts/x.anchor.json": encode_receipt(custody.receipt(AT)),
            **events,
            **more,
        }
    )


def without(*numbers: int) -> Callable[[], Files]:
    def make() -> Files:
        files = make_bag(Custody())
        kept = {
            name: data
            for name, data in files.items()
            if name.startswith(("data/", "receipts/", "custody/"))
        }
        return complete({n: data for n, data in kept.items() if n not in map(event_name, numbers)})

    return make


def with_events(statements: dict[str, Any] | None = None, **changes: Any) -> Callable[[], Files]:
    return lambda: make_bag(Custody(statements, **changes))


def replaced(number: int, bend: Callable[[Custody, bytes], bytes]) -> Callable[[], Files]:
    """Return what bends the receipt of an event."""

    def make() -> Files:
        custody = Custody()
        data = encode_receipt(custody.receipt(AT + 1 + number))
        return make_bag(custody, **{event_name(number): bend(custody, data)})

    return make


def _promise(custody: Custody, _: bytes) -> bytes:
    return encode_receipt(custody.world.receipt(AT + 1))


def _edit(**members: object) -> Callable[[Custody, bytes], bytes]:
    return lambda _, data: json.dumps(json.loads(data) | members).encode()


def _altered(_: Custody, data: bytes) -> bytes:
    document = json.loads(data)
    document["anchors"][0]["path"].reverse()
    return json.dumps(document).encode()


def _swapped() -> Files:
    """Return a bag in which the second event is in the log before the first."""
    custody = Custody()
    records = list(custody.world.records)
    records[AT + 1], records[AT + 2] = records[AT + 2], records[AT + 1]
    custody.world = World(records)
    return make_bag(custody)


def _twice() -> Files:
    custody = Custody()
    again = encode_receipt(custody.receipt(AT + 1))
    return make_bag(custody, **{"custody/again.anchor.json": again})


CASES: dict[str, tuple[Judged, Callable[[], Files]]] = {
    "whole": (Judged(0, "pass"), with_events()),
    "one event": (Judged(0, "pass"), without(1, 2)),
    "no event": (Judged(0, "not present"), without(0, 1, 2)),
    "the first missing": (Judged(20, "cannot tell"), without(0)),
    "the second missing": (Judged(20, "cannot tell"), without(1)),
    "an event twice": (Judged(0, "pass"), _twice),
    "an incomplete record": (Judged(0, "not present"), with_events(FULL)),
    "a record without groups": (Judged(0, "not present"), with_events({})),
    "a plain record": (Judged(0, "pass"), with_events({"profile": "plain"})),
    "a digest that does not meet": (
        Judged(10, "fail"), with_events(event_1={"digest_before": "ee" * 32}),
    ),
    "another digest at last": (
        Judged(10, "fail"), with_events(event_2={"digest_after": "ee" * 32}),
    ),
    "an event without digests": (
        Judged(0, "not present"), with_events(event_1={"digest_after": None}),
    ),
    "a fork": (Judged(10, "fail"), with_events(event_1={"previous_event": None})),
    "an order that the log has not": (Judged(10, "fail"), _swapped),
    # The second and third follow one about something else.
    "an event of another record": (
        Judged(20, "cannot tell"), with_events(event_0={"subject": "ee" * 32}),
    ),
    "the last one of another record": (
        Judged(0, "pass"), with_events(event_2={"subject": "ee" * 32}),
    ),
    "an event that is only promised": (Judged(20, "cannot tell"), replaced(0, _promise)),
    "an event with a wrong path": (Judged(10, "fail"), replaced(1, _altered)),
    "an event that is no receipt": (Judged(20, "cannot tell"), replaced(1, lambda *_: b"{}")),
    "an event whose record is no record": (
        Judged(20, "cannot tell"), replaced(1, _edit(record="x")),
    ),
    "an event in another owner's log": (
        Judged(12, "fail"), replaced(2, _edit(log="0x" + "77" * 32)),
    ),
    "too long a receipt of an event": (
        Judged(0, "pass"), replaced(2, lambda _, data: data + b" " * (1 << 20)),
    ),
    "a member that is not an event's": (
        Judged(20, "cannot tell"), with_events(event_0={"actor": " "}),
    ),
}  # fmt: skip


def block_hash(files: Files) -> bytes:
    """Return the hash of the block that proves the original's receipt."""
    header = json.loads(files["receipts/x.anchor.json"])["anchors"][0]["state"]["header"]
    return parse_header(bytes.fromhex(header[2:])).hash


def policy() -> str:
    return encode_policy([World().entry()]).decode()


def run_package(folder: Path, name: str, files: Files) -> Ran:
    """Run `anchor verify` on a bag beside a policy, by the one block."""
    (folder / "trust.toml").write_text(policy())
    return run_in_process(
        "verify", name, "--trust", "trust.toml", "--offline", "--json",
        "--block-hash", "0x" + block_hash(files).hex(), cwd=folder,
    )  # fmt: skip


def read_package(ran: Ran) -> Judged:
    (file,) = ran.document["files"]
    return Judged(file["exit_code"], file["claims"][6]["verdict"])


def pins_for(files: Files) -> standalone.Pins:
    world = World()
    return standalone.Pins(block_hashes=[block_hash(files)], chain_ids=[MAIN], log=world.log)
