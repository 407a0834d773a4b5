"""Where each tenant's evidence lies: the table follows whatever is done to the pieces."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import Connection, select
from support.stores import NOW, make_item

from anchor.store.columns import NewEvidence, Run, join_texts, make_run, pack_run
from anchor.store.database import Database, create_database
from anchor.store.erasures import erase_rows, find_by_ids
from anchor.store.evidence_insertion import claim_rows, insert_evidence
from anchor.store.evidence_kinds import MADE, Kind
from anchor.store.file_origins import tenant_of
from anchor.store.location import StoreLocation
from anchor.store.runs import load_runs
from anchor.store.schema import tenant_slices
from anchor.store.tenant_slices import SLICE, list_slices, load_newest_of

TENANTS = ("acme", "other", "third")


@pytest.fixture
def store(location: StoreLocation) -> Iterator[Database]:
    with closing(create_database(location)) as created:
        yield created


def piece(number: int, source: str) -> NewEvidence:
    return make_item(number)._replace(
        source=source, identity=hashlib.sha256(f"{source} {number}".encode()).digest()
    )


def bulk_run(number: int, count: int, tenant: str) -> Run:
    """Return a run as the service makes it of a bulk submission."""
    kind = Kind(MADE, has_sha256=True, log="00" * 32, prefix=f"tenant:{tenant}/")
    digests = [hashlib.sha256(b"bulk %d %d" % (number, at)).digest() for at in range(count)]
    names = join_texts([b"%d.txt" % at for at in range(count)])
    return make_run(
        0,
        kinds=[kind],
        codes=bytes(count),
        salts=b"".join(digests),
        accepted_at=NOW,
        names=names,
        sha256=b"".join(digests),
    )


def entered(connection: Connection) -> set[tuple[str, int]]:
    rows = connection.execute(select(tenant_slices.c.tenant, tenant_slices.c.first))
    return {(row.tenant, row.first) for row in rows}


def owners(connection: Connection) -> list[str | None]:
    """Return whose each piece is, as its source says."""
    runs = load_runs(connection)
    return [tenant_of(row.source) for run in runs for row in run.rows()]


def check(connection: Connection) -> None:
    """Check the table, and each tenant's listing, against every piece's source."""
    whose = owners(connection)
    expected = {(each, at // SLICE * SLICE) for at, each in enumerate(whose) if each is not None}
    assert entered(connection) == expected
    for tenant in (*TENANTS, "nobody"):
        mine = [at for at, each in enumerate(whose) if each == tenant]
        for start, end in ((0, len(whose)), (SLICE - 3, 2 * SLICE + 5), (7, 8)):
            listed = [run.first + at for run, at in load_newest_of(connection, tenant, start, end)]
            assert listed == [at for at in reversed(mine) if start <= at < end]


def test_the_table_follows_intake_erasure_and_claims(store: Database) -> None:
    chance = random.Random(20)
    number = 0
    with store.write() as connection:
        while number < 2 * SLICE + 100:
            rows: list[NewEvidence | Run] = []
            for _ in range(chance.choice((1, 3, 40))):
                tenant = chance.choice((*TENANTS[:2], None))
                number += 1
                source = f"/files/{number}" if tenant is None else f"tenant:{tenant}/n/{number}"
                rows.append(piece(number, source))
            count = chance.choice((1, 100, 300))
            number += count
            run = bulk_run(number, count, chance.choice(TENANTS[:2]))
            insert_evidence(connection, [*rows, run])
        assert number > 2 * SLICE
        check(connection)
        every = [row for run in load_runs(connection) for row in run.rows()]
        few = [row for row in every[:SLICE] if tenant_of(row.source) == "other"]
        for batch in (few[:-1], few[-1:]):
            # The last piece takes the row of the slice away.
            pieces = find_by_ids(connection, [row.identity for row in batch])
            erase_rows(connection, pieces, [(None, NOW)] * len(pieces))
            check(connection)
        assert ("other", 0) not in entered(connection) and ("acme", 0) in entered(connection)
        row = next(row for row in every[SLICE:] if row.source.startswith("/"))
        claim_rows(connection, [(row.identity, b"\1" * 32, "tenant:third/claimed")])
        check(connection)
        assert [tenant for tenant, _ in entered(connection)].count("third") == 1


def test_a_row_that_was_rolled_back_is_written_again(store: Database) -> None:
    pieces = [piece(number, f"tenant:acme/{number}") for number in range(6)]
    with pytest.raises(RuntimeError), store.write() as connection:
        for each in pieces[:3]:
            insert_evidence(connection, [each])
        raise RuntimeError
    for each in pieces:
        with store.write() as connection:
            insert_evidence(connection, [each])
            check(connection)


def test_a_row_is_kept_while_pieces_can_still_be_appended(store: Database) -> None:
    pieces = [piece(number, f"tenant:acme/{number}") for number in range(6)]
    for each in pieces[:4]:
        with store.write() as connection:
            insert_evidence(connection, [each])
    with store.write() as connection:
        erased = find_by_ids(connection, [each.identity for each in pieces[:4]])
        erase_rows(connection, erased, [(None, NOW)] * 4)
        assert list(load_newest_of(connection, "acme", 0, 10)) == []
    with store.write() as connection:
        insert_evidence(connection, pieces[4:])
        check(connection)


def test_prefixes_that_do_not_name_a_tenant_are_read_piece_by_piece() -> None:
    rows = [piece(1, "tenant:acme/x"), piece(2, "tenant:other/y"), piece(3, "label")]
    run = pack_run(SLICE - 2, rows)
    assert list_slices(run) == {("acme", 0), ("other", 0)}
    assert list_slices(replace(run, first=SLICE - 1)) == {("acme", 0), ("other", SLICE)}
