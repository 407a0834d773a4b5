"""Receipts, honest and bent in every way we know, for verifiers that have to agree on them.

Case ``number`` of a campaign with ``seed`` depends on these two alone: ``make_case`` makes any one
of them again.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Iterator
from json.encoder import encode_basestring_ascii
from random import Random
from typing import Any, NamedTuple

import rlp
from support.tries import keccak256
from support.world import MAIN, OWNER, SIDE, World, hash_of

from anchor.base.canonical import encode_canonical
from anchor.base.types import Anchor, ChainId, Hash32, make_log_id
from anchor.receipt.format import ReceiptAnchor, encode_receipt
from anchor.receipt.state_proof import StateProof
from anchor.registry.storage import anchor_slot, successor_slot
from anchor.verification.policy import TrustPolicy


class Given(NamedTuple):
    """What a verifier is given beside the receipt."""

    leaf: int
    policy: TrustPolicy | None
    block_hashes: frozenset[bytes]
    chain_ids: tuple[ChainId, ...] = ()
    accept_unpinned: bool = False


class Honest(NamedTuple):
    """A receipt, what is given with it, and the exit code that it has to end with."""

    name: str
    document: dict[str, Any]
    given: Given
    code: int


class Case(NamedTuple):
    """A receipt bent in one way or more."""

    number: int
    kind: str
    receipt: bytes
    honest: Honest


# ------------------------------------------------------------------------------------------------
# The honest ones.


@functools.cache
def world() -> World:
    return World()


@functools.cache
def true_anchors(leaf: int) -> list[ReceiptAnchor]:
    """Every anchor that covers the leaf, on both chains, as it was proven in two blocks."""
    found = []
    for at in (35, 40):
        for chain_id in (MAIN, SIDE):
            found += [
                world().prove(world().anchor(leaf, size, chain_id), at=at)
                for size in (4, 9, 13)
                if leaf < size
            ]
    return found


def named_hashes(anchors: list[ReceiptAnchor]) -> frozenset[bytes]:
    return frozenset(keccak256(anchor.state.header) for anchor in anchors if anchor.state)


def to_document(leaf: int, *anchors: ReceiptAnchor) -> dict[str, Any]:
    return json.loads(encode_receipt(world().receipt(leaf, *anchors)))


def without_state(anchor: ReceiptAnchor) -> ReceiptAnchor:
    return dataclasses.replace(anchor, state=None)


@functools.cache
def honest_receipts() -> tuple[Honest, ...]:
    here = world()
    policy, wide = here.policy(), here.policy(here.entry(MAIN), here.entry(SIDE))
    elsewhere = here.policy(dataclasses.replace(here.entry(), registry=b"\x77" * 20))
    other_log = here.policy(dataclasses.replace(here.entry(), logs=(5,)))
    by = {
        (anchor.chain_id, anchor.head.size): anchor
        for anchor in true_anchors(6)[len(true_anchors(6)) // 2 :]
    }
    main, side = by[MAIN, 9], by[SIDE, 9]
    owners = next(anchor for anchor in true_anchors(2) if anchor.head.size == 4)
    unheld = here.prove(here.anchor(6, 9))
    head = dataclasses.replace(unheld.head, root=here.tree.root(12), size=12)
    path = tuple(here.tree.inclusion_path(6, 12))
    slot_proof = absent_proof(here)
    unheld = dataclasses.replace(unheld, head=head, path=path, state=slot_proof)

    def honest(
        name: str,
        code: int,
        *anchors: ReceiptAnchor,
        leaf: int = 6,
        policy: TrustPolicy | None = policy,
        hashes: frozenset[bytes] | None = None,
        chain_ids: tuple[ChainId, ...] = (),
        accepted: bool = False,
        bend: Callable[[dict[str, Any]], None] | None = None,
    ) -> Honest:
        document = to_document(leaf, *anchors)
        if bend:
            bend(document)
        named = header_hashes(document) if hashes is None else hashes
        return Honest(name, document, Given(leaf, policy, named, chain_ids, accepted), code)

    late, later = (world_of(recorded_at=f"2026-09-21T14:{minute}:00.5Z") for minute in ("20", "40"))
    nothing: Any = {"policy": None, "chain_ids": (MAIN,), "accepted": True}
    return (
        honest("an operator's", 0, main),
        honest("the owner's", 0, owners, leaf=2),
        honest("the owner's, nothing pinned", 0, owners, leaf=2, **nothing),
        honest("an operator's, nothing pinned", 0, main, **nothing),
        honest("two chains'", 0, main, side, policy=wide),
        honest("two chains', nothing pinned", 0, main, side,
               **nothing | {"chain_ids": (MAIN, SIDE)}),
        honest("two chains', one pinned", 0, main, side),
        honest("two chains', one named", 0, main, side, policy=wide, chain_ids=(SIDE,)),
        honest("two chains', one block named", 20, main, side, policy=wide,
               hashes=named_hashes([main])),
        honest("one proven, one not", 20, main, without_state(side), policy=wide),
        honest("one proven, one not and not pinned", 0, main, without_state(side)),
        honest("nothing proven", 20, without_state(main)),
        honest("no block named", 20, main, hashes=frozenset()),
        honest("not anchored", 11, unheld),
        honest("a promise", 20),
        honest("a promise, nothing pinned", 21, policy=None, accepted=True),
        honest("a promise, nothing pinned, not accepted", 20, policy=None),
        honest("nothing pinned, not accepted", 20, side, policy=None),
        honest("nothing pinned, accepted", 0, side, policy=None, accepted=True),
        honest("a development chain that nothing names", 20, main, policy=None, accepted=True),
        honest("another chain named", 12, main, **nothing | {"chain_ids": (SIDE,)}),
        honest("another registry pinned", 12, main, policy=elsewhere),
        honest("another log pinned", 12, main, policy=other_log),
        honest("a promise in another log than is pinned", 12, policy=other_log),
        honest("not abandoned", 0, main, bend=with_successor(None)),
        honest("closed, and covered", 0, main, bend=with_successor(9)),
        honest("closed, and covered by more", 0, main, bend=with_successor(13)),
        honest("abandoned", 13, main, bend=with_successor(4)),
        honest("abandoned, and whose key is not shown", 13, main, bend=unproven_key),
        honest("abandoned, nothing pinned", 13, main, bend=with_successor(4), **nothing),
        honest("the owner's, closed and covered", 0, owners, leaf=2, bend=with_successor(4)),
        honest("closed, from where is not shown", 20, main, bend=with_successor(4, shown=False)),
        honest("closed, from what it is not", 12, main, bend=with_successor(4, shown=LATER_ROOT)),
        honest("a later fork's header", 0, main, bend=lengthen_header(24)),
        honest("a header with its fork's items half", 22, main, bend=lengthen_header(19)),
        honest("recorded a little late", 0, main, bend=recorded_in(late)),
        honest("recorded too late", 20, main, bend=recorded_in(late), policy=here.policy(
            dataclasses.replace(here.entry(), recorded_at_tolerance=60))),
        honest("recorded much too late, nothing pinned", 20, main, bend=recorded_in(later),
               **nothing),
        honest("a record that names its log", 0, main, bend=recorded_in(
            world_of(log=f"0x{here.log.hex()}"))),
        honest("a record that names another log of the owner's", 0, main, bend=recorded_in(
            world_of(log=f"0x{here.other_log.hex()}", more=1))),
        honest("a record that names another owner's log", 10, main, bend=recorded_in(
            world_of(log="0x" + "11" * 32))),
    )  # fmt: skip


def absent_proof(here: World) -> StateProof:
    (proof,) = here.main.prove(40, anchor_slot(here.log, here.tree.root(12)))
    return proof


SUCCESSOR = make_log_id(OWNER, 7)


@functools.cache
def closed_world(size: int | None) -> World:
    """The same world, where the owner closed the log and went on from the anchor of ``size``."""
    here = World()
    for chain in here.chains.values() if size else ():
        chain.store(successor_slot(here.log), SUCCESSOR, block=36)
        first = Anchor(
            size=size or 0,
            sequence=1,
            block_number=36,
            timestamp=chain.block(36).timestamp,
            operator_id=0,
        )
        chain.store_anchor(SUCCESSOR, here.tree.root(size or 0), first)
        later = dataclasses.replace(first, size=13, sequence=2, block_number=38)
        chain.store_anchor(SUCCESSOR, LATER_ROOT, later)
    return here


# What the successor's log holds as its second anchor.
LATER_ROOT = hash_of("a later head")


def with_successor(
    size: int | None, *, shown: Hash32 | bool = True, at: int = 40
) -> Callable[[dict[str, Any]], None]:
    """Return what proves a first anchor in `closed_world(size)`, and the successor with it.

    ``shown`` is the root that is shown as what the successor took over; True: the true one.
    """

    def bend(document: dict[str, Any]) -> None:
        here, index = closed_world(size), document["index"]
        anchor = here.prove(here.anchor(index, document["anchors"][0]["size"]), at=at)
        (new,) = to_document(index, anchor)["anchors"]
        (proof,) = here.main.prove(at, successor_slot(here.log))
        new["state"]["successor"] = {"proof": to_hex(proof.storage_proof)}
        if size and shown is not False:
            root = here.tree.root(size) if shown is True else shown
            (first,) = here.main.prove(at, anchor_slot(SUCCESSOR, root))
            takeover = {"root": root.hex(), "proof": to_hex(first.storage_proof)}
            new["state"]["successor"]["takeover"] = takeover
        document["anchors"][0] = new

    return bend


@functools.cache
def world_of(**members: str | int) -> World:
    """The same world, but that every record has these members."""
    return World(
        [
            encode_canonical(json.loads(record) | members, subject="the record")
            for record in world().records
        ]
    )


def recorded_in(here: World) -> Callable[[dict[str, Any]], None]:
    """Return what makes a receipt one of the same leaf in that world."""

    def bend(document: dict[str, Any]) -> None:
        index, sizes = document["index"], [anchor["size"] for anchor in document["anchors"]]
        anchors = [here.prove(here.anchor(index, size)) for size in sizes]
        document.update(json.loads(encode_receipt(here.receipt(index, *anchors))))

    return bend


def to_hex(nodes: Iterable[bytes]) -> list[str]:
    return [f"0x{node.hex()}" for node in nodes]


def header_hashes(document: dict[str, Any]) -> frozenset[bytes]:
    """Return the hashes of all headers in a receipt."""
    states = [anchor["state"] for anchor in document["anchors"] if "state" in anchor]
    return frozenset(keccak256(bytes.fromhex(state["header"][2:])) for state in states)


def unproven_key(document: dict[str, Any]) -> None:
    """Abandon the first anchor, and leave out who sent it."""
    with_successor(4)(document)
    del document["anchors"][0]["state"]["operator_proof"]


def lengthen_header(items: int) -> Callable[[dict[str, Any]], None]:
    """Return what gives the first anchor's header more items, as a later fork would."""

    def bend(document: dict[str, Any]) -> None:
        state = document["anchors"][0]["state"]
        header = rlp.decode(bytes.fromhex(state["header"][2:]))
        added = [b"\x11" * 32, b"\x01", [b"new", []], b""] * items
        state["header"] = f"0x{rlp.encode([*header, *added][:items]).hex()}"

    return bend


