"""A case's package on the verifier page that the service serves: an altered byte, nothing sent."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from support.accessibility import find_violations
from support.grown_logs import grow_log
from support.memory_projects import MemorySite
from support.platform_tabs import open_tab
from support.sign_in_providers import Platform, serve_platform
from support.visitors import Visitor, close_browsers, visit

from anchor.base.digests import SHA256, SM3, digest_bytes
from anchor.base.system.clock import utc_now
from anchor.store.database import open_database
from anchor.store.sealing import seal

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


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_a_case_with_an_altered_byte_is_told_file_by_file_and_nothing_is_sent(
    locale: str, browser: Browser, platform: Platform, package: bytes
) -> None:
    data = with_originals(package, **{"合同.pdf": b"%PDF the contract, as it wAs"})
    with open_tab(browser, platform, locale=locale) as tab:
        tab.goto("/verify.html")
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        given = {"name": "case.zip", "mimeType": "application/zip", "buffer": data}
        tab.set_input_files("#file", given)
        tab.click("#verify")
        tab.wait_for_selector("#headline")
        with tab.expect_download() as download:
            tab.get_by_role("button", name="JSON").click()
        document: dict[str, Any] = json.loads(Path(download.value.path()).read_text("utf-8"))
        codes = {each["file"].rpartition("/")[2]: each["exit_code"] for each in document["files"]}
        # The package's own files are none of these: they need no receipt.
        assert codes == {"合同.pdf": 10, "=evil.txt": 20}
        others = tab.locator("#report details:not(.original) li").all_text_contents()
        for name in ("README.en.md", "tagmanifest-sha256.txt", "verify/", "exhibits/"):
            assert any(name in each for each in others), name
        assert find_violations(tab) == []
        # The icon may come late, and what is downloaded is made in the page.
        icon = f"{platform.url}/favicon.svg"
        assert [each for each in asked if "blob:" not in each and each != icon] == []
