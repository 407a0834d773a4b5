"""The objects of copies: in a folder of this machine, or wherever fsspec reaches by URL.

What is stored is encrypted; nothing here knows a key.
"""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from anchor.base.errors import AnchorError, ConfigError, MismatchError, StorageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import sync_folder, write_file
from anchor.base.system.os_errors import describe_os_error

_LOCAL = "file://"


class CopyObjects(Protocol):
    """A store of objects by name; ``write`` returns once an object is durable, as a whole.

    Every method may be repeated, and raises ``StorageError`` if the store fails.
    """

    def write(self, name: str, data: bytes) -> None: ...

    def read(self, name: str) -> bytes:
        """Return an object; raise MismatchError if there is none."""
        ...

    def list_names(self, folder: str) -> list[str]:
        """Return the names below a folder, with it."""
        ...

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        ...

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with all its objects, if it is there."""
        ...


def open_copy_objects(url: str) -> CopyObjects:
    """Return the store at a URL."""
    if url.startswith(_LOCAL):
        return ObjectFolder(Path(url.removeprefix(_LOCAL)))
    return CopyBucket(url)


class ObjectFolder:
    """A folder of this machine; each object is a file, which is written durably."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, data: bytes) -> None:
        """Write an object."""
        write_file(self._folder / name, data, mode=0o600)

    def read(self, name: str) -> bytes:
        """Return an object."""
        with _StorageErrors():
            try:
                return (self._folder / name).read_bytes()
            except FileNotFoundError:
                raise MismatchError(Message("copy-part-missing")) from None

    def list_names(self, folder: str) -> list[str]:
        """Return the names below a folder."""
        with _StorageErrors():
            inside = self._folder / folder
            return [f"{folder}/{path.name}" for path in inside.iterdir()] if inside.is_dir() else []

    def remove(self, name: str) -> None:
        """Remove an object."""
        with _StorageErrors():
            (self._folder / name).unlink(missing_ok=True)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder."""
        inside = self._folder / folder
        with _StorageErrors():
            if inside.is_dir():
                shutil.rmtree(inside)
                sync_folder(inside.parent)


class CopyBucket:
    """What fsspec reaches by URL, with credentials from its own configuration."""

    def __init__(self, url: str) -> None:
        try:
            from fsspec.core import url_to_fs

            self._files, prefix = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        except (ImportError, ValueError) as error:
            raise ConfigError(Message("copies-url-unusable", reason=error)) from error
        self._prefix = prefix.rstrip("/")

    def write(self, name: str, data: bytes) -> None:
        """Write an object."""
        with _StorageErrors():
            self._files.pipe_file(self._locate(name), data)

    def read(self, name: str) -> bytes:
        """Return an object."""
        with _StorageErrors():
            try:
                return bytes(self._files.cat_file(self._locate(name)))
            except FileNotFoundError:
                raise MismatchError(Message("copy-part-missing")) from None

    def list_names(self, folder: str) -> list[str]:
        """Return the names below a folder."""
        with _StorageErrors():
            inside = self._locate(folder)
            names = (str(path).rpartition("/")[2] for path in self._files.find(inside))
            return [f"{folder}/{name}" for name in names]

    def remove(self, name: str) -> None:
        """Remove an object."""
        with _StorageErrors():
            try:
                self._files.rm_file(self._locate(name))
            except FileNotFoundError:
                pass

    def remove_folder(self, folder: str) -> None:
        """Remove a folder."""
        for name in self.list_names(folder):
            self.remove(name)

    def _locate(self, name: str) -> str:
        return f"{self._prefix}/{name}"


class _StorageErrors(AbstractContextManager[None]):
    """Translates errors; the text of a package's error is left out: it may quote credentials."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *_: object
    ) -> None:
        if error is None or not isinstance(error, Exception) or isinstance(error, AnchorError):
            return
        reason = describe_os_error(error) if isinstance(error, OSError) else type(error).__name__
        raise StorageError(Message("copies-store-failed", reason=reason)) from None
