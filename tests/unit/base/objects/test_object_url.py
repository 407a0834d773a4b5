"""URLs of objects, and texts that only look like them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.base.errors import UsageError
from anchor.base.objects.object_url import ObjectUrl, is_object_url, parse_object_url


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("s3://bucket", ("s3", "bucket", "")),
        ("S3://bucket/", ("s3", "bucket", "")),
        ("s3://bucket/a//b?c#d%41@e", ("s3", "bucket", "a//b?c#d%41@e")),
        ("gs://bucket/中文", ("gs", "bucket", "中文")),
        ("az://container/x", ("az", "container", "x")),
        ("https://host:8443/a%20b?id=5", ("https", "host:8443", "a%20b?id=5")),
        ("http://[::1]:80/x", ("http", "[::1]:80", "x")),
    ],
)
def test_a_url_is_taken_apart(text: str, parts: tuple[str, str, str]) -> None:
    url = parse_object_url(text)
    assert (url.scheme, url.container, url.key) == parts
    assert parse_object_url(str(url)) == url


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://host/x", "scheme ftp://"),
        ("file:///etc/passwd", "scheme file://"),
        ("s3:///key", "no valid bucket"),
        ("s3://a b/key", "no valid bucket"),
        ("s3://bucket?x/key", "no valid bucket"),
        ("https://user:secret@host/x", "password"),
        ("s3://key:secret@bucket/x", "password"),
        ("https://host/x?X-Amz-Signature=00", "signature"),
        ("https://host/x?a=1&sig=00", "signature"),
        ("https://host/x?X-Goog-Credential=a", "signature"),
        ("https://host/x?access_token=00", "token"),
        ("https://host/x?apikey=00", "token"),
        ("https://host/x#part", "malformed"),
        ("https://host/a b", "malformed"),
        ("https://host:port/x", "malformed"),
        ("https://host:0/x", "malformed"),
        ("https://[::1/x", "malformed"),
    ],
)
def test_what_cannot_be_read_or_would_record_a_secret_is_refused(text: str, message: str) -> None:
    assert is_object_url(text)
    with pytest.raises(UsageError, match=message) as refused:
        parse_object_url(text)
    assert "secret" not in str(refused.value).replace("a password", "")


@pytest.mark.parametrize("text", ["a/b", "./s3://x", "C:/x", "s3:/x", "-", "", "://x"])
def test_other_texts_are_paths(text: str) -> None:
    assert not is_object_url(text)


@given(key=st.text(), folder=st.text())
def test_a_url_includes_its_object_and_what_lies_below_it_only(key: str, folder: str) -> None:
    url = ObjectUrl("s3", "bucket", key)
    assert url.includes(key)
    assert url.includes(f"{key.rstrip('/')}/{folder}") or key.endswith("//")
    if key and not key.endswith("/"):
        assert not url.includes(f"{key}0{folder}")
