"""Whatever bytes a verifier is given, it takes them or says why not, soon and in little room."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest
from support.parsers import parsers, run_fuzz

SEED = 20261126


@pytest.mark.parametrize("name", parsers())
def test_the_documents_to_bend_are_taken(name: str) -> None:
    parser = parsers()[name]
    taken = 0
    for seed in parser.seeds:
        try:
            parser.read(seed)
        except parser.raises:
            continue
        taken += 1
    assert taken >= len(parser.seeds) / 2


@pytest.mark.parametrize("name", parsers())
def test_bent_documents_are_taken_or_refused_and_nothing_else(name: str) -> None:
    taken, refused = run_fuzz(name, SEED, 0, 500)
    assert taken + refused == 500
    assert taken or name == "digest"


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("name", parsers())
def test_a_hundred_thousand_bent_documents_of_each_kind(name: str) -> None:
    part, total = 5_000, 100_000
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        counts = list(pool.map(partial(run_fuzz, name, SEED, count=part), range(0, total, part)))
    taken, refused = map(sum, zip(*counts, strict=True))
    print(f"{name}: {total:,} bent documents, {refused:,} refused, {taken:,} taken")
    assert taken + refused == total
