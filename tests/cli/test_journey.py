"""The whole way, as its users go it: every step is a process of its own, on a node of its own."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.command import Ran, Running, run_anchor, run_together, start_anchor
from support.examples import examples
from support.in_process import run_in_process
from support.nodes import ask, nonce, stop_the_clock
from support.ports import free_port
from support.projects import Site, dev_log

from anchor.chain.devnet import Devnet

MARK = r"verified on a development chain \(proves nothing about real time\)"
UNPINNED = ("--chain-id", "31337", "--accept-unpinned")
FILES = examples(10_000, ordinary=2_000)


@contextmanager
def running_devnet(folder: Path, *options: str, **env: str) -> Iterator[tuple[Running, str]]:
    """Run ``anchor devnet`` on a free port; gives the process and the URL it names."""
    with start_anchor(
        "devnet", "--port", "0", *options, cwd=folder, log=folder / "devnet", env=env
    ) as running:
        named = re.search(r"http://127\.0\.0\.1:\d+", running.printed("Stop it with Ctrl-C."))
        assert named is not None
        yield running, named.group()


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """What was done, in this order, and what each step said."""

    url: str
    project: Path
    files: Path
    init: Ran
    deploy: Ran
    deploy_again: Ran
    nonces: tuple[int, int, int, int]
    add: Ran
    verify_early: Ran
    status_early: Ran
    run: Ran
    run_again: Ran

    def anchor(self, *arguments: str | Path, stdin: bytes = b"") -> Ran:
        return run_anchor(*arguments, cwd=self.project, stdin=stdin)


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, anvil_path: Path) -> Iterator[Journey]:
    folder = tmp_path_factory.mktemp("journey")
    files = folder / "evidence"
    for number in range(FILES):
        path = files / f"{number // 100:02}" / f"{number:05}.txt"
        if number % 100 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(b"evidence %d\n" % number)
    project = folder / "project"
    with running_devnet(folder, ANCHOR_ANVIL=str(anvil_path)) as (_, url):
        init = run_anchor("init", "--devnet", "--rpc", url, project, cwd=folder)
        deploy = run_anchor("deploy", cwd=project)
        first = nonce(url)
        deploy_again = run_anchor("deploy", cwd=project)
        second = nonce(url)
        add = run_anchor("add", files, cwd=project)
        verify_early = run_anchor("verify", files / "00/00000.txt", cwd=project)
        status_early = run_anchor("status", "--json", cwd=project)
        run = run_anchor("run", "--once", cwd=project)
        third = nonce(url)
        run_again = run_anchor("run", "--once", cwd=project)
        yield Journey(
            url=url,
            project=project,
            files=files,
            init=init,
            deploy=deploy,
            deploy_again=deploy_again,
            nonces=(first, second, third, nonce(url)),
            add=add,
            verify_early=verify_early,
            status_early=status_early,
            run=run,
            run_again=run_again,
        )


def test_init_says_what_it_pinned_and_what_comes_next(journey: Journey) -> None:
    genesis = ask(journey.url, "eth_getBlockByNumber", "0x0", False)["hash"]
    journey.init.expect(0, "chain      31337", genesis, "log        number 0", "anchor deploy")
    assert journey.init.err == ""


def test_the_registry_is_deployed_once(journey: Journey) -> None:
    journey.deploy.expect(0, "deployed the registry at", " gas")
    journey.deploy_again.expect(0, "nothing was sent")
    assert journey.nonces[:2] == (1, 1)


def test_thousands_of_files_are_added_in_one_go(journey: Journey) -> None:
    size = sum(len(b"evidence %d\n" % number) for number in range(FILES)) / 1024
    assert journey.add.out == f"added {FILES:,} new, 0 already known ({size:.1f} KiB read)\n"
    assert journey.add.err == ""
    assert journey.add.code == 0


def test_what_is_added_but_not_anchored_is_not_final_yet(journey: Journey) -> None:
    journey.verify_early.refused(21, "accepted but not sealed yet", "anchor run --once")
    assert journey.status_early.document["waiting"] == FILES


def test_one_transaction_anchors_them_all_finally(journey: Journey) -> None:
    journey.run.expect(0, f"sealed {FILES:,} leaves", "anchor 1 in block", "anchored (final)")
    assert journey.nonces[2] == 2


def test_running_again_sends_nothing(journey: Journey) -> None:
    journey.run_again.expect(0, "sealed 0 leaves", "anchor 1 in block", "anchored (final)")
    assert "sending" not in journey.run_again.err
    assert journey.nonces[3] == 2


def test_adding_again_adds_nothing(journey: Journey) -> None:
    again = journey.anchor("add", journey.files / "07")
    again.expect(0, "added 0 new, 100 already known")


def test_files_verify_from_the_store_in_a_new_process(journey: Journey) -> None:
    numbers = (0, 99, FILES - 1)
    files = [journey.files / f"{number // 100:02}" / f"{number:05}.txt" for number in numbers]
    report = journey.anchor("verify", "--steps", *files).expect(0)
    assert report.out.count("VERIFIED on a development chain (") == 3
    for number in range(1, 11):
        # A development chain's time proves nothing.
        word = "cannot tell" if number == 10 else "pass"
        assert re.search(rf"^ +{number}\. {word} ", report.out, re.MULTILINE), number
    for claim in ("C1", "C2", "C3", "C6"):
        assert f"  {claim} pass" in report.out
    assert "  C4 cannot tell" in report.out, "a development chain proves no time"
    assert "Not proven: that the content is true" in report.out
    assert re.search(r"Trust policy: .*trust\.toml", report.out)
    assert report.err == ""


def test_a_receipt_from_the_store_is_judged_without_being_encoded(
    journey: Journey, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []
    monkeypatch.setattr("anchor.verification.steps.parse_receipt", parsed.append)
    run_in_process("verify", journey.files / "00/00001.txt", cwd=journey.project).expect(0)
    assert parsed == []


def test_quiet_prints_one_line_for_each_file(journey: Journey) -> None:
    files = [journey.files / "01/00100.txt", journey.files / "01/00101.txt"]
    policy, *lines = journey.anchor("verify", "--quiet", *files).expect(0).out.splitlines()
    sha256 = hashlib.sha256((journey.project / "trust.toml").read_bytes()).hexdigest()
    whose = f"(SHA-256 {sha256}, from your own project)"
    assert policy == f"Trust policy: {journey.project / 'trust.toml'} {whose}"
    for file, line in zip(files, lines, strict=True):
        assert re.fullmatch(
            rf"{MARK}  {re.escape(str(file))}: time stated by the block, which proves nothing: "
            r".* UTC \(leaf [0-9]+ of .*\)",
            line,
        )


def test_one_changed_byte_is_a_mismatch_even_without_a_receipt_file(journey: Journey) -> None:
    file = journey.files / "02/00200.txt"
    before = file.read_bytes()
    file.write_bytes(before[:-1] + b"\r")
    try:
        report = journey.anchor("verify", file).expect(10)
    finally:
        file.write_bytes(before)
    assert hashlib.sha256(before).hexdigest() in report.out
    assert " 2. fail" in report.out
    assert " 3. pass" not in report.out
    assert "NOT VERIFIED" in report.out
    journey.anchor("verify", "-q", file).expect(0)


def test_the_worst_of_many_files_decides_the_exit_code(journey: Journey) -> None:
    good, bad = journey.files / "03/00300.txt", journey.files / "03/00301.txt"
    before = bad.read_bytes()
    bad.write_bytes(before + b" ")
    try:
        report = journey.anchor("verify", "-q", good, bad, good).expect(10)
    finally:
        bad.write_bytes(before)
    lines = report.out.splitlines()[1:]
    assert [line[:8] for line in lines] == ["verified", "refused ", "verified"]


def test_a_stranger_verifies_with_receipt_policy_and_node_alone(
    journey: Journey, tmp_path: Path
) -> None:
    file = journey.files / "04/00400.txt"
    proof = journey.anchor("prove", file).expect(0, "anchored (final)")
    receipt = file.with_name(file.name + ".anchor.json")
    assert str(receipt) in proof.out
    for path in (file, receipt, journey.project / "trust.toml"):
        shutil.copy(path, tmp_path / path.name.replace("trust", "policy"))
    receipt.unlink()
    given = ("--trust", "policy.toml", "--rpc", journey.url)
    run_anchor("verify", file.name, *given, cwd=tmp_path).expect(0, "policy.toml")
    run_anchor("verify", receipt.name, *given, cwd=tmp_path).expect(0)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    digest = ("--digest", f"sha256:{sha256}", "--receipt", receipt.name)
    run_anchor("verify", *digest, *given, cwd=tmp_path).expect(0)
    content, named = file.read_bytes(), ("--receipt", receipt.name)
    run_anchor("verify", "-", *named, *given, cwd=tmp_path, stdin=content).expect(0)
    run_anchor("verify", "-", *named, *given, cwd=tmp_path, stdin=b"other").expect(10)
    run_anchor("verify", "-", *given, cwd=tmp_path, stdin=content).refused(2, "--receipt")
    run_anchor("verify", "-", "-", *given, cwd=tmp_path).refused(2, "name - once")
    journey.anchor("verify", "-", stdin=content).expect(0)
    (tmp_path / file.name).write_bytes(b"other")
    run_anchor("verify", file.name, *given, cwd=tmp_path).expect(10, " 2. fail")


def test_an_unpinned_verification_says_what_it_took_from_the_receipt(
    journey: Journey, tmp_path: Path
) -> None:
    file = journey.files / "05/00500.txt"
    journey.anchor("prove", file, "--output", tmp_path).expect(0)
    receipt = next(tmp_path.rglob("*.anchor.json"))
    verify = ("verify", file, "--receipt", receipt)
    owner = "the log's owner 0xf39Fd6e51aad88F6F4ce"
    for options, code, *said in (
        (("--rpc", journey.url), 20, "counts only if a trust policy or --chain-id names it"),
        (("--rpc", journey.url, UNPINNED[-1]), 20, "anchor trust pin --owner"),
        (("--rpc", journey.url, *UNPINNED[:2]), 20, "own claim", "--accept-unpinned"),
        (("--rpc", journey.url, *UNPINNED), 0, "its genesis block is not pinned"),
        (UNPINNED, 20, "no node of chain 31337 is known", "--rpc"),
    ):
        report = run_anchor(*verify, *options, cwd=tmp_path)
        report.expect(code, "No trust policy was given", owner, *said)
        brief = run_anchor(*verify, *options, "-q", cwd=tmp_path).expect(code, "unpinned", owner)
        assert "Trust policy:" not in brief.out
        document = run_anchor(*verify, *options, "--json", cwd=tmp_path).expect(code).document
        assert document["policies"] == []
        assert owner in document["files"][0]["unpinned"][0]


def test_a_receipt_of_another_log_is_not_trusted(journey: Journey, tmp_path: Path) -> None:
    other = tmp_path / "other"
    init = ("init", "--devnet", "--rpc", journey.url, "--number", "1", other)
    run_anchor(*init, cwd=tmp_path).expect(0, "log        number 1 of")
    note = tmp_path / "note.txt"
    note.write_bytes(b"meeting at noon\n")
    stamp = run_anchor("stamp", note, cwd=other).expect(0)
    receipt = tmp_path / "note.txt.anchor.json"
    assert stamp.out == f"{receipt}\n"
    assert json.loads(receipt.read_bytes())["log"] == "0x" + dev_log(1)
    run_anchor("verify", note, cwd=other).expect(0)
    foreign = journey.anchor("verify", note).expect(12, "the trust policy does not pin log")
    assert " 4. fail" in foreign.out
    upgrade = journey.anchor("upgrade", note)
    assert upgrade.code in (0, 12)


def test_every_receipt_of_the_log_verifies(journey: Journey, tmp_path: Path) -> None:
    proved = journey.anchor("prove", "--all", "--output", tmp_path / "receipts", "--json").expect(0)
    assert len(proved.document["written"]) == FILES
    receipts = sorted((tmp_path / "receipts").rglob("*.anchor.json"))
    assert len(receipts) == FILES
    for receipt in receipts:
        file = journey.files.parent / receipt.relative_to(tmp_path / "receipts").with_suffix(
            ""
        ).with_suffix("")
        receipt.rename(file.with_name(file.name + ".anchor.json"))
    files = sorted(journey.files.rglob("*.txt"))[::5]
    try:
        verified = run_anchor(
            "verify", "-q", "--trust", journey.project / "trust.toml", *files, cwd=tmp_path
        ).expect(0)
        assert len(verified.out.splitlines()) == 1 + FILES // 5
    finally:
        for left in journey.files.rglob("*.anchor.json"):
            left.unlink()


def test_status_says_where_the_log_stands(journey: Journey) -> None:
    status = journey.anchor("status").expect(0).out
    for line in (
        rf"accepted +{FILES}",
        r"not sealed +0",
        rf"on chain +{FILES} leaves",
        rf"final +{FILES} leaves, anchor 1",
        r"to anchor +0",
    ):
        assert re.search(f"^{line}$", status, re.MULTILINE), (line, status)


def test_explain_prints_every_hash_and_the_slot_in_the_registry(
    journey: Journey, tmp_path: Path
) -> None:
    file = journey.files / "06/00600.txt"
    journey.anchor("prove", file, "--output", tmp_path).expect(0)
    path = next(tmp_path.rglob("*.anchor.json"))
    receipt = json.loads(path.read_bytes())
    leaf = hashlib.sha256(b"\x00" + receipt["record"].encode()).hexdigest()
    root = receipt["anchors"][0]["root"]
    text = run_anchor("explain", path, cwd=tmp_path).expect(0, leaf, root)
    assert receipt["record"] in text.out
    steps = run_anchor("explain", path, "--json", cwd=tmp_path).expect(0).document["steps"]
    assert steps[-2]["hash"] == root
    word = ask(
        journey.url,
        "eth_getStorageAt",
        receipt["anchors"][0]["registry"],
        steps[-1]["slot"],
        "latest",
    )
    assert word[-46:] == steps[-1]["low_bytes"]


def test_stamp_is_the_whole_job_in_one_go(new_site: Callable[..., Site], embedded: Devnet) -> None:
    site = new_site(embedded)
    note = site.write("note.txt", b"meeting at noon\n")
    folder = site.write("folder/a.txt", b"a").parent
    stamped = site.run("stamp", note, folder).expect(0)
    assert stamped.out.splitlines() == [f"{note}.anchor.json", f"{folder}/a.txt.anchor.json"]
    site.run("verify", note, folder / "a.txt").expect(0)
    note.write_bytes(b"meeting at one\n")
    site.run("verify", note).expect(10, "NOT VERIFIED")


def test_a_receipt_written_before_finality_is_upgraded_later(
    own_anvil: Devnet, new_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = new_site(own_anvil)
    stop_the_clock(own_anvil.url)
    file = site.write("early.txt", b"early")
    site.run("add", file).expect(0)
    site.run("run", "--once", "--wait", "included").expect(0, "included (still reversible)")
    site.run("prove", file).expect(0, "promise, no final anchor yet", "anchor upgrade")
    receipt = tmp_path / "project/early.txt.anchor.json"
    promise = json.loads(receipt.read_bytes())
    assert (promise["anchors"], promise["head"]["size"]) == ([], 1)
    site.run("verify", file).expect(21)
    site.run("upgrade", file).expect(21, "its anchor is not final yet")
    assert json.loads(receipt.read_bytes()) == promise
    ask(own_anvil.url, "anvil_mine", "0x4")
    site.run("upgrade", file).expect(0, "has its anchor")
    upgraded = receipt.read_bytes()
    anchored = json.loads(upgraded)
    assert anchored["anchors"][0]["sequence"] == 1
    assert "head" not in anchored
    site.run("upgrade", receipt).expect(0, "has its anchor")
    assert receipt.read_bytes() == upgraded
    folder = tmp_path / "handed over/annexes"
    folder.mkdir(parents=True)
    site.run("upgrade", folder).refused(2, "holds no receipt")
    (folder / "early.txt.anchor.json").write_text(json.dumps(promise))
    site.run("upgrade", folder.parent).expect(0, "has its anchor")
    assert json.loads((folder / "early.txt.anchor.json").read_bytes()) == anchored
    site.run("verify", file).expect(0)


def test_each_command_prints_one_json_document(embedded: Devnet, tmp_path: Path) -> None:
    site = Site(folder=tmp_path / "project", url=embedded.url, number=9_200)
    init = ("init", "--devnet", "--rpc", site.url, "--number", "9200", site.folder, "--json")
    made = run_anchor(*init, cwd=tmp_path).expect(0).document
    assert made["log"] == "0x" + dev_log(9_200)
    deployed = site.run("deploy", "--json").expect(0).document
    assert deployed["registry"] == made["registry"]
    file, note = site.write("a.txt", b"a"), site.write("b.txt", b"b")
    added = site.run("add", file, "--json").expect(0).document
    assert (added["new"], added["known"], added["bytes"]) == (1, 0, 1)
    assert site.run("seal", "--json").expect(0).document["size"] == 1
    assert site.run("run", "--once", "--json").expect(0).document["sequence"] == 1
    stamped = site.run("stamp", note, "--json").expect(0).document
    assert stamped["receipts"] == [{"file": str(note), "receipt": f"{note}.anchor.json"}]
    assert site.run("prove", file, "--json").expect(0).document["written"][0]["anchors"] == 1
    status, upgraded, verified, explained, missing = run_together(
        lambda: site.run("status", "--json").expect(0),
        lambda: site.run("upgrade", file, "--json").expect(0),
        lambda: site.run("verify", file, note, "--json").expect(0),
        lambda: site.run("explain", file, "--json").expect(0),
        lambda: site.run("verify", "missing.txt", "--json").refused(2),
    )
    assert status.document["chain"]["unanchored"] == 0
    assert upgraded.document["receipts"][0]["anchors"] == 1
    assert [item["exit_code"] for item in verified.document["files"]] == [0, 0]
    assert [step["what"] for step in explained.document["steps"][:2]] == ["record", "leaf"]
    assert missing.document["exit_code"] == 2
    assert "missing.txt" in missing.document["error"]
    file.write_bytes(b"x")
    assert site.run("verify", file, "--json").expect(10).document["exit_code"] == 10


def test_status_without_a_node_is_still_one_json_document(site: Site) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ran = site.run("status", "--json", env={"ANCHOR_CHAIN__RPC": url}).refused(20)
    assert ran.document["accepted"] == 0
    assert ran.document["chain"] is None
    assert ran.document["exit_code"] == 20


@pytest.mark.release
def test_on_the_embedded_chain_the_same_way_leads_to_the_same_end(tmp_path: Path) -> None:
    project = tmp_path / "project"
    file = tmp_path / "evidence.txt"
    file.write_bytes(b"evidence")
    with running_devnet(tmp_path, "--embedded") as (devnet, url):
        run_anchor("init", "--devnet", "--rpc", url, project, cwd=tmp_path).expect(0)
        run_anchor("deploy", cwd=project).expect(0, "deployed the registry at")
        run_anchor("deploy", cwd=project).expect(0, "nothing was sent")
        assert nonce(url) == 1
        run_anchor("add", file, cwd=project).expect(0)
        run_anchor("verify", file, cwd=project).refused(21, "not sealed yet")
        run_anchor("run", "--once", cwd=project).expect(0, "anchored (counts as final")
        run_anchor("run", "--once", cwd=project).expect(0, "sealed 0 leaves")
        assert nonce(url) == 2
        run_anchor("prove", file, cwd=project).expect(0)
        outside = ("verify", file, "--trust", project / "trust.toml", "--rpc", url)
        run_anchor(*outside, cwd=tmp_path).expect(0, "VERIFIED on a development chain (")
        unpinned = run_anchor(*("verify", file, "--rpc", url, *UNPINNED), cwd=tmp_path)
        unpinned.expect(20, "No trust policy was given", "does not say which block is final")
        file.write_bytes(b"evidencE")
        run_anchor("verify", file, cwd=project).expect(10)
        file.write_bytes(b"evidence")
        ended = devnet.interrupt()
        assert ended.code == 0
        stopped = run_anchor("verify", "--steps", file, cwd=project)
        stopped.expect(20, "cannot be reached", "cannot tell", " 2. pass", " 3. pass")
        assert "fail" not in stopped.out
