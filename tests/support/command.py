"""The ``anchor`` command as its users run it: a new process each time.

Warnings are errors in that process, and no run may end in a traceback or as a bug (exit code 1).
"""

from __future__ import annotations

import array
import atexit
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from support.json_documents import check_document
from support.nursery import LENGTH

LAUNCHER = Path(__file__).with_name("launcher.py")
NURSERY = Path(__file__).with_name("nursery.py")

_STRICT = (
    "-W",
    "error",
    # web3 7 imports the deprecated half of websockets, whether one uses it or not.
    "-W",
    "ignore:websockets.legacy is deprecated:DeprecationWarning",
)
ANCHOR = (sys.executable, *_STRICT, "-m", "anchor")
# The start of a command that ends itself at one effect.
CRASHING = (sys.executable, *_STRICT, str(LAUNCHER))
_TIMEOUT = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How one process ended and what it printed."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Return standard output, which must be exactly one JSON object that fits its schema."""
        document = json.loads(self.out)
        assert isinstance(document, dict), self
        return check_document(document)

    def expect(self, code: int, *texts: str) -> Ran:
        """Check the exit code, and that each text stands in what was printed."""
        assert self.code == code, self
        for text in texts:
            assert text in self.out + self.err, (text, self)
        return self

    def refused(self, code: int, *texts: str) -> Ran:
        """Check that it ended with one clear sentence on standard error (and perhaps a hint)."""
        self.expect(code)
        errors = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, self
        for text in texts:
            assert text in self.err, (text, self)
        return self


def environment(**extra: str) -> dict[str, str]:
    """Return an environment without settings of the person who runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANCHOR_", "PYTHON"))
    }
    return {**kept, **extra}


def run_anchor(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    command: tuple[str, ...] = ANCHOR,
    uid: int | None = None,
    killed: bool | None = False,
) -> Ran:
    """Run ``anchor`` in ``cwd`` to its end.

    ``killed`` says whether that has to be a SIGKILL; None that it may be.
    """
    words = [str(argument) for argument in arguments]
    variables = environment(**(env or {}))
    forkable = _find_forkable(command, words, env)
    if forkable is not None and uid is None:
        code, out, err = _fork(forkable, cwd, variables, stdin)
    else:
        done = subprocess.run(
            [*command, *words],
            cwd=cwd,
            env=variables,
            input=stdin,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
            user=uid,
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    ran = Ran(arguments=tuple(words), code=code, out=out.decode("utf-8"), err=err.decode("utf-8"))
    check_manners(ran)
    assert killed in (None, ran.code in (137, -signal.SIGKILL)), ran
    return ran


def _find_forkable(
    command: tuple[str, ...], words: list[str], env: Mapping[str, str] | None
) -> list[str] | None:
    """Return the program and its arguments if the nursery can run them, otherwise None."""
    # What an interpreter reads as it starts needs one of its own.
    if not all(name.startswith(("ANCHOR_", "LANG", "XDG_")) for name in env or {}):
        return None
    if command is ANCHOR:
        return ["anchor", *words]
    if command[: len(CRASHING)] == CRASHING:
        return ["launcher", *command[len(CRASHING) :], *words]
    return None


def _fork(
    words: list[str], cwd: Path, variables: dict[str, str], stdin: bytes
) -> tuple[int, bytes, bytes]:
    """Run a program in a process forked from the nursery's."""
    with Forked(words, cwd, variables, stdin) as forked:
        try:
            code = forked.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            forked.kill()
            raise
        return code, *forked.printed()


