"""Both devnets, as a client sees them: over HTTP, through web3, and by what they leave behind."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_account import Account
from eth_typing import HexStr
from eth_utils import to_bytes
from support.fixtures import MakeSite
from support.paths import ROOT
from support.ports import free_port

from anchor.base.errors import NodeUnreachableError, UsageError
from anchor.base.types import Hash32
from anchor.chain.devnet import (
    DEV_ADDRESS,
    DEVNET_CHAIN_ID,
    PUBLIC_DEV_KEY,
    AnvilNode,
    Devnet,
    PyEvmNode,
    find_anvil,
    open_devnet,
)
from anchor.chain.devnet.evm import PyEvmChain, create_chain
from anchor.ethereum.keccak import EMPTY_CODE_HASH, hash_keccak256
from anchor.ethereum.trie import EMPTY_TRIE_ROOT, verify_trie_proof

with warnings.catch_warnings():
    # web3 7 imports the deprecated half of websockets, whether one uses it or not.
    warnings.filterwarnings("ignore", "websockets.legacy is deprecated", DeprecationWarning)
    from web3 import Web3

DEV = Web3.to_checksum_address(DEV_ADDRESS)
STRANGER = "0x" + "11" * 20
PROXY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"

# Called without data: count in slot 0 and log the CHAINID opcode under topic 0x2a.
# Called with data: revert with that data.
RUNTIME = "36601957600160005401600055466000526 02a60206000a1005b366000600037366000fd".replace(
    " ", ""
)
CREATION = HexStr("0x6024600c60003960246000f3" + RUNTIME)


def rpc(node: Devnet, method: str, *params: Any) -> Any:
    """Return the whole JSON-RPC response."""
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    response = json.loads(post(node, json.dumps(body).encode()))
    assert response["jsonrpc"] == "2.0"
    assert response["id"] == 7
    return response


def result(node: Devnet, method: str, *params: Any) -> Any:
    response = rpc(node, method, *params)
    assert "error" not in response, response
    return response["result"]


def error(node: Devnet, method: str, *params: Any) -> Any:
    return rpc(node, method, *params)["error"]


def post(node: Devnet, body: bytes, **headers: str) -> bytes:
    request = urllib.request.Request(
        node.url, body, {"Content-Type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return bytes(response.read())


def sign(node: Devnet, *, key: str = PUBLIC_DEV_KEY, **members: Any) -> HexStr:
    """Return a raw EIP-1559 transaction of the dev account at its next nonce."""
    transaction = {
        "type": 2,
        "chainId": DEVNET_CHAIN_ID,
        "nonce": int(result(node, "eth_getTransactionCount", DEV, "latest"), 16),
        "gas": 200_000,
        "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 10**9,
        "value": 0,
        "data": "0x",
        **members,
    }
    if "to" in transaction:
        transaction["to"] = Web3.to_checksum_address(transaction["to"])
    return Web3.to_hex(Account.sign_transaction(transaction, key).raw_transaction)


def send(node: Devnet, **members: Any) -> Any:
    """Send, and return the receipt."""
    sent = result(node, "eth_sendRawTransaction", sign(node, **members))
    return wait(lambda: result(node, "eth_getTransactionReceipt", sent))


def wait(question: Callable[[], Any], seconds: float = 60) -> Any:
    """Return the first true answer."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)
    return answer


@pytest.fixture(scope="module")
def anvil(anvil_path: Path) -> Path:
    return anvil_path


@pytest.fixture(scope="module")
def embedded() -> Iterator[Devnet]:
    with open_devnet(anvil=None) as node:
        yield node


@pytest.fixture(scope="module")
def foundry(anvil: Path) -> Iterator[Devnet]:
    with open_devnet(anvil=anvil) as node:
        yield node


@pytest.fixture(params=["embedded", "foundry"])
def node(request: pytest.FixtureRequest) -> Devnet:
    devnet: Devnet = request.getfixturevalue(request.param)
    return devnet


# Either node


def test_the_chain_id_is_the_same_wherever_it_shows(node: Devnet) -> None:
    opcode = "0x4660005260206000f3"  # return CHAINID
    assert node.chain_id == 31337
    assert result(node, "eth_chainId") == "0x7a69"
    assert result(node, "net_version") == "31337"
    assert int(result(node, "eth_call", {"data": opcode}, "latest"), 16) == 31337


