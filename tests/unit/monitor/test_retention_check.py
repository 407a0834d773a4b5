"""What `anchor doctor` says of retention dates."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from anchor.monitor.retention_check import check_retentions
from anchor.project.config import RetentionConfig
from anchor.store.database import create_database
from anchor.store.location import SqliteFile
from anchor.store.retentions import Retention, put_retention

AT = "2030-01-01T00:00:00.000Z"


def make_date(number: int, until: str) -> Retention:
    return Retention(
        identity=bytes([number]) * 32, tenant="acme", record_until=until, owner_until=None,
        until=until, beaten_by="hold" if number == 1 else None,
    )  # fmt: skip


def test_dates_that_passed_and_do_not_act_are_the_operators_to_decide(tmp_path: Path) -> None:
    idle, acting = RetentionConfig(), RetentionConfig(acts=True, grace_days=3)
    with closing(create_database(SqliteFile(tmp_path / "anchor.db"))) as store:
        text, hint = check_retentions(store, idle, AT)
        assert "retention dates: 0" in str(text) and hint is None
        with store.write() as connection:
            put_retention(connection, make_date(1, "2029-01-01T00:00:00.000Z"))
            put_retention(connection, make_date(2, AT))
            put_retention(connection, make_date(3, "2031-01-01T00:00:00.000Z"))
        text, hint = check_retentions(store, idle, AT)
        assert "retention dates: 3, passed: 2" in str(text) and hint is not None
        text, hint = check_retentions(store, acting, AT)
        assert "otherwise: 1; erased 3 days after the date" in str(text) and hint is None
