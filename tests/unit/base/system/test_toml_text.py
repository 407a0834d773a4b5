"""TOML as people write it: a byte order mark is ignored, and a fault is named in our words."""

from __future__ import annotations

import pytest

from anchor.base.errors import MalformedError
from anchor.base.messages.message import translate
from anchor.base.system.toml_text import parse_toml


def test_a_byte_order_mark_before_a_document_is_ignored_and_nowhere_else() -> None:
    assert parse_toml(b'\xef\xbb\xbfa = "\xef\xbb\xbf"') == {"a": "\ufeff"}
    with pytest.raises(MalformedError, match="line 1, column 1: a key and = are expected here"):
        parse_toml(b"\xef\xbb\xbf\xef\xbb\xbfa = 1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\n= 2", "line 2, column 1: a key and = are expected here"),
        ("a", "at its end: a key and = are expected here"),
        ("a = 1 b", "line 1, column 7: unexpected text at the end of the line"),
        ("a = '\x01'", "column 6: it holds a control character"),
        ("[a", "at its end: a heading lacks its closing bracket"),
        ("a = 'x", "at its end: a string lacks its closing quotation mark"),
        ('a = """x', "at its end: a string lacks its closing quotation mark"),
        ("a = [1", "at its end: a list or an inline table lacks its closing bracket"),
        ("a = {b = 1", "at its end: a list or an inline table lacks its closing bracket"),
        (r'a = "C:\Users\me"', "line 1, column 10: a backslash between double quotation marks"),
        (r'a = "\q"', "a backslash between double quotation marks"),
        (r'a = "\ud800"', "a backslash between double quotation marks"),
        ("a = yes", "line 1, column 5: this is no value of TOML"),
        ("a = 1\na = 2", "a name is defined twice"),
        ("[a]\n[a]", "line 2, column 3: a name is defined twice"),
        ("a = {b = 1, b = 2}", "a name is defined twice"),
        ("a.b = 1\n[a]", "a name is defined twice"),
        ("a = " + "[" * 50_000, "lists are nested too deeply"),
        ("a = " + "9" * 5_000, "a number has too many digits"),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_a_fault_is_named_with_its_place_in_both_languages(text: str, said: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_toml(text.encode())
    assert said in caught.value.message
    assert not set(translate(caught.value.message, "zh")) & set("abcdefghijklmnopqrstuvwxyz")


def test_what_is_not_utf8_is_refused_with_what_to_do() -> None:
    for data in ("a = 1".encode("utf-16"), b"a = '\xff'"):
        with pytest.raises(MalformedError, match=r"from byte \d+ on; save it as UTF-8"):
            parse_toml(data)
