"""The events of Chrome's protocol become exchanges, whatever their order."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from anchor.capture.network_log import BODY_REASONS, MAX_BODY_BYTES, NetworkLog

URL = "https://example.test/"


def sent(identity: str = "1", url: str = URL, at: float = 1.0, **more: Any) -> dict[str, Any]:
    request = {"url": url, "method": "GET", "headers": {"Accept": "*/*"}, **more.pop("request", {})}
    return {
        "requestId": identity, "request": request, "timestamp": at, "wallTime": 1_000 + at,
        "type": "Document", **more,
    }  # fmt: skip


def received(identity: str = "1", status: int = 200, **more: Any) -> dict[str, Any]:
    return {
        "requestId": identity, "type": "Document", "hasExtraInfo": True,
        "response": response(status), **more,
    }  # fmt: skip


def response(status: int) -> dict[str, Any]:
    return {
        "status": status, "statusText": "x", "headers": {"Server": "s"}, "mimeType": "text/html",
        "protocol": "h2", "remoteIPAddress": "[2001:db8::1]", "remotePort": 443,
        "securityState": "secure",
    }  # fmt: skip


def wire(identity: str = "1", status: int = 200, **headers: str) -> dict[str, Any]:
    return {"requestId": identity, "statusCode": status, "headers": headers}


def body(data: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(data).decode(), "base64Encoded": True}


def ended(log: NetworkLog, identity: str = "1", size: int = 0) -> None:
    if size:
        log.take("dataReceived", {"requestId": identity, "dataLength": size})
    log.take("loadingFinished", {"requestId": identity, "timestamp": 3.5})


def log_of(**limits: int) -> NetworkLog:
    return NetworkLog(most_bytes=limits.get("most_bytes", 1_000))


@pytest.mark.parametrize("is_early", [True, False])
def test_the_headers_on_the_wire_replace_those_that_the_page_asked_for(is_early: bool):
    log = log_of()
    extra = ("requestWillBeSentExtraInfo", {"requestId": "1", "headers": {":path": "/", "A": "1"}})
    events = [("requestWillBeSent", sent()), extra]
    for event, params in reversed(events) if is_early else events:
        log.take(event, params)
    log.take("responseReceivedExtraInfo", wire(Cookie="a\nb"))
    log.take("responseReceived", received())
    ended(log, size=2)
    assert list(log.list_due()) == ["1"]
    log.set_body("1", body(b"\xff\x00"))
    assert list(log.list_due()) == []
    (exchange,) = log.list_exchanges()
    assert (exchange.headers, exchange.is_as_sent) == ((("A", "1"),), True)
    assert exchange.seconds == 2.5
    assert exchange.response is not None
    assert exchange.response.headers == (("Cookie", "a"), ("Cookie", "b"))
    assert exchange.response.body == b"\xff\x00"
    assert exchange.response.address == "2001:db8::1"
    assert exchange.response.is_secure
    assert log.list_uncaptured() == ()


def test_raw_text_of_a_header_keeps_order_and_repetition():
    log = log_of()
    log.take("requestWillBeSent", sent())
    text = "HTTP/1.1 200 OK\r\nB: 1\r\na:2\r\nB: 3\r\n\r\n"
    log.take("responseReceivedExtraInfo", {**wire(), "headersText": text})
    log.take("responseReceived", received())
    (exchange,) = log.list_exchanges()
    assert exchange.response is not None
    assert exchange.response.headers == (("B", "1"), ("a", "2"), ("B", "3"))


def test_each_hop_of_a_redirect_is_an_exchange_with_its_own_headers():
    log = log_of()
    log.take("requestWillBeSent", sent())
    log.take("requestWillBeSentExtraInfo", {"requestId": "1", "headers": {"Hop": "1"}})
    log.take("responseReceivedExtraInfo", wire(status=302, Location="/two"))
    again = sent(url=URL + "two", at=2.0, redirectResponse=response(302), redirectHasExtraInfo=True)
    log.take("requestWillBeSent", again)
    log.take("requestWillBeSentExtraInfo", {"requestId": "1", "headers": {"Hop": "2"}})
    log.take("responseReceived", received())
    log.take("responseReceivedExtraInfo", wire(Second="yes"))
    ended(log)
    first, second = log.list_exchanges()
    assert first.response is not None and second.response is not None
    assert (first.response.status, first.response.body) == (302, b"")
    assert (first.headers, second.headers) == ((("Hop", "1"),), (("Hop", "2"),))
    assert second.response.headers == (("Second", "yes"),)
    assert second.url == URL + "two"


def test_a_redirect_from_the_browsers_own_rules_takes_no_headers_of_the_next_hop():
    log = log_of()
    log.take("requestWillBeSent", sent(url="http://example.test/"))
    log.take("requestWillBeSent", sent(at=2.0, redirectResponse=response(307)))
    log.take("requestWillBeSentExtraInfo", {"requestId": "1", "headers": {"Hop": "2"}})
    log.take("responseReceivedExtraInfo", wire(Second="yes"))
    log.take("responseReceived", received())
    first, second = log.list_exchanges()
    assert (first.is_as_sent, second.is_as_sent) == (False, True)
    assert second.headers == (("Hop", "2"),)
    assert second.response is not None
    assert second.response.headers == (("Second", "yes"),)


def test_what_is_missing_is_listed_with_its_reason():
    log = log_of(most_bytes=10)
    for number in range(1, 6):
        log.take("requestWillBeSent", sent(str(number), f"{URL}{number}"))
    log.take("loadingFailed", {"requestId": "1", "timestamp": 2.0, "errorText": "net::ERR_X"})
    log.take("responseReceived", received("2"))
    log.take("responseReceived", received("3", type="EventSource"))
    log.take("responseReceived", received("4"))
    ended(log, "4", size=11)
    log.take("responseReceived", received("5"))
    ended(log, "5", size=3)
    log.take("webSocketCreated", {"requestId": "9", "url": "wss://example.test/ws"})
    assert list(log.list_due()) == ["5"]
    log.set_problem("5", "No resource")
    assert log.unended == 2
    assert [(each.subject[-1], each.reason.id) for each in log.list_uncaptured()] == [
        ("1", "capture-missing-failed"),
        ("2", "capture-missing-unended"),
        ("3", "capture-missing-stream"),
        ("4", "capture-missing-too-large"),
        ("5", "capture-missing-body"),
        ("s", "capture-missing-stream"),
    ]


def test_a_body_that_is_not_the_received_bytes_is_listed():
    log = log_of()
    log.take("requestWillBeSent", sent())
    log.take("responseReceived", received())
    ended(log, size=2)
    log.set_body("1", {"body": "é–", "base64Encoded": False})
    (missing,) = log.list_uncaptured()
    assert missing.reason.operands == {"size": 2, "actual": 5}


def test_a_body_that_the_driver_would_hold_many_times_is_not_read_and_named():
    log = log_of(most_bytes=1 << 30)
    for number, size in (("1", MAX_BODY_BYTES), ("2", MAX_BODY_BYTES + 1)):
        log.take("requestWillBeSent", sent(number))
        log.take("responseReceived", received(number))
        ended(log, number, size=size)
    assert list(log.list_due()) == ["1"]
    (missing,) = log.list_uncaptured()
    assert missing.reason.id == "capture-missing-large-body"
    assert missing.reason.id in BODY_REASONS


def test_bodies_together_stay_within_the_limit():
    log = log_of(most_bytes=10)
    for number in ("1", "2"):
        log.take("requestWillBeSent", sent(number))
        log.take("responseReceived", received(number))
        ended(log, number, size=6)
    assert list(log.list_due()) == ["1", "2"]
    log.set_body("1", body(b"123456"))
    assert list(log.list_due()) == []
    (missing,) = log.list_uncaptured()
    assert missing.reason.id == "capture-missing-too-large"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_without_a_body_has_an_empty_one(method: str, status: int):
    log = log_of()
    log.take("requestWillBeSent", sent(request={"method": method, "postData": "a=1"}))
    log.take("responseReceived", received(status=status))
    ended(log)
    assert list(log.list_due()) == []
    (exchange,) = log.list_exchanges()
    assert exchange.body == b"a=1"
    assert exchange.response is not None
    assert exchange.response.body == b""


def test_only_requests_of_the_web_are_exchanges():
    log = log_of()
    log.take("requestWillBeSent", sent("1", "data:text/plain,x"))
    log.take("responseReceived", received("1"))
    ended(log, "1")
    assert log.list_exchanges() == ()
    assert log.list_uncaptured() == ()
