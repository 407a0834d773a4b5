"""``anchor capture`` from the page to the verdict: one bag, one record, every byte held to it."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.chinese_text import what_is_english
from support.fixtures import MakeSite
from support.projects import Site
from support.store_contents import load_pieces
from support.web_site import SECRET, STYLE, WebSite
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from anchor.bag.bag_contents import OriginalFile, complete_bag
from anchor.base.errors import AnchorError
from anchor.chain.devnet import Devnet
from anchor.cli.bag_inputs import list_bag, names_evidence_bag
from anchor.evidence.file_hashing import digest_file

LISTED = {
    "capture.json", "capture.wacz", "cleanliness.json", "dns.json", "dom.html", "network.har",
    "page.mhtml", "page.pdf", "page.txt", "screenshot-1280x800.png", "screenshot-390x844.png",
}  # fmt: skip
# What is printed of this machine, and names.
MACHINE = re.compile(
    r"http://\S+|captures/\S+|(?<=清单之内：).*|(?<=时间的设置：).*|(?<=回环条目：).*"
)


@pytest.fixture
def site(new_site: MakeSite, embedded: Devnet) -> Site:
    return new_site(embedded)


def capture(site: Site, *words: str, code: int = 0) -> dict[str, Any]:
    document: dict[str, Any] = site.run("capture", "--json", *words).expect(code).document
    assert document["format"] == "anchor-capture/1"
    return document


def test_what_a_capture_prints_is_chinese(site: Site, web: WebSite) -> None:
    chinese = {"LANGUAGE": "", "LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8"}
    ran = site.run("capture", web.url("/"), "--wait", "0.2", env=chinese).expect(0)
    printed = ran.out + ran.err
    assert "存证编号" in printed
    for line in printed.splitlines():
        shown = MACHINE.sub("", line.replace(str(site.folder), ""))
        assert what_is_english(shown) is None, line


def record_of(receipt: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(json.loads(receipt.read_bytes())["record"])
    return record


def test_a_page_becomes_one_bag_and_one_record_that_names_a_changed_file(
    site: Site, web: WebSite
) -> None:
    words = ("--wait", "0.2", "--viewport", "1280x800", "--viewport", "390x844")
    (captured,) = capture(site, web.url("/redirect"), *words)["captures"]
    bag = site.folder / captured["bag"]
    data = bag / "data"
    assert {path.name for path in data.iterdir()} == LISTED
    assert captured["not_captured"] == []
    assert len(load_pieces(site)) == 1

    account = json.loads((data / "capture.json").read_bytes())
    statuses = [(request["url"], request["status"]) for request in account["requests"]]
    assert statuses[:3] == [
        (web.url("/redirect"), 302), (web.url("/hop"), 301), (web.url("/"), 200),
    ]  # fmt: skip
    assert account["mode"] == "cdp-reconstructed"
    assert account["steps"][0]["step"] == "names-asked"
    assert (data / "page.txt").read_text().startswith("Front\n\nfetched")
    assert "fetched" in (data / "dom.html").read_text()
    _check_archive(data / "capture.wacz", web, site.folder)
    for path in bag.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path

    site.anchor()
    site.run("prove", captured["bag"]).expect(0)
    receipt = bag.with_name(f"{bag.name}.anchor.json")
    record = record_of(receipt)
    _check_record(record, captured, web)
    site.run("verify", captured["bag"]).expect(0)
    elsewhere = site.folder / "elsewhere"
    shutil.copytree(bag, elsewhere)
    site.run("verify", elsewhere, "--receipt", receipt).expect(0)
    _check_packing(site, bag)
    _check_tampering(site, elsewhere, receipt)


def _check_archive(wacz: Path, web: WebSite, folder: Path) -> None:
    with zipfile.ZipFile(wacz) as archive:
        package = json.loads(archive.read("datapackage.json"))
        assert {each["path"] for each in package["resources"]} == {
            "archive/capture.warc.gz", "indexes/index.cdx", "pages/pages.jsonl",
        }  # fmt: skip
        page = json.loads(archive.read("pages/pages.jsonl").splitlines()[1])
        assert (page["url"], page["title"]) == (web.url("/"), "The front page")
        packed = archive.read("archive/capture.warc.gz")
        index = archive.read("indexes/index.cdx").decode().splitlines()
    warc = folder / "capture.warc.gz"
    warc.write_bytes(packed)
    checker = Checker(_Command([str(warc)]))
    checker.process_all()
    assert checker.exit_value == 0
    bodies, codings = {}, {}
    for entry in ArchiveIterator(io.BytesIO(packed)):
        url = entry.rec_headers.get_header("WARC-Target-URI")
        if entry.rec_type == "response":
            bodies[url] = entry.content_stream().read()
            codings[url] = entry.http_headers.get_header("x-orig-content-encoding")
            assert entry.rec_headers.get_header("WARC-IP-Address") == "127.0.0.1"
    assert bodies[web.url("/style.css")] == STYLE
    assert codings[web.url("/style.css")] == "gzip"
    assert bodies[web.url("/frame")].startswith(b"<!doctype html><p>In the frame")
    line = next(line for line in index if "style.css" in line)
    offset = int(json.loads(line[line.index("{") :])["offset"])
    first = next(iter(ArchiveIterator(io.BytesIO(packed[offset:]))))
    assert first.rec_headers.get_header("WARC-Target-URI") == web.url("/style.css")


class _Command:
    """The arguments of ``warcio check``."""

    def __init__(self, inputs: list[str]) -> None:
        self.inputs, self.verbose = inputs, False


def _check_record(record: dict[str, Any], captured: dict[str, Any], web: WebSite) -> None:
    assert record["kind"] == "web-capture"
    assert record["capture"]["final_url"] == web.url("/")
    assert record["capture"]["status"] == 200
    assert record["capture"]["address"] == "127.0.0.1"
    assert record["capture"]["cookies"] == "redacted"
    assert {entry["path"].rpartition("/")[2] for entry in record["items"]} == LISTED
    assert record["environment"]["browser"].startswith("Chromium ")
    checks = {check["id"]: check["result"] for check in record["cleanliness"]["checks"]}
    assert checks["resolvers"] == "not_checked"
    assert checks["certificates"] == "not_checked"
    assert checks["after-capture"] == "pass"
    assert {check["id"] for check in captured["checks"]} >= {"resolvers", "certificates"}


def _check_packing(site: Site, bag: Path) -> None:
    """Pack the capture for court, and verify it there: as an original, and whole."""
    site.run("pack", bag, "-o", "case").expect(0)
    assert "- `captures/`: " in (site.folder / "case" / "README.zh.md").read_text("utf-8")
    site.run("verify", "case").expect(0, "manifest-sha256.txt")
    receipt = site.folder / "case" / "receipts" / "manifest-sha256.txt.anchor.json"
    packed = site.folder / "case" / "captures" / bag.name
    assert {path.name for path in (packed / "data").iterdir()} == LISTED
    site.run("verify", packed, "--receipt", receipt).expect(0)


def _check_tampering(site: Site, bag: Path, receipt: Path) -> None:
    """Change a byte of every file in turn; then one, and the lists with it."""
    for path in sorted(path for path in bag.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert names_evidence_bag(bag)
        with pytest.raises(AnchorError) as refusal:
            for _, load in list_bag(bag, None, lambda _: None, lambda *_: receipt.read_bytes()):
                load()
        assert refusal.value.exit_code in (2, 10, 22)
        assert path.name in str(refusal.value)
        path.write_bytes(whole)
    site.run("verify", bag, "--receipt", receipt).expect(0)
    _bend(bag, "data/page.txt")
    site.run("verify", bag, "--receipt", receipt).refused(10, "data/page.txt", "record's list")


def _bend(bag: Path, name: str) -> None:
    """Change a file and everything in the bag that says what it is."""
    names = [path.relative_to(bag).as_posix() for path in bag.rglob("*") if path.is_file()]
    (bag / name).write_bytes((bag / name).read_bytes() + b"!")
    parts = {
        each: OriginalFile(path=bag / each, digests=digest_file(bag / each))
        for each in names
        if each.startswith("data/")
    }
    bent = complete_bag(parts, {}, form="anchor-evidence-bag/1")
    for each, part in bent.items():
        if isinstance(part, bytes):
            (bag / each).write_bytes(part)


def test_bad_usage_is_refused_before_a_browser_starts(site: Site) -> None:
    for words, said in (
        (("ftp://localhost/",), "URL of http or https"),
        (("http://user:secret@localhost/",), "user name or a password"),
        (("http://localhost/", "--viewport", "10x10"), "no viewport"),
        (("http://localhost/", "--proxy", "http://user:secret@localhost:1"), "without a password"),
        (("http://localhost/", "--resolver", "one.example"), "no resolver"),
        (("http://localhost/", "--profile", "court"), "unknown profile"),
        (("http://localhost/", "--if-changed", "0", "1.5"), "from 0 to 1"),
        (("http://localhost/", "--if-changed", "nan", "0"), "from 0 to 1"),
    ):
        ran = site.run("capture", *words).refused(2, said)
        assert "secret@" not in ran.err
    assert not (site.folder / "captures").exists()
