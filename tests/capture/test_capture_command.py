"""``anchor capture`` from the page to the verdict: one bag, one record, every byte held to it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.dns_server import serve_names
from support.fixtures import MakeSite
from support.projects import Site
from support.web_site import SECRET, STYLE, WebSite
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from anchor.chain.devnet import Devnet

LISTED = {
    "capture.json", "capture.wacz", "cleanliness.json", "dns.json", "dom.html", "network.har",
    "page.mhtml", "page.pdf", "page.txt", "screenshot-1280x800.png", "screenshot-390x844.png",
}  # fmt: skip


@pytest.fixture
def site(new_site: MakeSite, embedded: Devnet) -> Site:
    return new_site(embedded)


def capture(site: Site, *words: str, code: int = 0) -> dict[str, Any]:
    document: dict[str, Any] = site.run("capture", "--json", *words).expect(code).document
    return document


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
    assert site.rows("SELECT sum(count) FROM runs") == [(1,)]

    account = json.loads((data / "capture.json").read_bytes())
    statuses = [(request["url"], request["status"]) for request in account["requests"]]
    assert statuses[:3] == [
        (web.url("/redirect"), 302), (web.url("/hop"), 301), (web.url("/"), 200),
    ]  # fmt: skip
    assert account["mode"] == "cdp-reconstructed"
    assert account["steps"][0]["step"] == "names-asked"
    assert (data / "page.txt").read_text().startswith("Front\n\nfetched")
    assert "fetched" in (data / "dom.html").read_text()
    _check_archive(data / "capture.wacz", web)
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
    _check_tampering(site, elsewhere, receipt)


def _check_archive(wacz: Path, web: WebSite) -> None:
    with zipfile.ZipFile(wacz) as archive:
        package = json.loads(archive.read("datapackage.json"))
        assert {each["path"] for each in package["resources"]} == {
            "archive/capture.warc.gz", "indexes/index.cdx", "pages/pages.jsonl",
        }  # fmt: skip
        page = json.loads(archive.read("pages/pages.jsonl").splitlines()[1])
        assert (page["url"], page["title"]) == (web.url("/"), "The front page")
        warc = wacz.with_name("unpacked.warc.gz")
        warc.write_bytes(archive.read("archive/capture.warc.gz"))
        index = archive.read("indexes/index.cdx").decode()
    try:
        checker = Checker(_Command([str(warc)]))
        checker.process_all()
        assert checker.exit_value == 0
        bodies, codings = {}, {}
        with warc.open("rb") as file:
            for entry in ArchiveIterator(file):
                url = entry.rec_headers.get_header("WARC-Target-URI")
                if entry.rec_type == "response":
                    bodies[url] = entry.content_stream().read()
                    codings[url] = entry.http_headers.get_header("x-orig-content-encoding")
                    assert entry.rec_headers.get_header("WARC-IP-Address") == "127.0.0.1"
        offset = json.loads(
            next(line for line in index.splitlines() if "style.css" in line).partition("{")[1]
            + next(line for line in index.splitlines() if "style.css" in line).partition("{")[2]
        )["offset"]
        with warc.open("rb") as file:
            file.seek(int(offset))
            first = next(iter(ArchiveIterator(file)))
            assert first.rec_headers.get_header("WARC-Target-URI") == web.url("/style.css")
    finally:
        warc.unlink()
    assert bodies[web.url("/style.css")] == STYLE
    assert codings[web.url("/style.css")] == "gzip"
    assert bodies[web.url("/frame")].startswith(b"<!doctype html><p>In the frame")


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


def _check_tampering(site: Site, bag: Path, receipt: Path) -> None:
    """Change a byte of every file in turn; then bend the lists as well."""
    for path in sorted(path for path in bag.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        ran = site.run("verify", bag, "--receipt", receipt)
        assert ran.code in (2, 10, 22), ran
        assert path.name in ran.err + ran.out, ran
        path.write_bytes(whole)


@pytest.fixture
def resolver() -> Iterator[int]:
    with serve_names({"example.test": "192.0.2.1"}) as port:
        yield port


def test_bad_usage_is_refused_before_a_browser_starts(site: Site) -> None:
    for words, said in (
        (("ftp://localhost/",), "URL of http or https"),
        (("http://user:secret@localhost/",), "user name or a password"),
        (("http://localhost/", "--viewport", "10x10"), "no viewport"),
        (("http://localhost/", "--proxy", "http://user:secret@localhost:1"), "without a password"),
        (("http://localhost/", "--resolver", "one.example"), "no resolver"),
        (("http://localhost/", "--profile", "court"), "unknown profile"),
    ):
        ran = site.run("capture", *words).refused(2, said)
        assert "secret@" not in ran.err
    assert not (site.folder / "captures").exists()
