"""HTTP with bounds: every answer limited in bytes, in time and in depth, as it is sent.

No redirect is followed and nothing is unpacked: a compressed kilobyte can hold a gigabyte, and a
body compressed several times over far more than that.

Who uses it decides what a failure means; nothing here ever quotes a URL, where keys live.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue
from typing import Any

import requests

# Small, because a reader that was given up notices between two of them.
_CHUNK = 1 << 12
# A block nests four deep.  json recurses in C, and eth's libraries raise Python's recursion limit
# so far that a tower of brackets would run out of stack and take the process with it.
_MAX_DEPTH = 32
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_DEPTH_CHANGE = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}

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
        self.headers["Accept-Encoding"] = "identity"
        self._is_json = is_json
        self._timeout = timeout
        self._max_bytes = max_bytes

    def post(self, url: Any, data: Any = None, json: Any = None, **kwargs: Any) -> Any:
        """Send the request and read the whole answer, all within the time."""
        send = super().post
        return self._within_time(lambda bounds: send(url, data=data, json=json, **kwargs | bounds))

    def get(self, url: Any, params: Any = None, **kwargs: Any) -> Any:
        """Ask and read the whole answer, all within the time."""
        send = super().get
        return self._within_time(lambda bounds: send(url, params=params, **kwargs | bounds))

    def _within_time(self, send: Callable[[dict[str, Any]], requests.Response]) -> Any:
        # requests bounds each single wait, not their sum: a server that sends a byte a second
        # would hold us for hours.  So the exchange has a thread of its own, left behind at the
        # deadline; it ends at the next chunk.
        outcome: SimpleQueue[requests.Response | BaseException] = SimpleQueue()
        given_up = threading.Event()

        def exchange() -> None:
            try:
                outcome.put(self._exchange(send, given_up))
            except BaseException as error:  # noqa: BLE001 (raised again by whoever waits)
                outcome.put(error)

        threading.Thread(target=exchange, daemon=True, name="anchor-http").start()
        try:
            result = outcome.get(timeout=self._timeout)
        except Empty:
            given_up.set()
            raise requests.Timeout("the response took too long") from None
        if isinstance(result, BaseException):
            raise result
        return result

    def _exchange(
        self, send: Callable[[dict[str, Any]], requests.Response], given_up: threading.Event
    ) -> requests.Response:
        bounds = {"allow_redirects": False, "stream": True, "timeout": self._timeout}
        response = send(bounds)
        with response:
            if response.is_redirect:
                raise BadResponse("a redirect, which is never followed")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise BadResponse("a compressed body, which was not asked for")
            body = bytearray()
            for chunk in response.iter_content(_CHUNK):
                if given_up.is_set():
                    break  # nobody waits for it any longer
                body += chunk
                if len(body) > self._max_bytes:
                    raise BadResponse(f"more than {self._max_bytes:,} bytes")
        if self._is_json:
            _check_depth(body)
        response._content = bytes(body)
        return response


def describe_failure(error: Exception) -> str:
    """Say why without quoting the exception, whose text holds the URL."""
    if isinstance(error, requests.Timeout):
        return "timed out"
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS failed"
    return "connection refused or cut"


def read_retry_after(response: requests.Response | None) -> float | None:
    """Return the seconds for which a busy server wants to be left alone, an hour at most.

    None where it does not say.  A date counts from the server's own, not from our clock.
    """
    if response is None or response.status_code not in _COME_AGAIN:
        return None
    asked = response.headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(asked):
        return min(float(asked), _LONGEST_WAIT)
    try:
        then = parsedate_to_datetime(asked)
        now = parsedate_to_datetime(response.headers.get("Date", ""))
        seconds = (then - now).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no dates, or one without a time zone
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _check_depth(body: bytes | bytearray) -> None:
    depth = 0
    for token in _TOKENS.finditer(body):
        depth += _DEPTH_CHANGE.get(token[0], 0)
        if depth > _MAX_DEPTH:
            raise BadResponse("JSON that is nested too deeply")
