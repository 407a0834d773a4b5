"""Bundles on the page: in a browser, and its script beside the package's verifier."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from support.bent_receipts import world
from support.desk import Desk, compare, open_desk
from support.doubles import CHOICES, write_doubles
from support.page_script import Refused, run_page_script
from support.paths import VECTORS
from support.tries import keccak256

import anchor.page
from anchor.base.messages.message import Message
from anchor.base.types import Hash32
from anchor.receipt.bundle import encode_bundle, load_bundle
from anchor.verification.pinning import encode_policy
from anchor.verification.receipt_choice import Wanted, choose_receipts
from anchor.verification.verifier import judge

pytestmark = pytest.mark.release

PAGE = (Path(anchor.page.__file__).parent / "verify.html").as_uri()
KEPT = VECTORS / "receipts" / "anchor-receipts-1.jsonl"
RECEIPTS = list(load_bundle(KEPT))
BLOCKS = sorted(
    {
        Hash32(keccak256(each.state.header))
        for receipt in RECEIPTS
        for each in receipt.anchors
        if each.state is not None
    }
)
SPELLED = ["0x" + block.hex() for block in BLOCKS]
POLICY = world().policy()


@pytest.fixture
def desk(browser: Browser) -> Iterator[Desk]:
    """A page from a file, in English, that must neither ask a network nor complain."""
    desk = open_desk(browser)
    desk.open(PAGE)
    yield desk
    assert desk.network == []
    assert desk.said == []
    desk.tab.context.close()


def by_package(index: int) -> Any:
    return judge(
        RECEIPTS[index], world().evidence(index), policy=POLICY, connect=None, block_hashes=BLOCKS
    )


def fill(desk: Desk) -> None:
    policy = encode_policy(POLICY.entries).decode("utf-8")
    desk.tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    desk.fill(**{"policy-text": policy, "hashes": "\n".join(SPELLED)})
    desk.tab.check("#offline")


@pytest.mark.parametrize("name", ["receipts.anchor.jsonl", "bundle"])
def test_a_dropped_bundle_gives_a_dropped_file_its_receipt(desk: Desk, name: str) -> None:
    desk.drop(**{name: KEPT.read_bytes(), "evidence-6.txt": world().files[6]})
    desk.tab.get_by_text(Message("page-receipt-block", block=40, chain=31337)).wait_for()
    fill(desk)
    page = desk.verify()
    assert page["exit_code"] == 0
    compare(page, by_package(6))


def test_a_large_bundle_is_found_by_its_first_line(desk: Desk, tmp_path: Path) -> None:
    """Of a file that is larger than any receipt no more is read at once than a line may have."""
    path = tmp_path / "large"
    lines = KEPT.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line[:-1] + b" " * 200_000 + b"\n" for line in lines))
    desk.give(receipt=path)
    desk.drop(**{"evidence-2.txt": world().files[2]})
    fill(desk)
    page = desk.verify()
    assert page["exit_code"] == 0
    compare(page, by_package(2))


def test_an_altered_file_is_told(desk: Desk) -> None:
    desk.drop(**{"b.anchor.jsonl": KEPT.read_bytes(), "evidence-6.txt": b"altered"})
    fill(desk)
    page = desk.verify()
    assert page["exit_code"] == 10
    assert page["files"][0]["steps"][1]["verdict"] == "fail"


def test_a_pasted_bundle_is_read(desk: Desk) -> None:
    desk.fill(**{"receipt-text": KEPT.read_text("utf-8")})
    desk.drop(**{"evidence-1.txt": world().files[1]})
    fill(desk)
    assert desk.verify()["exit_code"] == 0


BENT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut off": (lambda data: data[: data.rindex(b"\n", 0, -1) + 1], "ends after 10 of 11"),
    "a record altered": (
        lambda data: data.replace(b"evidence-5", b"evidence-6"),
        "line 9 of the bundle: the path leads to another root",
    ),
    "another version": (lambda data: data.replace(b"receipts/1", b"receipts/2"), "not 'anchor-rec"),
    "another file's": (
        lambda data: b"".join(encode_bundle(RECEIPTS[:1], log=RECEIPTS[0].log, count=1)),
        "The bundle has no receipt of evidence-6.txt.",
    ),
}


@pytest.mark.parametrize("name", BENT)
def test_what_is_wrong_with_a_bundle_is_said(desk: Desk, name: str) -> None:
    bend, said = BENT[name]
    desk.drop(**{"b.anchor.jsonl": bend(KEPT.read_bytes()), "evidence-6.txt": world().files[6]})
    fill(desk)
    assert said in desk.complaint()


def test_the_script_chooses_and_judges_as_the_package_does() -> None:
    here = world()
    wanted = [
        Wanted(name=name, digests=here.evidence(index))
        for name in ("evidence-1.txt", "other.txt", "evidence-11.txt", "")
        for index in range(13)
    ]
    files = [
        {
            "name": file.name,
            "sha256": file.digests.sha256 and file.digests.sha256.hex(),
            "sm3": file.digests.sm3 and file.digests.sm3.hex(),
            "size": file.digests.size,
        }
        for file in wanted
    ]
    expected = []
    for file, receipt in zip(wanted, choose_receipts(load_bundle(KEPT), wanted), strict=True):
        if receipt is None:
            expected.append(None)
            continue
        report = judge(receipt, file.digests, policy=POLICY, connect=None, block_hashes=BLOCKS)
        # A promise is 20 to a script that has a policy and asks no node, as to the package.
        expected.append([receipt.index, int(report.exit_code)])
    with run_page_script() as page:
        found = page.ask(
            "files",
            bundle=base64.b64encode(KEPT.read_bytes()).decode("ascii"),
            files=files,
            policy=encode_policy(POLICY.entries).decode("utf-8"),
            block_hashes=SPELLED,
        )
    assert not isinstance(found, Refused)
    assert found == expected
    assert {code for pair in found if pair for code in pair[1:]} == {0, 10, 20}


def test_the_script_chooses_by_content_then_by_name() -> None:
    files = [
        {"name": name, "sha256": of.sha256 and of.sha256.hex(), "sm3": of.sm3 and of.sm3.hex(),
         "size": of.size}
        for name, of, _ in CHOICES
    ]  # fmt: skip
    with run_page_script() as page:
        found = page.ask(
            "files",
            bundle=base64.b64encode(write_doubles()).decode("ascii"),
            files=files,
            policy=encode_policy(POLICY.entries).decode("utf-8"),
            block_hashes=[],
        )
    assert [pair and pair[0] for pair in found] == [leaf for _, _, leaf in CHOICES]
