"""Hardhat 2: the node whose pool keeps geth's rules, which anvil's does not.

It takes a replacement only at a tenth more in both fees, and keeps a transaction whose fee fell
below the base fee until the base fee falls too.  Its ``safe`` and ``finalized`` are the newest
block, and it cannot reorganise.
"""

from __future__ import annotations

import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.chaos import HasUrl
from support.nodes import ask
from support.paths import ROOT
from support.projects import Site

from anchor.chain.devnet import DEVNET_CHAIN_ID
from anchor.chain.devnet.accounts import CREATE2_PROXY_CODE
from anchor.registry.artifact import CREATE2_PROXY

_LISTENING = re.compile(r"Started HTTP and WebSocket JSON-RPC server at (http://[\d.]+:\d+)")
_START_TIMEOUT = 60.0
_CONFIG = f"module.exports = {{networks: {{hardhat: {{chainId: {DEVNET_CHAIN_ID}}}}}}};\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardhat:
    """A running hardhat node."""

    url: str


@contextmanager
def open_hardhat() -> Iterator[Hardhat]:
    """Run a hardhat node with the devnets' chain id, accounts and CREATE2 proxy."""
    folder = Path(tempfile.mkdtemp(prefix="anchor-hardhat-"))
    # Hardhat wants to be installed in the project's own folder.
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    (folder / "package.json").write_text("{}")
    (folder / "hardhat.config.js").write_text(_CONFIG)
    command = ["node", "node_modules/hardhat/internal/cli/bootstrap.js", "node"]
    process = subprocess.Popen(
        [*command, "--hostname", "127.0.0.1", "--port", "0"],
        cwd=folder,
        env={**os.environ, "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    found: queue.SimpleQueue[str] = queue.SimpleQueue()

    def drain() -> None:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:  # for ever: a full pipe would stop it
            said += line if len(said) < 4_000 else ""
            if match := _LISTENING.search(line):
                found.put(match[1])
        found.put(f"hardhat did not start: {said}")

    reader = threading.Thread(target=drain, daemon=True, name="hardhat output")
    reader.start()
    try:
        url = found.get(timeout=_START_TIMEOUT)
        assert url.startswith("http://"), url
        ask(url, "hardhat_setCode", f"0x{CREATE2_PROXY.hex()}", f"0x{CREATE2_PROXY_CODE.hex()}")
        yield Hardhat(url=url)
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def running_hardhat() -> Iterator[Hardhat]:
    """The session's one hardhat: it takes seconds to start."""
    with open_hardhat() as node:
        yield node


@pytest.fixture
def hardhat(running_hardhat: Hardhat) -> Iterator[Hardhat]:
    """A hardhat whose chain and pool are as new: whatever a test does to them is undone."""
    kept = ask(running_hardhat.url, "evm_snapshot")
    yield running_hardhat
    ask(running_hardhat.url, "evm_setAutomine", True)
    assert ask(running_hardhat.url, "evm_revert", kept)


def trust_newest_block(site: Site, node: HasUrl) -> Site:
    """Let nothing rest on ``finalized`` where ``node`` is hardhat, which says nothing by it."""
    if isinstance(node, Hardhat):
        site.edit('finality = "finalized"', "finality = 0")
    return site
