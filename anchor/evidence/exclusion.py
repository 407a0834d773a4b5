"""What a call leaves out of its folders, by patterns of its own and by .gitignore files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.evidence.checksums import decode_name
from anchor.evidence.ignore_pattern import IgnorePattern, parse_gitignore

GITIGNORE_NAME: Final = b".gitignore"


def _parse(raw: bytes, source: str) -> IgnorePattern:
    pattern = IgnorePattern.parse(raw, source)
    if pattern is None or b"\0" in raw:
        raise MalformedError(Message("pattern-matches-nothing", pattern=decode_name(raw)))
    return pattern


@dataclass(slots=True)
class LeftOut:
    """How much one pattern left out; a folder counts once, with all below it."""

    files: int = 0
    folders: int = 0


@dataclass(slots=True, kw_only=True)
class Exclusion:
    """The patterns of one call, and what came of them.

    ``given`` decide before any .gitignore file, ``implied`` after all of them.
    """

    given: tuple[IgnorePattern, ...]
    implied: tuple[IgnorePattern, ...]
    reads_gitignore: bool
    # The .gitignore files that were read, in the order of the walk.
    read: list[Path] = field(default_factory=list)
    left_out: dict[IgnorePattern, LeftOut] = field(default_factory=dict)

    @classmethod
    def of_options(cls, patterns: Sequence[bytes], *, gitignore: bool) -> Self:
        """Return what ``--exclude`` and ``--gitignore`` ask for.

        Raises:
            MalformedError: A pattern can match nothing.
        """
        given = [_parse(raw, "--exclude") for raw in patterns]
        implied = []
        if gitignore:
            # No pattern brings back git's own folder, as in git.
            given.append(_parse(b".git", "--gitignore"))
            implied.append(_parse(b"__pycache__/", "--gitignore"))
        return cls(given=tuple(given), implied=tuple(implied), reads_gitignore=gitignore)

    def count(self, pattern: IgnorePattern, *, is_folder: bool) -> None:
        """Count a file, or a folder with all below it, that a pattern left out."""
        counted = self.left_out.setdefault(pattern, LeftOut())
        counted.folders += is_folder
        counted.files += not is_folder

    def total(self) -> LeftOut:
        """Return how much all patterns left out."""
        counted = self.left_out.values()
        return LeftOut(sum(each.files for each in counted), sum(each.folders for each in counted))


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPatterns:
    """The patterns in force in one folder of a walk.

    ``above`` is the folder's path below the folder that the call names, empty or with a final /.
    Each of ``read``, the outermost first, has the length of ``above`` where its file lies.
    """

    exclusion: Exclusion
    above: bytes = b""
    read: tuple[tuple[int, tuple[IgnorePattern, ...]], ...] = ()

    def enter(self, name: bytes) -> FolderPatterns:
        """Return what is in force in the folder ``name``, but for its own .gitignore."""
        return replace(self, above=self.above + name + b"/")

    def add_file(self, data: bytes, path: Path) -> FolderPatterns:
        """Return what is in force once the folder's .gitignore, at ``path``, is read."""
        patterns = parse_gitignore(data, str(path))
        self.exclusion.read.append(path)
        return replace(self, read=(*self.read, (len(self.above), patterns)))

    def find(self, name: bytes, *, is_folder: bool) -> IgnorePattern | None:
        """Return the pattern that leaves an entry of the folder out, if one does."""
        path = self.above + name
        groups = ((0, self.exclusion.implied), *self.read, (0, self.exclusion.given))
        for start, patterns in reversed(groups):
            for pattern in reversed(patterns):
                if pattern.matches(path[start:], is_folder=is_folder):
                    return None if pattern.negated else pattern
        return None
