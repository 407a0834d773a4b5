"""A restored store gets its people from the first store that has any."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

from anchor.people.stated_person import StatedPerson
from anchor.recovery.rebuild import _insert_people
from anchor.store.database import create_database
from anchor.store.location import SqliteFile
from anchor.store.memberships import create_own_tenant
from anchor.store.people_transfer import load_people
from anchor.store.persons import recognise_person

NOW = "2026-01-01T00:00:00.000Z"


def test_people_come_from_the_first_store_that_has_any(tmp_path: Path) -> None:
    with ExitStack() as stack:
        empty, own, backup, restored, nothing = (
            stack.enter_context(closing(create_database(SqliteFile(tmp_path / f"{number}.db"))))
            for number in range(5)
        )
        for store, subject in ((own, "1"), (backup, "2")):
            stated = StatedPerson(
                issuer="https://id.example", subject=subject, name=subject, email=None,
                email_verified=False,
            )  # fmt: skip
            with store.write() as connection:
                person = recognise_person(connection, stated, NOW)
                create_own_tenant(connection, person, NOW)
        _insert_people(restored, [empty, own, backup])
        _insert_people(nothing, [empty])
        with own.read() as source, restored.read() as target, nothing.read() as none:
            assert load_people(target) == load_people(source)
            assert load_people(none).is_empty
