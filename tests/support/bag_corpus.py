"""The negative corpus as bags: each says something false, and its lists are right unless named."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from support.bags import (
    NAME,
    RECEIPT,
    Files,
    complete,
    flip,
    honest_bag,
    honest_payload,
    renamed,
)
from support.bent_receipts import to_document, world, world_of
from support.world import MAIN


class FalseBag(NamedTuple):
    """A false bag, the code of its validation, and that of the original if it is judged."""

    files: Files
    bag: int
    original: int | None


def with_receipt(edit: Callable[[dict[str, Any]], None]) -> Files:
    """Return the honest bag with another receipt, which is listed."""
    payload = honest_payload()
    document = json.loads(payload[RECEIPT])
    edit(document)
    return complete({**payload, RECEIPT: json.dumps(document).encode()})


def edit_record(document: dict[str, Any], edit: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads(document["record"])
    edit(record)
    document["record"] = json.dumps(
        record, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )


def wrong_salt(document: dict[str, Any]) -> None:
    edit_record(document, lambda record: record.update(salt="0" * 64))


def confused_digests(document: dict[str, Any]) -> None:
    def swap(record: dict[str, Any]) -> None:
        digests = record["digests"]
        digests["sha256"], digests["sm3"] = digests["sm3"], digests["sha256"]

    edit_record(document, swap)


def swapped_siblings(document: dict[str, Any]) -> None:
    path = document["anchors"][0]["path"]
    path[0], path[1] = path[1], path[0]


def duplicate_leaf(document: dict[str, Any]) -> None:
    path = document["anchors"][0]["path"]
    path[-1] = path[0]


def node_as_leaf(document: dict[str, Any]) -> None:
    anchor = document["anchors"][0]
    document["index"] //= 2
    anchor["size"] = (anchor["size"] + 1) // 2
    del anchor["path"][0]


def truncated_tree(document: dict[str, Any]) -> None:
    del document["anchors"][0]["path"][-1]


def forged_proof(document: dict[str, Any]) -> None:
    proof = document["anchors"][0]["state"]["storage_proof"]
    proof[-1] = proof[-1][:-2] + ("00" if proof[-1][-2:] != "00" else "01")


def reorganised_block(document: dict[str, Any]) -> None:
    """Take the proof in a block that was not named."""
    earlier = world().prove(world().anchor(6, 9, MAIN), at=37)
    state = to_document(6, earlier)["anchors"][0]["state"]
    document["anchors"][0]["state"] = state


def other_chain(document: dict[str, Any]) -> None:
    """Take the proof on another chain that says it has the same id."""
    here = world_of(recorded_at="2026-09-21T14:20:00.5Z")
    anchor = here.prove(here.anchor(6, 9, MAIN), at=39)
    document.update(json.loads(here.receipt(6, anchor).encode()))


def promised_only(document: dict[str, Any]) -> None:
    anchor = document["anchors"].pop()
    document["head"] = {name: anchor[name] for name in ("size", "root", "path")}


@functools.cache
def corpus() -> dict[str, FalseBag]:
    """Return the false bags by name."""
    honest, payload = honest_bag(), honest_payload()
    receipt = payload[RECEIPT].replace(b'"index"', b'"index": 0, "index"', 1)
    return {
        "a flipped bit": FalseBag({**honest, NAME: flip(honest[NAME])}, 10, None),
        "a flipped bit, listed": FalseBag(complete({**payload, NAME: flip(payload[NAME])}), 0, 10),
        "a wrong salt": FalseBag(with_receipt(wrong_salt), 0, 10),
        "swapped siblings": FalseBag(with_receipt(swapped_siblings), 0, 10),
        "a tree with a duplicate leaf": FalseBag(with_receipt(duplicate_leaf), 0, 10),
        "a node as a leaf": FalseBag(with_receipt(node_as_leaf), 0, 10),
        "another chain of the same id": FalseBag(with_receipt(other_chain), 0, 20),
        "a block that was reorganised": FalseBag(with_receipt(reorganised_block), 0, 20),
        "a forged proof": FalseBag(with_receipt(forged_proof), 0, 10),
        "a block that is not final": FalseBag(with_receipt(promised_only), 0, 20),
        "SM3 and SHA-256 confused": FalseBag(with_receipt(confused_digests), 0, 10),
        "a truncated tree": FalseBag(with_receipt(truncated_tree), 0, 10),
        "an unlisted file": FalseBag({**honest, "extra.txt": b"x"}, 10, None),
        "a path upwards": FalseBag(
            {**honest, "manifest-sha256.txt": b"0" * 64 + b"  data/../../x\n"}, 10, None
        ),
        "a path upwards, listed": FalseBag(
            complete({**payload, "manifest-sha256.txt": b"0" * 64 + b"  data/../../x\n"}), 2, None
        ),
        "a member of a receipt twice": FalseBag(complete({**payload, RECEIPT: receipt}), 0, 2),
        "a name in another form of Unicode": FalseBag(renamed("e\u0301")(honest), 2, None),
    }
