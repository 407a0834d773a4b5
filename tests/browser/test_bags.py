"""Bags on the page: its script accepts and refuses what the package does."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from support import bag_campaign
from support.bag_corpus import corpus
from support.bags import (
    CONTENTS,
    HONEST,
    LENGTHS,
    Files,
    by_page,
    complete,
    honest_bag,
    long_name,
    with_files,
    write_folder,
    write_zip,
)
from support.desk import Desk, open_desk
from support.evidence_bags import (
    CASE_BAG,
    MANIFEST,
    EvidenceBag,
    complete_evidence,
    make_bags,
    pack_for_court,
    small_payload,
)
from support.packing import Desk as PackingDesk
from support.packing import make_desk
from support.page_script import PageScript, run_page_script
from support.zip_bends import TOP, ZIPS, make_zip, to_entries

import anchor.page
from anchor.base.messages.message import Message
from anchor.signatures.ssh_signature import MARK
from anchor.verification.pinning import encode_policy
from anchor.verification.report_json import VerificationDocument

PAGE = (Path(anchor.page.__file__).parent / "verify.html").as_uri()
TRAILING = ("deflated data with more behind", "deflated data with much more behind")
# What a browser hands over for a folder that is dropped.
DROP_FOLDER = """files => {
  const tree = {};
  for (const [path, bytes] of Object.entries(files)) {
    const parts = path.split("/"), name = parts.pop();
    let folder = tree;
    for (const part of parts) folder = folder[part] ??= {};
    folder[name] = new File([Uint8Array.from(bytes)], name);
  }
  const toEntry = (name, value) => value instanceof File
    ? { name, isDirectory: false, file: (resolve) => resolve(value) }
    : { name, isDirectory: true, createReader() {
        const parts = Object.entries(value).map(([child, inner]) => toEntry(child, inner));
        return { readEntries: (resolve) => resolve(parts.splice(0, 2)) };
      } };
  const event = new DragEvent("drop", { bubbles: true, cancelable: true });
  const items = [{ webkitGetAsEntry: () => toEntry("bag", tree) }];
  Object.defineProperty(event, "dataTransfer", { value: { items, files: [new File([], "bag")] } });
  document.body.dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_page_script() as running:
        yield running


def test_the_script_accepts_honest_bags(script: PageScript, tmp_path: Path) -> None:
    archives = []
    for number, bend in enumerate(HONEST.values()):
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            path = write_zip(tmp_path / f"{number}-{method}.zip", bend(honest_bag()), method)
            archives.append(path.read_bytes())
    assert {code for code, _ in by_page(script, archives)} == {0}


def test_the_script_refuses_every_bent_bag_as_the_package_does(
    script: PageScript, tmp_path: Path
) -> None:
    archives = {
        name: write_zip(tmp_path / "bag.zip", bent.bend(honest_bag())).read_bytes()
        for name, bent in CONTENTS.items()
    }
    codes = by_page(script, list(archives.values()))
    wrong = {
        name: (code, CONTENTS[name].code)
        for name, (code, _) in zip(archives, codes, strict=True)
        if code != CONTENTS[name].code
    }
    assert not wrong


def test_the_script_refuses_every_bent_zip_file_as_the_package_does(script: PageScript) -> None:
    archives = {
        name: bend(to_entries(honest_bag()))
        for name, (_, bend) in ZIPS.items()
        if name not in TRAILING
    }
    codes = by_page(script, list(archives.values()))
    wrong = {
        name: (code, ZIPS[name][0])
        for name, (code, _) in zip(archives, codes, strict=True)
        if code != ZIPS[name][0]
    }
    assert not wrong


@pytest.mark.parametrize("top", [TOP, "x" * 1_024], ids=["a short top", "a long top"])
def test_the_script_takes_as_long_a_name_as_the_package(script: PageScript, top: str) -> None:
    archives = [
        make_zip(to_entries(with_files(**{long_name(length): b"x"})(honest_bag()), top))
        for length in LENGTHS
    ]
    assert [code for code, _ in by_page(script, archives)] == list(LENGTHS.values())


@pytest.fixture
def desk(browser: Browser) -> Iterator[Desk]:
    """A page from a file, in English, that must neither ask a network nor complain."""
    desk = open_desk(browser)
    desk.open(PAGE)
    yield desk
    assert desk.network == []
    assert desk.said == []
    desk.tab.context.close()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> PackingDesk:
    packing = make_desk(tmp_path_factory.mktemp("packed") / "desk")
    # Begun like signatures, and never read by the page.
    for form, data in (("sshsig", MARK), ("p7s", b"0")):
        packing.write(f"{packing.names[0]}.anchor.{'0' * 16}.{form}", data)
    packing.pack("bag.zip").expect(0)
    packing.pack("bag").expect(0)
    return packing


def fill(desk: Desk, packed: PackingDesk) -> None:
    policy = (packed.folder / "trust.toml").read_text("utf-8")
    desk.tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    desk.fill(**{"policy-text": policy, "hashes": packed.block_hash})
    desk.tab.check("#offline")


def test_a_bag_verifies_in_one_drop(desk: Desk, packed: PackingDesk) -> None:
    desk.drop(**{"bag.zip": (packed.folder / "bag.zip").read_bytes()})
    fill(desk, packed)
    document = desk.verify()
    ran = packed.run("verify", "bag.zip", *packed.trust, "--json").expect(0)
    theirs = VerificationDocument.model_validate(ran.document)
    ours = VerificationDocument.model_validate(document)
    assert ours.bags == theirs.bags
    assert [each.file for each in ours.files] == [each.file for each in theirs.files]
    assert [each.exit_code for each in ours.files] == [0, 0, 0]
    text = desk.tab.inner_text("#report")
    assert "3 in all: 3 verified with reservation" in text
    assert "is not used" in text
    for given in theirs.files[0].model_dump()["signatures"]:
        assert f"signature {given['file']}: cannot tell here" in text
        assert given["command"].partition(" -attime")[0] in text
    desk.tab.locator("details.original summary").first.click()
    desk.tab.get_by_text(Message("page-steps-heading")).first.wait_for()
    desk.check_accessible()


def test_a_bag_that_is_printed_at_once_has_every_report_whole(
    desk: Desk, packed: PackingDesk
) -> None:
    desk.drop(**{"bag.zip": (packed.folder / "bag.zip").read_bytes()})
    fill(desk, packed)
    desk.verify()
    assert desk.tab.locator("#report ul.closing").count() == 0
    desk.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    desk.tab.emulate_media(media="print")
    assert desk.tab.locator("#report ul.closing:visible").count() == 3
    assert desk.tab.locator("#report .hashes li:visible").count() >= 3
    desk.tab.emulate_media(media="screen")
    desk.tab.evaluate("dispatchEvent(new Event('afterprint'))")


def test_without_an_own_policy_a_bag_cannot_be_told(desk: Desk, packed: PackingDesk) -> None:
    desk.give(file=packed.folder / "bag.zip")
    desk.fill(hashes=packed.block_hash)
    assert desk.verify()["exit_code"] == 20


def test_a_changed_bag_is_refused_on_the_page(desk: Desk, packed: PackingDesk) -> None:
    data = (packed.folder / "bag.zip").read_bytes()
    bent = data.replace((packed.folder / packed.names[0]).read_bytes(), b"X" * 17, 1)
    assert bent != data
    desk.drop(**{"bag.zip": bent})
    fill(desk, packed)
    document = desk.verify()
    assert document["exit_code"] == 10
    assert packed.names[0] in document["files"][0]["problem"]["message"]
    VerificationDocument.model_validate(document)


def test_a_dropped_folder_is_read_as_a_bag(desk: Desk, packed: PackingDesk) -> None:
    files = {
        str(path.relative_to(packed.folder / "bag")): list(path.read_bytes())
        for path in (packed.folder / "bag").rglob("*")
        if path.is_file()
    }
    desk.tab.evaluate(DROP_FOLDER, files)
    fill(desk, packed)
    assert desk.verify()["exit_code"] == 0


@pytest.mark.parametrize(("length", "code"), LENGTHS.items())
def test_a_dropped_folder_has_names_as_long_as_those_in_a_zip_file(
    desk: Desk, packed: PackingDesk, length: int, code: int
) -> None:
    payload = {
        str(path.relative_to(packed.folder / "bag")): path.read_bytes()
        for folder in ("data", "receipts")
        for path in (packed.folder / "bag" / folder).rglob("*")
        if path.is_file()
    }
    files = complete({**payload, long_name(length): b"x"})
    desk.tab.evaluate(DROP_FOLDER, {name: list(data) for name, data in files.items()})
    fill(desk, packed)
    assert desk.verify()["exit_code"] == code


def test_a_zip_file_with_a_receipt_is_evidence_itself(desk: Desk, packed: PackingDesk) -> None:
    receipt = packed.folder / f"{packed.names[0]}.anchor.json"
    desk.give(file=packed.folder / "bag.zip", receipt=receipt)
    fill(desk, packed)
    document = desk.verify()
    assert (document["exit_code"], document["bags"]) == (10, [])
    assert document["files"][0]["file"] == "bag.zip"


@pytest.fixture(scope="module")
def evidence() -> EvidenceBag:
    """A bag that is one piece of evidence, whose receipt is not in it."""
    (made,) = make_bags([small_payload(0)])
    return made


def give_trust(desk: Desk, bag: EvidenceBag) -> None:
    (block,) = bag.blocks
    policy = encode_policy([bag.world.entry()]).decode()
    desk.tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    desk.fill(**{"policy-text": policy, "hashes": f"0x{block.hex()}"})
    desk.tab.check("#offline")


def zip_of(folder: Path, files: Files) -> bytes:
    return write_zip(folder / "made.zip", files).read_bytes()


def test_a_bag_that_is_evidence_verifies_with_its_receipt(
    desk: Desk, evidence: EvidenceBag, tmp_path: Path
) -> None:
    give_trust(desk, evidence)
    desk.drop(**{"bag.zip": zip_of(tmp_path, evidence.files), "bag.anchor.json": evidence.receipt})
    document = desk.verify()
    assert document["exit_code"] == 0
    assert document["files"][0]["file"] == f"bag.zip/{MANIFEST}"
    VerificationDocument.model_validate(document)
    files = {name: list(data) for name, data in evidence.files.items()}
    desk.tab.evaluate(DROP_FOLDER, files)
    document = desk.verify()
    assert (document["exit_code"], document["files"][0]["file"]) == (0, f"bag/{MANIFEST}")
    desk.check_accessible()


@pytest.mark.parametrize("name", ["data/page.txt", "bag-info.txt", "bagit.txt"])
def test_a_changed_bag_that_is_evidence_is_refused_and_the_file_named(
    desk: Desk, evidence: EvidenceBag, tmp_path: Path, name: str
) -> None:
    give_trust(desk, evidence)
    bent = {**evidence.files, name: evidence.files[name][:-1]}
    if name == "bagit.txt":
        del bent[name]
    desk.drop(**{"bag.anchor.json": evidence.receipt, "bag.zip": zip_of(tmp_path, bent)})
    document = desk.verify()
    assert document["exit_code"] == (2 if name == "bagit.txt" else 10)
    assert name in document["files"][0]["problem"]["message"]


def test_a_bag_made_anew_around_a_changed_file_is_refused_by_the_record(
    desk: Desk, evidence: EvidenceBag, tmp_path: Path
) -> None:
    give_trust(desk, evidence)
    payload = {name: data for name, data in evidence.files.items() if name.startswith("data/")}
    bent, _ = complete_evidence({**payload, "data/page.txt": b"other words"})
    desk.drop(**{"bag.anchor.json": evidence.receipt, "bag.zip": zip_of(tmp_path, bent)})
    assert desk.verify()["exit_code"] == 10


def test_the_page_asks_for_the_receipt_of_a_bag_that_is_evidence(
    desk: Desk, evidence: EvidenceBag, tmp_path: Path
) -> None:
    desk.drop(**{"bag.zip": zip_of(tmp_path, evidence.files)})
    desk.tab.click("#verify")
    desk.tab.get_by_text(Message("page-receipt-missing")).first.wait_for()


def test_a_changed_capture_in_a_folder_for_court_is_shown_beside_its_original(
    desk: Desk, evidence: EvidenceBag, tmp_path: Path
) -> None:
    give_trust(desk, evidence)
    files = pack_for_court(evidence)
    desk.drop(**{"case.zip": zip_of(tmp_path, files)})
    document = desk.verify()
    assert document["exit_code"] == 0
    assert document["bags"][0]["enclosures"] == 9  # five lists, and four of the capture
    bent = {**files, f"{CASE_BAG}data/page.txt": b"other words"}
    lists = ("tagmanifest-sha256.txt", "bag-info.txt")
    relisted = complete({name: data for name, data in bent.items() if name not in lists})
    desk.drop(**{"case.zip": zip_of(tmp_path, relisted)})
    document = desk.verify()
    assert document["exit_code"] == 10
    assert "data/page.txt" in document["files"][0]["problem"]["message"]


@pytest.mark.parametrize("name", TRAILING)
def test_the_browser_refuses_deflated_data_with_more_behind(tab: Page, name: str) -> None:
    """Node's own streams ignore what follows; a browser's do not."""
    tab.goto(PAGE)
    code, bend = ZIPS[name]
    data = bend(to_entries(honest_bag()))
    found = tab.evaluate(
        """async data => {
          try {
            await anchor.checkBag(await anchor.openZip(new Blob([Uint8Array.from(data)])));
            return 0;
          } catch (error) { return error.code; }
        }""",
        list(data),
    )
    assert found == code


@pytest.mark.parametrize("name", corpus())
def test_a_false_bag_is_refused_by_all_three(name: str, script: PageScript, tmp_path: Path) -> None:
    files, bag, original = corpus()[name]
    archive = write_zip(tmp_path / "bag.zip", files)
    folder = write_folder(tmp_path / "bag", files)
    expected = (bag, () if original is None else (original,))
    (page,) = bag_campaign.by_page(script, [archive.read_bytes()])
    outcomes = [page]
    for path in (archive, folder):
        outcomes += [bag_campaign.by_package(path), bag_campaign.by_standalone(path)]
    assert outcomes == [expected] * 5


def test_bags_bent_at_random_are_judged_alike_and_none_that_is_false_passes(
    tmp_path: Path,
) -> None:
    tally = bag_campaign.run_campaign(20261128, 0, 400, tmp_path)
    assert tally.troubles == []
    assert tally.codes[0] > 10
    assert tally.codes[2] > 100
    assert tally.codes[10] > 50


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_a_hundred_thousand_bent_bags(tmp_path: Path) -> None:
    tally = bag_campaign.run_campaign(7, 0, 100_000, tmp_path)
    assert tally.troubles == []
