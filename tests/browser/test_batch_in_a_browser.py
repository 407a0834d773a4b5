"""A ZIP file on `/batch` in Chromium: a case's package, an altered byte, and nothing sent."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from support.accessibility import find_violations
from support.grown_logs import grow_log
from support.memory_projects import MemorySite
from support.platform_tabs import open_tab
from support.sign_in_providers import Platform, serve_platform
from support.visitors import Visitor, close_browsers, visit

from anchor.evidence.digests import SHA256, SM3, digest_bytes
from anchor.store.database import open_database
from anchor.store.sealing import seal
from anchor.system.clock import utc_now

pytestmark = pytest.mark.needs_chromium
FILES = {"合同.pdf": b"%PDF the contract, as it was", "=evil.txt": b"the statement " * 40}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    return grow_log(tmp_path_factory.mktemp("grown"), [3])


@pytest.fixture(scope="module")
def platform(site: MemorySite) -> Iterator[Platform]:
    with serve_platform(site) as served:
        yield served
    close_browsers()


@pytest.fixture(scope="module")
def package(platform: Platform) -> bytes:
    """The package of a case with two exhibits, as the service makes it."""
    owner = visit(platform, "Olga", firm="owner")
    words = {"number": "（2026）浙0192民初1号", "title": "Lee", "parties": "原告：Ann Lee"}
    case = owner.post("/tenants/firm/cases", words).headers["Location"].rpartition("/")[2]
    for name, data in FILES.items():
        add(owner, case, name, data)
    with closing(open_database(platform.project.config.store)) as database, database.hold_lease():
        seal(database, utc_now(), platform.project.tiles)
    answer = owner.http.get(f"/v1/cases/{case}/package", headers={"Anchor-Tenant": "firm"})
    assert answer.status_code == 200, answer.text
    return answer.content


def add(owner: Visitor, case: str, name: str, data: bytes) -> None:
    headers = {"Origin": owner.platform.url, "Anchor-Tenant": "firm"}
    made = digest_bytes(data, (SHA256, SM3))
    assert made.sha256 and made.sm3
    body = {"sha256": made.sha256.hex(), "sm3": made.sm3.hex(), "name": name}
    piece = owner.http.post("/v1/evidence", json=body, headers=headers).json()
    path = f"/v1/cases/{case}/exhibits"
    answer = owner.http.post(path, json={"evidence": piece["id"]}, headers=headers)
    assert answer.status_code == 201, answer.text


def with_originals(package: bytes, **altered: bytes) -> bytes:
    """Put the originals into a package, where its readme says, some of them altered."""
    data = io.BytesIO(package)
    with zipfile.ZipFile(data, "a") as archive:
        receipts = [name for name in archive.namelist() if name.endswith(".anchor.json")]
        for receipt in receipts:
            original = receipt.removesuffix(".anchor.json")
            name = original.rpartition("/")[2]
            archive.writestr(original, altered.get(name, FILES[name]))
    assert len(receipts) == len(FILES)
    return data.getvalue()


def give(tab: Page, data: bytes, name: str = "case.zip") -> None:
    tab.set_input_files("#zip", {"name": name, "mimeType": "application/zip", "buffer": data})
    tab.locator("#zip-form button").press("Enter")


def rows(tab: Page) -> list[list[str]]:
    tab.locator("#zip-results").wait_for()
    cells: list[list[str]] = tab.locator("#zip-rows tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.innerText))"
    )
    return cells


@pytest.mark.parametrize(
    ("theme", "width", "locale", "words"),
    [
        ("light", 1280, "en-GB", "not verified: something does not match"),
        ("dark", 390, "zh-CN", "未通过核验：存在不一致"),
    ],
)
def test_a_case_with_an_altered_byte_is_told_file_by_file_and_nothing_is_sent(
    theme: str, width: int, locale: str, words: str,
    browser: Browser, platform: Platform, package: bytes, tmp_path: Path,
) -> None:  # fmt: skip
    with open_tab(browser, platform, theme, width, locale) as tab:
        said: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto("/batch")
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
        give(tab, with_originals(package, **{"合同.pdf": b"%PDF the contract, as it wAs"}))
        table = rows(tab)
        (contract,) = [row for row in table if "合同.pdf.anchor.json" in row[0]]
        (statement,) = [row for row in table if "=evil.txt.anchor.json" in row[0]]
        assert words in contract[0] and "合同.pdf" in contract[1]
        assert words not in statement[0] and "=evil.txt" in statement[1]
        assert len([row for row in table if row[1] == "–"]) == len(table) - 2
        own = ("README.en.md", "README.zh.md", "tagmanifest-sha256.txt", "verify/", "exhibits/")
        aside = [row[0] for row in table if row[1] == "–"]
        assert [row for row in aside if row.startswith("–")] == aside
        assert all(any(name in row for row in aside) for name in own)
        assert tab.evaluate("document.activeElement.id") == "zip-heading"
        tab.screenshot(path=tmp_path / f"zip-{width}.png", full_page=True)
        assert find_violations(tab) == []
        over = tab.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert over <= 0, f"{over} pixels too wide"
        for kind in ("csv", "json"):
            with tab.expect_download() as download:
                tab.locator(f"#zip-{kind}").press("Enter")
            assert download.value.suggested_filename == f"anchor-zip.{kind}"
            text = download.value.path().read_text("utf-8")
            if kind == "json":
                made = json.loads(text)["rows"]
                assert {row["exit_code"] for row in made if row["receipt"]} >= {10}
                assert len(made) == len(table)
            else:
                lines = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline="")))
                assert words in {line["verdict"] for line in lines} and len(lines) == len(table)
        # The icon may come late, and what is downloaded is made in the page.
        icon = f"GET {platform.url}/favicon.svg"
        assert [each for each in asked if "blob:" not in each and each != icon] == []
        assert said == []


def test_what_is_wrong_is_said_beside_its_field_and_the_script_may_ask_nobody(
    browser: Browser, platform: Platform
) -> None:
    with open_tab(browser, platform) as tab:
        page = tab.goto("/batch")
        assert page is not None
        policy = page.headers["content-security-policy"]
        assert "script-src 'self'" in policy and "connect-src" not in policy
        tab.locator("#zip-form button").press("Enter")
        assert "choose a ZIP file" in tab.inner_text("#zip-error")
        assert tab.evaluate("document.activeElement.id") == "zip"
        give(tab, b"no ZIP", "x.zip")
        tab.locator("#zip-error", has_text="end").wait_for()
        assert tab.get_attribute("#zip", "aria-invalid") == "true"
        tab.fill("#hashes", "0x12")
        tab.locator("#zip-form button").press("Enter")
        tab.locator("#hashes-error:not(:empty)").wait_for()
        assert tab.input_value("#hashes") == "0x12"
        bad = {"name": "p.toml", "mimeType": "text/plain", "buffer": b"format = 1"}
        tab.set_input_files("#policy", bad)
        tab.locator("#zip-form button").press("Enter")
        tab.locator("#policy-error:not(:empty)").wait_for()
        assert find_violations(tab) == []
        refused = tab.evaluate(
            "fetch('/healthz', {method: 'POST', body: 'x'}).then(() => false, () => true)"
        )
        assert refused, "the page's policy lets its script ask nobody"
