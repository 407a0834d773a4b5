"""Names, paths and orders of events that are out of the ordinary, each as its user meets them."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.command import Ran, run_anchor, snapshot
from support.nodes import ask, nonce, stop_the_clock
from support.projects import Site, make_site
from support.store_contents import count_pieces, count_waiting, load_pieces

from anchor.chain.devnet import PUBLIC_DEV_KEY, Devnet
from anchor.chain.signer.keystore import write_keystore
from anchor.project.files import sidecar_path

# Logs on the session's embedded chain; other modules number theirs elsewhere.
_numbers = itertools.count(9_500)


@pytest.fixture
def site(tmp_path: Path, embedded: Devnet) -> Site:
    return make_site(tmp_path / "project", embedded, number=next(_numbers))


@contextmanager
def nothing_changes(site: Site) -> Iterator[None]:
    """Check that neither the project's files nor the chain change."""
    before = snapshot(site.folder), nonce(site.url)
    yield
    assert (snapshot(site.folder), nonce(site.url)) == before


def only_error(ran: Ran) -> str:
    """Return the one line of error, and check that nothing pretends to be another."""
    (line,) = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    return line


# Places for receipts that are taken


def test_stamp_leaves_a_file_out_whose_receipts_place_is_taken(site: Site) -> None:
    site.write("in/good.txt", b"good")
    taken = site.write("in/taken.txt", b"taken")
    notes = site.write("in/taken.txt.anchor.json", b'{"my": "notes"}')
    pipe = site.write("in/pipe.txt", b"pipe")
    os.mkfifo(sidecar_path(pipe))
    ran = site.run("stamp", "in/good.txt", taken, pipe, "--json").expect(2)
    assert [problem["path"] for problem in ran.document["problems"]] == [str(taken), str(pipe)]
    assert all("not a receipt of this log" in item["reason"] for item in ran.document["problems"])
    assert notes.read_bytes() == b'{"my": "notes"}'
    assert [item["file"] for item in ran.document["receipts"]] == ["in/good.txt"]
    assert count_pieces(site) == 1
    assert [size for size, _ in site.anchors_on_chain()] == [1]
    with nothing_changes(site):
        site.run("stamp", taken).refused(2, "no files to stamp")


def test_stamping_a_folder_again_takes_its_receipts_for_no_evidence(site: Site) -> None:
    site.write("in/a.txt", b"a")
    site.write("in/b.txt", b"b")
    foreign = site.write("in/foreign.anchor.json", b"somebody's evidence")
    first = site.run("stamp", "in", "--json").expect(0).document
    assert len(first["receipts"]) == 3
    assert first["skipped"] == []
    before = snapshot(site.folder / "in")
    second = site.run("stamp", "in", "--json").expect(0).document
    assert snapshot(site.folder / "in") == before
    assert [item["path"] for item in second["skipped"]] == [
        "in/a.txt.anchor.json",
        "in/b.txt.anchor.json",
        "in/foreign.anchor.json.anchor.json",
    ]
    assert second["problems"] == []
    assert count_pieces(site) == 3
    assert foreign.read_bytes() == b"somebody's evidence"
    site.run("verify", "-q", "in/a.txt", "in/b.txt").expect(0)


def test_prove_and_upgrade_overwrite_only_receipts_of_this_log(
    site: Site, tmp_path: Path, embedded: Devnet
) -> None:
    other = make_site(tmp_path / "other", embedded, number=next(_numbers))
    promise = other.add("a.txt", b"a")
    other.run("seal").expect(0)
    other.run("prove", promise).expect(0)
    file = site.add("a.txt", b"a")
    site.run("run", "--once").expect(0)
    place = sidecar_path(file)
    place.write_bytes(sidecar_path(promise).read_bytes())
    with nothing_changes(site):
        site.run("prove", file).refused(
            2, f"{place} already exists and is not a receipt of this log"
        )
        site.run("upgrade", file).refused(12, "belongs to another log")
    place.write_bytes(b"[]")
    with nothing_changes(site):
        site.run("prove", file).refused(2, "is not a receipt of this log")
        site.run("upgrade", file).refused(2)


def test_names_that_need_a_file_and_a_folder_of_one_name_end_in_one_sentence(site: Site) -> None:
    digest = "sha256:" + "ab" * 32
    for name in ("x", "x.anchor.json/y"):
        site.run("add", "--digest", digest, "--name", name).expect(0)
    site.run("seal").expect(0)
    site.run("prove", "--all").refused(2, "x.anchor.json")
    assert not list((site.folder / "receipts").rglob("*.tmp"))


# Names


