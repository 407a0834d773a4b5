"""Rows of copies in stores of both kinds: quota, parts in order, outcomes, keys, and restores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, update
from support.stores import make_item

from anchor.base.errors import ChainGuardError
from anchor.people.actors import Actor
from anchor.store.copy_events import delete_tenant_copy
from anchor.store.copy_rows import load_wrapped_keys, replace_wrapped_key, transfer_copies
from anchor.store.database import Database, create_database
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.kept_copies import (
    CopyPart,
    KeptCopy,
    OverCopyQuota,
    add_part,
    begin_copy,
    count_all_copy_bytes,
    count_copy_bytes,
    end_expired_upload,
    end_upload,
    find_copy,
    find_copy_of,
    forget_copies,
    forget_objects,
    load_parts,
    new_copy_id,
    save_copy_refusal,
    save_copy_waiting,
    save_kept,
)
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.memberships import ensure_tenant
from anchor.store.schema import jobs, kept_copies
from anchor.store.tenant_events import load_events

AT, END = "2026-03-01T10:00:00.000Z", "2026-03-02T10:00:00.000Z"
KEY = Actor("key", "0123456789ab")
PIECES = [make_item(number)._replace(source=f"tenant:acme/{number}") for number in range(4)]


@pytest.fixture
def store(location: StoreLocation) -> Iterator[Database]:
    with closing(create_database(location)) as created:
        with created.write() as connection:
            insert_evidence(connection, PIECES)
            ensure_tenant(connection, "acme", KEY, AT)
        yield created


def begin(store: Database, number: int = 0, *, length: int = 100, limit: int = 1_000) -> KeptCopy:
    with store.write() as connection:
        return begin_copy(
            connection, new_copy_id(), "acme", PIECES[number].identity, length=length,
            wrapped_key=b"key %d" % number, actor=KEY, at=AT, expires_at=END, limit=limit,
        )  # fmt: skip


def add(store: Database, copy: KeptCopy, size: int) -> KeptCopy | None:
    part = CopyPart(number=copy.parts, object=f"object {copy.parts}", size=size)
    with store.write() as connection:
        return add_part(connection, copy, part, at=AT, expires_at=END)


def find(store: Database, id: str) -> KeptCopy | None:
    with store.read() as connection:
        return find_copy(connection, id)


def arrive(store: Database, number: int = 0) -> KeptCopy:
    copy = add(store, begin(store, number), 100)
    assert copy is not None and copy.state == "checking"
    return copy


def jobs_of(store: Database, id: str) -> list[str]:
    with store.read() as connection:
        query = select(jobs.c.due_at).where((jobs.c.kind == "copy") & (jobs.c.about == id))
        return sorted(connection.execute(query).scalars())


def actions(store: Database) -> list[str]:
    with store.read() as connection:
        return [event.action for event in load_events(connection, "acme", 50)[::-1]][1:]


def test_parts_are_added_in_order_and_once(store: Database) -> None:
    copy = begin(store)
    assert (copy.state, copy.received, copy.parts) == ("receiving", 0, 0)
    assert begin(store) == copy
    assert jobs_of(store, copy.id) == [END]
    second = add(store, copy, 60)
    assert second is not None and (second.received, second.parts) == (60, 1)
    assert add(store, copy, 60) is None
    last = add(store, second, 40)
    assert last is not None and last.state == "checking"
    assert add(store, last, 1) is None
    assert jobs_of(store, copy.id) == [AT, END]
    with store.read() as connection:
        assert [part.size for part in load_parts(connection, copy.id)] == [60, 40]
    assert begin(store, 1, length=0).state == "checking"


def test_a_tenants_bytes_are_counted_until_the_copy_ends(store: Database) -> None:
    first = begin(store, 0, length=600)
    with pytest.raises(OverCopyQuota) as over:
        begin(store, 1, length=401)
    assert (over.value.used, over.value.limit) == (600, 1_000)
    begin(store, 1, length=400)
    with store.write() as connection:
        assert end_upload(connection, first.id, at=AT)
        assert not end_upload(connection, first.id, at=AT)
        assert count_copy_bytes(connection, "acme") == 400
        assert count_all_copy_bytes(connection, "acme", "acme") == {"acme": 400}
        assert count_all_copy_bytes(connection, "b", "z") == {}
    assert begin(store, 0, length=600).id != first.id


def test_two_uploads_do_not_take_the_same_room(store: Database) -> None:
    outcomes: list[object] = []

    def race(number: int) -> None:
        def work(connection: object) -> KeptCopy:
            return begin_copy(
                connection, new_copy_id(), "acme", PIECES[number].identity, length=600,
                wrapped_key=b"key", actor=KEY, at=AT, expires_at=END, limit=1_000,
            )  # fmt: skip

        try:
            outcomes.append(store.write_with_retry(work))
        except OverCopyQuota as error:
            outcomes.append(error)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, KeptCopy) for outcome in outcomes) == 1
    assert len(outcomes) == 4


def test_a_copy_is_settled_once(store: Database) -> None:
    copy = arrive(store)
    with store.write() as connection:
        save_copy_waiting(connection, copy.id)
    waiting = find(store, copy.id)
    assert waiting is not None and waiting.state == "waiting"
    for _ in range(2):
        with store.write() as connection:
            save_kept(connection, copy.id, at=AT)
            save_copy_refusal(connection, copy.id, "infected", at=AT)
            save_copy_waiting(connection, copy.id)
    kept = find(store, copy.id)
    assert kept is not None and (kept.state, kept.settled_at) == ("kept", AT)
    assert kept.wrapped_key == b"key 0"
    assert actions(store) == ["copy-kept"]


def test_a_refused_copy_has_no_key_and_makes_room_for_another(store: Database) -> None:
    copy = arrive(store)
    with store.write() as connection:
        save_copy_refusal(connection, copy.id, "other-bytes", at=AT)
        save_kept(connection, copy.id, at=AT)
        assert count_copy_bytes(connection, "acme") == 0
    refused = find(store, copy.id)
    assert refused is not None
    assert (refused.state, refused.reason, refused.wrapped_key) == ("refused", "other-bytes", None)
    assert jobs_of(store, copy.id) == [AT, AT, END]
    with store.write() as connection:
        forget_objects(connection, copy.id)
        assert load_parts(connection, copy.id) == []
    assert find(store, copy.id) == refused
    assert begin(store).state == "receiving"
    with store.write() as connection:
        forget_objects(connection, copy.id)
    assert find(store, copy.id) is None
    assert actions(store) == ["copy-refused"]


def test_only_an_upload_that_has_expired_ends_by_itself(store: Database) -> None:
    copy = begin(store)
    with store.write() as connection:
        end_expired_upload(connection, copy.id, at=AT)
    assert find(store, copy.id) == copy
    with store.write() as connection:
        end_expired_upload(connection, copy.id, at=END)
    ended = find(store, copy.id)
    assert ended is not None and ended.state == "deleted"
    assert ended.identity is None and ended.wrapped_key is None
    kept = arrive(store, 1)
    with store.write() as connection:
        end_expired_upload(connection, kept.id, at=END)
    assert find(store, kept.id) == kept


def test_erased_and_deleted_copies_lose_key_and_identity(store: Database) -> None:
    first, second = arrive(store, 0), arrive(store, 1)
    with store.write() as connection:
        save_kept(connection, second.id, at=AT)
        forget_copies(connection, [(PIECES[0].identity, END), (b"", END)])
        forget_objects(connection, second.id)
        identity = PIECES[1].identity
        assert not delete_tenant_copy(connection, "other", identity, KEY, at=END)
        assert delete_tenant_copy(connection, "acme", identity, KEY, at=END)
        assert not delete_tenant_copy(connection, "acme", identity, KEY, at=END)
        assert find_copy_of(connection, PIECES[0].identity) is None
        save_kept(connection, first.id, at=END)
    for copy in (first, second):
        gone = find(store, copy.id)
        assert gone is not None and gone.state == "deleted"
        assert gone.identity is None and gone.wrapped_key is None
        assert END in jobs_of(store, copy.id)[1:]
    assert actions(store) == ["copy-kept", "copy-deleted"]


def test_no_key_outlives_its_copy_and_no_copy_its_key(store: Database) -> None:
    copy = begin(store)
    for values in ({"wrapped_key": None}, {"state": "refused"}, {"state": "deleted"}):
        with pytest.raises(ChainGuardError), store.write() as connection:
            connection.execute(update(kept_copies).values(**values))
    assert find(store, copy.id) == copy


def test_a_key_that_was_destroyed_is_not_brought_back(store: Database) -> None:
    first, second = arrive(store, 0), arrive(store, 1)
    with store.read() as connection:
        rows = sorted(load_wrapped_keys(connection), key=lambda row: row[2])
    assert rows == [("acme", first.id, b"key 0"), ("acme", second.id, b"key 1")]
    with store.write() as connection:
        save_copy_refusal(connection, first.id, "infected", at=AT)
        replace_wrapped_key(connection, first.id, b"key 0", b"new 0")
        replace_wrapped_key(connection, second.id, b"key 1", b"new 1")
        assert [row[1:] for row in load_wrapped_keys(connection)] == [(second.id, b"new 1")]


def test_a_restored_store_gets_the_copies_of_its_evidence(store: Database, tmp_path: Path) -> None:
    kept, checking, other = arrive(store, 0), arrive(store, 1), arrive(store, 2)
    begin(store, 3)
    with store.write() as connection:
        save_kept(connection, kept.id, at=AT)
    with closing(create_database(SqliteFile(tmp_path / "restored.db"))) as restored:
        with restored.write() as connection:
            insert_evidence(connection, [PIECES[0], PIECES[1], PIECES[3]])
        for _ in range(2):
            with store.read() as source, restored.write() as target:
                transfer_copies(source, target)
        assert find(restored, kept.id) == find(store, kept.id)
        assert find(restored, checking.id) == checking
        assert find(restored, other.id) is None
        with restored.read() as connection:
            assert find_copy_of(connection, PIECES[3].identity) is None
            assert [part.size for part in load_parts(connection, kept.id)] == [100]
        assert jobs_of(restored, kept.id) == []
        assert jobs_of(restored, checking.id) == [AT]
