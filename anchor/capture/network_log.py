"""The network events of the Chrome DevTools Protocol, put together as exchanges.

https://chromedevtools.github.io/devtools-protocol/tot/Network/ is the source of every event.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from anchor.base.messages.message import Message
from anchor.capture.web_exchange import Headers, Uncaptured, WebExchange, WebResponse

EVENTS = (
    "requestWillBeSent",
    "requestWillBeSentExtraInfo",
    "responseReceived",
    "responseReceivedExtraInfo",
    "dataReceived",
    "loadingFinished",
    "loadingFailed",
    "webSocketCreated",
    "webTransportCreated",
)
"""The events of the domain ``Network`` that are read."""

BODY_REASONS = frozenset(
    {
        "capture-missing-body",
        "capture-missing-large-body",
        "capture-missing-recoded",
        "capture-missing-too-large",
    }
)
"""Reasons that are about the browser's copy of a body, not about the response."""

MAX_BODY_BYTES = 16 << 20
"""The largest body that is read from the browser.

It comes in one message, of which playwright's driver holds fifteen times the size in memory.
"""

_CAPTURED_SCHEMES = ("http:", "https:")
_REDIRECTS = (301, 302, 303, 307, 308)
# Responses without a body (RFC 9110, section 6.4.1).
_BODILESS = (204, 205, 304)


@dataclass(slots=True, kw_only=True)
class _Hop:
    request: Mapping[str, Any]
    kind: str
    wall: float
    began: float
    ended: float | None = None
    response: Mapping[str, Any] | None = None
    has_extra: bool = False
    failure: str | None = None
    received: int = 0
    body: bytes | None = None
    problem: Message | None = None

    @property
    def has_body(self) -> bool:
        """Return whether the response can have a body."""
        status = 0 if self.response is None else self.response["status"]
        return status not in (*_REDIRECTS, *_BODILESS) and self.request["method"].upper() != "HEAD"


@dataclass(slots=True, kw_only=True)
class _Request:
    """The hops of one request id, and what was reported of each on the wire, in their order."""

    hops: list[_Hop] = field(default_factory=list)
    sent: list[Mapping[str, Any]] = field(default_factory=list)
    received: list[Mapping[str, Any]] = field(default_factory=list)


class NetworkLog:
    """Everything that a page requested; events of the same request may come in any order."""

    def __init__(self, *, most_bytes: int) -> None:
        """Collect bodies of at most ``most_bytes`` together."""
        self._requests: dict[str, _Request] = {}
        self._order: list[tuple[str, _Hop]] = []
        self._streams: list[Uncaptured] = []
        self._left = self._most = most_bytes
        self.active = 0

    def take(self, event: str, params: Mapping[str, Any]) -> None:
        """Take one event of ``EVENTS``."""
        match event:
            case "requestWillBeSent":
                self._begin(params)
            case "requestWillBeSentExtraInfo":
                self._request(params).sent.append(params)
            case "responseReceivedExtraInfo":
                self._request(params).received.append(params)
            case "webSocketCreated" | "webTransportCreated":
                kind = "WebSocket" if event == "webSocketCreated" else "WebTransport"
                reason = Message("capture-missing-stream", kind=kind)
                self._streams.append(Uncaptured(subject=str(params["url"]), reason=reason))
            case _:
                self._continue(event, params)

    def _request(self, params: Mapping[str, Any]) -> _Request:
        return self._requests.setdefault(params["requestId"], _Request())

    def _begin(self, params: Mapping[str, Any]) -> None:
        request = self._request(params)
        if "redirectResponse" in params and request.hops:
            last = request.hops[-1]
            last.response, last.ended = params["redirectResponse"], params["timestamp"]
            last.has_extra = bool(params.get("redirectHasExtraInfo"))
        if not params["request"]["url"].startswith(_CAPTURED_SCHEMES):
            return
        hop = _Hop(
            request=params["request"],
            kind=params.get("type", "Other"),
            wall=params["wallTime"],
            began=params["timestamp"],
        )
        request.hops.append(hop)
        self._order.append((params["requestId"], hop))

    def _continue(self, event: str, params: Mapping[str, Any]) -> None:
        hops = self._request(params).hops
        if not hops:
            return
        hop = hops[-1]
        match event:
            case "responseReceived":
                hop.response, hop.has_extra = params["response"], bool(params.get("hasExtraInfo"))
                hop.kind = params.get("type", hop.kind)
            case "dataReceived":
                hop.received += params["dataLength"]
            case "loadingFinished":
                hop.ended = params["timestamp"]
            case "loadingFailed":
                hop.ended = params["timestamp"]
                hop.failure = params.get("blockedReason") or params["errorText"]

    @property
    def unended(self) -> int:
        """Return the number of requests that have neither ended nor failed."""
        return sum(hop.ended is None for _, hop in self._order)

    def list_due(self) -> Iterator[str]:
        """Yield the ids of requests whose bodies can be read from the browser now.

        A body that is longer than ``MAX_BODY_BYTES``, or than what is left of the limit, is not.
        """
        for request_id, hop in self._order:
            is_ended = hop.ended is not None and hop.failure is None and hop.response is not None
            if not is_ended or hop.body is not None or hop.problem is not None:
                continue
            if not hop.has_body:
                hop.body = b""
            elif hop.received > self._left:
                hop.problem = Message(
                    "capture-missing-too-large", size=hop.received, limit=self._most
                )
            elif hop.received > MAX_BODY_BYTES:
                hop.problem = Message(
                    "capture-missing-large-body", size=hop.received, limit=MAX_BODY_BYTES
                )
            else:
                yield request_id

    def set_body(self, request_id: str, answer: Mapping[str, Any]) -> None:
        """Set a body from the answer to ``Network.getResponseBody``."""
        hop = self._requests[request_id].hops[-1]
        text = answer["body"]
        hop.body = base64.b64decode(text) if answer["base64Encoded"] else text.encode("utf-8")
        self._left -= len(hop.body)
        if hop.received and len(hop.body) != hop.received:
            hop.problem = Message(
                "capture-missing-recoded", size=hop.received, actual=len(hop.body)
            )

    def set_problem(self, request_id: str, reason: str) -> None:
        """Record that the browser does not give a body any more."""
        hop = self._requests[request_id].hops[-1]
        hop.problem = Message("capture-missing-body", reason=reason)

    def list_exchanges(self) -> tuple[WebExchange, ...]:
        """Return every exchange in the order in which the requests began."""
        wire = {id(hop): pair for each in self._requests.values() for hop, pair in _pair(each)}
        return tuple(_build(hop, *wire[id(hop)]) for _, hop in self._order)

    def list_uncaptured(self) -> tuple[Uncaptured, ...]:
        """Return the requests without a whole response, and why."""
        missing = [
            Uncaptured(subject=hop.request["url"], reason=reason)
            for _, hop in self._order
            if (reason := _explain(hop)) is not None
        ]
        return (*missing, *self._streams)


