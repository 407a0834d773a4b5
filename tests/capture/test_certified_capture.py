"""``anchor certify`` of a web capture: screenshot, server certificate, and what is missing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
from pathlib import Path

import pypdf
from PIL import Image, ImageChops
from support.certificates import page_texts
from support.fixtures import MakeSite
from support.projects import Site
from support.site_certificates import make_site_certificate
from support.web_site import serve_site

from anchor.chain.devnet import Devnet


def test_a_certificate_shows_the_capture_and_its_screenshot_if_the_bag_has_it(
    new_site: MakeSite, embedded: Devnet, tmp_path: Path
) -> None:
    site = new_site(embedded)
    make_site_certificate(tmp_path / "site.pem")
    with serve_site(tmp_path / "site.pem") as web:
        words = ("--accept-bad-certificates", "--wait", "0.2", "--json")
        ran = site.run("capture", web.url("/socket"), *words).expect(0)
    bag = site.folder / ran.document["captures"][0]["bag"]
    site.anchor()
    site.run("prove", bag).expect(0)
    _check_refusal(site, bag)
    _check_shown(site, bag)
    _check_without_bag(site, bag)


def _check_shown(site: Site, bag: Path) -> None:
    written = site.run("certify", bag, "--json").expect(0).document["certificates"][0]
    files = {kind: Path(site.folder / each["path"]) for kind, each in written["files"].items()}
    certificate = json.loads(files["json"].read_bytes())
    picture = certificate["capture"]["picture"]
    group = certificate["account"]["observed"]["capture"]
    original = bag / picture["name"]
    assert hashlib.sha256(original.read_bytes()).hexdigest() == picture["sha256"]
    assert picture["sha256"] == group["screenshot_sha256"]
    png = base64.b64decode(picture["png"])
    assert hashlib.sha256(png).hexdigest() == picture["shown_sha256"]
    with Image.open(io.BytesIO(png)) as shown, Image.open(original) as whole:
        assert shown.size == (picture["shown_width"], picture["shown_height"])
        assert whole.size == (picture["width"], picture["height"])
        reduced = whole.convert("RGB").resize(shown.size)
        difference = ImageChops.difference(reduced, shown.convert("RGB")).convert("L")
        assert sum(difference.histogram()[64:]) < difference.width * difference.height // 100

    pdf = files["pdf"].read_bytes()
    text = "".join(page_texts(pdf)).replace("\n", "")
    page = files["html"].read_text("utf-8")
    account = json.loads((bag / "data/capture.json").read_bytes())
    (served,) = {each["sha256"]: each for each in account["certificates"][0]["chain"]}.values()
    for shown_text in (
        group["url"], group["started_at"], "127.0.0.1", "cdp-reconstructed", picture["sha256"],
        picture["shown_sha256"], served["not_before"], served["not_after"], "CN=localhost",
        "{reason_zh} / {reason}".format_map(account["not_captured"][0]),
    ):  # fmt: skip
        assert shown_text in page, shown_text
        assert shown_text.replace(" ", "") in text.replace(" ", ""), shown_text
    assert "img-src data:" in page
    assert "网页取证情况" in page
    images = [image for sheet in pypdf.PdfReader(io.BytesIO(pdf)).pages for image in sheet.images]
    assert picture["shown_width"] in {each.image.width for each in images if each.image}


def _check_without_bag(site: Site, bag: Path) -> None:
    """Certify by the manifest alone: the picture is said to be missing."""
    manifest = bag / "manifest-sha256.txt"
    receipt = bag.with_name(f"{bag.name}.anchor.json")
    ran = site.run(
        "certify", receipt, "--file", manifest, "--no-pdf", "--replace", "--json"
    ).expect(0)
    page = (site.folder / ran.document["certificates"][0]["files"]["html"]["path"]).read_text()
    assert "without the capture's bag" in page.replace("&#39;", "'")
    assert "img-src" not in page


def _check_refusal(site: Site, bag: Path) -> None:
    """A picture that is not the recorded one gets no certificate."""
    bent = site.folder / "bent"
    shutil.copytree(bag, bent)
    picture = next((bent / "data").glob("screenshot-*.png"))
    picture.write_bytes(picture.read_bytes() + b"x")
    receipt = bag.with_name(f"{bag.name}.anchor.json")
    ran = site.run("certify", receipt, "--file", bent, "--no-pdf")
    ran.refused(10, picture.name)
    assert not list(site.folder.rglob("*.certificate.*"))
