"""Web captures as other programs make them: WARC by warcio, WACZ by its specification."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

SOFTWARE = "sample writer 1.0"
PAGE = b"<html><title>Front</title><p>Hello</html>"
STYLE = b"p { color: red }"
HTML = (("Content-Type", "text/html"), ("Content-Length", str(len(PAGE))))
CSS = (("Content-Type", "text/css"), ("Content-Length", str(len(STYLE))))

Resource = tuple[str, bytes]


def write_warc(
    add: Callable[[WARCWriter], None] | None = None, *, gzip: bool = True, version: str = "1.1"
) -> bytes:
    """Return a WARC file with two exchanges, and what ``add`` writes behind them."""
    file = io.BytesIO()
    writer = WARCWriter(file, gzip=gzip, warc_version=version)
    writer.write_record(writer.create_warcinfo_record("sample.warc.gz", {"software": SOFTWARE}))
    add_response(writer, "https://example.org/", PAGE, HTML, second=4)
    add_response(writer, "https://example.org/style.css", STYLE, CSS, second=5)
    if add is not None:
        add(writer)
    return file.getvalue()


def add_response(
    writer: WARCWriter,
    url: str,
    body: bytes,
    headers: tuple[tuple[str, str], ...] = (),
    *,
    second: int = 6,
    fields: Mapping[str, str] | None = None,
    kind: str = "response",
) -> None:
    """Write a response; ``fields`` replace those that warcio would compute."""
    record = writer.create_warc_record(
        url,
        kind,
        payload=io.BytesIO(body),
        length=len(body),
        http_headers=StatusAndHeaders("200 OK", list(headers), protocol="HTTP/1.1")
        if kind == "response"
        else None,
        warc_headers_dict={"WARC-Date": f"2026-01-02T03:04:0{second}Z"},
    )
    record.payload_length = len(body)
    writer.ensure_digest(record)
    for name, value in (fields or {}).items():
        record.rec_headers.replace_header(name, value)
    writer.write_record(record)


def index_warc(warc: bytes, name: str = "sample.warc.gz") -> bytes:
    """Return the index of a WARC file's responses, by the offsets that warcio reads."""
    lines = []
    records = ArchiveIterator(io.BytesIO(warc))
    for record in records:
        url = record.rec_headers.get_header("WARC-Target-URI")
        offset, length = records.get_record_offset(), records.get_record_length()
        if record.rec_type == "response":
            members = {"url": url, "offset": str(offset), "length": str(length), "filename": name}
            lines.append(f"{url} 20260102030404 {json.dumps(members)}\n")
    return "".join(sorted(lines)).encode()


def list_resources(warc: bytes) -> list[Resource]:
    """Return the files of a WACZ file."""
    pages = [
        {"format": "json-pages-1.0", "id": "pages", "title": "Pages"},
        {"id": "1", "url": "https://example.org/", "ts": "2026-01-02T03:04:03Z"},
    ]
    return [
        ("archive/sample.warc.gz", warc),
        ("indexes/index.cdx", index_warc(warc)),
        ("pages/pages.jsonl", "".join(json.dumps(page) + "\n" for page in pages).encode()),
    ]


def describe_package(resources: list[Resource]) -> dict[str, Any]:
    """Return ``datapackage.json``."""
    return {
        "profile": "data-package",
        "wacz_version": "1.1.1",
        "software": "sample packer 2.0",
        "created": "2026-01-02T03:05:00Z",
        "resources": [
            {
                "name": name.rpartition("/")[2],
                "path": name,
                "hash": f"sha256:{hashlib.sha256(data).hexdigest()}",
                "bytes": len(data),
            }
            for name, data in resources
        ],
    }


def pack_wacz(
    resources: list[Resource],
    *,
    package: Mapping[str, Any] | None = None,
    sign: Callable[[str], dict[str, Any]] | None = None,
    digest: Mapping[str, Any] | None = None,
    deflate: bool = False,
) -> bytes:
    """Return a WACZ file; ``sign`` returns the signed data for the digest of its package."""
    described = json.dumps(package or describe_package(resources), indent=1).encode()
    stated = f"sha256:{hashlib.sha256(described).hexdigest()}"
    signed = {} if sign is None else {"signedData": sign(stated)}
    members = {"path": "datapackage.json", "hash": stated, **signed, **(digest or {})}
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in [
            *resources,
            ("datapackage.json", described),
            ("datapackage-digest.json", json.dumps(members).encode()),
        ]:
            entry = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 4))
            entry.compress_type = method
            archive.writestr(entry, data)
    return file.getvalue()


def sign_anonymously(
    key: ec.EllipticCurvePrivateKey, algorithm: hashes.HashAlgorithm, *, is_raw: bool
) -> Callable[[str], dict[str, Any]]:
    """Return what signs by a public key in the file, in DER or as browsers write signatures."""

    def sign(stated: str) -> dict[str, Any]:
        signature = key.sign(stated.encode(), ec.ECDSA(algorithm))
        if is_raw:
            size = (key.curve.key_size + 7) // 8
            signature = b"".join(n.to_bytes(size, "big") for n in decode_dss_signature(signature))
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {
            "hash": stated,
            "created": "2026-01-02T03:05:00Z",
            "software": "sample signer",
            "version": "0.1.0",
            "signature": base64.b64encode(signature).decode(),
            "publicKey": base64.b64encode(public).decode(),
        }

    return sign
