"""Temporary folders that processes left because they were killed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def remove_abandoned(prefix: str, before: float) -> None:
    """Remove this user's temporary folders of a name that nothing changed since ``before``.

    ``before`` is in Unix seconds.  What cannot be removed stays.
    """
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):
            status = path.lstat()
            is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
            if is_own and status.st_mtime < before:
                shutil.rmtree(path)
