"""An HTTP protocol for uvicorn with timeouts and bounds, which uvicorn itself lacks.

What is bounded, each in a few lines over uvicorn's hooks:

- heads and trailers: fields are counted as the parser reports them, and so are the bytes of reads
  that report nothing. Trailer fields are dropped (RFC 9110 section 6.5.1 forbids merging them).
- clients that do not read: the transport reports every unsent byte (a write buffer limit of
  zero), and a timer runs until all are sent.
- pipelining: a few requests wait in line; after those are answered the connection is closed.
- connections: each one beyond the worker's or its peer's bound is answered with 503, except for
  health checks, which a supervisor must reach even if strangers hold all other connections.
- stopping: a request that was under way to an idle connection is answered, and the answer says
  that the connection is closed.  uvicorn closes idle connections at once, which resets them.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from anchor.base.messages.message import Message
from anchor.service.client_address import Peers
from anchor.service.problems import CLOSE, RETRY_LATER, Problem
from anchor.service.settings import Settings

# Seconds for the rest of a body that was answered before its end.
_REST = 10.0
# The most bytes of the request line and the headers together.
_MAX_HEAD = 32 * 1024
# The most bytes between two pieces of a body, or after the last: chunk headers and trailers.
_MAX_TRAILERS = 16 * 1024
# Bytes of the separator between a field's name and value, and of the line end.
_FIELD_OVERHEAD = 4
# The most requests that wait for the answer to an earlier one of their connection.
_MOST_PIPELINED = 4
# Bytes that a client has to read in each second while answers wait for it.
_LEAST_READ = 1024
# Seconds that an idle connection stays open at shutdown, for a request that is under way.
_LAST_REQUEST = 0.5
SPARE = 4
"""Factor over the bounds up to which connections are accepted, for health checks only."""

_HEALTH = frozenset({b"/healthz", b"/readyz"})


class TimeoutProtocol(HttpToolsProtocol):
    """uvicorn's protocol with timeouts and bounds; it also sets ``stopping`` at shutdown."""

    _deadline: asyncio.TimerHandle | None = None
    _write_deadline: asyncio.TimerHandle | None = None
    _unsent = 0
    _is_in_head = True
    _is_surplus = False
    # No further input is parsed: the answers in progress are the last.
    _is_ended = False
    _is_stopping = False
    # Bytes of the fields that the parser has reported, and of reads without a body byte.
    _fields = 0
    _received = 0
    _has_body = False
    _running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and start the timeout for its first request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)
        self._full_app = self.app
        self._settings: Settings = self.app_state["settings"]
        self._peers: Peers = self.app_state["peers"]
        self._address = self.client[0] if self.client else ""
        settings, open_now = self._settings, len(self.connections)
        open_of_peer = self._peers.arrive(self._address)
        self._is_surplus = (
            open_now > settings.max_connections or open_of_peer > settings.max_per_peer
        )
        if (
            open_now > SPARE * settings.max_connections
            or open_of_peer > SPARE * settings.max_per_peer
        ):
            transport.abort()
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the disconnect to every request of the connection."""
        self._forget()
        self._forget_writing()
        self._peers.leave(self._address)
        # uvicorn informs only the newest; an earlier one would continue to write, and fail.
        for cycle in (self._running, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, and count those that are not part of a body."""
        if self._is_ended:
            return
        was_in_head = self._is_in_head
        if was_in_head and self._deadline is None:
            self._expect_head()
        self._has_body = False
        self._received += len(data)
        super().data_received(data)
        if self._is_in_head != was_in_head or self._has_body:
            self._received = 0
        elif self._received > (_MAX_HEAD if was_in_head else _MAX_TRAILERS):
            self.send_400_response("The request's headers are too long.")

    def send_400_response(self, msg: str) -> None:
        """Refuse a malformed request without interrupting an answer, and stop parsing."""
        if self._is_ended or self.transport.is_closing():
            return
        self._is_ended = True
        self._forget()
        newest = self.cycle
        if self._running is None or (self._is_in_head and newest.response_complete):
            super().send_400_response(msg)
        elif self._is_in_head:
            newest.keep_alive = False  # the connection is closed after this answer
        elif newest is self._running and not newest.response_started:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Reset the count of field bytes."""
        self._fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the bytes of the URL."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; drop a trailer, which comes after the head was checked."""
        self._count(len(name) + len(value) + _FIELD_OVERHEAD)
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the timeout for the head; the application has its own for the body."""
        if len(self.pipeline) >= _MOST_PIPELINED:
            raise _TooMuch
        self._is_in_head, self._fields = False, 0
        self._forget()
        is_refused = self._is_surplus and self.url.partition(b"?")[0] not in _HEALTH
        self.app = _answer_busy if is_refused else self._full_app
        super().on_headers_complete()
        if self._is_stopping:
            self.cycle.keep_alive = False  # uvicorn adds Connection: close

    def on_body(self, body: bytes) -> None:
        """Record that a body byte has arrived."""
        self._has_body, self._fields = True, 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Prepare for the next request."""
        self._is_in_head, self._received = True, 0
        self._forget()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the timeout for the rest of a body, or for the last request at shutdown."""
        if not self._is_in_head:
            self._expect(_REST)
        elif self._is_stopping and not self.pipeline:
            self._expect(_LAST_REQUEST)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Start the timeout for reading the answer."""
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        """Stop the timeout for reading: everything was sent."""
        self._forget_writing()
        super().resume_writing()

    def shutdown(self) -> None:
        """Set ``stopping``, so that streams end, and close once no request is under way."""
        stopping: Any = self.app_state.get("stopping")
        if stopping is not None:
            stopping.set()
        self._is_stopping = True
        if self._running is None or self.cycle.response_complete:
            self._expect(_LAST_REQUEST)
        elif not self.cycle.response_started:
            self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _count(self, size: int) -> None:
        self._fields += size
        if self._fields > (_MAX_HEAD if self._is_in_head else _MAX_TRAILERS):
            raise _TooMuch

    def _expect_head(self) -> None:
        self._expect(self._settings.header_seconds)

    def _expect(self, seconds: float) -> None:
        self._forget()
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _expect_reading(self) -> None:
        self._forget_writing()
        self._unsent = self.transport.get_write_buffer_size()
        seconds = self._settings.answer_seconds
        self._write_deadline = self.loop.call_later(seconds, self._check_reading)

    def _forget_writing(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _check_reading(self) -> None:
        """Abort the connection if its client does not read; closing would wait for the client."""
        read = self._unsent - self.transport.get_write_buffer_size()
        if read < _LEAST_READ * self._settings.answer_seconds:
            self.transport.abort()
        else:
            self._expect_reading()


class _TooMuch(Exception):
    """Raised in a callback of the parser, to make it fail as for a malformed request."""


async def _answer_busy(scope: Scope, receive: Receive, send: Send) -> None:
    problem = Problem(
        503,
        Message("service-connections-exhausted"),
        headers=RETRY_LATER | CLOSE,
    )
    await problem.response()(scope, receive, send)
