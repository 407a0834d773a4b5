"""The proxy reaches what it has judged and nothing else, whatever clients and resolvers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.ssrf_corpus import ANSWERS, URLS

from anchor.egress.egress_proxy import EgressEvent, EgressLimits, EgressProxy, Streams

PUBLIC = "1.1.1.1"
# A tunnel has no scheme to be refused for.
SITES = [url for url in URLS if url.startswith("http")]
BODY = b"the inside of the network"


@dataclass
class Network:
    """A site on loopback that counts its requests, the routes to it, and a resolver that lies.

    A public address leads to the site, as its own address would without the proxy.
    """

    limits: EgressLimits = field(default_factory=EgressLimits)
    answers: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    events: list[EgressEvent] = field(default_factory=list)
    site_port: int = 0
    proxy_port: int = 0
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        if host in ANSWERS:
            return ANSWERS[host]
        answers = self.answers[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def connect(self, address: str, port: int) -> Streams:
        self.reached.append(address)
        return await asyncio.open_connection("127.0.0.1", self.site_port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        if self.answer is not None:
            await self.answer(reader, writer)
        else:
            size = str(len(BODY)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: " + size + b"\r\n\r\n" + BODY)
        writer.close()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Network]:
        site = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.site_port = site.sockets[0].getsockname()[1]
        proxy = EgressProxy(
            self.events.append, limits=self.limits, resolve=self.resolve, connect=self.connect
        )
        async with site, proxy.serve() as url:
            self.proxy_port = urlsplit(url).port or 0
            yield self

    async def ask(self, *pieces: bytes) -> bytes:
        """Send to the proxy what a client would, and return all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy_port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        answer = await reader.read()
        writer.close()
        return answer

    async def get(self, url: str) -> bytes:
        host = urlsplit(url).netloc.rpartition("@")[2] if "[" not in url else "x"
        target = url.encode("utf-8")
        return await self.ask(
            b"GET " + target + b" HTTP/1.1\r\nHost: " + host.encode() + b"\r\n\r\n"
        )

    async def tunnel(self, authority: str, data: bytes = b"") -> bytes:
        head = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
        return await self.ask(head, data)


