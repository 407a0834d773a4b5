"""`anchor verify --offline`: file, receipt and a block's hash; no socket, no node, no store."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.command import environment, run_anchor
from support.projects import make_site

from anchor.chain.devnet import Devnet
from anchor.ethereum.header import parse_header
from anchor.receipt.format import parse_receipt
from anchor.verification.report_json import VerificationDocument

OFFLINE = """
import socket
import sys


def refuse(*_, **__):
    raise AssertionError("a socket was asked for")


socket.socket.connect = socket.socket.connect_ex = socket.create_connection = refuse
socket.getaddrinfo = socket.gethostbyname = refuse
UNWANTED = {"web3", "requests", "sqlalchemy", "eth_abi", "eth_account", "rlp", "psycopg"}
before = set(sys.modules)
from anchor.cli import main

sys.argv = ["anchor", *sys.argv[1:]]
try:
    main()
finally:
    loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
    assert not loaded & UNWANTED, loaded & UNWANTED
    assert "anchor.store" not in sys.modules
"""

Verify = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def stamped(module_anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a file, its final receipt and the log's trust policy, and no project."""
    site = make_site(tmp_path_factory.mktemp("offline") / "project", module_anvil, number=0)
    site.write("deed.txt", b"one field, two cows")
    site.run("stamp", "deed.txt").expect(0)
    away = tmp_path_factory.mktemp("away")
    for name in ("deed.txt", "deed.txt.anchor.json", "trust.toml"):
        shutil.copy(site.folder / name, away / name)
    shutil.copy(site.folder / "anchor.toml", away / "of-the-project.toml")
    return away


# Whoever has no policy names the chain, and takes the receipt's word for the log.
UNPINNED = ("--chain-id", "31337", "--accept-unpinned")


@pytest.fixture
def verify(stamped: Path, tmp_path: Path) -> Verify:
    for path in stamped.iterdir():
        shutil.copy(path, tmp_path / path.name)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", OFFLINE, "verify", "deed.txt", "--offline", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )

    return run


def hash_in(folder: Path) -> str:
    state = parse_receipt((folder / "deed.txt.anchor.json").read_bytes()).anchors[0].state
    assert state is not None
    return "0x" + parse_header(state.header).hash.hex()


def test_a_block_hash_is_all_that_is_needed(verify: Verify, tmp_path: Path) -> None:
    ran = verify("--trust", "trust.toml", "--block-hash", hash_in(tmp_path))
    assert (ran.returncode, ran.stderr) == (0, ""), ran
    assert "for which only you vouch: assurance asserted" in ran.stdout
    assert ran.stdout.startswith(
        "VERIFIED on a development chain (proves nothing about real time), by a block that only "
        "you vouch for  "
    )
    unpinned = verify("--block-hash", hash_in(tmp_path), *UNPINNED, "--json")
    assert unpinned.returncode == 0, unpinned
    (file,) = json.loads(unpinned.stdout)["files"]
    (anchor,) = file["anchors"]
    assert (anchor["assurance"], anchor["finality"]) == ("asserted", "asserted")
    assert anchor["chain"]["kind"] == "development"
    assert file["unpinned"]
    assert verify("--block-hash", hash_in(tmp_path), *UNPINNED[:2]).returncode == 20
    assert verify("--block-hash", hash_in(tmp_path), UNPINNED[2]).returncode == 20


def test_the_report_is_there_in_chinese(verify: Verify, tmp_path: Path) -> None:
    ran = verify("--block-hash", hash_in(tmp_path), *UNPINNED, "--lang", "zh", "--steps")
    assert ran.returncode == 0, ran
    for words in (
        "通过",
        "C3 通过",
        "锚定存在于指定的链上且已最终确定",
        "仅由您指明",
        "不证明的事项：",
        "核验通过",
    ):
        assert words in ran.stdout, words
    (tmp_path / "deed.txt").write_bytes(b"altered")
    altered = verify(*UNPINNED, "--lang", "zh")
    assert altered.returncode == 10
    shown = ("未通过核验", "未通过", "无法判断", "未提供")
    assert [words for words in shown if words not in altered.stdout] == []
    assert verify("--lang", "fr").returncode == 2


