"""Where a command writes files: on this machine, or into an object store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from anchor.bag.bag_surroundings import check_outside_bags
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_url import ObjectUrl, is_object_url, parse_object_url
from anchor.base.objects.object_writing import FetchedObject, fetch_object, upload_files
from anchor.base.objects.store_choice import open_writable_store
from anchor.receipt.format import MAX_RECEIPT_BYTES

# Bytes that are copied of an object to see whose it is: a receipt as a whole, or of a bundle its
# first line and its first receipt.
_MOST_FETCHED = 2 * MAX_RECEIPT_BYTES


@dataclass(slots=True, kw_only=True)
class OutputPlace:
    """The path to write to, and its URL if what is written becomes objects."""

    path: Path
    url: ObjectUrl | None = None
    fetched: dict[ObjectUrl, FetchedObject] = field(default_factory=dict)

    def name_of(self, path: Path) -> str:
        """Return the path or URL that a file written at or below ``path`` has in the end."""
        return str(path) if self.url is None else str(self._locate(self.url, path))

    def fetch(self, path: Path, is_ours: Callable[[Path], bool]) -> None:
        """Copy the beginning of the object that a file at ``path`` is to replace.

        One that is not ours stays: ``is_ours`` is asked of what was copied.
        """
        if self.url is None or path.exists():
            return
        url = self._locate(self.url, path)
        fetched = fetch_object(open_writable_store(url.scheme), url, path, _MOST_FETCHED)
        if fetched is not None and is_ours(path):
            self.fetched[url] = fetched
        else:
            path.unlink(missing_ok=True)

    def upload(self, url: ObjectUrl, folder: ObjectUrl) -> None:
        """Write the files as objects: the one at ``path`` as ``url``, those below it below it.

        Raises:
            UsageError: An object exists with other bytes, which stay.
            CannotCheckError: The store does not answer; repeating the command goes on.
        """
        paths = sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]
        files = {self._locate(url, path): path for path in paths if path.is_file()}
        upload_files(open_writable_store(url.scheme), folder, files, self.fetched)

    def _locate(self, url: ObjectUrl, path: Path) -> ObjectUrl:
        return url if path == self.path else url.below(path.relative_to(self.path).as_posix())


@contextmanager
def open_output_place(location: str | Path, *, is_file: bool) -> Iterator[OutputPlace]:
    """Yield where to write what goes to a path, or to a URL of an object store.

    Objects are written when the block ends without an error.  None replaces another, except one
    that was fetched in the block and has not changed since.

    Raises:
        UsageError: The URL cannot be written to, an object exists with other bytes, or the path
            lies in a bag.
        CannotCheckError: The store does not answer; repeating the command goes on.
    """
    if isinstance(location, Path) or not is_object_url(location):
        check_outside_bags(Path(location))
        yield OutputPlace(path=Path(location))
        return
    url = parse_object_url(location)
    open_writable_store(url.scheme)
    parent, _, name = url.key.rpartition("/")
    if is_file and not name:
        raise UsageError(Message("object-url-without-name", url=url))
    with TemporaryDirectory(prefix="anchor-") as folder:
        place = OutputPlace(path=Path(folder) / (name if is_file else "files"), url=url)
        yield place
        place.upload(url, ObjectUrl(url.scheme, url.container, parent) if is_file else url)
