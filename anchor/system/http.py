"""HTTP with bounds: every answer limited in bytes, in time and in depth, as it is sent.

No redirect is followed and nothing is unpacked: a compressed kilobyte can hold a gigabyte, and a
body compressed several times over far more than that.  Of the environment nothing is taken but
``ANCHOR_PROXY`` and ``REQUESTS_CA_BUNDLE``: neither the passwords of ``~/.netrc`` nor the proxies
that other programs use.

Who uses it decides what a failure means; nothing here ever quotes a URL, where keys live.
"""

from __future__ import annotations

import os
import re
import threading
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue
from typing import Any

import requests

from anchor.system.http_deadline import Deadline, WatchedAdapter

_CHUNK = 1 << 16
# A block nests four deep.  json recurses in C, and eth's libraries raise Python's recursion limit
# so far that a tower of brackets would run out of stack and take the process with it.
_MAX_DEPTH = 32
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKETS = b"[]{}"
_NO_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))
_SQUARE = bytes.maketrans(b"{}", b"[]")

# What runs on this machine is never asked through a proxy, which would ask its own.
_HERE = ("127.0.0.1", "localhost", "::1")
_DIRECT = {f"{scheme}://{host}": "" for scheme in ("http", "https") for host in _HERE}

# Whoever asks for more is asked again after an hour all the same: it does no harm.
_LONGEST_WAIT = 3_600.0
# The statuses with which a server may say when to come again (RFC 9110, 10.2.3; RFC 6585, 4).
_COME_AGAIN = (429, 503)
_SECONDS = re.compile(r"[0-9]{1,9}")


class BadResponse(Exception):
    """The response is not read: too long, nested too deeply, compressed, or a redirect."""


class BoundedSession(requests.Session):
    """A session that bounds every response in bytes and in time.

    It follows no redirect and unpacks nothing.
    """

    def __init__(self, *, timeout: float, max_bytes: int, is_json: bool = True) -> None:
        super().__init__()
        self.trust_env = False
        if proxy := os.environ.get("ANCHOR_PROXY"):
            self.proxies = {"http": proxy, "https": proxy} | _DIRECT
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        for scheme in ("http://", "https://"):
            self.mount(scheme, WatchedAdapter())
        self.headers["Accept-Encoding"] = "identity"
        self._is_json = is_json
        self._timeout = timeout
        self._max_bytes = max_bytes

    def request(self, *arguments: Any, **named: Any) -> Any:
        """Send a request and read the whole answer, all within the time."""
        # requests bounds each single wait, not their sum: a server that sends a byte a second
        # would hold us for hours.  So the exchange has a thread of its own, whose sockets are shut
        # down at the deadline, whatever they wait for: that ends it.
        outcome: SimpleQueue[requests.Response | BaseException] = SimpleQueue()
        deadline = Deadline()

        def exchange() -> None:
            try:
                with deadline.watching():
                    outcome.put(self._exchange(*arguments, **named))
            except BaseException as error:  # noqa: BLE001 (raised again by whoever waits)
                outcome.put(error)

        thread = threading.Thread(target=exchange, daemon=True, name="anchor-http")
        thread.start()
        try:
            result = outcome.get(timeout=self._timeout)
        except Empty:
            deadline.expire()
            raise requests.Timeout("the response took too long") from None
        # It is at its end; what it lets go of must not be let go while the process ends.
        thread.join()
        if isinstance(result, BaseException):
            raise result
        return result

    def _exchange(self, *arguments: Any, **named: Any) -> requests.Response:
        named |= {"allow_redirects": False, "stream": True, "timeout": self._timeout}
        response = super().request(*arguments, **named)
        with response:
            if response.is_redirect:
                raise BadResponse("a redirect, which is never followed")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise BadResponse("a compressed body, which was not asked for")
            body = bytearray()
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > self._max_bytes:
                    raise BadResponse(f"more than {self._max_bytes:,} bytes")
        if self._is_json:
            _check_depth(body)
        response._content = bytes(body)
        return response


def format_failure(error: Exception) -> str:
    """Return why a request failed, without the exception's text, which holds the URL."""
    if isinstance(error, requests.Timeout):
        return "timed out"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy that ANCHOR_PROXY names did not connect"
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS failed"
    return "connection refused or cut"


def read_retry_after(response: requests.Response | None) -> float | None:
    """Return the seconds in a busy server's ``Retry-After``, an hour at most; None without it.

    A date counts from the response's own ``Date``, not from our clock.
    """
    if response is None or response.status_code not in _COME_AGAIN:
        return None
    asked = response.headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(asked):
        return min(float(asked), _LONGEST_WAIT)
    try:
        then = parsedate_to_datetime(asked)
        answered = parsedate_to_datetime(response.headers.get("Date", ""))
        seconds = (then - answered).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no dates, or one without a time zone
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _check_depth(body: bytes | bytearray) -> None:
    """Refuse what nests deeper than any answer does, in a time that only its length decides."""
    left = _STRINGS.sub(b"", body).translate(_SQUARE, _NO_BRACKETS)
    for _ in range(_MAX_DEPTH):
        if not left:
            return
        left = left.replace(b"[]", b"")
    # What closes more than it opened is no JSON, and is read no further than there.
    if b"[]" in left or left.endswith(b"[" * (_MAX_DEPTH + 1)):
        raise BadResponse("JSON that is nested too deeply")
