"""Places where a log is published: a folder, a web server or an object store.

Paths are those of C2SP tlog-tiles (https://c2sp.org/tlog-tiles), below a prefix: ``checkpoint``,
``tile/0/000``, …, and this project's own list of the anchored heads, ``anchors/000``, …  A place is
given as the user writes it: a folder, an ``http(s)://`` URL (read only), or any other URL that
fsspec supports (``s3://…``, ``gs://…``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from anchor.errors import (
    CannotCheckError,
    ConfigError,
    MalformedError,
    MismatchError,
    NodeUnreachableError,
    UsageError,
)
from anchor.log.tiles import TILE_BYTES, Tile
from anchor.messages.message import Message
from anchor.system.durable_files import write_files
from anchor.system.os_errors import describe_os_error
from anchor.system.regular_files import read_regular_file
from anchor.types import MAX_LOG_SIZE, Hash32, Head

if TYPE_CHECKING:
    import requests

    from anchor.system.http import BoundedSession

CHECKPOINT = "checkpoint"

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
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_CHAINED = re.compile(rf"::{_SCHEME.pattern}://")


class PublicationReader(Protocol):
    """A source of published files; ``name`` is its name without credentials, fit to be shown."""

    @property
    def name(self) -> str: ...

    def read(self, path: str) -> bytes | None: ...


class PublicationWriter(PublicationReader, Protocol):
    """A place where files are published; each file is replaced as a whole."""

    def write(self, files: Mapping[str, bytes]) -> None: ...


def open_reader(location: str) -> PublicationReader:
    """Return a reader of the log published at ``location``, without reading anything yet."""
    if location.startswith(("http://", "https://")):
        return WebPublication(location)
    return open_writer(location)


def open_writer(location: str) -> PublicationWriter:
    """Return a writer that publishes a log at ``location``, without writing anything yet.

    Raises:
        UsageError: The URL's scheme cannot be written to, or its package is missing.
        CannotCheckError: The object store cannot be opened.
    """
    if location.startswith(("http://", "https://")):
        raise UsageError(
            Message("publication-to-web-server"),
            hint=Message("publication-to-web-server-hint"),
        )
    if "://" in location and not location.startswith("file://"):
        return PublicationBucket(location)
    # fsspec would write a local file in place and not wait for the disk.
    return PublicationFolder(Path(location.removeprefix("file://")))


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
        CannotCheckError: A part is missing, or cannot be read.
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
        """Return a file's bytes; None if the file does not exist.

        Raises:
            CannotCheckError: The file exists and cannot be read, or is far too long.
        """
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

    def write(self, files: Mapping[str, bytes]) -> None:
        """Store files durably, each as a whole.

        Raises:
            UsageError: A file cannot be written.
        """
        write_files([(self._folder / path, data) for path, data in files.items()])


class WebPublication:
    """A web server that serves the published files."""

    def __init__(
        self,
        url: str,
        sleep: Callable[[float], None] = time.sleep,
        *,
        max_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        from anchor.system.urls import redact_url

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

        Raises:
            CannotCheckError: The server does not answer, or its answer is not the file.
        """
        from anchor.system.http import read_retry_after

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

        from anchor.system.http import BadResponse, BoundedSession, format_failure

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
    """An object store that fsspec reaches by URL, with credentials from its own configuration."""

    def __init__(self, url: str) -> None:
        try:
            from fsspec.core import get_filesystem_class, url_to_fs
        except ImportError:
            raise UsageError(
                Message("publication-fsspec-missing"),
                hint=Message("publication-fsspec-missing-hint"),
            ) from None
        scheme = url.partition("://")[0]
        if not _SCHEME.fullmatch(scheme) or _CHAINED.search(url):
            # A chained URL reads through a cache, which may be older than the log.
            raise UsageError(
                Message("publication-url-unusable"),
                hint=Message("publication-url-unusable-hint"),
            )
        self.name = Message("publication-bucket", scheme=scheme)
        try:
            get_filesystem_class(scheme)
        except (ImportError, ValueError) as error:
            raise UsageError(
                Message("publication-scheme-unusable", scheme=scheme, reason=error)
            ) from None
        with _TranslatedErrors(Message("publication-bucket-not-opened", name=self.name)):
            self._store, self._prefix = url_to_fs(url)

    def read(self, path: str) -> bytes | None:
        """Return an object's bytes; None if the object does not exist.

        Raises:
            CannotCheckError: The store fails.
        """
        with _TranslatedErrors(Message("publication-file-unreadable", path=path, name=self.name)):
            try:
                name = f"{self._prefix}/{path}"
                data = self._store.cat_file(name, start=0, end=MAX_FILE_BYTES + 1)
            except FileNotFoundError:
                return None
        return _bounded(bytes(data), path)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Store objects, each replaced as a whole, which object stores guarantee.

        Raises:
            CannotCheckError: The store fails; some of the files may have been written.
        """
        objects: dict[str, Any] = {f"{self._prefix}/{path}": data for path, data in files.items()}
        first = next(iter(files))
        with _TranslatedErrors(Message("publication-file-unwritable", path=first, name=self.name)):
            self._store.pipe(objects)


class _TranslatedErrors(AbstractContextManager[None]):
    """A context manager that translates the errors of an object store's package.

    The text of such an error is left out, because it may quote credentials.
    """

    def __init__(self, failure: Message) -> None:
        self._failure = failure

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, Exception):
            raise CannotCheckError(
                Message("with-reason", failure=self._failure, reason=kind.__name__)
            ) from None


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > MAX_FILE_BYTES:
        raise CannotCheckError(
            Message("publication-file-too-long", path=name, limit=MAX_FILE_BYTES)
        )
    return data
