"""The HTML in a real browser: nothing is loaded, all of it fits, and the QR code reads."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
import zxingcpp
from PIL import Image
from support.certificates import HOSTILE, Issued, issue, named, page_texts
from support.desk import Desk
from support.world import INDEX, SIZE

from anchor.certificate.html import render_html

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def pages(issued: Issued, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a certificate, a draft and one with the worst of names, as files."""
    folder = tmp_path_factory.mktemp("pages")
    world = named(HOSTILE["markup"] + HOSTILE["one word"][:3_900], INDEX)
    receipt = world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE)))
    certificates = {
        "certificate": issued.certificate,
        "draft": issue(issued.world, issued.receipt, draft=True).certificate,
        "name": issue(world, receipt).certificate,
    }
    for name, certificate in certificates.items():
        (folder / f"{name}.html").write_bytes(render_html(certificate))
    return {name: folder / f"{name}.html" for name in certificates}


@pytest.mark.parametrize("name", ["certificate", "draft", "name"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_it_fits_and_loads_nothing(
    name: str, scheme: Scheme, width: int, pages: dict[str, Path], browser: Browser
) -> None:
    with browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme
    ) as context:
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(pages[name].as_uri())
        assert asked == [pages[name].as_uri()]
        assert said == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        # The style was taken: its hash is the one that the page's policy names.
        background = page.evaluate(
            "getComputedStyle(document.querySelector('main')).backgroundColor"
        )
        assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(26, 31, 39)"}[scheme]


@pytest.mark.parametrize("name", ["certificate", "draft"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_it_can_be_read_by_everybody(
    name: str, scheme: Scheme, width: int, pages: dict[str, Path], browser: Browser
) -> None:
    with browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme
    ) as context:
        page = context.new_page()
        page.goto(pages[name].as_uri())
        Desk(page).check_accessible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_code_reads_from_the_screen(
    scheme: Scheme, issued: Issued, pages: dict[str, Path], browser: Browser
) -> None:
    with browser.new_context(color_scheme=scheme, device_scale_factor=2) as context:
        page = context.new_page()
        page.goto(pages["certificate"].as_uri())
        shot = Image.open(io.BytesIO(page.locator(".qr").screenshot()))
    (found,) = zxingcpp.read_barcodes(shot, formats=zxingcpp.BarcodeFormat.QRCode)
    assert found.text == issued.certificate.qr_text


def test_printed_a_draft_says_so_on_every_page(pages: dict[str, Path], browser: Browser) -> None:
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto(pages["draft"].as_uri())
        printed = page.pdf(prefer_css_page_size=True, print_background=True)
    texts = ["".join(text.split()) for text in page_texts(printed)]
    assert len(texts) >= 6
    for text in texts:
        assert "草稿" in text
        assert "DRAFT" in text
