"""The PDF is PDF/A-3b as far as can be told without its whole validator, and always the same.

typst refuses to write what it knows to break the standard; these tests read the file again with
pypdf: identification, colour, fonts, the attachment, and that nothing in it acts.
"""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import pypdf
import pytest
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject
from support.certificates import Issued, all_details, issue, page_texts, read_pdf, recorded
from support.group_examples import FULL
from support.world import INDEX, SIZE, World

from anchor.certificate.fonts import Font
from anchor.certificate.model import Certificate, encode_certificate
from anchor.certificate.pdf import render_pdf
from anchor.certificate.statements import (
    Case,
    CaseParty,
    Depositor,
    Details,
    Issuer,
    RegisteredSubmitter,
    parse_details,
)
from anchor.evidence.group_reading import parse_groups

PDFA = "{http://www.aiim.org/pdfa/ns/id/}"


def every_object(value: Any, seen: set[int]) -> Any:
    """Walk through all that a PDF holds."""
    if isinstance(value, IndirectObject):
        if value.idnum in seen:
            return
        seen.add(value.idnum)
        value = value.get_object()
    yield value
    if isinstance(value, DictionaryObject):
        for member in value.values():
            yield from every_object(member, seen)
    elif isinstance(value, ArrayObject):
        for member in value:
            yield from every_object(member, seen)


@pytest.fixture(scope="module")
def reader(pdf: bytes) -> pypdf.PdfReader:
    return read_pdf(pdf)


@pytest.fixture(scope="module")
def objects(reader: pypdf.PdfReader) -> list[Any]:
    return list(every_object(reader.trailer, set()))


def test_it_says_that_it_is_pdf_a_3b(reader: pypdf.PdfReader) -> None:
    metadata = reader.trailer["/Root"]["/Metadata"]  # type: ignore[index]
    assert "/Filter" not in metadata, "metadata must be readable without decoding"
    packet = ET.fromstring(metadata.get_data())
    assert [item.text for item in packet.iter(f"{PDFA}part")] == ["3"]
    assert [item.text for item in packet.iter(f"{PDFA}conformance")] == ["B"]
    assert reader.pdf_header == "%PDF-1.7"
    assert reader.trailer["/ID"]


def test_colours_have_a_profile_and_fonts_are_embedded(
    reader: pypdf.PdfReader, objects: list[Any]
) -> None:
    (intent,) = reader.trailer["/Root"]["/OutputIntents"]  # type: ignore[index]
    assert intent.get_object()["/S"] == "/GTS_PDFA1"
    assert intent.get_object()["/DestOutputProfile"].get_object().get_data()
    descriptors = [item for item in objects if isinstance(item, dict) and item.get("/FontBBox")]
    assert len(descriptors) >= 3
    for descriptor in descriptors:
        assert {"/FontFile2", "/FontFile3"} & set(descriptor)
        # A subset's name has a tag of six letters.
        assert descriptor["/FontName"][7] == "+"
    fonts = [item for item in objects if isinstance(item, dict) and item.get("/Type") == "/Font"]
    assert all("/ToUnicode" in font for font in fonts if font["/Subtype"] == "/Type0")
    assert {font["/Subtype"] for font in fonts} <= {"/Type0", "/CIDFontType0", "/CIDFontType2"}


def test_nothing_in_it_acts_or_is_hidden(reader: pypdf.PdfReader, objects: list[Any]) -> None:
    forbidden = {"/JavaScript", "/JS", "/Launch", "/URI", "/SubmitForm", "/AA", "/OpenAction"}
    forbidden |= {"/Encrypt", "/XFA", "/RichMedia", "/Movie", "/Sound", "/EmbeddedFDFs"}
    for item in objects:
        if isinstance(item, dict):
            assert not forbidden & set(item), set(item)
            assert item.get("/S") not in forbidden
            # LZW may not be used, nor streams outside of the file.
            assert "/LZWDecode" not in str(item.get("/Filter", ""))
            if "/Length" in item:
                assert "/F" not in item
    assert not reader.is_encrypted


def test_the_json_is_attached_as_its_source(issued: Issued, reader: pypdf.PdfReader) -> None:
    encoded = encode_certificate(issued.certificate)
    assert {name: list(data) for name, data in reader.attachments.items()} == {
        "certificate.json": [encoded]
    }
    (named,) = reader.trailer["/Root"]["/AF"]  # type: ignore[index]
    specification = named.get_object()
    assert specification["/AFRelationship"] == "/Source"
    assert specification["/UF"] == "certificate.json"
    file = specification["/EF"]["/F"].get_object()
    assert file["/Subtype"] == "/application/json"
    text = "".join(page.extract_text() for page in reader.pages)
    assert hashlib.sha256(encoded).hexdigest() in text


