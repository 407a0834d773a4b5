"""``anchor.capture.ordered_capture`` in a staged Internet: names and addresses of a JSON file.

``dns`` is the port of the resolver on the loopback, ``routes`` says which port of the loopback each
public address stands for; every address that the guard connects to is appended to ``reached``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anchor.capture.capture_spool import CaptureOrder
from anchor.capture.name_answers import Resolver
from anchor.capture.ordered_capture import capture_order
from anchor.egress.egress_proxy import Streams


def stage_command(path: Path, *, dns: int, routes: Mapping[str, int]) -> tuple[str, ...]:
    """Write the file of a staged Internet, and return the command of a worker in it."""
    reached = path.with_suffix(".reached")
    reached.touch()
    path.write_text(json.dumps({"dns": dns, "routes": dict(routes), "reached": str(reached)}))
    return (sys.executable, __file__, str(path))


def read_reached(path: Path) -> list[str]:
    """Return the addresses that guards connected to."""
    return path.with_suffix(".reached").read_text().split()


@contextmanager
def stage_internet(
    path: Path, ports: Mapping[str, int], others: Mapping[str, Sequence[str] | Iterator[str]] = {}
) -> Iterator[tuple[str, ...]]:
    """Serve names, each with a public address of its own for a port; yield the worker's command.

    ``others`` are names with addresses of their own choice.
    """
    from support.dns_server import serve_names

    addresses = {name: f"93.184.215.{at}" for at, name in enumerate(ports, 10)}
    routes = {addresses[name]: port for name, port in ports.items()}
    with serve_names({**addresses, **others}) as dns:
        yield stage_command(path, dns=dns, routes=routes)


def main(settings: str, order: str, folder: str) -> None:
    """Capture an order."""
    staged: dict[str, Any] = json.loads(Path(settings).read_text())

    async def connect(address: str, _port: int) -> Streams:
        with Path(staged["reached"]).open("a") as file:
            file.write(f"{address}\n")
        port = staged["routes"].get(address)
        if port is None:
            raise ConnectionRefusedError
        return await asyncio.open_connection("127.0.0.1", port)

    capture_order(
        CaptureOrder.parse(Path(order).read_bytes()),
        Path(folder),
        own=Resolver(address="127.0.0.1", port=staged["dns"], is_own=True),
        connect=connect,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
