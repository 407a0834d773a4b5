"""Objects behind HTTP: one GET each, without a list, a password or a netrc file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import requests
from urllib3.exceptions import HTTPError, ProtocolError

from anchor.messages.message import Message
from anchor.objects.object_store import (
    ListedObject,
    ObjectMissing,
    ObjectStream,
    ObjectUnreadable,
    StoreUnavailable,
    describe_failure,
)
from anchor.objects.object_url import ObjectUrl

# urllib3 copies what it reads, which is cheaper while it stays in the processor's cache.
_READ_BYTES = 256 * 1024
# Seconds to connect, and between two reads.
_TIMEOUT = (10, 60)
_CONNECTIONS = 64
_GONE = (404, 410)
_DENIED = (401, 403)
_OVERLOADED = (429, 503)


class WebStore:
    """Objects of any web server, whose identity its TLS certificate shows."""

    def __init__(self) -> None:
        self._session = requests.Session()
        # Neither ~/.netrc nor the proxies of other programs.
        self._session.trust_env = False
        if proxy := os.environ.get("ANCHOR_PROXY"):
            self._session.proxies = {"http": proxy, "https": proxy}
        if bundle := os.environ.get("REQUESTS_CA_BUNDLE"):
            self._session.verify = bundle
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

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
            with self._session.get(
                str(listed.url), headers=headers, stream=True, timeout=_TIMEOUT
            ) as response:
                _check(response, listed)
                yield ObjectStream(
                    stream=cast(BinaryIO, _Body(response.raw)),
                    size=_length(response),
                    revision=_revision(response),
                )
        except requests.exceptions.InvalidURL:
            raise ObjectUnreadable(Message("object-address-impossible")) from None
        except requests.exceptions.TooManyRedirects:
            raise ObjectUnreadable(Message("object-redirects-too-many")) from None
        except (requests.RequestException, OSError) as error:
            raise StoreUnavailable(describe_failure(error)) from None


class _Body:
    """The body of a response, read as it is sent, with an error if it ends before its length."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def read(self, size: int = -1) -> bytes:
        try:
            return bytes(self._raw.read(min(size, _READ_BYTES), decode_content=False))
        except (ProtocolError, HTTPError, OSError):
            raise ObjectUnreadable(Message("object-ends-early"), may_pass=True) from None


def _check(response: requests.Response, listed: ListedObject) -> None:
    status = response.status_code
    if listed.url.scheme == "https" and not response.url.lower().startswith("https://"):
        raise ObjectUnreadable(Message("object-redirect-without-tls"))
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


def _length(response: requests.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _revision(response: requests.Response) -> str | None:
    """Return the entity tag; a weak one does not promise the same bytes (RFC 9110, 8.8.1)."""
    tag = response.headers.get("ETag", "")
    return f"etag:{tag}" if tag.startswith('"') else None
