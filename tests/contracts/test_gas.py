"""What the calls cost, against the figures checked in (``gas.json``)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from support.contract_log import log_id
from support.rfc9162_reference import hash_leaf, hash_node, split

SNAPSHOT = Path(__file__).with_name("gas.json")
OLD_SIZE, NEW_SIZE = 1_000_003, 1_010_003


@cache
def root_of_equal_leaves(size: int) -> bytes:
    """MTH over ``size`` equal leaves: a subtree depends on its width only, so it takes no time."""
    if size == 1:
        return hash_leaf(b"")
    return hash_node(root_of_equal_leaves(split(size)), root_of_equal_leaves(size - split(size)))


def proof_over_equal_leaves(old: int, new: int, known: bool = True) -> list[bytes]:
    """PROOF(old, D_new) of section 2.1.4.1 over equal leaves."""
    if old == new:
        return [] if known else [root_of_equal_leaves(new)]
    left = split(new)
    if old <= left:
        return [*proof_over_equal_leaves(old, left, known), root_of_equal_leaves(new - left)]
    return [*proof_over_equal_leaves(old - left, new - left, False), root_of_equal_leaves(left)]


def test_gas_is_as_checked_in(registry: Any, owner: Any, operator: Any) -> None:
    log, other, successor = (log_id(owner, number) for number in (1, 2, 3))
    old_root, new_root = root_of_equal_leaves(OLD_SIZE), root_of_equal_leaves(NEW_SIZE)
    proof = proof_over_equal_leaves(OLD_SIZE, NEW_SIZE)
    first, later = (old_root, OLD_SIZE, []), (new_root, NEW_SIZE, proof)
    anchor = registry.anchor
    used = {
        "deploy": registry.creation_metadata.receipt,
        "anchor: first, by the owner": anchor(log, *first, sender=owner),
        "anchor: 1,000,003 to 1,010,003 leaves, by the owner": anchor(log, *later, sender=owner),
        "setOperator: new": registry.setOperator(other, operator, 1, sender=owner),
        "anchor: first, by an operator": anchor(other, *first, sender=operator),
        "anchor: 1,000,003 to 1,010,003 leaves, by an operator": anchor(
            other, *later, sender=operator
        ),
        "setOperator: remove": registry.setOperator(other, operator, 0, sender=owner),
        "succeed": registry.succeed(other, old_root, successor, sender=owner),
    }
    measured = {name: receipt.gas_used for name, receipt in used.items()}
    text = json.dumps(measured, indent=2) + "\n"
    assert text == SNAPSHOT.read_text("utf-8"), f"is it meant? then gas.json becomes:\n{text}"
