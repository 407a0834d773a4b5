"""HTTP with limits: each response is limited in bytes, time and depth, as it is received.

No redirect is followed and no body is decompressed: a compressed kilobyte can hold a gigabyte, and
a body compressed several times far more than that.  Of the environment only ``ANCHOR_PROXY`` and
``REQUESTS_CA_BUNDLE`` are used: neither the passwords of ``~/.netrc`` nor the proxies that other
programs use.

The caller decides what a failure means; this module never quotes a URL, which may hold keys.
"""

from __future__ import annotations

import os
import re
import threading
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue
from typing import Any

import requests
from urllib3.exceptions import NameResolutionError

from anchor.base.messages.message import Message
from anchor.base.system.file_ownership import find_named_path
from anchor.base.system.http_deadline import Deadline, WatchedAdapter

_CHUNK = 1 << 16
# A block nests four deep.  json recurses in C, and Ethereum libraries raise the recursion limit so
# far that deeply nested brackets would overflow the stack and crash the process.
_MAX_DEPTH = 32
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKETS = b"[]{}"
_NO_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))
_SQUARE = bytes.maketrans(b"{}", b"[]")

# These names bypass any proxy, to which they would mean its own machine.
_HERE = ("127.0.0.1", "localhost", "::1")
_DIRECT = {f"{scheme}://{host}": "" for scheme in ("http", "https") for host in _HERE}

# A longer ``Retry-After`` is cut to an hour: asking once an hour does no harm.
_LONGEST_WAIT = 3_600.0
# Statuses with which a busy server may send Retry-After (RFC 9110, 10.2.3; RFC 6585, 4).
_COME_AGAIN = (429, 503)
_SECONDS = re.compile(r"[0-9]{1,9}")


class BadResponse(Exception):
    """The response is refused: too long, nested too deeply, compressed, or a redirect."""


class BoundedSession(requests.Session):
    """A session that limits every response in bytes and in time.

    It follows no redirect and decompresses nothing.
    """

    def __init__(self, *, timeout: float, max_bytes: int, is_json: bool = True) -> None:
        super().__init__()
        self.trust_env = False
        if proxy := os.environ.get("ANCHOR_PROXY"):
            self.proxies = {"http": proxy, "https": proxy} | _DIRECT
        bundle = find_named_path("REQUESTS_CA_BUNDLE")
        self.verify = True if bundle is None else str(bundle)
        for scheme in ("http://", "https://"):
            self.mount(scheme, WatchedAdapter())
        self.headers["Accept-Encoding"] = "identity"
        self._is_json = is_json
        self._timeout = timeout
        self._max_bytes = max_bytes

    def request(self, *arguments: Any, **named: Any) -> Any:
        """Send a request and read the whole response within the timeout."""
        # requests limits each single wait, not their sum: a server that sends a byte a second would
        # block the caller for hours.  So each exchange has a thread of its own, and shutting down
        # its sockets at the deadline ends whatever it waits for.
        outcome: SimpleQueue[requests.Response | BaseException] = SimpleQueue()
        deadline = Deadline()

        def exchange() -> None:
            try:
                with deadline.watching():
                    outcome.put(self._exchange(*arguments, **named))
            except BaseException as error:  # noqa: BLE001 (raised again by the waiting thread)
                outcome.put(error)

        thread = threading.Thread(target=exchange, daemon=True, name="anchor-http")
        thread.start()
        try:
            result = outcome.get(timeout=self._timeout)
        except Empty:
            deadline.expire()
            raise requests.Timeout("the response took too long") from None
        # The thread is about to end; without the join, the process could exit during its cleanup.
        thread.join()
        if isinstance(result, BaseException):
            raise result
        return result

    def _exchange(self, *arguments: Any, **named: Any) -> requests.Response:
        named |= {"allow_redirects": False, "stream": True, "timeout": self._timeout}
        response = super().request(*arguments, **named)
        with response:
            if response.is_redirect:
                raise BadResponse(Message("http-redirect"))
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise BadResponse(Message("http-compressed"))
            body = bytearray()
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > self._max_bytes:
                    raise BadResponse(Message("http-too-long", limit=self._max_bytes))
        if self._is_json:
            _check_depth(body)
        response._content = bytes(body)
        return response


def format_failure(error: Exception) -> Message:
    """Return why a request failed, without the exception's text, which contains the URL."""
    if isinstance(error, requests.Timeout):
        return Message("http-timed-out")
    if isinstance(error, requests.exceptions.ProxyError):
        return Message("http-proxy-failed")
    if isinstance(error, requests.exceptions.SSLError):
        return Message("http-tls-failed")
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, NameResolutionError):
        return Message("http-host-unknown")
    return Message("http-connection-failed")


def read_retry_after(response: requests.Response | None) -> float | None:
    """Return the seconds in a busy server's ``Retry-After``, an hour at most; None without it.

    A date counts from the response's own ``Date``, not from this machine's clock.
    """
    if response is None or response.status_code not in _COME_AGAIN:
        return None
    asked = response.headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(asked):
        return min(float(asked), _LONGEST_WAIT)
    try:
        retry_at = parsedate_to_datetime(asked)
        answered = parsedate_to_datetime(response.headers.get("Date", ""))
        seconds = (retry_at - answered).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no dates, or one without a time zone
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _check_depth(body: bytes | bytearray) -> None:
    """Refuse a body nested deeper than any valid response, in time linear in its length."""
    brackets = _STRINGS.sub(b"", body).translate(_SQUARE, _NO_BRACKETS)
    for _ in range(_MAX_DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    # A body that closes more brackets than it opened is not JSON; the check ends there.
    if b"[]" in brackets or brackets.endswith(b"[" * (_MAX_DEPTH + 1)):
        raise BadResponse(Message("http-json-too-deep"))
