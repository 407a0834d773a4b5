"""Fingerprints are found exactly after any insertion, erasure or rollback, on both databases."""

from __future__ import annotations

import hashlib
import random
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from support.examples import examples
from support.stores import Postgres

from anchor.store import fingerprint_filters, fingerprint_merges, fingerprint_pages
from anchor.store import fingerprints as module
from anchor.store.bloom_filter import BloomFilter
from anchor.store.fingerprint_filters import RunFilters, filters_of
from anchor.store.fingerprint_pages import (
    ENTRY,
    PAGE_ENTRIES,
    About,
    Pages,
    SortedRun,
    State,
    encode_entry,
)
from anchor.store.fingerprints import (
    YOUNG_ENTRIES,
    count,
    find,
    find_entries,
    find_prefix,
    insert,
    load_entries,
    remove,
)
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.schema import metadata
from anchor.store.sorted_rows import number_rows, sort_rows

IDENTITY, SM3, SOURCE = LONG = (About.IDENTITY, About.SM3, About.SOURCE)
Entry = tuple[bytes, int]


def open_engine(location: StoreLocation) -> Engine:
    if isinstance(location, SqliteFile):
        engine = create_engine(f"sqlite:///{location.path}")
        event.listen(engine, "connect", lambda driver, _: driver.execute("PRAGMA synchronous=OFF"))

        @event.listens_for(engine, "connect")
        def leave_transactions_alone(driver: Any, _record: object) -> None:
            driver.isolation_level = None

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        return engine
    return create_engine(make_url(location.url).set(drivername="postgresql+psycopg"))


def make_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        metadata.create_all(connection)
        if engine.dialect.name == "postgresql":
            # Then a page that does not fit is refused instead of being moved elsewhere.
            for column in ("first", "body"):
                connection.execute(
                    text(f"ALTER TABLE fingerprints ALTER {column} SET STORAGE PLAIN")
                )


@pytest.fixture
def engine(location: StoreLocation) -> Iterator[Engine]:
    made = open_engine(location)
    make_tables(made)
    yield made
    made.dispose()


