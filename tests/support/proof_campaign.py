"""Random proofs, honest and bent in every way we know, each with what is true of it.

Case ``number`` of a campaign with ``seed`` depends on these two alone: ``make_case`` makes any one
of them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from support.bent_consistencies import (
    CONSISTENCY_KINDS,
    SHAPED_CONSISTENCIES,
    TRUE_CONSISTENCIES,
)
from support.bent_inclusions import INCLUSION_KINDS, SHAPED_INCLUSIONS, TRUE_INCLUSIONS
from support.large_tree import Inclusion, is_consistent, is_included
from support.proof_edits import Claim, Forest

HONEST_SHARE = 0.25


class Case(NamedTuple):
    number: int
    kind: str
    claim: Claim
    is_true: bool


def make_cases(forest: Forest, seed: int, first: int, count: int) -> Iterator[Case]:
    return (make_case(forest, seed, number) for number in range(first, first + count))


def make_case(forest: Forest, seed: int, number: int) -> Case:
    rng = Random(f"{seed}/{number}")
    kinds = rng.choice((INCLUSION_KINDS, CONSISTENCY_KINDS))
    kind = "honest" if rng.random() < HONEST_SHARE else rng.choice(list(kinds))
    while (bent := kinds[kind](rng, forest)) is None:
        pass  # drawn again
    claim, tops = bent
    if isinstance(claim, Inclusion):
        return Case(number, f"inclusion: {kind}", claim, is_included(claim, *tops))
    return Case(number, f"consistency: {kind}", claim, is_consistent(claim, *tops))


def _name(inclusions: set[str], consistencies: set[str]) -> set[str]:
    return {f"inclusion: {kind}" for kind in inclusions} | {
        f"consistency: {kind}" for kind in consistencies
    }


ALL_KINDS = _name(set(INCLUSION_KINDS), set(CONSISTENCY_KINDS))
# In every case; a few may be or not, as the shapes have it; the rest is refused.
TRUE_KINDS = _name(TRUE_INCLUSIONS, TRUE_CONSISTENCIES)
SHAPED_KINDS = _name(SHAPED_INCLUSIONS, SHAPED_CONSISTENCIES)
