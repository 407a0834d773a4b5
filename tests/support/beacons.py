"""Receipts whose records name a block, honest and not, on which three verifiers have to agree."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

import rlp
from support.bent_receipts import Given, header_hashes, world
from support.tries import keccak256
from support.vectors.headers import place as place_of
from support.world import MAIN, SIDE, MemoryChain, World

from anchor.base.canonical import encode_canonical
from anchor.base.types import ChainId, Hash32
from anchor.receipt.format import ReceiptAnchor, encode_receipt
from anchor.receipt.history_proof import (
    HISTORY_CODE_HASH,
    HISTORY_CONTRACT,
    HISTORY_WINDOW,
    history_slot,
)
from anchor.receipt.state_proof import BeaconProof
from anchor.verification.report import Report
from anchor.verification.verifier import judge

# Before any anchor, so that its state is the same whatever the records are.
BLOCK = 8
LEAF, SIZE = 6, 9
# Between the time of that block and that of the anchor, block 20.
RECORDED_AT = "2026-09-21T14:16:00Z"
EARLIEST = "2026-09-21T14:14:26Z"  # 96 s after the chain began, less the policy's slack of 30 s

Members = Mapping[str, Any]
PASS, FAIL, UNKNOWN, ABSENT = "pass", "fail", "cannot tell", "not present"


@functools.cache
def header_of(chain_id: ChainId = MAIN, **items: bytes) -> bytes:
    """Return the header of the named block on a chain, with some items changed."""
    chain = World(chain_ids=(chain_id,)).main
    keep_history(chain)
    chain.prove(BLOCK)
    header = rlp.decode(chain.headers[BLOCK])
    for name, value in items.items():
        header[place_of(name)] = value
    return rlp.encode(header)


def keep_history(chain: MemoryChain, code_hash: Hash32 | None = HISTORY_CODE_HASH) -> None:
    if code_hash is not None:
        chain.code[HISTORY_CONTRACT] = (0, code_hash)


def name_block(header: bytes, *, number: int = BLOCK, chain_id: int = MAIN) -> dict[str, Any]:
    return {
        "chain_id": chain_id,
        "block_number": number,
        "block_hash": f"0x{keccak256(header).hex()}",
    }


def make_world(
    not_before: Any,
    *,
    kept: bytes | None = None,
    code_hash: Hash32 | None = HISTORY_CODE_HASH,
    recorded_at: str = RECORDED_AT,
    chain_ids: Sequence[ChainId] = (MAIN, SIDE),
) -> World:
    """Return a world whose records have this ``not_before``.

    ``kept`` is the header whose hash the history has for the named block; None: the honest one.
    """
    members = {"not_before": not_before, "recorded_at": recorded_at}
    here = World(
        [
            encode_canonical(json.loads(record) | members, subject="the record")
            for record in World().records
        ],
        chain_ids,
    )
    for chain_id, chain in here.chains.items():
        keep_history(chain, code_hash)
        held = keccak256(header_of(chain_id) if kept is None else kept)
        for number in range(BLOCK + 4):
            word = held if number == BLOCK else keccak256(b"block %d" % number)
            if word:
                chain.store(history_slot(number), word, block=number + 1, registry=HISTORY_CONTRACT)
    return here


def prove_block(
    here: World,
    *,
    header: bytes | None = None,
    at: int = 40,
    slot: int = BLOCK,
    chain_id: ChainId | None = None,
) -> ReceiptAnchor:
    """Return the anchor with its state proof, and in it the proof of the slot of block ``slot``."""
    chain_id = here.home if chain_id is None else chain_id
    anchor = here.prove(here.anchor(LEAF, SIZE, chain_id), at=at)
    if HISTORY_CONTRACT not in here.chains[chain_id].code:
        proof = here.chains[chain_id].prove(at, history_slot(slot))[0]
        absent = here.chains[chain_id].prove_account(at, HISTORY_CONTRACT)
        proof = dataclasses.replace(proof, account_proof=absent)
    else:
        (proof,) = here.chains[chain_id].prove(at, history_slot(slot), registry=HISTORY_CONTRACT)
    assert anchor.state is not None
    beacon = BeaconProof(
        header=header_of(chain_id) if header is None else header,
        account_proof=proof.account_proof,
        storage_proof=proof.storage_proof,
    )
    return dataclasses.replace(anchor, state=dataclasses.replace(anchor.state, beacon=beacon))


def without_beacon(anchor: ReceiptAnchor) -> ReceiptAnchor:
    assert anchor.state is not None
    return dataclasses.replace(anchor, state=dataclasses.replace(anchor.state, beacon=None))


class Named(NamedTuple):
    """A receipt whose record names a block, and what has to come of it."""

    document: dict[str, Any]
    given: Given
    code: int
    verdict: str
    rule: str

    @property
    def data(self) -> bytes:
        return json.dumps(self.document).encode()


def judge_named(case: Named) -> Report:
    """Judge a case by the package's verifier."""
    return judge(
        case.data,
        world().evidence(LEAF),
        policy=case.given.policy,
        connect=None,
        block_hashes=[Hash32(named) for named in case.given.block_hashes],
    )