class ForkedProcess:
    """A process forked from the nursery's, with what tests use of ``subprocess.Popen``.

    ``words`` are the program, ``anchor`` or ``launcher``, and its arguments; ``descriptors`` its
    standard input, output and error.
    """

    def __init__(
        self,
        words: Sequence[str],
        cwd: Path,
        variables: Mapping[str, str],
        descriptors: Sequence[int],
    ) -> None:
        request = {
            "words": list(words),
            "cwd": str(cwd),
            "env": dict(variables),
            "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        }
        body = json.dumps(request).encode("utf-8", "surrogateescape")
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        try:
            self._connection.settimeout(_TIMEOUT)
            self._connection.connect(str(_nursery()))
            self._connection.sendmsg(
                [LENGTH.pack(len(body))],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))],
            )
            self._connection.sendall(body)
            self.pid = self._receive()
        except BaseException:
            self._connection.close()
            raise

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its exit code."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = self._receive()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it like kill -9, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def _receive(self) -> int:
        (number,) = LENGTH.unpack(self._connection.recv(LENGTH.size, socket.MSG_WAITALL))
        return int(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class Forked(ForkedProcess):
    """A forked process whose output goes to files of its own."""

    def __init__(
        self,
        words: Sequence[str],
        cwd: Path,
        variables: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> None:
        with ExitStack() as stack:
            given, self._out, self._err = (
                stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)
            )
            given.write(stdin)
            given.seek(0)
            descriptors = [file.fileno() for file in (given, self._out, self._err)]
            super().__init__(
                words, cwd, environment() if variables is None else variables, descriptors
            )
            self._stack = stack.pop_all()

    def printed(self) -> tuple[bytes, bytes]:
        """Return what it printed so far on standard output and on standard error."""
        # Without moving the place where it goes on writing, which it shares with us.
        out, err = (
            os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
            for file in (self._out, self._err)
        )
        return out, err

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._stack.close()


_starting = threading.Lock()


def _nursery() -> Path:
    """Return the nursery's socket; the first call starts it."""
    with _starting:
        return _start_nursery()


@cache
def _start_nursery() -> Path:
    place = Path(tempfile.mkdtemp(prefix="anchor-tests-")) / "socket"
    process = subprocess.Popen(
        [sys.executable, *_STRICT, NURSERY, place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )

    def end() -> None:
        process.communicate()
        shutil.rmtree(place.parent, ignore_errors=True)

    atexit.register(end)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return place


def run_together(*runs: Callable[[], Ran]) -> list[Ran]:
    """Run what does not depend on each other two at a time; most of a run is starting Python."""
    with ThreadPoolExecutor(2) as pool:
        return [future.result() for future in [pool.submit(run) for run in runs]]


def check_manners(ran: Ran) -> None:
    """Check that it ended neither with a traceback or a warning, nor as a bug."""
    assert "Traceback" not in ran.out + ran.err, ran
    assert "Exception ignored" not in ran.err, ran
    assert "Warning" not in ran.err, ran
    assert ran.code != 1, ran


class Running:
    """An ``anchor`` process that goes on until it is ended."""

    def __init__(
        self, process: subprocess.Popen[bytes] | ForkedProcess, out: Path, err: Path
    ) -> None:
        self.process = process
        self._out = out
        self._err = err

    def printed_so_far(self) -> str:
        """Return all it printed so far."""
        return self._out.read_text("utf-8") + self._err.read_text("utf-8")

    def printed_results(self) -> str:
        """Return what it printed so far on standard output."""
        return self._out.read_text("utf-8")

    def printed(self, text: str, seconds: float = 90.0) -> str:
        """Wait until it printed ``text``, and return all it printed so far."""
        end = time.monotonic() + seconds
        while text not in (shown := self.printed_so_far()):
            assert self.process.poll() is None, (self.process.returncode, shown)
            assert time.monotonic() < end, f"{text!r} never came: {shown!r}"
            time.sleep(0.02)
        return shown

    def interrupt(self) -> Ran:
        """Do what Ctrl-C does, and wait for the end."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(_TIMEOUT)
        ran = Ran(
            arguments=("(interrupted)",),
            code=self.process.returncode,
            out=self._out.read_text("utf-8"),
            err=self._err.read_text("utf-8"),
        )
        check_manners(ran)
        return ran


@contextmanager
def start_anchor(
    *arguments: str | Path,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    command: tuple[str, ...] = ANCHOR,
) -> Iterator[Running]:
    """Start ``anchor`` and kill it at the end of the block, should it still run.

    What it prints goes to ``log.out`` and ``log.err``.
    """
    out, err = log.with_suffix(".out"), log.with_suffix(".err")
    words = [str(argument) for argument in arguments]
    variables = environment(**(env or {}))
    forkable = _find_forkable(command, words, env)
    process: subprocess.Popen[bytes] | ForkedProcess
    with out.open("wb") as output, err.open("wb") as errors, open(os.devnull, "rb") as nothing:
        if forkable is not None:
            descriptors = [file.fileno() for file in (nothing, output, errors)]
            process = ForkedProcess(forkable, cwd, variables, descriptors)
        else:
            process = subprocess.Popen(
                [*command, *words],
                cwd=cwd,
                env=variables,
                stdin=nothing,
                stdout=output,
                stderr=errors,
            )
    with process:
        try:
            yield Running(process, out, err)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def snapshot(folder: Path, *, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Return every file below ``folder`` with its bytes, SQLite's own side files left out.

    Of a store it is what its tables hold, but for who had the lease last.
    """
    return {
        str(path.relative_to(folder)): _content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.name.endswith(("-wal", "-shm", ".lock"))
        and path.name not in without
    }


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(b"SQLite format 3\0"):
        return content
    with closing(sqlite3.connect(path)) as connection:
        lines = [line for line in connection.iterdump() if 'INTO "lease"' not in line]
    return "\n".join(lines).encode()