def test_genesis_holds_the_dev_account_and_the_create2_proxy(node: Devnet) -> None:
    assert Account.from_key(PUBLIC_DEV_KEY).address == DEV
    assert result(node, "eth_getBalance", DEV, "earliest") == hex(10_000 * 10**18)
    assert result(node, "eth_getBalance", STRANGER, "earliest") == "0x0"
    code = result(node, "eth_getCode", PROXY, "earliest")
    assert Web3.keccak(hexstr=code).hex().removeprefix("0x") == (
        "2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989"
    )


def test_a_contract_can_be_deployed_used_and_read_through_web3(node: Devnet) -> None:
    web3 = Web3(Web3.HTTPProvider(node.url))
    gas = web3.eth.estimate_gas({"from": DEV, "data": CREATION})
    deployed = web3.eth.wait_for_transaction_receipt(
        web3.eth.send_raw_transaction(sign(node, data=CREATION, gas=gas)), poll_latency=0.05
    )
    address = deployed["contractAddress"]
    assert deployed["status"] == 1
    assert address is not None
    assert web3.eth.get_code(address).hex().removeprefix("0x") == RUNTIME

    counted = web3.eth.wait_for_transaction_receipt(
        web3.eth.send_raw_transaction(sign(node, to=address)), poll_latency=0.05
    )
    [log] = counted["logs"]
    assert int.from_bytes(log["data"], "big") == DEVNET_CHAIN_ID
    assert int.from_bytes(log["topics"][0], "big") == 0x2A
    assert log["blockHash"] == counted["blockHash"]
    assert int.from_bytes(web3.eth.get_storage_at(address, 0), "big") == 1

    block = web3.eth.get_block(counted["blockNumber"])
    assert block["hash"] == counted["blockHash"]
    assert block["transactions"] == [counted["transactionHash"]]
    assert web3.eth.get_transaction(counted["transactionHash"])["blockHash"] == block["hash"]
    filtered = web3.eth.get_logs({"address": address, "fromBlock": 0, "topics": [log["topics"][0]]})
    assert filtered == [log]
    assert (
        web3.eth.get_logs({"address": address, "fromBlock": 0, "topics": ["0x" + "00" * 32]}) == []
    )
    assert web3.eth.fee_history(2, "latest", [50])["reward"][-1]


def test_a_revert_is_error_3_with_its_data(node: Devnet) -> None:
    address = send(node, data=CREATION)["contractAddress"]
    for method in ("eth_call", "eth_estimateGas"):
        refused = error(node, method, {"to": address, "data": "0xdeadbeef"}, "latest")
        assert refused["code"] == 3
        assert refused["data"] == "0xdeadbeef"
        assert refused["message"].startswith("execution reverted")
    reason = "0x08c379a0" + f"{32:064x}" + f"{3:064x}" + b"why".hex().ljust(64, "0")
    refused = error(node, "eth_call", {"to": address, "data": reason}, "latest")
    assert refused["message"] == "execution reverted: why"


def test_a_failed_transaction_is_mined_with_status_0(node: Devnet) -> None:
    address = send(node, data=CREATION)["contractAddress"]
    receipt = send(node, to=address, data="0x01")
    assert receipt["status"] == "0x0"
    assert receipt["contractAddress"] is None
    assert receipt["logs"] == []


def test_old_state_is_read_at_a_block_number_or_hash(node: Devnet) -> None:
    created = send(node, data=CREATION)
    address = created["contractAddress"]
    counted = send(node, to=address)
    send(node, to=address)

    def slot(block: Any) -> int:
        return int(result(node, "eth_getStorageAt", address, "0x0", block), 16)

    assert slot("latest") == slot("pending") == 2
    assert slot(counted["blockNumber"]) == 1
    assert slot({"blockNumber": counted["blockNumber"]}) == 1
    assert slot({"blockHash": counted["blockHash"]}) == 1
    assert slot({"blockHash": counted["blockHash"], "requireCanonical": True}) == 1
    assert slot({"blockHash": created["blockHash"]}) == 0
    before = hex(int(created["blockNumber"], 16) - 1)
    assert result(node, "eth_getCode", address, {"blockNumber": before}) == "0x"


def test_the_create2_proxy_deploys_at_the_computed_address(node: Devnet) -> None:
    salt = os.urandom(32)
    send(node, to=PROXY, data="0x" + salt.hex() + CREATION[2:])
    code_hash = Web3.keccak(hexstr=CREATION)
    made = Web3.keccak(b"\xff" + bytes.fromhex(PROXY[2:]) + salt + code_hash)[12:]
    assert (
        result(node, "eth_getCode", "0x" + made.hex().removeprefix("0x"), "latest")
        == "0x" + RUNTIME
    )


