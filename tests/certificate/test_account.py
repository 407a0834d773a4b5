"""The third sheet shows the record's account: stated and observed apart, failed checks as such."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from support.certificates import HOSTILE, Issued, issue, recorded
from support.group_examples import FULL
from support.world import INDEX, SIZE

from anchor.certificate.detail_pages import build_sheets
from anchor.certificate.fonts import Font
from anchor.certificate.html import render_html
from anchor.certificate.layout import Fields, Notes, Sheet
from anchor.certificate.model import Certificate
from anchor.certificate.pdf import render_pdf
from anchor.certificate.statements import Details
from anchor.evidence.group_reading import parse_groups

STATED = "Source and collection"
PROVIDER = "Platform disclosure"
OBSERVED = "Observed by the program that made the record, not verified"
CLEANLINESS = "Result of the cleanliness check"


def issued_with(statements: dict[str, Any], details: Details | None = None) -> Issued:
    world = recorded(INDEX, statements=statements)
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    return issue(world, receipt, details=details)


@pytest.fixture(scope="module")
def documented() -> Issued:
    return issued_with(parse_groups(FULL).members())


def third(issued: Issued) -> Sheet:
    return build_sheets(issued.certificate)[2]


def tables(issued: Issued) -> dict[str, dict[str, tuple[str, ...]]]:
    return {
        block.title.en: {row.label.en: row.value.lines for row in block.rows}
        for block in third(issued).blocks
        if isinstance(block, Fields)
    }


def test_stated_and_observed_stand_in_tables_of_their_own(documented: Issued):
    found = tables(documented)
    assert found[STATED]["Source"] == ("origin-12", "被告的办公电脑")
    assert found[STATED]["chain"] == ("eip155:1",)
    assert found[OBSERVED]["operating system"] == ("Debian",)
    assert found[OBSERVED]["software"] == ("anchor-evidence",)
    assert found[OBSERVED]["offset in milliseconds"] == ("-3",)
    assert "operating system" not in found[STATED]
    assert "origin" not in found[OBSERVED]
    # Each value stands once, whoever states it.
    assert not {"origin", "place", "method", "how it was generated"} & found[STATED].keys()


def test_what_the_provider_left_out_is_printed_as_not_provided(documented: Issued):
    provider = tables(documented)[PROVIDER]
    assert provider["Platform"] == ("平台丙 Platform", "某公司")
    assert provider["Fees"] == ("fees-6",)
    empty = tables(issued_with({"provider": {"legal_name": "某公司"}}, Details()))[PROVIDER]
    assert empty.pop("Platform") == ("某公司",)
    assert set(empty.values()) == {("未提供 / not provided",)} and len(empty) == 6


def test_a_failed_check_is_shown_as_failed_with_what_was_observed(documented: Issued):
    checks = tables(documented)[CLEANLINESS]
    assert checks["Proxy"] == ("未通过 / FAILED", "x")
    assert checks["result"][0] == "未通过 / FAILED"
    (table,) = (
        block
        for block in third(documented).blocks
        if isinstance(block, Fields) and block.title.en == CLEANLINESS
    )
    assert {row.value.kind for row in table.rows} == {"caution"}


def test_what_was_found_in_a_capture_made_elsewhere_stands_in_a_table_of_its_own(
    documented: Issued,
):
    tables_shown = tables(documented)
    findings = tables_shown["Checks of the web capture made elsewhere"]
    assert findings == {"Index": ("未通过 / FAILED", "x")}
    software = "software that made it, as the file states (not observed)"
    assert tables_shown[OBSERVED][software] == ("py-wacz 0.6.0",)


def test_what_the_profile_lacks_is_listed(documented: Issued):
    texts = [item.zh for block in third(documented).blocks for item in getattr(block, "items", ())]
    assert any("collection.operators" in text and "第一百一十二条" in text for text in texts)


def test_the_json_holds_the_account_and_keeps_to_its_schema(documented: Issued):
    document = documented.certificate.model_dump(mode="json")
    assert document["account"]["stated"]["source"] == FULL["source"]
    assert document["account"]["observed"]["cleanliness"] == FULL["cleanliness"]
    jsonschema_rs.validator_for(Certificate.model_json_schema()).validate(document)


def test_a_record_without_checks_says_that_there_are_none():
    found = tables(issued_with({"source": {"origin": "x"}}))
    assert found[CLEANLINESS] == {"checks": ("未提供 / not provided",)}
    assert found[OBSERVED] == {"Entries": ("未提供 / not provided",)}


def test_a_record_without_groups_is_said_to_hold_no_environment(issued: Issued):
    assert issued.certificate.account is None
    notes = [block for block in third(issued).blocks if isinstance(block, Notes)]
    remarks = [remark.zh for block in notes for remark in block.items]
    assert any("没有环境与清洁性检查的内容" in remark for remark in remarks)
    assert any("提交证据的页面可能未设此栏" in remark for remark in remarks)


def test_two_hundred_items_are_counted_and_not_all_printed():
    item = {"path": "x", "size": 1, "digests": {"sha256": "ab" * 32}}
    found = tables(issued_with({"items": [item] * 200}))
    assert found[STATED]["Entries"] == ("另有 540 项，见 JSON 文件 / 540 more, in the JSON",)


def test_html_and_pdf_take_an_account_with_any_text(font: Font):
    texts = [
        "".join(each if each.isprintable() else "?" for each in text)[:900]
        for text in HOSTILE.values()
    ]
    cleanliness = {
        "started_at": "2026-01-02T03:04:05Z",
        "result": "fail",
        "checks": [
            {"id": "x", "zh": text, "en": text, "result": "fail", "observed": text}
            for text in texts
        ],
    }
    members = parse_groups(
        {**FULL, "collection": {"steps": texts}, "cleanliness": cleanliness}
    ).members()
    issued = issued_with(members)
    assert b"<script" not in render_html(issued.certificate)
    assert render_pdf(issued.certificate, font).startswith(b"%PDF")