def test_it_is_tagged_and_titled_in_its_language(reader: pypdf.PdfReader, issued: Issued) -> None:
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]  # type: ignore[index]
    assert str(root["/Lang"]).startswith("zh")  # type: ignore[index]
    assert reader.metadata is not None
    assert issued.certificate.certificate_no in str(reader.metadata.title)


def test_the_same_certificate_gives_the_same_bytes(issued: Issued, font: Font, pdf: bytes) -> None:
    assert render_pdf(issued.certificate, font) == pdf
    world = World()
    world.main.needed = 2
    again = issue(world, world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE))))
    assert encode_certificate(again.certificate) == encode_certificate(issued.certificate)
    assert render_pdf(again.certificate, font) == pdf


def test_pages_are_a4_and_the_judges_page_is_one(reader: pypdf.PdfReader) -> None:
    for page in reader.pages:
        assert [round(float(side)) for side in page.mediabox[2:]] == [595, 842]
    texts = [page.extract_text() for page in reader.pages]
    assert "签章" in texts[0]
    assert "逐项核验结论" in texts[1]


def test_no_identifier_is_respaced_or_broken_across_lines(font: Font) -> None:
    """Case and filing numbers mix Chinese and Latin; a copied hash has to be the hash."""
    world = World()
    world.main.needed = 2
    details = parse_details(all_details(world.evidence(INDEX).sha256 or b""), is_json=False)
    names = {
        "case_reference": "(2026)浙0192民初123号",
        "platform": details.platform.model_copy(
            update={
                "blockchain_filing_no": "浙网信备33010012345678号",
                "fees": "说明" * 12 + "ab" * 32,
            }
        ),
    }
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    certificate = issue(world, receipt, details=details.model_copy(update=names)).certificate
    text = "\n".join(page_texts(render_pdf(certificate, font)))
    assert "(2026)浙0192民初123号" in text
    assert "浙网信备33010012345678号" in text
    squeezed = re.sub(r"\s", "", text)
    hashes = set(re.findall(r"[0-9a-fA-F]{40,64}", encode_certificate(certificate).decode()))
    assert len(hashes) > 20
    assert {each: text.count(each) for each in hashes} == {
        each: squeezed.count(each) for each in hashes
    }


def test_no_page_but_the_last_is_mostly_white(pdf: bytes, font: Font) -> None:
    world = World()
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    bare = render_pdf(issue(world, receipt, details=Details()).certificate, font)
    for data in (pdf, bare, render_pdf(documented(), font)):
        *pages, _ = read_pdf(data).pages
        for page in pages:
            assert lowest_text(page) < 300, page.page_number


def test_the_judges_page_is_one_with_every_entry(font: Font) -> None:
    first, second, *_ = page_texts(render_pdf(documented(), font))
    assert "签章" in first and "逐项核验结论" in second
    assert "王 ◇" in first and "记录中的陈述，记录未载明陈述人" in first
    assert "软硬件环境、清洁性检查、" in first
    assert "由他处制作的网页取证文件" in first.replace("\n", "")
    assert "not_before" not in first


def test_lines_of_the_judges_page_are_apart(reader: pypdf.PdfReader) -> None:
    # Chinese text of 8.4 points, between rules; the banner is above, the seal and the footer below.
    heights = (round(height, 1) for height in list_heights(reader.pages[0], left=200))
    lines = sorted({height for height in heights if 120 < height < 700})
    assert len(lines) > 30
    assert min(above - below for below, above in pairwise(lines)) > 11


@pytest.mark.parametrize("length", [30, 120])
def test_the_judges_page_is_one_with_long_statements(font: Font, length: int) -> None:
    first, second, *_ = read_pdf(render_pdf(filled(length), font)).pages
    text = first.extract_text()
    assert "签章" in text and "＊ 存证主体在记录中陈述" in text
    assert "逐项核验结论" in second.extract_text()
    check_rules(first)


def test_no_rule_touches_a_glyph(reader: pypdf.PdfReader) -> None:
    for page in reader.pages:
        check_rules(page)


