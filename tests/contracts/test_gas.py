"""What the calls cost, against the figures and the ceilings checked in (``gas.json``)."""

from __future__ import annotations

import json
from functools import cache
from itertools import count, pairwise
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

import pytest
from support.contract_log import log_id
from support.gas_table import GAS_TABLE
from support.rfc9162_reference import hash_leaf, hash_node, split

from anchor.operate.head_size import choose_head_size

SNAPSHOT = json.loads(Path(__file__).with_name("gas.json").read_text("utf-8"))

# A batch of 10,000 onto logs of these sizes; odd ones, as logs are.
BATCH = 10_000
LOG_SIZES = (1_003, 1_000_003, 1_000_000_003)
# The costliest that a search found among pairs near 10^6 (22 nodes, 39 hashes) and, with 40 hashes,
# among those whose old size is below 2^20.
WORST = ((1_015_807, 1_048_577), (1_048_575, 2_097_151))
# A busy log near 10^6 leaves: how many wait at least, and up to how many more, when the daemon
# chooses the size of its next head.
BUSY = {16_384: 2_000, 256: 16}
PAIRS = 20
DEPTHS = (0, 10, 20, 30, 40)
# What a level adds at most: a node of calldata (512) and the hashes and steps it takes.
LEVEL_CEILING = 1_400


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


class Meter:
    """Runs every call once, on logs of its own."""

    def __init__(self, registry: Any, owner: Any, operator: Any) -> None:
        self._registry = registry
        self._owner = owner
        self._operator = operator
        self._numbers = count(1)

    def measure(self) -> dict[str, int]:
        used = {"deploy": self._registry.creation_metadata.receipt.gas_used}
        for sender, who in ((self._owner, "owner"), (self._operator, "operator")):
            for old, new in [*((size, size + BATCH) for size in LOG_SIZES), *WORST]:
                first, later = self.anchor_twice(old, new, sender)
                used[f"anchor: first, {who}"] = first
                used[f"anchor: {old:,} → {new:,} leaves, {who}"] = later
            for least, more in BUSY.items():
                name = f"anchor: mean of {PAIRS} of a busy log, {least:,} leaves or more, {who}"
                used[name] = self.anchor_busily(least, more, sender)
        used |= self.measure_owner_calls()
        for depth in DEPTHS:
            used[f"verifyInclusion: {depth} hashes"] = self.verify_inclusion(depth)
        return used

    def anchor_twice(self, old: int, new: int, sender: Any) -> tuple[int, int]:
        """Return the gas of a log's first anchor and of the next one."""
        log = self.make_log(sender)
        proof = proof_over_equal_leaves(old, new)
        receipts = [
            self._registry.anchor(log, root_of_equal_leaves(size), size, nodes, sender=sender)
            for size, nodes in ((old, []), (new, proof))
        ]
        return receipts[0].gas_used, receipts[1].gas_used

    def anchor_busily(self, least: int, more: int, sender: Any) -> int:
        """Return the mean gas of the anchors of a log whose heads the daemon's rule chooses."""
        log, random = self.make_log(sender), Random(least)
        sizes = [LOG_SIZES[1]]
        left = 0
        for _ in range(PAIRS + 1):
            waiting = max(left, least + random.randrange(more))
            sizes.append(choose_head_size(sizes[-1], waiting, left))
            left = sizes[-2] + waiting - sizes[-1]
        gas = [
            self._registry.anchor(
                log,
                root_of_equal_leaves(new),
                new,
                proof_over_equal_leaves(old, new) if old else [],
                sender=sender,
            ).gas_used
            for old, new in pairwise([0, *sizes])
        ]
        return round(mean(gas[2:]))  # the first head, and the next one's proof from an odd size

    def make_log(self, sender: Any) -> bytes:
        log = log_id(self._owner, next(self._numbers))
        if sender is self._operator:
            self._registry.setOperator(log, sender, 1, sender=self._owner)
        return log

    def measure_owner_calls(self) -> dict[str, int]:
        old, new = (log_id(self._owner, next(self._numbers)) for _ in range(2))
        registry, root = self._registry, root_of_equal_leaves(BATCH)
        calls = {
            "setOperator: new": lambda: registry.setOperator(
                old, self._operator, 1, sender=self._owner
            ),
            "setOperator: remove": lambda: registry.setOperator(
                old, self._operator, 0, sender=self._owner
            ),
            "": lambda: registry.anchor(old, root, BATCH, [], sender=self._owner),
            "succeed": lambda: registry.succeed(old, root, new, sender=self._owner),
        }
        return {name: call().gas_used for name, call in calls.items() if name or not call()}

    def verify_inclusion(self, depth: int) -> int:
        """Return the gas of ``verifyInclusion``, sent as a transaction, in a tree of 2^depth."""
        log, size = log_id(self._owner, next(self._numbers)), 2**depth
        root = root_of_equal_leaves(size)
        path = [root_of_equal_leaves(2**level) for level in range(depth)]
        self._registry.anchor(log, root, size, [], sender=self._owner)
        verify = self._registry.verifyInclusion.transact
        used: int = verify(log, root, hash_leaf(b""), 0, path, sender=self._owner).gas_used
        return used


@pytest.fixture(scope="module")
def measured(
    registry: Any, owner: Any, operator: Any, pytestconfig: pytest.Config
) -> dict[str, int]:
    figures = Meter(registry, owner, operator).measure()
    pytestconfig.stash[GAS_TABLE] = [
        (name, gas, SNAPSHOT.get(name, {}).get("ceiling")) for name, gas in figures.items()
    ]
    return figures


def test_gas_is_as_checked_in(measured: dict[str, int]) -> None:
    checked_in = {name: entry["gas"] for name, entry in SNAPSHOT.items()}
    changed = dict(measured.items() ^ checked_in.items())
    assert changed == {}, "is it meant? then gas.json takes the figures of the table below"


def test_gas_stays_below_its_ceilings(measured: dict[str, int]) -> None:
    above = {name: gas for name, gas in measured.items() if gas > SNAPSHOT[name]["ceiling"]}
    assert above == {}


def test_gas_grows_with_the_logarithm_of_the_log(measured: dict[str, int]) -> None:
    # From 10^3 to 10^6 to 10^9 leaves a tree gets ten levels higher each time.
    for who in ("owner", "operator"):
        costs = [measured[f"anchor: {n:,} → {n + BATCH:,} leaves, {who}"] for n in LOG_SIZES]
        assert all(later - earlier <= 10 * LEVEL_CEILING for earlier, later in pairwise(costs))
    costs = [measured[f"verifyInclusion: {depth} hashes"] for depth in DEPTHS]
    assert all(0 < later - earlier <= 10 * LEVEL_CEILING for earlier, later in pairwise(costs))
