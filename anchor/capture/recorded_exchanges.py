"""The exchanges of a page as the recording proxy wrote them down."""

from __future__ import annotations

import base64
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from anchor.base.messages.message import Message
from anchor.capture.recording_proxy import ProxyFlow
from anchor.capture.web_exchange import Headers, Uncaptured, WebExchange, WebResponse
from anchor.collection.machine_environment import clean_text

# The names that Chromium gives them, too.
_PROTOCOLS = {"HTTP/1.0": "http/1.0", "HTTP/1.1": "http/1.1", "HTTP/2.0": "h2", "HTTP/3": "h3"}
TrustsChain = Callable[[Sequence[bytes], str, float], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedExchanges:
    """The exchanges in the order in which they began, and what the proxy did not keep.

    ``chains`` are the certificates (DER) that each origin presented to the proxy.  ``others`` are
    the URLs of the browser's own requests, such as for updates, which are no part of the page.
    """

    exchanges: tuple[WebExchange, ...]
    uncaptured: tuple[Uncaptured, ...]
    chains: dict[str, tuple[bytes, ...]]
    others: tuple[str, ...]


def build_exchanges(
    flows: Iterable[ProxyFlow],
    seen: Iterable[WebExchange],
    *,
    max_bytes: int,
    trusts: TrustsChain | None,
) -> RecordedExchanges:
    """Build them; ``seen`` are the browser's own, which say what each is for the page.

    ``trusts`` judges chains that the proxy accepted unseen; None if it verified them itself.
    """
    kinds: defaultdict[tuple[str, str], deque[str]] = defaultdict(deque)
    sites = set()
    for exchange in seen:
        sites.add(urlsplit(exchange.url).hostname)
        kinds[exchange.method, _cut(exchange.url)].append(exchange.kind)
    exchanges: list[WebExchange] = []
    uncaptured: dict[str, Uncaptured] = {}
    chains: dict[str, tuple[bytes, ...]] = {}
    others: dict[str, None] = {}
    secure: dict[tuple[tuple[bytes, ...], str], bool] = {}
    for flow in flows:
        if urlsplit(flow.url).hostname not in sites and flow.members["kind"] != "unreachable":
            others[clean_text(flow.url)] = None
            continue
        reason = _explain(flow, max_bytes)
        if reason is not None:
            subject = clean_text(flow.url)
            uncaptured.setdefault(subject, Uncaptured(subject=subject, reason=reason))
        if not flow.is_response:
            continue
        members = flow.members
        chain = tuple(map(base64.b64decode, members["certificates"]))
        parts = urlsplit(flow.url)
        if chain:
            chains.setdefault(f"{parts.scheme}://{parts.netloc}", chain)
        judged = (chain, parts.hostname or "")
        if judged not in secure:
            is_accepted = trusts is None or trusts(*judged, members["started_at"])
            secure[judged] = bool(chain) and is_accepted
        named = kinds[members["method"], flow.url]
        exchanges.append(_build(flow, named.popleft() if named else "Other", secure[judged]))
    return RecordedExchanges(
        exchanges=tuple(sorted(exchanges, key=lambda each: each.started_at)),
        uncaptured=tuple(uncaptured.values()),
        chains=chains,
        others=tuple(others),
    )


def _explain(flow: ProxyFlow, max_bytes: int) -> Message | None:
    members = flow.members
    if members["kind"] == "unreachable":
        return None  # the browser's own events name what it wanted there
    if not members.get("is_whole", True):
        return Message("capture-missing-too-large", size=members["size"], limit=max_bytes)
    if members["error"] is not None:
        return Message("capture-missing-failed", reason=clean_text(str(members["error"])))
    return None


def _build(flow: ProxyFlow, kind: str, is_secure: bool) -> WebExchange:
    members = flow.members
    headers = _read_fields(members["headers"])
    content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
    sent = base64.b64decode(members["request_body"])
    return WebExchange(
        url=flow.url,
        method=members["method"],
        kind=kind,
        started_at=members["started_at"],
        seconds=max(0.0, members["ended_at"] - members["started_at"]),
        headers=_read_fields(members["request_headers"]),
        is_as_sent=True,
        body=sent or None,
        response=WebResponse(
            status=members["status"],
            reason=members["reason"],
            protocol=_PROTOCOLS.get(members["protocol"], members["protocol"]),
            headers=headers,
            address=members["address"],
            port=members["port"],
            mime_type=content_type.partition(";")[0].strip().lower(),
            is_secure=is_secure,
            body=flow.body,
        ),
    )


def _read_fields(fields: Iterable[Any]) -> Headers:
    return tuple((str(name), str(value)) for name, value in fields)


def _cut(url: str) -> str:
    return url.partition("#")[0]
