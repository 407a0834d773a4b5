"""Two authorities or more, of different operators as far as their names tell; else it is said."""

from __future__ import annotations

import pytest

from anchor.monitor.timestamp_check import check_authorities
from anchor.project.config import TsaConfig


def remark_on(*urls: str) -> str | None:
    tsas = [TsaConfig(name="abc"[at], url=url) for at, url in enumerate(urls)]
    hint = check_authorities(tsas)[1]
    return None if hint is None else hint.id


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ((), None),
        (("https://tsa.example.org/",), "config-tsa-single"),
        (("https://tsa.example.org/", "https://timestamp.example.net/rfc3161"), None),
        (("https://a.example.org/", "https://b.c.EXAMPLE.org./x"), "doctor-tsa-same-operator"),
        (
            ("https://a.example.org/", "https://a.example.net/", "https://b.example.org/"),
            "doctor-tsa-same-operator",
        ),
        (("https://tsa.one.com.cn/", "https://tsa.two.com.cn/"), None),
        (("https://a.one.com.cn/", "https://b.one.com.cn/"), "doctor-tsa-same-operator"),
        (("http://192.0.2.1/", "http://192.0.2.2/"), None),
        (("http://192.0.2.1/a", "http://192.0.2.1:81/b"), "doctor-tsa-same-operator"),
        (("http://[2001:db8::1]/", "http://[2001:db8:0::1]/x"), "doctor-tsa-same-operator"),
        (("http://tsa/", "http://stamps/"), None),
    ],
)
def test_what_is_said_of_the_authorities(urls: tuple[str, ...], expected: str | None) -> None:
    assert remark_on(*urls) == expected


def test_both_names_and_the_common_domain_are_said() -> None:
    tsas = [TsaConfig(name=name, url=f"https://{name}.example.org/") for name in ("b", "a")]
    text, hint = check_authorities(tsas)
    assert text == "authorities: b, a"
    assert hint is not None and "b, a are under one domain, example.org" in hint
