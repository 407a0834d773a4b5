"""Names of downloads: ASCII for everybody, any other characters by RFC 8187."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from anchor.base.digests import Digests
from anchor.evidence.record import encode_record
from anchor.service.file_names import name_download, name_recorded_file


def record(name: str) -> bytes:
    return encode_record(
        digests=Digests(sha256=bytes(32), sm3=None, size=None),
        name=name,
        media_type=None,
        salt=bytes(32),
        recorded_at="2026-11-29T00:00:00Z",
    )


def test_a_plain_name_stands_as_it_is() -> None:
    assert name_download("a1.zip") == {"Content-Disposition": 'attachment; filename="a1.zip"'}


def test_any_other_name_is_encoded_beside_a_plain_one() -> None:
    header = name_download('合同 "1".pdf', "ab.bin")["Content-Disposition"]
    assert header == (
        "attachment; filename=\"ab.bin\"; filename*=UTF-8''%E5%90%88%E5%90%8C%20%221%22.pdf"
    )
    assert name_download("", "ab.bin") == name_download("ab.bin")


@pytest.mark.parametrize(
    ("recorded", "saved"),
    [
        ("送货单.txt", "送货单.txt.anchor.json"),
        ("合同/2026/送货单.txt", "送货单.txt.anchor.json"),
        ("..\\..\\a.txt", "a.txt.anchor.json"),
        ("a\u202etxt.exe", "atxt.exe.anchor.json"),
        ("单" * 100, "单" * 80 + ".anchor.json"),
    ],
)
def test_a_receipt_is_saved_beside_its_file_under_the_files_name(recorded: str, saved: str) -> None:
    header = name_recorded_file(record(recorded), "ab", ".anchor.json")
    plain, _, name = header["Content-Disposition"].partition("; filename*=UTF-8''")
    assert plain == 'attachment; filename="ab.anchor.json"'
    assert unquote(name) == saved


@pytest.mark.parametrize("encoded", [None, record("..")])
def test_a_file_whose_record_has_no_name_to_save_it_under_has_the_plain_one(
    encoded: bytes | None,
) -> None:
    header = name_recorded_file(encoded, "ab", ".anchor.json")
    assert header == {"Content-Disposition": 'attachment; filename="ab.anchor.json"'}