def test_logs_are_found_by_block_address_and_topic(node: Devnet) -> None:
    counter = send(node, data=CREATION)["contractAddress"]
    first, second = send(node, to=counter), send(node, to=counter)
    [topic] = first["logs"][0]["topics"]

    def find(**members: Any) -> list[str]:
        logs = result(node, "eth_getLogs", members)
        return [log["transactionHash"] for log in logs if log["address"] == counter]

    both = [first["transactionHash"], second["transactionHash"]]
    assert find(fromBlock=first["blockNumber"]) == both
    assert find(fromBlock="earliest", toBlock=first["blockNumber"]) == both[:1]
    assert find(blockHash=second["blockHash"]) == both[1:]
    assert find(fromBlock="0x0", address=[STRANGER, counter], topics=[[topic]]) == both
    assert find(fromBlock="0x0", address=counter, topics=[None, topic]) == []
    assert find(fromBlock="0x0", address=STRANGER) == []
    for refused in (
        {"blockHash": "0x" + "ab" * 32},
        {"blockHash": second["blockHash"], "fromBlock": "0x0"},
        {"fromBlock": "0x0", "address": "0x12"},
    ):
        assert "code" in error(node, "eth_getLogs", refused), refused


def test_what_does_not_exist_is_null(node: Devnet) -> None:
    nothing = "0x" + "ab" * 32
    assert result(node, "eth_getTransactionByHash", nothing) is None
    assert result(node, "eth_getTransactionReceipt", nothing) is None
    assert result(node, "eth_getBlockByHash", nothing, False) is None
    assert result(node, "eth_getBlockByNumber", "0xffffff", False) is None
    assert "code" in error(node, "eth_getBalance", DEV, {"blockHash": nothing})
    assert "code" in error(node, "eth_getBalance", DEV, "0xffffff")
    assert "code" in error(node, "eth_getBalance", DEV, "newest")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"nonce": 0}, "nonce too low"),
        ({"chainId": 1}, "invalid chain id for signer"),
        ({"gas": 20_999}, "intrinsic gas too low"),
        (
            {"maxFeePerGas": 1, "maxPriorityFeePerGas": 1},
            "max fee per gas less than block base fee",
        ),
        ({"value": 10**23}, "insufficient funds"),
    ],
)
def test_a_bad_transaction_is_refused_in_known_words(
    node: Devnet, members: dict[str, Any], words: str
) -> None:
    send(node, to=STRANGER, value=1)
    before = result(node, "eth_getTransactionCount", DEV, "latest")
    refused = error(node, "eth_sendRawTransaction", sign(node, to=STRANGER, **members))
    assert words in refused["message"].lower()
    assert result(node, "eth_getTransactionCount", DEV, "latest") == before


def test_legacy_transactions_need_the_chain_id_too(node: Devnet) -> None:
    legacy = {"gasPrice": 10**11, "to": STRANGER, "value": 1, "gas": 21_000}
    nonce = int(result(node, "eth_getTransactionCount", DEV, "latest"), 16)
    right = Account.sign_transaction({**legacy, "nonce": nonce, "chainId": 31337}, PUBLIC_DEV_KEY)
    if node.kind == "py-evm":  # anvil 1.7.1 mines a legacy transaction of another chain
        wrong = Account.sign_transaction({**legacy, "nonce": nonce, "chainId": 1}, PUBLIC_DEV_KEY)
        refused = error(node, "eth_sendRawTransaction", Web3.to_hex(wrong.raw_transaction))
        assert "invalid chain id for signer" in refused["message"]
    sent = result(node, "eth_sendRawTransaction", Web3.to_hex(right.raw_transaction))
    assert sent == Web3.to_hex(right.hash)
    mined = wait(lambda: result(node, "eth_getTransactionByHash", sent))
    assert mined["type"] == "0x0"
    assert mined["chainId"] == "0x7a69"
    assert int(mined["v"], 16) in (31337 * 2 + 35, 31337 * 2 + 36)


def test_threads_may_ask_all_at_once(node: Devnet) -> None:
    address = send(node, data=CREATION)["contractAddress"]
    with ThreadPoolExecutor(16) as pool:
        asked = [
            pool.submit(
                result, node, "eth_call", {"data": f"0x60{n:02x}60005260206000f3"}, "latest"
            )
            for n in range(100)
        ]
        counted = send(node, to=address)
        assert [int(answer.result(), 16) for answer in asked] == list(range(100))
    assert counted["status"] == "0x1"


