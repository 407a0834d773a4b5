"""PKCS#11 URIs: RFC 7512's attributes that name a key, and nothing else; never a PIN."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.base.errors import UsageError
from anchor.certificate.token_uri import TokenKey, parse_token_uri

MODULE = "?module-path=/usr/lib/token.so"


def test_a_key_is_named_by_token_and_label():
    key = parse_token_uri(f"pkcs11:token=The%20Seal;object=%E5%8D%B0%E7%AB%A0{MODULE}")
    assert key == TokenKey(
        module="/usr/lib/token.so", token="The Seal", serial=None, label="印章", id=None
    )


def test_a_key_is_named_by_serial_and_id_of_any_bytes():
    key = parse_token_uri(f"pkcs11:id=%00%FF;serial=DECC0401648{MODULE}")
    assert (key.serial, key.id, key.token, key.label) == ("DECC0401648", b"\0\xff", None, None)


@pytest.mark.parametrize(
    ("path", "id"),
    [
        (f"{MODULE}", "pkcs11-uri-incomplete"),
        ("token=a;object=b", "pkcs11-uri-incomplete"),
        (f"token=a{MODULE}", "pkcs11-uri-incomplete"),
        (f"object=a{MODULE}", "pkcs11-uri-incomplete"),
        (f"token=a;token=b;object=c{MODULE}", "pkcs11-uri-attribute"),
        (f"token=a;object=c;slot-id=1{MODULE}", "pkcs11-uri-attribute"),
        (f"token=a;object=c;module-path=x{MODULE}", "pkcs11-uri-attribute"),
        (f"token=a;object=c;{MODULE}", "pkcs11-uri-attribute"),
        (f"token=a;object=c{MODULE}&module-name=x", "pkcs11-uri-attribute"),
        (f"token=a;object={MODULE}", "pkcs11-uri-value"),
        (f"token=a;object=%4{MODULE}", "pkcs11-uri-value"),
        (f"token=a;object=a b{MODULE}", "pkcs11-uri-value"),
        (f"token=a;object=%FF{MODULE}", "pkcs11-uri-value"),
        (f"token=a;object=%00{MODULE}", "pkcs11-uri-value"),
        ("token=a;object=b?module-path=%00", "pkcs11-uri-value"),
    ],
)
def test_what_names_no_key_is_refused(path: str, id: str):
    with pytest.raises(UsageError) as caught:
        parse_token_uri(f"pkcs11:{path}")
    assert caught.value.message.id == id


@pytest.mark.parametrize(
    "uri", ["token=a;object=b;pin-value=1234", "token=a;object=b?pin-value=1234"]
)
def test_a_pin_is_refused_and_not_repeated(uri: str):
    with pytest.raises(UsageError) as caught:
        parse_token_uri(f"pkcs11:{uri}")
    assert caught.value.message.id == "pkcs11-uri-pin"
    assert "1234" not in f"{caught.value} {caught.value.hint}"


@given(st.text(max_size=60))
def test_any_other_text_is_refused_by_a_sentence(text: str):
    with pytest.raises(UsageError):
        parse_token_uri(f"pkcs11:{text}")
