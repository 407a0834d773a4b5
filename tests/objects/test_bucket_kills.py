"""A publisher that is killed at each request that it sends to a bucket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from support.bucket_publications import make_bucket
from support.command import Forked, environment
from support.projects import make_site
from support.publications import grow
from support.s3_server import S3Server, make_environment

from anchor.chain.devnet import Devnet
from anchor.log.checkpoint import open_checkpoint
from anchor.log.publication import CHECKPOINT

pytestmark = pytest.mark.release


@dataclass
class Proxy:
    """A way to a server of objects, on which something may happen around each PUT."""

    upstream: str
    around: Callable[[Callable[[], None]], None] = lambda forward: forward()
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def run_proxy(s3: S3Server) -> Iterator[tuple[Proxy, int]]:
    proxy = Proxy(f"http://127.0.0.1:{s3.port}")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._forward()

        def do_PUT(self) -> None:
            with proxy.lock:
                proxy.around(self._forward)

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name: value for name, value in self.headers.items() if name != "Expect"}
            with requests.Session() as session:
                session.trust_env = False
                answer = session.request(
                    self.command, proxy.upstream + self.path, data=body, headers=headers
                )
            try:
                self.send_response(answer.status_code)
                for name in ("ETag", "Content-Type"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)
            except OSError:
                self.close_connection = True  # it was killed meanwhile

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None: ...  # whom it served was killed

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield proxy, server.server_port
        finally:
            server.shutdown()


def export_killed_at(number: int, proxy: Proxy, port: int, folder: Path, url: str) -> bool:
    """Publish, and kill the process at its ``number``-th PUT; return whether that came about.

    The store does not get that request if the number is odd.
    """
    puts = 0
    variables = environment(**make_environment(port))
    with Forked(["export-log", url], folder, variables) as process:

        def count(forward: Callable[[], None]) -> None:
            nonlocal puts
            puts += 1
            if puts != number or number % 2 == 0:
                forward()
            if puts == number:
                process.kill()

        proxy.around = count
        return process.wait(120) != 0


@pytest.mark.fault(
    "A22",
    how="the publishing process is killed at each PUT in turn, before the store gets it or after",
    then="the checkpoint's log is whole each time, and the last run completes it",
)
def test_a_publisher_that_is_killed_at_each_write_is_continued(
    s3: S3Server, tmp_path: Path, own_anvil: Devnet
) -> None:
    site = make_site(tmp_path / "project", own_anvil, number=3)
    bucket = make_bucket(s3)

    def check() -> int:
        site.run("audit", bucket.url, "--accept-unpinned", "--rpc", site.url).expect(0, "VERIFIED")
        return open_checkpoint(bucket.files()[CHECKPOINT], None).head.size

    def grow_finally(count: int) -> None:
        grow(site, count)
        site.run("run", "--once", "--wait", "final").expect(0)

    grow_finally(3)
    site.run("export-log", bucket.url).expect(0)
    grow_finally(297)
    sizes = [check()]
    with run_proxy(s3) as (proxy, port):
        # Each run has less to write than the one before: the test of the conditions stays.
        for number in range(1, 12):
            if not export_killed_at(number, proxy, port, site.folder, bucket.url):
                break
            sizes.append(check())
    assert len(sizes) > 5
    assert sizes == sorted(sizes)
    site.run("export-log", bucket.url).expect(0)
    assert check() == 300
