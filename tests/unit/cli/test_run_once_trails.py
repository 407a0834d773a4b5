"""`anchor run --once` records the tenants' audit trails, and goes on where it cannot."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template

from anchor.base.system.clock import format_time
from anchor.cli.commands.run import _record_audit_trails
from anchor.cli.console import Output
from anchor.people.actors import Actor
from anchor.store.evidence import count_evidence
from anchor.store.memberships import ensure_tenant


def test_the_days_before_are_recorded_and_a_failure_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = MemorySite.copy(make_template(tmp_path / "t"), tmp_path / "p", MemoryChain())
    project = site.open()
    with closing(project.database) as database:
        for days, tenant in ((2, "acme"), (3, "beta")):
            at = format_time(datetime.now(UTC) - timedelta(days=days))
            with database.write() as connection:
                ensure_tenant(connection, tenant, Actor("operator", "root"), at)
            if tenant == "beta":
                project.config.side_file.unlink()
                project.config.side_file.mkdir()
            _record_audit_trails(Output(as_json=True), project)
        with database.read() as connection:
            assert count_evidence(connection) == (1, 1)
    told = capsys.readouterr()
    assert "recorded the audit trail of acme" in told.err
    assert "could not be recorded" in told.err and told.out == ""
