"""Audit of everything in the store that is derived from the runs, recomputed from them."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import pack
from typing import Any

from sqlalchemy import Connection, select

from anchor.base.messages.message import Message
from anchor.evidence.retention import MARK, read_retention
from anchor.evidence.search_query import fold_name
from anchor.log.batch_sha256 import hash_rows
from anchor.log.tree import HASH
from anchor.store import name_index
from anchor.store.columns import Run
from anchor.store.evidence_insertion import ENTERED, encode_entries
from anchor.store.evidence_kinds import ERASED, LOST, parse_kinds
from anchor.store.file_origins import tenant_of
from anchor.store.fingerprint_merges import merge_runs
from anchor.store.fingerprint_pages import ENTRY, About, Pages, State
from anchor.store.log_following import count_followed
from anchor.store.record_index import LEAF, RECORD, list_record_entries
from anchor.store.schema import (
    case_parties,
    cases,
    certificate_files,
    record_index,
    retention_index,
    retentions,
    tenant_slices,
)
from anchor.store.schema import name_index as name_index_position
from anchor.store.sorted_rows import NUMBER_SIZE, merge_rows, split_rows
from anchor.store.tenant_slices import Slice, list_slices

_NAMES = {
    About.IDENTITY: Message("index-of-identities"),
    About.SM3: Message("index-of-sm3"),
    About.SOURCE: Message("index-of-files"),
    About.RECORD: Message("index-of-records"),
    About.LEAF: Message("index-of-leaves"),
}
_POSITIONS = (
    (record_index, Message("index-of-records")),
    (name_index_position, Message("index-of-names")),
    (retention_index, Message("index-of-retentions")),
)
# Rows of a table that are compared at once.
_BATCH = 1 << 14


@dataclass(slots=True)
class EntrySum:
    """A sum over identities and indices that does not depend on their order."""

    count: int = 0
    total: int = 0

    def add(self, entries: bytes, width: int = ENTRY) -> None:
        hashes = hash_rows(0, entries, width)
        self.count += len(hashes) // HASH
        for at in range(0, len(hashes), HASH):
            self.total += int.from_bytes(hashes[at : at + HASH], "big")


class RecordIndexAudit:
    """What the index of records has to hold of the first ``size`` pieces."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._sums = {RECORD: EntrySum(), LEAF: EntrySum()}
        self._without: set[bytes] = set()

    def add(self, run: Run) -> None:
        """Add the pieces of the next run."""
        if run.first >= self._size:
            return
        for about, total in self._sums.items():
            total.add(list_record_entries(run, about, stop=self._size), about.entry)
        if run.erased or run.lost:
            self._without |= {
                (run.first + at).to_bytes(NUMBER_SIZE, "big")
                for at in range(run.pieces)
                if not run.has_record(at)
            }

    def check(self, load_entries: Callable[[About], Iterator[bytes]]) -> Iterator[Message]:
        """Yield a message if the index holds something else."""
        for about, total in self._sums.items():
            entered = EntrySum()
            for entries in load_entries(about):
                kept = self._leave_out(entries) if about is RECORD else entries
                entered.add(kept, about.entry)
            if entered != total:
                yield _differs(about, total, entered)

    def _leave_out(self, entries: bytes) -> bytes:
        """Return the entries of records that are there; erased and lost ones stay entered."""
        if not self._without:
            return entries
        rows = split_rows(entries, RECORD.entry)
        return b"".join(row for row in rows if row[-NUMBER_SIZE:] not in self._without)


class PieceIndexAudit:
    """What the indexes of identities, SM3 digests and file paths have to hold of all pieces."""

    def __init__(self) -> None:
        self._sums = {about: EntrySum() for about in ENTERED}

    def add(self, run: Run) -> None:
        """Add the pieces of a run."""
        for about, total in self._sums.items():
            total.add(encode_entries(run, about))

    def check(self, load_entries: Callable[[About], Iterator[bytes]]) -> Iterator[Message]:
        """Yield a message for each index that holds something else."""
        for about, total in self._sums.items():
            entered = EntrySum()
            for entries in load_entries(about):
                entered.add(entries)
            if entered != total:
                yield _differs(about, total, entered)


def _differs(about: About, stored: EntrySum, entered: EntrySum) -> Message:
    return Message(
        "audit-index-differs", name=_NAMES[about], stored=stored.count, entered=entered.count
    )


def audit_pages(connection: Connection) -> Iterator[tuple[About, Message]]:
    """Check the pages of every index, and that a merge under way has what it was made from."""
    for about in About:
        pages = Pages(connection, about.entry)
        listed = [run for run in pages.list_runs(about) if run.state != State.DEAD]
        if not (pages.is_sorted(pages.load_young(about)) and all(map(pages.is_whole, listed))):
            yield about, Message("audit-index-damaged", name=_NAMES[about])
            continue
        outputs = {run.run for run in listed if run.state == State.BUILDING}
        is_whole = all(run.target in (None, *outputs) for run in listed)
        for output in outputs:
            inputs = [run for run in listed if run.target == output]
            last = pages.load_last_entry(output)
            made, expected = EntrySum(), EntrySum()
            for rows in pages.load_run(output):
                made.add(rows, about.entry)
            for rows in merge_runs(pages, inputs) if last else ():
                expected.add(merge_rows((rows,), about.entry, until=last), about.entry)
            is_whole = is_whole and made == expected
        if not is_whole:
            yield about, Message("audit-index-damaged", name=_NAMES[about])


