"""HTML and PDF show the certificate, whole, and nothing that a name could make them show."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from setuptools import Distribution
from support.certificates import HOSTILE, Issued, issue, named, page_texts, read_code
from support.command import ROOT
from support.world import INDEX, SIZE, World

from anchor.certificate.details import Details
from anchor.certificate.document import Path as TreePath
from anchor.certificate.document import PathStep
from anchor.certificate.figure import draw_path
from anchor.certificate.fonts import Font
from anchor.certificate.html import render_html
from anchor.certificate.parts import build_sheets
from anchor.certificate.pdf import render_pdf
from anchor.certificate.qr import draw_code
from anchor.certificate.sheets import Commands, Fields, Findings, Value
from anchor.certificate.text import show_text
from anchor.merkle import fold_path, path_sides
from anchor.receipt import Receipt
from anchor.types import Hash32


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
            if isinstance(block, Findings):
                texts += [text for row in block.rows for text in (row.zh, row.en, row.reason)]
            if isinstance(block, Commands):
                texts += [text for row in block.rows for text in (row[1], row[2])]
    texts += [issued.certificate.statement.zh, issued.certificate.statement.en]
    texts += [text for item in issued.certificate.not_proven for text in (item.zh, item.en)]
    for kind, text in shown.items():
        missing = [item for item in texts if squeezed(item) not in text]
        assert missing == [], kind


def test_what_is_not_stated_is_printed_as_not_provided(font: Font) -> None:
    world = World()
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    bare = issue(world, receipt, details=Details())
    missing = sum("未提供 / not provided" in value.lines for value in values(bare))
    assert missing >= 40
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
    assert squeezed(show_text(HOSTILE[what], 180)) in squeezed(page.text)
    pages = page_texts(render_pdf(found.certificate, font))
    assert len(pages) <= 8
    assert not any("root:x:0" in text for text in pages)
    for text in (page.text, *pages):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00-\x08\x1b]", text)


def receipt_of(world: World) -> Receipt:
    return world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))


def test_what_is_invisible_is_spelled_out() -> None:
    assert show_text("a\u202egnp.exe", 100) == "a\\u{202e}gnp.exe"
    assert show_text("a\x00b\u2028c\ufeff", 100) == "a\\u{0}b\\u{2028}c\\u{feff}"
    assert show_text("e\u0301\u0302", 100) == "e\u0301\u0302"
    assert show_text("e\u0301\u0302\u0303", 100) == "e\u0301\u0302\\u{303}"
    assert show_text("证据\u3000一", 100) == "证据\u3000一"
    assert show_text("x" * 500, 90) == "x" * 60 + " … " + "x" * 30


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
    assert len(texts) >= 6
    assert all("草稿" in text and "DRAFT" in text for text in texts)
    html = Page(render_html(draft)).text
    assert html.count("草稿 DRAFT") >= len(build_sheets(draft))
    assert "核验通过" not in html
    assert "核验通过" not in "".join(texts)
    assert not any("DRAFT" in text for text in page_texts(pdf))


def test_the_code_reads_as_record_chain_and_root(issued: Issued, tmp_path: Path) -> None:
    found = issued.certificate
    assert found.anchor is not None
    read = read_code(draw_code(found.code), tmp_path)
    assert read.splitlines() == [
        "anchor-certificate/1",
        f"record sha256:{found.place.record_sha256}",
        f"chain {found.anchor.chain}:{found.anchor.registry}",
        f"root {found.path.root}",
    ]
    assert "http" not in read


@pytest.mark.parametrize("length", [0, 1, 4, 47])
def test_the_picture_has_a_box_for_every_hash_on_its_side(length: int) -> None:
    size = 2**length
    index = (size - 1) & 0x2AAAAAAAAAAA
    siblings = [Hash32(hashlib.sha256(bytes([level])).digest()) for level in range(length)]
    sides = path_sides(index, size, length)
    leaf = Hash32(hashlib.sha256(b"leaf").digest())
    nodes = fold_path(leaf=leaf, index=index, size=size, path=siblings)
    steps = [
        PathStep(side="left" if is_left else "right", sibling=sibling.hex(), node=node.hex())
        for sibling, is_left, node in zip(siblings, sides, nodes[1:], strict=True)
    ]
    path = TreePath(root=nodes[-1].hex(), size=size, steps=steps)
    drawing = ElementTree.fromstring(draw_path(leaf.hex(), path))
    boxes = drawing.findall("{*}rect")
    labels = [label.text or "" for label in drawing.findall("{*}text")]
    assert len(boxes) == len(labels) == 2 * length + 1
    for value in (*siblings, *nodes):
        short = f"{value.hex()[:8]}…{value.hex()[-8:]}"
        assert sum(label.endswith(short) for label in labels) == 1
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    for box in boxes:
        x, y, wide, high = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + wide <= width
        assert 0 <= y <= y + high <= height
    left = [box for box in boxes if float(box.attrib["x"]) < 100]
    assert len(left) == sum(sides)


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
