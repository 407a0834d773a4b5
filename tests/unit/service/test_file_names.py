"""Names of downloads: ASCII for everybody, any other characters by RFC 8187."""

from __future__ import annotations

from anchor.service.file_names import name_download


def test_a_plain_name_stands_as_it_is() -> None:
    assert name_download("a1.zip") == {"Content-Disposition": 'attachment; filename="a1.zip"'}


def test_any_other_name_is_encoded_beside_a_plain_one() -> None:
    header = name_download('合同 "1".pdf', "ab.bin")["Content-Disposition"]
    assert header == (
        "attachment; filename=\"ab.bin\"; filename*=UTF-8''%E5%90%88%E5%90%8C%20%221%22.pdf"
    )
    assert name_download("", "ab.bin") == name_download("ab.bin")
