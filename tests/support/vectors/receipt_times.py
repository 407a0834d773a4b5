"""verification/index.json, steps 10 and 11, and several faults at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import rlp
from support.tries import keccak256
from support.vectors.beacons import WINDOW
from support.vectors.headers import VALUES
from support.vectors.offline_world import (
    DEVELOPMENT,
    LOG,
    MAIN,
    NAMED,
    NAMED_HEADER,
    NUMBER,
    UNLISTED,
    Bend,
    Given,
    Json,
    beacon_of,
    bent,
    entry_of,
    given,
    header_at,
    honest_world,
    policy_of,
    replaced,
    sha256_hex,
    simple,
    sm3_hex,
    time_of,
    word_at,
    world_of,
)
from support.vectors.receipt_rows import (
    ANCHORED_AT,
    WIDE,
    A,
    Row,
    S,
    absent_root,
    flip,
    named,
    ok,
    on,
    put_at,
    recorded,
    root_at,
    spell,
    with_entry,
)
from support.vectors.states import slot_of


def list_times() -> Iterator[Row]:
    """Step 10."""
    last = ANCHORED_AT + 30 + 300
    yield ok("recorded at the bound", given_at(ANCHORED_AT + 30))
    yield ok("recorded as late as is tolerated", given_at(last))
    late = recorded(spell(last)[:-1] + ".999999Z")
    yield ok("recorded a fraction of a second later", late)
    yield "recorded a second too late", "late", 20, [10], given_at(last + 1)
    yield "recorded in the year 9999", "late", 20, [10], recorded("9999-12-31T23:59:59Z")
    for name, code, time, changes in (
        ("a tolerance of 0, at the bound", 0, ANCHORED_AT + 30, {"recorded_at_tolerance": 0}),
        ("a tolerance of 0, a second late", 20, ANCHORED_AT + 31, {"recorded_at_tolerance": 0}),
        ("the chain's own slack", 0, ANCHORED_AT + 312, {"time_slack": None}),
        ("the chain's own slack, a second late", 20, ANCHORED_AT + 313, {"time_slack": None}),
        ("a slack of 0", 20, ANCHORED_AT + 301, {"time_slack": 0}),
    ):
        policy = with_entry(**changes)
        steps = [10] if code else []
        rule = "late" if code else ""
        yield name, rule, code, steps, recorded(spell(time), policy=policy)
    without = policy_of(entry_of(UNLISTED, time_slack=None))
    yield "no slack is known", "slack", 20, [10], given(on(UNLISTED), policy=without)
    end = 253_402_300_799
    for name, code, time in (("the end of the year 9999", 0, end - 30),
                             ("a second after the year 9999", 20, end - 29)):  # fmt: skip
        slot = slot_of(LOG, root_at(9))
        chain = honest_world().chain(time=end, slots={slot: rlp.encode(word_at(9, time=time))})
        document = bent(simple(chain), lambda copied, t=time: put_at(copied, f"{A}.timestamp", t))
        yield name, "date" if code else "", code, [10] if code else [], given(document)


def given_at(time: int) -> Given:
    return recorded(spell(time))


def list_beacons() -> Iterator[Row]:
    """Step 11."""
    bound = time_of(NAMED) - 30

    def asked(
        name: str, rule: str, code: int, *, header: bytes = NAMED_HEADER, number: int = NAMED,
        bend: Bend | None = None, record: Json | None = None, says: Json | None = None,
        slot: int | None = None, **changes: Any,
    ) -> Row:  # fmt: skip
        block = {"block_number": number, "block_hash": f"0x{keccak256(header).hex()}"}
        world = world_of(not_before=says or named(**{**block, **(record or {})}),
                         recorded_at=spell(bound + 60))  # fmt: skip
        changes.setdefault("history", {(number % WINDOW): keccak256(header)})
        chain = world.chain(**changes)
        document = simple(chain, world=world)
        kept = number if slot is None else slot
        document["anchors"][0]["state"]["beacon"] = beacon_of(chain, header, kept)
        if bend:
            document = bent(document, bend)
        return name, rule, code, [11] if code else [], given(document)

    def block_at(number: int) -> bytes:
        return header_at(number, time_of(number), VALUES[3])

    yield asked("a block", "", 0)
    oldest = NUMBER - WINDOW
    yield asked("the oldest block that is kept", "", 0, header=block_at(oldest), number=oldest)
    same = header_at(NAMED, ANCHORED_AT, VALUES[3])
    own = asked("a block of the anchor's own time", "", 0, header=same)
    yield (*own[:4], replaced(own[4], policy=with_entry(recorded_at_tolerance=86_400)))
    world = world_of(not_before=named())
    document = simple(world.chain(), world=world)
    yield ok("a block is named, and none is proven", given(document))
    anywhere = named(chain_id=42_161)
    yield asked("a block of a chain without block hashes", "", 0, says=anywhere)
    yield asked("a block of another chain", "chain", 10, record={"chain_id": MAIN})
    yield asked("another number", "number", 10, record={"block_number": NAMED + 1})
    yield asked("another hash", "hash", 10, record={"block_hash": "0x" + "ab" * 32})
    later = NUMBER
    yield asked("the proof's own block", "order", 10, header=block_at(later), number=later)
    old = NUMBER - WINDOW - 1
    yield asked("a block that is too old", "window", 10, header=block_at(old), number=old)
    newer = header_at(NAMED, ANCHORED_AT + 1, VALUES[3])
    yield asked("a block of a later time than the anchor", "later", 10, header=newer)
    yield asked("a chain without the history contract", "account", 12, history_code=None)
    yield asked("a contract of other code", "code", 12, history_code=keccak256(b"other"))
    yield asked(
        "another hash in the slot",
        "kept",
        10,
        history={NAMED % WINDOW: keccak256(b"another block"), 5: b"\1"},
    )
    yield asked("nothing in the slot", "kept", 10, history={5: b"\1", 6: b"\2"})
    yield asked(
        "the proof of another slot",
        "storage-proof",
        10,
        slot=NAMED + 1,
        history={NAMED % WINDOW: keccak256(NAMED_HEADER), (NAMED + 1) % WINDOW: keccak256(b"next")},
    )
    items = rlp.decode(NAMED_HEADER)
    beacon = f"{S}.beacon"
    for name, rule, code, header in (
        ("a beacon's header with a byte more", "header", 2, NAMED_HEADER + b"\0"),
        ("a beacon's header of 19 items", "fork", 22, rlp.encode(items[:19])),
    ):
        yield asked(
            name,
            rule,
            code,
            bend=lambda copied, h=header: put_at(copied, f"{beacon}.header", f"0x{h.hex()}"),
        )
    yield asked(
        "another chain, and no header",
        "chain",
        10,
        record={"chain_id": MAIN},
        bend=lambda copied: put_at(copied, f"{beacon}.header", "0x80"),
    )
    for member in ("account_proof", "storage_proof"):
        rule = member.replace("_", "-")
        yield asked(
            f"the beacon's {member} with a bit flipped",
            rule,
            10,
            bend=lambda copied, m=member: flip_last(copied, m),
        )
        yield asked(
            f"the beacon's {member} with a node more",
            rule,
            2,
            bend=lambda copied, m=member: double_last(copied, m),
        )
    yield from list_early(bound)
    unnamed = asked("a beacon under a block that nobody names", "block", 20)
    yield (*unnamed[:3], [5], replaced(unnamed[4], block_hashes=()))


def flip_last(document: Json, member: str) -> None:
    proof = document["anchors"][0]["state"]["beacon"][member]
    proof[-1] = flip(proof[-1])


def double_last(document: Json, member: str) -> None:
    proof = document["anchors"][0]["state"]["beacon"][member]
    proof.append(proof[-1])


def list_early(bound: int) -> Iterator[Row]:
    for name, code, time in (
        ("recorded as early as is tolerated", 0, bound - 300),
        ("recorded a second too early", 20, bound - 301),
    ):
        world = world_of(not_before=named(), recorded_at=spell(time))
        chain = world.chain()
        document = simple(chain, world=world)
        document["anchors"][0]["state"]["beacon"] = beacon_of(chain)
        yield name, "early" if code else "", code, [11] if code else [], given(document)


def list_several() -> Iterator[Row]:
    """Several faults, of which the gravest counts."""
    other = {"sha256": sha256_hex(b"x"), "sm3": sm3_hex(b"x"), "size": 1}
    unnamed = given(simple(), block_hashes=(), evidence=other)
    yield "another file, and no block named", "file", 10, [2, 5], unnamed
    late = recorded(spell(ANCHORED_AT + 10_000))
    yield (
        "another sender, and recorded too late",
        "operator",
        12,
        [9, 10],
        replaced(late, policy=with_entry(operators=[])),
    )
    absent = absent_root()
    yield "another file, and not anchored", "file", 10, [2, 7], given(absent, evidence=other)
    fork = simple(honest_world().chain(items=19))
    yield (
        "a header of no fork, and one that nobody names",
        "fork",
        22,
        [5],
        given(fork, block_hashes=()),
    )
    both = on(DEVELOPMENT, MAIN)
    del both["anchors"][0]["state"]
    put_at(both, "anchors.1.sequence", 9)
    yield "one not proven, one not as stated", "stated", 10, [5, 8], given(both, policy=WIDE)
