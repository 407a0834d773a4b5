"""What a run read of the chain goes on to receipts only while the store is as the run left it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import ChainClock, MemorySite, make_template
from support.memory_transactions import QuickSigner, read_sender

import anchor
from anchor.base.errors import IncidentError
from anchor.chain.devnet import open_devnet
from anchor.chain.node import Node
from anchor.chain.signer import Signer
from anchor.library import operating
from anchor.store.heads import newest_final_anchor
from anchor.store.incidents import open_incident


def test_no_receipt_is_made_once_another_process_has_opened_an_incident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = MemoryChain(recover=read_sender, interval=1, lag=1)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    monkeypatch.setattr(operating, "SystemClock", lambda: ChainClock(chain))
    file = tmp_path / "a.txt"
    file.write_bytes(b"a")

    class Key:
        def open(self) -> Signer:
            return QuickSigner(site.key)

    with anchor.Project(site.open(), node=Node(chain)) as project:
        project.add([file])
        done = project.run_once(signer=Key(), wait="final")
        assert done.anchored is not None and done.anchored.final
        other = site.open()
        chain_id = site.config.chain_id
        try:
            with other.database.read() as connection:
                anchored = newest_final_anchor(connection, chain_id)
            assert anchored is not None
            with other.database.write() as connection:
                open_incident(
                    connection,
                    chain_id,
                    anchored,
                    None,
                    seen_block=10**6,
                    at="2026-01-01T00:00:00Z",
                )
        finally:
            other.database.close()
        with pytest.raises(IncidentError):
            project.receipt(file)


def test_what_another_process_anchors_later_is_proven_in_a_later_block(tmp_path: Path) -> None:
    reports: list[str] = []
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_bytes(b"a")
    second.write_bytes(b"b")
    with (
        open_devnet(anvil=None) as chain,
        anchor.Project.create_on_devnet(
            tmp_path / "project", rpc=chain.url, report=reports.append
        ) as project,
    ):
        project.deploy()
        project.add([first])
        project.run_once(wait="final")
        with anchor.Project.open(tmp_path / "project") as other:
            other.add([second])
            other.run_once(wait="final")
        reports.clear()
        receipt = project.receipt(second)
        assert not any("the proven anchor of size" in report for report in reports)
        assert receipt.anchors[0].state is not None
