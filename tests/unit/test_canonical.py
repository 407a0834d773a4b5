"""Strict JSON and RFC 8785: what is refused, what is accepted, and that both readers agree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from anchor.base.canonical import (
    MAX_DEPTH,
    MAX_INTEGER,
    JsonValue,
    encode_canonical,
    parse_canonical,
    parse_strict,
)
from anchor.base.errors import ExitCode, MalformedError
from anchor.base.messages.message import translate

MAX_BYTES = 1 << 20

_CHARACTERS = st.characters(exclude_categories=["Cs"])
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-MAX_INTEGER, max_value=MAX_INTEGER)
    | st.text(_CHARACTERS, max_size=20)
)
JSON_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(_CHARACTERS, max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def parse(data: bytes) -> JsonValue:
    return parse_strict(data, subject="the document", max_bytes=MAX_BYTES)


def refusal(data: bytes) -> str:
    with pytest.raises(MalformedError) as caught:
        parse(data)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.message.startswith("the document ")
    assert len(caught.value.message) < 300
    return caught.value.message


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.fault(
    "H17",
    how="one member given twice",
    then="refused",
)
@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b'{"a":1,"b":0,"a":1}',
        b'{"x":{"a":1,"a":1}}',
        b'[[{"a":1,"a":1}]]',
        rb'{"a":1,"\u0061":2}',
        b'{"":1,"":2}',
    ],
)
def test_a_member_name_given_twice_is_refused(data: bytes) -> None:
    assert "twice" in refusal(data)


def test_member_names_are_compared_without_unicode_normalisation() -> None:
    assert parse('{"é":1,"e\u0301":2}'.encode()) == {"é": 1, "e\u0301": 2}


@pytest.mark.parametrize(
    "literal",
    ["NaN", "Infinity", "-Infinity", "1.0", "1e3", "1E3", "1e-3", "0.0", "-0.0", "-0e0", "1e400"],
)
@pytest.mark.parametrize("template", ["{}", "[{}]", '{{"a":{}}}'])
def test_a_number_that_is_not_an_integer_literal_is_refused(literal: str, template: str) -> None:
    assert "only integers are allowed" in refusal(template.format(literal).encode())


def test_minus_zero_is_refused_because_it_is_not_zeros_only_spelling() -> None:
    assert "-0" in refusal(b"[-0]")
    assert parse(b"[0]") == [0]


@pytest.mark.parametrize("number", [0, 1, -1, MAX_INTEGER, -MAX_INTEGER, MAX_INTEGER - 1])
def test_integers_up_to_two_to_the_53_minus_one_are_read(number: int) -> None:
    assert parse(str(number).encode()) == number
    assert encode_canonical(number, subject="the number") == str(number).encode()


@pytest.mark.parametrize(
    "number", [MAX_INTEGER + 1, -MAX_INTEGER - 1, 2**63, 2**64, 2**256, 10**17, -(10**16)]
)
def test_integers_beyond_two_to_the_53_minus_one_are_refused_both_ways(number: int) -> None:
    assert "outside" in refusal(f"[{number}]".encode())
    with pytest.raises(MalformedError, match="outside"):
        encode_canonical([number], subject="the number")


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_hundred_thousand_digits_are_refused_at_once(sign: str) -> None:
    started = time.process_time()
    assert "outside" in refusal(f'{{"a":{sign}{"9" * 100_000}}}'.encode())
    assert time.process_time() - started < 5


@pytest.mark.parametrize("data", [b"01", b"+1", b"1.", b".5", b"0x10", b"1_000", "١".encode()])
def test_what_is_no_json_number_is_refused(data: bytes) -> None:
    refusal(data)


@pytest.mark.fault(
    "J4",
    how="half a surrogate pair in a document",
    then="refused",
)
@pytest.mark.parametrize(
    "data",
    [
        rb'"\ud800"',
        rb'"\udfff"',
        rb'"x\udc00\ud800"',
        rb'"\ud83d!\ude00"',
        rb'{"\ud800":1}',
        rb'[{"a":{"b":["\ud800"]}}]',
    ],
)
def test_an_escaped_lone_surrogate_is_refused_in_names_and_values(data: bytes) -> None:
    assert "surrogate" in refusal(data)


@pytest.mark.parametrize("data", [b'"\xed\xa0\x80"', b'{"\xed\xbf\xbf":1}'])
def test_a_raw_lone_surrogate_is_no_utf8(data: bytes) -> None:
    assert "UTF-8" in refusal(data)


def test_an_escaped_surrogate_pair_is_one_character() -> None:
    assert parse(rb'"\ud83d\ude00"') == "😀"


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, [[{"a": "x\udc00"}]]])
def test_a_lone_surrogate_has_no_canonical_form(value: JsonValue) -> None:
    with pytest.raises(MalformedError, match="surrogate"):
        encode_canonical(value, subject="the document")


@pytest.mark.parametrize("value", [1.0, float("nan"), [float("inf")], {"a": 0.5}, b"x", {1, 2}])
def test_a_value_json_cannot_carry_here_is_not_encoded(value: JsonValue) -> None:
    with pytest.raises(MalformedError, match="cannot represent"):
        encode_canonical(value, subject="the document")


@pytest.mark.parametrize(
    "data",
    [
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-be"),
        '{"a":1}'.encode("utf-32"),
        b'"\xff"',
        b'"\xc0\xaf"',
        b'"\xf5\x80\x80\x80"',
        b'"caf\xe9"',
    ],
)
def test_a_byte_order_mark_and_every_encoding_but_utf8_are_refused(data: bytes) -> None:
    refusal(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b'"',
        b'{"a',
        b'{"a":"b\\"}',
        b'"\\',
        b"{",
        b"[1,]",
        b'{"a":1,}',
        b"{a:1}",
        b"{'a':1}",
        b'{"a" 1}',
        b"[1 2]",
        b"]",
        b'"\n"',
        b'"\x00"',
        rb'"\x41"',
        rb'"\u12"',
        b"nul",
        b"True",
        b"/**/1",
        b"{}\x00",
    ],
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    assert "not JSON" in refusal(data)


@pytest.mark.parametrize(
    ("data", "chinese"),
    [
        (b"[", "这份文件不是 JSON：此处应有值（）"),
        (b"[1 2]", "这份文件不是 JSON：此处应有分隔符 ','（）"),
        (b'{"a" 1}', "这份文件不是 JSON：此处应有分隔符 ':'（）"),
        (b"{a:1}", "这份文件不是 JSON：此处应有双引号括起的成员名（）"),
        (b'"a', "这份文件不是 JSON：字符串没有结束（）"),
        (b'"\n"', "这份文件不是 JSON：字符串中有控制字符（）"),
        (rb'"\x41"', "这份文件不是 JSON：转义符无效（）"),
        (rb'"\u12"', r"这份文件不是 JSON：转义符 \uXXXX 无效（）"),
        (b"{}{}", "这份文件不是 JSON：文档之后还有内容（）"),
        (
            b"\xef\xbb\xbf{}",
            "这份文件不是 JSON：开头有字节序标记（BOM）；请以不带 BOM 的 UTF-8 编码保存（）",
        ),
        (b'{"a":1,"a":2}', "这份文件的成员 'a' 出现两次"),
        (b"[1.5]", "这份文件含有数 1.5；只允许整数"),
        (b"[-0]", "这份文件含有 -0，这不是整数的规范写法"),
    ],
)
def test_a_refusal_has_its_chinese(data: bytes, chinese: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_strict(data, subject="这份文件", max_bytes=MAX_BYTES)
    # Python's versions count the columns differently.
    assert re.sub(r"第 \d+ 行第 \d+ 列", "", translate(caught.value.message, "zh")) == chinese


@pytest.mark.parametrize("data", [b"{}{}", b"{} x", b"1 2", b"[]]", b'""""', b"null,"])
def test_data_after_the_document_is_refused(data: bytes) -> None:
    refusal(data)


