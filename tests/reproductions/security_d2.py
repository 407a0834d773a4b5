"""Security D2: a revoked key went on submitting in bulk, and its event stream went on telling.

A bulk submission and an event stream begin; the key is revoked by command; both go on for a while.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from support.projects import make_site
from support.service import bearer, digest, lines, make_key, serve

from anchor.chain.devnet import open_devnet

# Seconds in which running services have to know, as documented, and some for a busy machine.
HEARD = 2.0
SLACK = 3.0
GOES_ON = 20.0


def submit_on(connection: socket.socket, start: float) -> float:
    """Send a line every half second; return the age of the revocation at the last accepted one."""
    last, number, seen = 0.0, 100, b""
    connection.settimeout(0.5)
    while time.monotonic() - start < GOES_ON:
        body = lines(range(number, number + 1))
        number += 1
        try:
            connection.sendall(b"%x\r\n%b\r\n" % (len(body), body))
            part = connection.recv(65_536)
        except TimeoutError:
            continue
        except OSError:
            break
        seen += part
        if b'"accepted"' in part:
            last = time.monotonic() - start
        if not part:
            break
    print("bulk ended with", seen.splitlines()[-2:][0] if seen else b"")
    return last


def follow_on(connection: socket.socket, start: float) -> float:
    """Return the age of the revocation when the stream ended."""
    connection.settimeout(GOES_ON)
    try:
        while connection.recv(65_536):
            pass
    except TimeoutError:
        pass
    except OSError:
        return time.monotonic() - start
    return time.monotonic() - start


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, open_devnet(anvil=None) as node:
        site = make_site(Path(folder) / "project", node, number=962)
        key = make_key(site.folder)
        with serve(site.folder, "--quiet", workers=2) as served:
            value = {"sha256": digest(1)}
            answer = served.http.post("/v1/evidence", json=value, headers=bearer(key))
            place = urlsplit(served.url)
            address = (place.hostname or "", place.port or 0)
            common = f"Host: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
            bulk = socket.create_connection(address, timeout=30)
            bulk.sendall(
                f"POST /v1/bulk HTTP/1.1\r\n{common}Content-Type: application/x-ndjson\r\n"
                "Transfer-Encoding: chunked\r\n\r\n".encode()
            )
            body = lines(range(1))
            bulk.sendall(b"%x\r\n%b\r\n" % (len(body), body))
            bulk.recv(65_536)
            stream = socket.create_connection(address, timeout=30)
            path = f"/v1/evidence/{answer.json()['id']}/events"
            stream.sendall(f"GET {path} HTTP/1.1\r\n{common}\r\n".encode())
            stream.recv(65_536)
            site.run("api-key", "revoke", key.split("_")[1]).expect(0)
            start = time.monotonic()
            submitted = submit_on(bulk, start)
            followed = follow_on(stream, start)
    print(
        f"last line accepted {submitted:.1f} s, stream ended {followed:.1f} s after the revocation"
    )
    return int(submitted > HEARD + SLACK or followed > GOES_ON + HEARD + SLACK)


if __name__ == "__main__":
    sys.exit(main())
