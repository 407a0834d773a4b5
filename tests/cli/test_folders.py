"""Folders as arguments: receipts of the files in them, and one sentence where a file is needed."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.command import run_anchor
from support.fixtures import MakeSite
from support.projects import Site

from anchor.chain.devnet import Devnet
from anchor.receipt.format import Receipt


def test_prove_of_a_folder_writes_the_receipts_of_its_files(
    new_site: MakeSite, embedded: Devnet
) -> None:
    site = new_site(embedded)
    for name in ("case/a.txt", "case/deep/b.txt"):
        site.add(name, name.encode())
    site.anchor()
    names = {"case/a.txt.anchor.json", "case/deep/b.txt.anchor.json"}
    document = site.run("prove", "case", "--json").expect(0).document
    assert {each["receipt"] for each in document["written"]} == names
    assert document["problems"] == []
    assert len(Receipt.load(site.folder / "case" / "a.txt.anchor.json").anchors) == 1
    # Its own receipts are not taken for evidence; a file that nobody recorded is named.
    site.write("case/c.txt", b"never recorded")
    ran = site.run("prove", "case", "--json").expect(2)
    assert {each["receipt"] for each in ran.document["written"]} == names
    assert [each["path"] for each in ran.document["problems"]] == ["case/c.txt"]
    assert "no receipt case/c.txt, with this content, is not in this project's log" in " ".join(
        ran.err.split()
    )
    site.run("prove", "case", "-o", "out").expect(2, "out/a.txt", "no receipt case/c.txt")


def test_a_folder_without_files_is_refused(new_site: MakeSite, embedded: Devnet) -> None:
    site = new_site(embedded)
    (site.folder / "empty").mkdir()
    site.run("prove", "empty").refused(2, "empty holds no file", "--all")


def test_verify_of_a_folder_verifies_every_file_in_it(
    new_site: MakeSite, embedded: Devnet, tmp_path: Path
) -> None:
    site = new_site(embedded)
    for name in ("case/a.txt", "case/deep/b.txt"):
        site.add(name, name.encode())
    site.anchor()
    site.run("verify", "case", "-q").expect(0, "case/a.txt", "case/deep/b.txt")
    site.run("prove", "case").expect(0)
    given = shutil.copytree(site.folder / "case", tmp_path / "case")
    words = ("verify", given, "--trust", site.folder / "trust.toml", "--rpc", site.url)

    def verify(code: int, *parts: str) -> dict[str, int]:
        run_anchor(*words, cwd=tmp_path).expect(code, *parts)
        document = run_anchor(*words, "--json", cwd=tmp_path).expect(code).document
        return {
            Path(each["file"]).relative_to(given).as_posix(): each["exit_code"]
            for each in document["files"]
        }

    assert verify(0) == {"a.txt": 0, "deep/b.txt": 0}
    # What nobody recorded is named, be it a file, a link or the rest of a receipt.
    (given / "deep" / "extra.txt").write_bytes(b"slipped in")
    assert verify(2, "extra.txt") == {"a.txt": 0, "deep/b.txt": 0, "deep/extra.txt": 2}
    (given / "deep" / "extra.txt").unlink()
    (given / "link.txt").symlink_to(given / "a.txt")
    assert verify(20, "it is a symbolic link") == {"a.txt": 0, "deep/b.txt": 0, "link.txt": 20}
    (given / "link.txt").unlink()
    (given / "deep" / "b.txt").write_bytes(b"altered")
    assert verify(10) == {"a.txt": 0, "deep/b.txt": 10}
    (given / "deep" / "b.txt").unlink()
    assert verify(2) == {"a.txt": 0, "deep/b.txt.anchor.json": 2}


def test_an_empty_folder_is_not_verified(tmp_path: Path) -> None:
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    run_anchor("verify", "empty", cwd=tmp_path).refused(2, "empty holds no file", "their receipts")


def test_a_command_that_takes_one_receipt_says_so_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    for place in (".", "..", "case", "/"):
        for words in (("export", place, "--format", "case"), ("explain", place)):
            ran = run_anchor(*words, cwd=tmp_path / "case" if place == ".." else tmp_path)
            ran.refused(2, f"{place} is a folder", "the file beside it")


def test_a_second_project_for_a_log_with_anchors_is_told_so(
    new_site: MakeSite, embedded: Devnet, tmp_path: Path
) -> None:
    site: Site = new_site(embedded)
    site.add("a.txt", b"a")
    number = site.number
    words = ("init", "--devnet", "--rpc", embedded.url, "--number", str(number))
    before = run_anchor(*words, tmp_path / "before", cwd=tmp_path).expect(0)
    assert "holds anchors" not in before.err
    site.anchor()
    after = run_anchor(*words, tmp_path / "after", cwd=tmp_path).expect(0)
    said = " ".join(after.err.split())
    assert f"warning: log {number} of 0x" in said
    assert "holds anchors on chain 31337 (development chain) already" in said
    assert "--number" in said and "anchor restore" in said