def verdict_of_c5(report: Report) -> str:
    (claim,) = [claim for claim in report.claims if claim.id == "C5"]
    return claim.verdict.value


def ended(
    here: World,
    anchor: ReceiptAnchor | None,
    code: int,
    verdict: str,
    rule: str,
    *,
    bend: Callable[[dict[str, Any]], object] = lambda document: None,
    hashes: frozenset[bytes] | None = None,
    **changes: Any,
) -> Named:
    receipt = here.receipt(LEAF, *([] if anchor is None else [anchor]))
    document = json.loads(encode_receipt(receipt))
    bend(document)
    entry = here.entry(MAIN if anchor is None else anchor.chain_id)
    policy = here.policy(dataclasses.replace(entry, **changes))
    named = header_hashes(document) if hashes is None else hashes
    return Named(document, Given(LEAF, policy, named), code, verdict, rule)


def beacon_of(document: dict[str, Any]) -> dict[str, Any]:
    beacon: dict[str, Any] = document["anchors"][0]["state"]["beacon"]
    return beacon


@functools.cache
def honest() -> Named:
    here = make_world(name_block(header_of()))
    return ended(here, prove_block(here), 0, PASS, "record-made-after")


def flip(header: bytes, at: int = 200) -> bytes:
    return header[:at] + bytes([header[at] ^ 1]) + header[at + 1 :]


@functools.cache
def cases() -> dict[str, Named]:
    """Return the honest receipt, and one for each way in which another ends."""
    here = make_world(name_block(header_of()))
    right = prove_block(here)
    oldest = BLOCK + HISTORY_WINDOW
    return {
        "honest": honest(),
        "the oldest that is kept": ended(here, prove_block(here, at=oldest), 0, PASS,
                                         "record-made-after"),
        **refused(here, right, oldest + 1),
        **odd_headers(),
        **absent(here, right, oldest + 1),
        "a block that nobody vouches for": ended(
            here, right, 20, UNKNOWN, "block-not-vouched-for", hashes=frozenset()),
        "a record of a time before the block": recorded("2026-09-21T14:09:25Z", 20, UNKNOWN),
        "a record of a time just before the block": recorded("2026-09-21T14:09:26Z", 0, PASS),
    }  # fmt: skip


def recorded(time: str, code: int, verdict: str) -> Named:
    here = make_world(name_block(header_of()), recorded_at=time)
    rule = "record-made-after" if code == 0 else "record-earlier-than-beacon"
    return ended(here, prove_block(here), code, verdict, rule)


def refused(here: World, right: ReceiptAnchor, too_late: int) -> dict[str, Named]:
    """Return the receipts that are refused; their records are anchored all the same."""
    other = make_world(name_block(header_of(), chain_id=SIDE))
    numbered = make_world(name_block(header_of(), number=BLOCK + 1))
    hashed = make_world(name_block(flip(header_of())))
    foreign = make_world(name_block(header_of()), code_hash=Hash32(keccak256(b"other code")))
    bare = make_world(name_block(header_of()), code_hash=None)
    kept = make_world(name_block(header_of()), kept=b"another block")

    def bend(**members: Any) -> Callable[[dict[str, Any]], object]:
        return lambda document: beacon_of(document).update(members)

    return {
        "another chain": ended(other, prove_block(other), 10, FAIL, "beacon-of-other-chain"),
        "another chain's anchor": ended(
            here, prove_block(here, chain_id=SIDE), 10, FAIL, "beacon-of-other-chain"),
        "another number": ended(numbered, prove_block(numbered), 10, FAIL,
                                "beacon-number-differs"),
        "another hash": ended(hashed, prove_block(hashed), 10, FAIL, "beacon-hash-differs"),
        "a bent header": ended(here, right, 10, FAIL, "beacon-hash-differs",
                               bend=bend(header=f"0x{flip(header_of()).hex()}")),
        "a header that is none": ended(here, right, 2, FAIL, "header-not-list",
                                       bend=bend(header="0x80")),
        "a header of no fork": ended(here, right, 22, UNKNOWN, "header-size-of-no-fork",
                                     bend=bend(header="0xc0")),
        "too old": ended(here, prove_block(here, at=too_late), 10, FAIL, "beacon-too-old"),
        "the wrong slot": ended(here, prove_block(here, slot=BLOCK + 1), 10, FAIL,
                                "proof-invalid"),
        "no account there": ended(bare, prove_block(bare), 12, FAIL, "history-contract-missing"),
        "foreign code": ended(foreign, prove_block(foreign), 12, FAIL, "history-code-foreign"),
        "another hash in the history": ended(kept, prove_block(kept), 10, FAIL,
                                             "beacon-hash-not-kept"),
        "no account proof": ended(here, right, 2, ABSENT, "receipt-member-invalid",
                                  bend=bend(account_proof=[])),
        "a member more": ended(here, right, 2, ABSENT, "receipt-member-invalid",
                               bend=bend(number=8)),
        "a beacon of null": ended(
            here, right, 2, ABSENT, "receipt-member-invalid",
            bend=lambda document: document["anchors"][0]["state"].update(beacon=None)),
        "the account's proof in the place of the slot's": ended(
            here, right, 10, FAIL, "proof-invalid",
            bend=lambda document: beacon_of(document).update(
                storage_proof=beacon_of(document)["account_proof"])),
        "the registry's account proof": ended(
            here, right, 10, FAIL, "proof-invalid",
            bend=lambda document: beacon_of(document).update(
                account_proof=document["anchors"][0]["state"]["account_proof"])),
    }  # fmt: skip


