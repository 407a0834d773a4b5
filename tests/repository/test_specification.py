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
from anchor.base.canonical import MAX_DEPTH
from anchor.base.errors import ExitCode
from anchor.ethereum.header import MAX_HEADER_BYTES, parse_header
from anchor.ethereum.keccak import hash_keccak256
from anchor.ethereum.known_chains import WITHOUT_BLOCK_HISTORY
from anchor.ethereum.trie import MAX_NODE_BYTES, MAX_NODES
from anchor.evidence.group_members import list_members
from anchor.evidence.record import MAX_NAME_CHARACTERS, MAX_RECORD_BYTES
from anchor.evidence.record_groups import Kind, RecordGroups
from anchor.log.merkle import MAX_PATH, hash_leaf, hash_node, verify_inclusion
from anchor.log.signed_note import MAX_NOTE_BYTES, MAX_SIGNATURES, MAX_VERIFIER_CHARACTERS
from anchor.receipt.format import MAX_ANCHORS, MAX_RECEIPT_BYTES, parse_receipt
from anchor.receipt.history_proof import HISTORY_WINDOW
from anchor.receipt.state_proof import check_account, check_anchor
from anchor.registry.artifact import expected_code_hash
from anchor.registry.storage import anchor_slot, encode_anchor
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


def test_the_worked_state_proof_is_that_of_the_receipt_that_it_names() -> None:
    text = section("state-proof.md", "## In numbers")
    data = (ROOT / "tests" / "vectors" / "receipts" / "anchor-receipt-1.json").read_bytes()
    receipt = parse_receipt(data)
    found = next(each for each in receipt.anchors if each.state is not None)
    assert found.state is not None
    header = parse_header(found.state.header)
    inner = hash_keccak256(receipt.log + bytes(32))
    slot = anchor_slot(receipt.log, found.head.root)
    assert slot == hash_keccak256(found.head.root + inner)
    _, storage_root = check_account(
        found.state,
        block_hash=header.hash,
        registry=found.registry,
        code_hash=expected_code_hash(found.chain_id),
    )
    stored = check_anchor(
        found.state,
        storage_root,
        header=header,
        registry=found.registry,
        log=receipt.log,
        root=found.head.root,
    )
    assert stored is not None
    word = encode_anchor(stored)
    shown = {
        "block hash": header.hash,
        "state root": header.state_root,
        "registry": found.registry,
        "its key": hash_keccak256(found.registry),
        "storage root": storage_root,
        "log": receipt.log,
        "root": found.head.root,
        "H(log ‖ 0)": inner,
        "slot": slot,
        "its key in the storage trie": hash_keccak256(slot),
        "the value, in RLP": bytes([0x80 + len(word.lstrip(b"\0"))]) + word.lstrip(b"\0"),
        "W": word,
    }
    rows = [f"| {name} | `0x{value.hex()}` |" for name, value in shown.items()]
    rows += [
        f"| size, bits 0–47 | {stored.size} |",
        f"| sequence, bits 48–87 | {stored.sequence} |",
        f"| blockNumber, bits 88–135 | {stored.block_number} |",
        f"| timestamp, bits 136–183 | {stored.timestamp} |",
        f"| operatorId, bits 184–255 | {stored.operator_id} |",
    ]
    assert "\n".join(rows) in text


def test_the_worked_bundle_has_the_hashes_of_its_four_leaves() -> None:
    text = section("receipt.md", "## In numbers")
    leaves = [hash_leaf(letter) for letter in (b"a", b"b", b"c", b"d")]
    left, right = hash_node(*leaves[:2]), hash_node(*leaves[2:])
    root = hash_node(left, right)
    paths = [[leaves[1], right], [], [leaves[3]], []]
    whole = [[leaves[1], right], [leaves[0], right], [leaves[3], left], [leaves[2], left]]
    for index, path in enumerate(whole):
        verify_inclusion(leaf=leaves[index], index=index, size=4, path=path, root=root)
    rows = [f"| {name} | `{value.hex()}` |" for name, value in zip("abcd", leaves, strict=True)]
    rows += [f"| ab | `{left.hex()}` |", f"| cd | `{right.hex()}` |", f"| root | `{root.hex()}` |"]
    assert "\n".join(rows) in text
    names = dict(zip([*leaves, left, right], ["a", "b", "c", "d", "ab", "cd"], strict=True))
    for index, (own, path) in enumerate(zip(paths, whole, strict=True)):
        k = "" if index == 0 else str((index ^ (index - 1)).bit_length() - 1)
        spelt = [", ".join(names[each] for each in part) for part in (own, path)]
        assert f"| {index} | {k} | {spelt[0]} | {spelt[1]} |" in text
