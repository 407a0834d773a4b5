"""What the recording proxy wrote, as exchanges; and whose certificates are trusted."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.site_certificates import make_server_chain

from anchor.base.errors import UsageError
from anchor.capture.capture_options import check_mode
from anchor.capture.recorded_exchanges import build_exchanges
from anchor.capture.recording_proxy import ProxyFlow, RecordingProxy, find_recorder
from anchor.capture.served_certificates import is_trusted
from anchor.capture.web_exchange import WebExchange

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def response_of(url: str, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "response", "error": None, "url": url, "method": "GET", "started_at": 5.0,
        "ended_at": 6.5, "request_headers": [["Accept", "*/*"]], "request_body": "",
        "status": 200, "reason": "OK", "protocol": "HTTP/2.0",
        "headers": [["Content-Type", "Text/CSS; charset=x"]], "address": "192.0.2.1", "port": 443,
        "tls": "TLSv1.3", "certificates": [base64.b64encode(b"der").decode()], "body": None,
        "size": 3, "is_whole": True, **changes,
    }  # fmt: skip


def seen_of(url: str, kind: str) -> WebExchange:
    return WebExchange(
        url=url, method="GET", kind=kind, started_at=0, seconds=0, headers=(), is_as_sent=True,
        body=None, response=None,
    )  # fmt: skip


def build(*flows: ProxyFlow, trusts: Any = None, seen: Sequence[WebExchange] = ()) -> Any:
    return build_exchanges(flows, seen, max_bytes=7, trusts=trusts)


def test_exchanges_have_the_kind_that_the_browser_gave_them_and_their_own_order():
    flows = (
        ProxyFlow(response_of("https://a/x", started_at=9.0), b"later"),
        ProxyFlow(response_of("https://a/x"), b"zip"),
        ProxyFlow(response_of("https://a/icon"), b""),
    )
    seen = (seen_of("https://a/x#here", "Document"), seen_of("https://a/x", "Fetch"))
    recorded = build(*flows, seen=seen)
    assert [each.url for each in recorded.exchanges] == [
        "https://a/x", "https://a/icon", "https://a/x",
    ]  # fmt: skip
    assert {each.kind for each in recorded.exchanges} == {"Document", "Fetch", "Other"}
    first = recorded.exchanges[0]
    assert first.response.body == b"zip"
    assert (first.response.mime_type, first.response.protocol) == ("text/css", "h2")
    assert first.seconds == 1.5
    assert recorded.chains == {"https://a": (b"der",)}


def test_requests_of_the_browser_itself_are_named_and_are_no_part_of_the_page():
    recorded = build(
        ProxyFlow(response_of("https://update.test/x"), b""),
        seen=[seen_of("https://a/", "Document")],
    )
    assert recorded.exchanges == ()
    assert recorded.others == ("https://update.test/x",)


def test_what_the_proxy_did_not_keep_is_listed_once_with_its_reason():
    failed = {"kind": "failure", "url": "https://a/1", "method": "GET", "error": "reset\n"}
    recorded = build(
        ProxyFlow(failed), ProxyFlow(failed),
        ProxyFlow(response_of("https://a/2", is_whole=False, size=9)),
        ProxyFlow(response_of("https://a/3", error="Server disconnected")),
        ProxyFlow({"kind": "unreachable", "host": "b", "port": 443, "error": "refused"}),
        seen=[seen_of("https://a/", "Document")],
    )  # fmt: skip
    assert [(each.subject, each.reason.id) for each in recorded.uncaptured] == [
        ("https://a/1", "capture-missing-failed"),
        ("https://a/2", "capture-missing-too-large"),
        ("https://a/3", "capture-missing-failed"),
    ]
    assert [each.response.body for each in recorded.exchanges] == [None, None]


def test_a_chain_that_the_proxy_did_not_verify_is_judged_once_for_each_host():
    asked: list[str] = []

    def trusts(_: Sequence[bytes], host: str, __: float) -> bool:
        asked.append(host)
        return host == "a"

    flows = [ProxyFlow(response_of(f"https://{host}/"), b"") for host in ("a", "b", "a")]
    recorded = build(*flows, trusts=trusts, seen=[seen_of(flow.url, "Image") for flow in flows])
    assert [each.response.is_secure for each in recorded.exchanges] == [True, False, True]
    assert asked == ["a", "b"]
    plain = ProxyFlow(response_of("http://a/", certificates=[]), b"")
    (exchange,) = build(plain, seen=[seen_of("http://a/", "Image")]).exchanges
    assert not exchange.response.is_secure


def test_a_chain_is_trusted_only_for_its_host_its_time_and_its_root(tmp_path: Path):
    chain, root = make_server_chain("site.test", NOW)
    _, other = make_server_chain("site.test", NOW)
    at = NOW.timestamp()
    assert is_trusted(chain, "site.test", at, roots=[b"no certificate", root])
    assert not is_trusted(chain, "other.test", at, roots=[root])
    assert not is_trusted(chain, "192.0.2.1", at, roots=[root])
    assert not is_trusted(chain, "site.test", at + 86_400 * 90, roots=[root])
    assert not is_trusted(chain, "site.test", at, roots=[other])
    assert not is_trusted([b"\x30\x00"], "site.test", at, roots=[root])


def test_why_a_server_gave_no_answer_is_read_from_the_last_that_was_written(tmp_path: Path):
    lines = [
        {"kind": "unreachable", "host": "a", "port": 443, "error": "refused"},
        {"kind": "failure", "url": "https://b:1/x", "method": "GET", "error": "verify\tfailed"},
        response_of("http://c/"),
    ]
    (tmp_path / "flows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines) + "{")
    proxy = RecordingProxy(tmp_path, 1, "")
    assert proxy.find_failure("https://a/any") == "refused"
    assert proxy.find_failure("https://b:1/x#y") == "verify�failed"
    assert proxy.find_failure("https://b:1/z") is None
    assert proxy.find_failure("http://c/") is None


@pytest.mark.parametrize(
    ("printed", "said"),
    [("Mitmproxy: 9.0.1", "is mitmproxy 9.0.1"), ("something", r"is mitmproxy \?")],
)
def test_a_recorder_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, said: str
):
    program = tmp_path / "mitmdump"
    program.write_text(f"#!/bin/sh\necho '{printed}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("MITMDUMP", str(program))
    with pytest.raises(UsageError, match=said):
        find_recorder()


def test_without_a_recorder_and_with_two_proxies_the_mode_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MITMDUMP", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="mitmdump was not found"):
        find_recorder()
    check_mode("cdp", "http://a:1")
    check_mode("proxy", None)
    with pytest.raises(UsageError, match="cannot be used together"):
        check_mode("proxy", "http://a:1")
    with pytest.raises(UsageError, match='unknown mode "other"'):
        check_mode("other", None)
