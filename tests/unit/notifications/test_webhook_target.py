"""Webhooks go to public addresses by HTTPS, and nowhere else unless the operator allows it."""

from __future__ import annotations

import pytest

from anchor.base.errors import UsageError
from anchor.base.system.public_address import choose_address, is_public
from anchor.notifications.webhook_target import parse_target

PRIVATE = (
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.170", "192.0.2.1", "192.168.1.1", "198.18.0.1",
    "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
    "2001:db8::1", "100::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "2002:0a00:0001::1",
    "2002:7f00:0001::", "2002:808:808::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1", "2001:0:4136:e378:8000:63bf:f5ff:fffe", "nonsense",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700:4700::1111",
          "64:ff9b::808:808")  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_no_webhook_goes_inside(address: str) -> None:
    assert not is_public(address)
    assert choose_address([address], allow_private=False) is None
    assert choose_address([address], allow_private=True) == address


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_fit(address: str) -> None:
    assert choose_address([address], allow_private=False) == address


def test_one_address_inside_spoils_the_others() -> None:
    assert choose_address(["1.1.1.1", "10.0.0.1"], allow_private=False) is None
    assert choose_address([], allow_private=True) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "malformed"),
        ("https://", "malformed"),
        ("https:///path", "malformed"),
        ("https://a b.example/", "malformed"),
        ("https://a.example/\n", "malformed"),
        ("https://bücher.example/", "malformed"),
        ("https://a.example:0/", "malformed"),
        ("https://a.example:99999/", "malformed"),
        ("https://[::1/", "malformed"),
        ("https://a.example\\@b.example/", "malformed"),
        ("https://a%2eexample/", "malformed"),
        ("https://2130706433/", "malformed"),
        ("https://0x7f.0.0.0x1/", "malformed"),
        ("https://127.1/", "malformed"),
        ("https://010.0.0.1/", "malformed"),
        ("https://a.example/" + "x" * 2_000, "malformed"),
        ("https://u@a.example/", "holds-user"),
        ("https://u:p@a.example/", "holds-user"),
        ("https://a.example/#x", "holds-user"),
        ("http://a.example/", "not-https"),
        ("ftp://a.example/", "not-https"),
        ("file:///etc/passwd", "malformed"),
        ("http://127.0.0.1/", "not-https"),
        ("https://127.0.0.1/", "private"),
        ("https://[::1]/", "private"),
        ("https://[::ffff:169.254.169.254]/", "private"),
        ("https://169.254.169.254/latest/meta-data", "private"),
        ("https://10.0.0.1:8443/", "private"),
    ],
)
def test_a_url_that_is_not_fit_is_refused_with_its_reason(url: str, reason: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_target(url, allow_private=False)
    assert error.value.message.id == f"webhook-url-{reason}"


def test_a_fit_url_is_taken_apart() -> None:
    target = parse_target("https://Hooks.Example:8443/a/b?c=d", allow_private=False)
    assert (target.host, target.port, target.path) == ("hooks.example", 8443, "/a/b?c=d")
    assert target.authority == "hooks.example:8443"
    assert target.url_at("2606:4700::1") == "https://[2606:4700::1]:8443/a/b?c=d"
    plain = parse_target("https://hooks.example", allow_private=False)
    assert (plain.authority, plain.path) == ("hooks.example", "/")


def test_http_goes_to_this_machine_alone_and_only_where_it_is_allowed() -> None:
    assert parse_target("http://127.0.0.1:9/", allow_private=True).address == "127.0.0.1"
    assert parse_target("http://localhost/", allow_private=True).port == 80
    for url in ("http://10.0.0.1/", "http://a.example/"):
        with pytest.raises(UsageError):
            parse_target(url, allow_private=True)