def odd_headers() -> dict[str, Named]:
    """Return receipts of blocks that no honest chain has, and that the record names."""

    def named(rule: str, code: int, of: int = BLOCK, **items: bytes) -> Named:
        header = header_of(**items)
        here = make_world(name_block(header, number=of), kept=header)
        anchor = prove_block(here, header=header)
        return ended(here, anchor, code, PASS if code == 0 else FAIL, rule)

    time = 1_790_000_000 + 12 * 20
    return {
        "the proof's own block": named("beacon-not-earlier", 10, 40, number=b"\x28"),
        "a later block": named("beacon-not-earlier", 10, 41, number=b"\x29"),
        "the last block before, which is not kept": named("proof-invalid", 2, 39, number=b"\x27"),
        "newer than the anchor": named(
            "beacon-later-than-anchor", 10, timestamp=(time + 1).to_bytes(4, "big")),
        "as new as the anchor": named(
            "record-made-after", 0, timestamp=time.to_bytes(4, "big")),
        "of 1970": named("record-made-after", 0, timestamp=b""),
        "of a time of eight bytes": named("beacon-later-than-anchor", 10, timestamp=b"\xff" * 8),
    }  # fmt: skip


def absent_forms() -> dict[str, Any]:
    """Return values of ``not_before`` that name no block in the form that is known."""
    true = name_block(header_of())
    return {
        "a member more": true | {"time": 1},
        "a member less": {"chain_id": MAIN, "block_number": BLOCK},
        "null": None,
        "a list": [true],
        "a hash in capitals": true | {"block_hash": "0x" + "AB" * 32},
        "a hash without a prefix": true | {"block_hash": "ab" * 32},
        "a short hash": true | {"block_hash": "0x" + "ab" * 31},
        "a negative number": true | {"block_number": -1},
        "a number that is true": true | {"block_number": True},
        "a chain of 0": true | {"chain_id": 0},
        "a number as text": true | {"block_number": "8"},
    }