class NameAudit:
    """What the index of names has to hold of the first ``size`` pieces, for each tenant."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._expected = _make_streams()

    def add(self, run: Run) -> None:
        """Add the pieces of the next run."""
        for tenant, entries in name_index.list_entries([run], 0, self._size).items():
            _extend(self._expected[tenant], entries)

    def check(self, connection: Connection) -> Iterator[Message]:
        """Yield a message for each tenant whose names the index does not hold as they are."""
        entered, false = _make_streams(), set[str]()
        ends: dict[str, int] = {}
        for tenant, first, columns in name_index.load_blocks(connection):
            try:
                entries = name_index.decode_block(columns["places"], columns["body"])
            except ValueError:
                false.add(tenant)
                continue
            _extend(entered[tenant], entries)
            places = [index for index, _ in entries]
            is_placed = ends.get(tenant, -1) < first <= min(places, default=first)
            if not is_placed or name_index.encode_block(entries) != columns:
                false.add(tenant)
            ends[tenant] = max(places, default=first)
        for tenant in sorted({*entered, *self._expected, *false}):
            if tenant in false or _finish(entered, tenant) != _finish(self._expected, tenant):
                yield Message("audit-names-differ", tenant=tenant)


def _make_streams() -> defaultdict[str, tuple[Any, Any]]:
    return defaultdict(lambda: (hashlib.sha256(), hashlib.sha256()))


def _extend(stream: tuple[Any, Any], entries: list[name_index.Entry]) -> None:
    """Add entries to two hashes, of places and of names, whatever blocks they come in."""
    stream[0].update(pack(f"<{len(entries)}q", *(index for index, _ in entries)))
    stream[1].update("".join(f"{name}\n" for _, name in entries).encode())


def _finish(streams: defaultdict[str, tuple[Any, Any]], tenant: str) -> tuple[bytes, bytes]:
    places, names = streams[tenant]
    return places.digest(), names.digest()


class SliceAudit:
    """The slices in which tenants have pieces; each has to be listed.

    One that is listed in vain costs a look-up, and is left behind by some erasures.
    """

    def __init__(self) -> None:
        self._expected: set[Slice] = set()

    def add(self, run: Run, connection: Connection) -> Iterator[Message]:
        """Add the next run; yield a message for each tenant with slices that are not listed."""
        self._expected |= list_slices(run)
        if len(self._expected) > _BATCH:
            yield from self.check(connection)

    def check(self, connection: Connection) -> Iterator[Message]:
        """Compare what was added since the last call."""
        firsts = [first for _, first in self._expected]
        column = tenant_slices.c.first
        near = column.between(min(firsts, default=0), max(firsts, default=0))
        query = select(tenant_slices.c.tenant, column).where(near)
        missing = Counter(
            tenant for tenant, _ in self._expected - {*map(tuple, connection.execute(query))}
        )
        self._expected.clear()
        for tenant, count in sorted(missing.items()):
            yield Message("audit-slices-missing", tenant=tenant, count=count)


class RetentionAudit:
    """The retention dates that records state, which have to be entered as they are stated."""

    def __init__(self, connection: Connection) -> None:
        self._size = count_followed(connection, retention_index)
        self._stated: dict[bytes, tuple[str | None, str]] = {}

    def add(self, run: Run) -> None:
        """Add the records of a run."""
        for at in range(min(run.end, self._size) - run.first):
            record = run.kept_record(at)
            until = None if record is None or MARK not in record else read_retention(record)
            if until is not None:
                self._stated[run.identity(at)] = (tenant_of(run.source(at)), until)

    def check(self, connection: Connection) -> Iterator[Message]:
        """Yield a message if dates are missing, or others than the records state."""
        false, stated = 0, dict(self._stated)
        for row in connection.execute(select(retentions), execution_options={"yield_per": 1_000}):
            tenant, until = stated.pop(row.identity, (row.tenant, None))
            latest = max(filter(None, (row.record_until, row.owner_until)), default=None)
            if (row.tenant, row.record_until, row.until) != (tenant, until, latest):
                # Of a piece that waits to be searched, a restored store may have the date before.
                false += row.identity in self._stated or row.until != latest
        if false or stated:
            yield Message("audit-retentions-differ", count=false + len(stated))


def audit_positions(connection: Connection, end: int) -> Iterator[Message]:
    """Check that nothing counts as entered that is not stored yet: it would never be entered."""
    for position, name in _POSITIONS:
        size = count_followed(connection, position)
        if size > end:
            yield Message("audit-position-beyond", name=name, size=size, end=end)


def audit_sums(run: Run) -> Iterator[Message]:
    """Check the sums that a run states of its pieces."""
    kinds, counts = parse_kinds(run.shared), Counter(run.kinds)
    erased, lost = (
        sum(count for code, count in counts.items() if kinds[code].content == content)
        for content in (ERASED, LOST)
    )
    record_bytes = sum(len(record or b"") for record in run.all_records())
    if (run.erased, run.lost, run.record_bytes) != (erased, lost, record_bytes):
        yield Message("audit-run-sums-differ", first=run.first, last=run.end - 1)


def audit_rows(connection: Connection) -> Iterator[Message]:
    """Check what rows of cases and certificates state about their own columns."""
    names: dict[str, list[str]] = {}
    order = (case_parties.c.case, case_parties.c.position)
    for row in connection.execute(select(case_parties).order_by(*order)):
        names.setdefault(row.case, []).append(row.name)
    for row in connection.execute(select(cases)):
        words = (row.number, row.title, row.authority, *names.get(row.id, ()))
        if row.folded != fold_name(" ".join(words)):
            yield Message("audit-case-words-differ", id=row.id)
    # Each file at a time: they are large.
    for row in connection.execute(select(certificate_files), execution_options={"yield_per": 1}):
        if hashlib.sha256(row.body).digest() != row.sha256:
            yield Message("audit-certificate-file-differs", id=row.certificate, kind=row.kind)
