"""The chains that the release lists: one table, written down as it is."""

from __future__ import annotations

import re
from typing import get_args

from support.paths import ROOT

from anchor.ethereum.known_chains import (
    CHAINS,
    HEADLINES,
    KIND_SENTENCES,
    Chain,
    ChainKind,
    best_kind,
    find_chain,
)
from anchor.messages.message import translate
from anchor.types import ChainId

PAGE = ROOT / "docs" / "verification.md"


def row(chain: Chain) -> str:
    genesis = "–" if chain.genesis is None else f"`0x{chain.genesis.hex()}`"
    slack, tested = f"{chain.time_slack:,} s", "yes" if chain.tested else "no"
    return f"| {chain.name} | {chain.id} | {chain.kind} | {genesis} | {slack} | {tested} |"


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


def test_a_chain_that_is_not_listed_has_no_rule() -> None:
    chain = find_chain(ChainId(42161))
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
