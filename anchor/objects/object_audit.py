"""Audit of objects: those of a manifest are read again, and compared with its digests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

from anchor.base.messages.message import Message
from anchor.base.objects.object_store import ListedObject
from anchor.base.objects.object_url import ObjectUrl, parse_object_url
from anchor.base.system.ordered_tasks import run_in_order
from anchor.evidence.hashing_pool import HashingWorkers
from anchor.objects.object_hashing import HashingRules, ObjectRow, hash_objects, split_batches

_SHOWN = 1_000


@dataclass(slots=True)
class ObjectAudit:
    """Counts of what was found; of each kind, the first thousand messages are kept.

    ``unknown`` are rows of the manifest without digests, which nothing can be compared with.
    """

    equal: int = 0
    changed: int = 0
    unread: int = 0
    unknown: int = 0
    messages: list[Message] = field(default_factory=list)

    def note(self, message: Message) -> None:
        """Keep a message, unless there are enough."""
        if len(self.messages) < _SHOWN:
            self.messages.append(message)


def audit_objects(
    rows: Iterable[ObjectRow],
    below: ObjectUrl,
    rules: HashingRules,
    *,
    workers: HashingWorkers,
    on_done: Callable[[int, int], None],
) -> ObjectAudit:
    """Read the objects of these rows again, whatever version of them is there now.

    A manifest may be somebody else's: only objects that ``below`` includes are requested.
    """
    audit = ObjectAudit()
    tasks = run_in_order(
        _split(rows, below, audit),
        lambda batch: workers.executor.submit(hash_objects, [_list(row) for row in batch], rules),
        workers.max_tasks,
    )
    with closing(tasks):
        for batch, task in tasks:
            actual = task.result()
            on_done(len(actual), sum(row.size or 0 for row in actual))
            _compare(batch, actual, audit)
    return audit


def _split(
    rows: Iterable[ObjectRow], below: ObjectUrl, audit: ObjectAudit
) -> Iterator[list[ObjectRow]]:
    """Split the rows that have digests as the listings of a job are split."""
    known: deque[ObjectRow] = deque()

    def list_known() -> Iterator[ListedObject]:
        for row in rows:
            if row.digests is None:
                audit.unknown += 1
                continue
            url = parse_object_url(row.url)
            if (url.scheme, url.container) != (below.scheme, below.container) or (
                not below.includes(url.key)
            ):
                audit.unread += 1
                elsewhere = Message("audit-object-elsewhere", url=below)
                audit.note(Message("with-reason", failure=row.url, reason=elsewhere))
                continue
            known.append(row)
            yield _list(row)

    for batch in split_batches(list_known()):
        taken = list(islice(known, len(batch)))
        for _ in batch:
            known.popleft()
        yield taken


def _list(row: ObjectRow) -> ListedObject:
    return ListedObject(url=parse_object_url(row.url), size=None, revision=None)


def _compare(
    expected: Sequence[ObjectRow], actual: Sequence[ObjectRow], audit: ObjectAudit
) -> None:
    for old, new in zip(expected, actual, strict=True):
        assert old.digests is not None
        if new.digests is None:
            audit.unread += 1
            audit.note(Message("with-reason", failure=old.url, reason=new.error))
        elif new.digests.select(_algorithms(old)) == old.digests:
            audit.equal += 1
        else:
            audit.changed += 1
            audit.note(Message("audit-original-changed", path=old.url))


def _algorithms(row: ObjectRow) -> tuple[str, ...]:
    assert row.digests is not None
    return ("sha256",) if row.digests.sm3 is None else ("sha256", "sm3")
