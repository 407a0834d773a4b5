"""Clients of eight kinds that hold on to a service: slow, silent, endless, gone.

Each kind comes from a loopback address of its own, so that what one is refused none other is.  As a
program:  python crowd.py HOST PORT KEY CLIENTS SECONDS.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import sys
from collections.abc import Awaitable, Callable

_BULK = "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
_JSON = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
_PAUSE = 1.0


class Client:
    """One connection, and the key that some kinds show."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str
    ) -> None:
        self.reader, self.writer, self.key = reader, writer, key

    async def send(self, data: str) -> None:
        """Send and wait until the kernel has it."""
        self.writer.write(data.encode())
        await self.writer.drain()

    async def drip(self, data: str) -> None:
        """Send a byte a second, for ever."""
        for letter in itertools.cycle(data):
            await self.send(letter)
            await asyncio.sleep(_PAUSE)

    async def pour(self, data: str) -> None:
        """Send without end."""
        while not self.reader.at_eof():
            await self.send(data)
            await asyncio.sleep(0)


async def say_nothing(client: Client) -> None:
    """Connect, and wait to be closed."""
    await client.reader.read()


async def drip_head(client: Client) -> None:
    """Send a request's head a byte a second."""
    await client.send("GET /log HTTP/1.1\r\nHost: x\r\n")
    await client.drip("X-Header: value\r\n")


async def drip_body(client: Client) -> None:
    """Send a submission's body a byte a second."""
    await client.send(f"POST /v1/evidence HTTP/1.1\r\nHost: x\r\n{client.key}{_JSON}")
    await client.drip("1\r\n \r\n")


async def read_nothing(client: Client) -> None:
    """Ask for pages and read none."""
    await client.send("GET /verify.html HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
    await asyncio.sleep(3_600)


async def pour_trailers(client: Client) -> None:
    """Send trailers without end."""
    await client.send(f"POST /nope HTTP/1.1\r\nHost: x\r\n{_JSON}0\r\n")
    await client.pour("a: b\r\n" * 100)


async def pour_head(client: Client) -> None:
    """Send headers without end."""
    await client.send("GET / HTTP/1.1\r\nHost: x\r\n")
    await client.pour("X-Header: value\r\n" * 100)


async def hold_bulk(client: Client) -> None:
    """Begin a bulk submission and send nothing more of it."""
    await client.send(f"POST /v1/bulk HTTP/1.1\r\nHost: x\r\n{client.key}{_BULK}1\r\n{{\r\n")
    await client.reader.read()


async def go(client: Client) -> None:
    """Ask, and be gone with a reset."""
    await client.send("GET /log HTTP/1.1\r\nHost: x\r\n\r\n")
    client.writer.transport.abort()


KINDS: tuple[Callable[[Client], Awaitable[None]], ...] = (
    say_nothing, drip_head, drip_body, read_nothing, pour_trailers, pour_head, hold_bulk, go,
)  # fmt: skip


async def _be(number: int, host: str, port: int, key: str) -> None:
    kind = KINDS[number % len(KINDS)]
    source = f"127.0.5.{1 + number % len(KINDS)}"
    while True:
        await asyncio.sleep(_PAUSE * (0.5 + random.random()))
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(
                host, port, local_addr=(source, 0), limit=4_096
            )
            try:
                with contextlib.suppress(OSError):
                    await kind(Client(reader, writer, f"Authorization: Bearer {key}\r\n"))
            finally:
                writer.transport.abort()


async def main(host: str, port: int, key: str, clients: int, seconds: float) -> None:
    """Hold on to the service with so many clients for so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(_be(number, host, port, key) for number in range(clients)))


if __name__ == "__main__":
    asyncio.run(
        main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
    )
