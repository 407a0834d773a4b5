"""The key reaches the service and nobody else, and is never shown."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import anchor
from anchor.client import exchanges

KEY = "anchor_secret"


@pytest.mark.parametrize("door", [anchor.Client, anchor.AsyncClient])
@pytest.mark.parametrize(
    "url",
    [
        "https://user@service.example",
        "https://user:pass@service.example",
        "https://@service.example",
        "https://service.example?key=1",
        "https://service.example/#part",
        "https://service.example?",
        "https://",
        "https://service.example:port",
        "https://[service",
        "ftp://localhost",
        "service.example",
    ],
)
def test_a_url_that_holds_more_or_less_than_a_place_is_refused(door: Any, url: str):
    with pytest.raises(anchor.UsageError) as caught:
        door(url, KEY)
    shown = f"{caught.value.message} {caught.value.hint}"
    assert "pass" not in shown and KEY not in shown


@pytest.mark.parametrize("end", ["\n", "\r\nX: 1", " ", "ä", "\0", "\x7f", "\u200b"])
def test_a_key_that_no_header_takes_is_refused_and_not_shown(end: str):
    with pytest.raises(anchor.UsageError, match="visible ASCII") as caught:
        anchor.Client("https://service.example", KEY + end)
    assert KEY not in str(caught.value) and caught.value.__cause__ is None
    with pytest.raises(anchor.UsageError, match="visible ASCII"):
        anchor.Client("https://service.example", "")


@pytest.mark.parametrize(
    ("url", "is_asked"),
    [
        ("http://localhost:8080", False),
        ("http://127.0.0.1:8080", False),
        ("http://service.example", False),
        ("https://service.example", True),
    ],
)
def test_no_proxy_is_asked_where_nothing_encrypts_the_key(
    url: str, is_asked: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    options = exchanges.session_options(url, KEY, 1.0, allow_plain_http=True)
    with httpx.Client(**options) as client:
        assert any(client._mounts.values()) == is_asked
