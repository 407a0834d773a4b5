"""Requests on behalf of others go to public hosts by their plain spelling, on few ports."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from support.ssrf_corpus import ANSWERS, URLS

from anchor.base.system.public_address import is_public
from anchor.egress.egress_target import EgressRefused, parse_authority, parse_egress_url

LITERAL = [url for url in URLS if ".attacker.example" not in url]


def test_the_corpus_has_at_least_80_addresses() -> None:
    assert len(set(URLS)) == len(URLS) >= 80


@pytest.mark.parametrize("url", LITERAL)
def test_no_url_of_the_corpus_is_asked(url: str) -> None:
    with pytest.raises(EgressRefused):
        parse_egress_url(url)


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_of_the_corpus_is_public_as_a_whole(name: str) -> None:
    assert not (ANSWERS[name] and all(map(is_public, ANSWERS[name])))


@pytest.mark.parametrize(
    ("url", "host", "port", "address"),
    [
        ("http://example.org/a?b#c", "example.org", 80, None),
        ("https://Example.ORG./", "example.org", 443, None),
        ("https://example.org:80/", "example.org", 80, None),
        ("https://bücher.example/", "xn--bcher-kva.example", 443, None),
        ("https://法院.example/", "xn--nww899f.example", 443, None),
        ("http://1.1.1.1/", "1.1.1.1", 80, "1.1.1.1"),
        ("http://1.1.1.1#@127.0.0.1/", "1.1.1.1", 80, "1.1.1.1"),
        ("http://[2606:4700:4700::1111]/", "2606:4700:4700::1111", 80, "2606:4700:4700::1111"),
        ("http://[64:ff9b::1.1.1.1]/", "64:ff9b::1.1.1.1", 80, "64:ff9b::101:101"),
        ("http://4chan.example/", "4chan.example", 80, None),
        ("http://internal.example.org/", "internal.example.org", 80, None),
    ],
)
def test_a_public_host_is_taken(url: str, host: str, port: int, address: str | None) -> None:
    target = parse_egress_url(url)
    assert (target.host, target.port, target.address) == (host, port, address)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("example.org", "url-malformed"),
        ("example.org:", "url-malformed"),
        ("example.org:443:443", "url-malformed"),
        ("u@example.org:443", "url-malformed"),
        ("example.org:443/x", "url-malformed"),
        ("::1:443", "url-malformed"),
        ("[::1]:443", "address-inside"),
        ("127.0.0.1:443", "address-inside"),
        ("2130706433:443", "host-spelling"),
        ("a..example:443", "host-spelling"),
        (f"{'a' * 64}.example:443", "host-spelling"),
        (f"{'a.' * 127}example:443", "host-spelling"),
        ("example.org:8443", "port"),
        ("localhost:443", "name-inside"),
        ("db.internal:443", "name-inside"),
    ],
)
def test_an_authority_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(EgressRefused) as raised:
        parse_authority(text)
    assert raised.value.reason.id == f"egress-{reason}"


@pytest.mark.parametrize("user", ["user", "user:password", ""])
def test_a_url_with_a_user_is_refused(user: str) -> None:
    with pytest.raises(EgressRefused) as raised:
        parse_egress_url(f"https://{user}@example.org/")
    assert raised.value.reason.id == "egress-url-holds-user"


def test_other_ports_are_asked_if_they_are_named() -> None:
    assert parse_authority("example.org:8443", {8443}).port == 8443


@pytest.mark.parametrize(
    "address", ["5f00::1", "2001:20::1", "192.0.0.9", "100::1", "2606:4700::1111%eth0"]
)
def test_addresses_of_special_networks_are_not_public(address: str) -> None:
    assert ip_address(address)
    assert not is_public(address)