def test_the_json_is_as_its_schema_says(verify: Verify, tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_bytes(b"no receipt")
    for arguments in (("--block-hash", hash_in(tmp_path)), (), ("none.txt",)):
        document = verify("--json", *arguments).stdout
        VerificationDocument.model_validate_json(document, strict=True)


def test_the_policy_can_hold_the_block_hash(verify: Verify, tmp_path: Path) -> None:
    policy = tmp_path / "trust.toml"
    policy.write_text(f'{policy.read_text()}block_hashes = ["{hash_in(tmp_path)}"]\n')
    assert verify("--trust", "trust.toml").returncode == 0


def test_without_the_right_block_hash_nothing_is_told(verify: Verify) -> None:
    other = ("--block-hash", "0x" + "ab" * 32)
    for options, said, hint in (
        ((), "nobody vouches for block", "--block-hash"),
        (
            other,
            f"no block hash that you or your policy named ({other[1]}) is",
            "check the number and the chain",
        ),
    ):
        ran = verify("--trust", "trust.toml", *options)
        assert ran.returncode == 20, ran
        assert said in ran.stdout
        assert hint in ran.stdout


def test_a_projects_store_is_not_opened(stamped: Path, tmp_path: Path) -> None:
    """It may be in PostgreSQL, on another machine."""
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(stamped / "of-the-project.toml", project / "anchor.toml")
    (project / "trust.toml").write_bytes((stamped / "trust.toml").read_bytes())
    (project / "deed.txt").write_bytes(b"one field, two cows")
    ran = run_anchor("verify", "deed.txt", "--offline", cwd=project)
    assert ran.code == 2
    assert "there is no receipt for" in ran.err


def test_an_altered_file_is_refused(verify: Verify, tmp_path: Path) -> None:
    (tmp_path / "deed.txt").write_bytes(b"one field, three cows")
    assert verify("--block-hash", hash_in(tmp_path)).returncode == 10


def test_what_asks_a_node_and_what_is_no_hash_is_bad_usage(verify: Verify) -> None:
    assert verify("--rpc", "http://127.0.0.1:1").returncode == 2
    assert verify("--quorum", "2").returncode == 2
    for text in ("ab" * 32, "0x" + "AB" * 32, "0x1", "latest"):
        ran = verify("--block-hash", text)
        assert ran.returncode == 2, ran
        assert "Traceback" not in ran.stderr


def test_a_receipt_without_a_state_proof_is_not_enough(verify: Verify, tmp_path: Path) -> None:
    receipt = tmp_path / "deed.txt.anchor.json"
    named = hash_in(tmp_path)
    document = json.loads(receipt.read_text())
    del document["anchors"][0]["state"]
    receipt.write_text(json.dumps(document))
    ran = verify("--block-hash", named, *UNPINNED)
    assert ran.returncode == 20
    assert "holds no state proof" in ran.stdout


def test_a_project_that_came_with_the_evidence_names_no_node_to_a_policy_of_ones_own(
    stamped: Path, tmp_path: Path
) -> None:
    received = tmp_path / "received"
    received.mkdir()
    shutil.copy(stamped / "deed.txt", received)
    receipt = json.loads((stamped / "deed.txt.anchor.json").read_bytes())
    del receipt["anchors"][0]["state"]
    (received / "deed.txt.anchor.json").write_text(json.dumps(receipt))
    shutil.copy(stamped / "of-the-project.toml", received / "anchor.toml")
    shutil.copy(stamped / "trust.toml", received)
    policy = tmp_path / "mine.toml"
    lines = (stamped / "trust.toml").read_text().splitlines()
    policy.write_text("\n".join("rpc = []" if line.startswith("rpc") else line for line in lines))
    ran = run_anchor("verify", "deed.txt", "--trust", policy, cwd=received)
    ran.expect(20, "no node of chain 31337 is known")
    named = ("--trust", policy, "--config", "anchor.toml")
    run_anchor("verify", "deed.txt", *named, cwd=received).expect(0, "Asked: http://127.0.0.1")
    # By itself it is named, and not used: whoever made the folder wrote it.
    left = run_anchor("verify", "deed.txt", cwd=received)
    assert left.code == 20, left
    assert str(received) in left.out + left.err
    assert "Asked:" not in left.out


def test_what_passed_is_printed_only_where_it_is_asked_for(verify: Verify, tmp_path: Path) -> None:
    given = ("--block-hash", hash_in(tmp_path), *UNPINNED)
    brief, all_steps = verify(*given).stdout, verify(*given, "--steps").stdout
    steps, claims = r"^ +(\d+)\. pass ", r"^  (C\d) "
    assert re.findall(steps, brief, re.M) == ["5"]
    assert re.findall(claims, brief, re.M) == ["C4", "C5"]
    assert re.findall(steps, all_steps, re.M) == [str(number) for number in range(1, 10)]
    # The chain's clock proves nothing, as claim C4 says, too.
    assert " 10. cannot tell " in all_steps
    assert "  C4 cannot tell the record existed no later than a known time" in all_steps
    assert re.findall(claims, all_steps, re.M) == [f"C{number}" for number in range(1, 10)]
    assert "--steps" in brief and "--steps" not in all_steps
    assert "exit code" not in brief + all_steps
    assert set(brief.splitlines()) - set(all_steps.splitlines()) == {
        "  To see each step and each of the claims C1 to C9, add --steps"
    }
    assert verify(*given, "--steps", "-q").returncode == 2
    (tmp_path / "deed.txt").write_bytes(b"altered")
    altered = verify(*given).stdout
    receipt = tmp_path / "deed.txt.anchor.json"
    whole = receipt.read_bytes()
    receipt.write_bytes(whole.ljust((1 << 20) + 5))
    said = verify(*given).stdout
    assert said.count("the receipt has more than the 1,048,576 bytes that are allowed") == 1
    assert "Not proven" not in said
    receipt.write_bytes(whole)
    assert altered.startswith("NOT VERIFIED: something does not match  deed.txt\n   2. fail ")


def test_a_policy_that_may_have_come_with_the_evidence_is_noted(
    verify: Verify, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    given = ("--block-hash", hash_in(tmp_path), "--json", "--trust")
    own = shutil.copy(tmp_path / "trust.toml", tmp_path_factory.mktemp("own") / "trust.toml")
    (tmp_path / "sent").mkdir()
    shutil.copy(own, tmp_path / "sent" / "policy.toml")
    for policy, is_noted in ((own, False), ("trust.toml", True), ("sent/policy.toml", True)):
        ran = verify(*given, str(policy))
        (shown,) = json.loads(ran.stdout)["files"]
        said = [note for note in shown["notes"] if "is not independent" in note]
        assert (ran.returncode, len(said)) == (0, is_noted), policy
    # The receipt's folder counts, too, and where a link leads does.
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(tmp_path / "deed.txt.anchor.json", elsewhere / "receipt.json")
    shutil.copy(own, elsewhere / "trust.toml")
    (tmp_path_factory.mktemp("link") / "trust.toml").symlink_to(elsewhere / "trust.toml")
    link = str(tmp_path_factory.getbasetemp() / "link0" / "trust.toml")
    receipt = ("--receipt", str(elsewhere / "receipt.json"))
    text = verify("--block-hash", hash_in(tmp_path), "--trust", link, *receipt).stdout
    assert f"Note: the trust policy {elsewhere.resolve() / 'trust.toml'} lies" in text


def test_times_are_in_utc_and_in_chinese_in_beijing_as_well_whatever_the_machines_zone(
    verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    given = ("--block-hash", hash_in(tmp_path), *UNPINNED)
    printed = verify(*given, "--lang", "en").stdout
    stated = r"Time stated by the block, which proves nothing: \S+ \S+ UTC;"
    assert re.search(stated, printed), printed
    assert "+0530" not in printed
    chinese = verify(*given, "--lang", "zh").stdout
    found = re.search(r"不具证明意义）：北京时间 (\S+ \S+)（(\S+ \S+) UTC），", chinese)
    assert found is not None, chinese
    beijing, utc = (datetime.fromisoformat(text) for text in found.groups())
    assert beijing - utc == timedelta(hours=8)
