"""nginx with the shipped configuration, but on free ports and without root; and a certificate."""

from __future__ import annotations

import datetime
import ipaddress
import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.paths import DEPLOY
from support.ports import free_port

HOST = "anchor.example.org"
PUBLISHED = "/srv/anchor-log"


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for ``HOST`` and this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    names: list[x509.GeneralName] = [x509.DNSName(HOST), x509.DNSName("localhost")]
    names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    today = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
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


def _with_bucket(text: str, bucket: str) -> str:
    """Serve tiles as ``nginx-bucket.conf`` does, from ``bucket``: host and port, and a folder."""
    host, _, prefix = bucket.partition("/")
    location = (DEPLOY / "nginx-bucket.conf").read_text("utf-8")
    location = re.sub(r"(set \$anchor_bucket) [^;]+;", rf"\1 {host};", location)
    location = location.replace("https://$anchor_bucket/log", f"http://$anchor_bucket/{prefix}")
    before, _, rest = text.partition('    location ~ "^/tile/')
    return before + location + rest[rest.index("\n    }\n") + 7 :]


def write_nginx(
    folder: Path, port: int, service: int, published: Path, bucket: str | None = None
) -> list[str]:
    """Write a configuration that ends TLS at ``port``; return the arguments for nginx.

    Only ports, paths and where logs go are put in; everything else is as it is shipped.
    ``service`` is the port of the service, ``published`` the folder of the published log, unless it
    is in a ``bucket`` (HOST:PORT/FOLDER).
    """
    certificate, key = make_certificate(folder)
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    if bucket is not None:
        text = _with_bucket(text, bucket)
    text = re.sub(r"^    listen \[::\].*\n", "", text, flags=re.MULTILINE)
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    text = text.replace("/etc/ssl/anchor/fullchain.pem", str(certificate))
    text = text.replace("/etc/ssl/anchor/privkey.pem", str(key))
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{service}")
    text = text.replace(PUBLISHED, str(published))
    text = text.replace("/var/log/nginx", str(folder))
    (folder / "anchor.conf").write_text(text, "utf-8")
    temporary = "".join(
        f"    {name}_temp_path {folder / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder / 'nginx.pid'};\n"
        f"error_log {folder / 'error.log'};\nevents {{}}\nhttp {{\n"
        f"    access_log {folder / 'access.log'};\n{temporary}    include anchor.conf;\n}}\n",
        "utf-8",
    )
    return ["-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "error.log")]
