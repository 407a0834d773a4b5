"""A TCP proxy before a server, which counts requests and can be cut like a cable."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class CuttingProxy:
    """Forwards to ``target``, a port of this machine; ``requests`` counts HTTP's GETs."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self.port = 0
        self.requests = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run for the duration of the block."""
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        )
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            yield
        finally:
            self.cut()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    def cut(self) -> None:
        """Drop every connection, also new ones."""
        self._is_cut = True
        self._loop.call_soon_threadsafe(self._drop)

    def mend(self) -> None:
        """Forward again."""
        self._is_cut = False

    def _drop(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        with suppress(OSError):
            below, above = await asyncio.open_connection("127.0.0.1", self._target)
            self._open |= {writer, above}
            try:
                await asyncio.gather(
                    self._forward(reader, above, is_asking=True), self._forward(below, writer)
                )
            finally:
                self._open -= {writer, above}
                above.close()
                writer.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_asking: bool = False
    ) -> None:
        try:
            while data := await reader.read(1 << 16):
                if is_asking:
                    self.requests += data.count(b"GET /")
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
