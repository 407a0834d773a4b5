"""The chains that the release lists: one table, written down as it is."""

from __future__ import annotations

import re
from typing import get_args

from support.paths import ROOT

from anchor.base.messages.message import translate
from anchor.base.types import ChainId
from anchor.ethereum.known_chains import (
    CHAINS,
    HEADLINES,
    KIND_SENTENCES,
    NETWORKS,
    Chain,
    ChainKind,
    best_kind,
    find_chain,
)
from anchor.verification.policy import MAX_TIME_SLACK

PAGE = ROOT / "docs" / "verification.md"


def row(chain: Chain) -> str:
    genesis = "–" if chain.genesis is None else f"`0x{chain.genesis.hex()}`"
    slack, tested = f"{chain.time_slack:,} s", "yes" if chain.tested else "no"
    words = (chain.name, chain.id, f"`{chain.network}`", chain.kind, genesis, slack, tested)
    return f"| {' | '.join(map(str, words))} |"


def test_the_documentation_has_the_table_as_it_is() -> None:
    page = PAGE.read_text("utf-8")
    section = page[page.index("## Chains that") : page.index("## Abandoned anchors")]
    rows = re.findall(r"^\|.*\| (?:yes|no) \|$", section, re.MULTILINE)
    assert rows == [row(chain) for chain in CHAINS]
    for kind, sentence in KIND_SENTENCES.items():
        assert f"| {kind} | {sentence} |" in section
    for chain in CHAINS:
        if chain.genesis is not None:
            assert len(re.findall(rf"^\| {chain.name} \| .*; .*\|$", section, re.MULTILINE)) == 1


def test_no_chain_is_listed_twice_and_none_shares_its_first_block() -> None:
    assert len({chain.id for chain in CHAINS}) == len(CHAINS)
    hashes = [chain.genesis for chain in CHAINS if chain.genesis is not None]
    assert len(set(hashes)) == len(hashes)
    assert [chain.id for chain in CHAINS if chain.tested] == [31337]


def test_each_chain_has_a_name_of_its_own_and_pages_for_people_only_over_https() -> None:
    assert list(NETWORKS.values()) == list(CHAINS)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)?", name) for name in NETWORKS)
    for chain in CHAINS:
        assert all(re.fullmatch(r"https://[a-z.-]+", url) for url in chain.explorers)
        assert bool(chain.explorers) == (chain.kind != "development")
        assert chain.time_slack is not None and chain.time_slack <= MAX_TIME_SLACK


def test_a_chain_that_is_not_listed_has_no_rule() -> None:
    chain = find_chain(ChainId(42170))
    assert (chain.kind, chain.genesis, chain.time_slack) == ("unlisted", None, None)


def test_every_kind_has_its_words_and_only_a_main_chain_the_plain_one() -> None:
    kinds = set(get_args(ChainKind))
    assert set(HEADLINES) == kinds
    assert set(KIND_SENTENCES) == kinds - {"main"}
    assert [kind for kind, said in HEADLINES.items() if said == "verified"] == ["main"]
    assert len({translate(said, "zh") for said in HEADLINES.values()}) == len(kinds)


def test_of_several_chains_the_best_one_carries() -> None:
    assert best_kind(["development", "main", "test"]) == "main"
    assert best_kind(["development", "test", "unlisted"]) == "unlisted"
    assert best_kind(["development", "test"]) == "test"
