"""Steps 10 and 11 of a published log: newer heads, operators, neighbours, and forks elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support import fixtures
from support.nodes import ask
from support.projects import Site, make_site, reading
from support.publications import NUMBERS, check_all, check_with, entry_of, grow, publish, refusal

from anchor.base.errors import ExitCode
from anchor.base.types import Address, Anchor, Hash32, log_owner, make_log_id
from anchor.chain.chain_reader import ChainReader
from anchor.chain.devnet import Devnet
from anchor.chain.node import Node
from anchor.ethereum.keccak import format_address
from anchor.log.merkle import hash_leaf
from anchor.log.tree import RightEdge
from anchor.registry.storage import (
    CLOSED_HEAD,
    anchor_slot,
    encode_anchor,
    head_slot,
    last_head_slot,
    predecessor_slot,
    successor_slot,
)
from anchor.store.heads import load_heads
from anchor.store.sealing import read_leaves
from anchor.verification.policy import TrustEntry
from anchor.verification.report import Verdict
from anchor.verification.steps import Connect

pytestmark = pytest.mark.release

anvil_path = fixtures.anvil_path
module_anvil = fixtures.module_anvil


@pytest.fixture
def site(tmp_path: Path, module_anvil: Devnet) -> Site:
    return make_site(tmp_path / "project", module_anvil, number=next(NUMBERS))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "published"


def reader_of(node: Node) -> Connect:
    """Return what opens another view of ``node`` each time."""
    return lambda _: ChainReader(node)


def settle(site: Site) -> None:
    """Make everything final."""
    ask(site.url, "anvil_mine", "0x10")


@contextmanager
def another_registry(site: Site) -> Iterator[tuple[Node, TrustEntry]]:
    """Copy the registry with all it holds to another address; the fork then writes there."""
    other = Address(hashlib.sha256(str(site.number).encode()).digest()[:20])
    entry = entry_of(site)
    code = ask(site.url, "eth_getCode", "0x" + entry.registry.hex(), "latest")
    ask(site.url, "anvil_setCode", "0x" + other.hex(), code)
    with reading(site.url) as node:
        yield node, replace(entry, registry=other)


def put_word(site: Site, entry: TrustEntry, slot: bytes, word: bytes) -> None:
    ask(
        site.url,
        "anvil_setStorageAt",
        *(f"0x{part.hex()}" for part in (entry.registry, slot, word)),
    )


def put_anchor(site: Site, entry: TrustEntry, root: Hash32, size: int) -> None:
    """Make another registry's newest head of this log; in a final block afterwards."""
    with site.open() as project:
        log = project.config.log
    anchor = Anchor(size=size, sequence=1, block_number=1, timestamp=1, operator_id=0)
    put_word(site, entry, anchor_slot(log, root), encode_anchor(anchor))
    put_word(site, entry, head_slot(log), root)
    settle(site)


def test_another_registry_that_holds_the_same_log_is_no_fork(site: Site, place: Path) -> None:
    grow(site, 2)
    grow(site, 3)
    settle(site)
    publish(site, place)
    with site.open() as project, project.database.read() as connection:
        first, last = load_heads(connection)
    with another_registry(site) as (node, other):
        view = ChainReader(node)
        told = check_with(place, lambda _: view, entry_of(site))
        assert told[11][1] is Verdict.NOT_PRESENT
        settle(site)
        for size, root in ((2, first.root), (5, last.root)):
            put_anchor(site, other, root, size)
            told = check_with(place, lambda _: ChainReader(node), entry_of(site), other)
            assert told[11][1] is Verdict.PASS
        # A head of a size that was never anchored here is compared as well.
        with site.open() as project:
            edge = RightEdge()
            for leaves in read_leaves(project.database, 0, 4):
                edge.extend(leaves)
        put_anchor(site, other, edge.root(), 4)
        told = check_with(place, lambda _: ChainReader(node), entry_of(site), other)
        assert told[11][1] is Verdict.PASS
        put_anchor(site, other, hash_leaf(b"later"), 6)
        told = check_with(place, lambda _: ChainReader(node), entry_of(site), other)
        assert told[11][1] is Verdict.CANNOT_TELL


@pytest.mark.parametrize("size", [1, 2, 5])
def test_another_registry_that_holds_another_log_is_a_fork(
    site: Site, place: Path, size: int
) -> None:
    grow(site, 2)
    grow(site, 3)
    settle(site)
    publish(site, place)
    with another_registry(site) as (node, other):
        put_anchor(site, other, hash_leaf(b"another"), size)
        error = refusal(check_with, place, reader_of(node), entry_of(site), other)
    assert error.exit_code == ExitCode.MISMATCH
    assert "forked" in error.message


@pytest.mark.parametrize("silent_first", [True, False])
def test_a_fork_is_one_whoever_else_is_silent(site: Site, place: Path, silent_first: bool) -> None:
    grow(site, 2)
    settle(site)
    publish(site, place)
    ours = entry_of(site)
    silent = replace(ours, registry=Address(b"\x07" * 20))
    with another_registry(site) as (node, other):
        put_anchor(site, other, hash_leaf(b"another"), 1)
        others = [silent, other] if silent_first else [other, silent]
        error = refusal(check_with, place, reader_of(node), ours, *others)
    assert error.exit_code == ExitCode.MISMATCH
    assert "forked" in error.message


