"""The CA certificates that programs on this machine trust, and those that its reference lacks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import ssl
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

# A bundle of all public CAs takes a quarter of a MiB.
_MAX_BYTES = 1 << 24
# A distribution has some 150 certificates, each in a file of its own.
_MAX_FILES = 5_000
_PEM = re.compile(
    rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----(.*?)-----END (?:TRUSTED )?CERTIFICATE-----",
    re.DOTALL,
)
# OpenSSL looks up certificates in a folder by the hash of their subject.
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_REFERENCES = ("/usr/share/ca-certificates",)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaPlaces:
    """The bundles and folders of a machine's CA store, and those of its reference."""

    bundles: tuple[Path, ...]
    folders: tuple[Path, ...]
    reference_bundles: tuple[Path, ...]
    reference_folders: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaStore:
    """DER certificates by their SHA-256: those trusted, and those of the reference.

    The reference is the list of the distribution's package, and certifi's where it is installed.
    """

    trusted: dict[bytes, bytes]
    reference: dict[bytes, bytes]

    def digest(self) -> bytes:
        """Return the SHA-256 of the trusted certificates' digests in order, in hex, a line each."""
        lines = "".join(f"{digest.hex()}\n" for digest in sorted(self.trusted))
        return hashlib.sha256(lines.encode()).digest()

    def list_extra(self) -> list[str]:
        """Return the subject and digest of each trusted certificate outside the reference."""
        extra = sorted(self.trusted.keys() - self.reference.keys())
        return [f"{_read_subject(self.trusted[digest])} sha256:{digest.hex()}" for digest in extra]


def find_places() -> CaPlaces:
    """Return where OpenSSL, and so Python, looks for CAs on this machine."""
    default = ssl.get_default_verify_paths()
    named = [Path(path) for path in (default.cafile, *_BUNDLES) if path]
    return CaPlaces(
        bundles=tuple(dict.fromkeys(named)),
        folders=(Path(default.capath),) if default.capath else (),
        reference_bundles=tuple(_find_certifi()),
        reference_folders=tuple(map(Path, _REFERENCES)),
    )


def load_store(places: CaPlaces) -> CaStore | None:
    """Read the CA store and its reference; None if the store cannot be read."""
    hashed = (
        path
        for folder in places.folders
        for path in _list(folder, "*")
        if _HASHED_NAME.fullmatch(path.name)
    )
    listed = (path for folder in places.reference_folders for path in _list(folder, "**/*.crt"))
    trusted = dict(_read_all((*places.bundles, *hashed)))
    if not trusted:
        return None
    return CaStore(trusted=trusted, reference=dict(_read_all((*places.reference_bundles, *listed))))


def parse_pem(data: bytes) -> Iterator[bytes]:
    """Yield the DER bytes of each certificate in a PEM file (RFC 7468)."""
    for block in _PEM.findall(data):
        try:
            yield base64.b64decode(b"".join(block.split()), validate=True)
        except binascii.Error:
            continue  # OpenSSL reads none from there, either


def _read_all(paths: Iterable[Path]) -> Iterator[tuple[bytes, bytes]]:
    for path in paths:
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES)
        except OSError:
            continue
        for certificate in parse_pem(data):
            yield hashlib.sha256(certificate).digest(), certificate


def _list(folder: Path, pattern: str) -> Collection[Path]:
    try:
        return sorted(folder.glob(pattern))[:_MAX_FILES]
    except OSError:
        return ()


def _read_subject(certificate: bytes) -> str:
    """Return a certificate's subject as OpenSSL reads it; "?" if it reads none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=certificate)
        read: list[dict[str, Any]] = context.get_ca_certs()
    except (ssl.SSLError, ValueError):
        read = []
    # A name is a sequence of sets of attributes (RFC 5280, section 4.1.2.4).
    attributes = [pair for entry in read[:1] for part in entry["subject"] for pair in part]
    return ", ".join(f"{name}={value}" for name, value in attributes) or "?"


def _find_certifi() -> Iterator[Path]:
    try:
        yield Path(str(distribution("certifi").locate_file("certifi/cacert.pem")))
    except PackageNotFoundError:
        return
