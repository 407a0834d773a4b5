"""The standard streams: a failed write ends a command with the exit code usual for programs.

All output of a command goes through these.  A closed pipe ends it silently with 141, as a shell
reports SIGPIPE; a full disk, or a closed standard output, with one sentence and 33.  Messages that
cannot be written to standard error are lost.
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

from anchor.base.errors import ExitCode
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import describe_os_error

_NAMES = ("standard input", "standard output", "standard error")


class StandardOutputError(Exception):
    """Standard output cannot be written; not an ``AnchorError``, as no file or node is at fault."""

    def __init__(self, cause: OSError) -> None:
        is_open = cause.errno != errno.EBADF
        reason = describe_os_error(cause) if is_open else Message("output-not-open")
        super().__init__(Message("output-unwritable", reason=reason))
        self.is_closed_pipe = cause.errno == errno.EPIPE

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        return ExitCode.OUTPUT_CLOSED if self.is_closed_pipe else ExitCode.STORAGE


class _Descriptor(io.RawIOBase):
    """A raw stream on a file descriptor that writes all data or calls ``fail`` with the error."""

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
        """Return whether the descriptor is a terminal."""
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
    """The output lines of a long-running process, which a failed write does not end.

    ``note`` is called for the first line that is lost, and for the first line written again.
    """

    def __init__(self, note: Callable[[Message], None]) -> None:
        self._note = note
        self._lost = 0

    def print(self, line: str) -> None:
        """Print one line to standard output; drop it if it cannot be written."""
        with self.printing():
            print(line, flush=True)

    @contextmanager
    def printing(self) -> Iterator[None]:
        """Drop output of the block that cannot be written, and count it as lost."""
        try:
            yield
        except StandardOutputError as error:
            if not self._lost:
                self._note(Message("output-events-lost", reason=error))
            self._lost += 1
            return
        if self._lost:
            self._note(Message("output-writable-again", count=self._lost))
            self._lost = 0


def guard_streams() -> None:
    """Replace the standard streams by guarded ones.

    Closed standard descriptors are occupied first: otherwise the next opened file would get the
    number, and receive the output.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Opened in the wrong mode, so that reading or writing fails.
            os.open(os.devnull, os.O_WRONLY if number == 0 else os.O_RDONLY)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (open until the process ends)
    sys.stdout = _open(1, sys.stdout, _refuse)
    sys.stderr = _open(2, sys.stderr, _ignore)


def silence_output() -> None:
    """Drop all further standard output, including the interpreter's at exit."""
    sys.stdout = io.StringIO()


def _open(number: int, stream: TextIO | None, fail: Callable[[OSError], None]) -> io.TextIOWrapper:
    encoding = "utf-8" if stream is None else stream.encoding
    # A character that the terminal cannot show is escaped instead of raising an error.
    return io.TextIOWrapper(
        _Descriptor(number, fail), encoding, errors="backslashreplace", line_buffering=True
    )


def _refuse(error: OSError) -> NoReturn:
    raise StandardOutputError(error) from error


def _ignore(_: OSError) -> None:
    """Ignore the error: it cannot be reported anywhere."""
