"""Options, resolvers, certificates and checks of a capture, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.dns_server import TTL, serve_names
from support.site_certificates import make_site_certificate

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.capture.capture_checks import judge_capture
from anchor.capture.capture_journal import CaptureJournal
from anchor.capture.capture_options import (
    check_language,
    check_proxy,
    parse_capture_url,
    parse_viewport,
)
from anchor.capture.name_answers import (
    NameAnswer,
    Resolver,
    ask_resolver,
    has_answers,
    judge_answers,
    list_resolvers,
    parse_resolver,
)
from anchor.capture.robots_answer import judge_robots
from anchor.capture.served_certificates import describe_chain
from anchor.capture.web_exchange import WebExchange, WebResponse
from anchor.evidence.observed_groups import Cleanliness, CleanlinessCheck, Environment


def test_a_url_keeps_everything_but_an_absent_path():
    assert parse_capture_url("https://例子.test:8443/a?b#c") == "https://例子.test:8443/a?b#c"
    assert parse_capture_url("http://a") == "http://a/"


@pytest.mark.parametrize(
    "text",
    [
        "a.test", "ftp://a/", "http://", "http://a:x/", "http://a\n/", "http://u@a/",
        "http://u:p@a/", "file:///etc/passwd", "http://a/" + "x" * 1_000, "http://[::1/",
    ],
)  # fmt: skip
def test_what_is_no_url_to_capture_is_refused(text: str):
    with pytest.raises(UsageError):
        parse_capture_url(text)


def test_viewports_and_proxies_are_read_strictly():
    assert parse_viewport("390x844") == (390, 844)
    for text in ("99x100", "100x", "0100x200", "100x100x100", "10000x100"):
        with pytest.raises(UsageError):
            parse_viewport(text)
    for text in ("zh-CN", "en", "zh-Hant-TW", "de-1996"):
        assert check_language(text) == text
    for text in ("", "x", "zh_CN", "x;y", "zh-CN,en;q=0.5", "a\nb", "en\n", "a-" * 50, "中文"):
        with pytest.raises(UsageError, match="language tag"):
            check_language(text)
    assert check_proxy("socks5://a:1") == "socks5://a:1"
    for text in ("a:1", "http://a", "http://u:secret@a:1", "ftp://a:1", "http://a:x"):
        with pytest.raises(UsageError) as refusal:
            check_proxy(text)
        assert "secret" not in str(refusal.value)


def test_resolvers_are_addresses_with_a_port():
    assert parse_resolver("192.0.2.1") == Resolver(address="192.0.2.1")
    assert parse_resolver("192.0.2.1:5353").port == 5353
    assert parse_resolver("2001:DB8::1") == Resolver(address="2001:db8::1")
    assert parse_resolver("[2001:db8::1]:54") == Resolver(address="2001:db8::1", port=54)
    for text in ("one.example", "192.0.2.1:0", "192.0.2.1:x", "[::1]:70000", ""):
        with pytest.raises(UsageError):
            parse_resolver(text)
    own, named = list_resolvers(["192.0.2.1", "192.0.2.2"], [parse_resolver("192.0.2.3")])
    assert (own.address, own.is_own, named.address) == ("192.0.2.1", True, "192.0.2.3")
    assert not list_resolvers(None, [])
    assert [
        name for name in ("localhost", "a.localhost", "[::1]", "1.2.3.4", "a") if has_answers(name)
    ] == ["a"]


def test_a_resolver_answers_with_its_time_to_live_or_that_there_is_no_such_name():
    with serve_names({"a.test": "192.0.2.7"}) as port:
        resolver = Resolver(address="127.0.0.1", port=port)
        answer = ask_resolver(resolver, "a.test")
        missing = ask_resolver(resolver, "b.test")
    assert answer.state == "answered"
    assert answer.describe()["records"] == [
        {"name": "a.test.", "ttl": TTL, "type": "A", "data": "192.0.2.7"}
    ]
    assert (missing.state, missing.records) == ("no_such_name", ())


def answer_of(*addresses: str, state: str = "answered", host: str = "a") -> NameAnswer:
    return NameAnswer(
        resolver=Resolver(address="192.0.2.1"), host=host, asked_at="", state=state,
        records=tuple((host, 1, "A", address) for address in addresses),
    )  # fmt: skip


def test_resolvers_agree_if_they_share_an_address():
    both = answer_of("1", "2")
    assert judge_answers([both, answer_of("2", "3")])[0] == "pass"
    result, observed = judge_answers([both, answer_of("3")])
    assert (result, str(observed)) == ("fail", "a: 1/2, 3")
    assert judge_answers([both, answer_of(state="no_such_name")])[0] == "fail"
    nobody = answer_of(state="no_such_name")
    assert judge_answers([nobody, nobody])[0] == "pass"
    for alone in (
        [],
        [both],
        [both, answer_of(state="unanswered")],
        [both, answer_of("9", host="b")],
    ):
        assert judge_answers(alone)[0] == "not_checked"


def test_a_certificate_is_described_and_a_broken_one_is_none(tmp_path: Path):
    data = make_site_certificate(tmp_path / "key.pem")
    described, broken = describe_chain([data, b"\x30\x00"])
    assert described["issuer"] == described["subject"] == "CN=localhost"
    assert described["names"] == ["localhost"]
    assert described["scts"] == []
    assert described["not_after"].endswith("Z")
    assert "unreadable" in broken


def test_a_journal_has_times_and_clean_text():
    journal = CaptureJournal(lambda: "T")
    journal.note("one", size=1)
    journal.miss("a\nb", Message("capture-missing-worker"))
    assert journal.steps == [{"at": "T", "step": "one", "size": 1}]
    assert journal.uncaptured[0].subject == "a�b"


def exchange_of(url: str, *, is_secure: bool) -> WebExchange:
    response = WebResponse(
        status=200, reason="", protocol="h2", headers=(), address="", port=0, mime_type="",
        is_secure=is_secure, body=b"",
    )  # fmt: skip
    return WebExchange(
        url=url, method="GET", kind="Image", started_at=0, seconds=0, headers=(), is_as_sent=True,
        body=None, response=response,
    )  # fmt: skip


def cleanliness_of(**results: str) -> Cleanliness:
    checks = [
        CleanlinessCheck.model_validate(
            {"id": name, "zh": "x", "en": "x", "result": result, "observed": "x"}
        )
        for name, result in results.items()
    ]
    return Cleanliness(started_at="2026-01-01T00:00:00Z", result="pass", checks=checks)


CLEAN = (cleanliness_of(proxy="pass"), Environment(hosts_file_digest="ab" * 32))


def results(root: Path, **changes: Any) -> dict[str, tuple[str, str]]:
    values: dict[str, Any] = {
        "sandboxed": True, "proxy": None, "guarded": False, "script_sha256": None,
        "has_profile": False, "root": root, "answers": [], "exchanges": [],
        "before": CLEAN, "after": CLEAN, **changes,
    }  # fmt: skip
    return {
        name: (result, str(observed)) for name, _, (result, observed) in judge_capture(**values)
    }


def test_each_check_of_a_capture_passes_and_fails(tmp_path: Path):
    clean = results(tmp_path)
    assert {name for name, (result, _) in clean.items() if result == "pass"} == {
        "browser-sandbox", "browser-policies", "browser-profile", "browser-proxy", "page-script",
        "after-capture",
    }  # fmt: skip
    policy = tmp_path / "etc/chromium/policies/managed/all.json"
    policy.parent.mkdir(parents=True)
    policy.write_text("{}")
    good = exchange_of("https://a:1/", is_secure=True)
    bad = exchange_of("https://b/x", is_secure=False)
    later = exchange_of("https://b/y", is_secure=True)
    dirty = results(
        tmp_path, sandboxed=False, proxy="http://p:1", script_sha256="ab", has_profile=True,
        exchanges=[good, bad, later],
        after=(cleanliness_of(proxy="fail"), Environment(hosts_file_digest="cd" * 32)),
    )  # fmt: skip
    assert dirty["browser-sandbox"][0] == "fail"
    assert dirty["browser-policies"] == ("fail", "/etc/chromium/policies/managed/all.json")
    assert dirty["page-script"] == ("fail", "sha256:ab")
    assert dirty["browser-profile"] == ("fail", "a copy of a profile that the operator named")
    assert dirty["browser-proxy"] == ("fail", "http://p:1")
    assert dirty["certificates"] == ("fail", "not accepted: b")
    assert dirty["after-capture"] == ("fail", "changed: proxy, hosts_file_digest")
    assert results(tmp_path, exchanges=[good])["certificates"][0] == "pass"
    insecure = exchange_of("http://a/", is_secure=False)
    assert results(tmp_path, exchanges=[insecure])["certificates"][0] == "not_checked"


def test_the_guard_of_this_program_is_no_proxy_that_the_operator_chose(tmp_path: Path):
    assert results(tmp_path, guarded=True)["browser-proxy"][0] == "pass"
    assert "public addresses only" in results(tmp_path, guarded=True)["browser-proxy"][1]


@pytest.mark.parametrize(
    ("rules", "state"),
    [
        (b"User-agent: *\nDisallow: /private\n", "allowed"),
        (b"User-agent: *\nDisallow: /\n", "disallowed"),
        (b"User-agent: other\nDisallow: /\n", "allowed"),
        (b"User-agent: *\nDisallow: /page\n", "disallowed"),
        (b"\xff\xfe not a file of rules", "allowed"),
    ],
)
def test_robots_says_what_holds_for_every_robot(rules: bytes, state: str):
    assert judge_robots(rules, "https://example.org/page?x=1") == state
