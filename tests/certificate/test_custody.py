"""The fourth part lists the custody events that were verified with the evidence, in order."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from support.certificates import Issued, page_texts
from support.custodies import AT, Custody, all_events, certify

from anchor.base.errors import MismatchError
from anchor.certificate.detail_pages import build_sheets
from anchor.certificate.fonts import Font
from anchor.certificate.html import render_html
from anchor.certificate.layout import Fields, Notes
from anchor.certificate.model import Certificate, encode_certificate
from anchor.certificate.pdf import render_pdf


@pytest.fixture(scope="module")
def kept() -> Certificate:
    """Return a certificate with three events, given in another order than theirs."""
    custody = Custody(event_1={"from": "Ms Li", "to": "王先生", "purpose": "<b>lab</b>"})
    return certify(custody, all_events(custody)[::-1])


def test_the_events_are_members_in_their_own_order(kept: Certificate):
    assert kept.custody is not None
    events = [entry.stated["event"] for entry in kept.custody]
    assert events == ["collect", "transfer", "copy"]
    assert [entry.index for entry in kept.custody] == [AT + 1, AT + 2, AT + 3]
    previous = [entry.stated.get("previous_event") for entry in kept.custody]
    assert previous == [None, *(entry.record_sha256 for entry in kept.custody[:2])]
    document = json.loads(encode_certificate(kept))
    jsonschema_rs.validator_for(Certificate.model_json_schema()).validate(document)


def test_the_sheet_shows_each_event_with_what_is_stated_and_what_is_proven(kept: Certificate):
    blocks = build_sheets(kept)[3].blocks
    tables = [block for block in blocks if isinstance(block, Fields)]
    assert [table.title.en for table in tables] == [
        "Event 1: collect",
        "Event 2: transfer",
        "Event 3: copy",
    ]
    rows = {row.label.en: row.value for row in tables[1].rows}
    assert rows["handed over by"].lines == ("Ms Li",)
    assert rows["received by"].lines == ("王先生",)
    assert (
        rows["Latest time by the block (proves nothing)"]
        .lines[0]
        .startswith("北京时间 2026-09-21 22:17:50")
    )
    assert rows["previous event: SHA-256 of its record"].kind == "code"
    (remark,) = (block for block in blocks if isinstance(block, Notes))
    assert "Events after the last one are not excluded" in remark.items[0].en


def test_html_and_pdf_show_the_events_and_no_markup_of_theirs(kept: Certificate, font: Font):
    page = render_html(kept).decode()
    assert "王先生" in page and "<b>lab</b>" not in page
    text = "".join(page_texts(render_pdf(kept, font)))
    for entry in kept.custody or ():
        assert entry.record_sha256 in text


def test_without_events_one_line_says_so(issued: Issued):
    assert issued.certificate.custody is None
    table, remark = build_sheets(issued.certificate)[3].blocks
    assert isinstance(table, Fields) and len(table.rows) == 1
    assert isinstance(remark, Notes)
    assert remark.items[0].en.startswith("No receipt of a custody event was given.")


@pytest.mark.parametrize("change", [{"subject": "ab" * 32}, {"digest_before": "ab" * 32}])
def test_events_that_contradict_get_no_certificate(change: dict[str, Any]):
    custody = Custody(event_1=change)
    with pytest.raises(MismatchError):
        certify(custody, all_events(custody))
