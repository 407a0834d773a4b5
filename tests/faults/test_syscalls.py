"""Whole runs of which any one system call fails, or is the last: the next ordinary run finishes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from support.faults import marked
from support.nodes import nonce
from support.projects import Site
from support.store_contents import count_pieces, count_waiting, load_pieces
from support.strace import FAULTS, Call, Fault, inject, trace

from anchor.chain.devnet import Devnet
from anchor.recovery.store_audit import audit_project

# Of all calls and faults, as many as the ordinary tests have time for.
SAMPLE = 6

RUN = ("run", "--once", "--wait", "included")


@dataclass
class Victim:
    """A log whose runs are tampered with, one after the other."""

    site: Site
    sent: int
    added: int = 0

    def next_piece(self) -> Path:
        self.added += 1
        return self.site.write(f"piece {self.added}", b"%d" % self.added)

    def sources(self) -> list[str]:
        return [piece.source for piece in load_pieces(self.site)]

    def check(self, piece: Path, *, acknowledged: bool) -> None:
        """Do the next ordinary run, and see that all is there once."""
        site = self.site
        assert site.rows("PRAGMA integrity_check") == [("ok",)]
        with site.open() as project:
            assert audit_project(project).breaches == ()
        if acknowledged:
            assert self.sources().count(str(piece)) == 1
        site.add(piece.name, piece.read_bytes())
        assert self.sources().count(str(piece)) == 1
        site.anchor()
        self.check_anchored_once()

    def check_anchored_once(self) -> None:
        """Each leaf has one place, each head one anchor and one transaction; nothing else went."""
        site = self.site
        assert count_waiting(site) == 0
        places = {piece.leaf_index for piece in load_pieces(site)}
        assert places == set(range(count_pieces(site)))
        heads = [size for size, _ in site.heads()]
        assert site.anchors_on_chain() == list(zip(heads, range(1, len(heads) + 1), strict=True))
        assert nonce(site.url) == self.sent + len(heads)
        signed = "SELECT count(*) FROM attempts WHERE head_size IS NOT NULL"
        assert site.rows(signed) == [(len(heads),)]
        with site.open() as project:
            assert audit_project(project).breaches == ()


@pytest.fixture
def victim(new_site: Callable[..., Site], embedded: Devnet) -> Victim:
    site = new_site(embedded)
    victim = Victim(site, sent=nonce(site.url))
    site.add("first", b"first")
    site.anchor()
    return victim


def tamper_with_adding(victim: Victim, points: Iterable[tuple[Call, Fault]]) -> int:
    """Let ``anchor add`` meet each of these; return how many it met."""
    met = 0
    for call, fault in points:
        piece = victim.next_piece()
        tampered = inject(call, fault, "add", piece, cwd=victim.site.folder)
        met += tampered.injected
        if fault != "signal=KILL" and tampered.ran.code != 0:
            tampered.ran.refused(33, "check the disk")
        victim.check(piece, acknowledged=tampered.ran.code == 0)
    return met


def tamper_with_running(victim: Victim, points: Iterable[tuple[Call, Fault]]) -> int:
    """Let ``anchor run --once`` meet each of these; return how many it met."""
    met = 0
    for call, fault in points:
        piece = victim.next_piece()
        victim.site.add(piece.name, piece.read_bytes())
        tampered = inject(call, fault, *RUN, cwd=victim.site.folder)
        met += tampered.injected
        if fault != "signal=KILL" and tampered.ran.code != 0:
            tampered.ran.refused(33, "check the disk")
        victim.check(piece, acknowledged=True)
    return met


def calls_of_adding(victim: Victim) -> tuple[Call, ...]:
    traced = trace("add", victim.next_piece(), cwd=victim.site.folder)
    traced.ran.expect(0)
    victim.site.anchor()
    return traced.calls


def calls_of_running(victim: Victim) -> tuple[Call, ...]:
    victim.site.add("for the count", b"for the count")
    traced = trace(*RUN, cwd=victim.site.folder)
    traced.ran.expect(0)
    return traced.calls


def sample(calls: tuple[Call, ...]) -> Iterator[tuple[Call, Fault]]:
    """Choose calls from all over a run, and each fault in turn.

    Not from its very end: how many pages are copied there is not the same each time.
    """
    calls = calls[: len(calls) * 3 // 4]
    syncs = [call for call in calls if call.name in ("fsync", "fdatasync")]
    writes = [call for call in calls if call.name in ("write", "pwrite64")]
    half = SAMPLE // 2
    for index in range(half):
        yield syncs[index * len(syncs) // half], FAULTS[index % 3]
        yield writes[(2 * index + 1) * len(writes) // (2 * half)], FAULTS[(index + 1) % 3]


STORAGE = (
    pytest.mark.fault(
        "F2",
        how="a write or a sync of a real process fails with EIO (strace)",
        then="it ends with 33 and sends nothing that is not stored; the next run finishes, once",
    ),
    pytest.mark.fault(
        "F3",
        how="a write or a sync of a real process fails with ENOSPC (strace)",
        then="it ends with 33 and acknowledges nothing; the next run finishes, once",
    ),
    pytest.mark.fault(
        "F5",
        how="a real process is killed at a write or a sync (strace)",
        then="the store opens, the audit finds nothing, the next run finishes, once",
    ),
)
ADDING = pytest.mark.fault(
    "A2",
    how="`anchor add` is killed, or fails, at a write or a sync, before or after its commit",
    then="added again it is one piece of evidence, anchored once",
)
TILES = pytest.mark.fault(
    "A12",
    how="`anchor run` is killed, or fails, while it writes and syncs tiles",
    then="the old file or the new one is there; what is left over is known as such",
)


@pytest.mark.release
@marked(*STORAGE, ADDING)
def test_adding_survives_failing_and_fatal_system_calls(
    victim: Victim, injected: Callable[[int], None]
) -> None:
    met = tamper_with_adding(victim, sample(calls_of_adding(victim)))
    assert met == SAMPLE
    injected(met // len(FAULTS))  # of each kind


@pytest.mark.release
@marked(*STORAGE, TILES)
def test_anchoring_survives_failing_and_fatal_system_calls(
    victim: Victim, injected: Callable[[int], None]
) -> None:
    met = tamper_with_running(victim, sample(calls_of_running(victim)))
    assert met == SAMPLE
    injected(met // len(FAULTS))  # of each kind


@pytest.mark.slow
@pytest.mark.timeout(14_400)
@marked(*STORAGE, ADDING)
def test_adding_survives_every_fault_at_every_system_call(
    victim: Victim, injected: Callable[[int], None]
) -> None:
    points = list(product(calls_of_adding(victim), FAULTS))
    met = tamper_with_adding(victim, points)
    # How many pages are copied in the end is not the same each time.
    assert met >= 0.9 * len(points)
    injected(met // len(FAULTS))  # of each kind


@pytest.mark.slow
@pytest.mark.timeout(14_400)
@marked(*STORAGE, TILES)
def test_anchoring_survives_every_fault_at_every_system_call(
    victim: Victim, injected: Callable[[int], None]
) -> None:
    points = list(product(calls_of_running(victim), FAULTS))
    met = tamper_with_running(victim, points)
    # As above; and tiles that an earlier run wrote are not always written again.
    assert met >= 0.9 * len(points)
    injected(met // len(FAULTS))  # of each kind


def test_each_file_of_a_new_project_is_synced(tmp_path: Path, embedded: Devnet) -> None:
    names = ("write", "pwrite64", "fsync", "fdatasync")
    done = trace("init", "--devnet", "--rpc", embedded.url, "project", cwd=tmp_path, names=names)
    done.ran.expect(0)
    written = {call.path for call in done.calls if "write" in call.name}
    synced = {call.path for call in done.calls if "sync" in call.name}
    assert len(written) >= 5, written
    made_anew = {str(tmp_path / "project" / f"anchor.db{end}") for end in ("-shm", "-journal")}
    assert written - made_anew <= synced
