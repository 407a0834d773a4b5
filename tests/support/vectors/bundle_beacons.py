"""beacons.json: bundles in which the proofs of named blocks have lines of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from support.tries import keccak256
from support.vectors.bundles import (
    Line,
    Lines,
    anchor,
    bundle,
    head,
    path_of,
    receipts_of,
    text_of,
    tree_of,
    with_code,
    write,
)
from support.vectors.cases import Case, invalid, valid

RULES = {
    "members": "a beacon's line has one member, beacon, with the members and bounds of a "
    "receipt's; a receipt's line has beacon: true, or no such member; an anchor's state has none",
    "state": "a beacon's line follows an anchor with a state proof",
    "before": "before a receipt with a beacon there is one, after its anchor",
    "unused": "a receipt with a beacon follows each beacon before the next, and before the next "
    "anchor",
}

STATE: Line = {"header": "0xc0", "account_proof": ["0x80"], "storage_proof": ["0x80"]}
FIRST: Line = {"header": "0xc101", "account_proof": ["0x81ff"], "storage_proof": ["0x81fe"]}
SECOND: Line = {"header": "0xc102", "account_proof": ["0x81fd"], "storage_proof": ["0x81fc"]}


def build_bundle_beacons() -> dict[str, object]:
    return {
        "about": "Bundles whose receipts have beacons (docs/spec/receipt.md): beacon is the "
        "Keccak-256 of the header of each receipt's, null where it has none. Neither state proofs "
        "nor beacons prove anything, which is not judged here.",
        "rules": RULES,
        "bundles": [with_code(case) for case in (*list_valid(), *list_invalid())],
    }


def proven(line: Line) -> Line:
    """Return an anchor's line with a state proof."""
    return {"anchor": {**line["anchor"], "state": STATE}}


def marked(line: Line) -> Line:
    return {**line, "beacon": True}


def said(*receipts: tuple[int, int, Line | None]) -> list[Case]:
    return [
        {
            "index": index,
            "record": text_of(index),
            "size": size,
            "root": tree_of(size).root(0, size).hex(),
            "path": path_of(index, size),
            "beacon": None if beacon is None else hash_of(beacon),
        }
        for index, size, beacon in receipts
    ]


def hash_of(beacon: Line) -> str:
    return f"0x{keccak256(bytes.fromhex(beacon['header'][2:])).hex()}"


def honest() -> Lines:
    """Lines 0: header, 1: anchor, 2: a beacon, 3 to 6: receipts, of which the second has none."""
    first, second, third, fourth = receipts_of([0, 1, 2, 3], 4)
    return bundle(
        [proven(anchor(4, 1)), {"beacon": FIRST}],
        [marked(first), second, marked(third), marked(fourth)],
    )


def list_valid() -> Iterator[Case]:
    four = [(index, 4, None if index == 1 else FIRST) for index in range(4)]
    yield valid("one beacon of three receipts", bundle=write(honest()), receipts=said(*four))
    one, two, three = receipts_of([0, 1, 2], 4)
    lines = [proven(anchor(4, 1)), one, {"beacon": FIRST}, marked(two), {"beacon": SECOND},
             marked(three)]  # fmt: skip
    yield valid(
        "a beacon after a receipt, and another after that",
        bundle=write(bundle(lines)),
        receipts=said((0, 4, None), (1, 4, FIRST), (2, 4, SECOND)),
    )
    lines = [
        *(proven(anchor(4, 1)), {"beacon": FIRST}, marked(one)),
        *(proven(anchor(9, 2)), {"beacon": FIRST}, marked(receipts_of([8], 9)[0])),
        *(head(13), receipts_of([9], 13)[0]),
    ]
    yield valid(
        "a beacon of each anchor, and a promise",
        bundle=write(bundle(lines)),
        receipts=said((0, 4, FIRST), (8, 9, FIRST), (9, 13, None)),
    )


def list_invalid() -> Iterator[Case]:
    lines = honest()
    start, proof, beacon, *receipts = lines

    def changed(place: int, **members: Any) -> Lines:
        return [*lines[:place], {**lines[place], **members}, *lines[place + 1 :]]

    def with_beacon(change: Callable[[Line], Line]) -> Lines:
        return changed(2, beacon=change(FIRST))

    later, *_ = receipts_of([8], 9)
    state = {**lines[1]["anchor"], "state": {**STATE, "beacon": FIRST}}
    bends: dict[str, tuple[str, Lines]] = {
        "a receipt with a beacon of false": ("members", changed(4, beacon=False)),
        "a receipt with a beacon of null": ("members", changed(4, beacon=None)),
        "a receipt with a beacon of 1": ("members", changed(3, beacon=1)),
        "a receipt with a whole beacon": ("members", changed(3, beacon=FIRST)),
        "a beacon of null": ("members", changed(2, beacon=None)),
        "a beacon of true": ("members", changed(2, beacon=True)),
        "a beacon with a member more": ("members", with_beacon(lambda own: {**own, "number": 1})),
        "a beacon without a header": (
            "members",
            with_beacon(lambda own: {name: own[name] for name in own if name != "header"}),
        ),
        "a beacon without a node": (
            "members", with_beacon(lambda own: {**own, "account_proof": []})
        ),
        "a beacon's line with a member more": ("members", changed(2, index=0)),
        "an anchor's state with a beacon": ("members", changed(1, anchor=state)),
        "an anchor with a beacon beside it": ("members", changed(1, beacon=FIRST)),
        "an anchor without a state proof": (
            "state",
            [start, anchor(4, 1), beacon, *receipts],
        ),
        "a beacon before the anchor": ("state", [start, beacon, proof, *receipts]),
        "a beacon after a promise": ("state", [start, head(4), beacon, *receipts]),
        "no beacon": ("before", [start, proof, *receipts]),
        "a beacon after its receipt": (
            "before", [start, proof, receipts[0], beacon, *receipts[1:]]
        ),
        "the beacon of the anchor before": (
            "before",
            [{**start, "count": 5}, *lines[1:], proven(anchor(9, 2)), marked(later)],
        ),
        "two beacons, of which one has no receipt": ("unused", [start, proof, beacon, *lines[2:]]),
        "a beacon before the next anchor": (
            "unused",
            [{**start, "count": 5}, proof, receipts_of([0], 4)[0], beacon, proven(anchor(9, 2)),
             *receipts_of([5, 6, 7, 8], 9)],
        ),
    }  # fmt: skip
    for name, (rule, bent) in bends.items():
        yield invalid(name, rule, bundle=write(bent))
