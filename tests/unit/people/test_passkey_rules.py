"""For which site passkeys are, who uses one, and when a session may change them."""

from __future__ import annotations

import pytest

from anchor.people.passkey_rules import (
    RelyingParty,
    find_relying_party,
    is_counter_plausible,
    is_fresh,
    may_use_passkeys,
    name_passkey,
)
from anchor.service.passkey_challenges import decode_challenge, encode_challenge, make_challenge

BEGUN = "2026-03-01T10:00:00.000Z"


@pytest.mark.parametrize(
    ("url", "id", "origin"),
    [
        ("https://anchor.example.org", "anchor.example.org", "https://anchor.example.org"),
        ("https://Anchor.Example.org:443", "anchor.example.org", "https://anchor.example.org"),
        ("https://a.example:8443", "a.example", "https://a.example:8443"),
        ("http://localhost:80", "localhost", "http://localhost"),
        ("https://证据.example", "xn--vxuo11g.example", "https://xn--vxuo11g.example"),
    ],
)
def test_the_site_is_that_of_the_configured_address(url: str, id: str, origin: str) -> None:
    assert find_relying_party(url) == RelyingParty(id=id, origin=origin)


@pytest.mark.parametrize(
    "url", [None, "", "http://127.0.0.1:8000", "https://[::1]", f"https://{'a' * 70}.example"]
)
def test_an_address_without_a_domain_has_no_passkeys(url: str | None) -> None:
    assert find_relying_party(url) is None


@pytest.mark.parametrize(
    ("stored", "stated", "is_plausible"),
    [(0, 0, True), (0, 1, True), (7, 8, True), (7, 7, False), (7, 6, False), (7, 0, False)],
)
def test_a_counter_grows_or_counts_nothing(stored: int, stated: int, is_plausible: bool) -> None:
    assert is_counter_plausible(stored, stated) == is_plausible


def test_a_session_is_fresh_for_ten_minutes_unless_a_passkey_began_it() -> None:
    assert is_fresh(BEGUN, None, "2026-03-01T10:09:59.999Z")
    assert not is_fresh(BEGUN, None, "2026-03-01T10:10:00.000Z")
    assert not is_fresh(BEGUN, "0123", BEGUN)


def test_who_may_do_nothing_uses_no_passkey() -> None:
    assert may_use_passkeys([frozenset(), frozenset({"read"})])
    assert not may_use_passkeys([frozenset()]) and not may_use_passkeys([])


def test_a_name_is_cleaned_and_has_a_default() -> None:
    assert name_passkey(" \u202ePhone\n ", BEGUN) == "Phone"
    assert name_passkey("\u202e", BEGUN) == "2026-03-01"


def test_a_challenge_stands_for_five_minutes_in_its_session_only() -> None:
    secret = b"s" * 32
    made = make_challenge("0123", 1_000.0)
    assert len({make_challenge("0123", 1_000.0).challenge for _ in range(9)} | {b""}) == 10
    cookie = encode_challenge(made, secret)
    assert decode_challenge(cookie, "0123", secret, 1_299.9) == made.challenge
    assert decode_challenge(cookie, "0123", secret, 1_300.0) is None
    assert decode_challenge(cookie, "", secret, 1_001.0) is None
    assert decode_challenge(cookie, "0123", b"o" * 32, 1_001.0) is None
