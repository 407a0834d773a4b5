"""The standard streams: what cannot be written ends a command as it ends other programs.

Every command prints through these, however it prints.  A closed pipe ends it quietly with 141, as
a shell reports SIGPIPE; a full disk, or a standard output that is not open, with one sentence and
33.  Whatever cannot be said on standard error is lost.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO

from anchor.errors import ExitCode

_NAMES = ("standard input", "standard output", "standard error")


class StandardOutputError(Exception):
    """Standard output cannot be written; no ``AnchorError``, for no file or node is at fault."""

    def __init__(self, cause: OSError) -> None:
        reason = "it is not open" if cause.errno == errno.EBADF else cause.strerror
        super().__init__(f"standard output cannot be written: {reason}")
        self.is_closed_pipe = cause.errno == errno.EPIPE

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with."""
        return ExitCode.OUTPUT_CLOSED if self.is_closed_pipe else ExitCode.STORAGE


class _Descriptor(io.RawIOBase):
    """A descriptor to write to, all of it or not at all; ``fail`` decides on errors."""

    def __init__(self, number: int, fail: Callable[[OSError], None]) -> None:
        self._number = number
        self._fail = fail
        self.name = _NAMES[number]

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor's number."""
        return self._number

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(self._number)

    def write(self, data: Any, /) -> int:
        """Write all of ``data``."""
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            try:
                left = left[os.write(self._number, left) :]
            except BlockingIOError:
                select.select([], [self._number], [])
            except OSError as error:
                self._fail(error)
                break
        return size


class EventLines:
    """The lines of a process that goes on: it never ends for the sake of its output.

    ``note`` is told of the first line that is lost, and of the first one after lines were lost.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._lost = 0

    def print(self, line: str) -> None:
        """Print one line to standard output, or lose it."""
        with self.printing():
            print(line, flush=True)

    @contextmanager
    def printing(self) -> Iterator[None]:
        """Lose what is printed inside where it cannot be written."""
        try:
            yield
        except StandardOutputError as error:
            if not self._lost:
                self._note(f"{error}; events are lost until it can be, and the work goes on")
            self._lost += 1
            return
        if self._lost:
            self._note(f"standard output can be written again; {self._lost:,} lines were lost")
            self._lost = 0


def guard_streams() -> None:
    """Put guarded streams in the place of the standard ones.

    A standard descriptor that is not open is taken first, or the next file that is opened would
    get its number, and what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The wrong way round, so that reading or writing fails.
            os.open(os.devnull, os.O_WRONLY if number == 0 else os.O_RDONLY)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (open until the process ends)
    sys.stdout = _open(1, sys.stdout, _refuse)
    sys.stderr = _open(2, sys.stderr, _ignore)


def silence_output() -> None:
    """Drop whatever else is printed to standard output, by the interpreter's own end, too."""
    sys.stdout = io.StringIO()


def _open(number: int, stream: TextIO | None, fail: Callable[[OSError], None]) -> io.TextIOWrapper:
    encoding = "utf-8" if stream is None else stream.encoding
    # A terminal that cannot show a character gets its escape, never a traceback.
    return io.TextIOWrapper(
        _Descriptor(number, fail), encoding, errors="backslashreplace", line_buffering=True
    )


def _refuse(error: OSError) -> NoReturn:
    raise StandardOutputError(error) from error


def _ignore(_: OSError) -> None:
    """Go on: there is nobody left to tell."""
