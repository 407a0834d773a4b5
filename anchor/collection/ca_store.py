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
from itertools import islice
from pathlib import Path
from typing import Any

# A bundle of all public CAs takes a quarter of a MiB.
_MAX_BYTES = 1 << 24
# A distribution has some 150 certificates, each in a file of its own.
_MAX_FILES = 5_000
# OpenSSL accepts three names and ignores what follows on the line; a hyphen ends the base64.
_PEM = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^\n]*\n([^-]*)")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
# A SEQUENCE of 256 to 65,535 bytes, as every certificate is.
_DER_START, _DER_HEADER_BYTES = b"\x30\x82", 4
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
    """Read the CA store and its reference; None if the store cannot be read, or is too large."""
    hashed = [
        path
        for folder in places.folders
        for path in _list(folder, "*")
        if _HASHED_NAME.fullmatch(path.name)
    ]
    listed = (path for folder in places.reference_folders for path in _list(folder, "**/*.crt"))
    if len(hashed) > _MAX_FILES:
        return None
    try:
        trusted = dict(_read_all((*places.bundles, *hashed)))
        reference = dict(_read_all((*places.reference_bundles, *listed)))
    except OverflowError:
        return None  # what was not read might be what matters
    return CaStore(trusted=trusted, reference=reference) if trusted else None


def parse_pem(data: bytes) -> Iterator[bytes]:
    """Yield the DER bytes of each certificate in a PEM file (RFC 7468).

    Every certificate that OpenSSL reads is among them; of a malformed file it may read fewer.
    """
    for block in _PEM.findall(data):
        try:
            der = base64.b64decode(_NOT_BASE64.sub(b"", block))
        except binascii.Error:
            continue
        is_usual = der.startswith(_DER_START)
        # What follows in a trusted certificate is OpenSSL's own.
        end = _DER_HEADER_BYTES + int.from_bytes(der[2:4], "big") if is_usual else len(der)
        if der:
            yield der[:end]


def _read_all(paths: Iterable[Path]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the certificates in files by their SHA-256; those that cannot be read are left out."""
    for path in paths:
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except OSError:
            continue
        if len(data) > _MAX_BYTES:
            raise OverflowError(path)
        for certificate in parse_pem(data):
            yield hashlib.sha256(certificate).digest(), certificate


def _list(folder: Path, pattern: str) -> Collection[Path]:
    try:
        return sorted(islice(folder.glob(pattern), _MAX_FILES + 1))
    except OSError:
        return ()


def _read_subject(certificate: bytes) -> str:
    """Return a certificate's subject as OpenSSL reads it; "?" if it reads none."""
    # An error that another use left in this thread's queue of OpenSSL is taken for one of the
    # certificate, and by that removed from the queue.
    read = _read_ca(certificate) or _read_ca(certificate)
    # A name is a sequence of sets of attributes (RFC 5280, section 4.1.2.4).
    attributes = [pair for entry in read[:1] for part in entry["subject"] for pair in part]
    return ", ".join(f"{name}={value}" for name, value in attributes) or "?"


def _read_ca(certificate: bytes) -> list[dict[str, Any]]:
    """Return what OpenSSL reads of a CA's certificate, in a list; none if it reads none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=certificate)
        return context.get_ca_certs()
    except (ssl.SSLError, ValueError):
        return []


def _find_certifi() -> Iterator[Path]:
    try:
        yield Path(str(distribution("certifi").locate_file("certifi/cacert.pem")))
    except PackageNotFoundError:
        return
