"""Discovery of evidence files: finds them below the arguments, and opens them safely.

A path that cannot be listed is reported as an `IntakeProblem`, one left out by rule as a `Skipped`,
each at its place in the order; the walk continues.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import describe_os_error
from anchor.base.system.regular_files import open_regular_file
from anchor.evidence.checksums import decode_name
from anchor.evidence.exclusion import GITIGNORE_NAME, Exclusion, FolderPatterns
from anchor.evidence.ignore_pattern import MAX_BYTES, IgnorePattern

_LIST_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY
# Traversing a folder needs no right to list it, except where O_PATH is missing (macOS).
PASS_FOLDER = _LIST_FOLDER | getattr(os, "O_PATH", 0)

_LINK_REASON = Message("link-not-followed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file whose evidence is to be accepted.

    ``path`` is opened as given; ``name`` is the evidence name, as `decode_name` returns it.  None
    of the last ``guarded`` components of ``path`` may be a symbolic link when the file is opened;
    0 follows all links.  ``status`` is the file's status if it has been read already, and
    ``origin`` what `source_of` returns for ``path`` if the folder has been resolved already.
    """

    path: Path
    name: str
    guarded: int = 1
    status: os.stat_result | None = field(default=None, compare=False, repr=False)
    origin: str | None = field(default=None, compare=False, repr=False)

    def look(self) -> os.stat_result | None:
        """Return the status of the file that would be opened; None if it cannot be read."""
        if self.status is not None:
            return self.status
        try:
            return os.stat(self.path, follow_symlinks=self.guarded == 0)
        except (OSError, ValueError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeProblem:
    """A path whose evidence could not be accepted; ``reason`` is one sentence."""

    path: Path
    reason: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A path that is left out by rule; ``reason`` is one sentence."""

    path: Path
    reason: Message


Discovered: TypeAlias = SourceFile | IntakeProblem | Skipped


def find_sources(
    arguments: Sequence[Path], *, follow_symlinks: bool, exclusion: Exclusion | None = None
) -> Iterator[Discovered]:
    """Yield the files that ``arguments`` name, and all files below the folders among them.

    The arguments keep their order; below a folder the order is that of the paths' bytes (as in
    ``LC_ALL=C sort``), whatever the locale or the file system.  A file argument's name is its base
    name, that of a file below a folder is ``folder/relative/path`` with the folder's resolved name.
    Only the names of one directory and of those above it are held in memory.

    A path in two arguments is listed once, at the first.  A followed link to a file is a name of
    its own, like a hard link; a folder that a link leads to again is skipped, so that loops end.
    Devices, sockets and FIFOs are skipped without being opened.

    What ``exclusion`` leaves out of a folder is skipped, a folder with all below it, and counted
    there; an argument itself never is.
    """
    walk = _Walk(follow_symlinks=follow_symlinks, exclusion=exclusion)
    for argument in arguments:
        yield from walk.take(argument)


def open_guarded(parts: tuple[str, ...], guarded: int, flags: int) -> int:
    """Open the path of these ``parts``, refusing a symbolic link among the last ``guarded``.

    It is opened folder by folder, because O_NOFOLLOW checks the last component only, and a folder
    above it may be replaced by a link during the walk.  The caller has to close the descriptor.

    Raises:
        OSError: The path cannot be opened, or a guarded part is a symbolic link.
    """
    base = len(parts) - min(guarded, len(parts))
    path = os.path.join(*parts) if parts else "."
    if base >= len(parts) - 1:
        return os.open(path, flags | (os.O_NOFOLLOW if guarded else 0))
    folder = os.open(os.path.join(*parts[:base]) if base else ".", PASS_FOLDER)
    try:
        for part in parts[base:-1]:
            below = os.open(part, PASS_FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(parts[-1], flags | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)


def describe_error(error: OSError | ValueError) -> Message:
    """Return a clause about what is wrong with a path, without the path itself."""
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return Message("path-link-swapped-or-circular")
    if isinstance(error, ValueError):
        # A NUL byte, or text that is no path; Python's own wording differs from version to version.
        return Message("path-impossible")
    return Message("path-read-failed", reason=describe_os_error(error))


def describe_mode(mode: int) -> Message:
    """Return a clause about the kind of special file that ``st_mode`` states."""
    kinds = (
        (stat.S_ISFIFO, Message("file-kind-fifo")),
        (stat.S_ISSOCK, Message("file-kind-socket")),
        (stat.S_ISCHR, Message("file-kind-character-device")),
        (stat.S_ISBLK, Message("file-kind-block-device")),
        (stat.S_ISDIR, Message("file-kind-folder")),
    )
    kind = next((name for test, name in kinds if test(mode)), Message("file-kind-unknown"))
    return Message("path-special-file", kind=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """A folder to list; ``name`` and ``real`` (the resolved path) are bytes, without a final /."""

    path: Path
    name: bytes
    real: bytes
    guarded: int
    patterns: FolderPatterns | None


class _Walk:
    """Lists arguments one after the other and records which paths they covered."""

    def __init__(self, *, follow_symlinks: bool, exclusion: Exclusion | None) -> None:
        self._follow = follow_symlinks
        self._exclusion = exclusion
        # Resolved paths: of the arguments so far, of what patterns left out of them, and of folders
        # whose listing is incomplete.
        self._covered: set[bytes] = set()
        self._left_out: set[bytes] = set()
        self._unlisted: set[bytes] = set()
        # (device, inode) of every folder listed; kept only where links can lead to one again.
        self._entered: set[tuple[int, int]] = set()

    def take(self, argument: Path) -> Iterator[Discovered]:
        try:
            status = os.lstat(argument)
            is_link = stat.S_ISLNK(status.st_mode)
            if is_link and self._follow:
                status = os.stat(argument)
        except (OSError, ValueError) as error:
            yield IntakeProblem(
                path=argument, reason=Message("path-complaint", reason=describe_error(error))
            )
            return
        place = os.path.join(_resolve(argument.parent), os.fsencode(argument.name))
        is_resolved = not is_link and argument.name not in ("", "..")
        real = place if is_resolved else _resolve(argument)
        # A link counts as itself, and also as its target if it is followed.
        paths = {real} if not is_link else {place, real} if self._follow else {place}
        if any(self._is_covered(path) for path in paths):
            return
        guarded = 0 if self._follow else 1
        if stat.S_ISDIR(status.st_mode):
            name = os.path.basename(real)
            patterns = FolderPatterns(exclusion=self._exclusion) if self._exclusion else None
            yield from self._descend(
                _Folder(path=argument, name=name, real=real, guarded=guarded, patterns=patterns)
            )
        elif stat.S_ISREG(status.st_mode):
            text = decode_name(os.fsencode(argument.name))
            yield SourceFile(
                path=argument,
                name=text,
                guarded=guarded,
                status=status,
                origin=decode_name(place),
            )
        elif is_link and not self._follow:
            yield Skipped(path=argument, reason=_LINK_REASON)
        else:
            yield Skipped(
                path=argument,
                reason=Message("path-complaint", reason=describe_mode(status.st_mode)),
            )
        self._covered |= paths
        self._left_out -= paths

    def _is_covered(self, path: bytes) -> bool:
        """Return whether an earlier argument listed ``path``, by itself or through a folder."""
        while path not in self._covered:
            above = os.path.dirname(path)
            if path in self._left_out or above in self._unlisted or above == path:
                return False
            path = above
        return True

    def _descend(self, top: _Folder) -> Iterator[Discovered]:
        # A stack instead of recursion: folders may nest deeper than Python's recursion limit.
        levels: list[Iterator[_Folder | Discovered]] = [iter((top,))]
        while levels:
            entry = next(levels[-1], None)
            if entry is None:
                levels.pop()
            elif isinstance(entry, _Folder):
                levels.append(self._list(entry))
            else:
                yield entry

    def _list(self, folder: _Folder) -> Iterator[_Folder | Discovered]:
        try:
            descriptor = open_guarded(folder.path.parts, folder.guarded, _LIST_FOLDER)
        except OSError as error:
            self._unlisted.add(folder.real)
            yield IntakeProblem(
                path=folder.path, reason=Message("path-complaint", reason=describe_error(error))
            )
            return
        try:
            is_new = self._enter(descriptor)
            listing = _Listing(descriptor, self._follow) if is_new else None
            patterns, unread = folder.patterns, None
            if listing is not None and patterns is not None:
                patterns, unread = _read_gitignore(descriptor, folder.path, listing, patterns)
        finally:
            os.close(descriptor)
        if listing is None:
            yield Skipped(path=folder.path, reason=Message("folder-reached-twice"))
            return
        if listing.error is not None:
            self._unlisted.add(folder.real)
            yield IntakeProblem(
                path=folder.path,
                reason=Message("path-complaint", reason=describe_error(listing.error)),
            )
        if unread is not None:
            yield unread
        yield from self._yield_entries(folder, listing, patterns)

    def _enter(self, descriptor: int) -> bool:
        if not self._follow:
            return True
        status = os.fstat(descriptor)
        key = (status.st_dev, status.st_ino)
        is_new = key not in self._entered
        self._entered.add(key)
        return is_new

    def _yield_entries(
        self, folder: _Folder, listing: _Listing, patterns: FolderPatterns | None
    ) -> Iterator[_Folder | Discovered]:
        guarded = folder.guarded + 1 if folder.guarded else 0
        name_above = folder.name + b"/" if folder.name else b""
        real_above = os.path.join(folder.real, b"")
        # Each part of a path is decoded by itself: no escape and no character spans a slash.
        name_prefix, origin_prefix = decode_name(name_above), decode_name(real_above)
        for entry in listing.names:
            base = entry.rstrip(b"/")
            if self._covered and real_above + base in self._covered:
                continue
            path = folder.path / os.fsdecode(base)
            if patterns is not None and (pattern := patterns.find(base, is_folder=base != entry)):
                patterns.exclusion.count(pattern, is_folder=base != entry)
                self._left_out.add(real_above + base)
                yield Skipped(path=path, reason=_name_pattern(pattern))
            elif entry in listing.remarks:
                yield _remark(path, listing.remarks[entry])
            elif entry.endswith(b"/"):
                real = _resolve(path) if self._follow else real_above + base
                yield _Folder(
                    path=path,
                    name=name_above + base,
                    real=real,
                    guarded=guarded,
                    patterns=patterns and patterns.enter(base),
                )
            else:
                text = decode_name(base)
                yield SourceFile(
                    path=path,
                    name=name_prefix + text,
                    guarded=guarded,
                    origin=origin_prefix + text,
                )


class _Listing:
    """One directory's names as sorted bytes; folders end in /, so that full paths are in order.

    ``remarks`` holds, for an entry that is neither file nor folder, the reason to skip it or the
    error of reading it.  ``error`` is set if the list is incomplete.
    """

    def __init__(self, descriptor: int, follow: bool) -> None:
        self.names: list[bytes] = []
        self.remarks: dict[bytes, Message | OSError] = {}
        self.error: OSError | None = None
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    self._add(entry, follow)
        except OSError as error:
            self.error = error
        self.names.sort()

    def _add(self, entry: os.DirEntry[str], follow: bool) -> None:
        name = os.fsencode(entry.name)
        try:
            if entry.is_file(follow_symlinks=follow):
                pass
            elif entry.is_dir(follow_symlinks=follow):
                name += b"/"
            elif entry.is_symlink() and not follow:
                self.remarks[name] = _LINK_REASON
            else:
                # stat() also raises the error that is_file() hides: a dangling link.
                mode = entry.stat(follow_symlinks=follow).st_mode
                self.remarks[name] = Message("path-complaint", reason=describe_mode(mode))
        except OSError as error:
            self.remarks[name] = error
        self.names.append(name)


def _read_gitignore(
    descriptor: int, folder: Path, listing: _Listing, patterns: FolderPatterns
) -> tuple[FolderPatterns, IntakeProblem | None]:
    """Return the patterns in force in a folder, and why its .gitignore could not be obeyed."""
    name = GITIGNORE_NAME
    if (
        not patterns.exclusion.reads_gitignore
        or name not in listing.names
        or name in listing.remarks
    ):
        return patterns, None
    path = folder / os.fsdecode(name)
    try:
        # As in git, it is no link, wherever that leads.
        opened = open_regular_file(Path(path.name), follows_links=False, folder=descriptor)
        with open(opened, "rb") as file:
            return patterns.add_file(file.read(MAX_BYTES + 1), path), None
    except (AnchorError, OSError) as error:
        reason = describe_error(error) if isinstance(error, OSError) else error.message
        return patterns, IntakeProblem(
            path=path, reason=Message("gitignore-not-obeyed", reason=reason)
        )


def _name_pattern(pattern: IgnorePattern) -> Message:
    return Message("path-excluded", pattern=pattern.text, source=pattern.source)


def _remark(path: Path, remark: Message | OSError) -> IntakeProblem | Skipped:
    if isinstance(remark, Message):
        return Skipped(path=path, reason=remark)
    return IntakeProblem(path=path, reason=Message("path-complaint", reason=describe_error(remark)))


def _resolve(path: Path) -> bytes:
    return os.path.realpath(os.fsencode(path))
