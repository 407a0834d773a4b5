"""A JSON-RPC proxy in front of a node that does what networks, providers and liars do.

What becomes of a call is a *rule*: a function of the call that returns what the client gets, or
None to cut the connection.  Rules are used up one for each call of a method (``on``), or stand
until ``calm`` (``always``); a call without one passes.
"""

from __future__ import annotations

import gzip
import itertools
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol

import rlp
from support.nodes import ask, nonce, send, serve

from anchor.ethereum.keccak import hash_keccak256

ANY = "*"
SEND = "eth_sendRawTransaction"
RECEIPT = "eth_getTransactionReceipt"


class HasUrl(Protocol):
    """A node: only where it listens matters."""

    @property
    def url(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call on its way to ``node``."""

    method: str
    params: list[Any]
    id: Any
    body: bytes
    node: str

    def forward(self, url: str | None = None) -> bytes:
        """Let the node do it, and return its whole answer."""
        request = urllib.request.Request(
            url or self.node, self.body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return bytes(response.read())

    def forward_as(self, params: list[Any]) -> bytes:
        """Ask the node with other parameters."""
        message = {"jsonrpc": "2.0", "id": self.id, "method": self.method, "params": params}
        return replace(self, body=json.dumps(message).encode()).forward()

    def answer(self, **members: Any) -> bytes:
        """Return a response to this call."""
        return json.dumps({"jsonrpc": "2.0", "id": self.id, **members}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP response; its body comes in ``pieces`` with ``pause`` seconds before each."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: int = 1
    pause: float = 0.0


Rule = Callable[[Call], Reply | bytes | None]


class Proxy:
    """What a running proxy does, and what it was asked."""

    def __init__(self, node: str) -> None:
        self.calls: list[tuple[str, list[Any]]] = []
        self._node = node
        self._rules: dict[str, list[Rule]] = {}
        self._standing: dict[str, Rule] = {}
        self._lock = threading.Lock()

    def on(self, method: str, *rules: Rule) -> None:
        """Use one of ``rules`` up for each of the next calls of ``method``."""
        self._rules.setdefault(method, []).extend(rules)

    def always(self, method: str, rule: Rule) -> None:
        """Use ``rule`` for every call of ``method`` that finds no other; ``ANY`` is any method."""
        self._standing[method] = rule

    def calm(self) -> None:
        """Let everything pass from now on."""
        self._rules.clear()
        self._standing.clear()

    def sent(self) -> list[str]:
        """Return the raw transactions that were offered, in order."""
        return [params[0] for method, params in self.calls if method == SEND]

    def asked(self, method: str) -> int:
        """Return how often ``method`` was called."""
        return sum(1 for name, _ in self.calls if name == method)

    def answer(self, body: bytes) -> Reply | bytes | None:
        """Return what the client gets; None cuts the connection."""
        message = json.loads(body)
        call = Call(
            method=message["method"],
            params=message["params"],
            id=message["id"],
            body=body,
            node=self._node,
        )
        with self._lock:
            self.calls.append((call.method, call.params))
            rules = self._rules.get(call.method) or self._rules.get(ANY)
            standing = self._standing.get(call.method) or self._standing.get(ANY)
            rule = rules.pop(0) if rules else standing or passes
        return rule(call)


@contextmanager
def open_proxy(node: HasUrl) -> Iterator[tuple[Proxy, str]]:
    """Run a proxy in front of ``node``; gives it and its URL."""
    proxy = Proxy(node.url)

    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        reply = proxy.answer(body)
        if reply is None:
            handler.close_connection = True
        elif isinstance(reply, bytes):
            send(handler, 200, reply)
        elif reply.pause:
            _drip(handler, reply)
        else:
            send(handler, reply.status, reply.body, **reply.headers)

    with serve(respond) as url:
        yield proxy, url


def _drip(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    handler.send_response(reply.status)
    handler.send_header("Content-Length", str(len(reply.body)))
    handler.end_headers()
    size = -(-len(reply.body) // reply.pieces)
    for start in range(0, len(reply.body), size):
        time.sleep(reply.pause)
        handler.wfile.write(reply.body[start : start + size])
        handler.wfile.flush()


# Messages that get lost, late or double


def passes(call: Call) -> bytes:
    """Do nothing special."""
    return call.forward()


def loses_request(call: Call) -> None:
    """The node never sees it: failed, not applied."""


def loses_response(call: Call) -> None:
    """The node does it, and nobody hears of it: failed, but applied."""
    call.forward()


def duplicates(call: Call) -> bytes:
    """The node gets it twice, and its second answer counts."""
    call.forward()
    return call.forward()


def delays(seconds: float) -> Rule:
    """The answer comes late."""

    def rule(call: Call) -> bytes:
        answer = call.forward()
        time.sleep(seconds)
        return answer

    return rule


# Answers that are no JSON-RPC answers


def is_html(call: Call) -> Reply:
    """A gateway's own page."""
    return Reply(status=502, body=b"<html><h1>502 Bad Gateway</h1></html>")


def is_polite_html(call: Call) -> Reply:
    """A login page, with status 200."""
    return Reply(body=b"<!doctype html><title>Sign in</title>")


def is_unavailable(call: Call) -> Reply:
    """A provider in maintenance."""
    return Reply(status=503, body=b"")


def limits_rate(call: Call) -> Reply:
    """A provider whose quota is used up."""
    return Reply(status=429, body=b'{"error": "slow down"}')


def asks_to_wait(retry_after: str, *, status: int = 429) -> Rule:
    """A busy provider that says when to come again."""
    return lambda call: Reply(status=status, headers={"Retry-After": retry_after})


def has_wrong_id(call: Call) -> bytes:
    """The answer to another request."""
    return _change_message(call, lambda message: message.update(id=message["id"] + 1))


def has_text_id(call: Call) -> bytes:
    """The right number, but as text."""
    return _change_message(call, lambda message: message.update(id=str(message["id"])))


def has_no_id(call: Call) -> bytes:
    """An answer to nobody."""
    return _change_message(call, lambda message: message.pop("id"))


def has_both_members(call: Call) -> bytes:
    """A result and an error at once."""
    error = {"code": -32000, "message": "or not"}
    return _change_message(call, lambda message: message.update(error=error))


def has_neither_member(call: Call) -> bytes:
    """Neither a result nor an error."""
    return _change_message(call, lambda message: message.pop("result"))


def repeats_a_member(call: Call) -> bytes:
    """Two results: readers differ in which of them they take."""
    return call.forward().rstrip().removesuffix(b"}") + b', "result": "0x1"}'


def says_nan(call: Call) -> bytes:
    """A number that JSON does not have."""
    return b'{"jsonrpc": "2.0", "id": %d, "result": NaN}' % call.id


def is_truncated(call: Call) -> bytes:
    """The first half."""
    answer = call.forward()
    return answer[: len(answer) // 2]


def is_empty(call: Call) -> bytes:
    """Nothing at all."""
    return b""


def is_a_list(call: Call) -> bytes:
    """A batch's answer to what was no batch."""
    return b"[" + call.forward() + b"]"


def is_not_utf8(call: Call) -> bytes:
    """Text in another encoding."""
    return b'{"jsonrpc": "2.0", "id": %d, "result": "caf\xe9"}' % call.id


def is_deep(call: Call) -> bytes:
    """A tower of brackets."""
    return b'{"jsonrpc": "2.0", "id": %d, "result": ' % call.id + b"[" * 100_000


def is_huge(call: Call) -> Reply:
    """Seventeen megabytes of nothing."""
    return Reply(body=b" " * (17 << 20))


@cache
def _bomb() -> bytes:
    return gzip.compress(gzip.compress(b" " * (256 << 20)))


def is_a_bomb(call: Call) -> Reply:
    """A kilobyte that unpacks, twice, to 256 megabytes."""
    return Reply(body=_bomb(), headers={"Content-Encoding": "gzip, gzip"})


def drips(pieces: int, pause: float) -> Rule:
    """A right answer, filled up with blanks, bit by bit."""
    return lambda call: Reply(body=call.forward().ljust(200 * pieces), pieces=pieces, pause=pause)


def redirects(to: str, status: int = 307) -> Rule:
    """Somebody else is to be asked."""
    return lambda call: Reply(status=status, headers={"Location": to})


# Answers that are wrong


def answers(result: Any) -> Rule:
    """The same result whatever is asked; the node is not asked at all."""
    return lambda call: call.answer(result=result)


def edits(change: Callable[[Any], Any]) -> Rule:
    """The node's result, changed, once there is one."""

    def rule(call: Call) -> bytes:
        message = json.loads(call.forward())
        if message.get("result") is not None:
            message["result"] = change(message["result"])
        return json.dumps(message).encode()

    return rule


def lies(lie: Callable[[str, list[Any], Any], Any]) -> Rule:
    """The node's result, changed by one who sees the question too."""
    return lambda call: edits(lambda result: lie(call.method, call.params, result))(call)


def refuses(text: str, code: int = -32000) -> Rule:
    """An error of the node's own, and nothing done."""
    return lambda call: call.answer(error={"code": code, "message": text})


def refuses_after(text: str, code: int = -32000) -> Rule:
    """An error, but it was done all the same."""

    def rule(call: Call) -> bytes:
        call.forward()
        return call.answer(error={"code": code, "message": text})

    return rule


# Several views of one chain


class Recording:
    """Keeps what a node said, to say it again when it is no longer true."""

    def __init__(self) -> None:
        self._results: dict[str, Any] = {}

    def records(self, call: Call) -> bytes:
        """The rule that listens."""
        answer = call.forward()
        message = json.loads(answer)
        if "result" in message:
            self._results[self._key(call)] = message["result"]
        return answer

    def replays(self, call: Call) -> bytes:
        """The rule that answers as then; what was never asked passes."""
        if self._key(call) in self._results:
            return call.answer(result=self._results[self._key(call)])
        return call.forward()

    @staticmethod
    def _key(call: Call) -> str:
        return json.dumps([call.method, call.params])


def splits(*urls: str) -> Rule:
    """The nodes behind one address answer in turn."""
    turn = itertools.cycle(urls)
    return lambda call: call.forward(next(turn))


# Pools


class GethPool:
    """Geth's rules for a pool, which anvil does not have: a tenth more, in both fees.

    core/txpool/legacypool/list.go, ``Add``; one sender, EIP-1559 transactions.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._pooled: dict[int, tuple[str, int, int]] = {}

    def take(self, tx_hash: str, *, number: int, tip: int, cap: int) -> None:
        """Have a transaction that came another way."""
        self._pooled[number] = (tx_hash, tip, cap)

    def __call__(self, call: Call) -> bytes:
        raw = bytes.fromhex(call.params[0][2:])
        assert raw[0] == 2
        number, tip, cap = (int.from_bytes(item, "big") for item in rlp.decode(raw[1:])[1:4])
        tx_hash = "0x" + hash_keccak256(raw).hex()
        before = self._pooled.get(number)
        if before is not None and number >= nonce(call.node):
            if before[0] == tx_hash:
                return call.answer(error={"code": -32000, "message": "already known"})
            if 10 * tip < 11 * before[1] or 10 * cap < 11 * before[2]:
                self.refused += 1
                text = "replacement transaction underpriced"
                return call.answer(error={"code": -32000, "message": text})
        answer = call.forward()
        if "result" in json.loads(answer):
            self.take(tx_hash, number=number, tip=tip, cap=cap)
        return answer


def evicts(call: Call) -> bytes:
    """The node takes a transaction, says so, and throws it away."""
    answer = call.forward()
    tx_hash = json.loads(answer).get("result")
    if tx_hash is not None:
        ask(call.node, "anvil_dropTransaction", tx_hash)
    return answer


def _change_message(call: Call, change: Callable[[dict[str, Any]], object]) -> bytes:
    message = json.loads(call.forward())
    change(message)
    return json.dumps(message).encode()


# Receipts

Receipt = dict[str, Any]

_OTHER_HASH = "0x" + "5a" * 32
_OTHER_ADDRESS = "0x" + "5a" * 20


def without(member: str) -> Callable[[Receipt], Receipt]:
    """Leave a member out."""
    return lambda receipt: {name: value for name, value in receipt.items() if name != member}


def having(member: str, value: Any) -> Callable[[Receipt], Receipt]:
    """Put another value in a member's place."""
    return lambda receipt: receipt | {member: value}


# What the transaction manager reads of a receipt; each of these is a fault of the node.
MALFORMED_RECEIPTS: dict[str, Callable[[Receipt], Any]] = {
    "another transaction's": having("transactionHash", _OTHER_HASH),
    "no transaction": without("transactionHash"),
    "transaction null": having("transactionHash", None),
    "transaction short": having("transactionHash", "0x5a"),
    "no block hash": without("blockHash"),
    "block hash null": having("blockHash", None),
    "block hash short": having("blockHash", "0x" + "5a" * 31),
    "block hash long": having("blockHash", "0x" + "5a" * 33),
    "block hash in capitals": lambda receipt: receipt | {"blockHash": receipt["blockHash"].upper()},
    "block hash a number": having("blockHash", 7),
    "no block number": without("blockNumber"),
    "block number null": having("blockNumber", None),
    "block number bare": having("blockNumber", 7),
    "block number negative": having("blockNumber", "-0x1"),
    "block number decimal": having("blockNumber", "7"),
    "block number empty": having("blockNumber", "0x"),
    "block number padded": having("blockNumber", "0x01"),
    "block number absurd": having("blockNumber", "0x1" + "0" * 64),
    "no status": without("status"),
    "status null": having("status", None),
    "status true": having("status", True),
    "status two": having("status", "0x2"),
    "no gas": without("gasUsed"),
    "gas bare": having("gasUsed", 21_000),
    "text": lambda _: "included",
    "list": lambda receipt: [receipt],
    "true": lambda _: True,
    "number": lambda _: 1,
    "empty": lambda _: {},
}

# Well formed, but of no block on the node's own chain.
ORPHAN_RECEIPTS: dict[str, Callable[[Receipt], Receipt]] = {
    "block hash of no block": having("blockHash", _OTHER_HASH),
    "block number of another": lambda receipt: (
        receipt | {"blockNumber": hex(int(receipt["blockNumber"], 16) - 1)}
    ),
    "block number beyond the head": having("blockNumber", "0xffffff"),
}

# Members that nothing rests on: what is on chain is read from the registry's storage.
UNREAD_RECEIPTS: dict[str, Callable[[Receipt], Receipt]] = {
    "sender another": having("from", _OTHER_ADDRESS),
    "receiver another": having("to", _OTHER_ADDRESS),
    "no sender": without("from"),
    "receiver null": having("to", None),
    "no logs": without("logs"),
    "logs empty": having("logs", []),
    "logs a text": having("logs", "none"),
    "index null": having("transactionIndex", None),
    "bloom short": having("logsBloom", "0x00"),
    "type unknown": having("type", "0x7f"),
    "a contract": having("contractAddress", _OTHER_ADDRESS),
    "a new member": having("blobGasUsed", "0x20000"),
}
