"""JSON lines of a bulk submission: cut from the arriving bytes, and read into runs."""

from __future__ import annotations

from anchor.base.messages.message import Message
from anchor.service.bulk_runs import Entry, RunKinds, make_new_run, read_plain_lines
from anchor.service.problems import Problem
from anchor.service.submission import Origin, read_submission
from anchor.store.columns import MOST_PIECES

# Fewer plain lines in a row are read one by one: they take less time than a run.
_FEW = 8
# Lines read one by one without yielding to the event loop: some milliseconds of work.
_AT_ONCE = 100


class LineReader:
    """A reader of JSON lines, which arrive in pieces; blank lines are numbered and left out.

    ``count`` lines have arrived and not been read; they and the bytes of an unfinished one take
    ``size`` bytes.

    Nearly every line is plain: it needs no JSON parser, and becomes a part of a run.  Any other is
    read as a submission by itself, which takes a hundred times as long.
    """

    def __init__(self, max_line: int) -> None:
        self.count = 0
        self._max_line = max_line
        self._lines = bytearray()
        self._rest = bytearray()  # the last line, while its end has not arrived
        self._number = 0

    @property
    def size(self) -> int:
        """The bytes that are kept."""
        return len(self._lines) + len(self._rest)

    def feed(self, data: bytes) -> None:
        """Add bytes."""
        start = data.find(b"\n")
        if start < 0:
            self._keep(data)
            return
        self._keep(data[:start])
        end = data.rindex(b"\n") + 1
        self._lines += self._rest
        self._lines += data[start:end]
        self.count += data.count(b"\n")
        self._rest.clear()
        self._keep(data[end:])

    def _keep(self, part: bytes) -> None:
        # Of a line that is too long, just as much as shows that it is.
        self._rest += part[: max(0, self._max_line + 1 - len(self._rest))]

    def finish(self) -> None:
        """Add the last line, if it has no line end."""
        if self._rest:
            self.feed(b"\n")

    def read(self, most: int, origin: Origin) -> list[Entry]:
        """Return the pieces or errors of the next lines.

        There are at most so many, and fewer if reading them takes long.
        """
        entries: list[Entry] = []
        left = min(most, self.count)
        first = self._number
        at = slow = 0
        while left and slow < _AT_ONCE:
            kinds = RunKinds(origin)
            end, sha256, codes, names = read_plain_lines(
                self._lines, at, min(left, MOST_PIECES), self._max_line, kinds
            )
            if len(codes) >= _FEW:
                run = make_new_run(kinds, codes, origin, sha256=sha256, names=names)
                entries.append((self._number + 1, run))
                self._number += run.pieces
                left -= run.pieces
                at = end
                continue
            for _ in range(min(len(codes) + 1, left)):
                end = self._lines.index(b"\n", at)
                self._number += 1
                entries += self._read_line(bytes(self._lines[at:end]), origin)
                left -= 1
                slow += 1
                at = end + 1
        self.count -= self._number - first
        del self._lines[:at]
        return entries

    def _read_line(self, line: bytes, origin: Origin) -> list[Entry]:
        if len(line) > self._max_line:
            problem = Problem(413, Message("submission-line-too-long", limit=self._max_line))
            return [(self._number, problem)]
        if not line or line.isspace():
            return []
        try:
            return [(self._number, read_submission(line, origin, max_bytes=self._max_line))]
        except Problem as problem:
            return [(self._number, problem)]
