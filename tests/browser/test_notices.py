"""Notices in bags: the package, the standalone verifier and the page's script judge them alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bags import write_folder, write_zip
from support.notice_bags import BAGS, by_package, by_page, by_standalone
from support.page_script import PageScript, run_page_script


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_page_script() as running:
        yield running


@pytest.mark.parametrize("name", BAGS)
def test_three_verifiers_agree_on_a_bag_with_notices(
    name: str, script: PageScript, tmp_path: Path
) -> None:
    expected, make = BAGS[name]
    files = make()
    folder = write_folder(tmp_path / "bag", files)
    archive = write_zip(tmp_path / "bag.zip", files).read_bytes()
    codes = [
        by_package(folder, files),
        by_standalone(folder, files),
        by_page(script, archive, files),
    ]
    assert codes == [expected] * 3
