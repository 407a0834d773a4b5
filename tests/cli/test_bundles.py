"""`anchor prove --all --bundle`, and `anchor verify` of what it writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.command import Ran, run_anchor
from support.disasters import anchor_final
from support.nodes import stop_the_clock
from support.paths import VECTORS
from support.projects import Site, make_site

from anchor.chain.devnet import Devnet
from anchor.project.files import BUNDLE_SUFFIX
from anchor.receipt.bundle import load_bundle
from anchor.receipt.format import Receipt

NAMES = [f"scan-{number}.txt" for number in range(5)]
KEPT = VECTORS / "receipts" / "anchor-receipts-1.jsonl"
BUNDLE = f"receipts{BUNDLE_SUFFIX}"


@pytest.fixture(scope="module")
def site(module_anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A log of six leaves under two final anchors, and a seventh leaf that waits for one."""
    site = make_site(tmp_path_factory.mktemp("bundles") / "project", module_anvil, number=0)
    stop_the_clock(site.url)
    for name in NAMES[:3]:
        site.add(name, name.encode())
    anchor_final(site, "between")
    for name in NAMES[3:]:
        site.add(name, name.encode())
    anchor_final(site)
    site.add("later.txt", b"later")
    site.run("seal").expect(0)
    site.add("waiting.txt", b"waiting")
    return site


@pytest.fixture
def away(site: Site, tmp_path: Path) -> Path:
    """A folder with the files, the bundle and the policy, and no project."""
    site.run("prove", "--all", "--bundle").expect(0, "wrote 7 receipts", "1 pieces of evidence")
    for name in (*NAMES, "between", "later.txt", "trust.toml", BUNDLE):
        shutil.copy(site.folder / name, tmp_path / name)
    return tmp_path


def verify(site: Site, folder: Path, *arguments: str) -> Ran:
    policy = ("--trust", "trust.toml", "--rpc", site.url)
    return run_anchor("verify", *arguments, *policy, cwd=folder)


def test_a_bundle_holds_what_prove_writes_one_by_one(site: Site, tmp_path: Path) -> None:
    ran = site.run("prove", "--all", "--bundle", "-o", tmp_path / "all", "--json").expect(0)
    assert ran.document == {
        "format": "anchor-prove-bundle/1", "bundle": str(tmp_path / "all"), "receipts": 7,
        "skipped": 1, "promises": 1, "state_proofs": 6,
    }  # fmt: skip
    site.run("prove", "--all", "--output", tmp_path / "single").expect(0)
    bundled = sorted(receipt.encode() for receipt in load_bundle(tmp_path / "all"))
    single = [Receipt.load(path).encode() for path in (tmp_path / "single").glob("**/*.json")]
    assert bundled == sorted(single)


def test_files_are_verified_by_their_receipts_in_a_bundle(site: Site, away: Path) -> None:
    ran = verify(site, away, "--receipt", BUNDLE, *NAMES, "--json").expect(0)
    assert [file["file"] for file in ran.document["files"]] == NAMES
    assert {file["exit_code"] for file in ran.document["files"]} == {0}


def test_an_altered_and_a_renamed_file_get_their_receipts(site: Site, away: Path) -> None:
    (away / NAMES[1]).write_bytes(b"altered")
    (away / NAMES[2]).rename(away / "renamed.txt")
    (away / "stranger.txt").write_bytes(b"a stranger")
    ran = verify(site, away, "--receipt", BUNDLE, NAMES[1], "renamed.txt", "stranger.txt", "--json")
    codes = [file["exit_code"] for file in ran.expect(10).document["files"]]
    assert codes == [10, 0, 2]
    assert "no receipt for stranger.txt" in ran.document["files"][2]["problem"]["message"]


def test_a_digest_and_standard_input_are_looked_up_in_a_bundle(site: Site, away: Path) -> None:
    receipt = list(load_bundle(away / BUNDLE))[4]
    digest = json.loads(receipt.record)["digests"]["sha256"]
    verify(site, away, "--receipt", BUNDLE, "--digest", f"sha256:{digest}").expect(0)
    ran = verify(site, away, "--receipt", BUNDLE, "--digest", f"sha256:{'0' * 64}")
    ran.expect(2, "no receipt for sha256:")


