"""verification/index.json, steps 5 to 8: the block, the code, the anchor, and what is stated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import rlp
from support.proof_edits import put
from support.tries import keccak256
from support.vectors.headers import place
from support.vectors.offline_world import (
    ANCHORED,
    DEVELOPMENT,
    LOG,
    MAIN,
    NUMBER,
    OTHER_LOG,
    TIME,
    Given,
    Json,
    bent,
    given,
    hashes_of,
    honest_world,
    replaced,
    simple,
    word_at,
)
from support.vectors.receipt_rows import (
    ANCHORED_AT,
    WIDE,
    A,
    Row,
    S,
    absent_root,
    at,
    flip,
    ok,
    on,
    root_at,
    with_entry,
)
from support.vectors.states import slot_of


def list_blocks() -> Iterator[Row]:
    """Step 5."""
    honest = simple()
    header = bytes.fromhex(honest["anchors"][0]["state"]["header"][2:])
    for items in (15, 16, 17, 20, 21, 22, 23, 25):
        yield ok(f"a header of {items} items", given(simple(honest_world().chain(items=items))))
    late = honest_world().chain(number=NUMBER + 5_000, time=TIME + 60_000)
    yield ok("proven in a later block", given(simple(late)))
    rollup = honest_world().chain(number=7)
    yield ok("a block of a smaller number than the anchor's", given(simple(rollup)))
    own = honest_world().chain(number=ANCHORED[9][1], time=ANCHORED_AT)
    yield ok("proven in the anchor's own block", given(simple(own)))
    for assurance in ("rpc", "quorum", "asserted"):
        policy = with_entry(assurance=assurance)
        yield ok(f"the policy requires {assurance}", given(honest, policy=policy))
    proof = with_entry(assurance="proof", block_hashes=list(hashes_of(honest)))
    yield ok("the policy requires proof, and has the block", given(honest, policy=proof))
    proof = with_entry(assurance="proof")
    yield (
        "the policy requires proof, and has no block",
        "block",
        20,
        [5],
        given(honest, policy=proof),
    )
    yield "no block named", "block", 20, [5], given(honest, block_hashes=())
    yield "another block named", "block", 20, [5], given(honest, block_hashes=("0x" + "ab" * 32,))
    yield "no state proof", "block", 20, [5], given(on(DEVELOPMENT, proven=False))
    mixed = on(DEVELOPMENT, MAIN)
    del mixed["anchors"][1]["state"]
    yield "one proven, one not", "block", 20, [5], given(mixed, policy=WIDE)
    yield ok("one proven, one not and not pinned", given(mixed))
    both = on(DEVELOPMENT, MAIN)
    yield (
        "one of two blocks named",
        "block",
        20,
        [5],
        given(both, policy=WIDE, block_hashes=hashes_of(both)[:1]),
    )
    items = rlp.decode(header)
    other = rlp.encode(put(items, place("timestamp"), b"\1"))
    yield "another header", "block", 20, [5], at_header(honest, other, hashes_of(honest))
    for name, rule, code, data in (
        ("a byte after the header", "header", 2, header + b"\0"),
        ("a header cut short", "header", 2, header[:-1]),
        ("a header that is a string", "header", 2, rlp.encode(header)),
        ("a header of an empty list", "fork", 22, b"\xc0"),
        ("a header of 14 items", "fork", 22, rlp.encode(items[:14])),
        ("a header of 18 items", "fork", 22, rlp.encode(items[:18])),
        ("a header of 19 items", "fork", 22, rlp.encode(items[:19])),
        ("a number with a leading zero", "header", 2,
         rlp.encode(put(items, place("number"), b"\0\1"))),
        ("a time of nine bytes", "header", 2, rlp.encode(put(items, place("timestamp"),
                                                             b"\1" * 9))),
        ("a state root of 31 bytes", "header", 2, rlp.encode(put(items, place("stateRoot"),
                                                                 bytes(31)))),
        ("a bloom of 255 bytes", "header", 2, rlp.encode(put(items, place("logsBloom"),
                                                             bytes(255)))),
        ("a list in place of a hash", "header", 2, rlp.encode(put(items, 0, [b"\1"]))),
        ("lists within nine lists", "header", 2, rlp.encode([*items, nest(9)])),
        ("a length with a leading zero", "header", 2, b"\xfa\0" + header[1:]),
    ):  # fmt: skip
        yield name, rule, code, [5], at_header(honest, data)
    deep = rlp.encode([*items, nest(8)])
    yield ok("lists within eight lists", at_header(honest, deep))


def nest(levels: int) -> Any:
    return [nest(levels - 1)] if levels > 1 else []


def at_header(document: Json, header: bytes, hashes: tuple[str, ...] | None = None) -> Given:
    changed = at(f"{S}.header", f"0x{header.hex()}", document)
    return changed if hashes is None else replaced(changed, block_hashes=hashes)


def list_states() -> Iterator[Row]:
    """Steps 6 and 7."""
    world = honest_world()
    chain = world.chain()
    slot = slot_of(LOG, root_at(9))
    account = simple()["anchors"][0]["state"]["account_proof"]
    storage = simple()["anchors"][0]["state"]["storage_proof"]
    for rule, step, member, proof in (
        ("account-proof", 6, "account_proof", account),
        ("storage-proof", 7, "storage_proof", storage),
    ):
        assert len(proof) > 1
        for name, code, changed in (
            ("without its last node", 2, proof[:-1]),
            ("with its last node twice", 2, [*proof, proof[-1]]),
            ("reversed", 10, proof[::-1]),
            ("with a bit flipped", 10, [*proof[:-1], flip(proof[-1])]),
            ("with a byte more in a node", 10, [*proof[:-1], proof[-1] + "00"]),
            ("with its second node alone", 10, proof[1:]),
        ):
            yield f"{rule} {name}", rule, code, [step], at(f"{S}.{member}", changed)
    exchanged = bent(
        simple(),
        lambda copied: copied["anchors"][0]["state"].update(
            account_proof=storage, storage_proof=account
        ),
    )
    yield "the two proofs exchanged", "account-proof", 10, [6], given(exchanged)
    other = chain.prove_slot(slot_of(LOG, root_at(4)))
    assert other != storage
    yield "the proof of another root", "storage-proof", 10, [7], at(f"{S}.storage_proof", other)
    yield "not anchored", "anchored", 11, [7], given(absent_root())
    empty = world.chain(slots={slot_of(LOG, root_at(size)): None for size in ANCHORED})
    yield "not anchored any more", "anchored", 11, [7], given(simple(empty))
    yield "another log of the same owner", "anchored", 11, [7], other_log()
    code = keccak256(b"a newer registry's code")
    yield "other code", "code", 12, [6], given(simple(world.chain(code=code)))
    yield (
        "other code is pinned",
        "code",
        12,
        [6],
        given(simple(), policy=with_entry(code_hash=f"0x{code.hex()}")),
    )
    bare = world.chain(has_registry=False)
    yield "no account", "account", 12, [6], given(simple(bare))
    registry = [b"\1", b"", chain.storage.root_hash, keccak256(b"x")]
    for name, encoded in {
        "an account of three items": rlp.encode(registry[:3]),
        "an account of five items": rlp.encode([*registry, b""]),
        "an account that is a string": rlp.encode(b"account"),
        "a nonce with a leading zero": rlp.encode(put(registry, 0, b"\0\1")),
        "a balance of 33 bytes": rlp.encode(put(registry, 1, b"\1" * 33)),
        "a code hash of 31 bytes": rlp.encode(put(registry, 3, b"\1" * 31)),
        "a byte after the account": rlp.encode(registry) + b"\0",
    }.items():
        yield name, "account-form", 2, [6], given(simple(world.chain(account=encoded)))
    for name, rule, result, value in (
        ("a word without a size", "word", 12, rlp.encode(word_at(9, size=0))),
        ("a word without a sequence", "word", 12, rlp.encode(word_at(9, sequence=0))),
        ("a word of the next second", "word", 12, rlp.encode(word_at(9, time=TIME + 1))),
        ("a value of zero", "value-form", 2, rlp.encode(b"")),
        ("a value that is a zero byte", "value-form", 2, b"\0"),
        ("a value of 33 bytes", "value-form", 2, rlp.encode(b"\1" * 33)),
        ("a value that is a list", "value-form", 2, rlp.encode([b"\1"])),
        ("a byte after the value", "value-form", 2, rlp.encode(word_at(9)) + b"\0"),
    ):
        odd = world.chain(slots={slot: value})
        yield name, rule, result, [7], given(simple(odd))


def other_log() -> Given:
    chain = honest_world().chain()
    document = simple(chain)
    document["log"] = f"0x{OTHER_LOG.hex()}"
    proof = chain.prove_slot(slot_of(OTHER_LOG, root_at(9)))
    document["anchors"][0]["state"]["storage_proof"] = proof
    return given(document, policy=with_entry(logs=[5]))


def list_stated() -> Iterator[Row]:
    """Step 8."""
    for member, value in {
        "size": 10, "sequence": 3, "block_number": ANCHORED[9][1] + 1,
        "timestamp": ANCHORED_AT - 1,
    }.items():  # fmt: skip
        yield f"another {member}", "stated", 10, [8], at(f"{A}.{member}", value)
    yield ok("other hints", at(f"{A}.hints.tx_hash", "0x" + "ff" * 32))
    yield ok("no hints", at(f"{A}.hints", ...))
    wrong = at("anchors.1.timestamp", 0, on(DEVELOPMENT, MAIN))
    yield "a good anchor and a bad one", "stated", 10, [8], replaced(wrong, policy=WIDE)
    yield ok("a good anchor, and a bad one that is left aside", wrong)