def test_both_nodes_give_the_same_answers(embedded: Devnet, foundry: Devnet) -> None:
    seen = []
    for node in (embedded, foundry):
        receipt = send(node, data=CREATION)
        counted = send(node, to=receipt["contractAddress"])
        mined = result(node, "eth_getTransactionByHash", counted["transactionHash"])
        block = result(node, "eth_getBlockByHash", counted["blockHash"], False)
        seen.append(
            [
                (
                    receipt["gasUsed"],
                    counted["gasUsed"],
                    counted["type"],
                    counted["logsBloom"] != "",
                ),
                counted["logs"][0]["data"],
                sorted(receipt.keys() - {"blobGasPrice", "blockTimestamp"}),
                sorted(mined.keys() - {"blockTimestamp"}),
                sorted(block.keys() - {"totalDifficulty"}),
                sorted(counted["logs"][0]),
                block["gasLimit"],
            ]
        )
    assert seen[0] == seen[1]


# The embedded node


def test_nothing_is_ever_final_on_the_embedded_chain(embedded: Devnet) -> None:
    assert not embedded.has_finality
    for tag in ("finalized", "safe"):
        assert error(embedded, "eth_getBlockByNumber", tag, False)["code"] == -39001
        assert error(embedded, "eth_getBalance", DEV, tag)["code"] == -39001
        assert error(embedded, "eth_call", {"to": DEV}, tag)["code"] == -39001


def test_the_embedded_node_denies_what_it_cannot_do(embedded: Devnet) -> None:
    assert error(embedded, "eth_sendTransaction", {})["code"] == -32601
    assert error(embedded, "eth_getProof", DEV, "0x0", "latest")["code"] == -32602
    assert error(embedded, "eth_getProof", DEV, ["0x0"] * 1025, "latest")["code"] == -32602
    assert error(embedded, "eth_getProof", DEV, ["0x00"], "latest")["code"] == -32602
    assert error(embedded, "eth_getProof", DEV, [], "finalized")["code"] == -39001
    assert error(embedded, "eth_call", {"to": DEV, "accessList": []}, "latest")["code"] == -32602
    assert error(embedded, "eth_call", {"to": DEV}, "latest", {DEV: {}})["code"] == -32602
    assert error(embedded, "eth_getBalance")["code"] == -32602
    assert error(embedded, "eth_getBalance", DEV, "0x00")["code"] == -32602
    assert error(embedded, "eth_getBalance", "0x12", "latest")["code"] == -32602
    assert error(embedded, "eth_getBalance", DEV, {})["code"] == -32602
    both = {"to": DEV, "data": "0x", "input": "0x01"}
    assert error(embedded, "eth_call", both, "latest")["code"] == -32602
    assert error(embedded, "eth_feeHistory", 1, "latest", [50, 1])["code"] == -32602
    assert error(embedded, "eth_getLogs", {"topics": [None] * 5})["code"] == -32602
    result(embedded, "evm_mine")
    backwards = {"fromBlock": "latest", "toBlock": "earliest"}
    assert error(embedded, "eth_getLogs", backwards)["code"] == -32602
    assert error(embedded, "eth_sendRawTransaction", "0x03c0")["code"] == -32000
    assert error(embedded, "eth_sendRawTransaction", "0x02ff")["code"] == -32000
    assert error(embedded, "eth_sendRawTransaction", "0x")["code"] == -32000
    assert result(embedded, "web3_clientVersion").startswith("anchor-devnet/py-evm/")
    assert result(embedded, "eth_syncing") is False


def test_one_block_per_transaction_and_time_never_stands_still(embedded: Devnet) -> None:
    start = int(result(embedded, "eth_blockNumber"), 16)
    for _ in range(3):
        send(embedded, to=STRANGER, value=1)
    assert result(embedded, "evm_mine") == "0x0"
    assert int(result(embedded, "eth_blockNumber"), 16) == start + 4
    blocks = [
        result(embedded, "eth_getBlockByNumber", hex(number), True)
        for number in range(start, start + 5)
    ]
    times = [int(block["timestamp"], 16) for block in blocks]
    assert times == sorted(set(times))
    assert [len(block["transactions"]) for block in blocks[1:]] == [1, 1, 1, 0]
    assert [block["parentHash"] for block in blocks[1:]] == [block["hash"] for block in blocks[:-1]]
    pending = result(embedded, "eth_getBlockByNumber", "pending", False)
    assert pending["hash"] is None
    assert pending["parentHash"] == blocks[-1]["hash"]


