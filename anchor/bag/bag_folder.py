"""A bag in a folder of the file system."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from anchor.bag.bag_format import check_count, check_name, check_names
from anchor.base.errors import MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import describe_os_error
from anchor.evidence.discovery import open_guarded

# O_NONBLOCK: the file may have been replaced by a pipe since.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class BagFolder:
    """The files below a folder; links are not followed, and files of no other kind are read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sizes: Mapping[str, int] = _list_files(path)
        check_names(self.sizes)

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file of the listing."""
        parts = name.split("/")
        # Neither it nor a folder above it may have been replaced by a link since.
        descriptor = open_guarded((str(self._path), *parts), len(parts), _READ)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise MalformedError(Message("bag-file-kind", name=name))
        return open(descriptor, "rb")


def _list_files(path: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(path / folder) as entries:
                for entry in entries:
                    name = f"{folder}{entry.name}"
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        # The length of the name limits the depth.
                        check_name(name)
                        folders.append(f"{name}/")
                    elif stat.S_ISREG(status.st_mode):
                        sizes[name] = status.st_size
                    else:
                        raise MalformedError(Message("bag-file-kind", name=name))
                    check_count(len(sizes) + len(folders))
        except OSError as error:
            reason = describe_os_error(error)
            raise UsageError(
                Message("file-read-failed", path=path / folder, reason=reason)
            ) from error
    return sizes
