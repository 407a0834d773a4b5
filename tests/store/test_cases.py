"""Cases in stores of both kinds: who sees them, their exhibits, holds, erasure and transfer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection
from support.stores import make_item

from anchor.base.errors import UsageError
from anchor.evidence.preservation_number import number_record
from anchor.operate.erasing import check_erasable
from anchor.people.actors import Actor
from anchor.people.case_rules import CaseViewer, Party, viewer_of
from anchor.people.roles import ROLES, permissions_of_role, permissions_of_scopes
from anchor.people.stated_person import StatedPerson
from anchor.store import case_exhibits as exhibits_module
from anchor.store.case_exhibits import (
    ExhibitFields,
    add_exhibit,
    change_exhibit,
    count_exhibits,
    find_exhibit,
    find_tenant_piece,
    load_exhibits,
    remove_exhibit,
)
from anchor.store.case_members import add_case_member, load_case_members, remove_case_member
from anchor.store.case_notes import add_case_note, load_case_notes
from anchor.store.cases import (
    CaseFields,
    CaseRow,
    change_case,
    create_case,
    find_case,
    lift_case_hold,
    load_cases,
    place_case_hold,
    set_case_state,
)
from anchor.store.database import Database, create_database, open_database
from anchor.store.erased_exhibits import settle_exhibits
from anchor.store.erasures import (
    erase_rows,
    find_by_leaves,
    insert_erasures,
    load_erasures,
    lock_holds,
)
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.legal_holds import load_case_holds
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.memberships import add_member, ensure_tenant, remove_member
from anchor.store.people_transfer import insert_people, load_people
from anchor.store.persons import recognise_person
from anchor.store.sqlite_salvage import salvage_store
from anchor.store.tenant_events import load_events

AT, LATER = "2026-03-01T10:00:00.000Z", "2026-03-02T10:00:00.000Z"
OPERATOR = Actor("operator", "root")
KEY = Actor("key", "0123456789ab")
FIELDS = CaseFields(
    number="（2026）沪0105民初1号",
    title="Lee v. Ho",
    authority="上海市长宁区人民法院",
    parties=(Party("原告", "Ann Lee"), Party("被告", "Bo Ho")),
    is_shared=False,
)
WORDS = ExhibitFields(label="证据1", purpose="证明合同成立", note="")
ALL = CaseViewer(sees_all=True, person=None, creator="")
PIECES = [make_item(number)._replace(source=f"tenant:acme/{number}") for number in range(4)]
FOREIGN = make_item(9)._replace(source="tenant:other/9")


@pytest.fixture
def store(location: StoreLocation) -> Iterator[Database]:
    """A store with four pieces of a tenant's evidence and one of another's."""
    with closing(create_database(location)) as created:
        with created.write() as connection:
            insert_evidence(connection, [*PIECES, FOREIGN])
            ensure_tenant(connection, "acme", OPERATOR, AT)
        yield created


def join_tenant(connection: Connection, name: str, role: str) -> Actor:
    stated = StatedPerson(
        issuer="https://id.example", subject=name, name=name, email=None, email_verified=False
    )
    person = recognise_person(connection, stated, AT)
    (known,) = [each for each in ROLES if each == role]
    add_member(connection, "acme", person, known, OPERATOR, AT)
    return Actor("person", person)


def make_case(
    connection: Connection, actor: Actor = KEY, *, number: str = FIELDS.number,
    title: str = FIELDS.title, is_shared: bool = False,
) -> CaseRow:  # fmt: skip
    fields = replace(FIELDS, number=number, title=title, is_shared=is_shared)
    return create_case(connection, "acme", fields, actor, AT)


def reload(connection: Connection, case: CaseRow) -> CaseRow:
    again = find_case(connection, "acme", ALL, case.id, is_locked=True)
    assert again is not None
    return again


def add(connection: Connection, case: CaseRow, *numbers: int) -> None:
    for number in numbers:
        piece = find_tenant_piece(connection, "acme", PIECES[number].identity.hex())
        entered = replace(WORDS, label=f"{number}")
        assert add_exhibit(connection, case, piece, entered, KEY, AT)[1]


def labels(connection: Connection, case: CaseRow) -> list[str]:
    exhibits = load_exhibits(connection, case.id)
    assert [each.position for each in exhibits] == list(range(1, len(exhibits) + 1))
    return [each.label for each in exhibits]


def test_a_case_is_seen_by_owners_its_members_and_nobody_else(store: Database) -> None:
    with store.write() as connection:
        people = {role: join_tenant(connection, role, role) for role in ROLES}
        author, guest = (join_tenant(connection, name, "reader") for name in ("author", "guest"))
        case = make_case(connection, author)
        shared = make_case(connection, KEY, number="2", is_shared=True)
        by_key = make_case(connection, KEY, number="3")
        assert add_case_member(connection, case, guest.id, author, AT)
        viewers = {
            actor.encode(): viewer_of(permissions_of_role(role), actor)
            for role, actor in {**people, "reader": author}.items()
        }
        viewers[guest.encode()] = viewer_of(permissions_of_role("auditor"), guest)
        viewers["key:other"] = viewer_of(permissions_of_scopes(["read"]), Actor("key", "other"))
        viewers[KEY.encode()] = viewer_of(permissions_of_scopes(["read"]), KEY)
        viewers["key:boss"] = viewer_of(permissions_of_scopes(["manage"]), Actor("key", "boss"))
        sees = {
            people["owner"].encode(): {case.id, shared.id, by_key.id},
            "key:boss": {case.id, shared.id, by_key.id},
            author.encode(): {case.id, shared.id},
            guest.encode(): {case.id, shared.id},
            KEY.encode(): {shared.id, by_key.id},
        }
        for name, viewer in viewers.items():
            expected = sees.get(name, {shared.id})
            seen = {each.id for each in load_cases(connection, "acme", viewer, 10)}
            assert seen == expected, name
            for each in (case, shared, by_key):
                single = find_case(connection, "acme", viewer, each.id)
                assert (single is not None) == (each.id in expected)
                assert find_case(connection, "other", viewer, each.id) is None
        assert load_cases(connection, "other", ALL, 10) == []


def test_whoever_leaves_the_tenant_leaves_its_cases(store: Database) -> None:
    with store.write() as connection:
        join_tenant(connection, "boss", "owner")
        person = join_tenant(connection, "Bo", "member")
        case = make_case(connection, person)
        assert [each.person.id for each in load_case_members(connection, case.id)] == [person.id]
        remove_member(connection, "acme", person.id, OPERATOR, AT)
        assert load_case_members(connection, case.id) == []
        assert not add_case_member(connection, case, person.id, KEY, AT)
        add_member(connection, "acme", person.id, "member", OPERATOR, LATER)
        assert find_case(
            connection, "acme", viewer_of(permissions_of_role("member"), person), case.id
        ) is None  # fmt: skip
        assert add_case_member(connection, case, person.id, KEY, AT)
        assert remove_case_member(connection, case, person.id, KEY, AT)
        assert not remove_case_member(connection, case, person.id, KEY, AT)


def test_a_number_is_that_of_one_case_and_a_repeated_request_makes_one(store: Database) -> None:
    with store.write() as connection:
        case = make_case(connection)
        assert make_case(connection) == case
        with pytest.raises(UsageError, match="another case with this number"):
            make_case(connection, title="Other")
        with pytest.raises(UsageError, match="another case with this number"):
            make_case(connection, OPERATOR)
        other = make_case(connection, number="2")
        with pytest.raises(UsageError, match="another case with this number"):
            change_case(connection, other, replace(other.fields, number=FIELDS.number), KEY, AT)
        ensure_tenant(connection, "other", OPERATOR, AT)
        assert create_case(connection, "other", FIELDS, KEY, AT).id != case.id
        fields = replace(FIELDS, title="New", parties=(Party("third party", "Cy"),))
        change_case(connection, case, fields, KEY, LATER)
        assert reload(connection, case).fields == fields
        change_case(connection, reload(connection, case), fields, KEY, LATER)
        events = [each for each in load_events(connection, "acme", 50)
                  if each.action == "case-changed"]  # fmt: skip
        assert [each.details for each in events] == ['{"changed":"title parties"}']


def test_cases_are_listed_page_by_page_and_by_state(store: Database) -> None:
    with store.write() as connection:
        made = [
            create_case(connection, "acme", replace(FIELDS, number=f"{number}"), KEY, at)
            for number, at in enumerate([AT, AT, LATER, LATER, LATER])
        ]
        set_case_state(connection, made[2], "closed", KEY, LATER)
        whole = load_cases(connection, "acme", ALL, 10)
        assert [each.created_at for each in whole] == [LATER] * 3 + [AT] * 2
        pages: list[CaseRow] = []
        while page := load_cases(
            connection, "acme", ALL, 2, before=pages[-1].id if pages else None
        ):
            pages += page
        assert pages == whole
        closed = load_cases(connection, "acme", ALL, 10, state="closed")
        assert [each.id for each in closed] == [made[2].id]
        assert len(load_cases(connection, "acme", ALL, 10, state="open")) == 4
        assert load_cases(connection, "acme", ALL, 10, before="nothing") == []
        ensure_tenant(connection, "other", OPERATOR, AT)
        foreign = create_case(connection, "other", FIELDS, KEY, "2027-01-01T00:00:00.000Z")
        assert load_cases(connection, "acme", ALL, 10, before=foreign.id) == []


def test_evidence_is_named_by_id_or_number_and_only_the_tenants_own(store: Database) -> None:
    with store.write() as connection:
        number = number_record(PIECES[0].record or b"")
        for named in (PIECES[0].identity.hex(), number, number.lower().replace("-", " "),
                      (PIECES[0].sha256 or b"").hex()):  # fmt: skip
            piece = find_tenant_piece(connection, "acme", named)
            assert piece.identity == PIECES[0].identity
        for named in (FOREIGN.identity.hex(), number_record(FOREIGN.record or b""), "0" * 64,
                      "AC-20260101-0123456789ABCDEF"):  # fmt: skip
            with pytest.raises(UsageError, match="no such evidence"):
                find_tenant_piece(connection, "acme", named)
        for named in ("", "contract.pdf"):
            with pytest.raises(UsageError, match="neither an id nor a number"):
                find_tenant_piece(connection, "acme", named)
        twin = PIECES[0]._replace(identity=b"\1" * 32)
        insert_evidence(connection, [twin])
        with pytest.raises(UsageError, match="2 pieces"):
            find_tenant_piece(connection, "acme", number)


def test_exhibits_keep_an_order_that_can_be_changed(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.write() as connection:
        case, other = make_case(connection), make_case(connection, number="2")
        add(connection, case, 0, 1, 2, 3)
        add(connection, other, 1)
        assert count_exhibits(connection, [case.id, other.id]) == {case.id: 4, other.id: 1}
        piece = find_tenant_piece(connection, "acme", PIECES[1].identity.hex())
        known, is_new = add_exhibit(connection, case, piece, replace(WORDS, label="1"), KEY, AT)
        assert not is_new and known.position == 2
        with pytest.raises(UsageError, match="exhibit 2 of the case already"):
            add_exhibit(connection, case, piece, WORDS, KEY, AT)
        for position, expected in ((4, "0231"), (1, "1023"), (99, "0231"), (-5, "1023")):
            exhibit = find_exhibit(connection, case.id, known.id)
            assert exhibit is not None
            entered = ExhibitFields(label="1", purpose="p", note="n")
            change_exhibit(connection, case, exhibit, entered, position, KEY, AT)
            assert "".join(labels(connection, case)) == expected
        again = find_exhibit(connection, case.id, known.id)
        assert again is not None and (again.purpose, again.note) == ("p", "n")
        assert find_exhibit(connection, other.id, known.id) is None
        remove_exhibit(connection, case, again, KEY, AT)
        assert labels(connection, case) == ["0", "2", "3"] and labels(connection, other) == ["1"]
        monkeypatch.setattr(exhibits_module, "MAX_EXHIBITS", 3)
        with pytest.raises(UsageError, match="at most 3"):
            add_exhibit(connection, case, piece, WORDS, KEY, AT)


def test_notes_are_added_once_each_and_read_page_by_page(store: Database) -> None:
    with store.write() as connection:
        case, other = make_case(connection), make_case(connection, number="2")
        notes = [add_case_note(connection, case, f"{number}", KEY, AT) for number in range(5)]
        assert add_case_note(connection, case, "4", KEY, LATER) == notes[-1]
        assert add_case_note(connection, case, "4", OPERATOR, LATER).id != notes[-1].id
        add_case_note(connection, other, "elsewhere", KEY, AT)
        newest = load_case_notes(connection, case.id, 2)
        rest = load_case_notes(connection, case.id, 10, before=newest[-1].id)
        assert [each.text for each in newest + rest] == ["4", "4", "3", "2", "1", "0"]


def test_a_hold_keeps_the_exhibits_of_an_open_case_and_nothing_else(store: Database) -> None:
    with store.write() as connection:
        case, other = make_case(connection), make_case(connection, number="2")
        add(connection, case, 0, 1)
        add(connection, other, 2)
        pieces = find_by_leaves(connection, [PIECES[0].leaf])
        check_erasable(connection, pieces)
        place_case_hold(connection, case, "suit", KEY, AT)
        with pytest.raises(UsageError, match=f"legal hold 'case:{case.id}'") as raised:
            check_erasable(connection, pieces)
        assert "lifts the hold of its case" in str(raised.value.hint)
        check_erasable(connection, find_by_leaves(connection, [PIECES[2].leaf, PIECES[3].leaf]))
        assert {each.leaf for each in load_case_holds(connection)} == {
            PIECES[0].leaf, PIECES[1].leaf
        }  # fmt: skip
        set_case_state(connection, reload(connection, case), "closed", KEY, LATER)
        check_erasable(connection, pieces)
        set_case_state(connection, reload(connection, case), "open", KEY, LATER)
        with pytest.raises(UsageError, match="legal hold"):
            check_erasable(connection, pieces)
        place_case_hold(connection, reload(connection, case), "again", OPERATOR, LATER)
        held = reload(connection, case).hold
        assert held is not None and (held.reason, held.placed_at) == ("suit", AT)
        lift_case_hold(connection, reload(connection, case), KEY, LATER)
        check_erasable(connection, pieces)
        actions = [each.action for each in load_events(connection, "acme", 4)][::-1]
        assert actions == ["case-hold-placed", "case-closed", "case-reopened", "case-hold-lifted"]


def test_an_exhibit_is_held_as_soon_as_it_is_in_a_held_case(store: Database) -> None:
    """An erasure that began before waits, and then sees the hold."""
    with store.write() as connection:
        case = make_case(connection)
        place_case_hold(connection, case, "suit", KEY, AT)
    ready, refused = threading.Event(), threading.Event()

    def erase() -> None:
        ready.wait(60)
        with store.write() as connection:
            lock_holds(connection)
            try:
                check_erasable(connection, find_by_leaves(connection, [PIECES[0].leaf]))
            except UsageError:
                refused.set()

    thread = threading.Thread(target=erase)
    thread.start()
    with store.write() as connection:
        add(connection, reload(connection, case), 0)
        ready.set()
        thread.join(0.3)
    thread.join(60)
    assert refused.is_set()


def test_erased_evidence_stays_an_exhibit_without_what_identifies_it(store: Database) -> None:
    with store.write() as connection:
        case = make_case(connection)
        add(connection, case, 0, 1)
        pieces = find_by_leaves(connection, [PIECES[0].leaf])
        erase_rows(connection, pieces, [(None, LATER)])
        erased, kept = load_exhibits(connection, case.id)
        assert (erased.identity, erased.erased_at, erased.leaf) == (None, LATER, PIECES[0].leaf)
        assert (kept.identity, kept.erased_at) == (PIECES[1].identity, None)


def test_cases_move_to_another_store_and_say_what_it_does_not_hold(
    store: Database, tmp_path: Path
) -> None:
    with store.write() as connection:
        person = join_tenant(connection, "Bo", "owner")
        case = make_case(connection, person)
        add(connection, case, 0, 1, 2)
        place_case_hold(connection, case, "suit", person, AT)
        for text in ("b", "a"):
            add_case_note(connection, case, text, person, AT)
        before = reload(connection, case)
        stored = load_people(connection)
    with (
        closing(create_database(SqliteFile(tmp_path / "restored.db"))) as restored,
        restored.write() as connection,
    ):
        insert_evidence(connection, PIECES[1:])
        insert_people(connection, stored)
        with store.read() as source:
            assert load_erasures(source) == []
        erased = find_by_leaves(connection, [PIECES[2].leaf])
        erase_rows(connection, erased, [(None, LATER)])
        settle_exhibits(connection)
        assert reload(connection, case) == before
        assert [each.text for each in load_case_notes(connection, case.id, 9)] == ["a", "b"]
        assert [each.person.id for each in load_case_members(connection, case.id)] == [person.id]
        states = [(each.identity is None, each.erased_at)
                      for each in load_exhibits(connection, case.id)]  # fmt: skip
        assert states == [(True, None), (False, None), (True, LATER)]


def test_what_was_erased_before_the_restore_says_when(store: Database, tmp_path: Path) -> None:
    with store.write() as connection:
        case = make_case(connection)
        add(connection, case, 0)
        stored = load_people(connection)
        erase_rows(connection, find_by_leaves(connection, [PIECES[0].leaf]), [(None, LATER)])
        erasures = load_erasures(connection)
    with (
        closing(create_database(SqliteFile(tmp_path / "restored.db"))) as restored,
        restored.write() as connection,
    ):
        insert_people(connection, stored)
        insert_erasures(connection, erasures)
        settle_exhibits(connection)
        (exhibit,) = load_exhibits(connection, case.id)
        assert (exhibit.identity, exhibit.erased_at) == (None, LATER)


def test_a_salvaged_store_keeps_its_cases(tmp_path: Path) -> None:
    location = SqliteFile(tmp_path / "anchor.db")
    with closing(create_database(location)) as database, database.write() as connection:
        insert_evidence(connection, PIECES)
        ensure_tenant(connection, "acme", OPERATOR, AT)
        case = make_case(connection, join_tenant(connection, "Bo", "owner"))
        add(connection, case, 0, 1)
        add_case_note(connection, case, "note", KEY, AT)
        before = load_people(connection)
    salvaged = salvage_store(location, SqliteFile(tmp_path / "new.db"))
    assert salvaged.lost == []
    new = SqliteFile(tmp_path / "new.db")
    with closing(open_database(new)) as database, database.read() as connection:
        assert load_people(connection) == before
