"""Search for anvil, Foundry's local node, and control of it as a child process."""

from __future__ import annotations

import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Literal

from anchor.base.errors import NodeUnreachableError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.file_ownership import find_named_path
from anchor.base.system.guarded_process import end_guarded, start_guarded
from anchor.base.types import ChainId
from anchor.chain.devnet.accounts import DEVNET_CHAIN_ID

HOST = "127.0.0.1"
ANVIL_VARIABLE = "ANCHOR_ANVIL"

# The hard fork that py-evm implements too, so that both devnets have the same rules.
HARDFORK = "prague"
# With these flags `finalized` is two blocks behind the head, and one block per second advances it
# without transactions.  (--mixed-mining: a transaction is nevertheless mined at once.)
_CHAIN_FLAGS = (
    f"--chain-id={DEVNET_CHAIN_ID}",
    f"--hardfork={HARDFORK}",
    "--slots-in-an-epoch=1",
    "--mixed-mining",
    "--block-time=1",
    # The verifier page may ask it, also as a file, whose origin is "null".
    "--allow-origin=*",
)
# The number of old states that eth_call and eth_getProof can use: two minutes.  anvil keeps them on
# disk, 1.4 MB each; by default 3600, in the home directory, for ever.  (--prune-history would hold
# thousands of them in memory with any number: 4 GB, measured with 1.7.1.)
_KEPT_STATES = 128

_START_TIMEOUT = 30.0
_VERSION_TIMEOUT = 10.0
_STOP_SECONDS = 20.0
_LISTENING = re.compile(r"Listening on \S*:(\d+)\s*$")


def find_anvil(root: Path | None = None) -> Path | None:
    """Return the path of an anvil that runs on this machine, or None.

    The search order is: the ``ANCHOR_ANVIL`` variable, npm's platform package below ``root`` (a
    checkout that ran ``npm install``), PATH.  npm's own wrapper on PATH is skipped if its binary is
    missing.

    Raises:
        UsageError: ``ANCHOR_ANVIL`` names a file that does not run as anvil.
    """
    if named := find_named_path(ANVIL_VARIABLE):
        if not _is_working(named):
            raise UsageError(
                Message("anvil-variable-wrong", variable=ANVIL_VARIABLE, path=named),
                hint=Message("anvil-variable-wrong-hint", variable=ANVIL_VARIABLE),
            )
        return named
    candidates: list[Path] = []
    if root is not None:
        candidates += sorted(root.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"))
    for folder in os.get_exec_path():
        if program := shutil.which("anvil", path=folder):
            candidates.append(Path(program))
    return next((path.resolve() for path in candidates if _is_working(path)), None)


def _is_working(path: Path) -> bool:
    try:
        answer = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_VERSION_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.lower().startswith(b"anvil")


class AnvilNode(AbstractContextManager["AnvilNode"]):
    """A running anvil; it serves from construction on, and ends with `close` or this process.

    With ``state`` the chain is loaded from that file if it exists, and saved to it at the end.
    """

    kind: Literal["anvil"] = "anvil"
    chain_id: ChainId = DEVNET_CHAIN_ID
    has_finality = True

    def __init__(self, anvil: Path, *, port: int = 0, state: Path | None = None) -> None:
        self._states = tempfile.mkdtemp(prefix="anchor-devnet-")
        command = [str(anvil), f"--host={HOST}", f"--port={port}", *_CHAIN_FLAGS]
        command += [f"--max-persisted-states={_KEPT_STATES}", f"--cache-path={self._states}"]
        if state is not None:
            command.append(f"--state={state}")
        self._process = start_guarded(
            command, Path(self._states), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self._process.stdout is not None
        self._output = _Output(self._process.stdout)
        try:
            listening = self._output.wait_for_port()
        except BaseException:
            self.close()
            raise
        if listening is None:
            self.close()
            raise _describe_failure(anvil, port, self._output.tail())
        self._port = listening

    @property
    def url(self) -> str:
        """The JSON-RPC endpoint."""
        return f"http://{HOST}:{self._port}"

    def close(self) -> None:
        """Stop the child process and wait until it has ended; a second call does nothing."""
        # Writing the state file of a long run takes seconds.
        end_guarded(self._process, _STOP_SECONDS)
        self._output.close()
        shutil.rmtree(self._states, ignore_errors=True)

    def __exit__(self, *_: object) -> None:
        self.close()


class _Output:
    """A thread that reads the child's output, so that it never blocks; it keeps the last lines."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lines: deque[str] = deque(maxlen=20)
        self._ports: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._drain, name="anvil output", daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        for raw in self._stream:
            line = raw.decode("utf-8", "replace").rstrip()
            self._lines.append(line)
            if listening := _LISTENING.search(line):
                self._ports.put(int(listening[1]))
        self._ports.put(None)

    def wait_for_port(self) -> int | None:
        """Return the port; None if the output ended or the timeout passed before it was named."""
        try:
            return self._ports.get(timeout=_START_TIMEOUT)
        except queue.Empty:
            return None

    def tail(self) -> str:
        return "\n".join(line for line in self._lines if line)

    def close(self) -> None:
        self._thread.join()
        self._stream.close()


def _describe_failure(anvil: Path, port: int, output: str) -> UsageError | NodeUnreachableError:
    if "address already in use" in output.lower():
        return UsageError(
            Message("port-taken", port=port, host=HOST),
            hint=Message("port-taken-hint"),
        )
    reason = output.splitlines()[-1] if output else Message("anvil-printed-nothing")
    return NodeUnreachableError(
        Message("anvil-not-started", path=anvil, reason=reason),
        hint=Message("anvil-not-started-hint", path=anvil),
    )
