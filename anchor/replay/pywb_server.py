"""pywb on this machine: a collection of one capture's WARC files, served on the loopback only.

pywb (https://github.com/webrecorder/pywb) is under the GPL: a program that the user installs, found
on ``PATH``, and never imported.
"""

from __future__ import annotations

import http.client
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.guarded_process import end_guarded, start_guarded
from anchor.base.system.programs import find_program, run_program

COLLECTION = "capture"
_MANAGER, _SERVER = "wb-manager", "wayback"
# Without the live web, recording, a frame and a banner of its own: only what the archive holds.
_CONFIGURATION = "framed_replay: false\nenable_auto_fetch: false\n"
_EMPTY_TEMPLATES = ("banner.html", "custom_banner.html")
# Seconds until pywb answers, and until it has ended.
_START, _END = 60.0, 5.0
_POLL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PywbPrograms:
    """The absolute paths of pywb's two programs."""

    manager: str
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPywb:
    """A running server of pywb, at ``http://127.0.0.1:PORT``."""

    port: int
    process: subprocess.Popen[bytes]

    def locate(self, url: str, started_at: str) -> str:
        """Return the address of a page, as captured nearest to a time (RFC 3339)."""
        digits = "".join(letter for letter in started_at if letter.isdigit())[:14]
        return f"http://127.0.0.1:{self.port}/{COLLECTION}/{digits}/{url}"


def find_pywb() -> PywbPrograms:
    """Return pywb's programs of ``PATH``."""
    manager, server = find_program(_MANAGER), find_program(_SERVER)
    if manager is None or server is None:
        raise UsageError(Message("pywb-missing"))
    return PywbPrograms(manager=manager, server=server)


def build_collection(programs: PywbPrograms, folder: Path, warcs: Sequence[Path]) -> None:
    """Make a collection of WARC files in ``folder``, with an index."""
    (folder / "config.yaml").write_text(_CONFIGURATION, "utf-8")
    (folder / "templates").mkdir()
    for name in _EMPTY_TEMPLATES:
        (folder / "templates" / name).touch()
    for words in (("init", COLLECTION), ("add", COLLECTION, *map(str, warcs))):
        done = run_program(programs.manager, words, folder=folder)
        if done.code != 0:
            reason = ([line for line in done.complaint.splitlines() if line.strip()] or ["?"])[-1]
            raise CannotCheckError(Message("pywb-failed", program=_MANAGER, reason=reason[:300]))


@contextmanager
def serve_collection(programs: PywbPrograms, folder: Path) -> Iterator[RunningPywb]:
    """Serve the collection in ``folder`` until the block ends; then the folder is gone.

    It is gone as well when this process is killed.

    Raises:
        CannotCheckError: pywb does not answer within a minute.
    """
    token = secrets.token_hex(16)
    (folder / "static").mkdir(exist_ok=True)
    (folder / "static" / "token.txt").write_text(token, "ascii")
    port = _choose_port()
    command = [programs.server, "-d", str(folder), "-b", "127.0.0.1", "-p", str(port)]
    with (folder / "pywb.log").open("wb") as log:
        process = start_guarded(command, folder, stdout=log, stderr=log)
    try:
        if not _wait_until_ready(process, port, token):
            raise CannotCheckError(
                Message("pywb-failed", program=_SERVER, reason=Message("pywb-silent"))
            )
        yield RunningPywb(port=port, process=process)
    finally:
        end_guarded(process, _END)


def _choose_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, token: str) -> bool:
    """Return whether the server of this very folder answers at the port."""
    end = time.monotonic() + _START
    while process.poll() is None and time.monotonic() < end:
        if _read_token(port) == token.encode("ascii"):
            return True
        time.sleep(_POLL)
    return False


def _read_token(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/static/token.txt")
        return connection.getresponse().read(64)
    except (OSError, http.client.HTTPException):
        return b""
    finally:
        connection.close()
