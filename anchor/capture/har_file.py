"""The exchanges of a capture as HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec/)."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from anchor.base.system.clock import format_unix_time
from anchor.capture.web_exchange import Headers, WebExchange, WebResponse

# Bytes of a body that is repeated here; JSON of larger ones would take much memory.
_MAX_TEXT = 1 << 20


def build_har(
    exchanges: Iterable[WebExchange], *, software: tuple[str, str], browser: tuple[str, str]
) -> dict[str, Any]:
    """Return the log; ``software`` and ``browser`` are pairs of name and version.

    Bodies of up to a mebibyte are in base64; others are in the WARC file.  Sizes on the wire are
    not known and are -1, as HAR has it.
    """
    return {
        "log": {
            "version": "1.2",
            "creator": dict(zip(("name", "version"), software, strict=True)),
            "browser": dict(zip(("name", "version"), browser, strict=True)),
            "entries": [_describe(exchange) for exchange in exchanges],
        }
    }


def _describe(exchange: WebExchange) -> dict[str, Any]:
    milliseconds = round(exchange.seconds * 1000, 3)
    response = exchange.response
    entry: dict[str, Any] = {
        "startedDateTime": format_unix_time(exchange.started_at),
        "time": milliseconds,
        "request": {
            "method": exchange.method,
            "url": exchange.url,
            "httpVersion": _spell_protocol(response),
            "headers": _describe_headers(exchange.headers),
            "queryString": [
                {"name": name, "value": value}
                for name, value in parse_qsl(urlsplit(exchange.url).query, keep_blank_values=True)
            ],
            "cookies": [],
            "headersSize": -1,
            "bodySize": len(exchange.body or b""),
        },
        "response": _describe_response(response),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "_resourceType": exchange.kind,
        "_headersAsSent": exchange.is_as_sent,
    }
    if exchange.body is not None:
        entry["request"]["postData"] = {
            "mimeType": dict(exchange.headers).get("Content-Type", ""),
            "text": exchange.body.decode("utf-8", "replace"),
        }
    if response is not None and response.address:
        entry["serverIPAddress"] = response.address
        entry["connection"] = str(response.port)
    return entry


def _describe_response(response: WebResponse | None) -> dict[str, Any]:
    if response is None:
        response = WebResponse(
            status=0,
            reason="",
            protocol="",
            headers=(),
            address="",
            port=0,
            mime_type="",
            is_secure=False,
            body=None,
        )
    content: dict[str, Any] = {
        "size": len(response.body or b""),
        "mimeType": response.mime_type,
    }
    if response.body is not None and len(response.body) > _MAX_TEXT:
        content["comment"] = "the body is in the WARC file"
    elif response.body is not None:
        content |= {"text": base64.b64encode(response.body).decode(), "encoding": "base64"}
    location = {name.lower(): value for name, value in response.headers}.get("location", "")
    return {
        "status": response.status,
        "statusText": response.reason,
        "httpVersion": _spell_protocol(response),
        "headers": _describe_headers(response.headers),
        "cookies": [],
        "content": content,
        "redirectURL": location,
        "headersSize": -1,
        "bodySize": -1,
    }


def _spell_protocol(response: WebResponse | None) -> str:
    return "" if response is None else response.protocol


def _describe_headers(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]
