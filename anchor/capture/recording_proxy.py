"""The recording proxy of a capture: mitmproxy, a program of its own, with an addon of ours.

Its certificate authority is made for one capture, and its keys are deleted with their folder.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.guarded_process import end_guarded, start_guarded
from anchor.base.system.programs import find_program, run_program
from anchor.capture import recording_addon
from anchor.capture.served_certificates import encode_pem, hash_public_key
from anchor.collection.ca_store import find_places, load_store
from anchor.collection.machine_environment import clean_text

RECORDER_VARIABLE = "MITMDUMP"
_PROGRAM = "mitmdump"
# The oldest major version that the addon was tested with, and the newest.
_VERSIONS = range(11, 13)
_VERSION = re.compile(r"^Mitmproxy: (\d+)(\.[0-9.]+)?", re.MULTILINE)
# Seconds for the proxy to listen, and to end.
_START, _PATIENCE = 60.0, 10.0
_PULSE = 0.05


@dataclass(frozen=True, slots=True)
class RecorderProgram:
    """The program mitmdump of this machine."""

    path: str
    version: str


@dataclass(frozen=True, slots=True)
class ProxyFlow:
    """What the proxy wrote of a response, a request that failed, or a server not reached.

    ``body`` is None if it was not kept whole.
    """

    members: dict[str, Any]
    body: bytes | None = None

    @property
    def is_response(self) -> bool:
        """Return whether a server answered."""
        return bool(self.members["kind"] == "response")

    @property
    def url(self) -> str:
        """Return the URL of the request, and of a server not reached its address."""
        members = self.members
        return str(members.get("url") or f"{members['host']}:{members['port']}")


def find_recorder() -> RecorderProgram:
    """Return mitmdump: that of ``MITMDUMP``, else that of ``PATH``."""
    path = find_program(os.environ.get(RECORDER_VARIABLE) or _PROGRAM)
    if path is None:
        raise UsageError(
            Message("recorder-missing", variable=RECORDER_VARIABLE), hint=Message("recorder-hint")
        )
    match = _VERSION.search(run_program(path, ["--version"], folder=Path("/")).output)
    if match is None or int(match[1]) not in _VERSIONS:
        raise UsageError(
            Message(
                "recorder-unknown",
                program=path,
                version="?" if match is None else match[0].partition(" ")[2],
                first=_VERSIONS[0],
                last=_VERSIONS[-1],
            ),
            hint=Message("recorder-hint"),
        )
    return RecorderProgram(path=path, version=match[0].partition(" ")[2])


class RecordingProxy:
    """A proxy that listens; ``key_digest`` is what a browser trusts it by."""

    def __init__(self, folder: Path, port: int, key_digest: str) -> None:
        """Read what it writes in ``folder``."""
        self.url = f"http://127.0.0.1:{port}"
        self.key_digest = key_digest
        self._folder = folder

    def find_failure(self, url: str) -> str | None:
        """Return why a URL had no answer from its server; None if it had, or was not asked for."""
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        reason = None
        for flow in self.list_flows(with_bodies=False):
            members = flow.members
            if members["kind"] == "unreachable":
                is_same = (members["host"], members["port"]) == (parts.hostname, port)
            else:
                is_same = flow.url == url.partition("#")[0]
            if is_same:
                reason = None if flow.is_response else clean_text(str(members["error"]))
        return reason

    def list_flows(self, *, with_bodies: bool = True) -> Iterator[ProxyFlow]:
        """Yield everything that the proxy wrote until now, in the order in which it ended."""
        lines = (self._folder / "flows.jsonl").read_text("ascii").split("\n")
        for line in lines[:-1]:
            members = json.loads(line)
            body = None
            if with_bodies and members["kind"] == "response":
                is_whole = members["is_whole"] and members["error"] is None
                name = members["body"]
                if is_whole:
                    body = b"" if name is None else (self._folder / name).read_bytes()
            yield ProxyFlow(members, body)


@contextmanager
def run_proxy(
    recorder: RecorderProgram, folder: Path, *, max_bytes: int, accepts_bad_certificates: bool
) -> Iterator[RecordingProxy]:
    """Run the proxy on the loopback; it has ended, and its keys are gone, when the block ends.

    A crash of this process ends it too.

    Raises:
        CannotCheckError: It does not start, or the machine has no roots to verify servers with.
    """
    keys = folder / "keys"
    folder.mkdir()
    keys.mkdir(mode=0o700)
    store = load_store(find_places())
    if store is None:
        raise CannotCheckError(Message("recorder-no-roots"))
    roots = folder / "roots.pem"
    roots.write_text("".join(map(encode_pem, store.trusted.values())), "ascii")
    options = {
        "confdir": str(keys),
        "anchor_folder": str(folder),
        "anchor_max_bytes": str(max_bytes),
        "ssl_verify_upstream_trusted_ca": str(roots),
        "ssl_insecure": "true" if accepts_bad_certificates else "false",
        # Answers of its own, and another's view of what a server may send.
        "onboarding": "false",
        "validate_inbound_headers": "false",
        "http3": "false",
    }
    command = [recorder.path, "-q", "--listen-host", "127.0.0.1", "--listen-port", "0"]
    command += ["-s", str(Path(recording_addon.__file__).resolve())]
    for name, value in options.items():
        command += ["--set", f"{name}={value}"]
    log = folder / "log"
    with log.open("wb") as output:
        process = start_guarded(command, keys, stdout=output, stderr=output)
    try:
        end = time.monotonic() + _START
        while not (folder / "port").exists():
            if process.poll() is not None or time.monotonic() > end:
                lines = log.read_text("utf-8", "replace").strip().splitlines() or ["?"]
                raise CannotCheckError(
                    Message("recorder-not-started", program=recorder.path, reason=lines[-1][:200])
                )
            time.sleep(_PULSE)
        certificate = (keys / "mitmproxy-ca-cert.pem").read_bytes()
        port = int((folder / "port").read_text("ascii"))
        yield RecordingProxy(folder, port, hash_public_key(certificate))
    finally:
        end_guarded(process, _PATIENCE)
