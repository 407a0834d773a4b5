"""Places where a log is published: a folder, a web server or an object store.

Paths are those of C2SP tlog-tiles (https://c2sp.org/tlog-tiles), below a prefix: ``checkpoint``,
``tile/0/000``, …, and this project's own list of the anchored heads, ``anchors/000``, …  A place is
given as the user writes it: a folder, an ``http(s)://`` URL, or an object store's, of which
``s3://…``, ``gs://…`` and ``az://…`` can be written to.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from anchor.base.errors import (
    CannotCheckError,
    ChainGuardError,
    ConfigError,
    MalformedError,
    MismatchError,
    NodeUnreachableError,
    UsageError,
)
from anchor.base.messages.message import Message
from anchor.base.objects.object_store import ObjectHeaders
from anchor.base.objects.object_url import ObjectUrl, parse_object_url
from anchor.base.objects.object_writing import (
    check_conditions,
    create_object,
    load_object,
    replace_object,
)
from anchor.base.objects.store_choice import open_object_store, open_writable_store
from anchor.base.system.durable_files import write_files
from anchor.base.system.os_errors import describe_os_error
from anchor.base.system.regular_files import read_regular_file
from anchor.base.types import MAX_LOG_SIZE, Hash32, Head
from anchor.log.tiles import TILE_BYTES, Tile

if TYPE_CHECKING:
    import requests

    from anchor.base.system.http import BoundedSession

CHECKPOINT = "checkpoint"

# https://c2sp.org/tlog-tiles: a tile never changes, a checkpoint always may.
FOR_EVER = "public, max-age=31536000, immutable"
"""The ``Cache-Control`` of a file that never changes."""
ALWAYS_ASK = "no-cache"
"""The ``Cache-Control`` of a file that may change."""

# Maximum bytes read of one file; tiles and signed notes of three lines are far shorter.
MAX_FILE_BYTES = 1 << 16
# Lines in one file of the list of anchors; a line has at most 80 bytes, so a file stays below the
# limit above.
ANCHORS_PER_FILE = 512
_ANCHOR_LINE = re.compile(rb"([1-9][0-9]{0,14}) ([0-9a-f]{64})\n")
_TIMEOUT = 30.0
# Total seconds to wait for one file of a busy server; each wait counts as at least one second.
_PATIENCE = 120.0
_LEAST_PAUSE = 1.0
# Small objects take as long as an answer; stores answer many at once.
_WRITES_AT_ONCE = 16


class PublicationReader(Protocol):
    """A source of published files; ``name`` is its name without credentials, fit to be shown."""

    @property
    def name(self) -> str: ...

    def read(self, path: str) -> bytes | None: ...


class PublicationChanged(Exception):
    """Another process has written a file since it was read: read it again, and decide anew."""


class PublicationWriter(PublicationReader, Protocol):
    """A place where files are published, each as a whole; they are durable when a call returns."""

    def create(self, files: Mapping[str, bytes]) -> None:
        """Write files that never change, unless they are there.

        Raises:
            ChainGuardError: One is there with other bytes, which stay.
        """

    def replace(self, path: str, data: bytes, *, before: bytes | None) -> None:
        """Write a file whose bytes are ``before`` now, or that does not exist.

        Raises:
            PublicationChanged: Its bytes are others.
        """


def open_reader(location: str) -> PublicationReader:
    """Return a reader of the log published at ``location``, without reading anything yet."""
    if location.startswith(("http://", "https://")):
        return WebPublication(location)
    place = _parse_location(location)
    return PublicationFolder(place) if isinstance(place, Path) else PublicationBucket(place)


def open_writer(location: str) -> PublicationWriter:
    """Return a writer that publishes a log at ``location``, without writing anything yet."""
    if location.startswith(("http://", "https://")):
        raise UsageError(
            Message("publication-to-web-server"),
            hint=Message("publication-to-web-server-hint"),
        )
    place = _parse_location(location)
    return PublicationFolder(place) if isinstance(place, Path) else WritablePublicationBucket(place)


def _parse_location(location: str) -> Path | ObjectUrl:
    if "://" in location and not location.startswith("file://"):
        return parse_object_url(location)
    return Path(location.removeprefix("file://"))


def media_type_of(path: str) -> str:
    """Return the media type of a published file."""
    return "application/octet-stream" if path.startswith("tile/") else "text/plain; charset=utf-8"


def read_tile(reader: PublicationReader, tile: Tile) -> bytes:
    """Return a tile's hashes; a missing partial tile is read from the full tile that replaced it.

    Raises:
        CannotCheckError: The tile does not exist.
        MismatchError: The tile has the wrong length.
    """
    data = reader.read(tile.path)
    if data is None and not tile.is_full:
        data = reader.read(tile._replace(width=256).path)
        data = None if data is None or len(data) != TILE_BYTES else data[: 32 * tile.width]
    if data is None:
        raise CannotCheckError(
            Message("publication-file-missing", path=tile.path),
            hint=Message("publication-file-missing-hint"),
        )
    if len(data) != 32 * tile.width:
        raise MismatchError(
            Message("tile-length-wrong", path=tile.path, size=len(data), expected=32 * tile.width)
        )
    return data


def anchors_path(number: int) -> str:
    """Return the path of part ``number`` of the list of anchored heads."""
    return f"anchors/{number:03}"


def encode_anchors(heads: Sequence[Head]) -> bytes:
    """Encode one part of the list: a line for each anchored head, size and root, smallest first."""
    return b"".join(b"%d %s\n" % (head.size, head.root.hex().encode()) for head in heads)


def parse_anchors(data: bytes, *, after: int, subject: str) -> list[Head]:
    """Parse one part of the list of anchored heads; sizes must be above ``after`` and ascending.

    Raises:
        MalformedError: ``data`` has another form. The message names the file ``subject``.
    """
    heads: list[Head] = []
    at = 0
    while at < len(data):
        match = _ANCHOR_LINE.match(data, at)
        if match is None or len(heads) == ANCHORS_PER_FILE:
            raise MalformedError(Message("publication-anchors-malformed", path=subject))
        size = int(match[1])
        if not after < size <= MAX_LOG_SIZE:
            raise MalformedError(
                Message(
                    "publication-anchors-not-ascending", path=subject, size=size, previous=after
                )
            )
        heads.append(Head(root=Hash32(bytes.fromhex(match[2].decode())), size=size))
        after, at = size, match.end()
    return heads


def read_anchors(reader: PublicationReader, head: Head) -> Iterator[Head]:
    """Yield the anchored heads up to ``head``, smallest first; none if no list is published.

    Anchors larger than ``head`` are skipped: they are published before the checkpoint is.

    Raises:
        MalformedError: A part has another form, or the list does not contain ``head``.
    """
    size, number = 0, 0
    while size < head.size:
        path = anchors_path(number)
        data = reader.read(path)
        if data is None:
            if number == 0:
                return
            raise CannotCheckError(
                Message("publication-file-missing", path=path),
                hint=Message("publication-file-missing-hint"),
            )
        part = parse_anchors(data, after=size, subject=path)
        for anchored in part:
            if anchored.size > head.size:
                break
            yield anchored
            size = anchored.size
        if size < head.size and (len(part) < ANCHORS_PER_FILE or part[-1].size > head.size):
            raise MalformedError(
                Message("publication-anchors-incomplete", path=path, size=head.size)
            )
        number += 1


class PublicationFolder:
    """A folder of published files: one that a web server serves, or a copy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = str(folder)

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None if the file does not exist."""
        file = self._folder / path
        try:
            return _bounded(read_regular_file(file, MAX_FILE_BYTES + 1), str(file))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UsageError as error:
            raise CannotCheckError(Message("publication-path-not-file", path=file)) from error
        except OSError as error:
            raise CannotCheckError(
                Message("file-read-failed", path=file, reason=describe_os_error(error))
            ) from error

    def create(self, files: Mapping[str, bytes]) -> None:
        """Store files that never change, durably, each as a whole.

        Raises:
            ChainGuardError: One exists with other bytes; none of them was written.
        """
        missing = [(path, data) for path, data in files.items() if not self._has(path, data)]
        write_files([(self._folder / path, data) for path, data in missing])

    def _has(self, path: str, data: bytes) -> bool:
        stored = self.read(path)
        if stored is not None and stored != data:
            raise ChainGuardError(
                Message("object-exists-otherwise", url=self._folder / path),
                hint=Message("object-exists-hint"),
            )
        return stored is not None

    def replace(self, path: str, data: bytes, *, before: bytes | None) -> None:
        """Store a file durably, as a whole; one process of this machine does so at a time."""
        if self.read(path) != before:
            raise PublicationChanged
        write_files([(self._folder / path, data)])


class WebPublication:
    """A web server that serves the published files."""

    def __init__(
        self,
        url: str,
        sleep: Callable[[float], None] = time.sleep,
        *,
        max_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        from anchor.base.system.urls import redact_url

        try:
            self.name = redact_url(url)
        except ConfigError:
            raise UsageError(
                Message("publication-address-not-url"),
                hint=Message("publication-address-not-url-hint"),
            ) from None
        self._url = urlsplit(url)
        self._sleep = sleep
        self._max_bytes = max_bytes
        self._session: BoundedSession | None = None

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None if the server answers that the file does not exist.

        A busy server is asked again after the seconds in its ``Retry-After`` (status 429 or 503),
        for at most ``_PATIENCE`` seconds in all.
        """
        from anchor.base.system.http import read_retry_after

        waited = 0.0
        response = self._get(path)
        while (pause := read_retry_after(response)) is not None and waited + pause <= _PATIENCE:
            self._sleep(pause)
            waited += max(pause, _LEAST_PAUSE)
            response = self._get(path)
        if response.status_code in (404, 410):
            return None
        if response.status_code != 200:
            raise CannotCheckError(
                Message(
                    "publication-server-status",
                    name=self.name,
                    path=path,
                    status=response.status_code,
                )
            )
        return bytes(response.content)

    def _get(self, path: str) -> requests.Response:
        import requests

        from anchor.base.system.http import BadResponse, BoundedSession, format_failure

        if self._session is None:
            self._session = BoundedSession(
                timeout=_TIMEOUT, max_bytes=self._max_bytes, is_json=False
            )
        try:
            return self._session.get(self._locate(path))
        except BadResponse as error:
            raise CannotCheckError(
                Message("publication-answer-refused", name=self.name, path=path, reason=error)
            ) from error
        except requests.RequestException as error:
            raise NodeUnreachableError(
                Message(
                    "publication-server-unreachable",
                    name=self.name,
                    path=path,
                    reason=format_failure(error),
                )
            ) from None

    def _locate(self, path: str) -> str:
        """Return the file's URL; a query, which may hold a token, is kept after the path."""
        return self._url._replace(path=f"{self._url.path.rstrip('/')}/{path}").geturl()