def within(network: Network, body: Callable[[Network], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with network.run():
            return await body(network)

    return asyncio.run(run())


def authority_of(url: str) -> str:
    host_port = url.partition("://")[2].partition("/")[0]
    has_port = host_port.rpartition(":")[2].isdecimal() and not host_port.endswith("]")
    return host_port if has_port else f"{host_port}:{80 if url.startswith('http:') else 443}"


def test_no_url_of_the_corpus_is_fetched() -> None:
    async def ask_all(network: Network) -> None:
        for url in URLS:
            assert BODY not in await network.get(url), url
        for url in SITES:
            answer = await network.tunnel(authority_of(url), b"GET / HTTP/1.1\r\n\r\n")
            assert BODY not in answer, url

    network = Network()
    within(network, ask_all)
    assert network.asked == []
    assert network.reached == []
    assert len(network.events) == len(URLS) + len(SITES)
    assert all(event.reason is not None for event in network.events)


@pytest.mark.parametrize("method", ["get", "tunnel"])
def test_a_public_host_is_reached_at_the_address_that_was_judged(method: str) -> None:
    network = Network(answers={"site.example": [[PUBLIC]]})

    async def ask(network: Network) -> bytes:
        if method == "get":
            return await network.get("http://site.example/a?b=c")
        return await network.tunnel("site.example:443", b"GET /a?b=c HTTP/1.1\r\n\r\n")

    answer = within(network, ask)
    assert answer.endswith(BODY)
    assert network.asked[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert network.reached == [PUBLIC]
    (event,) = network.events
    assert (event.reason, event.address, event.addresses) == (None, PUBLIC, (PUBLIC,))


def test_a_name_that_is_rebound_is_judged_for_each_connection() -> None:
    network = Network(answers={"rebind.example": [[PUBLIC], ["127.0.0.1"]]})

    async def ask_twice(network: Network) -> tuple[bytes, bytes]:
        return await network.get("http://rebind.example/"), await network.get(
            "http://rebind.example/"
        )

    first, second = within(network, ask_twice)
    assert first.endswith(BODY)
    assert second.startswith(b"HTTP/1.1 403 ")
    assert network.reached == [PUBLIC]
    assert network.events[1].reason is not None
    assert network.events[1].reason.id == "egress-name-leads-inside"
    assert network.events[1].addresses == ("127.0.0.1",)


def test_a_second_request_of_a_connection_is_not_passed_on() -> None:
    network = Network(answers={"site.example": [[PUBLIC]]})
    first = b"GET http://site.example/ HTTP/1.1\r\nHost: site.example\r\n\r\n"
    second = b"GET http://127.0.0.1/secret HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    within(network, lambda network: network.ask(first + second))
    assert [head.split(b" ")[1] for head in network.asked] == [b"/"]
    assert b"secret" not in b"".join(network.asked)


def test_the_host_is_that_of_the_url_and_nothing_of_the_proxy_is_passed_on() -> None:
    network = Network(answers={"site.example": [[PUBLIC]]})
    request = (
        b"POST http://site.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\nProxy-Authorization: x\r\n"
        b"Connection: X-Secret\r\nX-Secret: y\r\nExpect: 100-continue\r\nX-Kept: z\r\n"
        b"Content-Length: 3\r\n\r\nabc"
    )
    within(network, lambda network: network.ask(request))
    head = network.asked[0].lower()
    assert b"host: site.example\r\n" in head
    assert b"x-kept: z" in head
    assert b"connection: close" in head
    for name in (b"127.0.0.1", b"proxy-", b"x-secret", b"expect"):
        assert name not in head


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"seconds": 0.2}, "time"),
        ({"connection_bytes": 1_000}, "size"),
        ({"all_bytes": 1_000}, "size"),
        ({"connections": 0}, "connections"),
    ],
)
@pytest.mark.parametrize("method", ["get", "tunnel"])
def test_a_limit_ends_a_connection_and_is_reported(
    limits: dict[str, Any], reason: str, method: str
) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        if "seconds" in limits:
            await reader.read()
            return
        with suppress(OSError):
            for _ in range(1_000):
                writer.write(bytes(10_000))
                await writer.drain()

    network = Network(answers={"site.example": [[PUBLIC]]}, answer=flood)
    network.limits = replace(network.limits, **limits)

    async def ask(network: Network) -> bytes:
        if method == "get":
            return await network.get("http://site.example/")
        return await network.tunnel("site.example:443", b"GET / HTTP/1.1\r\n\r\n")

    assert len(within(network, ask)) < 200_000
    last = network.events[-1].reason
    assert last is not None
    assert last.id == f"egress-{reason}"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET https://site.example/ HTTP/1.1\r\nHost: site.example\r\n\r\n",
        b"GET http://site.example/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET http://site.example/ HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
def test_a_malformed_request_is_refused(request_bytes: bytes) -> None:
    network = Network(answers={"site.example": [[PUBLIC]]})
    within(network, lambda network: network.ask(request_bytes))
    assert network.asked == []
    assert [event.reason and event.reason.id for event in network.events] == [
        "egress-url-malformed"
    ]


def test_an_answer_that_is_malformed_is_refused() -> None:
    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx")

    network = Network(answers={"site.example": [[PUBLIC]]}, answer=lie)
    answer = within(network, lambda network: network.get("http://site.example/"))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert network.events[-1].reason is not None
    assert network.events[-1].reason.id == "egress-answer-malformed"


def test_the_next_address_is_tried_if_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(answers={"site.example": [["1.0.0.1", PUBLIC]]})
    connect = network.connect

    async def fail_first(address: str, port: int) -> Streams:
        if address == "1.0.0.1":
            raise ConnectionRefusedError
        return await connect(address, port)

    monkeypatch.setattr(network, "connect", fail_first)
    assert within(network, lambda network: network.get("http://site.example/")).endswith(BODY)
    assert network.reached == [PUBLIC]


def test_nothing_is_left_running_at_the_end() -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def run() -> None:
        network = Network(answers={"site.example": [[PUBLIC]]}, answer=stall)
        async with network.run():
            asked = asyncio.create_task(
                network.tunnel("site.example:443", b"GET / HTTP/1.1\r\n\r\n")
            )
            while not network.asked:
                await asyncio.sleep(0)
        await asked

    asyncio.run(run())
