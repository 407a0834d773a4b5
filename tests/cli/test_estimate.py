"""``anchor estimate`` tells the cost of anchors by measured gas and the fees of the moment."""

from __future__ import annotations

import json
import re

import pytest
from support.command import run_anchor
from support.fixtures import anchored as anchored
from support.paths import TESTS
from support.projects import Site

from anchor.chain.cost_estimate import Plan
from anchor.chain.devnet import DEV_ADDRESS
from anchor.chain.fees import ANCHOR_GAS, DEPLOYMENT_GAS, estimate_anchor_gas
from anchor.chain.verifier_nodes import open_node

MEASURED = json.loads((TESTS / "contracts" / "gas.json").read_text("utf-8"))


def test_the_estimate_of_gas_is_near_what_was_measured() -> None:
    for name, figure in MEASURED.items():
        match = re.fullmatch("anchor: (?:first|([0-9,]+) → ([0-9,]+) leaves), operator", name)
        if match:
            old, new = (int((size or "0").replace(",", "")) for size in match.groups())
            assert abs(estimate_anchor_gas(old, new) / figure["gas"] - 1) < 0.06, name
            assert estimate_anchor_gas(old, new) < ANCHOR_GAS
    assert abs(DEPLOYMENT_GAS / MEASURED["deploy"]["gas"] - 1) < 0.01


def test_heads_cost_and_pieces_hardly_do() -> None:
    few, many = (Plan(pieces=pieces, heads=10, size=0).gas for pieces in (10, 1_000_000))
    assert few < many < 1.4 * few
    assert Plan(pieces=10, heads=1, size=0).gas == estimate_anchor_gas(0, 10)


@pytest.mark.release
def test_an_estimate_is_what_the_same_anchors_cost(anchored: Site) -> None:
    before = anchored.run("estimate", "2", "--heads", "2", "--json").expect(0).document
    (chain,) = before["chains"]
    assert chain["chain_id"] == 31337
    assert chain["deployment_wei"] is None
    total = int(chain["total_wei"])
    assert total == before["gas"] * int(chain["gas_price_wei"]) + int(chain["l1_fee_wei"])
    node = open_node(anchored.url)
    had = node.fetch_balance(DEV_ADDRESS)
    for name in ("second", "third"):
        anchored.add(name, name.encode())
        anchored.anchor()
    cost = had - node.fetch_balance(DEV_ADDRESS)
    node.close()
    # Fees fall from block to block on an empty chain, and both anchors are small.
    assert 0.4 < cost / total < 1.6


def test_money_is_told_in_the_currency_that_was_named(anchored: Site) -> None:
    done = anchored.run("estimate", "1000", "--ether-price", "2500.50 EUR").expect(0)
    assert re.search(r"in total about [0-9.]+ (g?wei|ether) \([0-9.]+ EUR\)", done.out)
    assert "Chain 31337 is a development chain" in done.out
    document = anchored.run("estimate", "1000", "--ether-price", "2000", "--json").document
    assert document["chains"][0]["currency"] == ""


def test_several_chains_are_compared(anchored: Site) -> None:
    url = anchored.url
    done = anchored.run("estimate", "5", "--rpc", url, "--rpc", url, "--json").expect(0)
    assert [chain["chain_id"] for chain in done.document["chains"]] == [31337, 31337]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("2", "--heads", "3"), "more heads (3) than pieces of evidence (2)"),
        (("2", "--ether-price", "much"), "'much' is not an amount"),
        (("0",), "greater than or equal to 1"),
        (("1000000000001",), "less than or equal to 1000000000000"),
    ],
)
def test_what_cannot_be_estimated_is_refused(
    anchored: Site, words: tuple[str, ...], said: str
) -> None:
    assert said in anchored.run("estimate", *words).expect(2).err


def test_a_node_that_does_not_answer_ends_with_20(anchored: Site) -> None:
    run_anchor("estimate", "1", "--rpc", "http://127.0.0.1:9", cwd=anchored.folder).expect(20)
