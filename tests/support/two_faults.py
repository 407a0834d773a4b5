"""Receipts with two faults or more, on which three verifiers and the schema have to agree.

Where a document has several faults its exit code depends on which of them is looked at first, so
two readers that agree on every single fault may still disagree.  Faults that break a hash hide all
behind them: those in headers and tries are hashed anew, up to a block whose hash is then named.

Case ``number`` of a campaign with ``seed`` depends on these two alone.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

import rlp
from support.beacons import cases
from support.bent_receipts import (
    BENDS,
    LATER_ROOT,
    RECORDS,
    SPELLINGS,
    TEXTS,
    Given,
    Honest,
    Members,
    bends,
    honest_receipts,
    json_copy,
    open_up,
    pick,
    recorded_in,
    to_document,
    true_anchors,
    with_successor,
    world,
    world_of,
    write,
)
from support.tries import keccak256
from support.world import MAIN, SIDE

from anchor.base.types import ChainId

EMPTY_ROOT = keccak256(b"\x80")


class Doubled(NamedTuple):
    """A receipt with several faults, what is given with it, and the kinds of its faults."""

    number: int
    kinds: tuple[str, ...]
    receipt: bytes
    given: Given
    honest: Honest

    @property
    def name(self) -> str:
        return f"case {self.number} ({self.honest.name}: {', '.join(self.kinds)})"


# ------------------------------------------------------------------------------------------------
# What is bent: the honest receipts, and some whose records are of a time at the edge.


@functools.cache
def bases() -> tuple[Honest, ...]:
    main = next(honest for honest in honest_receipts() if honest.name == "an operator's")
    edges = []
    # With the policy's slack of 30 s and the default tolerance, 14:22:50 is the last; with the
    # chain's own slack of 12 s, 14:22:32.
    for time in (
        "2026-09-21T14:22:50.999Z", "2026-09-21T14:22:51Z", "2026-09-21T14:22:32Z",
        "2026-09-21T14:22:33Z", "2026-09-22T03:17:20Z", "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
    ):  # fmt: skip
        document = json.loads(json.dumps(main.document))
        recorded_in(world_of(recorded_at=time))(document)
        edges.append(main._replace(name=f"recorded at {time}", document=document))
    beacons = [
        Honest(f"a named block: {name}", case.document, case.given, case.code)
        for name, case in cases().items()
        if name in ("honest", "no beacon", "foreign code", "not_before: a member more")
    ]
    return (*honest_receipts(), *edges, *beacons)


def draw_given(rng: Random, given: Given) -> Given:
    """Give something else beside the receipt: each of it can be said to every verifier."""
    here, given = world(), given._replace(chain_ids=())
    how = rng.randrange(6)
    if how < 3:
        chains: tuple[tuple[ChainId, ...], ...] = ((), (MAIN,), (SIDE,), (MAIN, SIDE))
        return given._replace(
            policy=None, chain_ids=rng.choice(chains), accept_unpinned=rng.random() < 0.7
        )
    if how == 3:
        return given._replace(leaf=rng.choice((2, 3, 6)))
    if how == 4:
        return given._replace(block_hashes=frozenset())
    said: dict[str, Any] = {
        "time_slack": rng.choice((None, 0, 12, 86_400)),
        "recorded_at_tolerance": rng.choice((0, 60, 300, 86_400)),
    }
    entries = [dataclasses.replace(here.entry(chain), **said) for chain in (MAIN, SIDE)]
    if rng.random() < 0.3:
        # A chain that nobody lists, with the code of the first.
        entries = [dataclasses.replace(entries[0], chain_id=ChainId(31338))]
    return given._replace(policy=here.policy(*entries[: rng.randrange(1, 3)]))


# ------------------------------------------------------------------------------------------------
# Faults of the form.


def get(members: Any, name: str) -> Any:
    """Return a member of an object that may have become something else."""
    if not isinstance(members, Members):
        return None
    return next((value for at, value in members if at == name), None)


def put(members: Members, name: str, value: Any) -> None:
    """Set a member, or add it."""
    for pair in members:
        if pair[0] == name:
            pair[1] = value
            return
    members.append([name, value])


def put_null(rng: Random, document: Members) -> bool:
    place = pick(rng, document, lambda place: place.value is not None)
    if place:
        place.put(None)
    return bool(place)


BOUNDS: dict[str, tuple[int, ...]] = {
    "index": (-1, 0, (1 << 48) - 2, (1 << 48) - 1),
    "size": (0, 1, (1 << 48) - 1, 1 << 48),
    "chain_id": (0, 1, (1 << 53) - 1, 1 << 53),
    "sequence": (0, 1, (1 << 40) - 1, 1 << 40),
    "block_number": (-1, 0, (1 << 48) - 1, 1 << 48),
    "timestamp": (-1, 0, (1 << 48) - 1, 1 << 48),
}
LENGTHS: dict[str, tuple[int, ...]] = {
    "path": (0, 48, 49),
    "anchors": (0, 16, 17),
    "account_proof": (0, 65, 66),
    "storage_proof": (0, 65, 66),
    "operator_proof": (0, 65, 66),
    "proof": (0, 65, 66),
}
BYTES: dict[str, tuple[int, ...]] = {
    "header": (0, 1, 8_192, 8_193),
    "account_proof": (0, 1, 532, 533),
    "storage_proof": (0, 1, 532, 533),
    "operator_proof": (0, 1, 532, 533),
    "proof": (0, 1, 532, 533),
    "root": (0, 31, 33),
    "path": (0, 31, 33),
    "log": (0, 31, 33),
    "registry": (0, 19, 21),
    "tx_hash": (0, 31, 33),
    "block_hash": (0, 31, 33),
}


def go_to_a_bound(rng: Random, document: Members) -> bool:
    """Put a number, a list or a string at a bound of its member, or one beyond it."""
    place = pick(rng, document, lambda place: bool(place.names) and place.value is not None)
    if place is None:
        return False
    name, value = place.names[-1], place.value
    if type(value) is int and name in BOUNDS:
        place.put(rng.choice(BOUNDS[name]))
    elif isinstance(value, list) and not isinstance(value, Members) and name in LENGTHS and value:
        place.put([json_copy(value[-1]) for _ in range(rng.choice(LENGTHS[name]))])
    elif isinstance(value, str) and name in BYTES:
        prefix = "0x" if value.startswith("0x") else ""
        digits = value.removeprefix("0x") or "00"
        length = 2 * rng.choice(BYTES[name])
        place.put(prefix + (digits * (length // len(digits) + 1))[:length])
    elif name == "record" and isinstance(value, str):
        filler = (65_535 if rng.random() < 0.5 else 65_536) - len(value) - len('"A":"",')
        place.put(value.replace("{", '{"A":"' + rng.choice("xé") * filler + '",', 1))
    else:
        return False
    return True


# ------------------------------------------------------------------------------------------------
# Faults of the record.

# Members of an object of ours, each with what it must not be.
WRONG: dict[str, tuple[Any, ...]] = {
    "size": (None, -1, 1 << 53, "17", True, 1),
    "name": (None, "", 1, "x" * 4_097),
    "media_type": (None, 1, [], True),
    "salt": (None, "", "0x" + "00" * 32, "A" * 64, 1),
    "recorded_at": (None, "", "2026-09-21", "2026-09-21T24:00:00Z", 1),
    "log": (None, "", "00" * 32, "0x" + "AB" * 32, "0x00", 1, "0x" + "11" * 32),
    "digests": (None, {}, [], "x", 1),
    "schema": (None, "evidence-record/2", "", 1),
}


def spell(record: Any) -> str:
    """Write a record canonically, wherever its names allow that."""
    names = sorted(record, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    ordered = {name: record[name] for name in names}
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))


def bend_record_often(rng: Random, document: Members) -> bool:
    """Put two faults or more into the record."""
    text = get(document, "record")
    if not isinstance(text, str):
        return False
    record = json.loads(text)
    if rng.random() < 0.6:
        record["digests"] = rng.choice(({"sha512": "00"}, {"md5": None}, {"x": 1, "y": []}))
    for _ in range(rng.randrange(1, 4)):
        if rng.random() < 0.7:
            name = rng.choice(list(WRONG))
            record[name] = rng.choice(WRONG[name])
        else:
            rng.choice(RECORDS)(rng, record)
    text = spell(record)
    if rng.random() < 0.25:
        text = rng.choice(SPELLINGS)(rng, text)
    put(document, "record", text)
    return True


def name_a_log(rng: Random, document: Members) -> bool:
    text = get(document, "record")
    if not isinstance(text, str):
        return False
    record = json.loads(text)
    logs = (world().log, world().other_log, bytes(32))
    record["log"] = rng.choice((*(f"0x{log.hex()}" for log in logs), *WRONG["log"]))
    put(document, "record", spell(record))
    return True


# ------------------------------------------------------------------------------------------------
# Faults of headers and tries, which are hashed anew.


def pick_state(rng: Random, document: Members) -> Members | None:
    anchors = get(document, "anchors")
    if not isinstance(anchors, list):
        return None
    states = [state for anchor in anchors if isinstance(state := get(anchor, "state"), Members)]
    return rng.choice(states) if states else None


def tower(levels: int, *inmost: bytes) -> Any:
    """Return a list within so many others."""
    item: Any = [*inmost]
    for _ in range(levels):
        item = [item]
    return item


def bend_header(rng: Random, document: Members) -> bool:
    """Give a header another number of items, or an item of another form."""
    state = pick_state(rng, document)
    if state is None:
        return False
    items = rlp.decode(bytes.fromhex(get(state, "header")[2:]))
    how = rng.randrange(4)
    if how == 0:
        items = items[: rng.randrange(13, 21)]
    elif how in (1, 2):
        added = [b"", b"\1", b"\0", b"\x11" * 32, [], [b"new", [b"", []]], b"x" * 300]
        items += [rng.choice((*added, tower(rng.randrange(9)))) for _ in range(rng.randrange(1, 6))]
    else:
        at = rng.randrange(len(items))
        value = items[at] if isinstance(items[at], bytes) else b""
        items[at] = rng.choice(
            (b"", value[1:], b"\0" + value, value + b"\1", [], [value], b"\1" * 33)
        )
    put(state, "header", f"0x{rlp.encode(items).hex()}")
    return True


def proofs(state: Members) -> Iterator[list[Any]]:
    """Every list of nodes in a state proof."""
    successor, beacon = get(state, "successor"), get(state, "beacon")
    for holder, name in (
        (beacon, "account_proof"),
        (beacon, "storage_proof"),
        (state, "account_proof"),
        (state, "storage_proof"),
        (state, "operator_proof"),
        (successor, "proof"),
        (get(successor, "takeover"), "proof"),
    ):
        nodes = get(holder, name)
        if isinstance(nodes, list) and not isinstance(nodes, Members):
            yield nodes


def replace_node(state: Members, old: bytes, new: bytes) -> None:
    """Put another node in the place of one, and mend every hash above it, up to the header."""
    pending = [(keccak256(old), keccak256(new))]
    for nodes in proofs(state):
        nodes[:] = [f"0x{new.hex()}" if node == f"0x{old.hex()}" else node for node in nodes]
    while pending:
        was, becomes = (each.hex() for each in pending.pop())
        for nodes in proofs(state):
            for at, node in enumerate(nodes):
                # The new node may name the old one, as an extension above it does.
                if isinstance(node, str) and was in node and node != f"0x{new.hex()}":
                    nodes[at] = node.replace(was, becomes)
                    pair = (bytes.fromhex(text[2:]) for text in (node, nodes[at]))
                    hashes = tuple(map(keccak256, pair))
                    if hashes not in pending:
                        pending.append((hashes[0], hashes[1]))
        header = get(state, "header")
        if isinstance(header, str):
            put(state, "header", header.replace(was, becomes))


def bend_branch(rng: Random, items: list[Any]) -> list[Any]:
    how = rng.randrange(7)
    at = rng.randrange(16)
    if how == 0:
        items[at] = b""
    elif how in (1, 2, 3):
        # What stands beside the key's path, if it is not on it.
        items[at] = rng.choice((
            b"\x11" * 32, b"\x11" * 31, b"\x11" * 33, b"\1", [], [b"", b""], [b"\x20", b"\1"],
            [b"\x20" + b"\x11" * 30, b"\1"], [b""] * 17, [[b"\x20", b"\1"], b"\1"], [b"\1"],
            tower(rng.randrange(1, 11)),
        ))  # fmt: skip
    elif how == 4:
        items[16] = rng.choice((b"\1", [], b"x" * 40))
    elif how == 5:
        kept = rng.randrange(16)
        items[:16] = [item if place == kept else b"" for place, item in enumerate(items[:16])]
    else:
        del items[at]
    return items


def bend_leaf(rng: Random, items: list[Any]) -> list[Any]:
    path, value = items
    how = rng.randrange(5)
    if how == 0:
        flag = rng.randrange(16) << 4
        items[0] = bytes([flag | path[0] & 15]) + path[1:]
    elif how == 1:
        items[0] = rng.choice((path + b"\0", path[:-1], b"", path[:1], [path], b"\x1f" + path))
    elif how == 2:
        items[1] = rng.choice(
            (b"", [], [value], value + b"\0", value[:-1], b"\x80", b"\xc0", b"\0")
        )
    elif how == 3 and isinstance(value, bytes):
        held = rlp.decode(value)
        if isinstance(held, list):
            at = rng.randrange(len(held))
            held[at] = rng.choice((b"", b"\0" + held[at], held[at][1:], [], b"\1" * 33, EMPTY_ROOT))
            if rng.random() < 0.2:
                held.append(b"\1")
            items[1] = rlp.encode(held)
        else:
            items[1] = rlp.encode(rng.choice((
                b"", b"\0", b"\0" + held, held[1:], held[:-6] + bytes(6), b"\1" * 33, [held], b"\1",
                b"\xff" * 32, b"\1" * 20, b"\1" * 21,
            )))  # fmt: skip
    else:
        items.append(b"")
    return items


def bend_trie(rng: Random, document: Members) -> bool:
    """Give a node of a proof another form, or a slot another value, and mend the hashes above."""
    state = pick_state(rng, document)
    if state is None:
        return False
    nodes = rng.choice(list(proofs(state)))
    old = bytes.fromhex(rng.choice(nodes)[2:])
    how = rng.random()
    if how < 0.1:
        new = rng.choice((old + b"\0", old[:-1], b"\xc0", b"\x80", rlp.encode([old, old])))
    elif how < 0.15:
        # An extension above the node, which no longer is where the key's digits lead.
        new = rlp.encode([rng.choice((b"\x11", b"\x00", b"\x00\x11", b"\x1a")), keccak256(old)])
        if not len(new) >= 32:
            return False
        at = nodes.index(f"0x{old.hex()}")
        replace_node(state, old, new)
        nodes.insert(at + 1, f"0x{old.hex()}")
        return True
    else:
        items = rlp.decode(old)
        new = rlp.encode((bend_branch if len(items) == 17 else bend_leaf)(rng, items))
    if new == old:
        return False
    replace_node(state, old, new)
    return True


# ------------------------------------------------------------------------------------------------
# Faults of what is said of a successor, and of several anchors.


@functools.cache
def successor_anchors(leaf: int) -> tuple[Members, ...]:
    """Anchors of that leaf, proven with every form of what may be said of a successor."""
    absent = world().tree.root(5)
    found = []
    for anchor in true_anchors(leaf)[-3:]:
        if anchor.chain_id != MAIN:
            continue
        for size in (None, 4, 9, 13):
            for shown in (True, False, LATER_ROOT, absent):
                document = to_document(leaf, anchor)
                with_successor(size, shown=shown)(document)
                found.append(open_up(document["anchors"][0]))
    return tuple(found)


def bend_successor(rng: Random, document: Members) -> bool:
    anchors = get(document, "anchors")
    if not isinstance(anchors, list) or isinstance(anchors, Members) or not anchors:
        return False
    index = get(document, "index")
    donor = json_copy(rng.choice(successor_anchors(index if index in (2, 6) else 6)))
    how = rng.randrange(8)
    if how < 3:
        anchors[0] = donor
        return True
    if how < 5:
        # Of one block's state, in a proof of another's.
        state = pick_state(rng, document)
        if state is None:
            return False
        put(state, "successor", get(get(donor, "state"), "successor"))
        return True
    anchors[0] = donor
    state = get(donor, "state")
    successor = get(state, "successor")
    takeover = get(successor, "takeover")
    if how == 5:
        other = [["root", LATER_ROOT.hex()], ["proof", json_copy(get(state, "storage_proof"))]]
        put(successor, "takeover", rng.choice((None, Members(other), Members(other[:1]), [])))
    elif how == 6 and takeover is not None:
        proof, first = get(successor, "proof"), get(takeover, "proof")
        put(successor, "proof", first)
        put(takeover, "proof", proof)
    else:
        put(successor, rng.choice(("proof", "takeover", "log", "root")), rng.choice(([], None, 1)))
    return True


def bend_anchors(rng: Random, document: Members) -> bool:
    """Put in an anchor on another chain, in another registry, without a proof, or once more."""
    anchors = get(document, "anchors")
    if not isinstance(anchors, list) or isinstance(anchors, Members):
        return False
    index = get(document, "index")
    leaf = index if index in (2, 6) else 6
    new = open_up(to_document(leaf, rng.choice(true_anchors(leaf)))["anchors"][0])
    if anchors and rng.random() < 0.3:
        new = json_copy(rng.choice(anchors))
    if not isinstance(new, Members):
        return False
    for _ in range(rng.randrange(3)):
        how = rng.randrange(4)
        if how == 0:
            put(new, "registry", rng.choice(("0x" + "77" * 20, "0x" + "00" * 20)))
        elif how == 1:
            put(new, "chain_id", rng.choice((1, 10, 8453, 560048, 11155111, 31337, 31338, 999)))
        elif how == 2:
            new[:] = [pair for pair in new if pair[0] != "state"]
        else:
            put(new, rng.choice(("sequence", "timestamp", "block_number")), rng.randrange(1 << 32))
    if anchors and rng.random() < 0.4:
        anchors[rng.randrange(len(anchors))] = new
    else:
        anchors.insert(rng.randrange(len(anchors) + 1), new)
    if rng.random() < 0.5:
        document[:] = [pair for pair in document if pair[0] != "head"]
    return True


# ------------------------------------------------------------------------------------------------

# Behind these a verification goes on to what is proven.
DEEP: dict[str, tuple[int, Callable[[Random, Members], bool]]] = {
    "the header bent": (3, bend_header),
    "a trie bent": (8, bend_trie),
    "the successor bent": (5, bend_successor),
    "the anchors bent": (4, bend_anchors),
    "something true of something else": (1, BENDS["something true of something else"]),
}
FAULTS: dict[str, tuple[int, Callable[[Random, Members], bool]]] = {
    "null": (3, put_null),
    "at a bound": (4, go_to_a_bound),
    "the record bent often": (4, bend_record_often),
    "the record's log": (2, name_a_log),
    **{name: (1, bend) for name, bend in BENDS.items()},
    **DEEP,
}
KINDS = (*FAULTS, *TEXTS)
# So many draws find two faults in whatever is left to be bent.
DRAWS = 100


def make_doubled(seed: int, number: int) -> Doubled:
    """Put two faults or more into an honest receipt."""
    rng = Random(f"{seed}/two/{number}")
    honest = rng.choice(bases())
    given = draw_given(rng, honest.given) if rng.random() < 0.5 else honest.given
    document, text, kinds = put_faults(rng, honest.document)
    data = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:
        kind = rng.choice(list(TEXTS))
        try:
            data, kinds = TEXTS[kind](rng, data), [*kinds, kind]
        except (ValueError, RecursionError):  # it is no JSON any more, or none that Python reads
            pass
    if given.block_hashes and rng.random() < 0.9:
        given = given._replace(block_hashes=given.block_hashes | hashes_of(document))
    return Doubled(number, tuple(kinds), data, given, honest)


def put_faults(rng: Random, honest: dict[str, Any]) -> tuple[Members, str, list[str]]:
    """Return the document with two faults or more, its text, and the kinds of them."""
    faults = DEEP if rng.random() < 0.5 and honest["anchors"] else FAULTS
    wanted = rng.choices((2, 3, 4), weights=(6, 3, 1))[0]
    document, kinds = open_up(honest), list[str]()
    text = write(document)
    for _ in range(DRAWS):
        (kind,) = rng.choices(list(faults), weights=[weight for weight, _ in faults.values()])
        bent = json_copy(document)
        if bends(faults[kind][1], rng, bent) and (written := write(bent)) != text:
            document, text = bent, written
            kinds.append(kind)
        if len(kinds) == wanted:
            return document, text, kinds
    raise AssertionError(f"nothing was left to bend after {kinds}")


def hashes_of(document: Members) -> frozenset[bytes]:
    """Return the hash of every header in a document that still spells one."""
    anchors = get(document, "anchors")
    found = set()
    for anchor in anchors if isinstance(anchors, list) else ():
        header = get(get(anchor, "state"), "header")
        try:
            found.add(keccak256(bytes.fromhex(header[2:])))
        except (TypeError, ValueError):
            continue
    return frozenset(found)
