"""A page that tries to reach the inside of a network in every way that a browser knows."""

from __future__ import annotations

import html
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Canary:
    """Ports of the loopback where nothing is to arrive; ``met`` is what did."""

    tcp: int
    udp: int
    met: list[str] = field(default_factory=list)

    def urls(self) -> list[str]:
        """Return addresses of the TCP port."""
        hosts = ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "a.localhost")
        return [f"http://{host}:{self.tcp}/canary" for host in hosts]


@contextmanager
def watch_loopback() -> Iterator[Canary]:
    """Listen on two ports."""
    stream = socket.create_server(("127.0.0.1", 0))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 0))
    canary = Canary(stream.getsockname()[1], datagrams.getsockname()[1])

    def accept() -> None:
        while True:
            try:
                connection, _ = stream.accept()
            except OSError:
                return
            canary.met.append("tcp")
            connection.close()

    def receive() -> None:
        while True:
            try:
                if not datagrams.recv(2_048):
                    return
            except OSError:
                return
            canary.met.append("udp")

    threads = [threading.Thread(target=each, daemon=True) for each in (accept, receive)]
    for thread in threads:
        thread.start()
    try:
        yield canary
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", canary.udp))
        stream.shutdown(socket.SHUT_RDWR)
        stream.close()
        for thread in threads:
            thread.join(10)
        datagrams.close()


def make_page(urls: Sequence[str], canary: Canary, redirects: Sequence[str]) -> str:
    """Return a page that embeds, fetches and links the URLs, and asks a STUN server."""
    tags = []
    for url in [*urls, *canary.urls(), *redirects]:
        quoted = html.escape(url)
        tags += [
            f'<img src="{quoted}">',
            f'<script src="{quoted}"></script>',
            f'<link rel=preconnect href="{quoted}"><link rel=dns-prefetch href="{quoted}">',
            f'<a href="{quoted}">x</a>',
        ]
    frames = "".join(f'<iframe src="{html.escape(each)}"></iframe>' for each in redirects)
    return f"""<!doctype html><title>Hostile</title><p id=said>waiting</p>{"".join(tags)}{frames}
<script>
const urls = {json.dumps([*urls, *canary.urls(), *redirects])};
const ask = (url) => fetch(url, {{mode: 'no-cors'}}).then(() => 1, () => 0);
Promise.all(urls.map(ask)).then((done) => {{
  said.textContent = 'fetched ' + done.reduce((a, b) => a + b, 0) + ' of ' + done.length;
}});
new WebSocket('ws://127.0.0.1:{canary.tcp}/ws');
const peer = new RTCPeerConnection({{iceServers: [{{urls: 'stun:127.0.0.1:{canary.udp}'}}]}});
peer.createDataChannel('x');
peer.createOffer().then((offer) => peer.setLocalDescription(offer));
navigator.sendBeacon('http://127.0.0.1:{canary.tcp}/beacon', 'x');
</script>"""
