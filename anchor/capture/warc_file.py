"""The exchanges of a capture as WARC 1.1 (ISO 28500:2017), with an index of its responses."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any
from urllib.parse import urlsplit

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from anchor.capture.web_exchange import Headers, WebExchange, WebResponse

# What no longer describes the body, whose codings the browser has removed.
_CODINGS = ("content-encoding", "transfer-encoding", "content-length")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarcEntry:
    """Where a response is in the WARC file: offset and length in bytes, compressed."""

    url: str
    started_at: float
    status: int
    mime_type: str
    digest: str
    offset: int
    length: int


def write_warc(
    file: IO[bytes],
    exchanges: Iterable[WebExchange],
    info: Mapping[str, str],
    *,
    name: str,
    as_sent: bool = False,
) -> list[WarcEntry]:
    """Write the exchanges that have a response, and return the index of the responses.

    ``as_sent``: bodies have the content codings, and headers the bytes, that servers sent.
    """
    writer = WARCWriter(file, gzip=True, warc_version="1.1")
    writer.write_record(writer.create_warcinfo_record(name, dict(info)))
    entries = []
    for exchange in exchanges:
        if exchange.response is None:
            continue
        offset = file.tell()
        digest = _write_exchange(writer, exchange, exchange.response, as_sent=as_sent)
        entries.append(
            WarcEntry(
                url=exchange.url,
                started_at=exchange.started_at,
                status=exchange.response.status,
                mime_type=exchange.response.mime_type or "application/octet-stream",
                digest=digest[0],
                offset=offset,
                length=digest[1] - offset,
            )
        )
    return entries


def _write_exchange(
    writer: WARCWriter, exchange: WebExchange, response: WebResponse, *, as_sent: bool
) -> tuple[str, int]:
    """Write response and request; return the response's payload digest and end."""
    members = {"WARC-Date": _format_date(exchange.started_at)}
    if response.protocol:
        members["WARC-Protocol"] = response.protocol
    if response.address:
        members["WARC-IP-Address"] = response.address
    if response.body is None:
        members["WARC-Truncated"] = "unspecified"
    body = response.body or b""
    status = f"{response.status} {response.reason}".rstrip()
    record = writer.create_warc_record(
        exchange.url,
        "response",
        payload=io.BytesIO(body),
        length=len(body),
        http_headers=_keep_bytes(
            StatusAndHeaders(status, _describe_sent(response.headers), protocol="HTTP/1.1")
        )
        if as_sent
        else StatusAndHeaders(
            status, _describe_body(response.headers, len(body)), protocol="HTTP/1.1"
        ),
        warc_headers_dict=members,
    )
    writer.write_record(record)
    end = writer.out.tell()
    sent = exchange.body or b""
    parts = urlsplit(exchange.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = writer.create_warc_record(
        exchange.url,
        "request",
        payload=io.BytesIO(sent),
        length=len(sent),
        http_headers=StatusAndHeaders(
            f"{exchange.method} {target} HTTP/1.1",
            _fold(exchange.headers),
            is_http_request=True,
        ),
        warc_headers_dict={
            "WARC-Date": members["WARC-Date"],
            "WARC-Concurrent-To": record.rec_headers.get_header("WARC-Record-ID"),
        },
    )
    writer.write_record(request)
    return record.rec_headers.get_header("WARC-Payload-Digest"), end


def _keep_bytes(headers: Any) -> Any:
    """Write fields with a byte for each character; warcio would percent-encode some."""

    def compute(_: object = None) -> None:
        headers.headers_buff = headers.to_bytes(None, "latin-1")

    headers.compute_headers_buffer = compute
    return headers


def _describe_sent(headers: Headers) -> list[tuple[str, str]]:
    """Return a response's fields for a body without its transfer coding, which is renamed."""
    return [
        (f"x-orig-{name.lower()}" if name.lower() == "transfer-encoding" else name, value)
        for name, value in _fold(headers)
    ]


def _describe_body(headers: Headers, length: int) -> list[tuple[str, str]]:
    """Return a response's fields for a body without codings; the original ones are renamed."""
    kept = [
        (f"x-orig-{name.lower()}" if name.lower() in _CODINGS else name, value)
        for name, value in _fold(headers)
    ]
    return [*kept, ("Content-Length", str(length))]


def _fold(headers: Headers) -> list[tuple[str, str]]:
    """Return fields without line ends, which would end them early."""
    return [(name, " ".join(value.splitlines())) for name, value in headers]


def encode_index(entries: Iterable[WarcEntry], *, name: str) -> bytes:
    """Return the index of a WARC file as CDXJ (https://specs.webrecorder.net/cdxj/0.1.0/)."""
    lines = [
        " ".join(
            (
                _build_key(entry.url),
                f"{datetime.fromtimestamp(entry.started_at, UTC):%Y%m%d%H%M%S}",
                json.dumps(
                    {
                        "url": entry.url,
                        "mime": entry.mime_type,
                        "status": str(entry.status),
                        "digest": entry.digest,
                        "length": str(entry.length),
                        "offset": str(entry.offset),
                        "filename": name,
                    }
                ),
            )
        )
        for entry in entries
    ]
    return "".join(f"{line}\n" for line in sorted(lines)).encode()


def _build_key(url: str) -> str:
    """Return a URL with its host's labels reversed (SURT), so that a site's entries adjoin."""
    parts = urlsplit(url.lower())
    host = ",".join(reversed((parts.hostname or "").split(".")))
    port = "" if parts.port in (None, 80, 443) else f":{parts.port}"
    query = f"?{'&'.join(sorted(parts.query.split('&')))}" if parts.query else ""
    return f"{host}{port}){parts.path or '/'}{query}"


def _format_date(seconds: float) -> str:
    """Return a time as WARC 1.1 has it, to the microsecond."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
