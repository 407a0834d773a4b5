"""verification/index.json, steps 2 to 4: the file, the paths, and what is pinned."""

from __future__ import annotations

from collections.abc import Iterator

from support.vectors.offline_world import (
    DEVELOPMENT,
    INDEX,
    LOG,
    MAIN,
    OTHER_LOG,
    REGISTRY,
    UNLISTED,
    Chain,
    Json,
    World,
    bent,
    canonical,
    content_of,
    entry_of,
    given,
    hashes_of,
    honest_world,
    members_of,
    policy_of,
    replaced,
    sha256_hex,
    simple,
    sm3_hex,
    world_of,
)
from support.vectors.receipt_rows import (
    UNPINNED,
    WIDE,
    A,
    Row,
    absent_root,
    at,
    ok,
    on,
    put_at,
    root_at,
    with_entry,
)


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
