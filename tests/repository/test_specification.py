"""docs/spec agrees with the code, and its links lead to headings that there are."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from support.paths import ROOT

from anchor.bag.bag_format import MAX_FILES, MAX_LIST_BYTES, MAX_NAME_BYTES, REQUIRED
from anchor.canonical import MAX_DEPTH
from anchor.errors import ExitCode
from anchor.ethereum.header import MAX_HEADER_BYTES
from anchor.ethereum.known_chains import WITHOUT_BLOCK_HISTORY
from anchor.ethereum.trie import MAX_NODE_BYTES, MAX_NODES
from anchor.evidence.group_members import list_members
from anchor.evidence.record import MAX_NAME_CHARACTERS, MAX_RECORD_BYTES
from anchor.evidence.record_groups import Kind, RecordGroups
from anchor.log.merkle import MAX_PATH
from anchor.log.signed_note import MAX_NOTE_BYTES, MAX_SIGNATURES, MAX_VERIFIER_CHARACTERS
from anchor.receipt.format import MAX_ANCHORS, MAX_RECEIPT_BYTES
from anchor.receipt.history_proof import HISTORY_WINDOW
from anchor.verification import log_audit, verifier
from anchor.verification.policy import DEFAULT_TOLERANCE, TrustedOperator, TrustEntry
from anchor.verification.report import severest_code

SPEC = ROOT / "docs" / "spec"
PAGES = sorted(SPEC.glob("*.md"))


def read(name: str) -> str:
    return (SPEC / name).read_text("utf-8")


def section(name: str, heading: str) -> str:
    """Return a page's text from a heading to the next of its level."""
    level, _, _ = heading.partition(" ")
    _, _, rest = read(name).partition(f"\n{heading}\n")
    assert rest, heading
    return re.split(rf"^{level} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    """Return the names in the first cells of the rows of a section's tables."""
    rows = re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def slugs(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            other = page.parent / target if target else page
            assert anchor in slugs(other), f"{page.name} links to {target}#{anchor}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_link_to_a_specification_leads_to_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((spec/[^)#\s]*)#([^)]+)\)", page.read_text("utf-8")):
        assert anchor in slugs(page.parent / target), f"{page.name} links to {target}#{anchor}"


def test_the_results_are_the_exit_codes_of_verifications() -> None:
    results = section("README.md", "## Results")
    codes = [int(row) for row in re.findall(r"^\| (\d+) \|", results, re.MULTILINE)]
    assert codes == [code for code in ExitCode if code < ExitCode.FUNDS and code != ExitCode.BUG]
    order = re.search(r"counts for the whole:\n([0-9, ]+), in this order", results)
    assert order is not None
    gravest = [ExitCode(int(code)) for code in order[1].split(", ")]
    for graver, lesser in pairwise(gravest):
        assert severest_code([lesser, graver]) == graver


@pytest.mark.parametrize(
    ("name", "heading", "titles"),
    [
        ("verification.md", "## Steps", verifier.TITLES),
        ("publication.md", "## Audit", log_audit.TITLES),
    ],
)
def test_the_steps_are_those_of_the_package(
    name: str, heading: str, titles: dict[int, object]
) -> None:
    rows = re.findall(r"^\| (\d+) \|", section(name, heading), re.MULTILINE)
    assert [int(row) for row in rows] == sorted(titles)


def test_the_registries_of_groups_and_kinds_are_those_of_the_package() -> None:
    groups = section("record.md", "## Registry of groups")
    rows = re.findall(r"^\| `(\w+)` \| (stated|observed) \|", groups, re.MULTILINE)
    assert rows == [(name, m.origin) for name, m in list_members(RecordGroups).items()]
    assert set(first_cells(section("record.md", "## Registry of kinds"))) == set(get_args(Kind))


def test_the_members_of_a_policy_are_those_of_the_package() -> None:
    text = section("policy.md", "## Members")
    names = first_cells(text)
    for model in (TrustEntry, TrustedOperator):
        assert {field.name for field in dataclasses.fields(model)} <= set(names)
    assert f"| {DEFAULT_TOLERANCE} |" in text


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("README.md", [MAX_DEPTH]),
        ("record.md", [MAX_RECORD_BYTES, MAX_NAME_CHARACTERS]),
        ("receipt.md", [MAX_RECEIPT_BYTES, MAX_ANCHORS, MAX_PATH, MAX_HEADER_BYTES, MAX_NODES,
                        MAX_NODE_BYTES, MAX_RECORD_BYTES]),
        ("state-proof.md", [MAX_HEADER_BYTES, MAX_NODE_BYTES, HISTORY_WINDOW]),
        ("bag.md", [MAX_FILES, MAX_NAME_BYTES, MAX_LIST_BYTES]),
        ("publication.md", [MAX_NOTE_BYTES, MAX_SIGNATURES, MAX_VERIFIER_CHARACTERS]),
    ],
)  # fmt: skip
def test_the_limits_are_those_of_the_package(name: str, limits: list[int]) -> None:
    numbers = set(re.findall(r"[0-9][0-9,]*", read(name)))
    assert {f"{limit:,}" for limit in limits} <= numbers


def test_the_storage_is_that_of_the_contract() -> None:
    source = (ROOT / "contracts" / "interfaces" / "IAnchorRegistry.sol").read_text("utf-8")
    slots = re.findall(r"/// \| (\S+)\s+\| (H\(.*\))\s+\|", source)
    assert len(slots) == 7
    for value, slot in slots:
        assert re.search(rf"^\| `{re.escape(value)}`.* \| {re.escape(slot)} \|$",
                         read("registry.md"), re.MULTILINE), value  # fmt: skip


def test_what_this_release_ships_is_named() -> None:
    assert all(str(chain_id) in read("verification.md") for chain_id in WITHOUT_BLOCK_HISTORY)
    assert set(REQUIRED) <= set(first_cells(section("bag.md", "## Files")))