def test_a_name_too_long_for_a_receipt_stops_no_other_file(site: Site) -> None:
    site.write("in/a.txt", b"a")
    fits, long = site.write("in/" + "f" * 235, b"fits"), site.write("in/" + "n" * 250, b"long")
    ran = site.run("stamp", "in").expect(2, "File name too long")
    assert len([line for line in ran.err.splitlines() if line.startswith("not stamped ")]) == 1
    assert sidecar_path(site.folder / "in/a.txt").is_file()
    assert sidecar_path(fits).is_file()
    assert count_pieces(site) == 2
    site.run("stamp", long).refused(2, "no files to stamp")
    site.run("verify", "-q", "in/a.txt", fits).expect(0)
    site.run("verify", "v" * 300).refused(2, "File name too long")


def test_a_name_that_is_not_utf_8_is_evidence_like_any_other(site: Site) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    site.write(name, b"coffee")
    site.run("add", name).expect(0, "added 1 new")
    site.run("add", name).expect(0, "added 0 new, 1 already known")
    site.run("run", "--once").expect(0)
    site.run("verify", "-q", name).expect(0, "verified")
    site.run("prove", name).expect(0, "caf")
    ran = site.run("verify", "--json", name).expect(0)
    assert ran.out.isascii()


def test_a_path_too_long_for_a_record_stops_no_other_file(site: Site) -> None:
    folder = os.fsencode(site.folder / "deep")
    deep = os.path.join(folder, *[b"\xff" * 250] * 5)
    os.makedirs(deep)
    Path(os.fsdecode(os.path.join(deep, b"file"))).write_bytes(b"deep")
    site.write("deep/a.txt", b"a")
    ran = site.run("add", "deep", "--json").expect(2)
    assert (ran.document["new"], len(ran.document["problems"])) == (1, 1)
    assert "longer than the 4,096 characters" in ran.document["problems"][0]["reason"]


FAKE = "a.txt: ok\n  VERIFIED (exit code 0)\x1b[1A\u2028verified  b.txt"
SHOWN = r"a.txt: ok\n  VERIFIED (exit code 0)\x1b[1A\u2028verified  b.txt"


@pytest.mark.fault(
    "J13",
    how="a file name with line ends and our own words in it",
    then="printed on one line, escaped",
)
def test_a_name_that_imitates_our_lines_is_printed_on_one_line(site: Site) -> None:
    file = site.write(FAKE, b"fake")
    site.run("add", FAKE).expect(0)
    site.run("run", "--once").expect(0)
    ran = site.run("verify", "-q", FAKE).expect(0)
    policy, line = ran.out.splitlines()
    assert policy.startswith("Trust policy: ")
    assert line.startswith("verified ")
    assert f" {SHOWN}: " in line
    document = site.run("verify", "--json", FAKE).expect(0)
    assert document.out.isascii()
    assert document.document["files"][0]["file"] == FAKE
    file.unlink()
    site.write("good.txt", b"good")
    added = site.run("add", FAKE, "good.txt").expect(2)
    (line,) = added.err.splitlines()
    assert line.startswith(f"not added {SHOWN}: ")
    assert SHOWN in only_error(site.run("verify", FAKE).expect(2))
    first, hint, second, other_hint = (
        site.run("verify", FAKE, "good.txt").expect(2).err.splitlines()
    )
    assert first.startswith("error: " + SHOWN)
    assert hint == "  to verify a digest alone: --digest sha256:HEX"
    assert second.startswith("error: good.txt: ")
    assert other_hint == "  anchor it with `anchor run --once`"
    failed = site.run("verify", "--json", FAKE).expect(2)
    assert failed.out.isascii()
    assert FAKE in failed.document["error"]


# A store or a node that is not the one it should be


def test_a_restored_store_seals_nothing_and_promises_nothing(site: Site) -> None:
    store = site.folder / "anchor.db"
    first = site.add("a.txt", b"a")
    site.run("run", "--once").expect(0)
    backup = store.read_bytes()
    site.add("b.txt", b"b")
    site.run("run", "--once").expect(0)
    store.write_bytes(backup)
    site.add("c.txt", b"c")
    heads = site.heads()
    with nothing_changes(site):
        site.run("seal").refused(
            32, "is not in this store", "rebuild the store with `anchor restore`"
        )
        site.run("prove", first).refused(32, "is not in this store")
        site.run("prove", "--all").refused(32, "is not in this store")
    assert site.heads() == heads
    assert count_waiting(site) == 1


