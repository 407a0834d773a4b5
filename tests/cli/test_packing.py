"""`anchor pack` and `anchor verify BAG`: one folder with everything, and nothing taken on trust."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import bagit
import pytest
from support.bags import by_package, by_standalone
from support.packing import Desk, make_desk
from support.world import OWNER

CASE = """
format = "anchor-certificate-details/1"
case_reference = "（2026）测 0001 号"
[case]
court = "测试法院 Court"
submitted_by = "甲方 <Party & Co>"
submitted_at = "2026-11-28"
[[exhibits]]
digest = "sha256:{digest}"
exhibit_no = "证据 1"
purpose_of_proof = "<b>purpose</b>"
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path / "desk")


def read_all(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def unzip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def test_a_bag_has_everything_and_verifies_as_a_folder_and_as_a_zip_file(desk: Desk) -> None:
    for target in ("bag", "bag.zip"):
        ran = desk.pack(target, "--json").expect(0)
        assert (ran.document["originals"], ran.document["refused"]) == (3, [])
        checked = desk.run("verify", target, *desk.trust).expect(
            0, "3 in all: 3 verified with reservation"
        )
        assert ran.document["identifier"] in checked.out
        assert "which no verifier uses" not in checked.out
        assert "is not used" in checked.out
        for validator in (by_package, by_standalone):
            assert validator(desk.folder / target) == 0
    files = read_all(desk.folder / "bag")
    assert files == unzip(desk.folder / "bag.zip")
    folders = {name.partition("/")[0] for name in files if "/" in name}
    assert folders == {"data", "receipts", "policy", "exhibits", "verify"}
    for name in desk.names:
        assert files[f"data/originals/{name}"] == (desk.folder / name).read_bytes()
        receipt = (desk.folder / f"{name}.anchor.json").read_bytes()
        assert files[f"receipts/{name}.anchor.json"] == receipt


def test_packing_twice_gives_the_same_bytes(desk: Desk, tmp_path: Path) -> None:
    desk.pack("one.zip").expect(0)
    desk.pack("one").expect(0)
    other = make_desk(tmp_path / "elsewhere")
    for name in other.names:
        os.utime(other.folder / name, (0, 0))
    names = tuple(reversed(other.names))
    other = Desk(folder=other.folder, names=names, block_hash=other.block_hash)
    env = {"LANG": "zh_CN.UTF-8", "TZ": "Asia/Shanghai", "SOURCE_DATE_EPOCH": "1"}
    other.pack("two.zip", **env).expect(0)
    other.pack("two", **env).expect(0)
    one, two = (desk.folder / "one.zip").read_bytes(), (other.folder / "two.zip").read_bytes()
    assert one == two
    assert read_all(desk.folder / "one") == read_all(other.folder / "two")


def test_the_policy_in_the_bag_is_not_used_and_holds_no_node(desk: Desk) -> None:
    desk.pack("bag").expect(0)
    for data in read_all(desk.folder / "bag").values():
        assert b"SECRET-KEY" not in data
    without = desk.run("verify", "bag", "--offline", "--block-hash", desk.block_hash, "--json")
    without.expect(20)
    (bag,) = without.document["bags"]
    policy = (desk.folder / "bag/policy/trust.toml").read_bytes()
    assert bag["policy"] == hashlib.sha256(policy).hexdigest()
    assert without.document["policies"] == []
    named = ("--trust", "bag/policy/trust.toml", "--offline", "--block-hash", desk.block_hash)
    desk.run("verify", "bag", *named, "--steps").expect(0, "whoever sent")


@pytest.mark.parametrize("kind", ["bag", "bag.zip"])
def test_a_bag_that_was_changed_is_refused_in_one_sentence(desk: Desk, kind: str) -> None:
    desk.pack("bag").expect(0)
    original = desk.folder / "bag/data/originals" / desk.names[0]
    original.write_bytes(original.read_bytes() + b"!")
    if kind == "bag.zip":
        shutil.make_archive(str(desk.folder / "bag"), "zip", desk.folder, "bag")
    ran = desk.run("verify", kind, *desk.trust).refused(10, desk.names[0])
    assert "1 in all: 1 not verified" in ran.out
    ran = desk.run("verify", kind, *desk.trust, "--json").expect(10)
    assert ran.document["bags"] == []
    assert ran.document["files"][0]["exit_code"] == 10


def test_a_zip_file_with_a_receipt_beside_it_is_evidence(desk: Desk) -> None:
    desk.pack("bag.zip").expect(0)
    shutil.copy(desk.folder / f"{desk.names[0]}.anchor.json", desk.folder / "bag.zip.anchor.json")
    desk.run("verify", "bag.zip", *desk.trust).expect(10, "sha256")


def test_a_damaged_zip_file_is_refused_as_one(desk: Desk) -> None:
    desk.pack("bag.zip").expect(0)
    data = (desk.folder / "bag.zip").read_bytes()
    desk.write("bag.zip", data[: len(data) // 2])
    desk.run("verify", "bag.zip", *desk.trust).refused(2, "ZIP file")


def test_a_file_that_does_not_verify_leaves_no_bag(desk: Desk) -> None:
    desk.write(desk.names[1], b"other")
    ran = desk.pack("bag").refused(10, desk.names[1])
    assert not list(desk.folder.glob("*bag*"))
    ran = desk.pack("bag", "--json").expect(10)
    assert ran.document["bag"] is None
    assert [each["exit_code"] for each in ran.document["refused"]] == [10]
    without = desk.run("pack", desk.names[0], "-o", "bag.zip", "--offline")
    without.refused(20)
    assert not list(desk.folder.glob("*bag*"))
    assert not list(desk.folder.glob(".anchor-*"))


def test_nothing_is_written_over_and_no_input_is_taken_in_halves(desk: Desk) -> None:
    digest = "0" * 64
    desk.write("bag/kept", b"")
    desk.write("bag.zip", b"kept")
    desk.write("half.toml", b'format = "anchor-certificate-details/1"\n[case]\ncourt = ""\n')
    desk.write("other.toml", CASE.replace("{digest}", digest).encode())
    desk.pack("bag").refused(2, "exists already")
    desk.pack("bag.zip").refused(2, "exists already")
    desk.pack("missing/bag").refused(2, "does not exist")
    desk.pack("new", "--case", "half.toml").refused(2, "case.court")
    desk.pack("new", "--case", "other.toml").refused(2, digest)
    desk.pack("new", "--case", "none.toml").refused(2, "none.toml")
    desk.pack("new", "--custody", "none.txt").refused(2, "none.txt")
    desk.run("pack", "-", "-o", "new", *desk.trust).refused(2, "standard input")
    twice = ("pack", desk.names[0], f"{desk.names[0]}.anchor.json", "-o", "new", *desk.trust)
    desk.run(*twice).refused(2, "twice")
    make_desk(desk.folder / "other").pack("bag.zip").expect(0)
    desk.run("pack", "other/bag.zip", "-o", "new", *desk.trust).refused(2, "is a bag already")
    assert not (desk.folder / "new").exists()
    assert (desk.folder / "bag.zip").read_bytes() == b"kept"


def test_what_the_party_states_is_shown_as_theirs_and_the_rest_as_not_provided(desk: Desk) -> None:
    digest = hashlib.sha256((desk.folder / desk.names[2]).read_bytes()).hexdigest()
    desk.write("case.toml", CASE.replace("{digest}", digest).encode())
    desk.pack("bag", "--case", "case.toml").expect(0)
    document = json.loads((desk.folder / "bag/exhibits/exhibits.json").read_bytes())
    assert document["stated"]["court"] == "测试法院 Court"
    first, second, _ = document["exhibits"]
    assert first["stated"]["exhibit_no"] == "证据 1"
    assert first["verified_when_packed"]["sha256"] == digest
    assert second["stated"]["exhibit_no"] is None
    page = (desk.folder / "bag/exhibits/exhibits.html").read_text("utf-8")
    assert "&lt;b&gt;purpose&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "未提供 / not provided" in page
    readme = (desk.folder / "bag/README.zh.md").read_text("utf-8")
    assert "甲方 <Party & Co>" in readme
    ran = desk.run("verify", "bag", *desk.trust, "--json").expect(0)
    assert ran.document["bags"][0]["party"] == "甲方 <Party & Co>"


def test_originals_of_the_same_name_get_numbered_folders(desk: Desk) -> None:
    shutil.copytree(desk.folder, desk.folder / "again")
    for name in desk.names:
        path = desk.folder / f"{name}.anchor.json"
        document = json.loads(path.read_bytes())
        document["anchors"][0]["hints"] = {
                "tx_hash": "0x" + "1" * 64, "block_hash": "0x" + "2" * 64
            }  # fmt: skip
        path.write_text(json.dumps(document), "utf-8")
    names = (*desk.names, *(f"again/{name}" for name in desk.names))
    desk.run("pack", *names, "-o", "bag", *desk.trust).expect(0)
    originals = {name for name in read_all(desk.folder / "bag") if name.startswith("data/")}
    assert originals == {
        f"data/originals/{prefix}{name}" for prefix in ("", "2/") for name in desk.names
    }
    desk.run("verify", "bag", *desk.trust).expect(0, "6 in all: 6 verified with reservation")


def test_a_bundle_is_packed_with_the_files_beside_it(desk: Desk) -> None:
    receipts = [json.loads((desk.folder / f"{n}.anchor.json").read_bytes()) for n in desk.names]
    anchor = {key: value for key, value in receipts[0]["anchors"][0].items() if key != "path"}
    lines = [
        {"format": "anchor-receipts/1", "log": receipts[0]["log"], "count": 1},
        {"anchor": anchor},
        {"record": receipts[0]["record"], "index": receipts[0]["index"],
         "path": receipts[0]["anchors"][0]["path"]},
    ]  # fmt: skip
    desk.write("all.anchor.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
    (desk.folder / f"{desk.names[0]}.anchor.json").unlink()
    desk.run("pack", "all.anchor.jsonl", "-o", "bag", *desk.trust).expect(0)
    desk.run("verify", "bag", *desk.trust).expect(0, "1 in all: 1 verified with reservation")


@pytest.mark.parametrize("name", ["README.en.md", "README.zh.md"])
def test_the_commands_in_the_bag_work_alone(desk: Desk, name: str) -> None:
    desk.write("statement.txt", b"stated")
    desk.write("statement.txt.sig", b"signature")
    desk.pack("bag", "--statement", "statement.txt", "--statement", "statement.txt.sig").expect(0)
    bag = desk.folder / "bag"
    text = (bag / name).read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)\n```", text, re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    before = read_all(bag)
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    for command in commands:
        if command.startswith(("sha256sum", "python3 ")):
            ran = command.replace("python3", sys.executable, 1)
            done = subprocess.run(
                ["sh", "-ec", ran], cwd=bag, env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done
            is_chinese = name == "README.zh.md" and "verify.py" in command
            assert ("核验通过" in done.stdout) == is_chinese
    assert "statements/statement.txt.sig < statements/statement.txt" in text
    assert sum(command.startswith("python3") for command in commands) == 1
    assert any(command.startswith("anchor verify") for command in commands)
    assert read_all(bag) == before
    assert OWNER.hex() in text


@pytest.mark.parametrize(
    ("name", "see"),
    [
        (
            "README.en.md",
            ("Nodes, one URL", "“verified”: unch", "“verified on a development chain"),
        ),
        ("README.zh.md", ("节点，每行一个", "“核验通过”：自记录", "“在开发链上核验通过")),
    ],
)
def test_the_instructions_begin_with_the_page_and_its_hash(
    desk: Desk, name: str, see: tuple[str, ...]
) -> None:
    desk.pack("bag").expect(0)
    bag = desk.folder / "bag"
    text = (bag / name).read_text("utf-8")
    without_commands = text.split("```sh")[0]
    digest = hashlib.sha256((bag / "verify/verifier.html").read_bytes()).hexdigest()
    places = [without_commands.index(part) for part in ("`verify/verifier.html`", *see, digest)]
    assert places == sorted(places)
    assert r"`certutil -hashfile verify\verifier.html SHA256`" in without_commands


# bagit's own, from Python 3.13 on.
@pytest.mark.filterwarnings("ignore:'count' is passed as positional argument:DeprecationWarning")
def test_bagit_accepts_what_is_packed(desk: Desk) -> None:
    desk.pack("bag").expect(0)
    assert bagit.Bag(str(desk.folder / "bag")).validate()


def test_the_standalone_verifier_takes_both_forms(desk: Desk) -> None:
    desk.pack("bag").expect(0)
    desk.pack("bag.zip").expect(0)
    log = json.loads((desk.folder / f"{desk.names[0]}.anchor.json").read_bytes())["log"]
    pins = ("--chain-id", "31337", "--log", log, "--block-hash", desk.block_hash)
    for target in ("bag", "bag.zip"):
        command = [sys.executable, "bag/verify/verify.py", target, *pins]
        done = subprocess.run(command, cwd=desk.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
        assert done.stdout.count("VERIFIED") == 3
        done = subprocess.run(command[:-2], cwd=desk.folder, capture_output=True, check=False)
        assert done.returncode == 20
    (desk.folder / "bag/data/originals/more").write_bytes(b"x")
    command = [sys.executable, "bag/verify/verify.py", "bag", *pins]
    done = subprocess.run(command, cwd=desk.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 10
    assert "NOT VERIFIED" in done.stdout
