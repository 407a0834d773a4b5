"""verification/index.json, steps 2 to 11: well-formed receipts, honest or bent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import rlp
from support.proof_edits import put
from support.rfc9162_reference import root as root_of
from support.tries import keccak256
from support.vectors.beacons import WINDOW
from support.vectors.headers import VALUES, place
from support.vectors.offline_world import (
    ANCHORED,
    DEVELOPMENT,
    INDEX,
    LATER_ROOT,
    LOG,
    MAIN,
    NAMED,
    NAMED_HEADER,
    NUMBER,
    OTHER_LOG,
    REGISTRY,
    TIME,
    UNLISTED,
    Bend,
    Chain,
    Given,
    Json,
    World,
    beacon_of,
    bent,
    canonical,
    closing,
    content_of,
    entry_of,
    given,
    hashes_of,
    header_at,
    honest_world,
    members_of,
    policy_of,
    replaced,
    sha256_hex,
    simple,
    simple_slot,
    sm3_hex,
    successor_of,
    time_of,
    word_at,
    world_of,
)
from support.vectors.receipt_forms import Row, named, put_at
from support.vectors.states import slot_of
from support.vectors.submitters import key_slot

A = "anchors.0"
S = f"{A}.state"


def ok(name: str, given: Given) -> Row:
    return name, "", 0, [], given


def at(path: str, value: Any, document: Json | None = None) -> Given:
    """A receipt with a value changed, whose own blocks are named."""
    return given(bent(document or simple(), lambda copied: put_at(copied, path, value)))


def root_at(size: int) -> bytes:
    return root_of(honest_world().leaves[:size])


def on(*chains: int, size: int = 9, proven: bool = True) -> Json:
    """A receipt with an anchor on each of these chains."""
    here = honest_world()
    return here.receipt(
        *(here.anchor(here.chain(chain_id=each), size, is_proven=proven) for each in chains)
    )


WIDE = policy_of(entry_of(), entry_of(MAIN))
UNPINNED: Json = {"policy": None, "accept_unpinned": True}
# The bound is the anchor's time, 240 seconds before TIME, and 30 seconds.
ANCHORED_AT = time_of(ANCHORED[9][1])


def spell(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def recorded(time: str, **inputs: Any) -> Given:
    world = world_of(recorded_at=time)
    return given(simple(world.chain(), world=world), **inputs)


def with_entry(**changes: Any) -> Json:
    return policy_of(entry_of(**changes))


# ------------------------------------------------------------------------------------------------


def list_files() -> Iterator[Row]:
    """Steps 2 and 3."""
    honest = given(simple())
    evidence = honest.evidence
    other = {"sha256": sha256_hex(b"x"), "sm3": sm3_hex(b"x"), "size": 1}
    for name in ("sha256", "sm3", "size"):
        wrong = replaced(honest, evidence={**evidence, name: other[name]})
        yield f"another {name} of the file", "file", 10, [2], wrong
    yield "another file", "file", 10, [2], replaced(honest, evidence=other)
    sm3 = world_of(digests={"sm3": sm3_hex(content_of(INDEX))}, size=None)
    document = simple(sm3.chain(), world=sm3)
    yield "another file, by SM3 alone", "file", 10, [2], given(document, evidence=other)
    path = simple()["anchors"][0]["path"]
    flipped = f"{int(path[0][0], 16) ^ 1:x}{path[0][1:]}"
    for name, value in {
        "a bit of the path": [flipped, *path[1:]],
        "a hash more in the path": [*path, path[0]],
        "a hash less in the path": path[:-1],
        "no path": [],
        "the path reversed": path[::-1],
    }.items():
        yield name, "path", 10, [3], at(f"{A}.path", value)
    for name, index in {"the index before": 5, "the index 9": 9, "the largest": 2**48 - 2}.items():
        yield name, "path", 10, [3], at("index", index)
    altered = canonical({**members_of(INDEX), "name": "other.txt"})
    yield "another name in the record", "path", 10, [3], at("record", altered)
    both = on(DEVELOPMENT, MAIN)
    second = at("anchors.1.path", path[:-1], both)
    yield "the path of an anchor that is left aside", "path", 10, [3], second
    yield "another root", "path", 10, [3, 7], at(f"{A}.root", root_at(4).hex())
    promise = at("head.path", [], honest_world().receipt())
    yield "the path of a promise", "path", 10, [3, 5], promise
    for name, code, log in (
        ("a record that names its log", 0, LOG),
        ("a record that names another log of the owner", 0, OTHER_LOG),
        ("a record that names another owner's log", 10, bytes(12) + b"\x77" * 20),
    ):
        world = world_of(log=f"0x{log.hex()}")
        steps = [3] if code else []
        yield name, "owner" if code else "", code, steps, given(simple(world.chain(), world=world))
    record = canonical(members_of(0))
    only = World(record, 0)
    first = only.receipt(only.anchor(only.chain(), 4))
    content = content_of(0)
    of_first = {"sha256": sha256_hex(content), "sm3": sm3_hex(content), "size": len(content)}
    yield ok("the first leaf, by the owner", given(first, evidence=of_first))


def list_pins() -> Iterator[Row]:
    """Step 4."""
    yield ok("an operator's anchor, its block named", given(simple()))
    pinned = with_entry(block_hashes=list(hashes_of(simple())))
    yield ok(
        "an operator's, its block in the policy", given(simple(), policy=pinned, block_hashes=())
    )
    both = on(DEVELOPMENT, MAIN)
    yield ok("two chains, both pinned", given(both, policy=WIDE))
    yield ok("two chains, one pinned", given(both))
    yield ok("two chains, one of the pinned named", given(both, policy=WIDE, chain_ids=(MAIN,)))
    yield ok(
        "two anchors on one chain",
        given(
            honest_world().receipt(
                *(honest_world().anchor(honest_world().chain(), size) for size in (9, 13))
            )
        ),
    )
    yield ok("the same entry twice", given(simple(), policy=policy_of(entry_of(), entry_of())))
    yield ok(
        "an entry for another log beside",
        given(simple(), policy=policy_of(entry_of(logs=[5]), entry_of(logs=[3, 0]))),
    )
    capitals = f"0x{REGISTRY.hex().upper()}"
    yield ok("the registry in capitals", given(simple(), policy=with_entry(registry=capitals)))
    chain = honest_world().chain(registry=b"\x77" * 20)
    elsewhere = with_entry(registry=f"0x{'77' * 20}")
    yield ok("another registry, pinned", given(simple(chain), policy=elsewhere))
    unlisted = entry_of(UNLISTED)
    yield ok("a chain that is not listed, pinned", given(on(UNLISTED), policy=policy_of(unlisted)))
    for name, policy in {
        "another log of the owner": with_entry(logs=[5]),
        "another owner": with_entry(owner="0x" + "77" * 20),
        "another registry": with_entry(registry="0x" + "77" * 20),
        "another chain": policy_of(entry_of(MAIN)),
    }.items():
        yield f"the policy pins {name}", "pinned", 12, [4], given(simple(), policy=policy)
    genesis = policy_of(entry_of(MAIN, genesis="0x" + "22" * 32))
    yield "another genesis of a listed chain", "genesis", 12, [4], given(on(MAIN), policy=genesis)
    here = given(both, policy=WIDE, chain_ids=(1,))
    yield "another chain is named", "named", 12, [4], here
    yield (
        "an anchor elsewhere, and none that is pinned",
        "pinned",
        12,
        [4],
        given(simple(chain), policy=policy_of()),
    )
    strict = policy_of(entry_of(), entry_of(operators=[]))
    yield (
        "two entries, one of which is stricter",
        "operator",
        12,
        [9],
        given(simple(), policy=strict),
    )
    yield from list_unpinned(both, chain)
    yield from list_promises()


def list_unpinned(both: Json, elsewhere: Chain) -> Iterator[Row]:
    yield ok("nothing pinned, accepted, a main chain", given(on(MAIN), **UNPINNED))
    dev = {**UNPINNED, "chain_ids": (DEVELOPMENT,)}
    yield ok("nothing pinned, accepted, a development chain named", given(simple(), **dev))
    yield ok("nothing pinned, one of two chains named", given(both, **UNPINNED, chain_ids=(MAIN,)))
    none: Json = {"policy": None}
    yield "nothing pinned, not accepted", "pinned", 20, [4], given(on(MAIN), **none)
    yield (
        "the chain named, not accepted",
        "pinned",
        20,
        [4],
        given(simple(), **none, chain_ids=(DEVELOPMENT,)),
    )
    yield "a development chain that nobody names", "kind", 20, [4], given(simple(), **UNPINNED)
    yield "one of two chains that nobody names", "kind", 20, [4], given(both, **UNPINNED)
    yield (
        "a chain that is not listed",
        "listed",
        20,
        [4],
        given(on(UNLISTED), **UNPINNED, chain_ids=(UNLISTED,)),
    )
    yield "another registry, accepted", "release-registry", 12, [4], given(simple(elsewhere), **dev)
    yield (
        "another registry, not accepted",
        "release-registry",
        12,
        [4],
        given(simple(elsewhere), **none),
    )
    yield (
        "another chain named, accepted",
        "named",
        12,
        [4],
        given(simple(), **UNPINNED, chain_ids=(MAIN,)),
    )
    wrong = bent(on(MAIN), lambda copied: put_at(copied, f"{A}.sequence", 7))
    yield "nothing pinned, and another sequence", "stated", 10, [4, 8], given(wrong, **none)
    absent = absent_root(MAIN)
    yield "nothing pinned, and not anchored", "anchored", 11, [4, 7], given(absent, **none)


def list_promises() -> Iterator[Row]:
    promise = honest_world().receipt()
    for name, rule, code, step, inputs in (
        ("pinned", "block", 20, 5, {}),
        ("pinned, and the chain named", "block", 20, 5, {"chain_ids": (DEVELOPMENT,)}),
        ("pinned, and another chain named", "named", 12, 4, {"chain_ids": (MAIN,)}),
        ("of another log than is pinned", "pinned", 12, 4, {"policy": with_entry(logs=[5])}),
        ("nothing pinned, accepted", "promise", 21, 4, UNPINNED),
        ("nothing pinned, not accepted", "pinned", 20, 4, {"policy": None}),
    ):
        yield f"a promise: {name}", rule, code, [step], given(promise, **inputs)


def absent_root(chain_id: int = DEVELOPMENT) -> Json:
    """A receipt of a head that was never anchored, with the proof of that."""
    chain = honest_world().chain(chain_id=chain_id)
    document = simple(chain)
    head = honest_world().head(12)
    document["anchors"][0].update(head)
    proof = chain.prove_slot(slot_of(LOG, bytes.fromhex(head["root"])))
    document["anchors"][0]["state"]["storage_proof"] = proof
    return document


# ------------------------------------------------------------------------------------------------


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


def flip(node: str) -> str:
    return f"{node[:-1]}{int(node[-1], 16) ^ 1:x}"


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


def list_senders() -> Iterator[Row]:
    """Step 9, the sender."""
    block = ANCHORED[9][1]
    for name, code, operators in (
        ("any sender", 0, None),
        ("from its very block", 0, [{"id": 1, "from_block": block}]),
        ("until its very block", 0, [{"id": 1, "until_block": block}]),
        ("in the second of two ranges", 0, [{"id": 1, "until_block": 1}, {"id": 1}]),
        ("no sender", 12, []),
        ("only the owner", 12, [{"id": 0}]),
        ("only later blocks", 12, [{"id": 1, "from_block": block + 1}]),
        ("only earlier blocks", 12, [{"id": 1, "until_block": block - 1}]),
    ):
        policy = with_entry(operators=operators)
        steps = [9] if code else []
        rule = "operator" if code else ""
        yield f"the policy accepts {name}", rule, code, steps, given(simple(), policy=policy)
    world = honest_world()
    chain = world.chain()
    proof = simple()["anchors"][0]["state"]["operator_proof"]
    yield "a key that is not proven", "unproven", 20, [9], at(f"{S}.operator_proof", ...)
    bare = at(f"{S}.operator_proof", ...)
    yield (
        "neither accepted nor proven",
        "operator",
        12,
        [9],
        replaced(bare, policy=with_entry(operators=[])),
    )
    for name, code, changed in (
        ("without its last node", 2, proof[:-1]),
        ("with a node more", 2, [*proof, proof[0]]),
        ("with a bit flipped", 10, [*proof[:-1], flip(proof[-1])]),
        ("of another key", 10, chain.prove_slot(key_slot(LOG, 2))),
    ):
        given_proof = at(f"{S}.operator_proof", changed)
        yield f"the operator proof {name}", "operator-proof", code, [9], given_proof
    owner_world = World(canonical(members_of(2)), 2)
    owners = owner_world.receipt(owner_world.anchor(owner_world.chain(), 4))
    content = content_of(2)
    evidence = {"sha256": sha256_hex(content), "sm3": sm3_hex(content), "size": len(content)}
    yield ok("the owner's anchor", given(owners, evidence=evidence))
    needless = bent(
        owners,
        lambda copied: put_at(copied, f"{S}.operator_proof", chain.prove_slot(key_slot(LOG, 1))),
    )
    yield "the owner's, and a key proven", "needless", 2, [9], given(needless, evidence=evidence)
    for name, rule, code, value in (
        ("a key's slot that is empty", "key", 12, None),
        ("a key of 21 bytes", "key", 12, rlp.encode(b"\1" + bytes(20))),
        ("a key of 33 bytes", "value-form", 2, rlp.encode(b"\1" * 33)),
    ):
        odd = world.chain(slots={key_slot(LOG, 1): value})
        yield name, rule, code, [9], given(simple(odd))


def list_successors() -> Iterator[Row]:
    """Step 9, the log's successor."""
    world = honest_world()

    def closed(size: int | None, shown: int | None, root: bytes | None = None) -> Json:
        chain = world.chain(slots=closing(world, size) if size else {})
        document = simple(chain)
        document["anchors"][0]["state"]["successor"] = successor_of(chain, shown, root)
        return document

    yield ok("not abandoned", given(closed(None, None)))
    yield ok("closed, and covered by the head taken over", given(closed(9, 9)))
    yield ok("closed, and covered by a larger one", given(closed(13, 13)))
    yield "abandoned", "abandoned", 13, [9], given(closed(4, 4))
    dev = {**UNPINNED, "chain_ids": (DEVELOPMENT,)}
    yield "abandoned, nothing pinned", "abandoned", 13, [9], given(closed(4, 4), **dev)
    silent = bent(closed(4, 4), lambda copied: put_at(copied, f"{S}.operator_proof", ...))
    yield "abandoned, and the key not proven", "abandoned", 13, [9], given(silent)
    policy = with_entry(operators=[])
    yield (
        "abandoned, and the sender not accepted",
        "operator",
        12,
        [9],
        given(closed(4, 4), policy=policy),
    )
    wrong = bent(closed(4, 4), lambda copied: put_at(copied, f"{A}.sequence", 7))
    yield "abandoned, and another sequence", "stated", 10, [8, 9], given(wrong)
    yield "closed, and from where is not shown", "takeover", 20, [9], given(closed(4, None))
    yield (
        "closed, and a root that its second anchor has",
        "takeover",
        12,
        [9],
        given(closed(4, 4, LATER_ROOT)),
    )
    yield (
        "closed, and a root that it does not have",
        "takeover",
        12,
        [9],
        given(closed(4, 4, keccak256(b"no root"))),
    )
    yield "not closed, and a takeover shown", "needless", 2, [9], given(closed(None, 4))
    for member in ("proof", "takeover.proof"):
        document = closed(4, 4)
        nodes = document["anchors"][0]["state"]["successor"]
        proof = nodes["takeover"]["proof"] if member.startswith("take") else nodes["proof"]
        for name, code, changed in (
            ("with a bit flipped", 10, [*proof[:-1], flip(proof[-1])]),
            ("with a node more", 2, [*proof, proof[0]]),
        ):
            odd = at(f"{S}.successor.{member}", changed, document)
            yield f"successor.{member} {name}", "successor-proof", code, [9], odd
    taken = simple_slot(4, LOG)
    long = world.chain(slots={taken: rlp.encode(b"\1" * 33)})
    document = simple(long)
    document["anchors"][0]["state"]["successor"] = successor_of(long)
    yield "a successor of 33 bytes", "value-form", 2, [9], given(document)


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


STEPS = (
    list_files, list_pins, list_blocks, list_states, list_stated, list_senders, list_successors,
    list_times, list_beacons, list_several,
)  # fmt: skip
