"""The package's verifier, the standalone one and the page's end with one code."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.bent_receipts import (
    header_hashes,
    honest_receipts,
    lengthen_header,
    recorded_in,
    world_of,
)
from support.four_judges import judge_by_three
from support.world import MAIN, SIDE


def judge(
    bend: Callable[[dict[str, Any]], object], receipt: str = "", **given: Any
) -> tuple[int, int, int]:
    honest = next(each for each in honest_receipts() if receipt in ("", each.name))
    document = json.loads(json.dumps(honest.document))
    bend(document)
    hashes = {"block_hashes": header_hashes(document)}
    return judge_by_three(
        json.dumps(document).encode(), honest.given._replace(**{**hashes, **given})
    )


@pytest.mark.parametrize("time", ["2099-12-31T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_record_of_a_time_after_its_block_is_not_verified(time: str) -> None:
    assert judge(recorded_in(world_of(recorded_at=time))) == (20, 20, 20)


@pytest.mark.parametrize("items", [22, 23, 24])
def test_a_header_with_the_next_forks_items_is_verified(items: int) -> None:
    assert judge(lengthen_header(items)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"size": None}, 2),
        ({"media_type": None}, 2),
        ({"name": None}, 2),
        ({"log": None}, 2),
        ({"size": -1}, 2),
        ({}, 22),
    ],
)
def test_what_is_malformed_in_a_record_is_said_before_what_is_unknown(
    fault: dict[str, Any], code: int
) -> None:
    def bend(document: dict[str, Any]) -> None:
        record = json.loads(document["record"]) | {"digests": {"sha512": "00"}} | fault
        document["record"] = json.dumps(
            record, ensure_ascii=False, separators=(",", ":"), sort_keys=True
        )

    assert judge(bend) == (code, code, code)


@pytest.mark.parametrize("accepted", [False, True])
def test_a_chain_that_nothing_is_pinned_of_cannot_be_told_about(accepted: bool) -> None:
    def bend(document: dict[str, Any]) -> None:
        document["anchors"][0]["chain_id"] = 31338

    assert judge(bend, policy=None, accept_unpinned=accepted) == (20, 20, 20)


@pytest.mark.parametrize(("bent", "foreign"), [(0, 1), (1, 0)])
def test_an_anchor_elsewhere_hides_no_bent_one(bent: int, foreign: int) -> None:
    def bend(document: dict[str, Any]) -> None:
        nodes = document["anchors"][bent]["state"]["storage_proof"]
        nodes[-1] = nodes[-1][:-1] + "0123456789abcdef"[int(nodes[-1][-1], 16) ^ 1]
        document["anchors"][foreign]["registry"] = "0x" + "77" * 20

    chains = {"chain_ids": (MAIN, SIDE), "accept_unpinned": True}
    assert judge(bend, "two chains'", policy=None, **chains) == (10, 10, 10)
