"""Notices in bags: the package, the standalone verifier and the page's script judge them alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.bags import write_folder, write_zip
from support.chain_kinds import CHAINS, PROVES_TIME
from support.desk import open_desk
from support.notice_bags import (
    BAGS,
    by_package,
    by_page,
    by_standalone,
    hashes_of,
    packed,
)
from support.notices import OF_A, OF_B, A, Notices
from support.page_script import PageScript, run_page_script

import anchor.page
from anchor.ethereum.known_chains import ChainKind
from anchor.receipt.format import encode_receipt
from anchor.verification.pinning import encode_policy
from anchor.verification.report_json import VerificationDocument, describe_report

PAGE = (Path(anchor.page.__file__).parent / "verify.html").as_uri()


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


@pytest.mark.parametrize("kind", ["main", "development"])
def test_notices_are_dropped_with_the_file_and_its_receipt(
    browser: Browser, kind: ChainKind
) -> None:
    made = Notices(chain_ids=[CHAINS[kind]])
    desk = open_desk(browser)
    desk.open(PAGE)
    desk.tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    named = sorted("0x" + each.hex() for each in hashes_of(packed(made)))
    policy = encode_policy(made.world.policy().entries).decode()
    desk.fill(**{"policy-text": policy, "hashes": " ".join(named)})
    desk.tab.check("#offline")
    desk.drop(**{"a": made.world.files[A], "a.anchor.json": encode_receipt(made.receipt(A))})
    assert desk.verify()["exit_code"] == 0
    desk.drop(
        **{f"notice-{at}.anchor.json": encode_receipt(made.receipt(at)) for at in (OF_B, OF_A)}
    )
    desk.tab.get_by_text("Notices: notice-5.anchor.json, notice-4.anchor.json.").wait_for()
    document = desk.verify()
    VerificationDocument.model_validate(document)
    hashes = [bytes.fromhex(each[2:]) for each in named]
    how = {"offline": True, "block_hashes": hashes}
    given = [made.give(index, is_demanded=True, **how) for index in (OF_A, OF_B)]
    theirs = describe_report("a", made.judge(A, given, **how)).model_dump()
    (ours,) = document["files"]
    for each in ours["notices"]:
        each["file"] = each["file"].removesuffix(".anchor.json")
    assert ours["problem"]["message"] == theirs["problem"]["message"]
    for member in ("exit_code", "headline", "notices", "not_proven"):
        assert ours[member] == theirs[member], member
    text = desk.tab.inner_text("#report")
    assert "Li replaced the record" in text
    latest, stated = "2026-09-21 14:17:50 UTC", "2026-09-21 14:17:20 UTC"
    proven = f"This was recorded no later than {latest}", "Unchanged since it was recorded"
    unproven = f"Its block states the time {stated}", "Time stated by the block, which proves"
    assert [sentence in text for sentence in proven] == [PROVES_TIME[kind]] * 2
    assert [sentence in text for sentence in unproven] == [not PROVES_TIME[kind]] * 2
    desk.check_accessible()
    desk.tab.get_by_role("button", name="中文").click()
    assert "日志的运营方声明" in desk.tab.inner_text("#report")
    assert (desk.network, desk.said) == ([], [])
    desk.tab.context.close()
