"""Security D3: trailers of a chunked body became headers, and took memory without bound.

A real worker gets 64 MiB of trailers, and a submission whose key comes in its trailers.
"""

from __future__ import annotations

import socket
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from support.projects import make_site
from support.service import digest, make_key, serve

from anchor.chain.devnet import open_devnet

SENT = 64 << 20
HEAD = (
    b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def measure(pid: int) -> int:
    """Return the highest resident size (MiB) of a process's children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    sizes = []
    for child in children:
        status = Path(f"/proc/{child}/status").read_text()
        sizes += [int(line.split()[1]) >> 10 for line in status.splitlines() if "VmHWM" in line]
    return max(sizes)


def flood(address: tuple[str, int], path: bytes, piece: bytes) -> int:
    """Send trailers until the connection breaks or all are sent; return how many bytes went."""
    sent = 0
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(HEAD % path + b"0\r\n")
        try:
            while sent < SENT:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
    return sent


def submit_by_trailer(address: tuple[str, int], key: str) -> bytes:
    """Return the status line of a submission that names its key in a trailer."""
    body = b'{"sha256":"%b"}' % digest(1).encode()
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(HEAD % b"/v1/evidence" + b"%x\r\n%b\r\n0\r\n" % (len(body), body))
        connection.sendall(f"Authorization: Bearer {key}\r\n\r\n".encode())
        return connection.recv(65_536).partition(b"\r\n")[0]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, open_devnet(anvil=None) as node:
        site = make_site(Path(folder) / "project", node, number=963)
        key = make_key(site.folder)
        with serve(site.folder, "--quiet", workers=1) as served:
            place = urlsplit(served.url)
            address = (place.hostname or "", place.port or 0)
            assert served.http.get("/healthz").is_success
            before = measure(served.running.process.pid)
            sent = [flood(address, b"/nope", b"a: " + b"x" * 61 + b"\r\n")]
            sent.append(flood(address, b"/login", b"a: b\r\n" * 1_000))
            grown = measure(served.running.process.pid) - before
            status = submit_by_trailer(address, key)
    print(f"bytes sent before the close: {sent}; worker grew by {grown} MiB; {status!r}")
    return int(max(sent) >= SENT or grown > 32 or not status.startswith(b"HTTP/1.1 401"))


if __name__ == "__main__":
    sys.exit(main())
