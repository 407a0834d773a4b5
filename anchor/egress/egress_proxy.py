"""A forward proxy for requests on behalf of others: it reaches public addresses, and no others.

A name is resolved here, once for each connection; all of its addresses are judged, and the
connection goes to one that was.  A client that uses this proxy alone reaches nothing else, whatever
redirects, scripts and resolvers do.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import h11

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.system.public_address import is_public
from anchor.egress.egress_target import (
    PORTS,
    EgressRefused,
    EgressTarget,
    parse_authority,
    parse_egress_url,
)

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a name."""
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect: TypeAlias = Callable[[str, int], Awaitable[Streams]]

_PIECE: Final = 64 << 10
# Headers that concern one connection only (RFC 9110 section 7.6.1), and the proxy's own.
_OF_ONE_HOP: Final = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization",
        b"proxy-authenticate", b"te", b"upgrade", b"expect",
    }
)  # fmt: skip

_ABSOLUTE: Final = re.compile(rb"http://([^/?#]+)([^#]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressLimits:
    """What one client may use; times are in seconds."""

    ports: Collection[int] = PORTS
    connections: int = 64
    seconds: float = 300.0
    connect_seconds: float = 10.0
    connection_bytes: int = 1 << 30
    all_bytes: int = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressEvent:
    """A connection that was made or, with a reason, refused or cut; ``addresses`` were answered."""

    at: str
    target: str
    addresses: Sequence[str]
    address: str | None
    reason: Message | None


@dataclass(slots=True)
class _Exchange:
    """One connection of a client: what it asked for, and what it may still transfer."""

    rest: int
    target: str = ""
    is_tunnel: bool = False
    addresses: Sequence[str] = field(default=())
    address: str | None = None


async def resolve_name(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, without the resolver's own domains; none if it has none."""
    loop = asyncio.get_running_loop()
    try:
        answers = await loop.getaddrinfo(f"{host}.", port, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


async def open_tcp(address: str, port: int) -> Streams:
    """Connect to an address that was judged."""
    return await asyncio.open_connection(address, port)


class EgressProxy:
    """A proxy for clients on this machine: ``CONNECT`` and plain HTTP.

    Every connection that was made, refused or cut is reported to ``on_event``.  Without
    ``answers_refusals``, a plain request that is refused gets no answer, which a client could take
    for the server's.
    """

    def __init__(
        self,
        on_event: Callable[[EgressEvent], None],
        *,
        limits: EgressLimits | None = None,
        resolve: Resolve = resolve_name,
        connect: Connect = open_tcp,
        answers_refusals: bool = True,
    ) -> None:
        self._on_event = on_event
        self._answers_refusals = answers_refusals
        self._limits = limits or EgressLimits()
        self._resolve = resolve
        self._connect = connect
        self._rest = self._limits.all_bytes
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Serve during the block; yield the proxy's URL."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_PIECE)
        try:
            host, port = server.sockets[0].getsockname()
            yield f"http://{host}:{port}"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "the server starts a task for each connection"
        self._tasks.add(task)
        try:
            await self._answer(reader, writer)
        except asyncio.CancelledError:
            pass  # the proxy ends, and asyncio would log it as an error
        finally:
            self._tasks.discard(task)
            await _close(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(reader, writer)
        exchange = _Exchange(self._limits.connection_bytes)
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._serve_request(client, exchange)
        except EgressRefused as error:
            await self._refuse(client, exchange, error.reason)
        except TimeoutError:
            await self._refuse(client, exchange, Message("egress-time"))
        except h11.RemoteProtocolError:
            await self._refuse(client, exchange, Message("egress-url-malformed"))
        except OSError:
            await self._send_error(client, exchange, 502)

    async def _refuse(self, client: _Client, exchange: _Exchange, reason: Message) -> None:
        self._report(exchange, reason)
        await self._send_error(client, exchange, 403)

    async def _send_error(self, client: _Client, exchange: _Exchange, status: int) -> None:
        if self._answers_refusals or exchange.is_tunnel:
            await client.send_error(status)

    def _report(self, exchange: _Exchange, reason: Message | None) -> None:
        event = EgressEvent(
            at=utc_now(),
            target=exchange.target,
            addresses=exchange.addresses,
            address=exchange.address,
            reason=reason,
        )
        self._on_event(event)

    async def _serve_request(self, client: _Client, exchange: _Exchange) -> None:
        """Serve the first request of a connection, which is its only one."""
        request = await client.next_event()
        if not isinstance(request, h11.Request):
            return
        named = request.target.decode("latin-1")
        exchange.target = named[:1_000]
        exchange.is_tunnel = request.method == b"CONNECT"
        if len(self._tasks) > self._limits.connections:
            raise EgressRefused(Message("egress-connections"))
        if exchange.is_tunnel:
            target = parse_authority(named, self._limits.ports)
        elif _ABSOLUTE.fullmatch(request.target):
            target = parse_egress_url(named, self._limits.ports)
        else:
            raise EgressRefused(Message("egress-url-malformed"))
        reader, writer = await self._open(target, exchange)
        try:
            if exchange.is_tunnel:
                early = await client.switch()
                await self._tunnel(client, reader, writer, early, exchange)
            else:
                await self._forward(client, request, reader, writer, exchange)
        finally:
            await _close(writer)

    async def _open(self, target: EgressTarget, exchange: _Exchange) -> Streams:
        """Connect to an address of the target that was judged."""
        if target.address is not None:
            exchange.addresses = (target.address,)
        else:
            async with asyncio.timeout(self._limits.connect_seconds):
                exchange.addresses = tuple(await self._resolve(target.host, target.port))
        if not exchange.addresses:
            raise EgressRefused(Message("egress-name-unknown", host=target.host))
        inside = next((each for each in exchange.addresses if not is_public(each)), None)
        if inside is not None:
            raise EgressRefused(
                Message("egress-name-leads-inside", host=target.host, address=inside)
            )
        failure: OSError | None = None
        for address in exchange.addresses:
            try:
                async with asyncio.timeout(self._limits.connect_seconds):
                    streams = await self._connect(address, target.port)
            except OSError as error:  # a time-out is one
                failure = error
                continue
            exchange.address = address
            self._report(exchange, None)
            return streams
        assert failure is not None, "there is an address"
        raise EgressRefused(Message("egress-unreachable", host=target.host)) from failure

    def _count(self, size: int, exchange: _Exchange) -> None:
        exchange.rest -= size
        self._rest -= size
        if exchange.rest < 0 or self._rest < 0:
            raise EgressRefused(Message("egress-size"))

    async def _tunnel(
        self,
        client: _Client,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        early: bytes,
        exchange: _Exchange,
    ) -> None:
        """Copy bytes both ways until both sides have ended."""
        self._count(len(early), exchange)
        writer.write(early)

        tasks = [
            asyncio.create_task(self._copy(client.reader, writer, exchange)),
            asyncio.create_task(self._copy(reader, client.writer, exchange)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _copy(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, exchange: _Exchange
    ) -> None:
        with suppress(OSError):
            while data := await source.read(_PIECE):
                self._count(len(data), exchange)
                sink.write(data)
                await sink.drain()
            sink.write_eof()

    async def _forward(
        self,
        client: _Client,
        request: h11.Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        exchange: _Exchange,
    ) -> None:
        """Send one request, and return its answer; the connection to the client ends with it."""
        server = h11.Connection(h11.CLIENT)
        match = _ABSOLUTE.fullmatch(request.target)
        assert match is not None, "the URL was parsed"
        path = match[2] if match[2].startswith(b"/") else b"/" + match[2]
        headers = [(b"host", match[1]), *_keep(request.headers, b"host"), (b"connection", b"close")]
        try:
            head = h11.Request(method=request.method, target=path, headers=headers)
            writer.write(server.send(head) or b"")
            async for event in client.body():
                self._count(len(event.data) if isinstance(event, h11.Data) else 0, exchange)
                writer.write(server.send(event) or b"")
                await writer.drain()
            async for answer in self._read_answer(server, reader, exchange):
                await client.send(answer)
        except h11.ProtocolError:
            raise EgressRefused(Message("egress-answer-malformed")) from None

    async def _read_answer(
        self, server: h11.Connection, reader: asyncio.StreamReader, exchange: _Exchange
    ) -> AsyncIterator[h11.Response | h11.Data | h11.EndOfMessage]:
        while True:
            event = server.next_event()
            if event is h11.NEED_DATA:
                data = await reader.read(_PIECE)
                self._count(len(data), exchange)
                server.receive_data(data)
            elif isinstance(event, h11.Response):
                headers = [*_keep(event.headers), (b"connection", b"close")]
                status = event.status_code
                yield h11.Response(status_code=status, headers=headers, reason=event.reason)
            elif isinstance(event, h11.Data):
                yield event
            elif not isinstance(event, h11.InformationalResponse):
                if isinstance(event, h11.EndOfMessage):
                    yield event
                return


class _Client:
    """The client's side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._protocol = h11.Connection(h11.SERVER)

    async def next_event(self) -> h11.Event | type[h11.PAUSED]:
        """Return the next part of the request."""
        while True:
            event = self._protocol.next_event()
            if isinstance(event, h11.Event) or event is h11.PAUSED:
                return event
            if self._protocol.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            self._protocol.receive_data(await self.reader.read(_PIECE))

    async def body(self) -> AsyncIterator[h11.Data | h11.EndOfMessage]:
        """Yield the rest of the request."""
        while True:
            event = await self.next_event()
            if isinstance(event, h11.Data):
                yield event
            elif isinstance(event, h11.EndOfMessage):
                yield event
                return
            else:
                raise ConnectionError

    async def send(self, event: h11.Event) -> None:
        """Send a part of the answer."""
        self.writer.write(self._protocol.send(event) or b"")
        await self.writer.drain()

    async def switch(self) -> bytes:
        """Answer that a tunnel is there; return what the client has already sent into it."""
        while not isinstance(await self.next_event(), h11.EndOfMessage):
            pass
        await self.send(h11.Response(status_code=200, headers=[]))
        return self._protocol.trailing_data[0]

    async def send_error(self, status: int) -> None:
        """Send an answer without a body, unless one has begun."""
        if self._protocol.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        with suppress(OSError, h11.ProtocolError):
            await self.send(h11.Response(status_code=status, headers=headers))
            await self.send(h11.EndOfMessage())


def _keep(headers: Iterable[tuple[bytes, bytes]], *left_out: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers that concern more than one connection."""
    named = {
        name.strip().lower()
        for key, value in headers
        if key == b"connection"
        for name in value.split(b",")
    }
    dropped = _OF_ONE_HOP | named | set(left_out)
    return [(name, value) for name, value in headers if name not in dropped]


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
