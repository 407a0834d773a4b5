"""Nodes of the honest world's chains: JSON-RPC over HTTP, of what a verifier asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from support.nodes import send, serve
from support.world import REGISTRY, MemoryChain

from anchor.base.types import Address, Block, ChainId, Hash32
from anchor.registry.artifact import runtime_code


@contextmanager
def serve_chain(chain: MemoryChain, *, says: ChainId | None = None) -> Iterator[str]:
    """Serve a chain, and give the URL; ``says``: another chain's id than its own."""

    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        question = json.loads(body)
        method, params = question["method"], question["params"]
        result = hex(says) if says and method == "eth_chainId" else _answer(chain, method, params)
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": result}
        send(handler, 200, json.dumps(answer).encode(), **{"Content-Type": "application/json"})

    with serve(respond) as url:
        yield url


def _answer(chain: MemoryChain, method: str, params: list[Any]) -> Any:
    if method == "eth_chainId":
        return hex(chain.chain_id)
    if method == "eth_syncing":
        return False
    if method == "eth_getBlockByNumber":
        return _show(chain.block(_number(chain, params[0])))
    if method == "eth_getBlockByHash":
        return _show(_find(chain, params[0]))
    if method == "eth_getCode":
        return (
            "0x" + runtime_code(chain.chain_id).hex() if _address(params[0]) == REGISTRY else "0x"
        )
    if method == "eth_getStorageAt":
        slot, block = Hash32(bytes.fromhex(params[1][2:])), _find(chain, params[2]["blockHash"])
        return "0x" + chain.fetch_storage(_address(params[0]), slot, block).hex()
    raise AssertionError(f"a verifier asks for {method}")


def _number(chain: MemoryChain, tag: str) -> int:
    if tag == "finalized":
        assert chain.final is not None
        return chain.final
    return chain.latest if tag == "latest" else int(tag, 16)


def _find(chain: MemoryChain, block_hash: str) -> Block:
    blocks = map(chain.block, range(chain.latest + 1))
    return next(block for block in blocks if f"0x{block.hash.hex()}" == block_hash)


def _show(block: Block) -> dict[str, str]:
    return {
        "number": hex(block.number),
        "hash": f"0x{block.hash.hex()}",
        "timestamp": hex(block.timestamp),
    }


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))