@pytest.mark.fault(
    "E5",
    how="a node of another genesis block, when receipts are written",
    then="exit code 32, nothing changes",
)
def test_prove_and_upgrade_believe_no_chain_of_another_genesis(site: Site, anvil: Devnet) -> None:
    file = site.add("a.txt", b"a")
    site.run("seal").expect(0)
    site.run("prove", file).expect(0, "promise")
    site.run("run", "--once").expect(0)
    anchors = site.rows("SELECT * FROM anchors")
    env = {"ANCHOR_CHAIN__RPC": anvil.url}
    with nothing_changes(site):
        for command in (("prove", file), ("prove", "--all"), ("upgrade", file)):
            site.run(*command, env=env).refused(32, "another genesis block")
    assert site.rows("SELECT * FROM anchors") == anchors != []
    site.run("upgrade", file).expect(0, "has its anchor")


@pytest.mark.fault(
    "D5",
    how="a final anchor's block is replaced by one without it, or it moves to the next block",
    then="32 on everything that seals, sends or issues; both observations kept until accepted",
)
@pytest.mark.parametrize("is_gone", [False, True], ids=["moved", "gone"])
def test_violated_finality_stops_everything_until_the_operator_accepts_it(
    tmp_path: Path, own_anvil: Devnet, is_gone: bool
) -> None:
    site = make_site(tmp_path / "project", own_anvil, number=1)
    stop_the_clock(site.url)
    site.edit('finality = "finalized"', "finality = 0")
    site.add("a.txt", b"a")
    site.run("run", "--once", "--wait", "final").expect(0, "anchored (counts as final")
    ((block, final),) = site.rows("SELECT block_number, final FROM anchors")
    assert final
    (raw,) = site.rows("SELECT hex(raw) FROM attempts WHERE head_size IS NOT NULL")
    ask(site.url, "anvil_mine", "0x1")
    ask(site.url, "anvil_reorg", 2, [] if is_gone else [[f"0x{raw[0]}", 1]])
    # The new blocks may be dated before the old ones; a final block from before the anchor's time
    # contradicts nothing.
    ask(site.url, "evm_increaseTime", 3600)
    ask(site.url, "anvil_mine", "0x1")
    there = "was not in the registry" if is_gone else f"was in block {block + 1}"
    for command in (("run", "--once"), ("seal",), ("prove", "--all"), ("run", "--once")):
        ran = site.run(*command)
        ran.refused(32, "finality was violated", f"final in block {block}", there)
    ran = site.run("status")
    ran.expect(32, "finality was violated", "1 leaves")
    assert site.rows("SELECT block_number, final FROM anchors") == [(block, 1)]
    ran = site.run("run", "--once", "--wait", "final", "--accept-incidents")
    ran.expect(0, "accepted 1 incidents", "anchored (counts as final")
    ((now, final),) = site.rows("SELECT block_number, final FROM anchors")
    assert now > block
    assert final
    assert len(site.anchors_on_chain()) == 1
    query = "SELECT block_number, now_block_number, accepted_at IS NOT NULL FROM incidents"
    assert site.rows(query) == [(block, None if is_gone else block + 1, 1)]
    site.run("run", "--once").expect(0)


# Verifying


def test_a_policy_that_merely_lies_in_the_folder_is_not_taken(
    new_site: Callable[..., Site], anvil: Devnet, tmp_path: Path
) -> None:
    site = new_site(anvil)
    file = site.write("a.txt", b"a")
    site.run("stamp", file, "--wait", "final").expect(0)
    bag = tmp_path / "bag"
    bag.mkdir()
    for path in (file, sidecar_path(file), site.folder / "trust.toml"):
        (bag / path.name).write_bytes(path.read_bytes())
    unpinned = ("--rpc", site.url, "--chain-id", "31337", "--accept-unpinned")
    ran = run_anchor("verify", "a.txt", *unpinned, cwd=bag)
    ran.expect(0, "No trust policy was given", f"Asked: {site.url}")
    assert "Trust policy:" not in ran.out
    without = run_anchor("verify", "a.txt", *unpinned, "--json", cwd=bag).expect(0).document
    assert (without["policies"], without["nodes"]) == ([], [site.url])
    assert without["files"][0]["unpinned"]
    policy = str((site.folder / "trust.toml").resolve())
    below = site.folder / "below"
    below.mkdir()
    inside = run_anchor("verify", "../a.txt", cwd=below)
    inside.expect(0, f"Trust policy: {policy}", f"Asked: {site.url}")
    document = run_anchor("verify", "../a.txt", "--json", cwd=below).expect(0).document
    assert [(found["file"], found["source"]) for found in document["policies"]] == [
        (policy, "project")
    ]
    assert document["nodes"] == [site.url]
    assert document["files"][0]["unpinned"] == []


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("pipe", "/dev/zero"):
        run_anchor("verify", path, cwd=tmp_path).refused(2, f"{path} is not a regular file")


