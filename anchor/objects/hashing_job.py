"""A job: the folder in which the objects of some URLs are listed, hashed and noted as manifests.

``urls.jsonl`` has the URLs, one a line, and ``job.json`` its digest; ``listing-N.parquet`` has
10,000 listed objects and ``part-N.parquet`` their digests, in the same order.  Each file is written
as a whole and never changed, so that a job that ended at any moment is continued by running it
again, and ends with the same files as one that was never interrupted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from queue import SimpleQueue
from threading import Event

from anchor.base.digests import parse_algorithms
from anchor.base.errors import CannotCheckError, MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_store import (
    ListedObject,
    ObjectStore,
    StoreUnavailable,
)
from anchor.base.objects.object_url import ObjectUrl, parse_object_url
from anchor.base.objects.store_choice import open_object_store
from anchor.base.system.durable_files import is_temporary, write_chunks, write_file
from anchor.base.system.os_errors import explain_os_error
from anchor.base.system.regular_files import read_regular_file
from anchor.objects.object_hashing import ObjectRow
from anchor.objects.object_manifest import encode_listing, encode_rows, read_listing, read_rows

SCHEMA = "anchor-object-job/1"
PART_ROWS = 10_000

_JOB, _URLS, _LISTINGS = "job.json", "urls.jsonl", "listing.json"
_MAX_JOB_BYTES = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class HashingJob:
    """An open job; ``urls`` is the SHA-256 of the file that has them."""

    folder: Path
    urls: str
    algorithms: tuple[str, ...]

    def part(self, number: int) -> Path:
        """Return the path of a manifest."""
        return self.folder / f"part-{number:05}.parquet"

    def read_part(self, number: int) -> list[ObjectRow]:
        """Return the rows of a manifest that has been written."""
        path = self.part(number)
        rows = list(read_rows(path))
        if [row.url for row in rows] != [str(each.url) for each in self.read_listing(number)]:
            raise MalformedError(Message("object-part-of-another-listing", path=path))
        return rows

    def write_part(self, number: int, rows: Sequence[ObjectRow]) -> None:
        """Write a manifest durably."""
        write_file(self.part(number), encode_rows(rows))

    def read_listing(self, number: int) -> list[ListedObject]:
        """Return the objects of a listing that has been written."""
        return read_listing(self._listing(number))[0]

    def list_objects(self) -> Iterator[list[ListedObject]]:
        """Yield the listings, those that were written first, and then the rest of the URLs."""
        position, after = 0, None
        listings = self._read_listings()
        number = 0
        for number in count():
            path = self._listing(number)
            if not path.exists():
                break
            objects, position = read_listing(path)
            after = objects[-1].url.key
            yield objects
        if listings is None:
            yield from self._continue_listing(number, position, after)

        elif number < listings:
            raise MalformedError(Message("object-job-malformed", path=path))

    def _read_listings(self) -> int | None:
        """Return how many listings there are, or None if the list is not complete."""
        path = self.folder / _LISTINGS
        try:
            return int(json.loads(path.read_bytes())["listings"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError):
            raise MalformedError(Message("object-job-malformed", path=path)) from None

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
        write_file(self.folder / _LISTINGS, _encode({"listings": number}))

    def _walk(self, position: int, after: str | None) -> Iterator[tuple[int, ListedObject]]:
        for at, url in enumerate(self._read_urls()):
            if at < position:
                continue
            start = after if at == position else None
            is_empty = start is None
            for each in list_store(open_object_store(url.scheme), url, start):
                is_empty = False
                yield at, each
            if is_empty:
                raise UsageError(Message("object-none-at-url", url=url))

    def _read_urls(self) -> Iterator[ObjectUrl]:
        path = self.folder / _URLS
        try:
            with path.open("rb") as file:
                for line in file:
                    yield parse_object_url(json.loads(line))
        except (OSError, ValueError, TypeError):
            raise MalformedError(Message("object-job-malformed", path=path)) from None

    def _listing(self, number: int) -> Path:
        return self.folder / f"listing-{number:05}.parquet"


def list_ahead(job: HashingJob, on_total: Callable[[int, int], None]) -> Generator[int, None, None]:
    """Yield the number of each listing once it is written, while a thread lists on.

    ``on_total(objects, bytes)`` is called in that thread at the end of the list, with what has no
    manifest yet; an unknown size counts as zero.
    """
    written: SimpleQueue[int | None] = SimpleQueue()
    stop = Event()

    def list_all() -> None:
        files = size = 0
        try:
            for number, objects in enumerate(job.list_objects()):
                if stop.is_set():
                    return
                if not job.part(number).exists():
                    files += len(objects)
                    size += sum(each.size or 0 for each in objects)
                written.put(number)
            on_total(files, size)
        finally:
            written.put(None)

    with ThreadPoolExecutor(1, thread_name_prefix="listing") as threads:
        listing = threads.submit(list_all)
        try:
            while (number := written.get()) is not None:
                yield number
            listing.result()
        finally:
            stop.set()


def list_store(store: ObjectStore, url: ObjectUrl, after: str | None) -> Iterator[ListedObject]:
    """Yield the objects of a URL, as its store lists them."""
    try:
        yield from store.list_objects(url, after)
    except StoreUnavailable as error:
        place = f"{url.scheme}://{url.container}"
        raise CannotCheckError(
            Message("object-store-unavailable", store=place, reason=error.reason),
            hint=Message("object-store-unavailable-hint"),
        ) from None


def open_job(
    folder: Path, urls: Iterable[ObjectUrl] | None, algorithms: Sequence[str]
) -> HashingJob:
    """Begin a job in ``folder``, or continue the one that is there.

    ``urls`` are read once or twice; None continues the job with its own.

    Raises:
        UsageError: The folder cannot be used, or holds a job with other URLs or digests, or none
            to continue, or there are no URLs.
    """
    chosen, path = parse_algorithms(algorithms), folder / _JOB
    data = None
    if urls is None and not path.exists():
        raise UsageError(Message("object-job-none", path=folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            data = read_regular_file(path, _MAX_JOB_BYTES + 1)
        others = [] if data else [each for each in folder.iterdir() if not _is_remains(each)]
    except OSError as error:
        failure = Message("folder-unusable", path=folder)
        raise explain_os_error(failure, error, is_named=True) from error
    if others:
        raise UsageError(Message("object-job-folder-foreign", path=folder))
    if data is None:
        digest = hashlib.sha256()
        write_chunks(folder / _URLS, _encode_urls(urls or (), digest.update))
        job = HashingJob(folder=folder, urls=digest.hexdigest(), algorithms=chosen)
        # A crash before this leaves a folder that the next run begins with.
        write_file(path, _encode({"schema": SCHEMA, "urls": job.urls, "digests": list(chosen)}))
        return job
    begun = _parse(folder, data)
    _check_urls(folder / _URLS, begun.urls)
    if urls is not None:
        digest = hashlib.sha256()
        for _ in _encode_urls(urls, digest.update):
            pass
        if (digest.hexdigest(), chosen) != (begun.urls, begun.algorithms):
            raise UsageError(
                Message("object-job-differs", path=folder), hint=Message("object-job-differs-hint")
            )
    return begun


def _is_remains(path: Path) -> bool:
    """Return whether a run leaves this that ends before the job begins."""
    return path.name == _URLS or is_temporary(path.name)


def _encode_urls(urls: Iterable[ObjectUrl], update: Callable[[bytes], object]) -> Iterator[bytes]:
    """Yield a line for each URL, some thousand at a time."""
    lines = (json.dumps(str(url), ensure_ascii=True) for url in urls)
    is_empty = True
    while chunk := "".join(f"{line}\n" for line in islice(lines, PART_ROWS)).encode():
        is_empty = False
        update(chunk)
        yield chunk
    if is_empty:
        raise UsageError(Message("object-urls-none"))


def _check_urls(path: Path, expected: str) -> None:
    """Refuse a list of URLs that is not the one that the job began with."""
    try:
        with path.open("rb") as file:
            is_same = hashlib.file_digest(file, "sha256").hexdigest() == expected
    except OSError:
        is_same = False
    if not is_same:
        raise MalformedError(Message("object-job-malformed", path=path))


def _parse(folder: Path, data: bytes) -> HashingJob:
    try:
        document = json.loads(data)
        if document["schema"] != SCHEMA or not isinstance(document["urls"], str):
            raise ValueError
        return HashingJob(
            folder=folder,
            urls=document["urls"],
            algorithms=parse_algorithms(document["digests"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise MalformedError(Message("object-job-malformed", path=folder / _JOB)) from None


def _encode(document: dict[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"
