"""verification/index.json, step 9: who sent the anchor, and whether the owner abandoned it."""

from __future__ import annotations

from collections.abc import Iterator

import rlp
from support.tries import keccak256
from support.vectors.offline_world import (
    ANCHORED,
    DEVELOPMENT,
    LATER_ROOT,
    LOG,
    Json,
    World,
    bent,
    canonical,
    closing,
    content_of,
    given,
    honest_world,
    members_of,
    replaced,
    sha256_hex,
    simple,
    simple_slot,
    sm3_hex,
    successor_of,
)
from support.vectors.receipt_rows import (
    UNPINNED,
    A,
    Row,
    S,
    at,
    flip,
    ok,
    put_at,
    with_entry,
)
from support.vectors.submitters import key_slot


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
