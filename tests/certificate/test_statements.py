"""Details are read strictly, and each statement reaches its place, marked as a statement."""

from __future__ import annotations

import json
import tomllib

import pytest
from support.certificates import Issued, all_details

from anchor.base.digests import Digests
from anchor.base.errors import ExitCode, MalformedError, UnknownVersionError
from anchor.base.messages.message import translate
from anchor.base.system.details_toml import MAX_DETAILS_BYTES
from anchor.certificate.detail_pages import build_sheets
from anchor.certificate.layout import Fields
from anchor.certificate.statements import (
    Details,
    parse_details,
)
from anchor.evidence.statement_text import MAX_CHARACTERS

FORMAT = b'format = "anchor-certificate-details/1"\n'
DIGEST = bytes(range(32))
HEX = DIGEST.hex()


def test_toml_and_json_say_the_same() -> None:
    text = all_details(DIGEST)
    as_json = json.dumps(tomllib.loads(text.decode())).encode()
    assert parse_details(text, is_json=False) == parse_details(as_json, is_json=True)


def test_every_statement_is_printed_once_at_least_with_its_mark(issued: Issued) -> None:
    stated: list[str] = []

    def collect(value: object) -> None:
        if isinstance(value, dict):
            for member in value.values():
                collect(member)
        elif isinstance(value, list):
            for member in value:
                collect(member)
        elif value is not None:
            stated.append(str(value))

    collect(
        issued.certificate.stated.model_dump(
            exclude={"exhibit": {"certificate_no"}, "exhibits_stated_by": True}
        )
    )
    assert len(stated) >= 26
    values = [
        row.value
        for sheet in build_sheets(issued.certificate)
        for block in sheet.blocks
        if isinstance(block, Fields)
        for row in block.rows
    ]
    for statement in stated:
        holding = [value for value in values if any(statement in line for line in value.lines)]
        assert holding, statement
        assert all("※" in "".join(value.marks) for value in holding), statement


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (b"", UnknownVersionError, "format"),
        (b'format = "anchor-certificate-details/2"', UnknownVersionError, "/2"),
        (b"format = 1", UnknownVersionError, "format"),
        (FORMAT + b"issued_by = 'x'", MalformedError, "issued_by"),
        (FORMAT + b"[issuer]\nname = 5", MalformedError, "issuer.name"),
        (FORMAT + b"[issuer]\nname = ''", MalformedError, "leave out"),
        (FORMAT + b'[issuer]\nname = "a\\u202eb"', MalformedError, "cannot be printed"),
        (FORMAT + b'[issuer]\nname = "a\\nb"', MalformedError, "cannot be printed"),
        (FORMAT + b"[issuer]\nname = '%s'" % (b"x" * 1001), MalformedError, "issuer.name"),
        (FORMAT + b"[[exhibits]]\ntitle = 'x'", MalformedError, "digest"),
        (FORMAT + b"[[exhibits]]\ndigest = 'md5:00'", MalformedError, "exhibits.0.digest"),
        (FORMAT + b"[[exhibits]]\ndigest = 'sha256:00'", MalformedError, "64 hex digits"),
        (
            FORMAT + b"[[exhibits]]\nrecord_address = 'javascript:x'",
            MalformedError,
            "exhibits.0.record_address",
        ),
        (
            FORMAT + b"[[exhibits]]\nrecord_address = 'https://%s'" % (b"x" * 200),
            MalformedError,
            "at most 200 ASCII characters",
        ),
        (
            FORMAT + b"[[exhibits]]\n[[exhibits.external_deposits]]\nevidence_id = '1'",
            MalformedError,
            "exhibits.0.external_deposits.0.platform",
        ),
        (FORMAT + b"x = [", MalformedError, "TOML"),
        (FORMAT + b"\xff", MalformedError, "TOML"),
        (FORMAT + b"a." * 600 + b"b = 1", MalformedError, "dots"),
        (b"#" * (MAX_DETAILS_BYTES + 1), MalformedError, "longer than"),
    ],
)
def test_anything_but_the_format_is_refused(
    text: bytes, error: type[MalformedError], words: str
) -> None:
    with pytest.raises(error) as caught:
        parse_details(text, is_json=False)
    assert words in caught.value.message
    assert len(caught.value.message) < 400


def test_what_is_refused_is_told_in_chinese_too() -> None:
    for text, chinese in (
        (b"[issuer]\nname = ''", "填报信息的成员 'issuer.name'：为空；未知的成员应不写"),
        (b"[[exhibits]]\ntitle = 'x'", "填报信息的成员 'exhibits.0.digest'：缺少该成员"),
    ):
        with pytest.raises(MalformedError) as caught:
            parse_details(FORMAT + text, is_json=False)
        assert translate(caught.value.message, "zh") == chinese


@pytest.mark.parametrize("text", [b"[]", b"null", b'{"format":"x","format":"x"}', b"{", b"1.5"])
def test_json_is_read_as_strictly(text: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_details(text, is_json=True)
    assert caught.value.exit_code is ExitCode.USAGE


def test_an_exhibit_is_found_by_either_digest_in_either_case() -> None:
    entries = f'[[exhibits]]\ndigest = "sm3:{HEX.upper()}"\ntitle = "t"\n'.encode()
    details = parse_details(FORMAT + entries, is_json=False)
    found = details.find_exhibit(Digests(sha256=b"\x01" * 32, sm3=DIGEST, size=None))
    assert found.title == "t"
    # The same digits of another algorithm are another file's.
    other = details.find_exhibit(Digests(sha256=DIGEST, sm3=None, size=None))
    assert other.title is None


def test_two_entries_about_one_exhibit_are_refused() -> None:
    entry = f'[[exhibits]]\ndigest = "sha256:{HEX}"\n'.encode()
    details = parse_details(FORMAT + entry * 2, is_json=False)
    with pytest.raises(MalformedError, match="twice"):
        details.find_exhibit(Digests(sha256=DIGEST, sm3=None, size=None))


def test_the_longest_statement_is_taken() -> None:
    text = FORMAT + f'[issuer]\nname = "{"证" * MAX_CHARACTERS}"\n'.encode()
    assert parse_details(text, is_json=False).issuer.name == "证" * MAX_CHARACTERS
    assert Details() == parse_details(FORMAT, is_json=False)
