"""A process that ends at any step leaves nothing half done that counts."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.chaos import loses_request, loses_response, open_proxy, passes
from support.command import start_anchor
from support.crashes import JOURNAL, NODE, crashing
from support.nodes import ask, nonce, stop_the_clock
from support.projects import Site, reading
from support.store_contents import Piece, count_waiting, load_pieces

from anchor.base.errors import NodeUnreachableError
from anchor.base.system.durable_files import is_temporary
from anchor.chain.devnet import Devnet
from anchor.operate.finality import refresh_anchors
from anchor.project.files import SIDE_FILE
from anchor.receipt.format import parse_receipt
from anchor.store.acknowledged_log import SideFile

MakeSite = Callable[..., Site]


def sources(site: Site) -> list[str]:
    return [piece.source for piece in load_pieces(site)]


def find_piece(site: Site, path: Path) -> Piece:
    (found,) = [piece for piece in load_pieces(site) if piece.source == str(path)]
    return found


def places(site: Site) -> list[tuple[str, int | None]]:
    return [(Path(piece.source).name, piece.leaf_index) for piece in load_pieces(site)]


# Accepting


@pytest.mark.fault(
    "A1",
    how="`anchor add` is killed in its transaction, before the commit",
    then="nothing is stored, nothing was acknowledged; the same again stores it once",
)
def test_a_crash_before_the_commit_of_evidence_stores_nothing(anchored: Site) -> None:
    piece = anchored.write("second", b"second")
    crash = ("after", "anchor.operate.acceptance", "-", "insert_evidence", "1")
    anchored.run("add", piece, command=crashing(*crash), killed=True)
    assert str(piece) not in sources(anchored)
    anchored.run("add", piece).expect(0, "added 1 new, 0 already known")
    anchored.run("add", piece).expect(0, "added 0 new, 1 already known")
    assert sources(anchored).count(str(piece)) == 1


@pytest.mark.fault(
    "A1",
    how="`anchor add` is killed after the side file has its entry, before the commit",
    then="no row is stored; the same again stores one, whose entry is the newest of its id",
)
def test_a_crash_between_entry_and_commit_stores_nothing(anchored: Site) -> None:
    piece = anchored.write("second", b"second")
    crash = ("after", "anchor.store.acknowledged_log", "SideFile", "append", "1")
    anchored.run("add", piece, command=crashing(*crash), killed=True)
    assert str(piece) not in sources(anchored)
    anchored.run("add", piece).expect(0, "added 1 new, 0 already known")
    stored = find_piece(anchored, piece)
    entries = list(SideFile(anchored.folder / SIDE_FILE).read_entries())
    assert [entry.identity for entry in entries[-2:]] == [stored.identity] * 2
    assert entries[-2].leaf != entries[-1].leaf == stored.leaf


@pytest.mark.fault(
    "A2",
    how="`anchor add` is killed after the commit, before it says so",
    then="the evidence is there; the same again finds it, and stores no second one",
)
def test_a_crash_between_commit_and_answer_is_no_second_evidence(anchored: Site) -> None:
    piece = anchored.write("second", b"second")
    crash = ("after", "anchor.operate.file_intake", "-", "accept", "1")
    anchored.run("add", piece, command=crashing(*crash), killed=True)
    assert sources(anchored).count(str(piece)) == 1
    anchored.run("add", piece).expect(0, "added 0 new, 1 already known")
    assert sources(anchored).count(str(piece)) == 1
    entries = list(SideFile(anchored.folder / SIDE_FILE).read_entries())
    assert entries[-1].leaf == find_piece(anchored, piece).leaf


# Sealing


@pytest.mark.fault(
    "A3",
    how="the seal is killed in its transaction: before it, half-way, and before the commit",
    then="no leaf is sealed; the next seal gives all of them their places in the same order",
)
@pytest.mark.parametrize("effect", ["find_end", "load_runs", "insert_head"])
def test_a_crash_in_a_seal_seals_nothing(anchored: Site, effect: str) -> None:
    for name in ("b", "c", "d"):
        anchored.add(name, name.encode())
    before = places(anchored), anchored.heads()
    crash = ("after", "anchor.store.sealing", "-", effect, "1")
    anchored.run("seal", command=crashing(*crash), killed=True)
    assert (places(anchored), anchored.heads()) == before
    assert count_waiting(anchored) == 3
    anchored.run("seal").expect(0)
    assert places(anchored) == [("first", 0), ("b", 1), ("c", 2), ("d", 3)]
    anchored.run("audit").expect(0)


# Sending


@pytest.mark.fault(
    "A7",
    how="the run is killed after it stored the signed bytes; the fee settings change meanwhile",
    then="the next run sends the very same bytes",
)
def test_stored_bytes_are_sent_as_they_are_whatever_the_settings_say_now(
    anchored: Site, embedded: Devnet
) -> None:
    anchored.add("second", b"second")
    crash = ("after", *JOURNAL, "save_attempt", "1")
    anchored.run("run", "--once", command=crashing(*crash), killed=True)
    query = "SELECT '0x' || lower(hex(raw)) FROM attempts WHERE head_size = 2"
    ((stored,),) = anchored.rows(query)
    anchored.edit("max_fee_gwei = 100", "max_fee_gwei = 77")
    with open_proxy(embedded) as (proxy, url):
        anchored.run("run", "--once", env={"ANCHOR_CHAIN__RPC": url}).expect(0)
        assert proxy.sent() == [stored]
    assert anchored.rows(query) == [(stored,)]


@pytest.mark.fault(
    "A9",
    how="the run is killed when the transaction is in the pool, and it is mined meanwhile",
    then="the next run finds it by its stored hash, and sends nothing",
)
def test_a_transaction_mined_while_nothing_ran_is_found(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil)
    ask(site.url, "anvil_setIntervalMining", 0)
    ask(site.url, "evm_setAutomine", False)
    site.add("a", b"a")
    crash = ("after", *NODE, "send_raw_transaction", "1")
    site.run("run", "--once", command=crashing(*crash), killed=True)
    ask(site.url, "anvil_mine", "0x1")
    stop_the_clock(site.url)
    before = nonce(site.url)
    with open_proxy(own_anvil) as (proxy, url):
        ran = site.run("run", "--once", "--wait", "included", env={"ANCHOR_CHAIN__RPC": url})
        ran.expect(0)
        assert proxy.sent() == []
    assert nonce(site.url) == before
    assert site.anchors_on_chain() == [(1, 1)]


# Receipts and other files


@pytest.mark.fault(
    "A12",
    how="`anchor prove` is killed before or after a receipt gets its name",
    then="the old receipt is there or the new one, whole; what is left over is known by its name",
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_while_a_receipt_is_written_leaves_the_old_or_the_new(
    anchored: Site, when: str
) -> None:
    piece = anchored.folder / "evidence" / "second"
    anchored.add("evidence/second", b"second")
    anchored.run("seal").expect(0)
    anchored.run("prove", piece).expect(0, "promise")
    receipt = piece.with_name("second.anchor.json")
    old = receipt.read_bytes()
    anchored.run("run", "--once").expect(0)
    crash = (when, "pathlib", "Path", "replace", "1")
    anchored.run("prove", piece, command=crashing(*crash), killed=True)
    assert (receipt.read_bytes() == old) == (when == "before")
    parse_receipt(receipt.read_bytes())
    left = [path for path in piece.parent.iterdir() if is_temporary(path.name)]
    assert len(left) == (when == "before")
    anchored.run("prove", piece).expect(0)
    assert len(parse_receipt(receipt.read_bytes()).anchors) == 1


# Stopping


@pytest.mark.fault(
    "A13",
    how="SIGTERM while a transaction is on its way, then SIGKILL",
    then="the signed bytes are stored; the next run goes on with them, one anchor",
)
def test_a_kill_after_a_stop_loses_and_doubles_nothing(
    anchored: Site, embedded: Devnet, tmp_path: Path
) -> None:
    before = nonce(anchored.url)
    anchored.add("second", b"second")
    with open_proxy(embedded) as (proxy, url):
        proxy.on("eth_sendRawTransaction", *[loses_request] * 5)
        with start_anchor(
            "run", cwd=anchored.folder, log=tmp_path / "run", env={"ANCHOR_CHAIN__RPC": url}
        ) as running:
            running.printed("checking whether it accepted the transaction")
            running.process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                running.process.wait(1)  # it looks for the transaction, for 20 seconds
            running.process.kill()
    assert nonce(anchored.url) == before
    stored = anchored.rows("SELECT tx_hash FROM attempts WHERE head_size = 2")
    assert len(stored) == 1
    anchored.run("run", "--once").expect(0)
    assert nonce(anchored.url) == before + 1
    assert anchored.rows("SELECT tx_hash FROM attempts WHERE head_size = 2") == stored
    assert anchored.anchors_on_chain() == [(1, 1), (2, 2)]


@pytest.mark.release
@pytest.mark.fault(
    "A14",
    how="the daemon's work raises what nobody expected, in its second round",
    then="the process ends with another code than 0; the next one finishes the work",
)
def test_a_daemon_whose_work_dies_is_no_daemon_that_lives(anchored: Site, tmp_path: Path) -> None:
    command = crashing("raise", "anchor.operate.daemon", "-", "anchor_round", "2")
    with start_anchor(
        "run", "--every", "1", cwd=anchored.folder, log=tmp_path / "run", command=command
    ) as running:
        running.printed("started")
        anchored.add("second", b"second")
        # Before its first round or after it; what comes now is for the second.
        number = 0
        while running.process.poll() is None and number < 60:
            number += 1
            anchored.add(f"more {number}", b"%d" % number)
            time.sleep(1)
        assert running.process.poll() == 1
    anchored.run("run", "--once").expect(0)
    assert anchored.anchors_on_chain()[-1][0] == number + 2


@pytest.mark.fault(
    "A15",
    how="the node falls silent at each storage question of a look at three anchors, in turn",
    then="the next look sees all three; none is skipped",
)
def test_an_error_half_way_through_several_anchors_skips_none(
    new_site: MakeSite, own_anvil: Devnet, injected: Callable[[int], None]
) -> None:
    site = new_site(own_anvil)
    stop_the_clock(site.url)
    for name in ("a", "b", "c"):
        site.add(name, name.encode())
        site.anchor()
    ask(site.url, "anvil_mine", "0x8")
    told: list[int] = []
    failures = 0
    with open_proxy(own_anvil) as (proxy, url), site.lead() as project, reading(url) as node:
        while len(told) < 3:
            # One more anchor is looked at each time before the node is gone.
            proxy.calm()
            proxy.on("eth_getStorageAt", *[passes] * failures, *[loses_response] * 9)
            before = len(told)
            try:
                told += [item.head.size for item in refresh_anchors(project, node)]
            except NodeUnreachableError:
                failures += 1
                final = site.rows("SELECT head_size FROM anchors WHERE final = 1 ORDER BY 1")
                told = [row[0] for row in final]
                assert len(told) - before <= failures
            assert failures < 10
    injected(failures)
    assert failures >= 2
    assert sorted(told) == [1, 2, 3]