def _explain(hop: _Hop) -> Message | None:
    if hop.failure is not None:
        return Message("capture-missing-failed", reason=hop.failure)
    if hop.ended is None and hop.kind == "EventSource":
        return Message("capture-missing-stream", kind="EventSource")
    if hop.ended is None:
        return Message("capture-missing-unended")
    return hop.problem


def _pair(
    request: _Request,
) -> Iterator[tuple[_Hop, tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]]:
    """Yield each hop with the headers of its request and response on the wire."""
    sent, received = iter(request.sent), iter(request.received)
    for hop in request.hops:
        # A request without an answer may have been sent all the same.
        may_have = hop.has_extra or hop.response is None
        yield hop, (next(sent, None), next(received, None)) if may_have else (None, None)


def _build(
    hop: _Hop, sent: Mapping[str, Any] | None, received: Mapping[str, Any] | None
) -> WebExchange:
    request = hop.request
    posted = request.get("postData")
    return WebExchange(
        url=request["url"] + request.get("urlFragment", ""),
        method=request["method"],
        kind=hop.kind,
        started_at=hop.wall,
        seconds=0.0 if hop.ended is None else max(0.0, hop.ended - hop.began),
        headers=_list_headers(request["headers"] if sent is None else sent["headers"]),
        is_as_sent=sent is not None,
        body=None if posted is None else posted.encode("utf-8", "surrogatepass"),
        response=None if hop.response is None else _build_response(hop, hop.response, received),
    )


def _build_response(
    hop: _Hop, response: Mapping[str, Any], received: Mapping[str, Any] | None
) -> WebResponse:
    # What the browser reports of an answer from its own cache is not what this server sent.
    status = response["status"] if received is None else received["statusCode"]
    text = None if received is None else received.get("headersText")
    headers = response["headers"] if received is None else received["headers"]
    return WebResponse(
        status=status,
        reason=response.get("statusText", ""),
        protocol=response.get("protocol", "http/1.1"),
        headers=_parse_headers(text) if text else _list_headers(headers),
        address=response.get("remoteIPAddress", "").strip("[]"),
        port=response.get("remotePort", 0),
        mime_type=response["mimeType"],
        is_secure=response.get("securityState") == "secure",
        body=hop.body if hop.has_body else b"",
    )


def _list_headers(headers: Mapping[str, str]) -> Headers:
    """Return the fields of an object; a repeated field's values are on lines of their own."""
    return tuple(
        (name, value)
        for name, lines in headers.items()
        if not name.startswith(":")  # HTTP/2's own
        for value in lines.split("\n")
    )


def _parse_headers(text: str) -> Headers:
    """Return the fields of the header section as it was received (HTTP/1)."""
    lines = text.replace("\r\n", "\n").split("\n")[1:]
    pairs = (line.partition(":") for line in lines if ":" in line)
    return tuple((name.strip(), value.strip()) for name, _, value in pairs)