def check_rules(page: pypdf.PageObject) -> None:
    """Assert that no horizontal rule meets a line of text; a glyph is 0.86 em high, 0.21 deep."""
    rules: list[float] = []
    lines: list[tuple[str, float, float]] = []

    def draw(operator: bytes, operands: Any, matrix: list[float], _: Any) -> None:
        if operator == b"l" and operands[1] == 0 and operands[0] > 150:
            rules.append(matrix[5])

    def write(text: str, matrix: list[float], *others: Any) -> None:
        if text.strip():
            lines.append((text, matrix[5], others[-1]))

    page.extract_text(visitor_operand_before=draw, visitor_text=write)
    assert len(rules) > 2 and len(lines) > 20
    touched = [
        text
        for text, base, size in lines
        if any(base - 0.21 * size < rule < base + 0.86 * size for rule in rules)
    ]
    assert touched == []


def filled(length: int) -> Certificate:
    """Return a certificate of a digest, of a case at a service, with statements of that length."""
    words = ("王某，写字楼物业职员，负责该楼层的日常管理与出入登记，" * 6)[:length]
    people = [{"name": words[:30], "role": "律师"}, {"name": words[:30]}]
    world = recorded(
        INDEX,
        name="甲公司与乙公司聊天记录及合同履行情况的屏幕录像（2026年11月29日上午）.mp4",
        statements={
            "kind": "screen-recording",
            "source": {"origin": words, "generation_mechanism": words, "storage_history": [words]},
            "collection": {
                "started_at": "2026-11-29T03:04:05Z",
                "ended_at": "2026-11-29T03:44:05Z",
                "place": words,
                "method": words,
                "operators": people,
                "witnesses": people,
            },
            "submitter": {"account": "acme", "actor": "person:1f0c3ad2b1e4f506"},
        },
    )
    world.main.needed = 2
    details = parse_details(all_details(world.evidence(INDEX).sha256 or b""), is_json=False)
    parties = [CaseParty(role=role, name=words[:40]) for role in ("原告", "被告", "第三人")]
    exhibit = {"operator": None, "started_at": None, "ended_at": None, "title": words}
    stated = {
        "case_reference": words,
        "case": Case(court=words, parties=parties, submitted_by=words, submitted_at="2026-11-29"),
        "exhibits_stated_by": "depositor",
        "issuer": Issuer(name=words, contact=words),
        "depositor": Depositor(name=words),
        "submitter": RegisteredSubmitter(name=words, account="person:1f0c3ad2b1e4f506"),
        "exhibits": [details.exhibits[0].model_copy(update=exhibit)],
    }
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    made = issue(world, receipt, details=details.model_copy(update=stated), has_file=False)
    return made.certificate


def documented() -> Certificate:
    """Return a certificate with all details of proceedings, of a record with all groups."""
    members = parse_groups(FULL).members()
    world = recorded(INDEX, statements=members)
    details = parse_details(all_details(world.evidence(INDEX).sha256 or b""), is_json=False)
    parties = [
        CaseParty(role="被告", name=f"某某科技有限公司第{place}分公司") for place in range(30)
    ]
    case = Case(court="法院", parties=parties, submitted_by="提交人", submitted_at="2026-01-02")
    exhibit = details.exhibits[0].model_copy(
        update={"operator": None, "started_at": None, "ended_at": None}
    )
    stated = details.model_copy(update={"case": case, "exhibits": [exhibit]})
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    return issue(world, receipt, details=stated).certificate


def lowest_text(page: pypdf.PageObject) -> float:
    """Return the height of the lowest line of text above the footer; a page is 842 high."""
    return min(height for height in list_heights(page) if height > 60)


def list_heights(page: pypdf.PageObject, left: float = 0) -> list[float]:
    """Return the height of each text on a page that begins right of ``left``, in points."""
    heights: list[float] = []

    def note(text: str, transformation: list[float], matrix: list[float], *_: Any) -> None:
        height = matrix[4] * transformation[1] + matrix[5] * transformation[3] + transformation[5]
        if text.strip() and matrix[4] * transformation[0] + transformation[4] > left:
            heights.append(height)

    page.extract_text(visitor_text=note)
    return heights


def test_a_long_word_is_broken_and_copied_as_one(font: Font) -> None:
    name = "W" * 120
    world = recorded(INDEX, name=name)
    made = issue(world, world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE))))
    lines = page_texts(render_pdf(made.certificate, font))[0].split("\n")
    assert not any(name in line for line in lines)
    assert name in "".join(line.strip() for line in lines)
