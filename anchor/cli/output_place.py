"""Where a command writes files: on this machine, or into an object store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from anchor.errors import UsageError
from anchor.messages.message import Message
from anchor.objects.object_url import ObjectUrl, is_object_url, parse_object_url
from anchor.objects.object_writing import upload_files
from anchor.objects.store_choice import open_writable_store


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPlace:
    """The path to write to, and its URL if what is written becomes objects."""

    path: Path
    url: ObjectUrl | None = None

    def name_of(self, path: Path) -> str:
        """Return the path or URL that a file written at or below ``path`` has in the end."""
        return str(path) if self.url is None else str(self._locate(self.url, path))

    def list_objects(self, url: ObjectUrl) -> dict[ObjectUrl, Path]:
        """Return the files that were written, by the URL that each is to have."""
        paths = sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]
        return {self._locate(url, path): path for path in paths if path.is_file()}

    def _locate(self, url: ObjectUrl, path: Path) -> ObjectUrl:
        return url if path == self.path else url.below(path.relative_to(self.path).as_posix())


@contextmanager
def open_output_place(location: str | Path, *, is_file: bool) -> Iterator[OutputPlace]:
    """Yield where to write what goes to a path, or to a URL of an object store.

    Objects are written when the block ends without an error, none over another with other bytes.

    Raises:
        UsageError: The URL cannot be written to, or an object exists with other bytes.
        CannotCheckError: The store does not answer; repeating the command goes on.
    """
    if isinstance(location, Path) or not is_object_url(location):
        yield OutputPlace(path=Path(location))
        return
    url = parse_object_url(location)
    store = open_writable_store(url.scheme)
    parent, _, name = url.key.rpartition("/")
    if is_file and not name:
        raise UsageError(Message("object-url-without-name", url=url))
    with TemporaryDirectory(prefix="anchor-") as folder:
        place = OutputPlace(path=Path(folder) / (name if is_file else "files"), url=url)
        yield place
        holder = ObjectUrl(url.scheme, url.container, parent) if is_file else url
        upload_files(store, holder, place.list_objects(url))
