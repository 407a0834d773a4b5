"""The web servers whose configurations are shipped, each in front of a running service."""

from __future__ import annotations

import datetime
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.paths import DEPLOY

HOST = "anchor.example.org"
PUBLISHED = "/srv/anchor-log"


def find_program(name: str) -> str:
    """Return the path of a web server; fail where it is not installed."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(
            f"no {name} was found, which the tests of deploy/ need: install it (on Debian: apt "
            f"install {name})"
        )
    return found


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for ``HOST`` and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    today = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "fullchain.pem", folder / "privkey.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def web_server(kind: str, folder: Path, service: int, published: Path) -> Iterator[int]:
    """Run ``nginx`` or ``caddy`` with the shipped configuration; give its TLS port.

    Only ports, paths and where logs go are put in; everything else is as it is shipped.
    ``published`` is the folder of the published log.
    """
    certificate, key = make_certificate(folder)
    port, plain = free_port(), free_port()
    if kind == "nginx":
        text = (DEPLOY / "nginx.conf").read_text("utf-8")
        text = re.sub(r"^    listen \[::\].*\n", "", text, flags=re.MULTILINE)
        text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
        text = text.replace("listen 80;", f"listen 127.0.0.1:{plain};")
        text = text.replace("/etc/ssl/anchor/fullchain.pem", str(certificate))
        text = text.replace("/etc/ssl/anchor/privkey.pem", str(key))
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{service}")
        text = text.replace(PUBLISHED, str(published))
        (folder / "anchor.conf").write_text(text, "utf-8")
        places = "".join(
            f"    {name}_temp_path {folder / name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"daemon off;\nmaster_process off;\npid {folder / 'nginx.pid'};\n"
            f"error_log {folder / 'error.log'};\nevents {{}}\nhttp {{\n"
            f"    access_log {folder / 'access.log'};\n{places}    include anchor.conf;\n}}\n",
            "utf-8",
        )
        command = [find_program("nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    else:
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
            find_program("caddy"), "run", "--adapter", "caddyfile", "--config",
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
