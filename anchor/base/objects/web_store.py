"""Objects behind HTTP: one GET each, without a list, a password or a netrc file."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote, urljoin

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout, make_headers
from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.util import parse_url

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_store import (
    ListedObject,
    ObjectMissing,
    ObjectStream,
    ObjectUnreadable,
    StoreUnavailable,
    describe_failure,
)
from anchor.base.objects.object_url import ObjectUrl
from anchor.base.system.file_ownership import find_named_path

# urllib3 copies what it reads, which is cheaper while it stays in the processor's cache.
_READ_BYTES = 256 * 1024
# Seconds to connect, and between two reads.
_TIMEOUT = Timeout(connect=10, read=60)
_CONNECTIONS = 64
_REDIRECTS = 30
_GONE = (404, 410)
_DENIED = (401, 403)
_OVERLOADED = (429, 503)


class WebStore:
    """Objects of any web server, whose identity its TLS certificate shows.

    Through urllib3: for a small object, requests takes as much time again.
    """

    def __init__(self) -> None:
        try:
            self._pool = _open_pool()
        except (HTTPError, OSError, ValueError) as error:
            raise UsageError(describe_failure(error)) from None

    def list_objects(self, url: ObjectUrl, after: str | None) -> Iterator[ListedObject]:
        if after is None:
            yield ListedObject(url=url, size=None, revision=None)

    @contextmanager
    def open(self, listed: ListedObject) -> Iterator[ObjectStream]:
        # Compressed bytes would be those of the transfer, not of the object.
        headers = {"Accept-Encoding": "identity"}
        kind, _, tag = (listed.revision or "").partition(":")
        if kind == "etag":
            headers["If-Match"] = tag
        try:
            response = self._request(str(listed.url), headers)
        except (LocationValueError, UnicodeError):
            raise ObjectUnreadable(Message("object-address-impossible")) from None
        except (HTTPError, OSError) as error:
            raise StoreUnavailable(describe_failure(error)) from None
        try:
            _check(response)
            yield ObjectStream(
                stream=cast(BinaryIO, _Body(response)),
                size=_length(response),
                revision=_revision(response),
            )
        finally:
            # Of an answer that was not read to its end, the connection is not used again.
            response.close()

    def _request(self, url: str, headers: dict[str, str]) -> BaseHTTPResponse:
        for _ in range(_REDIRECTS + 1):
            response = self._pool.request(
                "GET", url, headers=headers, timeout=_TIMEOUT, retries=False, redirect=False,
                preload_content=False,
            )  # fmt: skip
            location = response.get_redirect_location()
            if not location:
                return response
            response.close()
            is_private, url = url.lower().startswith("https:"), urljoin(url, location)
            if is_private and not url.lower().startswith("https:"):
                raise ObjectUnreadable(Message("object-redirect-without-tls"))
        raise ObjectUnreadable(Message("object-redirects-too-many"))


def _open_pool() -> PoolManager:
    """Return connections that use neither ``~/.netrc`` nor the proxies of other programs."""
    bundle = find_named_path("REQUESTS_CA_BUNDLE") or Path(DEFAULT_CA_BUNDLE_PATH)
    context = ssl.create_default_context(
        cafile=None if bundle.is_dir() else bundle, capath=bundle if bundle.is_dir() else None
    )
    if proxy := os.environ.get("ANCHOR_PROXY"):
        secret = parse_url(proxy).auth
        headers = make_headers(proxy_basic_auth=unquote(secret)) if secret else None
        return ProxyManager(proxy, maxsize=_CONNECTIONS, proxy_headers=headers, ssl_context=context)
    return PoolManager(maxsize=_CONNECTIONS, ssl_context=context)


class _Body:
    """The body of a response, read as it is sent, with an error if it ends before its length."""

    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response

    def read(self, size: int = -1) -> bytes:
        wanted = _READ_BYTES if size < 0 else min(size, _READ_BYTES)
        try:
            return self._response.read(wanted, decode_content=False)
        except (HTTPError, OSError):
            raise ObjectUnreadable(Message("object-ends-early"), may_pass=True) from None


def _check(response: BaseHTTPResponse) -> None:
    status = response.status
    if status in _GONE:
        raise ObjectMissing(Message("object-gone"))
    if status in _DENIED:
        raise ObjectUnreadable(Message("object-denied"))
    if status == 412:
        raise ObjectUnreadable(Message("object-changed"))
    if status in _OVERLOADED:
        raise StoreUnavailable(Message("object-store-answered", code=status))
    if status != 200:
        raise ObjectUnreadable(
            Message("object-store-answered", code=status), may_pass=status >= 500
        )
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ObjectUnreadable(Message("object-compressed"))


def _length(response: BaseHTTPResponse) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _revision(response: BaseHTTPResponse) -> str | None:
    """Return the entity tag; a weak one does not promise the same bytes (RFC 9110, 8.8.1)."""
    tag = response.headers.get("ETag", "")
    return f"etag:{tag}" if tag.startswith('"') else None
