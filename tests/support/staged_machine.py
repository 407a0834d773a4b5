"""A machine below a folder: a clean one, whose files a test then stages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from anchor.collection.ca_store import CaPlaces
from anchor.collection.machine import MachinePlaces

HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-loopback # as installed\nff02::1 ip6-allnodes\n"


def make_ca(name: str, *, key_usage: bytes | None = None) -> bytes:
    """A CA's certificate, with a key usage only if one is given, in DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if key_usage is not None:
        odd = x509.UnrecognizedExtension(ExtensionOID.KEY_USAGE, key_usage)
        builder = builder.add_extension(odd, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def make_clean_machine(root: Path) -> MachinePlaces:
    """A clean machine below a folder: a physical one, with two public CAs."""
    files = {
        "etc/hosts": HOSTS,
        "etc/os-release": 'NAME=x\nPRETTY_NAME="Test OS 1"\n',
        "etc/resolv.conf": "search x\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n",
        "proc/cpuinfo": "model name\t: Test CPU\nflags\t\t: fpu sse\n",
        "proc/self/status": "Name:\tx\nTracerPid:\t0\n",
        "proc/1/comm": "init\n",
        "proc/1/cgroup": "0::/\n",
        "proc/22/comm": "python\n",
        "var/lib/dpkg/status": "Package: b\nStatus: install ok installed\nVersion: 2\n"
        "Architecture: all\n\nPackage: a\nStatus: deinstall ok config-files\nVersion: 1\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    public = make_ca("Public A"), make_ca("Public B")
    listed = root / "usr/share/ca-certificates/mozilla"
    listed.mkdir(parents=True)
    for number, certificate in enumerate(public):
        (listed / f"{number}.crt").write_bytes(certificate)
    bundle = root / "etc/ca.crt"
    bundle.write_bytes(b"# comment\n" + b"".join(public))
    ca = CaPlaces(
        bundles=(bundle, root / "missing"),
        folders=(root / "etc",),
        reference_bundles=(),
        reference_folders=(listed.parent,),
    )
    return MachinePlaces(root=root, ca=ca, work=root)
