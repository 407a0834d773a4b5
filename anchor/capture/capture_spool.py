"""The folder by which a service hands orders of captures to a worker, and gets their results.

The worker is another user, who has no key and no store; the folder is all that the two share.
Neither trusts what the other wrote beyond its form.  A result counts once its document is there,
which is written last.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO, Final, Self, TypeAlias

from anchor.base.canonical import JsonValue, encode_canonical, parse_strict
from anchor.base.errors import ConfigError, MalformedError, UsageError
from anchor.base.messages.message import Message, translate
from anchor.base.system.durable_files import is_temporary, sync_folder, write_file
from anchor.base.system.os_errors import describe_os_error, explain_os_error
from anchor.base.system.regular_files import open_regular_file

MAX_RESULT_BYTES: Final = 1 << 20
MOST_ATTEMPTS: Final = 3
"""How often a capture is begun whose worker ends in the middle."""

Texts: TypeAlias = dict[str, str]
"""A text in each language."""

_MAX_ORDER_BYTES = 64 << 10
_MAX_TEXT = 300
_CHUNK_BYTES = 1 << 18
_FOLDERS = ("orders", "running", "results")
_NAME = re.compile(r"([0-9a-f]{32})\.json")
_CLAIMED = re.compile(r"([0-9a-f]{32})\.([1-9])\.json")
# For the group of the folder, which holds the service's user and the worker's; never for others.
# Folders keep the group (set-group-ID) as the one above does.
_FOLDER_MODE, _FILE_MODE = 0o770, 0o660
_FOLDER_ONLY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOrder:
    """What a worker is to capture; ``max_bytes`` bounds the bodies of a page."""

    id: str
    url: str
    viewports: tuple[str, ...]
    depth: int
    max_bytes: int

    def encode(self) -> bytes:
        """Return the order as a document."""
        members: dict[str, JsonValue] = {
            "id": self.id,
            "url": self.url,
            "viewports": list(self.viewports),
            "depth": self.depth,
            "max_bytes": self.max_bytes,
        }
        return encode_canonical(members, subject="order")

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Return the order in a document."""
        members = _parse_object(data, _MAX_ORDER_BYTES)
        match members:
            case {
                "id": str(id),
                "url": str(url),
                "viewports": list(viewports),
                "depth": int(depth),
                "max_bytes": int(max_bytes),
            } if len(members) == len(fields(cls)):
                sizes = tuple(str(each) for each in viewports)
                return cls(id=id, url=url, viewports=sizes, depth=depth, max_bytes=max_bytes)
        raise MalformedError(Message("capture-spool-malformed"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedOrder:
    """An order that a worker has taken; ``attempt`` counts from 1."""

    id: str
    attempt: int
    path: Path


class CaptureSpool:
    """The folder, for either side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._orders, self._running, self._results = (folder / name for name in _FOLDERS)

    @property
    def lock(self) -> Path:
        """Return the file that the one worker of this folder holds."""
        return self._running / "worker.lock"

    def prepare(self) -> None:
        """Make the folders that are missing."""
        try:
            for name in _FOLDERS:
                path = self.folder / name
                with suppress(FileExistsError):
                    path.mkdir(_FOLDER_MODE)
                if path.is_symlink() or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                    raise PermissionError
        except OSError as error:
            raise ConfigError(
                Message(
                    "capture-spool-unusable", path=self.folder, reason=describe_os_error(error)
                ),
                hint=Message("capture-spool-hint"),
            ) from error

    def put_order(self, order: CaptureOrder) -> None:
        """Hand an order to the worker, durably."""
        write_file(self._orders / f"{order.id}.json", order.encode(), mode=_FILE_MODE)

    def holds(self, id: str) -> bool:
        """Return whether an order is here: waiting, taken, or with a result."""
        places = (self._orders / f"{id}.json", self._results / f"{id}.json")
        return any(map(os.path.lexists, places)) or bool(list(self._running.glob(f"{id}.*.json")))

    def is_running(self, id: str) -> bool:
        """Return whether a worker has taken an order and not given a result."""
        return bool(list(self._running.glob(f"{id}.*.json")))

    def claim(self) -> ClaimedOrder | None:
        """Take the order that waits longest; None if none does."""
        waiting = []
        for path in self._orders.iterdir():
            if _NAME.fullmatch(path.name):
                with suppress(FileNotFoundError):  # taken back meanwhile
                    waiting.append((path.lstat().st_mtime_ns, path))
        for _, path in sorted(waiting):
            claimed = ClaimedOrder(
                id=path.stem, attempt=1, path=self._running / f"{path.stem}.1.json"
            )
            with suppress(FileNotFoundError):
                path.rename(claimed.path)
                return claimed
        return None

    def list_claimed(self) -> list[ClaimedOrder]:
        """Return the orders that were taken and have not been settled."""
        claimed = []
        for path in sorted(self._running.iterdir()):
            match = _CLAIMED.fullmatch(path.name)
            if match is not None:
                claimed.append(ClaimedOrder(id=match[1], attempt=int(match[2]), path=path))
        return claimed

    def take_again(self, claimed: ClaimedOrder) -> ClaimedOrder:
        """Return an order whose worker ended, as taken once more."""
        attempt = claimed.attempt + 1
        path = self._running / f"{claimed.id}.{attempt}.json"
        claimed.path.rename(path)
        return ClaimedOrder(id=claimed.id, attempt=attempt, path=path)

    def read_order(self, claimed: ClaimedOrder) -> CaptureOrder:
        """Return the order that was taken."""
        order = CaptureOrder.parse(_read(claimed.path, _MAX_ORDER_BYTES))
        if order.id != claimed.id:
            raise MalformedError(Message("capture-spool-malformed"))
        return order

    def put_result(self, claimed: ClaimedOrder, result: bytes, bag: Path | None) -> None:
        """Give the result of an order, with the bag's ZIP file unless it was refused.

        A crash before the last step leaves the order taken: it is captured again.
        """
        if bag is not None:
            self._copy_bag(claimed.id, bag)
        write_file(self._results / f"{claimed.id}.json", result, mode=_FILE_MODE)
        self.drop(claimed)

    def _copy_bag(self, id: str, bag: Path) -> None:
        target = self.bag_path(id)
        partial = target.with_suffix(".partial")
        try:
            shutil.copyfile(bag, partial)
            partial.chmod(_FILE_MODE)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(target)
        except OSError as error:
            raise explain_os_error(
                Message("file-unwritable", path=target), error, is_named=False
            ) from error

    def has_result(self, id: str) -> bool:
        """Return whether an order has a result."""
        return os.path.lexists(self._results / f"{id}.json")

    def drop(self, claimed: ClaimedOrder) -> None:
        """Forget that an order was taken, because its result is there."""
        claimed.path.unlink(missing_ok=True)
        sync_folder(self._running)

    def read_result(self, id: str) -> Mapping[str, JsonValue] | None:
        """Return the document of a result; None if there is none yet."""
        try:
            data = _read(self._results / f"{id}.json", MAX_RESULT_BYTES)
        except FileNotFoundError:
            return None
        return _parse_object(data, MAX_RESULT_BYTES)

    def take_bag(self, id: str, most: int) -> BufferedRandom:
        """Return a nameless copy of a result's ZIP file, so that nobody else can change it."""
        try:
            given = _open(self.bag_path(id))
        except FileNotFoundError:
            raise MalformedError(Message("capture-spool-malformed")) from None
        with given:
            copy = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 (it is returned)
            try:
                while data := given.read(_CHUNK_BYTES):
                    copy.write(data)
                    if copy.tell() > most:
                        length = max(copy.tell(), os.fstat(given.fileno()).st_size)
                        raise UsageError(Message("capture-bag-too-large", bytes=length))
                copy.flush()
            except BaseException:
                copy.close()
                raise
        return copy

    def bag_path(self, id: str) -> Path:
        """Return the path of a result's ZIP file, which the worker may replace at any time."""
        return self._results / f"{id}.zip"

    def remove(self, id: str) -> None:
        """Remove everything of an order."""
        for path in (self._orders / f"{id}.json", *self._running.glob(f"{id}.*.json")):
            path.unlink(missing_ok=True)
        # The document last: what is left of a result that has none is not looked at.
        for suffix in (".zip", ".partial", ".json"):
            (self._results / f"{id}{suffix}").unlink(missing_ok=True)

    def list_results(self) -> list[str]:
        """Return the ids of which there are files of results."""
        names = (path.name for path in self._results.iterdir() if not is_temporary(path.name))
        return sorted({name[:32] for name in names if re.match(r"[0-9a-f]{32}\.", name)})


def spell_texts(reason: str) -> Texts:
    """Return a reason in each language, shortened."""
    return {
        "en": translate(reason, "en")[:_MAX_TEXT],
        "zh": translate(reason, "zh")[:_MAX_TEXT],
    }


def read_texts(value: JsonValue) -> Texts:
    """Return a text in each language, shortened."""
    match value:
        case {"en": str(english), "zh": str(chinese), **others} if not others:
            return {"en": english[:_MAX_TEXT], "zh": chinese[:_MAX_TEXT]}
    raise MalformedError(Message("capture-spool-malformed"))


def encode_refusal(id: str, reason: str) -> bytes:
    """Return the document of an order that cannot be carried out."""
    texts: dict[str, JsonValue] = {**spell_texts(reason)}
    members: dict[str, JsonValue] = {"id": id, "refusal": texts}
    return encode_canonical(members, subject="result")


def _read(path: Path, most: int) -> bytes:
    with _open(path) as file:
        return file.read(most + 1)


def _open(path: Path) -> BinaryIO:
    """Open a file that the other user can replace, by a link to a file that only we may read.

    Raises:
        MalformedError: It is no file of that user's own, or may not be read.
    """
    malformed = MalformedError(Message("capture-spool-malformed"))
    try:
        folder = os.open(path.parent, _FOLDER_ONLY)
        try:
            descriptor = open_regular_file(Path(path.name), follows_links=False, folder=folder)
        finally:
            os.close(folder)
    except (UsageError, NotADirectoryError, PermissionError) as error:
        raise malformed from error
    if os.fstat(descriptor).st_nlink > 1:  # a second name of a file elsewhere
        os.close(descriptor)
        raise malformed
    return open(descriptor, "rb")


def _parse_object(data: bytes, most: int) -> dict[str, JsonValue]:
    value = parse_strict(data, subject="spool", max_bytes=most)
    if not isinstance(value, dict):
        raise MalformedError(Message("capture-spool-malformed"))
    return value
