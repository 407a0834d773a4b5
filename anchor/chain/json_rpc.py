"""JSON-RPC over HTTP: the only module that imports web3.

web3's provider carries the requests, without the features that would surprise an operator: it does
not retry (resending is the transaction manager's decision), follows no redirect and no CCIP-Read,
and reads at most ``MAX_RESPONSE_BYTES``; no message contains the URL, which may hold API keys.
An answer is accepted only as JSON-RPC 2.0 defines it: one object with the request's id, with either
a result or an error, and no member twice.
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

from anchor.base.errors import NodeFaultError, NodeRefusedError, NodeUnreachableError
from anchor.base.messages.message import Message
from anchor.base.system.http import BadResponse, BoundedSession, format_failure, read_retry_after
from anchor.base.system.urls import redact_url
from anchor.chain.node_errors import Refusal, classify_refusal

# A block with full transactions stays below this; a node that sends more is broken or hostile.
MAX_RESPONSE_BYTES = 16 << 20
DEFAULT_TIMEOUT = 20.0
"""Seconds for one whole request and response."""

# Seconds for which a node is not asked after a request timed out, doubled each time up to the
# longest: otherwise each of thousands of requests would wait for the whole timeout in turn.
_FIRST_REST = 10.0
_LONGEST_REST = 300.0

# A node's error text is quoted in ours; this keeps a hostile node from flooding a terminal.
_MAX_REASON = 300
# Shorter parts of a URL ("v3", "eth") are words, not keys.
_SHORTEST_SECRET = 6


class _HideSecrets(logging.Filter):
    """A log filter that hides the secrets of every URL in the DEBUG records of web3 and urllib3."""

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
    """Raised for JSON that parsers interpret differently."""


class _Provider(HTTPProvider):
    """web3's provider with a strict JSON parser; ``asked`` is the id of its last request."""

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
        raise _Refused(Message("json-member-twice"))
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise _Refused(Message("json-number-invalid", name=name))


class Rpc:
    """A JSON-RPC connection to one node over HTTP.

    After a 429 or 503 with ``Retry-After`` the node is not asked again before that time; after a
    request that timed out it is not asked for a while, longer each time.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to ask the node at ``url``; nothing is sent yet."""
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
            NodeUnreachableError: The node did not answer, answered with an HTTP error, or its quota
                is used up; or the request was not sent because of ``Retry-After`` or a timeout.
        """
        rest = self._quiet_until - self._monotonic()
        if rest > 0 and self._has_timed_out:
            raise NodeUnreachableError(
                Message("node-resting-after-timeout", name=self.name),
                retry_after=rest,
            )
        if rest > 0:
            raise NodeUnreachableError(
                Message("node-resting-as-asked", name=self.name), retry_after=rest
            )
        try:
            response = self._provider.make_request(RPCEndpoint(method), list(params))
        except BadResponse as error:
            raise NodeFaultError(
                Message("node-answer-refused", name=self.name, method=method, reason=error)
            ) from None
        except requests.HTTPError as error:
            raise self._http_error(method, error.response) from None
        except (requests.RequestException, OSError) as error:
            raise NodeUnreachableError(
                Message("node-unreachable", name=self.name, reason=format_failure(error)),
                hint=Message("node-unreachable-hint"),
                retry_after=self._rest(error),
            ) from None
        except _Refused as error:
            raise NodeFaultError(
                Message("node-answer-json-ambiguous", name=self.name, method=method, reason=error)
            ) from None
        except (ValueError, TypeError, RecursionError):
            raise NodeFaultError(
                Message("node-answer-not-json", name=self.name, method=method)
            ) from None
        self._next_rest = _FIRST_REST
        return self._result(method, response)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _rest(self, error: Exception) -> float | None:
        """After a timeout, stop asking the node for a while; return the seconds, or None."""
        if not isinstance(error, requests.Timeout):
            return None  # other failures are quick: asking again costs nothing
        rest = self._next_rest
        self._next_rest = min(2 * rest, _LONGEST_REST)
        self._leave_alone(rest, has_timed_out=True)
        return rest

    def _leave_alone(self, seconds: float, *, has_timed_out: bool) -> None:
        self._quiet_until = self._monotonic() + seconds
        self._has_timed_out = has_timed_out

    def _http_error(self, method: str, response: requests.Response | None) -> NodeUnreachableError:
        status = Message("http-status-unknown") if response is None else response.status_code
        message = Message("node-http-status", name=self.name, method=method, status=status)
        asked = read_retry_after(response)
        if not asked:
            return NodeUnreachableError(message)
        self._leave_alone(asked, has_timed_out=False)
        return NodeUnreachableError(
            message, hint=Message("node-resting-as-asked-hint", seconds=asked), retry_after=asked
        )

    def _result(self, method: str, response: object) -> Any:
        if not isinstance(response, dict) or ("result" in response) == ("error" in response):
            raise NodeFaultError(Message("node-answer-result-error", name=self.name, method=method))
        # A server that could not parse the request does not know its id, and answers with null.
        answered = response.get("id")
        is_ours = type(answered) is int and answered == self._provider.asked
        if not is_ours and not (answered is None and "error" in response):
            raise NodeFaultError(
                Message("node-answer-of-other-request", name=self.name, method=method)
            )
        if "result" in response:
            return response["result"]
        error = response["error"]
        if not isinstance(error, dict) or type(error.get("code")) is not int:
            raise NodeFaultError(
                Message("node-answer-error-malformed", name=self.name, method=method)
            )
        reason = str(error.get("message", ""))
        for secret in self._secrets:  # a node may quote the request in its answer
            reason = reason.replace(secret, "(hidden)")
        reason = _printable(reason)
        if classify_refusal(reason) is Refusal.RATE_LIMITED:  # the same as HTTP status 429
            raise NodeUnreachableError(
                Message("node-answers-not-now", name=self.name, method=method, reason=reason)
            )
        data = error.get("data")
        if isinstance(data, dict):
            data = data.get("data")  # hardhat puts a revert's bytes one level deeper
        raise NodeRefusedError(
            Message("node-refused-request", name=self.name, method=method, reason=reason),
            code=error["code"],
            reason=reason,
            data=data if isinstance(data, str) else None,
        )


def _find_secrets(url: str) -> list[str]:
    """Return the parts of a URL that may be secrets, the longest first."""
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    basic = b64encode(f"{user}:{password}".encode()).decode()
    secrets = {user, password, parts.query, basic, *parts.path.split("/")}
    secrets |= {value for _, value in parse_qsl(parts.query)}
    return sorted(
        (part for part in secrets if len(part) >= _SHORTEST_SECRET), key=len, reverse=True
    )


def _printable(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)[1:-1][:_MAX_REASON]
