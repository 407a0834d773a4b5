"""The documentation's site: built offline and reproducibly, complete and accessible."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route
from support.accessibility import find_violations
from support.browser import browser
from support.paths import ROOT

__all__ = ["browser"]

pytestmark = pytest.mark.release

_PYTHON = ROOT / ".venv-site" / "bin" / "python"
# One page of each kind, and those with the widest tables and pictures.
KINDS = (
    "index.html",
    "404.html",
    "roles/verifier.html",
    "tutorials/first-log.html",
    "tutorials/own-evidence-by-the-web.html",
    "how-to/use-the-platform.html",
    "explanation/glossary.html",
    "explanation/rules-of-evidence.html",
    "explanation/threat-model.html",
    "explanation/comparison.html",
    "trust-policy.html",
    "verification.html",
    "verifier-page.html",
    "command-line.html",
    "http-api.html",
    "python-api.html",
    "performance.html",
    "repository/index.html",
)


def build(site: Path) -> Path:
    """Build the site where there is no network."""
    assert _PYTHON.is_file(), "the site's environment is missing: run scripts/site once"
    command = ("unshare", "-rn", str(_PYTHON), "scripts/_build/build_site.py", str(site))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    command = (sys.executable, "scripts/_build/build_references.py")
    subprocess.run(command, cwd=ROOT, check=True)
    return build(tmp_path_factory.mktemp("site") / "first")


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Serve the site on the loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def list_pages(site: Path) -> list[str]:
    return sorted(page.relative_to(site).as_posix() for page in site.rglob("*.html"))


class Links(HTMLParser):
    """The targets of a page's links and pictures, and the names that links can lead to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.names = {"", "__top"}
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.targets.append(value)
            elif name in ("id", "name") and value is not None:
                self.names.add(value)


def test_the_site_is_the_same_wherever_and_whenever_it_is_built(site: Path, tmp_path: Path) -> None:
    second = build(tmp_path / "second")
    first = {
        path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()
    }
    other = {
        path.relative_to(second): path.read_bytes() for path in second.rglob("*") if path.is_file()
    }
    assert first.keys() == other.keys()
    assert [path for path in first if first[path] != other[path]] == []


def test_the_specification_offers_the_vectors_with_their_hash(site: Path) -> None:
    archive = (site / "spec" / "test-vectors.zip").read_bytes()
    beside = (site / "spec" / "test-vectors.zip.sha256").read_text("utf-8")
    assert beside == f"{hashlib.sha256(archive).hexdigest()}  test-vectors.zip\n"
    page = (site / "spec" / "index.html").read_text("utf-8")
    assert 'href="test-vectors.zip"' in page
    assert 'href="test-vectors.zip.sha256"' in page


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = {path: Links(site / path) for path in list_pages(site)}
    broken = []
    for path, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or path == "404.html":
                continue
            whole = (site / path).parent / unquote(parts.path) if parts.path else site / path
            linked = Path(os.path.normpath(whole))
            known = pages.get(linked.relative_to(site).as_posix())
            if not linked.is_file() or (known and unquote(parts.fragment) not in known.names):
                broken.append(f"{path}: {target}")
    assert broken == []
    assert len(pages) > 120


def test_no_page_asks_another_site_for_anything(browser: Browser, site: Path, address: str) -> None:
    foreign: list[str] = []
    errors: list[str] = []

    def judge(route: Route) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    context = browser.new_context()
    try:
        context.route("**/*", judge)
        tab = context.new_page()
        tab.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        tab.on("pageerror", lambda error: errors.append(str(error)))
        for path in list_pages(site):
            answer = tab.goto(address + path, wait_until="load")
            assert answer is not None and answer.ok, path
    finally:
        context.close()
    assert foreign == []
    assert errors == []


@pytest.mark.parametrize(("query", "title"), [("receipt", "eceipt"), ("存证编号", "存证")])
def test_the_search_works_without_another_site(
    browser: Browser, address: str, query: str, title: str
) -> None:
    context = browser.new_context()
    try:
        context.route(
            "**/*",
            lambda route: (
                route.continue_() if route.request.url.startswith(address) else route.abort()
            ),
        )
        tab = context.new_page()
        tab.goto(address + ("zh/" if query > "z" else "") + "index.html")
        tab.keyboard.press("/")
        tab.keyboard.type(query)
        results = tab.locator(".md-search-result__link")
        results.first.wait_for()
        shown = "".join(results.all_inner_texts()).replace("\u200b", "")
        assert title in shown
    finally:
        context.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible(
    browser: Browser, site: Path, address: str, width: int, scheme: str
) -> None:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 900},
        reduced_motion="reduce",
    )
    try:
        tab = context.new_page()
        faults = {
            path: faults
            for kind in KINDS
            for path in (kind, f"zh/{kind}")
            if (site / path).is_file() and (faults := visit(tab, address + path))
        }
    finally:
        context.close()
    assert faults == {}


def visit(tab: Page, url: str) -> list[str]:
    """Return what axe-core finds on a page, and whether the page is wider than the window."""
    tab.goto(url)
    too_wide = tab.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    return [*find_violations(tab), *(["wider than the window"] if too_wide else [])]