def test_a_reorganisation_replaces_blocks_and_forgets_their_transactions() -> None:
    with open_devnet(anvil=None) as own:
        kept = send(own, to=STRANGER, value=1)
        raw = sign(own, to=STRANGER, value=2)
        result(own, "eth_sendRawTransaction", raw)
        send(own, to=STRANGER, value=4)
        before = result(own, "eth_getBlockByNumber", "latest", False)
        assert result(own, "anvil_reorg", 2, []) is None
        head = result(own, "eth_getBlockByNumber", "latest", True)
        assert int(head["number"], 16) == int(before["number"], 16) + 1
        assert result(own, "eth_getBlockByNumber", before["number"], False)["transactions"] == []
        assert result(own, "eth_getBlockByHash", before["hash"], False) is None
        assert result(own, "eth_getTransactionReceipt", kept["transactionHash"]) == kept
        assert result(own, "eth_getBalance", STRANGER, "latest") == "0x1"
        assert result(own, "eth_getTransactionCount", DEV, "latest") == "0x1"
        sent = result(own, "eth_sendRawTransaction", raw)
        assert result(own, "eth_getTransactionReceipt", sent)["status"] == "0x1"
        assert result(own, "eth_getBalance", STRANGER, "latest") == "0x3"
        height = int(result(own, "eth_blockNumber"), 16)
        for depth in (0, height + 1):
            assert "want 1 to" in error(own, "anvil_reorg", depth, [])["message"]
        assert error(own, "anvil_reorg", 1, [[raw, 0]])["code"] == -32602
        assert result(own, "anvil_reorg", hex(height), []) is None
        assert result(own, "eth_getBalance", STRANGER, "latest") == "0x0"


def test_block_time_follows_the_clock_given() -> None:
    now = [1_000.0]
    chain = PyEvmChain(create_chain(1, timestamp=1_000), clock=lambda: now[0])
    now[0] = 5_000.9
    chain.mine()
    assert chain.head.timestamp == 5_000
    now[0] = 10.0
    chain.mine()
    assert chain.head.timestamp == 5_001


def test_the_same_bytes_twice_are_already_known(embedded: Devnet) -> None:
    raw = sign(embedded, to=STRANGER, value=1)
    result(embedded, "eth_sendRawTransaction", raw)
    assert error(embedded, "eth_sendRawTransaction", raw)["message"] == "already known"
    assert (
        "nonce too high"
        in error(embedded, "eth_sendRawTransaction", sign(embedded, to=STRANGER, nonce=10**6))[
            "message"
        ]
    )


def test_an_estimate_covers_gas_that_is_refunded_or_kept_back(embedded: Devnet) -> None:
    address = send(embedded, data=CREATION)["contractAddress"]
    gas = int(result(embedded, "eth_estimateGas", {"from": DEV, "to": address}), 16)
    receipt = send(embedded, to=address, gas=gas)
    assert receipt["status"] == "0x1"
    assert gas <= int(receipt["gasUsed"], 16) * 1.02


def test_deep_recursion_does_not_end_the_process(embedded: Devnet) -> None:
    itself = "0x" + "600080808080305af15000"
    creation = "0x600b600c600039600b6000f3" + itself[2:]
    address = send(embedded, data=creation)["contractAddress"]
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(rpc, embedded, "eth_call", {"to": address}, "latest") for _ in range(4)
        ]
        assert all(call.result().get("result") == "0x" for call in calls)


def test_many_senders_lose_no_transaction(embedded: Devnet) -> None:
    keys = [f"0x{n:064x}" for n in range(100, 106)]
    accounts = [Account.from_key(key).address for key in keys]
    for account in accounts:
        send(embedded, to=account, value=10**18)

    def spend(key: str) -> None:
        for nonce in range(3):
            raw = sign(embedded, key=key, nonce=nonce, to=STRANGER, value=1, gas=21_000)
            result(embedded, "eth_sendRawTransaction", raw)

    before = int(result(embedded, "eth_getBalance", STRANGER, "latest"), 16)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(spend, keys))
    assert int(result(embedded, "eth_getBalance", STRANGER, "latest"), 16) == before + 18


def test_the_embedded_nodes_proofs_reach_what_is_absent_too(embedded: Devnet) -> None:
    counter = send(embedded, data=CREATION)["contractAddress"]
    asked = send(embedded, to=counter)["blockNumber"]
    send(embedded, to=counter)
    root = bytes.fromhex(
        result(embedded, "eth_getBlockByNumber", asked, False)["stateRoot"].removeprefix("0x")
    )
    for account, values in ((counter, [1, 0]), (STRANGER, [0, 0]), ("0x" + "ab" * 20, [0, 0])):
        proof = result(embedded, "eth_getProof", account, ["0x0", "0x" + "00" * 31 + "07"], asked)
        assert [int(slot["value"], 16) for slot in proof["storageProof"]] == values
        members = prove(root, account, proof["accountProof"])
        state = [proof[name] for name in ("nonce", "balance", "storageHash", "codeHash")]
        if members is None:
            empty = [root.hex() for root in (EMPTY_TRIE_ROOT, EMPTY_CODE_HASH)]
            assert state == ["0x0", "0x0", *(f"0x{digits}" for digits in empty)]
            continue
        assert members == rlp.encode([to_bytes(hexstr=pad(member)) for member in state])
        for key, slot, value in zip((0, 7), proof["storageProof"], values, strict=True):
            proven = prove(bytes.fromhex(proof["storageHash"][2:]), f"0x{key:064x}", slot["proof"])
            assert proven == (rlp.encode(value) if value else None)


