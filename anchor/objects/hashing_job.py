"""A job: the folder in which the objects of some URLs are listed, hashed and noted as manifests.

``job.json`` names the URLs; ``listing-N.parquet`` has 10,000 listed objects and ``part-N.parquet``
their digests, in the same order.  Each file is written as a whole and never changed, so that a job
that ended at any moment is continued by running it again, and ends with the same files as one that
was never interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from anchor.errors import CannotCheckError, MalformedError, UsageError
from anchor.evidence.digests import parse_algorithms
from anchor.messages.message import Message
from anchor.objects.object_hashing import ObjectRow
from anchor.objects.object_manifest import encode_listing, encode_rows, read_listing, read_rows
from anchor.objects.object_store import (
    ListedObject,
    ObjectStore,
    StoreUnavailable,
)
from anchor.objects.object_url import ObjectUrl, parse_object_url
from anchor.objects.store_choice import open_object_store
from anchor.system.durable_files import write_file
from anchor.system.os_errors import explain_os_error

SCHEMA = "anchor-object-job/1"
PART_ROWS = 10_000

_MAX_JOB_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HashingJob:
    """An open job."""

    folder: Path
    urls: tuple[ObjectUrl, ...]
    algorithms: tuple[str, ...]

    def part(self, number: int) -> Path:
        """Return the path of a manifest."""
        return self.folder / f"part-{number:05}.parquet"

    def read_part(self, number: int) -> list[ObjectRow] | None:
        """Return a manifest's rows; None if it has not been written yet.

        Raises:
            MalformedError: The file is damaged.
        """
        path = self.part(number)
        return list(read_rows(path)) if path.exists() else None

    def write_part(self, number: int, rows: Sequence[ObjectRow]) -> None:
        """Write a manifest durably.

        Raises:
            StorageError: The disk is full, fails or cannot be written.
        """
        write_file(self.part(number), encode_rows(rows))

    def list_objects(self) -> Iterator[list[ListedObject]]:
        """Yield the listings, those that were written first, and then the rest of the URLs.

        Raises:
            UsageError: A bucket does not exist or may not be listed, or has no such object.
            CannotCheckError: A store does not answer.
        """
        position, after = 0, None
        is_complete = (self.folder / "listing.json").exists()
        number = 0
        for number in count():
            path = self._listing(number)
            if not path.exists():
                break
            objects, position = read_listing(path)
            after = objects[-1].url.key
            yield objects
        if not is_complete:
            yield from self._continue_listing(number, position, after)

    def _continue_listing(
        self, number: int, position: int, after: str | None
    ) -> Iterator[list[ListedObject]]:
        objects: list[ListedObject] = []
        ends = position
        for at, each in self._walk(position, after):
            if len(objects) == PART_ROWS:
                write_file(self._listing(number), encode_listing(objects, ends))
                yield objects
                objects, number = [], number + 1
            objects.append(each)
            ends = at
        if objects:
            write_file(self._listing(number), encode_listing(objects, ends))
            yield objects
            number += 1
        write_file(self.folder / "listing.json", _encode({"listings": number}))

    def _walk(self, position: int, after: str | None) -> Iterator[tuple[int, ListedObject]]:
        for at in range(position, len(self.urls)):
            url = self.urls[at]
            start = after if at == position else None
            is_empty = start is None
            for each in list_patiently(open_object_store(url.scheme), url, start):
                is_empty = False
                yield at, each
            if is_empty:
                raise UsageError(Message("object-none-at-url", url=url))

    def _listing(self, number: int) -> Path:
        return self.folder / f"listing-{number:05}.parquet"


def list_patiently(store: ObjectStore, url: ObjectUrl, after: str | None) -> Iterator[ListedObject]:
    """List a URL's objects; say which store it was if it does not answer.

    Raises:
        UsageError: The bucket does not exist or may not be listed.
        CannotCheckError: The store does not answer.
    """
    try:
        yield from store.list_objects(url, after)
    except StoreUnavailable as error:
        place = f"{url.scheme}://{url.container}"
        raise CannotCheckError(
            Message("object-store-unavailable", store=place, reason=error.reason),
            hint=Message("object-store-unavailable-hint"),
        ) from None


def open_job(folder: Path, urls: Sequence[ObjectUrl], algorithms: Sequence[str]) -> HashingJob:
    """Begin a job in ``folder``, or continue the one that is there, if it has these URLs.

    Raises:
        UsageError: The folder cannot be used, or holds a job with other URLs or digests.
        MalformedError: The job's file is damaged.
        StorageError: The disk is full, fails or cannot be written.
    """
    wanted = HashingJob(folder=folder, urls=tuple(urls), algorithms=parse_algorithms(algorithms))
    path = folder / "job.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes()[: _MAX_JOB_BYTES + 1] if path.exists() else None
        is_foreign = data is None and any(folder.iterdir())
    except OSError as error:
        failure = Message("folder-unusable", path=folder)
        raise explain_os_error(failure, error, is_named=True) from error
    if is_foreign:
        raise UsageError(Message("object-job-folder-foreign", path=folder))
    if data is None:
        write_file(path, _encode(_describe(wanted)))
        return wanted
    begun = _parse(folder, data)
    if wanted.urls and wanted != begun:
        raise UsageError(
            Message("object-job-differs", path=folder), hint=Message("object-job-differs-hint")
        )
    return begun


def _describe(job: HashingJob) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "urls": [str(url) for url in job.urls],
        "digests": list(job.algorithms),
    }


def _parse(folder: Path, data: bytes) -> HashingJob:
    try:
        document = json.loads(data)
        if document["schema"] != SCHEMA:
            raise ValueError
        return HashingJob(
            folder=folder,
            urls=tuple(map(parse_object_url, document["urls"])),
            algorithms=parse_algorithms(document["digests"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise MalformedError(Message("object-job-malformed", path=folder / "job.json")) from None


def _encode(document: dict[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"
