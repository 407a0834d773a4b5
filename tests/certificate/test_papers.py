"""The papers are drafts: figures from the certificate, blanks for the rest, nothing claimed."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import get_args

import pytest
from support.certificates import HOSTILE, Issued, issue, named, page_texts, read_metadata, recorded
from support.chinese_text import CHARACTER
from support.custodies import Custody, all_events, certify
from support.group_examples import FULL
from support.world import INDEX, SIZE, World

from anchor.base.errors import NotFinalError, UsageError
from anchor.certificate.fonts import Font
from anchor.certificate.model import Certificate
from anchor.certificate.papers import PAPERS, PaperName, parse_paper, render_paper
from anchor.certificate.pdf import render_paper_pdf
from anchor.certificate.statements import Declarant, Details
from anchor.ethereum.header import parse_header
from anchor.evidence.group_reading import parse_groups

DECLARANT = Declarant(
    name="Dana Doe",
    position="Custodian",
    organisation="Example LLC",
    qualification="ten years with the system",
    accuracy="accuracy-1",
    regular_activity="activity-2",
    regular_practice="practice-3",
)


STYLE = re.compile(r"<style>.*</style>", re.S)


class Paper(HTMLParser):
    """A paper's elements and text."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(data.decode("utf-8"))
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        self.text += " " if tag in ("th", "td") else ""


def utc(time: str) -> str:
    return time.replace("T", " ").replace("Z", " UTC")


def draft(name: PaperName, certificate: Certificate, declarant: Declarant = DECLARANT) -> Paper:
    return Paper(render_paper(name, certificate, declarant))


@pytest.fixture(scope="module")
def documented() -> Certificate:
    world = recorded(INDEX, statements=parse_groups(FULL).members())
    return issue(world, world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))).certificate


@pytest.mark.parametrize("name", PAPERS)
def test_each_is_marked_as_an_unsigned_draft_and_names_its_certificate(
    name: PaperName, issued: Issued
):
    text = draft(name, issued.certificate).text
    assert ("草稿，未签署" if name == "zh" else "DRAFT, not signed") in text
    assert issued.certificate.certificate_no in text
    for sentence in issued.certificate.not_proven:
        assert (sentence.zh if name == "zh" else sentence.en) in text
    assert not re.search(r"\bis authentic\b|\badmissible\b|真实性已|具有证据效力", text)


@pytest.mark.parametrize("name", PAPERS)
def test_each_holds_every_figure_of_the_anchor(name: PaperName, issued: Issued):
    certificate, anchor = issued.certificate, issued.certificate.anchor
    assert anchor is not None
    text = draft(name, certificate).text
    for figure in (
        certificate.evidence.sha256,
        certificate.evidence.sm3,
        certificate.place.number,
        certificate.place.record_sha256,
        anchor.registry,
        anchor.root,
        anchor.relied_on.hash,
        utc(anchor.anchored_at),
        utc(anchor.existed_no_later_than),
    ):
        assert figure is not None and figure in text


def test_a_development_chain_and_a_missing_lower_bound_are_named(issued: Issued):
    for name in PAPERS:
        text = draft(name, issued.certificate).text
        assert ("该链是开发链" if name == "zh" else "is a development chain") in text
        assert ("本存证回执未予证明" if name == "zh" else "not proven by this receipt") in text


def test_the_federal_form_has_the_wording_of_the_statute_in_both_forms(issued: Issued):
    text = draft("us-902", issued.certificate).text
    assert "under penalty of perjury that the foregoing is true and correct. Executed on" in text
    assert (
        "under penalty of perjury under the laws of the United States of America that the "
        "foregoing is true and correct. Executed on"
    ) in text
    assert "accuracy-1" in text and "Dana Doe" in text


def test_the_vermont_form_has_the_four_points_in_their_order(issued: Issued):
    certificate, anchor = issued.certificate, issued.certificate.anchor
    assert anchor is not None and certificate.verification.retrieved_at is not None
    text = draft("vermont", certificate).text
    points = [
        f"record entered the blockchain: {utc(anchor.anchored_at)}, by the time of block 20 of",
        f"received from the blockchain: {utc(certificate.verification.retrieved_at)}, when the",
        "maintained in the blockchain as a regular conducted activity: activity-2",
        "made by the regularly conducted activity as a regular practice: practice-3",
    ]
    assert [point for point in points if point not in text] == []
    assert sorted(points, key=text.index) == points


