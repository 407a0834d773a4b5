"""Connections that do not get on are closed: the server's own protocol waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from anchor.service.settings import Settings

# Seconds for what is left of a body that was answered before its end.
_REST = 10.0
# Bytes of first line and headers together.
_MAX_HEAD = 32 * 1024


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection on which no request comes in time; tells the application to stop."""

    _deadline: asyncio.TimerHandle | None = None
    _head_size = 0
    _is_in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before the body."""
        if self._is_in_head:
            self._head_size += len(data)
            if self._deadline is None:
                self._expect_head()
        super().data_received(data)
        if self._is_in_head and self._head_size > _MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The request's headers are too long.")

    def on_headers_complete(self) -> None:
        """Stop the clock; the application has one of its own for the body."""
        self._is_in_head = False
        self._forget()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for the next request."""
        self._is_in_head, self._head_size = True, 0
        self._forget()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give a client that was answered early some time to come to its body's end."""
        if not self._is_in_head:
            self._expect(_REST)
        super().on_response_complete()

    def shutdown(self) -> None:
        """Let streams come to their end."""
        stopping: Any = self.app_state.get("stopping")
        if stopping is not None:
            stopping.set()
        super().shutdown()

    def _expect_head(self) -> None:
        settings: Settings = self.app_state["settings"]
        self._expect(settings.header_seconds)

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
