"""JSON-RPC over HTTP: the only module that imports web3.

web3's provider carries the requests; what would surprise an operator is switched off: it retries
nothing by itself (resending is the transaction manager's decision), follows no redirect and no
CCIP-Read, reads at most ``MAX_RESPONSE_BYTES``, and no message it produces holds the URL, where
API keys live.  Of an answer it takes only what JSON-RPC 2.0 allows: one object with the request's
id, either a result or an error, no member twice.
"""

from __future__ import annotations

import json
import logging
import math
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from web3 import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from anchor.chain.node_errors import Refusal, classify_refusal
from anchor.errors import NodeFaultError, NodeRefusedError, NodeUnreachableError
from anchor.system.http import BadResponse, BoundedSession, format_failure, read_retry_after
from anchor.system.urls import redact_url

# A block with full bodies stays below this; a node that sends more is broken or hostile.
MAX_RESPONSE_BYTES = 16 << 20
DEFAULT_TIMEOUT = 20.0
"""Seconds for one whole request and response."""

# A node that let a request time out is left alone for so many seconds, doubled each time up to the
# longest: thousands of questions would wait the whole time each, one after the other.
_FIRST_REST = 10.0
_LONGEST_REST = 300.0

# A node's own error text is quoted in ours; this keeps a hostile one from flooding a terminal.
_MAX_REASON = 300
# Shorter parts of a URL ("v3", "eth") are words, not keys.
_SHORTEST_SECRET = 6


