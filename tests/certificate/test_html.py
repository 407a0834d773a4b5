"""HTML and PDF show the certificate, whole, and nothing that a name could make them show."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import unicodedata
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from setuptools import Distribution
from support.certificates import HOSTILE, Issued, issue, named, page_texts, read_code, recorded
from support.chinese_text import CHARACTER, what_is_english
from support.examples import examples
from support.paths import ROOT
from support.world import INDEX, SIZE, World

from anchor.base.types import ChainId, Hash32
from anchor.certificate.detail_pages import build_sheets
from anchor.certificate.fonts import Font
from anchor.certificate.foreign_text import show_text
from anchor.certificate.front_page import build_front
from anchor.certificate.html import render_html
from anchor.certificate.labels import describe_kind, describe_network
from anchor.certificate.layout import Banner, Commands, Fields, JudgedTable, Value, both
from anchor.certificate.model import Certificate, encode_certificate, encode_step
from anchor.certificate.path_svg import draw_path
from anchor.certificate.pdf import render_pdf
from anchor.certificate.qr import draw_code
from anchor.certificate.statements import Details
from anchor.certificate.time_format import Moment, describe_time
from anchor.evidence.preservation_number import number_record
from anchor.log.merkle import trace_path
from anchor.receipt.format import Receipt


class Page(HTMLParser):
    """What a browser would make of a page: its elements, attributes and text."""

    def __init__(self, data: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(data.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def values(issued: Issued) -> list[Value]:
    return [
        row.value
        for sheet in build_sheets(issued.certificate)
        for block in sheet.blocks
        if isinstance(block, Fields)
        for row in block.rows
    ]


def test_both_pages_show_every_value_finding_and_command(issued: Issued, pdf: bytes) -> None:
    shown = {
        "html": squeezed(Page(render_html(issued.certificate)).text),
        "pdf": squeezed("".join(page_texts(pdf))),
    }
    texts = [line for value in values(issued) for line in value.lines]
    for sheet in build_sheets(issued.certificate):
        texts += [sheet.title.zh, sheet.title.en]
        for block in sheet.blocks:
            if isinstance(block, JudgedTable):
                pairs = [pair for row in block.rows for pair in (row.title, row.reason)]
                texts += [text for pair in pairs for text in (pair.zh, pair.en)]
            if isinstance(block, Commands):
                texts += [text for row in block.rows for text in (row[1], row[2])]
    texts += [issued.certificate.statement.zh, issued.certificate.statement.en]
    texts += [text for item in issued.certificate.not_proven for text in (item.zh, item.en)]
    for kind, text in shown.items():
        missing = [item for item in texts if squeezed(item) not in text]
        assert missing == [], kind


def test_the_result_states_no_time_of_a_chain_that_proves_none(issued: Issued) -> None:
    assert issued.certificate.anchors[0].kind == "development"
    (banner,) = (
        part for part in build_front(issued.certificate).blocks if isinstance(part, Banner)
    )
    assert banner.since is None
    main = issued.certificate.anchors[0].model_copy(update={"kind": "main"})
    proving = issued.certificate.model_copy(update={"anchors": [main]})
    (banner,) = (part for part in build_front(proving).blocks if isinstance(part, Banner))
    assert banner.since == f"不晚于 / no later than {describe_time('2026-09-21T14:17:50Z')}"
    assert banner.result.en.startswith("Verified: unchanged")
    evidence = proving.evidence.model_copy(update={"compared": "digest"})
    by_digest = proving.model_copy(update={"evidence": evidence})
    (banner,) = (part for part in build_front(by_digest).blocks if isinstance(part, Banner))
    assert banner.result.zh.startswith("存证记录已核验，文件未比对")
    assert banner.verdict == "cannot tell"


def test_a_bound_after_the_issue_is_called_calculated() -> None:
    """No time to come is shown as if it were known."""
    world = World()
    rows = {}
    for issued_at in ("2026-09-21T14:17:49Z", "2026-09-21T14:17:50Z"):
        moment = Moment(at=datetime.fromisoformat(issued_at), clock="given")
        certificate = issue(world, receipt_of(world), moment=moment).certificate
        (rows[issued_at],) = (
            row.value.lines
            for block in build_front(certificate).blocks
            if isinstance(block, Fields)
            for row in block.rows
            if row.label.en == "Latest time by the block (proves nothing)"
        )
        assert any(
            "calculated limit: the block's time plus the 30 s" in each.en
            for each in certificate.assumptions
        )
    early, late = rows.values()
    bound = "上链时间加允许误差 30 秒"
    assert late[1] == f"{bound} / anchoring time plus an allowed 30 s"
    assert early[1] == (
        f"{bound}；系推算的上限，故晚于出证时间"
        " / anchoring time plus an allowed 30 s; calculated, hence after the time of issue"
    )


def test_no_sentence_stands_in_one_language_alone() -> None:
    world = World()
    final = receipt_of(world)
    early = World()
    early.main.final = 15
    drafts = early.receipt(INDEX, early.anchor(INDEX, SIZE))
    for found in (
        issue(world, final),
        issue(world, final, is_pinned=False),
        issue(early, drafts, draft=True),
    ):
        verification = found.certificate.verification
        pairs = [
            *(pair for step in verification.steps for pair in (step.title, step.detail)),
            *(pair for claim in verification.claims for pair in (claim.title, claim.reason)),
            *verification.unpinned,
            *verification.notes,
        ]
        for pair in pairs:
            assert what_is_english(pair.zh) is None, pair.zh
            assert not CHARACTER.search(pair.en), pair.en
        page = Page(render_html(found.certificate)).text
        assert squeezed(pairs[-1].zh) in squeezed(page)


def test_what_is_not_stated_is_printed_as_not_provided(font: Font) -> None:
    world = World()
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    bare = issue(world, receipt, details=Details())
    missing = sum("未提供 / not provided" in value.lines for value in values(bare))
    assert missing >= 25
    for text in (
        Page(render_html(bare.certificate)).text,
        "".join(page_texts(render_pdf(bare.certificate, font))),
    ):
        assert squeezed(text).count("未提供/notprovided") == missing
        assert "未核验/notverified" in squeezed(text)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_name_is_only_ever_text(what: str, font: Font, tmp_path: Path) -> None:
    world = named(HOSTILE[what], INDEX, media_type=HOSTILE[what][:1000])
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    found = issue(world, receipt)
    assert found.certificate.evidence.name == HOSTILE[what]
    page = Page(render_html(found.certificate))
    plain = World()
    honest = Page(render_html(issue(plain, receipt_of(plain)).certificate))
    assert page.tags == honest.tags
    names = {name for name, _ in page.attributes}
    assert not names & {"src", "href", "style"}
    assert not any(name.startswith("on") for name in names)
    assert squeezed(show_text(HOSTILE[what], 140)) in squeezed(page.text)
    pages = page_texts(render_pdf(found.certificate, font))
    assert len(pages) <= 8
    assert "签章" in pages[0], "the judge's page is one"
    assert not any("root:x:0" in text for text in pages)
    for text in (page.text, *pages):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00-\x08\x1b]", text)


def receipt_of(world: World) -> Receipt:
    return world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))


DIGESTS = World().evidence(INDEX)
ODD = {
    "sha256 alone": {"digests": dataclasses.replace(DIGESTS, sm3=None)},
    "sm3 alone": {"digests": dataclasses.replace(DIGESTS, sha256=None)},
    "a bare digest": {"digests": dataclasses.replace(DIGESTS, sm3=None, size=None)},
    "no media type": {"media_type": None},
    "an empty media type": {"media_type": ""},
    "a long media type": {"name": "x", "media_type": "x" * 30_000},
    "the first time": {"recorded_at": datetime(1, 1, 1, tzinfo=UTC)},
    "the last time": {"recorded_at": datetime(2026, 9, 21, 14, 22, 50, tzinfo=UTC)},
}


@pytest.mark.parametrize("what", ODD)
def test_whatever_a_record_holds_can_be_certified(what: str, font: Font) -> None:
    world = recorded(INDEX, **ODD[what])
    found = issue(world, receipt_of(world), details=Details()).certificate
    Certificate.model_validate_json(encode_certificate(found), strict=True)
    shown = squeezed(Page(render_html(found)).text)
    pages = page_texts(render_pdf(found, font))
    assert "签章" in pages[0]
    for value in (found.evidence.sha256, found.evidence.sm3):
        assert (value or "未提供") in shown
        assert (value or "未提供") in pages[0]
    # No command compares what the record does not hold.
    asked = " ".join(check.command for check in found.checks.commands)
    assert ("sha256sum < " in asked) == (found.evidence.sha256 is not None)
    assert ("-sm3" in asked) == (found.evidence.sm3 is not None)


def renamed(issued: Issued, name: str) -> Certificate:
    evidence = issued.certificate.evidence.model_copy(update={"name": name, "media_type": name})
    return issued.certificate.model_copy(update={"evidence": evidence})


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


@given(name=TEXTS)
@settings(max_examples=examples(40))
def test_no_name_adds_an_element_or_an_invisible_character(issued: Issued, name: str) -> None:
    page = Page(render_html(renamed(issued, name)))
    assert page.tags == Page(render_html(issued.certificate)).tags
    for character in set(page.text) - {"\n"}:
        assert character.isprintable() or unicodedata.category(character) == "Zs"


@pytest.mark.slow
@given(name=TEXTS)
@settings(max_examples=examples(200))
def test_any_name_can_be_set_on_paper(issued: Issued, font: Font, name: str) -> None:
    pages = page_texts(render_pdf(renamed(issued, name), font))
    assert len(pages) <= 8


def test_what_is_invisible_is_spelled_out() -> None:
    assert show_text("a\u202egnp.exe", 100) == "a\\u{202e}gnp.exe"
    assert show_text("a\x00b\u2028c\ufeff", 100) == "a\\u{0}b\\u{2028}c\\u{feff}"
    assert show_text("e\u0301\u0302", 100) == "e\u0301\u0302"
    assert show_text("e\u0301\u0302\u0303", 100) == "e\u0301\u0302\\u{303}"
    assert show_text("证据\u3000一", 100) == "证据\u3000一"
    assert show_text("x" * 500, 90) == "x" * 60 + " … " + "x" * 30


def test_a_chain_of_no_value_is_told_beside_the_result(
    issued: Issued, pdf: bytes, font: Font
) -> None:
    def first_pages(certificate: Certificate, paper: bytes) -> list[str]:
        html = Page(render_html(certificate)).text
        return [squeezed(html[: html.index("当事人")]), squeezed(page_texts(paper)[0])]

    kind = describe_kind(issued.certificate.anchors[0])
    assert kind is not None
    warning = squeezed(kind)
    headline = squeezed("Verified on a development chain (proves nothing about real time)")
    assert all(headline in text for text in first_pages(issued.certificate, pdf))
    assert all(warning in text for text in first_pages(issued.certificate, pdf))
    anchor = issued.certificate.anchors[0].model_copy(
        update={"chain": "eip155:1", "network": describe_network(ChainId(1)), "kind": "main"}
    )
    main = issued.certificate.model_copy(update={"anchors": [anchor]})
    assert not any(warning in text for text in first_pages(main, render_pdf(main, font)))


def test_html_loads_and_runs_nothing(issued: Issued) -> None:
    data = render_html(issued.certificate)
    page = Page(data)
    assert not set(page.tags) & {"script", "link", "img", "iframe", "object", "form", "base", "a"}
    assert not {"src", "href", "style"} & {name for name, _ in page.attributes}
    assert b"url(" not in data
    assert b"@import" not in data


def test_a_draft_says_so_on_every_page(issued: Issued, font: Font, pdf: bytes) -> None:
    draft = issue(issued.world, issued.receipt, draft=True).certificate
    texts = page_texts(render_pdf(draft, font))
    assert len(texts) >= 5
    # Across the page, and in its head or in the result.
    assert all(text.count("草稿") >= 2 and text.count("DRAFT") >= 2 for text in texts)
    html = Page(render_html(draft)).text
    assert "草稿 DRAFT" in html
    assert "核验通过" not in html
    assert "核验通过" not in "".join(texts)
    assert not any("DRAFT" in text for text in page_texts(pdf))


def test_the_code_reads_as_record_chain_and_root(issued: Issued, tmp_path: Path) -> None:
    found = issued.certificate
    assert found.anchor is not None
    read = read_code(draw_code(found.qr_text), tmp_path)
    assert read.splitlines() == [
        "anchor-certificate/1",
        f"number {number_record(issued.receipt.record)}",
        f"record sha256:{found.place.record_sha256}",
        f"chain {found.anchor.chain}:{found.anchor.registry}",
        f"root {found.path.root}",
        "stated address https://log.example/record-24",
    ]
    bare = issue(issued.world, issued.receipt, details=Details()).certificate
    assert read_code(draw_code(bare.qr_text), tmp_path).splitlines() == read.splitlines()[:5]


@pytest.mark.parametrize("length", [0, 1, 4, 47])
def test_the_picture_has_a_box_for_every_hash_on_its_side(length: int) -> None:
    size = 2**length
    index = (size - 1) & 0x2AAAAAAAAAAA
    siblings = [Hash32(hashlib.sha256(bytes([level])).digest()) for level in range(length)]
    leaf = Hash32(hashlib.sha256(b"leaf").digest())
    nodes = trace_path(leaf=leaf, index=index, size=size, path=siblings)
    steps = [encode_step(node) for node in nodes]
    drawing = ElementTree.fromstring(draw_path(leaf.hex(), steps, title="A way up"))
    assert drawing.findtext("{*}title") == "A way up"
    few = draw_path(leaf.hex(), steps, digits=4)
    assert (f"{leaf.hex()[:4]}…{leaf.hex()[-4:]}" in few, "title" in few) == (True, False)
    boxes = drawing.findall("{*}rect")
    labels = [label.text or "" for label in drawing.findall("{*}text")]
    assert len(boxes) == len(labels) == 2 * length + 1
    for value in (*siblings, leaf, *(node.node for node in nodes)):
        short = f"{value.hex()[:8]}…{value.hex()[-8:]}"
        assert sum(label.endswith(short) for label in labels) == 1
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    for box in boxes:
        x, y, wide, high = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + wide <= width
        assert 0 <= y <= y + high <= height
    left = [box for box in boxes if float(box.attrib["x"]) < 100]
    assert len(left) == sum(node.sibling_is_left for node in nodes)


def test_the_picture_names_leaf_and_root_in_the_language_of_its_page(issued: Issued) -> None:
    leaf, steps = issued.certificate.place.leaf, issued.certificate.path.steps
    short = f"{leaf[:8]}…{leaf[-8:]}"
    assert f">leaf {short}<" in draw_path(leaf, steps)
    assert f">叶 / leaf {short}<" in draw_path(leaf, steps, say=both)
    assert f">leaf = root {short}<" in draw_path(leaf, [])
    assert f">叶即根 / leaf = root {short}<" in draw_path(leaf, [], say=both)


@pytest.mark.filterwarnings("ignore")
def test_a_wheel_takes_the_templates_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    distribution = Distribution()
    distribution.parse_config_files()
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    files = {package: names for package, _, _, names in command.data_files}
    folder = ROOT / "anchor" / "certificate"
    assert sorted(files["anchor.certificate"]) == sorted(
        str(path.relative_to(folder)) for path in (folder / "templates").iterdir()
    )