def test_a_checkpoint_behind_the_registry_is_told(site: Site, place: Path) -> None:
    grow(site, 2)
    settle(site)
    publish(site, place)
    grow(site, 3)
    settle(site)
    with reading(site.url) as node:
        told = check_with(place, lambda _: ChainReader(node), entry_of(site))
    assert told[10][1] is Verdict.CANNOT_TELL
    assert "holds 5 leaves, more than are published" in told[10][0]


def test_operators_and_neighbours_are_told(site: Site, place: Path) -> None:
    grow(site, 2)
    key = Address(bytes.fromhex("70997970c51812dc3a010c7d01b50e0d17dc79c8"))
    site.authorise(key, 7)
    grow(site, 1)
    grow(site, 1)
    settle(site)
    publish(site, place)
    entry = entry_of(site)
    with site.open() as project, project.database.read() as connection:
        log = project.config.log
        heads = load_heads(connection)
    with reading(site.url) as node:
        told = check_with(place, lambda _: ChainReader(node), entry)
        assert told[10] == (f"3 by the owner {format_address(log_owner(log))}; open", Verdict.PASS)
        # As if operator 7 had sent the second, and the owner closed the log at the first.
        stored = node.fetch_storage(entry.registry, anchor_slot(log, heads[1].root), "latest")
        word = (int.from_bytes(stored, "big") | 7 << 184).to_bytes(32, "big")
        put_word(site, entry, anchor_slot(log, heads[1].root), word)
        successor = make_log_id(log_owner(log), 10**6 + site.number)
        before = make_log_id(log_owner(log), 10**7 + site.number)
        put_word(site, entry, head_slot(log), CLOSED_HEAD)
        put_word(site, entry, last_head_slot(log), heads[2].root)
        put_word(site, entry, successor_slot(log), successor)
        put_word(site, entry, predecessor_slot(log), before)
        taken = Anchor(size=2, sequence=1, block_number=1, timestamp=1, operator_id=0)
        put_word(site, entry, anchor_slot(successor, heads[0].root), encode_anchor(taken))
        settle(site)
        told, checked = check_all(place, lambda _: ChainReader(node), entry)
    (finding,) = checked.findings
    assert finding.exit_code == ExitCode.ABANDONED
    detail, verdict = told[10]
    owner = format_address(log_owner(log))
    assert verdict is Verdict.FAIL
    assert f"2 by the owner {owner}; 1 by operator 7, key {format_address(key)}" in detail
    assert f"continues log {10**7 + site.number} of {owner}" in detail
    assert f"closed: log {10**6 + site.number} of {owner} continues it, from size 2 on" in detail
    assert "anchors 2 to 3, up to 4 leaves, are abandoned" in detail


def test_a_policy_may_say_that_the_owner_keeps_no_other_log(site: Site, place: Path) -> None:
    grow(site, 1)
    settle(site)
    publish(site, place)
    entry = replace(entry_of(site), exclusive_logs=True)
    with site.open() as project:
        log = project.config.log
    everywhere = site.number + 65
    with reading(site.url) as node:
        before = [
            number
            for number in range(everywhere)
            if any(
                node.fetch_storage(
                    entry.registry, head_slot(make_log_id(log_owner(log), number)), "latest"
                )
            )
        ]
        pinned = replace(entry, logs=tuple(before))
        told, _ = check_all(place, reader_of(node), pinned)
        detail, verdict = told[12]
        assert verdict is Verdict.PASS
        assert detail.startswith(f"of the owner's logs 0 to {everywhere - 1}, only")
        assert check_all(place, reader_of(node), entry_of(site))[0][12][1] is Verdict.NOT_PRESENT
        another = make_log_id(log_owner(log), site.number + 64)
        put_word(site, entry, head_slot(another), hash_leaf(b"another"))
        settle(site)
        error = refusal(check_with, place, reader_of(node), pinned)
        assert error.exit_code == ExitCode.NOT_TRUSTED
        assert f"log {site.number + 64} of " in error.message
        put_word(site, entry, head_slot(another), bytes(32))
        far = replace(pinned, logs=(*before, 10**6))
        error = refusal(check_with, place, reader_of(node), far)
        assert error.exit_code == ExitCode.CANNOT_CHECK


def test_another_log_than_expected_is_not_trusted(site: Site, place: Path) -> None:
    grow(site, 1)
    settle(site)
    publish(site, place)
    with site.open() as project:
        log = project.config.log
    with reading(site.url) as node:
        connect = reader_of(node)
        check_with(place, connect, expected=log)
        other = make_log_id(log_owner(log), 1)
        assert refusal(check_with, place, connect, expected=other).exit_code == 12
    owner = format_address(log_owner(log))
    for text, code in (
        (f"{owner}/{site.number}", 0),
        (owner, 12),
        (f"{owner}/x", 2),
        (f"{owner}/{2**96}", 2),
        ("0x12", 2),
    ):
        ran = site.run("audit", place, "--log", text, "--rpc", site.url, "--chain-id", 31337)
        assert ran.code == code, ran
    assert site.run("audit", "--log", owner).code == 2
