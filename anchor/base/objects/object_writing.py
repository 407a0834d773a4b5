"""Objects that are written without replacing another unseen, and small ones that are read whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from anchor.base.digests import CHUNK_BYTES, Digests, digest_stream
from anchor.base.errors import CannotCheckError, ChainGuardError, UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_store import (
    ListedObject,
    ObjectHeaders,
    ObjectMissing,
    ObjectStore,
    ObjectUnreadable,
    StoreUnavailable,
    WritableStore,
    conditions_error,
)
from anchor.base.objects.object_url import ObjectUrl

PROBE = ".anchor-probe"
"""The name of the object that shows whether a store heeds conditions; its bytes mean nothing."""

_BYTES = "application/octet-stream"
_MEDIA_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".zip": "application/zip",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedObject:
    """The first bytes of one version of an object, and what its store calls that version."""

    data: bytes
    revision: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedObject:
    """What was copied of an object to a file, and what its store calls that version.

    ``digests`` is None if only the beginning was copied.
    """

    digests: Digests | None
    revision: str | None


def load_object(store: ObjectStore, url: ObjectUrl, most: int) -> LoadedObject | None:
    """Return at most ``most`` bytes of an object; None if there is no such object."""
    with _translated_errors(Message("object-not-read", url=url)):
        try:
            with store.open(ListedObject(url=url, size=None, revision=None)) as opened:
                data = opened.stream.read(most)
                if opened.size is not None and len(data) < min(most, opened.size):
                    raise ObjectUnreadable(Message("object-ends-early"))
                return LoadedObject(data=data, revision=opened.revision)
        except ObjectMissing:
            return None


def check_conditions(store: WritableStore, folder: ObjectUrl) -> None:
    """Verify that the store heeds conditions, with an object of its own in ``folder``."""
    url = folder.below(PROBE)
    with _translated_errors(Message("object-not-written", url=url)):
        is_new = _write_probe(store, url, None)
        if (is_new and _write_probe(store, url, None)) or _write_probe(
            store, url, store.no_revision
        ):
            raise conditions_error(url)


def _write_probe(store: WritableStore, url: ObjectUrl, replaces: str | None) -> bool:
    return store.write(url, BytesIO(b"anchor\n"), ObjectHeaders(), replaces=replaces)


def create_object(
    store: WritableStore, url: ObjectUrl, body: BinaryIO, headers: ObjectHeaders
) -> bool:
    """Write an object unless it exists with these bytes; return whether it was written.

    Raises:
        ChainGuardError: It exists with other bytes, which stay.
    """
    with _translated_errors(Message("object-not-written", url=url)):
        if store.write(url, body, headers, replaces=None):
            return True
        try:
            is_same = _holds(store, url, body)
        except ObjectMissing:
            # It was deleted meanwhile, or is being written by somebody else.
            raise StoreUnavailable(Message("object-changing")) from None
    if not is_same:
        raise ChainGuardError(
            Message("object-exists-otherwise", url=url), hint=Message("object-exists-hint")
        )
    return False


def replace_object(
    store: WritableStore,
    url: ObjectUrl,
    data: bytes,
    headers: ObjectHeaders,
    *,
    before: bytes | None,
) -> bool:
    """Write an object if its bytes are ``before``, None if it is new; return False otherwise."""
    revision = None
    if before is not None:
        stored = load_object(store, url, len(before) + 1)
        if stored is None or stored.data != before:
            return False
        if stored.revision is None:
            raise conditions_error(url)
        revision = stored.revision
    with _translated_errors(Message("object-not-written", url=url)):
        return store.write(url, BytesIO(data), headers, replaces=revision)


def fetch_object(store: ObjectStore, url: ObjectUrl, path: Path, most: int) -> FetchedObject | None:
    """Write the first ``most`` bytes of an object to a new file; None if there is no object."""
    with _translated_errors(Message("object-not-read", url=url)), suppress(ObjectMissing):
        with store.open(ListedObject(url=url, size=None, revision=None)) as opened:
            path.parent.mkdir(parents=True, exist_ok=True)
            rest = most + 1
            with path.open("x+b") as file:
                while rest and (data := opened.stream.read(min(rest, CHUNK_BYTES))):
                    file.write(data)
                    rest -= len(data)
                file.truncate(min(file.tell(), most))
                file.seek(0)
                digests = digest_stream(file, ("sha256",)) if rest else None
            if digests is not None and opened.size not in (None, digests.size):
                raise ObjectUnreadable(Message("object-ends-early"))
        return FetchedObject(digests=digests, revision=opened.revision)
    return None


def upload_files(
    store: WritableStore,
    folder: ObjectUrl,
    files: Mapping[ObjectUrl, Path],
    fetched: Mapping[ObjectUrl, FetchedObject],
) -> None:
    """Write files as objects in or below ``folder``.

    What was ``fetched`` is replaced if it has not changed since.  Nothing is written if another
    object exists with other bytes.  A crash leaves whole objects, and repeating it goes on.

    Raises:
        UsageError: An object exists with other bytes, which stay; or the bucket does not exist, or
            may not be written to.
        ChainGuardError: An object was written by somebody else meanwhile, and stays.
    """
    check_conditions(store, folder)
    for url, path in files.items():
        failure = Message("object-not-read", url=url)
        with path.open("rb") as body, _translated_errors(failure), suppress(ObjectMissing):
            if url not in fetched and not _holds(store, url, body):
                raise UsageError(
                    Message("object-exists-otherwise", url=url), hint=Message("object-exists-hint")
                )
    for url, path in files.items():
        headers = ObjectHeaders(media_type=_MEDIA_TYPES.get(path.suffix, _BYTES))
        with path.open("rb") as body:
            if (old := fetched.get(url)) is None:
                create_object(store, url, body, headers)
            elif digest_stream(body, ("sha256",)) != old.digests:
                _renew(store, url, body, headers, old)


def _renew(
    store: WritableStore, url: ObjectUrl, body: BinaryIO, headers: ObjectHeaders, old: FetchedObject
) -> None:
    if old.revision is None:
        raise conditions_error(url)
    with _translated_errors(Message("object-not-written", url=url)):
        if not store.write(url, body, headers, replaces=old.revision):
            raise ChainGuardError(
                Message("object-written-meanwhile", url=url), hint=Message("object-exists-hint")
            )


def _holds(store: ObjectStore, url: ObjectUrl, body: BinaryIO) -> bool:
    """Return whether an object has the bytes of ``body``."""
    body.seek(0)
    expected = digest_stream(body, ("sha256",))
    with store.open(ListedObject(url=url, size=None, revision=None)) as opened:
        # The object may have any length: it may be another's.
        if opened.size not in (None, expected.size):
            return False
        try:
            return digest_stream(opened.stream, ("sha256",), limit=expected.size) == expected
        except UsageError:  # it is longer
            return False


@contextmanager
def _translated_errors(failure: Message) -> Iterator[None]:
    try:
        yield
    except (ObjectUnreadable, StoreUnavailable) as error:
        raise CannotCheckError(
            Message("with-reason", failure=failure, reason=error.reason),
            hint=Message("object-store-hint"),
        ) from None