# ------------------------------------------------------------------------------------------------
# A document that can be bent: objects are lists of pairs, so that a name may be there twice.


class Raw(str):
    """JSON as it stands."""

    __slots__ = ()


class Members(list[Any]):
    """An object: [name, value] pairs."""


def open_up(value: Any) -> Any:
    if isinstance(value, dict):
        return Members([name, open_up(entry)] for name, entry in value.items())
    return [open_up(entry) for entry in value] if isinstance(value, list) else value


def write(value: Any) -> str:
    if isinstance(value, Members):
        return "{" + ",".join(f"{json.dumps(n)}:{write(v)}" for n, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    if type(value) is str:
        return encode_basestring_ascii(value)
    return str(value) if isinstance(value, Raw) else json.dumps(value)


class Place(NamedTuple):
    """Where a value stands: ``holder[key]``, below members of these names."""

    holder: list[Any]
    key: int
    names: tuple[str, ...]

    @property
    def value(self) -> Any:
        return self.holder[self.key]

    def put(self, value: Any) -> None:
        self.holder[self.key] = value


def places(value: Any, names: tuple[str, ...] = ()) -> Iterator[Place]:
    """Every value within ``value``, with the names above it."""
    if isinstance(value, Members):
        for pair in value:
            yield Place(pair, 1, (*names, pair[0]))
            yield from places(pair[1], (*names, pair[0]))
    elif isinstance(value, list):
        for key, entry in enumerate(value):
            yield Place(value, key, names)
            yield from places(entry, names)


def pick(rng: Random, document: Any, fits: Callable[[Place], bool]) -> Place | None:
    found = [place for place in places(document) if fits(place)]
    return rng.choice(found) if found else None


def is_integer(place: Place) -> bool:
    return type(place.value) is int


def is_hex(place: Place) -> bool:
    name = place.names[-1] if place.names else ""
    return isinstance(place.value, str) and name not in ("record", "format")


def is_object(place: Place) -> bool:
    return isinstance(place.value, Members)


def is_list(place: Place) -> bool:
    return isinstance(place.value, list) and not isinstance(place.value, Members)


def is_rlp(place: Place) -> bool:
    return isinstance(place.value, str) and "state" in place.names


# ------------------------------------------------------------------------------------------------
# Bends of the document. Each changes it in place; None: nothing there to bend, draw again.

Bend = Callable[[Random, Members], bool]

NUMBERS: tuple[Callable[[int, Random], Any], ...] = (
    lambda n, rng: n + 1,
    lambda n, rng: n - 1,
    lambda n, rng: -n,
    lambda n, rng: 0,
    lambda n, rng: n + (1 << rng.choice((8, 16, 32, 40, 48, 53, 64))),
    lambda n, rng: n ^ 1 << rng.randrange(54),
    lambda n, rng: (
        (1 << rng.choice((16, 31, 32, 40, 48, 52, 53, 63, 64, 72, 256))) - rng.randrange(2)
    ),
    lambda n, rng: rng.randrange(64),
    lambda n, rng: Raw(f"{n}.0"),
    lambda n, rng: Raw(f"{n}e0"),
    lambda n, rng: Raw(f"-{n}"),
    lambda n, rng: Raw("-0"),
    lambda n, rng: Raw(f"0{n}"),
    lambda n, rng: Raw(f"+{n}"),
    lambda n, rng: Raw(f"{n}" + "0" * rng.choice((15, 16, 17, 400, 5000))),
    lambda n, rng: Raw(rng.choice(("NaN", "Infinity", "-Infinity", "1e999", "1_000", "0x10"))),
    lambda n, rng: str(n),
    lambda n, rng: bool(n % 2),
    lambda n, rng: None,
)

OTHERS = (
    None, True, False, 0, 1, -1, "", "0x", "x", [], Members(), [[]], [0], Members([["a", 1]]),
    Raw("1.5"), Raw("NaN"), Raw(""), Raw('"\\ud800"'), Raw('"\\u0000"'), Raw("nul"),
)  # fmt: skip

NAMES = (
    "head", "anchors", "state", "hints", "size", "root", "path", "index", "log", "format",
    "record", "chain_id", "operator_proof", "status", "url", "trust", "x", "", "__proto__",
    "Format", "format ", "f\u00f6rmat", "header", "code_hash", "tx_hash", "genesis",
)  # fmt: skip


def change_number(rng: Random, document: Members) -> bool:
    place = pick(rng, document, is_integer)
    if place:
        place.put(rng.choice(NUMBERS)(place.value, rng))
    return bool(place)


def drop_member(rng: Random, document: Members) -> bool:
    place = pick(rng, [document], is_object)
    if place and place.value:
        del place.value[rng.randrange(len(place.value))]
        return True
    return False


def add_member(rng: Random, document: Members) -> bool:
    place = pick(rng, [document], is_object)
    assert place
    donor = pick(rng, document, lambda _: True)
    value = json_copy(rng.choice((*OTHERS, donor.value if donor else 1)))
    place.value.insert(rng.randrange(len(place.value) + 1), [rng.choice(NAMES), value])
    return True


def rename_member(rng: Random, document: Members) -> bool:
    place = pick(rng, [document], is_object)
    if place and place.value:
        rng.choice(place.value)[0] = rng.choice(NAMES)
        return True
    return False


def double_member(rng: Random, document: Members) -> bool:
    place = pick(rng, [document], is_object)
    if not place or not place.value:
        return False
    name, value = rng.choice(place.value)
    if rng.random() < 0.5:
        value = json_copy(rng.choice(OTHERS))
    place.value.insert(rng.randrange(len(place.value) + 1), [name, value])
    return True


def shuffle_members(rng: Random, document: Members) -> bool:
    place = pick(rng, [document], is_object)
    assert place
    rng.shuffle(place.value)
    return True


def replace_value(rng: Random, document: Members) -> bool:
    place = pick(rng, document, lambda _: True)
    assert place
    place.put(json_copy(rng.choice(OTHERS)))
    return True


def copy_value(rng: Random, document: Members) -> bool:
    place = pick(rng, document, lambda _: True)
    assert place
    name = place.names[-1]
    donor = pick(rng, document, lambda other: other.names[-1] == name or rng.random() < 0.05)
    if donor:
        place.put(json_copy(donor.value))
    return bool(donor)


def json_copy(value: Any) -> Any:
    return type(value)(map(json_copy, value)) if isinstance(value, list) else value


def swap_values(rng: Random, document: Members) -> bool:
    first = pick(rng, document, is_hex)
    if first is None:
        return False
    second = pick(rng, document, lambda place: is_hex(place) and place.value != first.value)
    if second is None:
        return False
    one, other = first.value, second.value
    first.put(other)
    second.put(one)
    return True


def bend_list(rng: Random, document: Members) -> bool:
    place = pick(rng, document, is_list)
    if not place:
        return False
    entries = place.value
    how = rng.randrange(7)
    if how == 0:
        place.put(json_copy(entries) * rng.choice((2, 5, 17, 66)))
    elif how == 1 and entries:
        del entries[rng.randrange(len(entries))]
    elif how == 2 and entries:
        entries.insert(rng.randrange(len(entries) + 1), json_copy(rng.choice(entries)))
    elif how == 3 and len(entries) > 1:
        entries.reverse()
    elif how == 4 and len(entries) > 1:
        one, other = rng.sample(range(len(entries)), 2)
        entries[one], entries[other] = entries[other], entries[one]
    elif how == 5:
        entries.insert(rng.randrange(len(entries) + 1), json_copy(rng.choice(OTHERS)))
    else:
        place.put([])
    return True


def flip_digit(rng: Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + rng.choice("0123456789abcdef") + text[at + 1 :]


HEX: tuple[Callable[[Random, str], str], ...] = (
    flip_digit,
    flip_digit,
    flip_digit,
    lambda rng, text: text.upper(),
    lambda rng, text: text.replace("0x", "0X"),
    lambda rng, text: text.removeprefix("0x") if text.startswith("0x") else "0x" + text,
    lambda rng, text: text[:-1],
    lambda rng, text: text[:-2],
    lambda rng, text: text + "0",
    lambda rng, text: text + "00",
    lambda rng, text: text + "00" * rng.choice((1, 500, 532, 533, 8192)),
    lambda rng, text: text + rng.choice((" ", "\n", "\t", "\0")),
    lambda rng, text: rng.choice((" ", "\n")) + text,
    lambda rng, text: text[:10] + rng.choice((" ", "_", "g", "٣", "\u00e4")) + text[11:],
    lambda rng, text: text[:10] + text[10:].replace("a", "A", 1),
    lambda rng, text: text[:2] + text[4:],
    lambda rng, text: "",
    lambda rng, text: "0x",
)


def bend_hex(rng: Random, document: Members) -> bool:
    place = pick(rng, document, is_hex)
    if place and place.value:
        place.put(rng.choice(HEX)(rng, place.value))
        return True
    return False


def nest(rng: Random, document: Members) -> bool:
    place = pick(rng, document, lambda _: True)
    assert place
    depth = rng.choice((*range(1, 20), 100, 2000, 100_000))
    if rng.random() < 0.5:
        place.put(Raw("[" * depth + rng.choice(("", "1")) + "]" * depth))
    else:
        place.put(Raw('{"a":' * depth + "1" + "}" * depth))
    return True


# RLP.


def spell_longer(data: bytes) -> bytes:
    """Spell the outermost length of an RLP list with one byte more than need be."""
    if data[:1] < b"\xc0":
        return b"\x81" + data[:1] + data[1:]
    if data[0] <= 0xF7:
        return bytes([0xF8, data[0] - 0xC0]) + data[1:]
    width = data[0] - 0xF7
    return bytes([data[0] + 1]) + b"\0" + data[1 : 1 + width] + data[1 + width :]


def edit_items(rng: Random, data: bytes) -> bytes:
    items = rlp.decode(data)
    if not isinstance(items, list) or not items:
        return data + b"\0"
    at = rng.randrange(len(items))
    how = rng.randrange(7)
    if how == 0:
        del items[at]
    elif how == 1:
        items.insert(at, items[at])
    elif how == 2 and isinstance(items[at], bytes):
        items[at] = b"\0" + items[at]
    elif how == 3 and isinstance(items[at], bytes) and items[at]:
        bent = bytearray(items[at])
        bent[rng.randrange(len(bent))] ^= 1 << rng.randrange(8)
        items[at] = bytes(bent)
    elif how == 4:
        items[at] = b""
    elif how == 5:
        items[at] = [items[at]]
    else:
        items.append(b"\1")
    return rlp.encode(items)


RLP: tuple[Callable[[Random, bytes], bytes], ...] = (
    lambda rng, data: spell_longer(data),
    edit_items,
    edit_items,
    edit_items,
    lambda rng, data: data + b"\0",
    lambda rng, data: data[:-1],
    lambda rng, data: rlp.encode(data),
    lambda rng, data: rlp.encode([data]),
    lambda rng, data: b"\xc0",
    lambda rng, data: b"\x80",
    lambda rng, data: b"",
)


def bend_rlp(rng: Random, document: Members) -> bool:
    place = pick(rng, document, is_rlp)
    if not place:
        return False
    place.put("0x" + rng.choice(RLP)(rng, bytes.fromhex(place.value[2:])).hex())
    return True


# What another true receipt has.


def transplant(rng: Random, document: Members) -> bool:
    """Put in an anchor, a state or a path that is true of something else."""
    anchors = next((value for name, value in document if name == "anchors"), None)
    if not isinstance(anchors, list) or isinstance(anchors, Members) or not anchors:
        return False
    leaf = rng.choice((2, 6, 6, 6, 3))
    donor = open_up(to_document(leaf, rng.choice(true_anchors(leaf))))
    (other,) = next(value for name, value in donor if name == "anchors")
    at = rng.randrange(len(anchors))
    how = rng.randrange(4)
    if how == 0:
        anchors[at] = other
    elif how == 1 or not isinstance(anchors[at], Members):
        anchors.append(other)
    else:
        names = rng.sample([name for name, _ in other], 1 if how == 2 else rng.randrange(2, 6))
        found = dict(map(tuple, other))
        for pair in anchors[at]:
            if pair[0] in names and pair[0] in found:
                pair[1] = found[pair[0]]
    return True


def promise_instead(rng: Random, document: Members) -> bool:
    """Turn anchors into a promise, or put a promise beside them."""
    promised = dict(map(tuple, open_up(to_document(6))))
    if rng.random() < 0.5:
        for pair in document:
            if pair[0] == "anchors":
                pair[1] = rng.choice(([], None, Raw("0"), Raw("false"), Members()))
    document.insert(rng.randrange(len(document) + 1), ["head", promised["head"]])
    return True


def change_format(rng: Random, document: Members) -> bool:
    document[0][1] = rng.choice(
        (
            "anchor-receipt/2", "anchor-receipt/0", "anchor-receipt/10", "anchor-receipt/01",
            "anchor-receipt/", "anchor-receipt/1 ", "anchor-receipt/1.0", "anchor-receipt/-1",
            "anchor-receipt/x", "anchor-receipt", "evidence-record/1", "Anchor-Receipt/1", "",
            "anchor-receipt/٢", "anchor-receipt/2\n", "other/1", "anchor-receipt/" + "9" * 30,
        )
    )  # fmt: skip
    return True


# The record within.

RECORDS: tuple[Callable[[Random, dict[str, Any]], Any], ...] = (
    lambda rng, r: r.pop(rng.choice(list(r))),
    lambda rng, r: r.update({rng.choice((*NAMES, *r)): rng.choice((None, 1, "x", [], {}, True))}),
    lambda rng, r: r.update(schema=rng.choice(
        ("evidence-record/2", "evidence-record/0", "evidence-record/01", "evidence-record/",
         "evidence-record/1 ", "x", "", "anchor-receipt/1", "evidence-record/" + "1" * 25))),
    lambda rng, r: r.update(size=rng.choice((-1, 0, 1, 18, 1 << 48, 1 << 52, 1 << 53, 1 << 64))),
    lambda rng, r: r.update(name=rng.choice(("", "a" * 4096, "a" * 4097, "\u00e9", "\n", "\0"))),
    lambda rng, r: r.update(name="\U0001f600" * rng.choice((2048, 4096, 4097))),
    lambda rng, r: r.update(media_type=rng.choice(
        ("", "x", "a" * 255, "a" * 256, "a" * 4097, "text/plain;a=b", "\u00e9/x", "A/B", "a b/c"))),
    lambda rng, r: r.update(salt=rng.choice(("", "00", "A" * 64, "0" * 63, "0" * 64, "g" * 64))),
    lambda rng, r: r.update(recorded_at=rng.choice(TIMES)),
    lambda rng, r: r["digests"].pop(rng.choice(list(r["digests"]))),
    lambda rng, r: r["digests"].clear(),
    lambda rng, r: r["digests"].update({rng.choice(("sha512", "SHA256", "md5", "x", "")): "00"}),
    lambda rng, r: r["digests"].update(sha256=rng.choice(("", "0" * 64, "A" * 64, "0" * 63))),
    lambda rng, r: r["digests"].update(sm3=rng.choice((None, 1, "0" * 64))),
)  # fmt: skip

TIMES = (
    "2026-09-21T14:00:06Z", "2026-09-21T14:00:06.000Z", "2026-09-21T14:00:06.1Z",
    "2026-09-21T14:00:06.123456789Z", "2026-09-21T14:00:06.Z", "2026-09-21T14:00:06",
    "2026-09-21T14:00:06+00:00", "2026-09-21T14:00:06z", "2026-09-21t14:00:06Z",
    "2026-09-21 14:00:06Z", "2026-02-30T15:00:06Z", "2026-09-21T24:00:00Z",
    "2026-09-21T23:59:60Z", "2016-12-31T23:59:60Z", "2026-13-21T15:00:06Z", "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "2026-9-21T15:00:06Z",
    "2026-09-21T15:00Z", "20260921T150006Z", "2026-W39-1T15:00:06Z", "", "Z",
    "٢026-09-21T14:00:06Z",
    "2026-09-21T14:00:06,5Z", "2026-09-21T14:00:06-00:00", "2026-02-29T00:00:00Z",
    "2028-02-29T00:00:00Z", "2026-09-21T15:60:06Z", "2026-09-21T14:00:06Z\n",
)  # fmt: skip

SPELLINGS: tuple[Callable[[Random, str], str], ...] = (
    lambda rng, text: text.replace(":", ": ", 1),
    lambda rng, text: text + rng.choice((" ", "\n", "}", "\0")),
    lambda rng, text: " " + text,
    lambda rng, text: "\ufeff" + text,
    lambda rng, text: text.replace("e", "\\u0065", 1),
    lambda rng, text: text.replace("/", "\\/", 1),
    lambda rng, text: text.replace('"size":17', '"size":17.0'),
    lambda rng, text: text.replace('"size":17', '"size":1.7e1'),
    lambda rng, text: text.replace('"size":17', '"size":-0'),
    lambda rng, text: text.replace('"size":17', '"size":NaN'),
    lambda rng, text: text.replace('"size":17', '"size":17,"size":17'),
    lambda rng, text: text.replace('"size":17', '"size":17,"\u00e9":1'),
    lambda rng, text: text.replace('"size":17', '"size":17,"z":' + "[" * 14 + "]" * 14),
    lambda rng, text: text.replace('"size":17', '"size":17,"z":' + "[" * 15 + "]" * 15),
    lambda rng, text: text.replace('"size":17', '"size":17,"z":' + "[" * 16 + "]" * 16),
    lambda rng, text: text.replace('"size":17', '"size":17,"z":' + "9" * rng.choice((15, 16, 17))),
    lambda rng, text: text.replace('"size":17', f'"size":17,"z":{(1 << 53) - rng.randrange(2)}'),
    lambda rng, text: text.replace("{", '{"A":"' + "y" * rng.choice((64_000, 66_000)) + '",', 1),
    lambda rng, text: text.replace("evidence-6", "\ud800", 1),
    lambda rng, text: text.replace("evidence-6", "\x7f", 1),
    lambda rng, text: text.replace("evidence-6", "\\u007f", 1),
    lambda rng, text: text.replace("evidence-6", "\\u001F", 1),
    lambda rng, text: text.replace("evidence-6", "\\b\\f\\u000b", 1),
    lambda rng, text: text.replace("evidence-6", "\u2028\U0001f600\ufffe", 1),
    lambda rng, text: flip_digit(rng, text),
    lambda rng, text: text[: rng.randrange(len(text))],
    lambda rng, text: "[" + text + "]",
    lambda rng, text: json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")),
)  # fmt: skip


def bend_record(rng: Random, document: Members) -> bool:
    place = pick(rng, document, lambda place: place.names[-1:] == ("record",))
    if not place or not isinstance(place.value, str):
        return False
    if rng.random() < 0.6:
        record = json.loads(place.value)
        rng.choice(RECORDS)(rng, record)
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    else:
        text = rng.choice(SPELLINGS)(rng, place.value)
    place.put(text)
    return True


BENDS: dict[str, Bend] = {
    "a number changed": change_number,
    "a member dropped": drop_member,
    "a member added": add_member,
    "a member renamed": rename_member,
    "a member twice": double_member,
    "members in another order": shuffle_members,
    "a value of another type": replace_value,
    "a value copied": copy_value,
    "two values swapped": swap_values,
    "a list bent": bend_list,
    "hex bent": bend_hex,
    "lists within lists": nest,
    "RLP bent": bend_rlp,
    "something true of something else": transplant,
    "a promise": promise_instead,
    "another format": change_format,
    "the record bent": bend_record,
}


# ------------------------------------------------------------------------------------------------
# Bends of the text.


def _at(rng: Random, data: bytes, there: Callable[[bytes], bytes]) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + there(data[at : at + 1]) + data[at + 1 :]


def _escape(rng: Random, data: bytes) -> bytes:
    """Spell a character of the text as an escape; within a string it is the same."""
    return _at(rng, data, lambda byte: f"\\u{byte[0]:04x}".encode())


BYTES = (
    b" ", b"\n", b"\t", b"\r", b"\0", b"\x0b", b"\xa0", b"\xff", b"\xc3\xa9",
    b"0", b"}", b"]", b",", b'"',
)  # fmt: skip

TEXTS: dict[str, Callable[[Random, bytes], bytes]] = {
    "a bit flipped": lambda rng, data: _at(
        rng, data, lambda byte: bytes([byte[0] ^ 1 << rng.randrange(8)])
    ),
    "a byte dropped": lambda rng, data: _at(rng, data, lambda byte: b""),
    "a byte doubled": lambda rng, data: _at(rng, data, lambda byte: byte * 2),
    "a byte put in": lambda rng, data: _at(
        rng, data, lambda byte: byte + rng.choice(BYTES)
    ),
    "an escape": _escape,
    "cut short": lambda rng, data: data[: rng.randrange(len(data))],
    "more after the end": lambda rng, data: data + rng.choice(
        (b" ", b"\n", b"\0", b"x", b"{}", b",", b"\xff", b" " * (1 << 20), data)
    ),
    "more before it": lambda rng, data: rng.choice(
        (b" ", b"\r\n", b"\xef\xbb\xbf", b"\0", b"//\n", b"[")
    ) + data,
    "another encoding": lambda rng, data: data.decode().encode(
        rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"))
    ),
    "white space": lambda rng, data: data.replace(b":", rng.choice((b" : ", b":\r\n\t", b":\x0c"))),
    "trailing comma": lambda rng, data: data[:-1] + b",}",
    "spread out": lambda rng, data: json.dumps(json.loads(data), indent=1).encode(),
}  # fmt: skip

KINDS = ("honest", *BENDS, *TEXTS, "several")


def make_cases(seed: int, first: int, count: int) -> Iterator[Case]:
    return (make_case(seed, number) for number in range(first, first + count))


def make_case(seed: int, number: int) -> Case:
    """Bend an honest receipt; the same two numbers give the same case."""
    rng = Random(f"{seed}/{number}")
    honest = rng.choice(honest_receipts())
    kind = rng.choices(KINDS, weights=[1, *[4] * len(BENDS), *[1] * len(TEXTS), 6])[0]
    document = open_up(honest.document)
    kinds = [kind] if kind != "several" else rng.choices(list(BENDS), k=rng.randrange(2, 4))
    for name in kinds:
        if name in BENDS:
            for _ in range(5):
                if bends(BENDS[name], rng, document):
                    break
    data = write(document).encode("utf-8", "surrogatepass")
    if kind in TEXTS:
        data = TEXTS[kind](rng, data)
    return Case(number, kind, data, honest)


def bends(bend: Bend, rng: Random, document: Members) -> bool:
    """Bend the document, unless an earlier bend left nothing that this one could bend."""
    if next(places(document), None) is None:
        return False
    try:
        return bend(rng, document)
    except (LookupError, AttributeError, TypeError, ValueError, RecursionError, rlp.DecodingError):
        return False


# ------------------------------------------------------------------------------------------------
# What may pass.


def is_true(document: Any, honest: Honest) -> bool:
    """Tell whether a receipt says nothing but what is true of the evidence, hints aside.

    Members that prove something may be left out where the format allows it, and anchors may be
    others of the same record in the same registry.
    """
    leaf = honest.given.leaf
    plain = ("format", "record", "log", "index")
    if {name: document[name] for name in plain} != {name: honest.document[name] for name in plain}:
        return False
    judged = [anchor for anchor in document["anchors"] if counts(anchor, honest.given)]
    mine = [_bare(anchor) for anchor in honest.document["anchors"]]
    true = _true_ones(leaf) | {*mine, *map(_unproven, mine)}
    return bool(judged) and all(_bare(anchor) in true for anchor in judged)


def counts(anchor: dict[str, Any], given: Given) -> bool:
    """Tell whether an anchor is on a chain and in a registry that count; others are left aside."""
    if given.chain_ids and anchor["chain_id"] not in given.chain_ids:
        return False
    place = (anchor["chain_id"], anchor["registry"])
    return given.policy is None or place in [
        (entry.chain_id, f"0x{entry.registry.hex()}") for entry in given.policy.entries
    ]


@functools.cache
def _true_ones(leaf: int) -> frozenset[str]:
    documents = [to_document(leaf, anchor) for anchor in true_anchors(leaf)]
    proven = [_bare(document["anchors"][0]) for document in documents]
    return frozenset({*proven, *map(_unproven, proven)})


def _unproven(bare: str) -> str:
    return _bare({name: v for name, v in json.loads(bare).items() if name != "state"})


# What is proven beside the anchor itself, and may be left out.
PROOFS_BESIDE = ("operator_proof", "successor")


def _bare(anchor: dict[str, Any]) -> str:
    """An anchor without what nothing rests on, as text."""
    kept = {name: value for name, value in anchor.items() if name != "hints"}
    if isinstance(kept.get("state"), dict):
        kept["state"] = {n: v for n, v in kept["state"].items() if n not in PROOFS_BESIDE}
    return json.dumps(kept, sort_keys=True)