class PublicationBucket:
    """Objects of an object store, read with credentials from its own configuration."""

    def __init__(self, url: ObjectUrl) -> None:
        """Prepare without asking the store."""
        self.name = str(url)
        self._url = url
        self._store = open_object_store(url.scheme)

    def read(self, path: str) -> bytes | None:
        """Return an object's bytes; None if the object does not exist."""
        stored = load_object(self._store, self._url.below(path), MAX_FILE_BYTES + 1)
        return None if stored is None else _bounded(stored.data, path)


class WritablePublicationBucket(PublicationBucket):
    """Objects of an object store that are written on conditions, which it must heed."""

    def __init__(self, url: ObjectUrl) -> None:
        """Prepare without asking the store."""
        self._target = open_writable_store(url.scheme)
        super().__init__(url)
        self._is_checked = False

    def create(self, files: Mapping[str, bytes]) -> None:
        """Write objects that never change, several at a time."""
        self._check_conditions()
        with ThreadPoolExecutor(_WRITES_AT_ONCE, thread_name_prefix="bucket") as threads:
            for writing in [threads.submit(self._create, *each) for each in files.items()]:
                writing.result()

    def _create(self, path: str, data: bytes) -> None:
        headers = ObjectHeaders(media_type=media_type_of(path), cache_control=FOR_EVER)
        create_object(self._target, self._url.below(path), BytesIO(data), headers)

    def replace(self, path: str, data: bytes, *, before: bytes | None) -> None:
        """Write an object whose bytes are ``before``."""
        self._check_conditions()
        headers = ObjectHeaders(media_type=media_type_of(path), cache_control=ALWAYS_ASK)
        url = self._url.below(path)
        if not replace_object(self._target, url, data, headers, before=before):
            raise PublicationChanged

    def _check_conditions(self) -> None:
        if not self._is_checked:
            check_conditions(self._target, self._url)
            self._is_checked = True


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > MAX_FILE_BYTES:
        raise CannotCheckError(
            Message("publication-file-too-long", path=name, limit=MAX_FILE_BYTES)
        )
    return data
