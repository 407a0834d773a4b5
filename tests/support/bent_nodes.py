"""Nodes that are down, lag or lie, in front of a real one; and anvils with rules of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from support.nodes import _post, send, serve

from anchor.ethereum.header import encode_header
from anchor.ethereum.keccak import hash_keccak256

Bend = Callable[[list[Any], Any], Any]


class Refused(Exception):
    """Raised by a bend: the node answers with a JSON-RPC error of this code and text."""


@dataclass
class BentNode:
    """Passes everything on to ``behind``; ``bend[method]`` makes another result of its result.

    Of the methods in ``swallow`` nothing is passed on, and nothing comes back.
    """

    behind: str
    url: str = ""
    down: bool = False
    bend: dict[str, Bend] = field(default_factory=dict)
    swallow: set[str] = field(default_factory=set)
    calls: list[tuple[str, list[Any]]] = field(default_factory=list)

    def asked(self, method: str) -> list[list[Any]]:
        return [params for name, params in self.calls if name == method]

    def respond(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.down:
            handler.close_connection = True
            return
        message = json.loads(body)
        method, params = message["method"], message["params"]
        self.calls.append((method, params))
        if method in self.swallow:
            handler.close_connection = True
            return
        answer = json.loads(_post(self.behind, body))
        if method in self.bend:
            try:
                result = self.bend[method](params, answer.get("result"))
                answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
            except Refused as refused:
                code, text = refused.args
                error = {"code": code, "message": text}
                answer = {"jsonrpc": "2.0", "id": message["id"], "error": error}
        send(handler, 200, json.dumps(answer).encode())


@contextmanager
def bent_node(behind: str) -> Iterator[BentNode]:
    """Run one in front of the node at ``behind``."""
    node = BentNode(behind)
    with serve(node.respond) as url:
        node.url = url
        yield node


def fork(block: dict[str, Any] | None, **members: Any) -> dict[str, Any] | None:
    """Return another block in place of ``block``, whose header gives its hash."""
    if block is None:
        return None
    other = block | {"extraData": "0xf0"} | members
    return other | {"hash": f"0x{hash_keccak256(encode_header(other)).hex()}"}


@contextmanager
def forgetful_node(behind: str) -> Iterator[str]:
    """Run one that dropped its receipts and events, as EIP-4444 allows, and give its URL."""
    with bent_node(behind) as node:
        for method in ("eth_getTransactionReceipt", "eth_getTransactionByHash"):
            node.bend[method] = lambda *_: None
        node.bend["eth_getLogs"] = lambda *_: []
        yield node.url


def anvil_with(folder: Path, anvil: Path, **options: str | int) -> Path:
    """Return a program that is ``anvil`` with these options in place of the devnet's own."""
    names = "|".join(f"--{name.replace('_', '-')}=*" for name in options)
    words = " ".join(f"--{name.replace('_', '-')}={value}" for name, value in options.items())
    program = folder / f"anvil-{abs(hash(words))}"
    program.write_text(
        "#!/bin/sh\n"
        f'for word; do shift; case "$word" in {names}) ;; *) set -- "$@" "$word";; esac; done\n'
        f'exec "{anvil}" "$@" {words}\n'
    )
    program.chmod(0o755)
    return program
