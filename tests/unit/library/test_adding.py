"""Adding through the library: all or nothing of what is no evidence, threads, and what is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import ChainClock, MemorySite, make_template
from support.memory_transactions import QuickSigner, read_sender
from support.store_contents import alter_piece

import anchor
from anchor.base.digests import digest_bytes
from anchor.chain.node import Node
from anchor.chain.signer import Signer
from anchor.evidence.discovery import SourceFile
from anchor.library import adding, operating
from anchor.operate.erasing import ErasureOrder, erase
from anchor.operate.evidence_selection import Selection
from anchor.operate.single_run import RunState


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemorySite:
    chain = MemoryChain(recover=read_sender, interval=1, lag=1)
    monkeypatch.setattr(operating, "SystemClock", lambda: ChainClock(chain))
    return MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)


@pytest.fixture
def project(site: MemorySite) -> Iterator[anchor.Project]:
    with anchor.Project(site.open(), node=Node(site.chain)) as opened:
        yield opened


class Key:
    """The key of a project in memory."""

    def __init__(self, site: MemorySite) -> None:
        self._site = site

    def open(self) -> Signer:
        return QuickSigner(self._site.key)


def digests_of(number: int) -> anchor.Digests:
    return digest_bytes(b"%d" % number, ("sha256",))


@pytest.mark.parametrize("name", ["", "x" * 4_097, "a\udc80", None, b"a", 7], ids=ascii)
def test_nothing_is_added_where_one_name_is_none(
    project: anchor.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: Any
):
    monkeypatch.setattr("anchor.operate.file_intake._RUN_FILES", 1)
    good, bad = tmp_path / "a.txt", tmp_path / "b.txt"
    for file in (good, bad):
        file.write_bytes(b"a")
    with pytest.raises(anchor.UsageError, match="cannot be added") as caught:
        project.add([good, SourceFile(path=bad, name=name)])
    assert caught.value.hint == "nothing was added"
    assert project.status().queue.waiting == 0
    (piece,) = project.add([SourceFile(path=bad, name="x" * 4_096)])
    assert piece.name == "x" * 4_096


def test_nothing_is_added_where_one_digest_has_a_size_that_no_record_holds(
    project: anchor.Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(adding, "_CHUNK", 1)
    bad = anchor.Digests(sha256=bytes(32), sm3=None, size=2**53)
    with pytest.raises(anchor.UsageError, match=r"^'sha256:00.* cannot be added: .*size"):
        project.add([digests_of(1), bad])
    assert project.status().queue.waiting == 0


def test_what_is_added_again_after_it_was_erased_is_new_and_what_it_was_has_no_receipt(
    project: anchor.Project, site: MemorySite, tmp_path: Path
):
    file = tmp_path / "a.txt"
    file.write_bytes(b"a")
    (before,) = project.add([file])
    order = ErasureOrder(basis="gdpr", by="the operator", reason="request 7")
    erase(project._opened, Selection(leaves=[before.leaf]), order)
    (after,) = project.add([file])
    assert (after.id, after.is_new, after.has_record) == (before.id, True, True)
    assert after.leaf != before.leaf
    # Both leaves wait for their places, and the statement of the erasure.
    assert project.status().queue.waiting == 3
    project.run_once(signer=Key(site))
    ((_, receipt),) = project.receipts([after])
    assert receipt.index == 2
    with pytest.raises(anchor.UsageError, match="it was erased, and added again"):
        list(project.receipts([before]))


def test_evidence_whose_record_is_lost_is_said_to_have_none(
    project: anchor.Project, tmp_path: Path
):
    file = tmp_path / "a.txt"
    file.write_bytes(b"a")
    (before,) = project.add([file])
    with project._opened.database.write() as connection:
        alter_piece(connection, 0, record=None)
    (after,) = project.add([file])
    assert (before.has_record, after.has_record, after.is_new) == (True, False, False)


def test_a_file_that_changed_since_it_was_recorded_is_reported(site: MemorySite, tmp_path: Path):
    said: list[str] = []
    file = tmp_path / "deed.txt"
    with anchor.Project(
        site.open(), node=Node(site.chain), report=lambda message: said.append(message.id)
    ) as project:
        for content, expected in ((b"1", []), (b"2", ["evidence-changed-since"]), (b"1", [])):
            file.write_bytes(content)
            said.clear()
            project.add([file])
            assert said == expected


def test_a_thread_waits_while_another_one_leads(project: anchor.Project, site: MemorySite):
    project.add([digests_of(1)])
    with ThreadPoolExecutor(1) as pool:
        with project.lead():
            waiting = pool.submit(project.run_once, signer=Key(site))
            # It adds meanwhile, and is led by nobody.
            project.add([digests_of(2)])
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
            assert project.status().queue.waiting == 2
        assert waiting.result(timeout=60).sealed == 2


def test_threads_that_add_anchor_and_take_receipts_at_once_do_each_once(
    project: anchor.Project, site: MemorySite
):
    start = threading.Barrier(6)

    def add(first: int) -> list[anchor.Added]:
        start.wait()
        return [
            piece
            for number in range(first, first + 8)
            for piece in project.add([digests_of(number), digests_of(0)])
        ]

    def run() -> int:
        start.wait()
        return sum(project.run_once(signer=Key(site)).sealed for _ in range(4))

    with ThreadPoolExecutor(6) as pool:
        adding_all = [pool.submit(add, 100 * number) for number in range(1, 5)]
        running = [pool.submit(run) for _ in range(2)]
        added = [piece for each in adding_all for piece in each.result(timeout=120)]
        sealed = sum(each.result(timeout=120) for each in running)
    done = project.run_once(signer=Key(site), wait="final")
    assert done.state is RunState.FINAL
    assert (sealed + done.sealed, sum(piece.is_new for piece in added)) == (33, 33)
    receipts = [receipt for _, receipt in project.receipts(added)]
    assert {receipt.index for receipt in receipts} == set(range(33))
