"""JSON-RPC over HTTP: the only module that imports web3.

web3's provider carries the requests; what would surprise an operator is switched off: it retries
nothing by itself (resending is the transaction manager's decision), follows no redirect and no
CCIP-Read, reads at most ``MAX_RESPONSE_BYTES``, and no message it produces holds the URL, where
API keys live.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from web3 import HTTPProvider
from web3.types import RPCEndpoint

from anchor.errors import ConfigError, NodeFaultError, NodeRefusedError, NodeUnreachableError

# A block with full bodies stays below this; a node that sends more is broken or hostile.
MAX_RESPONSE_BYTES = 16 << 20
DEFAULT_TIMEOUT = 20.0
"""Seconds for one whole request and response."""

_CHUNK = 1 << 16
# A node's own error text is quoted in ours; this keeps a hostile one from flooding a terminal.
_MAX_REASON = 300


class Rpc:
    """One node, asked over HTTP."""

    def __init__(self, url: str, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Prepare to ask the node at ``url``; nothing is sent yet.

        Raises:
            ConfigError: not an http(s) URL.
        """
        self.name = describe_url(url)
        self._session = _BoundedSession(timeout)
        self._provider = HTTPProvider(
            url, session=self._session, exception_retry_configuration=None
        )

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Send one request and return its ``result`` member, undecoded.

        Raises:
            NodeUnreachableError: no answer, or an HTTP error.
            NodeRefusedError: a JSON-RPC error object.
            NodeFaultError: anything that is not a JSON-RPC response.
        """
        try:
            response = self._provider.make_request(RPCEndpoint(method), list(params))
        except _BadResponse as error:
            raise NodeFaultError(f"the node {self.name} answered {method} with {error}") from None
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else "unknown"
            raise NodeUnreachableError(
                f"the node {self.name} answered {method} with HTTP status {status}"
            ) from None
        except (requests.RequestException, OSError) as error:
            raise NodeUnreachableError(
                f"the node {self.name} cannot be reached ({_reason(error)})",
                hint="start the node, or point --rpc (or the configuration) at one that runs",
            ) from None
        except (ValueError, TypeError, RecursionError):
            raise NodeFaultError(f"the node {self.name} answered {method} with no JSON") from None
        return self._result(method, response)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _result(self, method: str, response: object) -> Any:
        if not isinstance(response, dict) or ("result" in response) == ("error" in response):
            raise NodeFaultError(
                f"the node {self.name} answered {method} with neither or both of result and error"
            )
        if "result" in response:
            return response["result"]
        error = response["error"]
        if not isinstance(error, dict) or not isinstance(error.get("code"), int):
            raise NodeFaultError(f"the node {self.name} answered {method} with a malformed error")
        reason = _printable(str(error.get("message", "")))
        data = error.get("data")
        raise NodeRefusedError(
            f"the node {self.name} refused {method}: {reason}",
            code=error["code"],
            reason=reason,
            data=data if isinstance(data, str) else None,
        )


def describe_url(url: str) -> str:
    """Return the part of an RPC URL that is safe to show: scheme, host and port.

    Raises:
        ConfigError: not an http(s) URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError("the RPC URL is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "the RPC URL must start with http:// or https://",
            hint="for a local node: http://127.0.0.1:8545",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


class _BadResponse(Exception):
    """The response cannot be read: too long, too slow, or a redirect."""


class _BoundedSession(requests.Session):
    """A session that bounds every response in bytes and in time, and follows no redirect."""

    def __init__(self, timeout: float) -> None:
        super().__init__()
        self._timeout = timeout

    def post(self, url: Any, data: Any = None, json: Any = None, **kwargs: Any) -> Any:
        """Send the request and read the whole body within the bounds."""
        deadline = time.monotonic() + self._timeout
        kwargs.update(allow_redirects=False, stream=True, timeout=self._timeout)
        response = super().post(url, data=data, json=json, **kwargs)
        with response:
            if response.is_redirect:
                raise _BadResponse("a redirect, which is never followed")
            body = bytearray()
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > MAX_RESPONSE_BYTES:
                    raise _BadResponse(f"more than {MAX_RESPONSE_BYTES:,} bytes")
                if time.monotonic() > deadline:
                    raise requests.Timeout("the response took too long")
        response._content = bytes(body)
        return response


def _reason(error: Exception) -> str:
    """Say why without quoting the exception, whose text holds the URL."""
    if isinstance(error, requests.Timeout):
        return "timed out"
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS failed"
    return "connection refused or cut"


def _printable(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)[1:-1][:_MAX_REASON]