def test_a_bundle_stands_for_the_files_beside_it(site: Site, away: Path) -> None:
    ran = verify(site, away, BUNDLE).expect(
        21, "7 in all: 6 verified with reservation, 1 cannot tell"
    )
    assert all(name in ran.out for name in (*NAMES, "between", "later.txt"))
    (away / NAMES[0]).unlink()
    (away / NAMES[1]).rename(away / "elsewhere")
    ran = verify(site, away, BUNDLE).expect(2, "4 verified with reservation, 3 cannot tell")
    assert ran.err.count("--receipt ") == 1  # the same hint for both files
    (away / "elsewhere").rename(away / NAMES[1])
    (away / NAMES[4]).write_bytes(b"altered")
    ran = verify(site, away, BUNDLE).expect(
        10, "4 verified with reservation, 1 not verified, 2 cannot tell"
    )
    assert f"{NAMES[0]} is missing" in ran.err
    documents = verify(site, away, BUNDLE, "--json").expect(10).document["files"]
    assert [file["exit_code"] for file in documents] == [2, 0, 0, 0, 0, 10, 21]


def test_a_bundle_beside_its_file_is_read_like_one_that_is_named(site: Site, away: Path) -> None:
    """What its bytes say decides, and not its name."""
    beside = away / f"{NAMES[0]}.anchor.json"
    whole = (away / BUNDLE).read_bytes()
    header = whole.splitlines(keepends=True)[0]
    options = ("--receipt", beside.name, NAMES[0]), (NAMES[0],), (beside.name,)
    for data, code in {
        whole: 0,
        header: 2,
        header.replace(b"receipts/1", b"receipts/2"): 22,
        header.replace(b"receipts/1", b"receipts/2")[:-1]: 2,
        whole[:-9]: 2,
    }.items():
        beside.write_bytes(data)
        for named in options:
            assert verify(site, away, *named).code == code, (data[:80], named)
    beside.write_bytes(whole)
    (away / NAMES[1]).rename(away / "other")
    (away / "other").write_bytes(b"in no receipt")
    beside.rename(away / "other.anchor.json")
    verify(site, away, "other").expect(2, "other")


def test_a_bundle_that_was_cut_off_verifies_nothing_that_is_asked_of_it(
    site: Site, away: Path
) -> None:
    lines = (away / BUNDLE).read_bytes().splitlines(keepends=True)
    (away / BUNDLE).write_bytes(b"".join(lines[:-1]))
    ran = verify(site, away, "--receipt", BUNDLE, *NAMES)
    ran.expect(2, "line 10 of the bundle", "after 6 of 7 receipts")
    assert "verified" not in ran.out
    verify(site, away, BUNDLE).expect(2, "after 6 of 7 receipts")


def test_a_bundle_is_written_only_over_a_bundle_of_the_log(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "all"
    site.run("prove", "--all", "--bundle", "-o", path).expect(0)
    before = path.read_bytes()
    site.run("prove", "--all", "--bundle", "-o", path).expect(0)
    assert path.read_bytes() == before
    for other in (b"", b"evidence", before.replace(b'"log":"0x0', b'"log":"0x1', 1)):
        path.write_bytes(other)
        site.run("prove", "--all", "--bundle", "-o", path).expect(2, "already exists")
        assert path.read_bytes() == other


def test_state_proofs_are_not_given_up(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "all"
    site.run("prove", "--all", "--bundle", "-o", path).expect(0)
    before = path.read_bytes()
    config = site.folder / "anchor.toml"
    text = config.read_text("utf-8")
    try:
        config.write_text(text.replace(site.url, "http://127.0.0.1:9"), "utf-8")
        site.run("trust", "allow").expect(0)
        site.run("prove", "--all", "--bundle", "-o", path).expect(2, "holds state proofs")
        site.run("prove", "--all", "--bundle", "-o", tmp_path / "other").expect(0)
    finally:
        config.write_text(text, "utf-8")
        site.run("trust", "allow").expect(0)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith("tmp")] == []


def test_a_bundle_is_not_taken_for_evidence_of_its_own_log(site: Site) -> None:
    site.run("prove", "--all", "--bundle", "-o", site.folder / "own" / BUNDLE).expect(0)
    foreign = site.folder / "own" / f"foreign{BUNDLE_SUFFIX}"
    foreign.write_bytes(KEPT.read_bytes())
    ran = site.run("add", "own", "--json").expect(0)
    assert "holds receipts of this log" in ran.out + ran.err
    assert ran.document["new"] == 1


def test_bundles_are_of_all_evidence(site: Site) -> None:
    site.run("prove", NAMES[0], "--bundle").expect(2, "--bundle needs --all")