def test_the_depth_bound_is_exact() -> None:
    assert parse(nested(MAX_DEPTH)) is not None
    assert "nests deeper" in refusal(nested(MAX_DEPTH + 1))
    members = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
    assert parse(members) is not None
    assert "nests deeper" in refusal(b"[" + members + b"]")


def test_closed_brackets_do_not_add_up() -> None:
    assert parse(b"[" + b",".join([b"[{}]"] * 1_000) + b"]") == [[{}]] * 1_000


@pytest.mark.parametrize(
    "text", ["[" * 100, "{[" * 100, '"' + "[" * 100, "\\" + "[" * 100, '\\"' + "[" * 50, "]" * 100]
)
def test_brackets_inside_strings_do_not_count(text: str) -> None:
    assert parse(json.dumps({text: text}).encode()) == {text: text}


def test_strings_that_end_in_backslashes_hide_no_brackets() -> None:
    tower = nested(MAX_DEPTH + 1)
    for string in (rb'"\\"', rb'"\\\\"', rb'"\""', rb'"\\\""', b'""'):
        assert "nests deeper" in refusal(b"[" + string + b"," + tower + b"]")


@pytest.mark.fault(
    "J3",
    how="a tower of brackets, where Python allows deep recursion",
    then="refused; the process goes on",
)
@pytest.mark.parametrize("tower", ["[", '{"a":', '[{"a":', "{"])
def test_a_tower_of_brackets_cannot_crash_a_process_with_a_high_recursion_limit(
    tower: str,
) -> None:
    # py-evm raises the limit so; json's C scanner then overruns its stack.
    script = (
        "import sys; sys.setrecursionlimit(100_000)\n"
        "from anchor.base.canonical import parse_strict\n"
        "from anchor.base.errors import MalformedError\n"
        "try:\n"
        f"    parse_strict({tower!r}.encode() * 200_000, subject='it', max_bytes=1 << 24)\n"
        "except MalformedError as error:\n"
        "    print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "it nests deeper than 16 levels\n"), done.stderr


@pytest.mark.fault(
    "J3",
    how="the worst documents of the largest size",
    then="refused in linear time",
)
@pytest.mark.parametrize(
    "data",
    [
        b'"' + b'\\"' * 500_000,
        b'"' + b"a" * 1_000_000,
        b'"' + b"\\" * 1_000_001,
        b'""' * 500_000,
        b"[" + b'"\\",' * 200_000,
        b"{" + b",".join(b'"%06d":0' % n for n in range(90_000)) + b',"089999":0}',
        b"[" + b"]" * 1_000_000,
        b"9" * 1_000_000,
    ],
    ids=["escapes", "unterminated", "backslashes", "quotes", "pairs", "twice", "closing", "digits"],
)
def test_a_document_of_the_largest_size_is_refused_in_linear_time(data: bytes) -> None:
    started = time.process_time()
    refusal(data)
    assert time.process_time() - started < 5


def test_the_size_bound_is_exact_and_counts_bytes() -> None:
    data = '"é"'.encode()
    assert parse_strict(data, subject="it", max_bytes=4) == "é"
    with pytest.raises(MalformedError, match="it has more than the 3 bytes that are allowed"):
        parse_strict(data, subject="it", max_bytes=3)


# RFC 8785 sections 3.2.2 and 3.2.3 (the number members, which are not integers, left out), and
# appendix B's integers.
def test_the_strings_and_literals_of_rfc_8785_are_encoded_as_the_rfc_shows() -> None:
    value = json.loads(r"""{"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals":[null,true,false]}""")
    expected = (
        '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    ).encode()
    assert encode_canonical(value, subject="it") == expected


def test_members_are_sorted_by_utf16_code_units_as_rfc_8785_shows() -> None:
    value: JsonValue = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    encoded = encode_canonical(value, subject="it")
    assert [title.split()[0] for title in json.loads(encoded).values()] == [
        "Carriage",
        "One",
        "Control",
        "Latin",
        "Euro",
        "Emoji:",
        "Hebrew",
    ]
    assert parse_canonical(encoded, subject="it", max_bytes=MAX_BYTES) == value


@pytest.mark.parametrize("number", [0, 9007199254740991, -9007199254740991])
def test_integers_of_rfc_8785_appendix_b_keep_all_their_digits(number: int) -> None:
    assert encode_canonical({"n": number}, subject="it") == f'{{"n":{number}}}'.encode()


@pytest.mark.parametrize("number", [9007199254740992, -9007199254740992, 295147905179352830000])
def test_integers_of_rfc_8785_appendix_b_that_i_json_excludes_are_refused(number: int) -> None:
    with pytest.raises(MalformedError):
        encode_canonical({"n": number}, subject="it")


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1}',
        b' {"a":1}',
        b'{"a":1}\n',
        b'{"b":1,"a":2}',
        rb'{"\u0061":1}',
        rb'{"a":"\u0041"}',
        rb'{"a":"\/"}',
        rb'{"a":"\u000A"}',
        rb'{"a":"\u00e9"}',
        rb'{"a":"\ud83d\ude00"}',
        rb'{"a":"\u001F"}',
        rb'{"a":"\u0008"}',
        '{"\U0001f600":1,"\ufb33":1,"\u20ac":1}'.encode(),
        '{"\ufb33":1,"\U0001f600":1}'.encode(),
    ],
)
def test_another_spelling_of_the_same_document_is_not_canonical(data: bytes) -> None:
    value = parse(data)
    canonical = encode_canonical(value, subject="it")
    assert canonical != data
    assert parse_canonical(canonical, subject="it", max_bytes=MAX_BYTES) == value
    with pytest.raises(MalformedError, match="not in canonical form"):
        parse_canonical(data, subject="it", max_bytes=MAX_BYTES)


