"""The sessions that were signed out, as all workers of a service know them: an empty file each.

They need to be known as long as their cookies could be shown again.  A start makes a new secret for
the cookies, and a new folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path


class EndedSessions:
    """Remembers ended sessions in a folder, which the workers of one service share."""

    def __init__(self, folder: Path | None) -> None:
        """Prepare; without a folder, they are kept in one of this worker's own."""
        self._own = (
            tempfile.TemporaryDirectory(prefix="anchor-sessions-") if folder is None else None
        )
        self._folder = folder or Path(self._own.name if self._own else "")

    def end(self, id: str, expires: int, now: float) -> None:
        """Remember that a session ended, and forget those that nobody could use any more.

        Raises:
            OSError: It cannot be written down.
        """
        for path in self._folder.iterdir():
            if int(path.name.partition(".")[0]) <= now:
                path.unlink(missing_ok=True)
        (self._folder / _name(id, expires)).touch(mode=0o600)

    def has(self, id: str, expires: int) -> bool:
        """Return whether a session was signed out."""
        return (self._folder / _name(id, expires)).exists()

    def close(self) -> None:
        """Remove the folder, where it is this worker's own."""
        if self._own is not None:
            self._own.cleanup()


def _name(id: str, expires: int) -> str:
    return f"{expires}.{id}"