def test_what_nobody_stated_is_a_blank_with_its_label(issued: Issued):
    world = World()
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    state = receipt.anchors[0].state
    assert state is not None
    hashes = {parse_header(state.header).hash}
    bare = issue(world, receipt, details=Details(), offline=True, block_hashes=hashes).certificate
    text = draft("vermont", bare, Declarant()).text
    assert "____ [name of the qualified person]" in text
    assert "____ [no node was asked in this verification" in text
    assert "____ [the practice, and how the person who signs knows of it]" in text
    for name in ("us-902", "zh"):
        assert draft(parse_paper(name), bare, Declarant()).text.count("____") > 10


def test_stated_observed_and_failed_are_apart(documented: Certificate):
    text = draft("us-902", documented).text
    assert "Proxy FAILED: x observed by the program that made the record" in text
    assert "operating system Debian observed by the program that made the record" in text
    assert "origin 被告的办公电脑 stated in the record, which does not name who stated it" in text
    chinese = draft("zh", documented).text
    assert "代理 未通过：x 由制作记录的程序查明，未经核验" in chinese
    assert "第一百一十二条" in chinese, "what the profile lacks"


def test_custody_events_are_listed_in_the_chinese_paper():
    custody = Custody(event_1={"to": "王先生"})
    certificate = certify(custody, all_events(custody))
    text = draft("zh", certificate).text
    assert "第 3 项" in text and "接收方 王先生" in text
    assert "移交" in text and "transfer" not in text


def test_the_chinese_paper_has_findings_and_choices_in_chinese():
    check = {**FULL["cleanliness"]["checks"][0], "observed": "none", "observed_zh": "无"}
    members = {**FULL, "cleanliness": {**FULL["cleanliness"], "checks": [check]}}
    world = recorded(INDEX, statements=parse_groups(members).members())
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    text = draft("zh", issue(world, receipt).certificate).text
    assert "代理 未通过：无" in text
    assert "各服务器一致" in text and "未尝试" in text and "not_attempted" not in text


@pytest.mark.parametrize("what", HOSTILE)
def test_a_name_is_only_ever_text(what: str):
    world, plain = named(HOSTILE[what], INDEX), World()
    found, honest = (
        issue(each, each.receipt(INDEX, each.prove(each.anchor(INDEX, SIZE)))).certificate
        for each in (world, plain)
    )
    for name in PAPERS:
        assert draft(name, found).tags == draft(name, honest).tags


def test_the_english_papers_are_english_but_for_what_others_wrote(issued: Issued):
    bare = issued.certificate.model_copy(
        update={"stated": issued.certificate.stated.model_copy(update={"case_reference": None})}
    )
    for name in ("us-902", "vermont"):
        text = draft(parse_paper(name), bare).text
        assert not CHARACTER.search(text), name


@pytest.mark.parametrize("name", PAPERS)
def test_the_pdf_says_what_the_html_does_and_is_always_the_same(
    name: PaperName, issued: Issued, font: Font
):
    html = render_paper(name, issued.certificate, DECLARANT)
    pdf = render_paper_pdf(html, issued.certificate, font)
    assert pdf == render_paper_pdf(html, issued.certificate, font)
    metadata = read_metadata(pdf)
    assert b"<pdfaid:part>3</pdfaid:part>" in metadata
    pages = page_texts(pdf)
    shown, said = (Counter(re.sub(r"\s", "", text)) for text in ("".join(pages), Paper(html).text))
    # Beyond the HTML, which also has its style, each page has a title and its number.
    (style,) = STYLE.findall(html.decode())
    lacking = said - shown - Counter(style)
    assert not lacking
    title = "电子数据存证技术说明（草稿）" if name == "zh" else "DRAFT "
    assert all(title in page for page in pages)


@pytest.mark.parametrize("what", HOSTILE)
def test_every_name_can_be_set(what: str, font: Font):
    world = named(HOSTILE[what], INDEX)
    certificate = issue(world, world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE))))
    for name in PAPERS:
        html = render_paper(name, certificate.certificate, DECLARANT)
        assert render_paper_pdf(html, certificate.certificate, font).startswith(b"%PDF")


def test_a_draft_without_an_anchor_gets_none():
    early = World()
    early.main.final = 15
    unproven = issue(early, early.receipt(INDEX, early.anchor(INDEX, SIZE)), draft=True)
    for name in get_args(PaperName):
        with pytest.raises(NotFinalError, match="no paper is drafted"):
            render_paper(name, unproven.certificate, DECLARANT)


def test_an_unknown_paper_is_refused():
    with pytest.raises(UsageError, match="unknown paper 'us-901'; known are us-902, vermont, zh"):
        parse_paper("us-901")


def test_the_chinese_paper_says_stated_of_what_the_record_states(documented: Certificate) -> None:
    text = draft("zh", documented).text
    assert "有陈述，未核对" in text
    assert "不依赖出证人的核验方法" in text