def pad(quantity: str) -> str:
    """Return a quantity's shortest bytes in hex; 0 has none."""
    digits = quantity[2:] if quantity != "0x0" else ""
    return digits.zfill(len(digits) + len(digits) % 2)


def prove(root: bytes, key: str, nodes: list[str]) -> bytes | None:
    return verify_trie_proof(
        root=Hash32(root),
        key=hash_keccak256(bytes.fromhex(key[2:])),
        nodes=[bytes.fromhex(node[2:]) for node in nodes],
    )


def test_a_receipt_from_the_embedded_chain_is_verified_without_it(new_site: MakeSite) -> None:
    with PyEvmNode() as node:
        site = new_site(node)
        note = site.write("note.txt", b"meeting at noon\n")
        site.run("stamp", note).expect(0)
        receipt = json.loads((site.folder / "note.txt.anchor.json").read_bytes())
        [anchor] = receipt["anchors"]
        block = result(node, "eth_getBlockByNumber", hex(anchor["block_number"]), False)["hash"]
    offline = ("verify", note, "--trust", "trust.toml", "--offline", "--block-hash")
    site.run(*offline, block).expect(0, "VERIFIED on a development chain")
    site.run(*offline, "0x" + "11" * 32).expect(20)
    alone = [sys.executable, "-I", str(ROOT / "anchor" / "standalone" / "verify.py")]
    alone += ["note.txt.anchor.json", "note.txt", "--chain-id", str(anchor["chain_id"])]
    alone += ["--log", receipt["log"], "--block-hash"]
    for block_hash, code in ((block, 0), ("0x" + "11" * 32, 20)):
        ended = subprocess.run([*alone, block_hash], cwd=site.folder, capture_output=True)
        assert ended.returncode == code, ended.stdout + ended.stderr


# The embedded node's HTTP


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b'{"id":NaN}', -32700),
        (b"[" * 500_000, -32700),
        (b'{"a":' * 100_000, -32700),
        (b'"' + b'\\"' * 500_000, -32700),
        (b'"' + b"\\" * 500_001, -32700),
        (b'{"id":' + b"9" * 10_000 + b"}", -32700),
        (b"[]", -32600),
        (b"1", -32600),
        (b'"eth_chainId"', -32600),
        (b'{"id":1,"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":3}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}', -32602),
        (b"[" + b",".join([b"1"] * 101) + b"]", -32600),
    ],
)
def test_a_malformed_body_gets_a_json_rpc_error(embedded: Devnet, body: bytes, code: int) -> None:
    answer = json.loads(post(embedded, body))
    assert answer["error"]["code"] == code
    assert "result" not in answer


def test_a_batch_is_answered_in_order_and_notifications_are_not(embedded: Devnet) -> None:
    def call(ident: Any, method: str) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": ident, "method": method}

    notification = {"jsonrpc": "2.0", "method": "eth_chainId"}
    body = json.dumps([call("a", "eth_chainId"), notification, 5, call(2, "no")]).encode()
    answers = json.loads(post(embedded, body))
    assert post(embedded, json.dumps(call("[" * 99, "eth_chainId")).encode()).count(b"[") == 99
    assert [answer["id"] for answer in answers] == ["a", None, 2]
    assert answers[0]["result"] == "0x7a69"
    assert [answer["error"]["code"] for answer in answers[1:]] == [-32600, -32601]
    assert post(embedded, json.dumps(notification).encode()) == b""


