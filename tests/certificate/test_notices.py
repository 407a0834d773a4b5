"""A certificate shows what was known at its issue of the record's status, as stated."""

from __future__ import annotations

import json
from collections.abc import Sequence

import jsonschema_rs
import pytest
from support.certificates import MOMENT, Issued, page_texts
from support.notices import OF_A, OF_B, A, B, C, Notices

from anchor.base.errors import CannotCheckError, MismatchError
from anchor.base.messages.message import Message
from anchor.certificate.detail_pages import build_sheets
from anchor.certificate.fonts import Font
from anchor.certificate.html import render_html
from anchor.certificate.issue import Basis, issue_certificate
from anchor.certificate.labels import STATUS
from anchor.certificate.layout import Banner, Fields
from anchor.certificate.model import Certificate, bilingual, encode_certificate
from anchor.certificate.pdf import render_pdf
from anchor.certificate.statements import Details
from anchor.receipt.format import encode_receipt
from anchor.verification.notice_claim import GivenNotice

LONG = "<b>" + "缺页" * 400


def certify(notices: Notices, index: int, given: Sequence[GivenNotice]) -> Certificate:
    return issue_certificate(
        encode_receipt(notices.receipt(index)),
        notices.judge(index, given),
        details=Details(),
        basis=Basis(policy=notices.world.policy(), policies=(), nodes=()),
        moment=MOMENT,
        draft=False,
    )


@pytest.fixture(scope="module")
def notices() -> Notices:
    return Notices(reason=LONG)


@pytest.fixture(scope="module")
def superseded(notices: Notices) -> Certificate:
    return certify(notices, A, [notices.give(OF_A), notices.give(OF_B)])


def test_the_notices_are_members_in_their_order(superseded: Certificate, notices: Notices):
    assert superseded.notices is not None
    first, second = superseded.notices
    assert (first.kind, second.kind) == ("supersedes", "withdraws")
    assert first.subject == superseded.place.record_sha256
    assert first.replacement == second.subject == notices.give(OF_B).notice.subject.hex()
    assert (first.reason, first.actor, first.at) == (LONG, "Li", "2026-09-21T14:00:08Z")
    assert first.existed_no_later_than == superseded.anchors[0].existed_no_later_than
    assert bilingual(STATUS) not in superseded.not_proven
    document = json.loads(encode_certificate(superseded))
    jsonschema_rs.validator_for(Certificate.model_json_schema()).validate(document)


def test_the_first_sheet_says_it_and_the_fourth_has_it_in_full(superseded: Certificate):
    front, *_ = sheets = build_sheets(superseded)
    (banner,) = (block for block in front.blocks if isinstance(block, Banner))
    assert banner.verdict == "cannot tell"
    assert banner.caution is not None
    assert "this record is superseded or withdrawn" in banner.caution.en
    rows = [row for block in front.blocks if isinstance(block, Fields) for row in block.rows]
    (status,) = (row.value for row in rows if row.label.en.startswith("Status at issue"))
    assert "superseded by another record" in status.lines[0]
    assert len(status.lines[1]) < 200
    tables = [block for block in sheets[3].blocks if isinstance(block, Fields)]
    reasons = [row.value.lines for row in tables[0].rows if row.label.en == "reason"]
    assert reasons == [(LONG,)]


def test_html_and_pdf_show_it_and_no_markup_of_its_author(superseded: Certificate, font: Font):
    page = render_html(superseded).decode()
    assert "日志的运营方声明" in page and "<b>缺页" not in page
    pages = page_texts(render_pdf(superseded, font))
    assert "已被另一记录替代" in pages[0]
    # The first sheet still has a page, and no more than one, for itself.
    assert Message("certificate-findings-title") in pages[1]


def test_without_a_notice_the_status_is_listed_as_not_proven(notices: Notices, issued: Issued):
    plain = certify(notices, C, [notices.give(OF_A)])
    assert plain.notices is None
    assert bilingual(STATUS) in plain.not_proven
    assert bilingual(STATUS) in issued.certificate.not_proven
    rows = [
        row.label.en
        for block in build_sheets(plain)[0].blocks
        if isinstance(block, Fields)
        for row in block.rows
    ]
    assert not any(label.startswith("Status") for label in rows)


def test_a_withdrawn_record_is_certified_as_such(notices: Notices):
    certificate = certify(notices, B, [notices.give(OF_B)])
    assert certificate.notices is not None
    assert [each.kind for each in certificate.notices] == ["withdraws"]


def test_a_notice_that_does_not_verify_gets_no_certificate(notices: Notices):
    with pytest.raises(CannotCheckError):
        certify(notices, A, [notices.give(OF_A, offline=True)])
    bent = Notices(digests=notices.world.evidence(A))
    with pytest.raises(MismatchError):
        certify(bent, A, [bent.give(OF_A, is_demanded=True)])
