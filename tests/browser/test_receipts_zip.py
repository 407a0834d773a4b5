"""A ZIP with receipts and no originals, as a service hands a case out, on the verifier page."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.bent_receipts import Given, honest_receipts, world
from support.desk import Desk, open_desk
from support.notice_bags import hashes_of, notices, packed
from support.notices import OF_A

import anchor.page
from anchor.base.messages.message import Message, translate
from anchor.verification.pinning import encode_policy
from anchor.verification.report_json import VerificationDocument

PAGE = (Path(anchor.page.__file__).parent / "verify.html").as_uri()
HONEST = next(each for each in honest_receipts() if each.name == "an operator's")
OTHER = next(each for each in honest_receipts() if each.given.leaf != HONEST.given.leaf)
FILE = world().files[HONEST.given.leaf]
RECEIPT, OTHER_RECEIPT = (json.dumps(each.document).encode() for each in (HONEST, OTHER))
PACKAGE = {"package/receipts/contract.pdf.anchor.json": RECEIPT, "package/README.en.md": b"# Case"}
PACKAGE["package/tagmanifest-sha256.txt"] = b"x"


@pytest.fixture(params=["en-GB", "zh-CN"])
def desk(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Desk]:
    """A page from a file that must neither ask a network nor complain."""
    desk = open_desk(browser, locale=request.param)
    desk.open(PAGE)
    yield desk
    assert desk.network == []
    assert desk.said == []
    desk.tab.context.close()


def pack(files: Mapping[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def trust(desk: Desk, given: Given) -> None:
    assert given.policy is not None
    desk.tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    hashes = "\n".join("0x" + each.hex() for each in given.block_hashes)
    desk.fill(**{"policy-text": encode_policy(given.policy.entries).decode(), "hashes": hashes})
    desk.tab.check("#offline")


def said(desk: Desk, message: Message) -> str:
    is_chinese = desk.tab.evaluate("document.documentElement.lang").startswith("zh")
    return translate(message, "zh" if is_chinese else "en")


def files_unmatched(name: str) -> Message:
    return Message("files-unmatched", count=1, names=name)


def codes(desk: Desk) -> dict[str, int]:
    document = desk.verify()
    VerificationDocument.model_validate(document)
    return {each["file"]: each["exit_code"] for each in document["files"]}


def test_without_originals_each_receipt_says_what_it_proves_and_asks_for_its_original(
    desk: Desk,
) -> None:
    desk.drop(**{"case.zip": pack(PACKAGE)})
    trust(desk, HONEST.given)
    assert codes(desk) == {"package/receipts/contract.pdf.anchor.json": 20}
    text = desk.tab.inner_text("#report")
    assert said(desk, Message("page-originals-missing", count=1)) in text
    assert desk.tab.locator(".verdict.unknown").count() == 1
    part = desk.tab.locator("details.original")
    assert "receipts/contract.pdf.anchor.json" in part.inner_text()
    assert said(desk, Message("zip-receipt-only")) in part.inner_text()
    for word in ("verified", "核验通过"):
        assert word not in part.locator("summary").inner_text()
    assert "UTC" in part.inner_text()
    part.locator("summary").click()
    part.get_by_text(said(desk, Message("page-original-missing"))).first.wait_for()
    assert "README.en.md" in (desk.tab.text_content("#report") or "")
    desk.check_accessible()
    desk.tab.set_viewport_size({"width": 390, "height": 800})
    desk.check_fits()


@pytest.mark.parametrize("order", [("case.zip", "contract.pdf"), ("contract.pdf", "case.zip")])
def test_with_its_original_given_before_or_after_the_receipt_is_judged_by_it(
    desk: Desk, order: tuple[str, str]
) -> None:
    files = {"case.zip": pack(PACKAGE), "contract.pdf": FILE}
    for name in order:
        given = {"name": name, "mimeType": "application/zip", "buffer": files[name]}
        desk.tab.set_input_files("#file", given)
        desk.tab.locator("#file-chosen", has_text=name).wait_for()
    trust(desk, HONEST.given)
    assert codes(desk) == {"contract.pdf": 0}
    message = Message("page-originals-missing", count=1)
    assert said(desk, message) not in desk.tab.inner_text("#report")


def test_originals_dropped_together_are_matched_and_a_changed_one_is_told(desk: Desk) -> None:
    receipts = {**PACKAGE, "package/receipts/other.pdf.anchor.json": OTHER_RECEIPT}
    bent = world().files[OTHER.given.leaf] + b"!"
    desk.drop(**{"other.pdf": bent, "case.zip": pack(receipts), "renamed.pdf": FILE})
    trust(desk, HONEST.given)
    assert codes(desk) == {"other.pdf": 10, "renamed.pdf": 0}


def test_originals_inside_count_and_another_file_of_the_name_outside_does_not_hide_them(
    desk: Desk,
) -> None:
    desk.drop(**{
        "case.zip": pack({**PACKAGE, "package/receipts/contract.pdf": FILE}),
        "contract.pdf": FILE + b"!",
    })  # fmt: skip
    trust(desk, HONEST.given)
    assert codes(desk) == {"package/receipts/contract.pdf": 0, "contract.pdf": 10}
    assert said(desk, files_unmatched("contract.pdf")) in desk.tab.inner_text(".verdict.fail")


@pytest.mark.parametrize("beside", [{}, {"contract.pdf": FILE}])
@pytest.mark.parametrize("is_inside", [True, False])
def test_a_changed_and_renamed_file_is_named_first_and_is_a_mismatch(
    desk: Desk, beside: dict[str, bytes], is_inside: bool
) -> None:
    name = "package/copy.pdf" if is_inside else "copy.pdf"
    changed = {name: FILE + b"!"}
    inside, outside = (changed, {}) if is_inside else ({}, changed)
    desk.drop(**{"case.zip": pack({**PACKAGE, **inside}), **outside, **beside})
    trust(desk, HONEST.given)
    judged = {"contract.pdf": 0} if beside else {"package/receipts/contract.pdf.anchor.json": 20}
    assert codes(desk) == {**judged, name: 10}
    box = desk.tab.locator(".verdict.fail")
    assert said(desk, files_unmatched(name)) in box.locator("p.problem").inner_text()
    assert said(desk, Message("verdict-mismatch")).lower() in box.inner_text().lower()
    assert said(desk, Message("tally-failed", count=1)) in desk.tab.inner_text("#headline")
    desk.check_accessible()


def test_the_csv_has_a_row_for_each_file_and_no_formula(desk: Desk) -> None:
    starts = ["=", "+", "-", "@", "\t", "\r", " =", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
    names = [f'{start}cmd|"/C calc"!A0,\n' for start in starts]
    files = {name: name.encode() for name in [*names, "a=1"]}
    desk.drop(**{"case.zip": pack({**PACKAGE, "contract.pdf": FILE, **files})})
    trust(desk, HONEST.given)
    document = desk.verify()
    with desk.tab.expect_download() as download:
        desk.tab.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename == "verification.csv"
    text = download.value.path().read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert [row["file"] for row in rows] == ["contract.pdf", *(f"'{name}" for name in names), "a=1"]
    assert [int(row["exit_code"]) for row in rows] == [0] + [10] * len(files)
    assert {row["problem"] for row in rows[1:]} == {Message("file-matches-no-receipt")}
    judged = document["files"][0]
    for name in ("headline", "number"):
        assert rows[0][name] == judged[name]
    for name in ("existed_no_later_than", "chain_id", "registry"):
        assert rows[0][name] == "\n".join(str(anchor[name]) for anchor in judged["anchors"])


def test_a_notice_in_the_zip_counts(desk: Desk) -> None:
    made = notices()
    files = packed(made, OF_A)
    del files["bagit.txt"]
    inside = {f"case/{name}": data for name, data in files.items()}
    desk.drop(**{"case.zip": pack(inside)})
    trust(desk, Given(0, made.world.policy(), hashes_of(files)))
    found = codes(desk)
    assert found["case/data/originals/a"] == 14
    assert found["case/data/originals/b"] == 0


def test_a_receipt_that_is_not_safe_to_read_is_a_failure_and_not_nothing(desk: Desk) -> None:
    desk.drop(**{"case.zip": pack({"../contract.pdf.anchor.json": RECEIPT})})
    trust(desk, HONEST.given)
    assert codes(desk) == {"../contract.pdf.anchor.json": 2}
    assert said(desk, Message("zip-name-unsafe")) in (desk.tab.text_content("#report") or "")


def test_with_a_receipt_of_its_own_the_zip_is_evidence_itself(desk: Desk) -> None:
    desk.drop(**{"case.zip": pack(PACKAGE), "x.anchor.json": RECEIPT})
    trust(desk, HONEST.given)
    assert codes(desk) == {"case.zip": 10}


def test_without_a_receipt_in_it_a_zip_is_a_file_like_any_other(desk: Desk) -> None:
    desk.drop(**{"files.zip": pack({"a": b"x"})})
    assert said(desk, Message("page-receipt-missing")) in desk.complaint()