@given(JSON_VALUES)
def test_trail_of_bits_encoder_gives_the_same_bytes(value: JsonValue) -> None:
    assert encode_canonical(value, subject="it") == rfc8785.dumps(value)


@pytest.mark.parametrize("plane", [*range(3), 16])
def test_trail_of_bits_encoder_gives_the_same_bytes_for_every_character(plane: int) -> None:
    characters = [
        chr(code) for code in range(plane << 16, (plane + 1) << 16) if not 0xD800 <= code < 0xE000
    ]
    value: JsonValue = ["".join(characters), dict.fromkeys(characters)]
    assert encode_canonical(value, subject="it") == rfc8785.dumps(value)


@given(JSON_VALUES)
def test_parsing_what_was_encoded_gives_the_value_back(value: JsonValue) -> None:
    encoded = encode_canonical(value, subject="it")
    assert parse_canonical(encoded, subject="it", max_bytes=MAX_BYTES) == value
    # json tells true from 1, which == does not.
    assert json.dumps(parse(encoded), sort_keys=True) == json.dumps(value, sort_keys=True)


@given(JSON_VALUES, st.sampled_from([{"indent": 1}, {"separators": (", ", ":")}, {}]))
def test_parse_canonical_accepts_only_its_own_bytes(value: JsonValue, layout: object) -> None:
    encoded = encode_canonical(value, subject="it")
    assert isinstance(layout, dict)
    other = json.dumps(value, **layout).encode()
    assert encode_canonical(parse(other), subject="it") == encoded
    if other != encoded:
        with pytest.raises(MalformedError):
            parse_canonical(other, subject="it", max_bytes=MAX_BYTES)


@given(st.binary(max_size=60) | st.text('[]{}",:\\ 0-9e.utrfn', max_size=30).map(str.encode))
def test_any_bytes_are_read_or_refused_and_never_differently_than_json(data: bytes) -> None:
    try:
        value = parse(data)
    except MalformedError:
        return
    assert json.loads(data) == value
