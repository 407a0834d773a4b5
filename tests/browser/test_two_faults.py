"""Documents with two faults or more: three verifiers and the schema agree on every one."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest
from support.four_judges import run_doubled
from support.two_faults import DEEP, KINDS, bases, make_doubled
from support.two_verifiers import Tally

SEED = 20261127
CODES = {0, 2, 10, 11, 12, 13, 20, 21, 22}


def check(tally: Tally) -> None:
    assert tally.troubles == []
    assert set(tally.codes) == CODES
    assert set(tally.kinds) == set(KINDS)


def test_a_case_depends_on_seed_and_number_alone_and_has_two_faults() -> None:
    for number in range(50):
        case = make_doubled(SEED, number)
        assert case == make_doubled(SEED, number)
        assert len(case.kinds) >= 2


def test_half_of_the_cases_are_bent_behind_what_is_looked_at_first() -> None:
    cases = [make_doubled(SEED, number) for number in range(400)]
    deep = [case for case in cases if set(case.kinds) <= set(DEEP)]
    assert len(deep) > 150
    assert len({case.honest.name for case in cases}) == len(bases())


@pytest.mark.release
def test_all_four_agree_on_three_thousand_documents() -> None:
    check(run_doubled(SEED, 0, 3_000))


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_all_four_agree_on_a_hundred_thousand_documents() -> None:
    part, total = 2_500, 100_000
    whole = Tally(Counter(), Counter(), [])
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for tally in pool.map(partial(run_doubled, SEED, count=part), range(0, total, part)):
            whole.codes.update(tally.codes)
            whole.kinds.update(tally.kinds)
            whole.troubles.extend(tally.troubles)
    assert whole.codes.total() == total
    check(whole)
