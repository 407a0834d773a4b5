"""The log's hash tiles in a folder that a web server can serve.

Tiles are derived data and can be rebuilt from the stored leaves.  The file ``size`` states for how
many leaves all tiles are present; it is written after the tiles, so that a crash may leave too many
tiles and never too few.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from anchor.base.errors import ChainGuardError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import is_temporary, write_files
from anchor.base.system.os_errors import explain_os_error
from anchor.base.types import MAX_LOG_SIZE
from anchor.log.tiles import Tile, parse_tile_path
from anchor.log.tree import HASH

SIZE = "size"


class TileFolder:
    """Reads and writes tiles below ``folder``, which is created with the first tile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def size(self) -> int:
        """Return the size of the tree whose tiles are all present; 0 for an empty folder."""
        try:
            text = _read_bytes(self.folder / SIZE, 32)
        except FileNotFoundError:
            return 0
        digits = text.removesuffix(b"\n")
        if not digits.isdigit() or int(digits) > MAX_LOG_SIZE:
            raise ChainGuardError(
                Message("tile-size-malformed", path=self.folder / SIZE),
                hint=Message("tile-rebuild-only-hint"),
            )
        return int(digits)

    def read(self, tile: Tile) -> bytes:
        """Return the tile's hashes; those of a partial tile may be read from a wider one.

        The result may be too short; callers verify tiles in any case.
        """
        for candidate in (tile, tile._replace(width=256)):
            with contextlib.suppress(FileNotFoundError):
                return _read_bytes(self.folder / candidate.path, tile.width * HASH)
        # Only a wider partial tile is left, because the log has grown since.
        for width in sorted(self._partial_widths(tile)):
            if width > tile.width:
                wider = self.folder / tile._replace(width=width).path
                with contextlib.suppress(FileNotFoundError):
                    return _read_bytes(wider, tile.width * HASH)
        raise ChainGuardError(
            Message("file-missing", path=self.folder / tile.path),
            hint=Message("tile-rebuild-only-hint"),
        )

    def write(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Store tiles durably."""
        tiles = list(tiles)
        write_files([(self.folder / tile.path, data) for tile, data in tiles], is_named=False)
        for tile, _ in tiles:
            self._drop_narrower(tile)

    def write_size(self, size: int) -> None:
        """Record durably that all tiles of ``size`` leaves are present."""
        write_files([(self.folder / SIZE, b"%d\n" % size)], is_named=False)

    def list_tiles(self) -> Iterator[tuple[str, Tile | None]]:
        """Yield the relative path of every file, and its tile; None for a file that is not a tile.

        Temporary files left by a crash are skipped.
        """
        for path in self._list_files():
            name = path.relative_to(self.folder).as_posix()
            if name != SIZE and not is_temporary(path.name):
                yield name, parse_tile_path(name)

    def clear(self) -> None:
        """Remove every tile and every temporary file; keep other files."""
        if not self.folder.is_dir():
            return
        self.write_size(0)
        for path in list(self._list_files()):
            name = path.relative_to(self.folder).as_posix()
            if is_temporary(path.name) or parse_tile_path(name) is not None:
                try:
                    path.unlink()
                except OSError as error:
                    failure = Message("file-removal-failed", path=path)
                    raise explain_os_error(failure, error, is_named=False) from error

    def _list_files(self) -> Iterator[Path]:
        for parent, folders, names in os.walk(self.folder):
            folders.sort()
            for name in sorted(names):
                yield Path(parent, name)

    def _partial_widths(self, tile: Tile) -> list[int]:
        folder = (self.folder / tile._replace(width=1).path).parent
        try:
            return [int(name) for name in os.listdir(folder) if name.isdecimal()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _drop_narrower(self, tile: Tile) -> None:
        """Remove partial tiles that this one contains; a concurrent removal is harmless."""
        folder = (self.folder / tile._replace(width=1).path).parent
        for width in self._partial_widths(tile):
            if width < tile.width:
                with contextlib.suppress(OSError):
                    (folder / str(width)).unlink()
        if tile.is_full:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _read_bytes(path: Path, most: int) -> bytes:
    """Return at most the first ``most`` bytes of a file."""
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(most)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise explain_os_error(
            Message("file-unreadable", path=path), error, is_named=False
        ) from error
