"""After a restore the project knows its own anchors by the chain, and what others sent as such."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.disasters import anchor_final, back_up, put_back
from support.fixtures import MakeSite
from support.nodes import DEV, ask, stop_the_clock
from support.projects import Site, reading

from anchor.chain.devnet import Devnet
from anchor.recovery.chain_audit import audit_chain


@pytest.fixture
def site(new_site: MakeSite, own_anvil: Devnet) -> Site:
    made = new_site(own_anvil)
    stop_the_clock(made.url)
    return made


def restore_old_backup(site: Site, tmp_path: Path, *, foreign: int) -> list[str]:
    """Anchor, back up, anchor twice more, go back and restore; return what the next run reports."""
    anchor_final(site, "a")
    backup = back_up(site, tmp_path / "backup")
    anchor_final(site, "b")
    for _ in range(foreign):
        transaction = {"from": DEV, "to": DEV, "gas": "0x5208"}
        ask(site.url, "eth_sendTransaction", transaction)
    ask(site.url, "anvil_mine", "0x4")
    anchor_final(site, "c")
    put_back(site, backup)
    site.run("restore", "--replace").expect(0)
    site.add("d", b"d")
    ask(site.url, "anvil_mine", "0x4")
    told: list[str] = []
    site.round(report=told.append)
    ask(site.url, "anvil_mine", "0x4")
    return told


def count_foreign(site: Site) -> int:
    """Return how many nonces the audit takes for other programs'."""
    with site.lead() as project, reading(site.url) as node:
        return audit_chain(project, node).foreign_nonces


def test_anchors_that_were_lost_with_the_journal_are_the_projects_own(
    site: Site, tmp_path: Path
) -> None:
    told = restore_old_backup(site, tmp_path, foreign=0)
    assert not any("did not come from this project" in line for line in told)
    assert any("2 transactions of 0x" in line and "holds no record" in line for line in told)
    assert count_foreign(site) == 0
    assert "used by other programs" not in site.run("audit").expect(0).out


def test_what_others_sent_beside_lost_anchors_is_told(site: Site, tmp_path: Path) -> None:
    told = restore_old_backup(site, tmp_path, foreign=1)
    assert any(
        "1 transaction of 0x" in line and "did not come from this project" in line for line in told
    )
    assert any("2 transactions of 0x" in line and "holds no record" in line for line in told)
    assert count_foreign(site) == 1
    assert "1 nonces between ours were used by other" in site.run("audit").expect(0).out
