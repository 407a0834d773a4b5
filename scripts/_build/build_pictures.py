"""Take pictures of every page of the product, in English and Chinese.

    python scripts/_build/build_pictures.py [NAME...]    default: all, into docs/pictures/pages
    python scripts/_build/build_pictures.py tutorial     docs/pictures/tutorial, of own-evidence-by-the-web

The pages are those of `anchor serve --demo` on a chain of its own, and the verifier page.  Numbers,
times and hashes on them are new each time.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

import anchor
from anchor.base.messages.catalogue import Language

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
from support.browser import open_browser
from support.web_tutorial import Demonstration, Reader

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "pictures" / "pages"
TUTORIAL = FOLDER.with_name("tutorial")
LANGUAGES: dict[Language, str] = {"en": "en-GB", "zh": "zh-CN"}
_SIZE = (1120, 760)
_COLOURS = 64
_MILLISECONDS = 300_000

# Addresses of pages by picture: for everybody, for a tenant's owner, for the operator.
PUBLIC = {
    "front-page": "/",
    "number": "/number",
    "log": "/log",
    "leaf": "/log/leaf?of=0",
    "consistency": "/log/consistency?old=3&new=4",
    "about": "/about",
    "conformance": "/conformance",
    "verifier": "/verify.html",
    "api": "/docs",
    "sign-in": "/login",
}
OWNER = {
    "account": "/account",
    "tenant": "/tenants/sample",
    "submit": "/tenants/sample/submit",
    "evidence": "/tenants/sample/evidence",
    "cases": "/tenants/sample/cases",
    "new-case": "/tenants/sample/cases/new",
    "search": "/tenants/sample/search?q=chat",
    "keys": "/tenants/sample/keys",
    "webhooks": "/tenants/sample/webhooks",
    "events": "/tenants/sample/events",
}
OPERATOR = {"dashboard": "/dashboard", "operator": "/operator"}
# A page that is reached from another one: its picture, the other page, the link.
PIECE = ("piece", "/tenants/sample/evidence", "chat.txt")


def main() -> None:
    wanted = set(sys.argv[1:])
    with open_site() as (site, key), open_browser() as browser:
        for language, locale in LANGUAGES.items():
            if wanted != {"tutorial"}:
                for name, picture in take_pictures(browser, site.url, key, locale):
                    if not wanted or name in wanted:
                        save(picture, FOLDER / f"{name}-{language}.png")
            if not wanted or "tutorial" in wanted:
                follow_tutorial(browser, site, language)


def save(picture: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(reduce_colours(picture))
    print(path.relative_to(ROOT), path.stat().st_size)


def follow_tutorial(browser: Browser, site: Demonstration, language: Language) -> None:
    """Do what the tutorial says, and take its pictures."""
    tab = open_tab(browser, site.url, LANGUAGES[language])

    def show(name: str, at: str) -> None:
        tab.locator(at).first.evaluate("place => place.scrollIntoView()")
        save(tab.screenshot(), TUTORIAL / f"{name}-{language}.png")

    with tempfile.TemporaryDirectory() as folder:
        Reader(tab=tab, site=site, language=language, folder=Path(folder), show=show).follow()
    tab.context.close()


@contextmanager
def open_site() -> Iterator[tuple[Demonstration, str]]:
    """Serve the demonstration; give where it is, and an API key of its operator."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TMPDIR": folder}
        words = ("serve", "--demo", "--port", "0", "--workers", "1")
        command = [sys.executable, "-m", "anchor", *words]
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            try:
                site = Demonstration.read(process.stdout)
                (config,) = Path(folder).glob("anchor-demo-*/project/anchor.toml")
                extend_log(site.url, make_key(config, "sample", "submit", "read"))
                yield site, make_key(config, "operator", "admin")
            finally:
                process.terminate()


def make_key(config: Path, tenant: str, *scopes: str) -> str:
    """Return a new API key of the demonstration."""
    options = [word for scope in scopes for word in ("--scope", scope)]
    command = ["api-key", "create", tenant, *options, "--config", str(config)]
    made = subprocess.run(
        [sys.executable, "-m", "anchor", *command], capture_output=True, text=True, check=True
    )
    return made.stdout.split()[-1]


def extend_log(url: str, key: str) -> None:
    """Add a fourth piece once the three samples are anchored, so that the log has two heads."""
    with anchor.Client(url, key, timeout=_MILLISECONDS / 1_000) as client:
        (*_, newest) = client.list_evidence().evidence
        client.wait(newest.id)
        digest = hashlib.sha256(b"a reply").digest()
        client.wait(client.submit(anchor.Submission(sha256=digest, name="reply.txt")).id)


def take_pictures(browser: Browser, url: str, key: str, locale: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and picture of each page in one language."""
    tab = open_tab(browser, url, locale)
    yield from visit(tab, PUBLIC)
    tab.goto("/login")
    tab.locator("button[name=person]").first.click()
    tab.wait_for_load_state()
    yield from visit(tab, OWNER)
    name, page, link = PIECE
    tab.goto(page)
    with tab.expect_navigation():
        tab.get_by_role("link", name=link, exact=True).first.click()
    yield name, tab.screenshot()
    tab.context.close()
    tab = open_tab(browser, url, locale)
    tab.goto("/dashboard")
    tab.locator("input[type=password]").fill(key)
    tab.locator("input[type=password]").press("Enter")
    tab.wait_for_load_state()
    yield from visit(tab, OPERATOR)
    tab.context.close()


def open_tab(browser: Browser, url: str, locale: str) -> Page:
    width, height = _SIZE
    context = browser.new_context(
        base_url=url, locale=locale, viewport={"width": width, "height": height}
    )
    context.set_default_timeout(_MILLISECONDS)
    return context.new_page()


def visit(tab: Page, pages: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    for name, path in pages.items():
        answer = tab.goto(path)
        assert answer is not None and answer.ok, f"{path}: {answer and answer.status}"
        yield name, tab.screenshot()


def reduce_colours(picture: bytes) -> bytes:
    """Return a PNG of few colours, which pages of plain colours hardly show."""
    image = Image.open(BytesIO(picture)).convert("RGB")
    reduced = image.quantize(_COLOURS, dither=Image.Dither.NONE)
    output = BytesIO()
    reduced.save(output, "PNG", optimize=True)
    return output.getvalue()


if __name__ == "__main__":
    main()