def test_a_node_without_a_scheme_is_bad_usage(site: Site) -> None:
    file = site.add("a.txt", b"a")
    site.run("run", "--once").expect(0)
    site.run("verify", "--rpc", "localhost:8545", file).refused(2, "http://127.0.0.1:8545")
    site.run("verify", "--rpc", "localhost:8545", file, file).refused(2, "http://127.0.0.1:8545")


def test_evidence_added_again_leaves_the_anchored_one_verified(site: Site) -> None:
    file = site.add("a.txt", b"a")
    site.run("run", "--once").expect(0)
    site.run("add", "--again", file).expect(0, "added 1 new")
    site.run("verify", "-q", file).expect(0)
    site.run("seal").expect(0)
    site.run("verify", "-q", file).expect(0)
    site.run("prove", file).expect(0, "anchored (counts as final")


def test_one_digest_under_two_names_is_two_pieces_of_evidence(site: Site) -> None:
    digest = "sha256:" + "cd" * 32
    for name, count in (("A", "added 1 new"), ("B", "added 1 new"), ("A", "added 0 new, 1")):
        site.run("add", "--digest", digest, "--name", name).expect(0, count)
    names = [json.loads(piece.record or b"")["name"] for piece in load_pieces(site)]
    assert names == ["A", "B"]


# Creating


def test_a_key_in_the_url_is_in_no_file_and_a_quote_in_a_path_does_no_harm(
    site: Site, tmp_path: Path, embedded: Devnet
) -> None:
    keys, folder = tmp_path / "keys", tmp_path / "new"
    keys.mkdir()
    keystore = keys / 'a "quoted" \\ key.json'
    write_keystore(keystore, bytes.fromhex(PUBLIC_DEV_KEY[2:]), "devnet", iterations=1_000)
    password = keys / 'it\'s "it"'
    password.write_text("devnet\n")
    password.chmod(0o600)
    url = f"{embedded.url}/v3/SECRETKEYVALUE"
    ran = run_anchor(
        *("init", folder, "--rpc", url, "--keystore", keystore, "--password-file", password),
        *("--number", str(next(_numbers)), "--finality", "0"),
        cwd=tmp_path,
    )
    ran.expect(0, "set ANCHOR_CHAIN__RPC")
    env = {"ANCHOR_CHAIN__RPC": url}
    (folder / "a.txt").write_bytes(b"a")
    stamped = run_anchor("stamp", "a.txt", "--wait", "final", cwd=folder, env=env)
    stamped.expect(0, "a.txt.anchor.json")
    verified = run_anchor("verify", "a.txt", cwd=folder, env=env).expect(0, embedded.url)
    for printed in (ran, stamped, verified):
        assert "SECRETKEYVALUE" not in printed.out + printed.err
    for path, data in snapshot(folder).items():
        assert b"SECRETKEYVALUE" not in data, path
    assert site.url in (folder / "anchor.toml").read_text("utf-8")


def test_a_pipe_in_the_receipts_place_is_not_waited_for(site: Site) -> None:
    file = site.write("a.txt", b"a")
    os.mkfifo(f"{file}.anchor.json")
    for command in ("explain", "upgrade", "verify"):
        site.run(command, file).refused(2, "is not a regular file")


def test_a_file_whose_whole_name_is_the_receipts_suffix_is_no_receipt(
    site: Site, tmp_path: Path
) -> None:
    name = ".anchor.json"
    site.write("deed.txt", b"one field, two cows")
    site.run("stamp", "deed.txt").expect(0)
    site.write(name, (site.folder / "deed.txt.anchor.json").read_bytes())
    site.run("verify", name).refused(2, name)
    site.run("certify", name).refused(2, name)
    site.run("explain", name).refused(2, name)
    site.run("stamp", name).expect(0)
    site.run("verify", name).expect(0, "VERIFIED")
    # A stranger's file of that name spoils no other's verification.
    (tmp_path / "folder").mkdir()
    for each in ("deed.txt", "deed.txt.anchor.json", name):
        (tmp_path / "folder" / each).write_bytes((site.folder / each).read_bytes())
    ran = site.run("verify", str(tmp_path / "folder"), "--json")
    codes = {Path(each["file"]).name: each["exit_code"] for each in ran.document["files"]}
    assert codes["deed.txt"] == 0 and name in codes


@pytest.mark.parametrize("path", [".", "./", "", ".."])
def test_a_token_or_a_signature_that_is_a_folder_is_bad_usage(site: Site, path: str) -> None:
    site.write("deed.txt", b"one field, two cows")
    for option in ("--timestamp", "--signature", "--custody", "--receipt", "--trust", "--config"):
        site.run("verify", "deed.txt", option, path).refused(2)