def absent(here: World, right: ReceiptAnchor, too_late: int) -> dict[str, Named]:
    """Return receipts that show no earliest time, which is no fault."""
    unproven = without_beacon(right)
    late = without_beacon(prove_block(here, at=too_late))
    true = name_block(header_of())
    worlds = {name: make_world(value) for name, value in absent_forms().items()}
    arbitrum = make_world(true | {"chain_id": 42161})
    elsewhere = make_world(true | {"chain_id": 1})
    return {
        **{
            f"not_before: {name}": ended(
                world, prove_block(world), 0, ABSENT, "record-not-before-not-understood"
            )
            for name, world in worlds.items()
        },
        "no beacon": ended(here, unproven, 0, ABSENT, "receipt-without-beacon"),
        "a missed window": ended(here, late, 0, ABSENT, "beacon-window-missed"),
        "a promise": ended(here, None, 20, ABSENT, "receipt-without-anchor-on-chain"),
        "a chain without history": ended(
            arbitrum, prove_block(arbitrum), 0, ABSENT, "chain-without-block-history"
        ),
        "a chain without an anchor": ended(
            elsewhere, without_beacon(prove_block(elsewhere)), 0, ABSENT,
            "receipt-without-anchor-on-chain",
        ),
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------
# Bent beacons: a case depends on its seed and number alone.

_PROOFS = ("account_proof", "storage_proof")


@functools.cache
def bases() -> tuple[Named, ...]:
    """Return the receipts that are bent: the honest ones, and those that lie in one way already."""
    return tuple(
        case for case in cases().values() if has_beacon(case.document) and case.verdict != ABSENT
    )


def spell(beacon: object) -> str:
    """Return a beacon as text; the order of its members says nothing."""
    return json.dumps(beacon, sort_keys=True)


@functools.cache
def true_beacons() -> frozenset[str]:
    """Return the beacons that prove what their records name."""
    return frozenset(
        spell(beacon_of(case.document)) for case in cases().values() if case.verdict == PASS
    )


def has_beacon(document: dict[str, Any]) -> bool:
    anchors = document["anchors"]
    return bool(anchors) and isinstance(anchors[0]["state"].get("beacon"), dict)


def make_bent(seed: int, number: int) -> Named:
    """Return a receipt whose beacon is bent: it must not show an earliest time."""
    rng = Random(f"{seed}:{number}")
    base = rng.choice(bases()) if rng.random() < 0.4 else honest()
    document = json.loads(base.data)
    unbent = {*true_beacons(), spell(beacon_of(document))}
    while spell(document["anchors"][0]["state"].get("beacon")) in unbent:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            bend = rng.choice(BENDS)
            beacon = document["anchors"][0]["state"].get("beacon")
            if isinstance(beacon, dict):
                bend(rng, beacon)
    return base._replace(document=document)


def _alter(rng: Random, digits: str) -> str:
    data = bytearray(bytes.fromhex(digits[2:]) or b"\0")
    at = rng.randrange(len(data))
    match rng.randrange(4):
        case 0:
            data[at] ^= 1 << rng.randrange(8)
        case 1:
            data[at] = rng.randrange(256)
        case 2:
            del data[at]
        case _:
            data.insert(at, rng.randrange(256))
    return "0x" + data.hex()


def bend_header(rng: Random, beacon: dict[str, Any]) -> None:
    if isinstance(beacon.get("header"), str):
        beacon["header"] = _alter(rng, beacon["header"])


def bend_item(rng: Random, beacon: dict[str, Any]) -> None:
    """Change an item of the header, and keep its form."""
    try:
        items = rlp.decode(bytes.fromhex(beacon["header"][2:]))
    except (rlp.DecodingError, KeyError, TypeError, ValueError):
        return
    at = rng.randrange(max(1, len(items)))
    if at < len(items) and isinstance(items[at], bytes):
        items[at] = rng.choice((b"", b"\1", b"\x28", rng.randbytes(len(items[at]))))
        beacon["header"] = f"0x{rlp.encode(items).hex()}"


def swap_header(rng: Random, beacon: dict[str, Any]) -> None:
    donor = rng.choice(bases()).document["anchors"][0]["state"]
    beacon["header"] = rng.choice((donor["header"], donor["beacon"]["header"]))


def bend_node(rng: Random, beacon: dict[str, Any]) -> None:
    nodes = beacon.get(rng.choice(_PROOFS))
    if isinstance(nodes, list) and nodes:
        at = rng.randrange(len(nodes))
        nodes[at] = _alter(rng, nodes[at])


def bend_list(rng: Random, beacon: dict[str, Any]) -> None:
    nodes = beacon.get(rng.choice(_PROOFS))
    if not isinstance(nodes, list) or not nodes:
        return
    at = rng.randrange(len(nodes))
    match rng.randrange(5):
        case 0:
            del nodes[at]
        case 1:
            nodes.insert(at, nodes[rng.randrange(len(nodes))])
        case 2:
            nodes.reverse()
        case 3:
            nodes.append("0x80")
        case _:
            rng.shuffle(nodes)


def swap_proof(rng: Random, beacon: dict[str, Any]) -> None:
    donor = rng.choice(bases()).document["anchors"][0]["state"]
    source = rng.choice((donor, donor["beacon"]))
    beacon[rng.choice(_PROOFS)] = list(source[rng.choice(_PROOFS)])


def bend_member(rng: Random, beacon: dict[str, Any]) -> None:
    name = rng.choice(("header", *_PROOFS, "number", "hash"))
    match rng.randrange(3):
        case 0:
            beacon.pop(name, None)
        case 1:
            beacon[name] = rng.choice((None, "", "0x", [], {}, 1, True))
        case _:
            beacon[f"{name}s"] = beacon.get(name)


BENDS = (
    *(bend_header, bend_item, bend_item, swap_header),
    *(bend_node, bend_node, bend_list, bend_list, swap_proof, bend_member),
)
