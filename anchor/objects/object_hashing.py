"""Hashing of objects: one task reads some objects, in this process or on another machine.

An object that cannot be read becomes a row with the reason.  A store that answers nobody is asked
again for some minutes, and then the task fails as a whole, so that an outage or an expired
credential never turns objects into unreadable ones.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from anchor.base.digests import Digests, digest_stream
from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_store import (
    ListedObject,
    ObjectStore,
    ObjectUnreadable,
    StoreUnavailable,
)
from anchor.base.objects.object_url import ObjectUrl
from anchor.base.objects.store_choice import open_object_store
from anchor.objects.bandwidth import BandwidthLimit, share_limit

BATCH_OBJECTS = 256
BATCH_BYTES = 64 * 1024 * 1024

# How often an object is read whose failure may pass.
_ATTEMPTS = 4
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
_CHANCE = random.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRow:
    """An object and its digests, or why it has none: a row of a manifest."""

    url: str
    revision: str | None
    size: int | None
    digests: Digests | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HashingRules:
    """How objects are read: the digests, bytes a second, and seconds to wait for a store."""

    algorithms: tuple[str, ...]
    rate: float | None = None
    patience: float = 300.0


def split_batches(objects: Iterable[ListedObject]) -> Iterator[tuple[ListedObject, ...]]:
    """Split a list into tasks of some megabytes each, or of one larger object."""
    batch: list[ListedObject] = []
    size = 0
    for each in objects:
        expected = each.size or 0
        if batch and (len(batch) == BATCH_OBJECTS or size + expected > BATCH_BYTES):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(each)
        size += expected
    if batch:
        yield tuple(batch)


def hash_objects(batch: Sequence[ListedObject], rules: HashingRules) -> list[ObjectRow]:
    """Hash objects one after the other; this function runs on a worker."""
    return [_hash(open_object_store(each.url.scheme), each, rules) for each in batch]


def _hash(store: ObjectStore, listed: ListedObject, rules: HashingRules) -> ObjectRow:
    give_up = time.monotonic() + rules.patience
    wait = _FIRST_WAIT
    attempts = 0
    while True:
        try:
            return _hash_once(store, listed, rules)
        except ObjectUnreadable as error:
            attempts += 1
            if not error.may_pass or attempts == _ATTEMPTS:
                return _refuse(listed, error.reason)
        except StoreUnavailable as error:
            if time.monotonic() + wait > give_up:
                raise _unavailable(listed.url, error.reason) from None
        time.sleep(wait * _CHANCE.uniform(0.5, 1.0))
        wait = min(2 * wait, _LONGEST_WAIT)


def _hash_once(store: ObjectStore, listed: ListedObject, rules: HashingRules) -> ObjectRow:
    limit = None if rules.rate is None else share_limit(rules.rate)
    with store.open(listed) as opened:
        if None not in (listed.revision, opened.revision) and listed.revision != opened.revision:
            raise ObjectUnreadable(Message("object-changed"))
        stream = opened.stream if limit is None else cast(BinaryIO, _Limited(opened.stream, limit))
        try:
            digests = digest_stream(stream, rules.algorithms, limit=opened.size)
        except UsageError:
            raise ObjectUnreadable(Message("object-longer-than-told")) from None
        if opened.size is not None and digests.size != opened.size:
            raise ObjectUnreadable(Message("object-ends-early"), may_pass=True)
        if listed.size is not None and digests.size != listed.size:
            raise ObjectUnreadable(Message("object-changed"))
    return ObjectRow(
        url=str(listed.url),
        revision=opened.revision or listed.revision,
        size=digests.size,
        digests=digests,
        error=None,
    )


def _refuse(listed: ListedObject, reason: Message) -> ObjectRow:
    return ObjectRow(
        url=str(listed.url),
        revision=listed.revision,
        size=listed.size,
        digests=None,
        error=reason,
    )


def _unavailable(url: ObjectUrl, reason: Message) -> CannotCheckError:
    place = f"{url.scheme}://{url.container}"
    return CannotCheckError(
        Message("object-store-unavailable", store=place, reason=reason),
        hint=Message("object-store-unavailable-hint"),
    )


class _Limited:
    """A stream that is read no faster than the limit."""

    def __init__(self, stream: BinaryIO, limit: BandwidthLimit) -> None:
        self._stream = stream
        self._limit = limit

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._limit.take(len(data))
        return data