def key_of(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def encode(entries: Iterable[Entry]) -> bytes:
    return b"".join(encode_entry(key, index) for key, index in entries)


def numbered(numbers: Iterable[int]) -> list[Entry]:
    return [(key_of(number), number) for number in numbers]


def contents(connection: Connection, about: About = IDENTITY) -> list[Entry]:
    """Read all entries, and check that they are what the runs and their pages hold."""
    rows = b"".join(load_entries(connection, about))
    entries = list(fingerprint_pages.decode_entries(rows))
    assert entries == sorted(set(entries))
    assert count(connection, about) == len(entries)
    check_runs(connection, about)
    return entries


def check_runs(connection: Connection, about: About) -> None:
    pages = Pages(connection)
    runs = pages.list_runs(about)
    for run in runs:
        stored = connection.execute(
            text("SELECT first, body FROM fingerprints WHERE run = :run ORDER BY first"),
            {"run": run.run},
        ).all()
        bodies = b"".join(row.body for row in stored)
        assert sort_rows(bodies, ENTRY) == bodies
        for row in stored:
            assert row.first == row.body[:ENTRY]
            assert 0 < len(row.body) <= PAGE_ENTRIES * ENTRY
        if run.state != State.DEAD:
            assert run.entries == len(bodies) // ENTRY
    # What is being built holds all entries of its inputs up to its last one.
    for output in runs:
        inputs = [run for run in runs if run.target == output.run]
        assert bool(inputs) == (output.state == State.BUILDING)
        if inputs:
            assert {run.state for run in inputs} == {State.LIVE}
            last = pages.load_last_entry(output.run)
            rows = b"".join(part for run in inputs for part in pages.load_run(run.run))
            split = [rows[at : at + ENTRY] for at in range(0, len(rows), ENTRY)]
            expected = b"".join(sorted(row for row in split if row <= last))
            assert b"".join(pages.load_run(output.run)) == expected
    known = {run.run for run in runs}
    targets = {run.target for run in runs if run.target is not None}
    assert targets <= known


# Any sequence of what callers do


class Machine(RuleBasedStateMachine):
    """The tables against a set of entries."""

    location: StoreLocation

    def __init__(self) -> None:
        super().__init__()
        self.engine = open_engine(self.location)
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM fingerprints"))
            connection.execute(text("DELETE FROM fingerprint_runs"))
        self.model: dict[About, set[Entry]] = {about: set() for about in LONG}
        self.next = 0

    def teardown(self) -> None:
        self.engine.dispose()

    @initialize(
        most=st.sampled_from([0, 300, 224 << 20]),
        about=st.sampled_from(LONG),
        sizes=st.lists(st.integers(1, 60), min_size=5, max_size=40),
    )
    def fill(self, most: int, about: About, sizes: list[int]) -> None:
        self.most = most
        self.new_filters()
        for size in sizes:
            self.insert(about, size, size, fails=False)

    def new_filters(self) -> None:
        with self.engine.begin() as connection:
            fingerprint_filters._of_pools[connection.engine.pool] = RunFilters(self.most)

    def draw(self, about: About, number: int, seed: int) -> list[Entry]:
        """Return new entries; but for identities, with keys that are used again."""
        rng = random.Random(seed)
        first, self.next = self.next, self.next + number
        if about == IDENTITY:
            return numbered(range(first, self.next))
        return [(key_of(rng.randrange(30)), index) for index in range(first, self.next)]

    @rule(
        about=st.sampled_from(LONG),
        number=st.integers(1, 3) | st.integers(4, 40) | st.integers(200, 900),
        seed=st.integers(0, 999),
        fails=st.sampled_from([False, False, True]),
    )
    def insert(self, about: About, number: int, seed: int, fails: bool) -> None:
        entries = self.draw(about, number, seed)
        with self.engine.connect() as connection, connection.begin() as transaction:
            self.look(connection, about, seed)
            insert(connection, about, encode(entries))
            assert find(connection, about, [entries[0][0]])[entries[0][0]]
            if fails:
                transaction.rollback()
            else:
                self.model[about] |= set(entries)
                self.look(connection, about, seed + 1)

    @rule(about=st.sampled_from(LONG), number=st.integers(2, 60), seed=st.integers(0, 999))
    def insert_one_by_one(self, about: About, number: int, seed: int) -> None:
        for entry in self.draw(about, number, seed):
            with self.engine.begin() as connection:
                insert(connection, about, encode([entry]))
            self.model[about].add(entry)

    @rule(
        about=st.sampled_from(LONG),
        share=st.sampled_from([0.01, 0.1, 0.6]),
        seed=st.integers(0, 999),
        fails=st.sampled_from([False, False, True]),
    )
    def remove(self, about: About, share: float, seed: int, fails: bool) -> None:
        rng = random.Random(seed)
        gone = [entry for entry in sorted(self.model[about]) if rng.random() < share]
        gone += [(key_of(-1), 5), *((key, index + 10**6) for key, index in gone[:3])]
        with self.engine.connect() as connection, connection.begin() as transaction:
            remove(connection, about, gone)
            if fails:
                transaction.rollback()
            else:
                self.model[about] -= set(gone)

    @rule(about=st.sampled_from(LONG), seed=st.integers(0, 999))
    def remove_what_merges_wrote_last(self, about: About, seed: int) -> None:
        with self.engine.begin() as connection:
            pages = Pages(connection)
            last = [
                pages.load_last_entry(run.run)
                for run in pages.list_runs(about)
                if run.state == State.BUILDING
            ]
            gone = [*fingerprint_pages.decode_entries(b"".join(last))]
            remove(connection, about, gone)
            self.model[about] -= set(gone)

    @rule(about=st.sampled_from(LONG), seed=st.integers(0, 999))
    def search(self, about: About, seed: int) -> None:
        with self.engine.begin() as connection:
            self.look(connection, about, seed)

    @rule()
    def open_again(self) -> None:
        self.engine.dispose()
        self.engine = open_engine(self.location)
        self.new_filters()

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        with self.engine.begin() as connection:
            for about, entries in self.model.items():
                assert contents(connection, about) == sorted(entries)

    def look(self, connection: Connection, about: About, seed: int) -> None:
        """Look up keys in each way, few and many, known and unknown."""
        rng = random.Random(seed)
        model = sorted(self.model[about])
        known = [key for key, _ in model]
        number = rng.choice([1, 5, 100, 500])
        keys = {key_of(-rng.randrange(1, 10**6)) for _ in range(rng.choice([1, 20, 300]))}
        keys |= set(rng.sample(known, min(len(known), number)))
        expected: dict[bytes, list[int]] = {}
        for key, index in model:
            if key in keys:
                expected.setdefault(key, []).append(index)
        assert find(connection, about, keys) == expected
        rows = b"".join(key + b"behind" for key in sorted(keys))
        found = find_entries(connection, about, rows, ENTRY)
        assert found == encode(entry for entry in model if entry[0] in keys)
        for key in rng.sample(sorted(keys), min(len(keys), 3)):
            size = rng.choice([1, 16, 32])
            prefix = key[:size]
            start = bisect_left(model, (prefix, 0))
            begun = []
            while start < len(model) and model[start][0].startswith(prefix):
                begun.append(model[start])
                start += 1
            assert find_prefix(connection, about, prefix) == begun


def test_the_tables_hold_what_a_set_holds(
    location: StoreLocation, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With small pages and merges of three runs, so that few entries make many of both."""
    for each in (fingerprint_pages, fingerprint_merges):
        monkeypatch.setattr(each, "PAGE_ENTRIES", 6)
    monkeypatch.setattr(fingerprint_pages, "PAGE", 6 * ENTRY)
    monkeypatch.setattr(module, "YOUNG_ENTRIES", 3)
    monkeypatch.setattr(fingerprint_merges, "FAN", 3)
    monkeypatch.setattr(fingerprint_merges, "_LEAST_STEP", 1)

    is_sqlite = isinstance(location, SqliteFile)

    class Here(Machine):
        pass

    Here.location = location
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples(300, 25) if is_sqlite else examples(100, 8),
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
            deadline=None,
        ),
    )


# Merging


def test_a_hundred_thousand_entries_in_mixed_batches_are_found(engine: Engine) -> None:
    rng = random.Random(13)
    done, most_runs = 0, 0
    while done < 100_000:
        size = rng.choice([1, 7, 60, 103, 104, 500, 2_000, 10_000])
        with engine.begin() as connection:
            rows = number_rows(b"".join(map(key_of, range(done, done + size))), 32, done)
            assert find_entries(connection, IDENTITY, sort_rows(rows, ENTRY), ENTRY) == b""
            insert(connection, IDENTITY, rows)
            done += size
            most_runs = max(most_runs, len(Pages(connection).list_live(IDENTITY)))
            sample = rng.sample(range(done), min(done, 20))
            assert find(connection, IDENTITY, map(key_of, sample)) == found(sample)
    with engine.begin() as connection:
        assert contents(connection) == sorted(numbered(range(done)))
    assert most_runs < 70


def test_all_at_once_is_one_run(engine: Engine) -> None:
    with engine.begin() as connection:
        insert(connection, SOURCE, encode(numbered(range(50_000))))
        assert contents(connection, SOURCE) == sorted(numbered(range(50_000)))
        assert len(Pages(connection).list_runs(SOURCE)) == 1
        assert find(connection, SM3, [key_of(1)]) == {}


def test_few_entries_are_in_the_young_page_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        for number in range(YOUNG_ENTRIES - 1):
            insert(connection, IDENTITY, encode(numbered([number])))
            insert(connection, SM3, encode([(key_of(7), number)]))
        assert Pages(connection).list_runs(IDENTITY) == []
        assert find(connection, SM3, [key_of(7)]) == {key_of(7): [*range(YOUNG_ENTRIES - 1)]}
        insert(connection, IDENTITY, encode(numbered([YOUNG_ENTRIES - 1])))
        assert [run.entries for run in Pages(connection).list_runs(IDENTITY)] == [YOUNG_ENTRIES]
        assert Pages(connection).load_young(IDENTITY) == b""
        assert contents(connection) == sorted(numbered(range(YOUNG_ENTRIES)))


@pytest.mark.parametrize("size", [104, 1_000, 5_000])
def test_merges_end_and_dead_pages_go(engine: Engine, size: int) -> None:
    states = set()
    most_pages = 0
    with engine.begin() as connection:
        for first in range(0, 100 * size, size):
            insert(connection, IDENTITY, encode(numbered(range(first, first + size))))
            runs = Pages(connection).list_runs(IDENTITY)
            states |= {run.state for run in runs}
            live = [run for run in runs if run.state == State.LIVE]
            assert len(live) <= 3 * fingerprint_merges.FAN
            assert len([run for run in runs if run.state == State.BUILDING]) <= 2
            (stored,) = connection.execute(text("SELECT count(*) FROM fingerprints")).one()
            needed = -(-(first + size) // PAGE_ENTRIES) + len(live)
            most_pages = max(most_pages, stored / needed)
        check_runs(connection, IDENTITY)
        # What was merged fills its pages.
        largest = max(live, key=lambda run: run.entries)
        assert len(Pages(connection).load_pages_after(largest.run, b"", 9_999)) == largest.pages
    assert states == {State.BUILDING, State.LIVE, State.DEAD}
    # Inputs, output and dead pages of a merge, or of two.
    assert most_pages < 2.5


def test_an_insertion_reads_and_writes_a_few_times_what_it_inserts(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    extend = Pages.extend_run
    deleted: list[int] = []
    delete = Pages.delete_some
    read: list[int] = []
    load = Pages.load_pages_after

    def extend_run(pages: Pages, run: int, rows: bytes) -> None:
        written.append(len(rows) // ENTRY)
        extend(pages, run, rows)

    def delete_some(pages: Pages, run: int, most: int) -> int:
        deleted.append(delete(pages, run, most))
        return deleted[-1]

    def load_pages_after(pages: Pages, run: int, first: bytes, most: int) -> list[bytes]:
        bodies = load(pages, run, first, most)
        read.append(len(bodies))
        return bodies

    monkeypatch.setattr(Pages, "extend_run", extend_run)
    monkeypatch.setattr(Pages, "delete_some", delete_some)
    monkeypatch.setattr(Pages, "load_pages_after", load_pages_after)
    size, total = 1_000, 0
    with engine.begin() as connection:
        for first in range(0, 150 * size, size):
            written.clear()
            deleted.clear()
            read.clear()
            insert(connection, IDENTITY, encode(numbered(range(first, first + size))))
            # Each step reads up to two pages of an input more than it must, and may write them.
            step = 2 * size + 2 * fingerprint_merges.FAN * PAGE_ENTRIES
            assert len(written) <= 3
            assert max(written, default=0) <= step
            assert sum(read) <= 2 * len(written) * (step // PAGE_ENTRIES)
            assert sum(deleted) <= 2 * ((size + sum(written)) // PAGE_ENTRIES + 1)
            total += sum(written)
    assert total > 100 * size


def merge_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin a merge with eight runs of a level, in small steps."""
    monkeypatch.setattr(fingerprint_merges, "FAN", 8)
    monkeypatch.setattr(fingerprint_merges, "_LEAST_STEP", 8)


def test_a_merge_goes_on_where_it_was_after_its_last_entries_are_erased(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge_eight(monkeypatch)
    entries = set(numbered(range(9_000)))
    with engine.begin() as connection:
        for first in range(0, 8_000, 1_000):
            insert(connection, IDENTITY, encode(numbered(range(first, first + 1_000))))
        insert(connection, IDENTITY, encode(numbered(range(8_000, 8_100))))
        insert(connection, IDENTITY, encode(numbered(range(8_100, 9_000))))
    for number in range(9_000, 9_200):
        with engine.begin() as connection:
            pages = Pages(connection)
            building = [run for run in pages.list_runs(IDENTITY) if run.state == State.BUILDING]
            # All of the last page, so that also its first entry changes, or it goes.
            gone = [
                entry
                for run in building
                for entry in fingerprint_pages.decode_entries(
                    pages.load_page_of(run.run, b"\xff" * ENTRY)
                )
            ]
            if number == 9_000:
                assert gone
            remove(connection, IDENTITY, gone)
            entries -= set(gone)
            check_runs(connection, IDENTITY)
            insert(connection, IDENTITY, encode(numbered([number])))
            entries |= set(numbered([number]))
            assert contents(connection) == sorted(entries)


def test_an_erased_entry_is_in_no_page_whatever_its_state(engine: Engine) -> None:
    rng = random.Random(3)
    states = set()
    with engine.begin() as connection:
        for first in range(0, 20_000, 500):
            insert(connection, IDENTITY, encode(numbered(range(first, first + 500))))
            state_of = {run.run: run.state for run in Pages(connection).list_runs(IDENTITY)}
            for run in state_of:
                (body, *_) = Pages(connection).load_pages_after(run, b"", 1) or [b""]
                entries = [body[at : at + ENTRY] for at in range(0, len(body), ENTRY)]
                for entry in {*entries[:1], *rng.sample(entries, min(len(entries), 1))}:
                    states.add(state_of[run])
                    remove(connection, IDENTITY, fingerprint_pages.decode_entries(entry))
                    query = text("SELECT body FROM fingerprints")
                    stored = b"".join(connection.execute(query).scalars())
                    assert entry not in stored
            check_runs(connection, IDENTITY)
    assert states == {State.BUILDING, State.LIVE, State.DEAD}


def test_a_run_whose_entries_are_all_erased_does_no_harm(engine: Engine) -> None:
    with engine.begin() as connection:
        for first in range(0, 900, 150):
            insert(connection, IDENTITY, encode(numbered(range(first, first + 150))))
        remove(connection, IDENTITY, numbered(range(900)))
        assert contents(connection) == []
        assert connection.execute(text("SELECT count(*) FROM fingerprints")).scalar_one() == 0
        for first in range(1_000, 9_000, 500):
            insert(connection, IDENTITY, encode(numbered(range(first, first + 500))))
        assert contents(connection) == sorted(numbered(range(1_000, 9_000)))


def test_an_interrupted_merge_is_complete_in_every_state(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement that inserts or merges fails once; what was committed before is unchanged."""

    class Interrupted(Exception):
        pass

    merge_eight(monkeypatch)
    for first in range(0, 8_000, 1_000):
        with engine.begin() as connection:
            insert(connection, IDENTITY, encode(numbered(range(first, first + 1_000))))
    before = numbered(range(8_000))
    run = Pages._run
    left = 0

    def interrupt(pages: Pages, statement: str, *values: object) -> list[Any]:
        nonlocal left
        left -= 1
        if left == 0:
            raise Interrupted
        return run(pages, statement, *values)

    statements = 0
    for added in range(8_000, 10_000, 500):
        failed = 0
        while True:
            failed += 1
            left = failed
            with monkeypatch.context() as patched:
                patched.setattr(Pages, "_run", interrupt)
                try:
                    with engine.begin() as connection:
                        insert(connection, IDENTITY, encode(numbered(range(added, added + 500))))
                except Interrupted:
                    done = False
                else:
                    done = True
            with engine.begin() as connection:
                if done:
                    before += numbered(range(added, added + 500))
                if done or failed % 7 == 0:
                    assert contents(connection) == sorted(before)
                else:
                    assert count(connection, IDENTITY) == len(before)
            if done:
                break
        statements = max(statements, failed)
    assert statements > 20


# Looking up


def test_keys_that_begin_alike_are_found_across_pages(engine: Engine) -> None:
    """The first half of an identity is the submitter's choice."""
    stem = bytes(range(16))
    alike = [(stem + key_of(number)[:16], number) for number in range(2_000)]
    around = [
        (stem[:15] + bytes([end]) + key_of(number)[:16], number + 5_000)
        for number in range(300)
        for end in (14, 16)
    ]
    with engine.begin() as connection:
        for first in range(0, 2_000, 125):
            insert(connection, IDENTITY, encode(alike[first : first + 125]))
        insert(connection, IDENTITY, encode(around))
        assert find_prefix(connection, IDENTITY, stem) == sorted(alike)
        assert find_prefix(connection, IDENTITY, stem[:15]) == sorted(alike + around)
        some = [key for key, _ in alike[::100]]
        for keys in (some, [key for key, _ in alike]):
            found = find(connection, IDENTITY, keys)
            assert found == {key: [index] for key, index in alike if key in set(keys)}
        assert find(connection, IDENTITY, [stem + bytes(16)]) == {}


def test_a_key_with_many_indices_is_found_across_pages(engine: Engine) -> None:
    key, before, behind = key_of(0), bytes(32), b"\xff" * 32
    with engine.begin() as connection:
        for first in range(0, 3_000, 1_000):
            entries = [(key, index) for index in range(first, first + 1_000)]
            entries += [(before, first), (behind, first)]
            insert(connection, SM3, encode(entries))
        indices = [*range(3_000)]
        assert find(connection, SM3, [key]) == {key: indices}
        assert find(connection, SM3, [before, key, behind]) == {
            before: [0, 1_000, 2_000],
            key: indices,
            behind: [0, 1_000, 2_000],
        }
        assert find_prefix(connection, SM3, key[:16]) == [(key, index) for index in indices]


@pytest.mark.parametrize("about", [About.RECORD, About.LEAF])
def test_short_keys_are_found_by_a_prefix(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, about: About
) -> None:
    monkeypatch.setattr(fingerprint_pages, "PAGE", 7 * about.entry)
    monkeypatch.setattr(module, "YOUNG_ENTRIES", 3)
    monkeypatch.setattr(fingerprint_merges, "FAN", 3)
    rng = random.Random(about)
    model: list[Entry] = []
    for size in (1, 2, 30, 3, 200, 7, 90, 1, 60, 300, 4):
        added = [
            (rng.choice([b"\xff", b"\0", b"a"]) * rng.randrange(9) + rng.randbytes(10), index)
            for index in range(len(model), len(model) + size)
        ]
        added = [(key[:10], index) for key, index in added]
        with engine.begin() as connection:
            data = b"".join(key + index.to_bytes(6, "big") for key, index in added)
            insert(connection, about, data)
        model = sorted([*model, *added])
        with engine.begin() as connection:
            assert count(connection, about) == len(model)
            rows = b"".join(load_entries(connection, about))
            assert [*fingerprint_pages.decode_entries(rows, about.entry)] == model
            for length in (1, 2, 9, 10):
                for prefix in {key[:length] for key, _ in rng.sample(model, min(len(model), 9))}:
                    begun = [entry for entry in model if entry[0].startswith(prefix)]
                    assert find_prefix(connection, about, prefix) == begun
            for prefix in (b"", bytes(11)):
                with pytest.raises(ValueError, match="a prefix has 1 to 10 bytes"):
                    find_prefix(connection, about, prefix)
            with pytest.raises(ValueError, match="by a prefix"):
                find_entries(connection, about, bytes(32))


@pytest.mark.parametrize("size", [PAGE_ENTRIES - 1, PAGE_ENTRIES, PAGE_ENTRIES + 1])
def test_an_entry_at_the_border_of_a_page_is_found(engine: Engine, size: int) -> None:
    keys = [number.to_bytes(32, "big") for number in range(0, 8 * size, 2)]
    with engine.begin() as connection:
        insert(connection, SM3, encode((key, 0) for key in keys))
        (border,) = {PAGE_ENTRIES}
        remove(connection, SM3, [(keys[border], 0)])
        insert(connection, SM3, encode([(keys[border], 1)]))
        for at in (0, 1, border - 1, border, border + 1, 2 * border, len(keys) - 1):
            index = int(at == border)
            assert find(connection, SM3, [keys[at]]) == {keys[at]: [index]}
            odd = (2 * at + 1).to_bytes(32, "big")
            assert find(connection, SM3, [odd]) == {}
            assert find_prefix(connection, SM3, keys[at]) == [(keys[at], index)]


def test_wrong_sizes_are_refused(engine: Engine) -> None:
    with engine.begin() as connection:
        with pytest.raises(ValueError):
            insert(connection, IDENTITY, bytes(37))
        with pytest.raises(ValueError):
            find(connection, IDENTITY, [bytes(31)])
        with pytest.raises(ValueError):
            find_entries(connection, IDENTITY, bytes(62), 31)
        with pytest.raises(ValueError):
            find_entries(connection, IDENTITY, bytes(33))
        for prefix in (b"", bytes(33)):
            with pytest.raises(ValueError):
                find_prefix(connection, IDENTITY, prefix)
        with pytest.raises(ValueError):
            remove(connection, IDENTITY, [(bytes(31), 1)])
        with pytest.raises(OverflowError):
            remove(connection, IDENTITY, [(bytes(32), 1 << 48)])
        insert(connection, IDENTITY, b"")
        remove(connection, IDENTITY, [])
        assert find_entries(connection, IDENTITY, b"") == b""
        assert find(connection, IDENTITY, []) == {}
        assert contents(connection) == []
    with engine.connect() as connection, pytest.raises(RuntimeError, match="transaction"):
        insert(connection, IDENTITY, bytes(38))


# Filters


def filtered(engine: Engine) -> set[int]:
    """Return the runs that have a complete filter."""
    with engine.begin() as connection:
        kept = filters_of(connection)._filters
        return {run for run, made in kept.items() if made.is_complete}


def fill(engine: Engine, entries: list[Entry]) -> list[SortedRun]:
    with engine.begin() as connection:
        insert(connection, IDENTITY, encode(entries))
        return Pages(connection).list_live(IDENTITY)


def look_up(engine: Engine, numbers: Iterable[int]) -> dict[bytes, list[int]]:
    with engine.begin() as connection:
        return find(connection, IDENTITY, map(key_of, numbers))


def found(numbers: Iterable[int]) -> dict[bytes, list[int]]:
    return {key_of(number): [number] for number in numbers}


def test_a_filter_is_built_a_few_pages_at_a_time(engine: Engine) -> None:
    (run,) = fill(engine, numbered(range(40 * PAGE_ENTRIES)))
    finds = 0
    while filtered(engine) == set():
        finds += 1
        assert look_up(engine, [finds, -finds]) == found([finds])
        assert finds < 30
    assert finds >= 13
    assert filtered(engine) == {run.run}
    assert look_up(engine, range(40 * PAGE_ENTRIES)) == found(range(40 * PAGE_ENTRIES))


def test_a_filter_under_construction_hides_nothing(engine: Engine) -> None:
    numbers = range(20 * PAGE_ENTRIES)
    fill(engine, numbered(numbers))
    rng = random.Random(1)
    while filtered(engine) == set():
        look_up(engine, [-1])
        # In a transaction that has changed something, it is used as it is.
        with engine.begin() as connection:
            insert(connection, SM3, encode([(key_of(1), rng.getrandbits(40))]))
            sample = rng.sample(numbers, 200)
            assert find(connection, IDENTITY, map(key_of, sample)) == found(sample)
            assert find(connection, IDENTITY, map(key_of, numbers)) == found(numbers)


def test_a_key_is_found_where_a_filter_under_construction_ends(engine: Engine) -> None:
    """The indices of one key fill some pages, and a filter has only the first ones."""
    keys = [number.to_bytes(32, "big") for number in range(3)]
    entries = [(key, index) for key in keys for index in range(4 * PAGE_ENTRIES)]
    with engine.begin() as connection:
        insert(connection, SOURCE, encode(entries))
    for _ in range(12):
        for key in keys:
            with engine.begin() as connection:
                assert find(connection, SOURCE, [key]) == {key: [*range(4 * PAGE_ENTRIES)]}
                (made,) = filters_of(connection)._filters.values()
    assert made.is_complete


def test_erasures_while_a_filter_is_built_leave_it_right(engine: Engine) -> None:
    (run,) = fill(engine, numbered(range(30 * PAGE_ENTRIES)))
    left = set(range(30 * PAGE_ENTRIES))
    rng = random.Random(2)
    while filtered(engine) == set():
        look_up(engine, [-1])
        with engine.begin() as connection:
            kept = filters_of(connection)._filters.get(run.run)
            page = b"" if kept is None else Pages(connection).load_page_of(run.run, kept.page)
            entries = [*fingerprint_pages.decode_entries(page)]
            # The first entries of the page read last, all of it, or entries anywhere.
            gone = rng.choice([entries[:2], entries, numbered(rng.sample(sorted(left), 5))])
            remove(connection, IDENTITY, gone)
            left -= {index for _, index in gone}
        sample = rng.sample(range(30 * PAGE_ENTRIES), 3)
        assert look_up(engine, sample) == found(left.intersection(sample))
    assert look_up(engine, range(30 * PAGE_ENTRIES)) == found(left)
    with engine.begin() as connection:
        # No entry was counted twice.
        assert filters_of(connection)._filters[run.run].entries <= 30 * PAGE_ENTRIES


def test_a_filter_saves_the_look_ups(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(engine, numbered(range(20_000)))
    look_up(engine, range(-1_000, 0))
    loads = 0
    load = Pages.load_pages_of

    def load_pages_of(pages: Pages, bounds: Mapping[int, list[bytes]]) -> dict[int, list[bytes]]:
        nonlocal loads
        loads += sum(map(len, bounds.values()))
        return load(pages, bounds)

    monkeypatch.setattr(Pages, "load_pages_of", load_pages_of)
    assert look_up(engine, range(-10_000, -5_000)) == {}
    assert loads < 25  # 0.5 %
    # Where most pages are needed, the run is read in order.
    loads = 0
    assert look_up(engine, range(20_000)) == found(range(20_000))
    assert loads == 0


def test_a_filter_that_wrongly_admits_a_key_does_not_decide(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine, numbered(range(20_000)))
    look_up(engine, range(-1_000, 0))
    assert filtered(engine)
    monkeypatch.setattr(BloomFilter, "select", lambda _, hashes, rows, width: bytes(rows))
    assert look_up(engine, [-2, 5, 7]) == found([5, 7])


def test_no_filter_is_built_of_what_may_be_rolled_back(engine: Engine) -> None:
    fill(engine, numbered(range(1_000)))
    with engine.connect() as connection, connection.begin() as transaction:
        insert(connection, IDENTITY, encode(numbered(range(1_000, 3_000))))
        assert find(connection, IDENTITY, map(key_of, range(3_000))) == found(range(3_000))
        assert not filters_of(connection)._filters
        transaction.rollback()
    assert filtered(engine) == set()


def test_an_erasure_that_is_rolled_back_hides_nothing(engine: Engine) -> None:
    """A filter without an erased entry would hide it after another one is erased."""
    fill(engine, numbered(range(1_000)))
    with engine.connect() as connection, connection.begin() as transaction:
        remove(connection, IDENTITY, numbered([5]))
        assert find(connection, IDENTITY, map(key_of, range(1_000))) == found(
            number for number in range(1_000) if number != 5
        )
        transaction.rollback()
    with engine.begin() as connection:
        remove(connection, IDENTITY, numbered([6]))
    assert look_up(engine, range(1_000)) == found(n for n in range(1_000) if n != 6)
    assert look_up(engine, [5, 6]) == found([5])


def test_a_filter_of_a_run_that_was_not_read_whole_is_not_kept(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = fill(engine, numbered(range(2_000)))
    load = Pages.load_pages_after
    monkeypatch.setattr(
        Pages,
        "load_pages_after",
        lambda pages, run, first, most: load(pages, run, first, most)[: most - 1][:3],
    )
    look_up(engine, range(-1_000, 0))
    monkeypatch.undo()
    assert filtered(engine) == set()
    assert look_up(engine, range(2_000)) == found(range(2_000))
    assert filtered(engine) == {run.run}


def test_filters_of_runs_that_were_merged_are_dropped(engine: Engine) -> None:
    for first in range(0, 60_000, 1_000):
        fill(engine, numbered(range(first, first + 1_000)))
        look_up(engine, range(-1_000, 0))
        with engine.begin() as connection:
            live = {run.run for run in Pages(connection).list_live(IDENTITY)}
            kept = filters_of(connection)
            assert live == {*kept._filters}
            assert not kept._claimed


def test_the_filters_memory_is_bounded() -> None:
    def make_run(number: int, entries: int) -> SortedRun:
        return SortedRun(run=number, entries=entries, state=State.LIVE, target=None)

    def fill_filters(*runs: SortedRun) -> set[int]:
        for run in runs:
            claimed = filters.claim(run)
            if claimed is not None:
                filters.release(run, claimed)
        return {run.run for run in runs if filters.find(run) is not None}

    small = [make_run(number, 100) for number in range(20)]  # 320 bytes each
    middle, large = make_run(98, 200), make_run(99, 100_000)
    filters = RunFilters(1_000)
    assert filters.claim(small[0]) is None
    filters.keep_live(About.SM3, [large, middle])
    assert fill_filters(large, middle) == {98}
    # The smallest runs of all keys together.
    filters.keep_live(About.IDENTITY, small[:2])
    assert fill_filters(large, middle, *small) == {0, 1}
    filters.keep_live(About.IDENTITY, small[5:9])
    assert len(fill_filters(large, middle, *small)) == 3
    filters.keep_live(About.IDENTITY, [])
    assert fill_filters(large, middle, *small) == {98}
    # What was claimed before it did not fit any more is dropped when it is released.
    claimed = filters.claim(middle)
    filters.keep_live(About.IDENTITY, small[:3])
    filters.release(middle, claimed)
    assert filters.find(middle) is None


def test_one_thread_at_a_time_adds_to_a_filter(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = fill(engine, numbered(range(5_000)))
    with engine.begin() as connection:
        filters = filters_of(connection)
    filters.keep_live(IDENTITY, [run])
    claimed = filters.claim(run)
    assert claimed is not None
    assert filters.claim(run) is None
    assert look_up(engine, range(-9, 9)) == found(range(9))
    assert filtered(engine) == set()
    filters.release(run, None)
    monkeypatch.setattr(BloomFilter, "add", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        look_up(engine, range(9))
    monkeypatch.undo()
    assert look_up(engine, range(-9, 5_000)) == found(range(5_000))
    assert filtered(engine) == {run.run}


def test_two_stores_have_filters_of_their_own(engine: Engine, tmp_path: Path) -> None:
    other = open_engine(SqliteFile(tmp_path / "other.db"))
    make_tables(other)
    (run,) = fill(engine, numbered(range(1_000)))
    (its,) = fill(other, numbered(range(1_000, 2_000)))
    for _ in range(3):
        look_up(engine, range(-500, 0))
        look_up(other, range(-500, 0))
        assert filtered(engine) == {run.run}
        assert filtered(other) == {its.run}
    other.dispose()


def test_several_threads_search_while_one_inserts(postgres: Postgres) -> None:
    """Each reader sees one snapshot, whatever is merged and deleted meanwhile."""
    engine = open_engine(postgres.create())
    make_tables(engine)
    readers = engine.execution_options(isolation_level="REPEATABLE READ")
    done = threading.Event()
    failures: list[object] = []

    def read(seed: int) -> None:
        rng = random.Random(seed)
        try:
            while not done.is_set():
                with readers.begin() as connection:
                    size = count(connection, IDENTITY)
                    sample = rng.sample(range(size), min(size, 300))
                    assert find(connection, IDENTITY, map(key_of, sample)) == found(sample)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    first = 0
    for size in [1, 50, 104, 400, 3_000] * 8:
        fill(engine, numbered(range(first, first + size)))
        first += size
    done.set()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert not failures


def test_the_numbers_of_runs_are_not_those_of_young_pages(engine: Engine) -> None:
    with engine.begin() as connection:
        for first in range(0, 4_000, 200):
            insert(connection, IDENTITY, encode(numbered(range(first, first + 200))))
        runs = [run.run for run in Pages(connection).list_runs(IDENTITY)]
    assert all(max(About) < run < 1 << 63 for run in runs)
    assert max(runs) > 1 << 50
    assert module.YOUNG_ENTRIES * ENTRY < 4_000  # one page of SQLite