class _HideSecrets(logging.Filter):
    """Takes the secrets of every URL out of what web3 and urllib3 log at DEBUG."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        for secret in sorted(self.secrets, key=len, reverse=True):
            message = message.replace(secret, "(hidden)")
        record.msg, record.args = message, ()
        return True


_hidden_in_logs = _HideSecrets()
for _name in ("web3.providers.HTTPProvider", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_hidden_in_logs)


class _Refused(ValueError):
    """JSON that readers read differently."""


class _Provider(HTTPProvider):
    """web3's provider, reading strictly; ``asked`` is the id of its last request."""

    asked: int

    def encode_rpc_request(self, method: RPCEndpoint, params: Any) -> bytes:
        request = super().encode_rpc_request(method, params)
        self.asked = json.loads(request)["id"]
        return request

    @staticmethod
    def decode_rpc_response(raw_response: bytes) -> RPCResponse:
        response: RPCResponse = json.loads(
            raw_response.decode("utf-8"),
            object_pairs_hook=_unique_members,
            parse_constant=_refuse_constant,
        )
        return response


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refused("a member twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise _Refused(f"the number {name}")


class Rpc:
    """One node, asked over HTTP.

    A node that says with 429 or 503 when to come again (``Retry-After``) is asked nothing until
    then; one that lets a request time out is asked nothing for a while, longer each time.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to ask the node at ``url``; nothing is sent yet.

        Raises:
            ConfigError: not an http(s) URL.
        """
        self.name = redact_url(url)
        self._secrets = _find_secrets(url)
        _hidden_in_logs.secrets.update(self._secrets)
        self._session = BoundedSession(timeout=timeout, max_bytes=MAX_RESPONSE_BYTES)
        self._provider = _Provider(url, session=self._session, exception_retry_configuration=None)
        self._monotonic = monotonic
        self._quiet_until = -math.inf
        self._has_timed_out = False
        self._next_rest = _FIRST_REST

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Send one request and return its ``result`` member, undecoded.

        Raises:
            NodeUnreachableError: no answer, an HTTP error, or a quota that is used up; or it was
                not asked, because it wants to be left alone or let the last request time out.
            NodeRefusedError: a JSON-RPC error object.
            NodeFaultError: anything that is not a JSON-RPC response.
        """
        rest = self._quiet_until - self._monotonic()
        if rest > 0 and self._has_timed_out:
            raise NodeUnreachableError(
                f"the node {self.name} is left alone for a while, as the last request timed out",
                retry_after=rest,
            )
        if rest > 0:
            raise NodeUnreachableError(
                f"the node {self.name} is left alone for a while, as it asked", retry_after=rest
            )
        try:
            response = self._provider.make_request(RPCEndpoint(method), list(params))
        except BadResponse as error:
            raise NodeFaultError(f"the node {self.name} answered {method} with {error}") from None
        except requests.HTTPError as error:
            raise self._http_error(method, error.response) from None
        except (requests.RequestException, OSError) as error:
            raise NodeUnreachableError(
                f"the node {self.name} cannot be reached ({format_failure(error)})",
                hint="start the node, or point --rpc (or the configuration) at one that runs",
                retry_after=self._rest(error),
            ) from None
        except _Refused as error:
            raise NodeFaultError(
                f"the node {self.name} answered {method} with JSON that holds {error}"
            ) from None
        except (ValueError, TypeError, RecursionError):
            raise NodeFaultError(f"the node {self.name} answered {method} with no JSON") from None
        self._next_rest = _FIRST_REST
        return self._result(method, response)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _rest(self, error: Exception) -> float | None:
        """Leave alone a node that let us wait; return for how long."""
        if not isinstance(error, requests.Timeout):
            return None  # it costs nothing to ask again
        rest = self._next_rest
        self._next_rest = min(2 * rest, _LONGEST_REST)
        self._leave_alone(rest, has_timed_out=True)
        return rest

    def _leave_alone(self, seconds: float, *, has_timed_out: bool) -> None:
        self._quiet_until = self._monotonic() + seconds
        self._has_timed_out = has_timed_out

    def _http_error(self, method: str, response: requests.Response | None) -> NodeUnreachableError:
        status = "unknown" if response is None else response.status_code
        message = f"the node {self.name} answered {method} with HTTP status {status}"
        asked = read_retry_after(response)
        if not asked:
            return NodeUnreachableError(message)
        self._leave_alone(asked, has_timed_out=False)
        return NodeUnreachableError(
            message, hint=f"it asks to be left alone for {asked:.0f} seconds", retry_after=asked
        )

    def _result(self, method: str, response: object) -> Any:
        if not isinstance(response, dict) or ("result" in response) == ("error" in response):
            raise NodeFaultError(
                f"the node {self.name} answered {method} with neither or both of result and error"
            )
        # An error may come from somebody who could not read the request, and so not its id.
        answered = response.get("id")
        is_ours = type(answered) is int and answered == self._provider.asked
        if not is_ours and not (answered is None and "error" in response):
            raise NodeFaultError(
                f"the node {self.name} answered {method} with the answer to another request"
            )
        if "result" in response:
            return response["result"]
        error = response["error"]
        if not isinstance(error, dict) or type(error.get("code")) is not int:
            raise NodeFaultError(f"the node {self.name} answered {method} with a malformed error")
        reason = str(error.get("message", ""))
        for secret in self._secrets:  # a node may quote the request in its answer
            reason = reason.replace(secret, "(hidden)")
        reason = _printable(reason)
        if classify_refusal(reason) is Refusal.RATE_LIMITED:  # HTTP status 429 in other words
            raise NodeUnreachableError(f"the node {self.name} answers no {method} now: {reason}")
        data = error.get("data")
        if isinstance(data, dict):
            data = data.get("data")  # hardhat puts a revert's bytes one level deeper
        raise NodeRefusedError(
            f"the node {self.name} refused {method}: {reason}",
            code=error["code"],
            reason=reason,
            data=data if isinstance(data, str) else None,
        )


def _find_secrets(url: str) -> list[str]:
    """Return the parts of a URL that may be keys, the longest first."""
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    basic = b64encode(f"{user}:{password}".encode()).decode()
    found = {user, password, parts.query, basic, *parts.path.split("/")}
    found |= {value for _, value in parse_qsl(parts.query)}
    return sorted((part for part in found if len(part) >= _SHORTEST_SECRET), key=len, reverse=True)


def _printable(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)[1:-1][:_MAX_REASON]
