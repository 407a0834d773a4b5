"""What is read of an account that anybody may have written, and how resources differ."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.capture_bags import URL, make_account, make_request

from anchor.base.errors import AnchorError, MalformedError, UnknownVersionError
from anchor.comparison.capture_account import CaptureAccount, parse_account
from anchor.comparison.resource_difference import compare_resources


def parse(**members: Any) -> CaptureAccount:
    return parse_account(json.dumps(make_account(**members)).encode(), subject="capture.json")


def test_the_facts_are_those_of_the_shown_document() -> None:
    facts = parse().facts
    assert facts["address"] == "192.0.2.1"
    assert facts["status"] == "200"
    assert facts["certificate_sha256"] == "c1"
    assert facts["certificate_issuer"] == "CN=One"
    assert facts["language"] is None
    assert parse(final_url="http://example.org/page").facts["certificate_sha256"] is None
    assert parse(final_url=f"{URL}#part").facts["address"] == "192.0.2.1"


def test_the_pages_are_the_own_one_and_those_that_were_followed() -> None:
    account = parse(followed=[{"url": "https://example.org/two", "folder": "pages/001"}])
    assert account.pages == {URL: "", "https://example.org/two": "pages/001/"}


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", MalformedError),
        (b"[]", MalformedError),
        (b'{"format": "anchor-capture-account/1"}', MalformedError),
        (b'{"format": "anchor-capture-account/2"}', UnknownVersionError),
        (b"[" * 100_000, MalformedError),
        (json.dumps(make_account(requests=["x"])).encode(), MalformedError),
        (json.dumps(make_account(followed=None)).encode(), MalformedError),
        (json.dumps(make_account(final_url=7)).encode(), MalformedError),
    ],
)
def test_what_is_no_account_is_refused(data: bytes, error: type[AnchorError]) -> None:
    with pytest.raises(error, match=r"capture\.json|final_url|requests|followed"):
        parse_account(data, subject="capture.json")


@pytest.mark.parametrize("value", [None, [], [[]], {}, "text", 5, [{"chain": 5}], [{"chain": [1]}]])
def test_members_of_other_types_are_no_fault_of_the_reader(value: object) -> None:
    for name in ("title", "certificates", "options", "browser", "status"):
        facts = parse(**{name: value}).facts
        assert all(each is None or isinstance(each, str) for each in facts.values())


def test_resources_are_added_removed_changed_or_cannot_be_told() -> None:
    first = parse(
        requests=[
            make_request("https://a/same", "aa"),
            make_request("https://a/changed", "aa"),
            make_request("https://a/status", "aa"),
            make_request("https://a/unknown", "aa"),
            make_request("https://a/gone", "aa"),
        ]
    )
    second = parse(
        requests=[
            make_request("https://a/same", "aa"),
            make_request("https://a/changed", "bb"),
            make_request("https://a/status", None, status=404),
            make_request("https://a/unknown", None),
            make_request("https://a/new", "aa"),
        ]
    )
    difference = compare_resources(first.resources, second.resources)
    assert difference.same == 1
    assert difference.added == (("GET", "https://a/new"),)
    assert difference.removed == (("GET", "https://a/gone"),)
    assert [key[1] for key, _, _ in difference.changed] == ["https://a/changed", "https://a/status"]
    assert difference.unknown == (("GET", "https://a/unknown"),)
