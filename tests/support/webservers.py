"""The web servers whose configurations are shipped, each in front of a running service."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.nginx import HOST, PUBLISHED, make_certificate, write_nginx
from support.paths import DEPLOY
from support.ports import free_port
from support.tools import check_program


@contextmanager
def web_server(
    kind: str, folder: Path, service: int, published: Path, bucket: str | None = None
) -> Iterator[int]:
    """Run ``nginx`` or ``caddy`` with the shipped configuration; give its TLS port.

    Only ports, paths and where logs go are put in; everything else is as it is shipped.
    ``published`` is the folder of the published log; nginx serves what is in a ``bucket``
    (HOST:PORT/FOLDER) in its place.
    """
    port = free_port()
    if kind == "nginx":
        command = [check_program("nginx"), *write_nginx(folder, port, service, published, bucket)]
    else:
        certificate, key = make_certificate(folder)
        text = (DEPLOY / "Caddyfile").read_text("utf-8")
        text = text.replace(
            "\tgrace_period 20s", "\tadmin off\n\tauto_https off\n\tgrace_period 1s"
        )
        site = f"https://{HOST}:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate} {key}\n"
        text = text.replace(f"{HOST} {{\n", site, 1)
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{service}")
        text = text.replace(PUBLISHED, str(published))
        (folder / "Caddyfile").write_text(text, "utf-8")
        command = [
            check_program("caddy"), "run", "--adapter", "caddyfile", "--config",
            str(folder / "Caddyfile"),
        ]  # fmt: skip
    with (folder / "output.log").open("wb") as log:
        variables = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=variables)
    try:
        _wait_for(port, process, folder)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def open_tls(port: int) -> ssl.SSLSocket:
    """Open a TLS connection for ``HOST``."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    return context.wrap_socket(connection, server_hostname=HOST)


def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, (folder / "output.log").read_text("utf-8")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError((folder / "output.log").read_text("utf-8"))
