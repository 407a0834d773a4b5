"""The timestamps of a backup, put back into the project's folder."""

from __future__ import annotations

import os
from pathlib import Path

from anchor.base.system.durable_files import write_files
from anchor.base.system.regular_files import read_regular_file

# A head that has a token is not stamped again, so the token comes after the files beside it.
_LAST = ".tst"


def restore_timestamps(backup: Path, target: Path) -> int:
    """Copy the timestamps that ``target`` lacks from a backup's folder of them; return the tokens.

    Raises:
        UsageError: A file was replaced by a link.
    """
    missing = [
        path
        for path in sorted(backup.glob("*"))
        if path.is_file() and not os.path.lexists(target / path.name)
    ]
    if missing:
        target.mkdir(exist_ok=True)
    tokens = [path for path in missing if path.suffix == _LAST]
    for part in ([path for path in missing if path not in tokens], tokens):
        # A crash between the two leaves heads that are stamped again, or restored once more.
        copies = (
            (target / path.name, read_regular_file(path, follows_links=False)) for path in part
        )
        write_files(copies, is_named=False)
    return len(tokens)
