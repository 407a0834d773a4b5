"""A cluster that speaks TLS only, with certificates by path, takes only those who have one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.command import run_anchor
from support.nodes import wait_until
from support.ports import free_port

from anchor.base.digests import digest_bytes
from anchor.objects.object_hashing import ObjectRow
from anchor.objects.object_manifest import encode_rows

pytestmark = pytest.mark.release


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(b"evidence")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate that is its own authority; return it and its key."""
    folder.mkdir()
    certificate, key = folder / "cert.pem", folder / "key.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    command = ("openssl", "req", "-x509", *curve, "-subj", "/CN=dask", "-keyout", key)
    subprocess.run([*command, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def name_files(certificate: Path, key: Path) -> dict[str, str]:
    """Return the environment that the page about clusters names."""
    names = {"CA_FILE": certificate}
    for role in ("CLIENT", "SCHEDULER", "WORKER"):
        names |= {f"{role}__CERT": certificate, f"{role}__KEY": key}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(path) for name, path in names.items()}


@contextmanager
def run_cluster(folder: Path, certificate: Path, key: Path) -> Iterator[str]:
    files = ("--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key)
    address = f"tls://127.0.0.1:{free_port()}"
    log = folder / "cluster.log"
    with log.open("wb") as output:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "dask", *words, "--no-dashboard", *files],
                stdout=output,
                stderr=output,
                cwd=folder,
            )
            for words in (
                ("scheduler", "--host", address),
                ("worker", address, "--nthreads", "1", "--no-nanny", "--death-timeout", "60"),
            )
        ]
    try:
        wait_until(lambda: "Registered to" in log.read_text("utf-8"), 60)
        yield address
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_only_who_has_a_certificate_takes_part(address: str, tmp_path: Path) -> None:
    digests = digest_bytes(b"evidence", ("sha256",))
    rows = [
        ObjectRow(url=f"{address}/{number}", revision=None, size=8, digests=digests, error=None)
        for number in range(9)
    ]
    (tmp_path / "made.parquet").write_bytes(encode_rows(rows))
    ours = make_certificate(tmp_path / "ours")
    theirs = make_certificate(tmp_path / "theirs")
    with run_cluster(tmp_path, *ours) as scheduler:
        words = ("audit", address, "--manifest", "made.parquet", "--executor", f"dask:{scheduler}")
        trusted = run_anchor(*words, cwd=tmp_path, env=name_files(*ours))
        trusted.expect(0, "9 objects are as in the manifests")
        run_anchor(*words, cwd=tmp_path, env=name_files(*theirs)).refused(20, "cannot be reached")
        for env in ({}, name_files(tmp_path / "none", tmp_path / "none")):
            run_anchor(*words, cwd=tmp_path, env=env).refused(2, "certificates")