def exchange(
    node: Devnet, headers: dict[str, str], body: bytes, method: str = "POST"
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(node.url.removeprefix("http://"), timeout=10)
    connection.putrequest(method, "/", skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


GOOD = {"Host": "localhost:8545", "Content-Type": "application/json"}
CHAIN_ID = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:8545"}, 403),
        ({"Host": "localhost:80:80"}, 403),
        ({"Host": ""}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Length": "x"}, 411),
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": str(2**20 + 1)}, 413),
        ({"Content-Length": "9" * 5000}, 413),
    ],
)
def test_only_local_json_of_bounded_size_is_answered(
    embedded: Devnet, headers: dict[str, str], status: int
) -> None:
    sent = {**GOOD, "Content-Length": str(len(CHAIN_ID)), "Origin": "http://localhost", **headers}
    assert exchange(embedded, sent, CHAIN_ID).status == status


@pytest.mark.parametrize("origin", ["null", "http://localhost:8000", "https://page.example"])
def test_pages_may_ask_a_devnet_whatever_their_origin(node: Devnet, origin: str) -> None:
    asked = {"Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "content-type"
    preflight = exchange(node, {"Host": "localhost", "Origin": origin, **asked}, b"", "OPTIONS")
    assert preflight.status in (200, 204)
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    methods, allowed = (
        preflight.headers[f"Access-Control-Allow-{name}"] for name in ("Methods", "Headers")
    )
    assert "POST" in methods and allowed in ("*", "content-type")
    sent = {**GOOD, "Content-Length": str(len(CHAIN_ID)), "Origin": origin}
    assert exchange(node, sent, CHAIN_ID).headers["Access-Control-Allow-Origin"] == "*"


def test_a_foreign_name_for_this_machine_gets_no_answer_for_pages(embedded: Devnet) -> None:
    asked = {"Host": "evil.example", "Access-Control-Request-Method": "POST"}
    assert exchange(embedded, asked, b"", "OPTIONS").status == 403


def test_an_oversized_body_is_refused_and_a_full_one_is_not(embedded: Devnet) -> None:
    padded = CHAIN_ID.ljust(2**20)
    assert json.loads(post(embedded, padded))["result"] == "0x7a69"
    response = exchange(embedded, {**GOOD, "Content-Length": str(2**20 + 1)}, padded + b" ")
    assert response.status == 413


def test_a_client_that_goes_away_harms_nobody(embedded: Devnet, capfd: Any) -> None:
    port = int(embedded.url.rpartition(":")[2])
    for sent in (b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Le"):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(sent)
    assert result(embedded, "eth_chainId") == "0x7a69"
    assert capfd.readouterr() == ("", "")


# Starting and ending


def test_the_embedded_node_stops_listening_when_closed() -> None:
    with PyEvmNode() as node:
        assert result(node, "eth_blockNumber") == "0x0"
    with pytest.raises(OSError, match="refused"):
        post(node, CHAIN_ID)
    node.close()


@pytest.mark.parametrize("kind", ["py-evm", "anvil"])
def test_a_taken_port_is_a_usage_error_with_a_hint(kind: str, anvil: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=str(port)) as caught:
            open_devnet(port=port, anvil=anvil if kind == "anvil" else None)
    assert caught.value.hint is not None


@pytest.mark.parametrize("kind", ["py-evm", "anvil"])
def test_a_given_port_is_used(kind: str, anvil: Path) -> None:
    port = free_port()
    with open_devnet(port=port, anvil=anvil if kind == "anvil" else None) as node:
        assert node.kind == kind
        assert node.url == f"http://127.0.0.1:{port}"
        assert result(node, "eth_chainId") == "0x7a69"


def test_a_missing_py_evm_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "anchor.chain.devnet.evm")
    monkeypatch.setitem(sys.modules, "eth.chains.base", None)
    with pytest.raises(UsageError) as caught:
        open_devnet(anvil=None)
    assert "pip install '.[devnet]'" in str(caught.value.hint)


def test_the_embedded_node_takes_no_state_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="state"):
        open_devnet(anvil=None, state=tmp_path / "state.json")


def test_importing_the_package_loads_no_py_evm() -> None:
    code = (
        "import sys, anchor.chain.devnet; sys.exit('eth' in sys.modules or 'web3' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# anvil


def test_finality_follows_the_head_without_transactions(foundry: Devnet) -> None:
    assert foundry.has_finality
    receipt = send(foundry, to=STRANGER, value=1)

    def is_final() -> bool:
        final = result(foundry, "eth_getBlockByNumber", "finalized", False)
        return int(final["number"], 16) >= int(receipt["blockNumber"], 16)

    wait(is_final)
    state = {"blockHash": receipt["blockHash"]}
    assert result(foundry, "eth_getProof", DEV, [], state)["accountProof"]


def test_a_transaction_is_mined_before_the_next_tick(foundry: Devnet) -> None:
    started = time.monotonic()
    receipts = [send(foundry, to=STRANGER, value=1) for _ in range(20)]
    first, last = (int(receipts[at]["blockNumber"], 16) for at in (0, -1))
    # By ticks alone there is a block a second, however loaded the machine is.
    assert last - first > time.monotonic() - started + 10


def processes(mark: Path) -> list[str]:
    """Return the running commands that name this path."""
    commands = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(ProcessLookupError, FileNotFoundError):
            commands.append(process.read_text("utf-8", "replace").replace("\0", " "))
    return [command for command in commands if str(mark) in command]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory of our own, also for the children."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return scratch


def test_a_state_file_keeps_the_chain_between_runs(anvil: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with open_devnet(anvil=anvil, state=state) as node:
        receipt = send(node, data=CREATION)
        send(node, to=receipt["contractAddress"])
    assert state.exists()
    with open_devnet(anvil=anvil, state=state) as node:
        again = result(node, "eth_getTransactionReceipt", receipt["transactionHash"])
        assert again["blockHash"] == receipt["blockHash"]
        slot = result(node, "eth_getStorageAt", receipt["contractAddress"], "0x0", "latest")
        assert int(slot, 16) == 1


def test_close_leaves_no_process_and_no_files(anvil: Path, tmp_path: Path, scratch: Path) -> None:
    state = tmp_path / "state.json"
    node = AnvilNode(anvil, state=state)
    assert processes(state)
    assert list(scratch.iterdir())
    node.close()
    node.close()
    assert processes(state) == []
    assert list(scratch.iterdir()) == []


def test_an_exception_ends_the_child(anvil: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with pytest.raises(ZeroDivisionError), AnvilNode(anvil, state=state):
        assert processes(state)
        raise ZeroDivisionError
    assert processes(state) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_child_dies_with_its_parent(
    anvil: Path, tmp_path: Path, scratch: Path, how: signal.Signals
) -> None:
    state = tmp_path / "state.json"
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom anchor.chain.devnet import AnvilNode\n"
        "node = AnvilNode(Path(sys.argv[1]), state=Path(sys.argv[1 + 1]))\n"
        "print(node.url, flush=True)\ntime.sleep(60)"
    )
    parent = [sys.executable, "-c", code, str(anvil), str(state)]
    with subprocess.Popen(parent, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"http://127.0.0.1:")
        assert len(processes(state)) > 1
        assert list(scratch.iterdir())
        time.sleep(1)  # anvil listens a moment before it heeds signals
        process.send_signal(how)
        process.wait(60)
    # The guard ends them by force after ten seconds, which a loaded machine may need.
    wait(lambda: not processes(state), seconds=60)
    wait(lambda: not list(scratch.iterdir()), seconds=60)
    assert state.exists()


def test_an_anvil_that_dies_is_told_apart(tmp_path: Path) -> None:
    broken = tmp_path / "anvil"
    broken.write_text("#!/bin/sh\necho 'error: the moon is full' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(NodeUnreachableError, match="the moon is full") as caught:
        AnvilNode(broken)
    assert caught.value.hint is not None
    with pytest.raises(NodeUnreachableError):
        AnvilNode(tmp_path / "missing")


def test_an_anvil_that_ignores_signals_and_hangs_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anchor.chain.devnet.anvil._START_TIMEOUT", 0.3)
    monkeypatch.setattr("anchor.chain.devnet.anvil._STOP_SECONDS", 0.3)
    deaf = tmp_path / "anvil"
    deaf.write_text("#!/bin/sh\ntrap '' TERM\nwhile true; do sleep 1; done\n")
    deaf.chmod(0o755)
    with pytest.raises(NodeUnreachableError):
        AnvilNode(deaf)
    wait(lambda: not processes(deaf))


def test_find_anvil_passes_over_what_does_not_run(
    anvil: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = tmp_path / "first" / "anvil"
    works = tmp_path / "second" / "anvil"
    for path, code in ((wrapper, 1), (works, 0)):
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\necho 'anvil Version: 1.7.1'\nexit {code}\n")
        path.chmod(0o755)
    monkeypatch.delenv("ANCHOR_ANVIL", raising=False)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:/nonexistent")
    assert find_anvil() is None
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{works.parent}")
    assert find_anvil() == works.resolve()
    package = tmp_path / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin"
    package.mkdir(parents=True)
    (package / "anvil").symlink_to(works)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert find_anvil() is None
    assert find_anvil(tmp_path) is not None
    monkeypatch.setenv("ANCHOR_ANVIL", str(anvil))
    assert find_anvil(tmp_path) == anvil
    monkeypatch.setenv("ANCHOR_ANVIL", str(wrapper))
    with pytest.raises(UsageError, match="ANCHOR_ANVIL"):
        find_anvil(tmp_path)
