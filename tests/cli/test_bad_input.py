"""Whatever is wrong, one sentence says what, where and what to do, and nothing is lost."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.chaos import is_unavailable, open_proxy
from support.command import run_anchor, run_together, snapshot, start_anchor
from support.in_process import run_in_process
from support.nodes import ask, nonce, other_chain, stop_the_clock, wait_until
from support.ports import free_port
from support.projects import Site, make_site
from support.store_contents import count_pieces

from anchor.base.errors import ExitCode
from anchor.chain.devnet import DEVNET_CHAIN_ID, Devnet, PyEvmNode, open_devnet
from anchor.chain.signer.keystore import write_keystore
from anchor.evidence import file_hashing
from anchor.project.allowlist import allow_project

MakeSite = Callable[..., Site]


@pytest.fixture
def site(new_site: MakeSite, embedded: Devnet) -> Site:
    """A project on the shared py-evm."""
    return new_site(embedded)


@contextmanager
def nothing_changes(site: Site, *, but: tuple[str, ...] = ()) -> Iterator[None]:
    """Check that neither the project's files, nor its log, nor the chain change."""
    before = snapshot(site.folder, without=but), nonce(site.url)
    yield
    assert (snapshot(site.folder, without=but), nonce(site.url)) == before


@pytest.fixture(scope="module")
def closed_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


# The configuration


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory, embedded: Devnet) -> Site:
    return make_site(tmp_path_factory.mktemp("config") / "project", embedded, number=9_100)


CONFIG_ERRORS = [
    ('format = "anchor-config/1"', "format = ", 2, ("anchor.toml",)),
    ('format = "anchor-config/1"', 'format = "anchor-config/2"', 2, ("member format",)),
    ("chain_id = 31337", 'chain_id = "one"', 2, ("member chain.chain_id",)),
    ("chain_id = 31337", "", 2, ("member chain.chain_id", "missing")),
    ("chain_id = 31337", "chain_id = 1", 32, ("chain_id", "undo the change")),
    ("time_slack = 12", "time_slak = 12", 2, ("member chain.time_slak", "no such member")),
    ("[log]", "[logs]", 2, ("member log",)),
    ("number = 9100", "number = 9101", 32, ("log", "undo the change")),
    ('registry = "0x', 'registry = "0y', 2, ("chain.registry",)),
    ('digests = ["sha256", "sm3"]', 'digests = ["sha256", "md5"]', 22, ("md5",)),
    ('digests = ["sha256", "sm3"]', 'digests = ["sm3"]', 2, ("sha256",)),
    ('keystore = "devnet-key.json"', "", 2, ("[signer]", "keystore")),
    ('store = "anchor.db"', 'store = "other.db"', 2, ("other.db is missing", "backup")),
    ("# sha256 always", "\0", 2, ("anchor.toml",)),
]


@pytest.mark.parametrize(
    ("old", "new", "code", "texts"),
    CONFIG_ERRORS,
    ids=[case[1] or case[0] for case in CONFIG_ERRORS],
)
def test_a_broken_configuration_names_the_member(
    configured: Site, old: str, new: str, code: int, texts: tuple[str, ...]
) -> None:
    path = configured.folder / "anchor.toml"
    good = path.read_bytes()
    configured.edit(old, new)
    try:
        with nothing_changes(configured):
            run_in_process("seal", "--config", "anchor.toml", cwd=configured.folder).refused(
                code, *texts
            )
    finally:
        path.write_bytes(good)
        allow_project(path)


def test_after_all_those_the_good_configuration_works(configured: Site) -> None:
    sealed = configured.run("seal", "--json").expect(0).document
    assert sealed == {"format": "anchor-seal/1", "sealed": 0}


def test_a_bad_variable_is_named(configured: Site) -> None:
    env = {"ANCHOR_CHAIN__WAIT_SECONDS": "soon"}
    run_in_process("seal", cwd=configured.folder, env=env).refused(2, "ANCHOR_CHAIN__WAIT_SECONDS")


@pytest.mark.parametrize("command", [("add", "x"), ("run", "--once"), ("status",), ("prove", "x")])
def test_without_a_project_a_command_says_how_to_get_one(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    run_in_process(*command, cwd=tmp_path).refused(
        2, "no anchor.toml in", "anchor init", "--config"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_named_configuration_must_exist(tmp_path: Path) -> None:
    ran = run_in_process("seal", "--config", "nowhere/anchor.toml", cwd=tmp_path)
    ran.refused(2, "no configuration file nowhere/anchor.toml", "anchor init")
    env = {"ANCHOR_CONFIG": str(tmp_path / "elsewhere.toml")}
    run_in_process("seal", cwd=tmp_path, env=env).refused(2, "elsewhere.toml")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("run", "--once", "--every", "5"), "--every, --leaves and --bytes set"),
        (("run", "--once", "--wait", "ever"), "--wait takes included or final"),
        (("prove",), "--all"),
        (("prove", "--all", "x"), "--all"),
        (("verify",), "--digest"),
        (("verify", "x", "y", "--receipt", "z"), "--receipt can be given for one file"),
        (("verify", "--digest", "sha256:00", "--receipt", "x"), "x cannot be read"),
        (("add",), "nothing to add"),
        (("add", "--digest", "md5:00"), "md5"),
        (("add", "--digest", "sha256:00"), "64"),
        (("init", "sub"), "--rpc is missing"),
        (("init", "sub", "--rpc", "http://x"), "either --keystore or --ape-account"),
        (("init", "sub", "--devnet", "--rpc", "ftp://x"), "http://"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_arguments_that_make_no_sense_are_bad_usage(
    configured: Site, arguments: tuple[str, ...], text: str
) -> None:
    with nothing_changes(configured):
        ran = run_in_process(*arguments, cwd=configured.folder)
        ran.refused(22 if "md5:00" in arguments else 2, text)
    assert ran.out == ""


# The node and the chain


@pytest.mark.fault(
    "I2",
    how="the node is exchanged for one of another chain with the same address",
    then="refused with exit code 32; nothing is sealed",
)
@pytest.mark.fault(
    "E5",
    how="a node of another chain id, and one of another genesis block",
    then="exit code 32 (verify: 12), nothing sealed or sent",
)
def test_another_chain_or_a_restarted_devnet_stops_before_anything_happens(site: Site) -> None:
    file = site.add("a.txt", b"a")
    same_id = "another genesis block"
    with (
        nothing_changes(site),
        other_chain(1337) as other,
        other_chain(int(DEVNET_CHAIN_ID)) as restarted,
    ):
        away, again = {"ANCHOR_CHAIN__RPC": other}, {"ANCHOR_CHAIN__RPC": restarted}
        text = "is on chain 1337, this project on chain 31337"
        run_together(
            lambda: site.run("run", "--once", env=away).refused(32, text, "nothing was sent"),
            lambda: site.run("status", env=again).refused(32, same_id),
        )
        run_together(
            lambda: site.run("run", "--once", env=again).refused(32, same_id),
            lambda: site.run("status", env=away).refused(32, text),
        )
        site.run("deploy", env=away).refused(32, text, "nothing was sent")
    assert site.heads() == []
    site.run("run", "--once").expect(0)
    with other_chain(1337) as other, other_chain(int(DEVNET_CHAIN_ID)) as restarted:
        first, second = run_together(
            lambda: site.run("verify", file, "--rpc", other),
            lambda: site.run("verify", file, "--rpc", restarted),
        )
    first.expect(12, "is on chain 1337, not on chain 31337")
    second.expect(12, "another chain with the same")


def test_a_devnet_project_is_never_made_on_another_chain(tmp_path: Path) -> None:
    with other_chain(1337) as url:
        ran = run_anchor("init", "--devnet", "--rpc", url, "project", cwd=tmp_path)
    ran.refused(2, "is on chain 1337, which is not a devnet (31337)", "anchor devnet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault(
    "E11",
    how="the node is away",
    then="exit code 20, nothing sealed",
)
def test_without_a_node_nothing_is_sealed_or_sent(site: Site, closed_url: str) -> None:
    site.add("a.txt", b"a")
    env = {"ANCHOR_CHAIN__RPC": closed_url}
    with nothing_changes(site):
        init = ("init", "--devnet", "--rpc", closed_url, "new")
        run_together(
            lambda: site.run("run", "--once", env=env).refused(20, closed_url, "start the node"),
            lambda: run_anchor(*init, cwd=site.folder).refused(20, closed_url),
        )
        site.run("deploy", env=env).refused(20, closed_url, "cannot be reached")
    assert site.heads() == []


def test_without_a_registry_nothing_is_sealed_or_sent(new_site: MakeSite) -> None:
    with PyEvmNode() as node:
        site = new_site(node, deployed=False)
        site.add("a.txt", b"a")
        with nothing_changes(site):
            site.run("run", "--once").refused(32, "there is no registry at", "anchor deploy")
        assert site.heads() == []
        site.run("deploy").expect(0)
        site.run("run", "--once").expect(0, "sealed 1 leaf;")


@pytest.mark.fault(
    "I4",
    how="the code at the registry's address is exchanged",
    then="nothing is sealed, sent or believed",
)
@pytest.mark.fault(
    "I1",
    how="the configured address holds other code",
    then="refused with exit code 32; nothing is sent",
)
def test_foreign_code_in_the_registrys_place_is_never_used(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil)
    stop_the_clock(site.url)
    file = site.add("a.txt", b"a")
    site.run("run", "--once", "--wait", "included").expect(0)
    ask(site.url, "anvil_mine", "0x4")
    site.run("verify", file).expect(0)
    registry = next(
        line.split('"')[1]
        for line in (site.folder / "anchor.toml").read_text("utf-8").splitlines()
        if line.startswith("registry")
    )
    ask(site.url, "anvil_setCode", registry, "0x00")
    ask(site.url, "anvil_mine", "0x4")
    site.add("b.txt", b"b")
    with nothing_changes(site):
        site.run("deploy").refused(32, "not our registry's", "nothing was sent")
        site.run("run", "--once").refused(32, "not our registry's", "nothing was sent")
        site.run("verify", file).expect(12, "not the pinned", " 6. fail")
    assert len(site.heads()) == 1


# Evidence


def test_what_cannot_be_read_is_named_and_the_rest_is_added(site: Site) -> None:
    good = site.write("good.txt", b"good")
    (site.folder / "empty").mkdir()
    # A regular file that nobody can read from its start, root neither.
    unreadable = Path("/proc/self/mem")
    ran = site.run("add", good, "missing.txt", unreadable).expect(2)
    assert "not added missing.txt: it cannot be read: No such file or directory" in ran.err
    assert f"not added {unreadable}: it cannot be read: Input/output error" in ran.err
    assert (
        ran.out
        == "added 1 new, 0 already known (4 B read)\n2 could not be read and were not added\n"
    )
    assert site.run("add", "empty").expect(2).err == "error: no files to add were found\n"
    with nothing_changes(site):
        site.run("add", "missing.txt").expect(2, "not added missing.txt")
        site.run("verify", "missing.txt").refused(2, "the file missing.txt is missing", "--digest")
        site.run("verify", unreadable).refused(2, f"{unreadable} cannot be read")
        site.run("verify", "empty").refused(2, "empty holds no file", "their receipts")
        site.run("prove", "empty").refused(2, "empty holds no file", "--all")
        site.run("stamp", "missing.txt").refused(2, "no files to stamp were found")
    assert count_pieces(site) == 1


def test_a_file_that_never_holds_still_is_not_added(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    restless = site.write("restless.bin", b"\0" * (2 << 20))
    good = site.write("good.txt", b"good")
    read, times = file_hashing.digest_stream, count(1)

    def read_while_others_write(*arguments: Any, **options: Any) -> Any:
        digests = read(*arguments, **options)
        os.utime(restless, ns=(0, next(times)))  # as a write does, if the clock moved on
        return digests

    with monkeypatch.context() as patched:
        patched.setattr(file_hashing, "digest_stream", read_while_others_write)
        ran = run_in_process("add", restless, good, cwd=site.folder).expect(2, "added 1 new")
    assert next(times) == 3
    assert "restless.bin: it changed while it was being read, twice in a row" in ran.err
    site.run("add", restless, good).expect(0, "added 1 new, 1 already known")


def test_what_is_not_in_the_log_has_no_receipt(site: Site) -> None:
    stranger = site.write("stranger.txt", b"stranger")
    with nothing_changes(site):
        site.run("prove", stranger).refused(
            2, "stranger.txt, with this content, is not in this project's log", "add"
        )
        site.run("verify", stranger).refused(2, "is not in this project's log", "--receipt")


# Receipts


Change = Callable[[dict[str, Any]], object]


def flip(digits: str) -> str:
    return digits[:-1] + ("0" if digits[-1] != "0" else "1")


def bent(member: str, change: Callable[[Any], Any]) -> Change:
    def apply(receipt: dict[str, Any]) -> None:
        anchor = receipt["anchors"][0]
        anchor[member] = change(anchor[member])

    return apply


def in_anchor(member: str, value: Any) -> Change:
    return bent(member, lambda _: value)


def promised_again(receipt: dict[str, Any]) -> None:
    anchor = receipt["anchors"][0]
    receipt["head"] = {member: anchor[member] for member in ("size", "root", "path")}


def in_record(old: str, new: str) -> Change:
    return lambda receipt: receipt.update(record=receipt["record"].replace(old, new, 1))


TAMPERED: dict[str, tuple[int, str, Change]] = {
    "record": (10, "does not lead to the root", in_record("a.txt", "b.txt")),
    "spelling": (2, "canonical", in_record("{", "{ ")),
    "index": (10, "does not lead to the root", lambda receipt: receipt.update(index=3)),
    "index outside": (10, "index", lambda receipt: receipt.update(index=7)),
    "path": (10, "not lead to the root", bent("path", lambda path: [flip(path[0]), *path[1:]])),
    "shorter path": (10, "does not lead to the root", bent("path", lambda path: path[1:])),
    "root": (10, "does not lead to the root", bent("root", flip)),
    "size": (10, "does not lead to the root", in_anchor("size", 2)),
    "sequence": (10, "the receipt says sequence 9", in_anchor("sequence", 9)),
    "block": (10, "the receipt says block_number 9999", in_anchor("block_number", 9999)),
    "timestamp": (10, "the receipt says timestamp 1", in_anchor("timestamp", 1)),
    "registry": (12, "the policy does not pin", in_anchor("registry", "0x" + "11" * 20)),
    "chain": (12, "the policy does not pin", in_anchor("chain_id", 1)),
    "log": (10, "the record names", lambda receipt: receipt.update(log="0x" + "22" * 32)),
    "log's number": (
        12,
        "the trust policy does not pin",
        lambda receipt: receipt.update(log="0x" + "22" * 12 + receipt["log"][26:]),
    ),
    "format": (22, "anchor-receipt/2", lambda receipt: receipt.update(format="anchor-receipt/2")),
    "member": (2, "verified", lambda receipt: receipt.update(verified=True)),
    "type": (2, "index", lambda receipt: receipt.update(index="0")),
    "missing": (2, "head", lambda receipt: receipt.update(anchors=[])),
    "two heads": (2, "head", promised_again),
}  # fmt: skip

MALFORMED: dict[str, tuple[int, str, bytes]] = {
    "empty": (2, "the receipt", b""),
    "text": (2, "the receipt", b"not JSON at all"),
    "foreign": (2, "'format'", b'{"hello": "world"}'),
    "list": (2, "'format'", b"[]"),
    "oversized": (2, "more than the 1,048,576 bytes", b'{"pad": "' + b"x" * (1 << 20) + b'"}'),
    "deep": (2, "the receipt", b"[" * 100_000),
    "twice": (2, "format", b'{"format": "anchor-receipt/1", "format": "anchor-receipt/1"}'),
    "binary": (2, "the receipt", bytes(range(256))),
}  # fmt: skip


def test_a_receipt_that_was_altered_in_any_member_verifies_nothing(site: Site) -> None:
    files = [site.write(f"{name}.txt", name.encode()) for name in "abcde"]
    site.run("stamp", *files).expect(0)
    original = (site.folder / "a.txt.anchor.json").read_bytes()
    cases: dict[str, tuple[int, str]] = {}
    for name, (code, text, change) in TAMPERED.items():
        receipt = json.loads(original)
        change(receipt)
        cases[f"{name}.tampered"] = (code, text)
        site.write(f"{name}.tampered.anchor.json", json.dumps(receipt).encode())
    for name, (code, text, content) in MALFORMED.items():
        cases[f"{name}.malformed"] = (code, text)
        site.write(f"{name}.malformed.anchor.json", content)
    site.write("swapped.anchor.json", (site.folder / "b.txt.anchor.json").read_bytes())
    cases["swapped"] = (10, "the receipt belongs to another file")
    for name in cases:
        shutil.copy(files[0], site.folder / name)
    ran = site.run("verify", "--json", *cases, "a.txt").expect(10)
    found = {item["file"]: item for item in ran.document["files"]}
    assert found["a.txt"]["exit_code"] == 0
    printed = site.run("verify", *cases).expect(10).out
    for name, (code, text) in cases.items():
        assert found[name]["exit_code"] == code, (name, found[name])
        assert text in printed.partition(f"{name}\n")[2].partition("NOT VERIFIED")[0], name
    for name, code in (("text.malformed", 2), ("format.tampered", 22), ("log.tampered", 10)):
        site.run("verify", "-q", name).expect(code)
    site.run("explain", "text.malformed").refused(2, "the receipt")
    site.run("upgrade", "format.tampered").refused(22, "anchor-receipt/2")
    missing = site.run("verify", "a.txt", "--receipt", "none.json")
    missing.refused(2, "none.json cannot be read: No such file")


# The key


def test_a_key_that_cannot_be_used_loses_nothing_and_the_right_one_goes_on(site: Site) -> None:
    site.add("a.txt", b"a")
    site.run("seal").expect(0)
    password, key = site.folder / "devnet-password", site.folder / "devnet-key.json"
    write_keystore(site.folder / "stranger.json", b"\x01" * 32, "devnet", iterations=1_000)
    with nothing_changes(site, but=("devnet-password", "devnet-key.json", "anchor.toml")):
        password.write_text("wrong\n")
        site.run("run", "--once").refused(31, "does not open with that password", str(key))
        password.chmod(0o644)
        site.run("run", "--once").refused(31, "can be read by other users", f"chmod 600 {password}")
        password.unlink()
        site.run("run", "--once").refused(31, f"the password file {password} cannot be read")
        site.edit('password_file = "devnet-password"', "")
        site.run("run", "--once").refused(31, "there is no terminal", "signer.password_file")
        site.edit("[signer]", '[signer]\npassword_file = "devnet-password"')
        password.write_text("devnet\n")
        password.chmod(0o600)
        site.edit('"devnet-key.json"', '"stranger.json"')
        stranger = site.run("run", "--once")
        stranger.refused(
            31, "is neither this log's owner nor one of its operators", "anchor operator add"
        )
        site.edit('"stranger.json"', '"missing.json"')
        site.run("run", "--once").refused(31, "missing.json cannot be read")
        site.edit('"missing.json"', '"anchor.toml"')
        site.run("run", "--once").refused(31, "anchor.toml is not a keystore file")
        site.edit('"anchor.toml"', '"devnet-key.json"')
    site.run("run", "--once").expect(0, "anchor 1 in block")


@pytest.mark.fault(
    "C3",
    how="a balance of zero",
    then="exit code 30; after a top-up one anchor",
)
@pytest.mark.fault(
    "C1",
    how="a base fee of five times the cap",
    then="exit code 30; with a higher cap one anchor",
)
def test_without_funds_or_under_the_fee_cap_the_work_waits(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil)
    stop_the_clock(site.url)
    site.add("a.txt", b"a")
    address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    balance = ask(site.url, "eth_getBalance", address, "latest")
    ask(site.url, "anvil_setBalance", address, "0x0")
    site.run("run", "--once").refused(30, f"{address} cannot pay", "send ether to that address")
    ask(site.url, "anvil_setBalance", address, balance)
    ask(site.url, "anvil_setNextBlockBaseFeePerGas", hex(500 * 10**9))
    ask(site.url, "anvil_mine", "0x1")
    site.run("run", "--once").refused(30, "the base fee is 500 gwei, the fee cap 100 gwei", "raise")
    assert nonce(site.url) == 1
    assert len(site.heads()) == 1
    site.edit("max_fee_gwei = 100", "max_fee_gwei = 2000")
    site.run("run", "--once", "--wait", "included").expect(0, "sealed 0 leaves", "anchor 1")


# The store


@pytest.mark.parametrize("content", [None, b"", b"garbage" * 1_000], ids=["none", "empty", "junk"])
def test_a_store_that_is_missing_or_none_is_named_and_never_replaced(
    site: Site, content: bytes | None
) -> None:
    file = site.write("a.txt", b"a")
    store = site.folder / "anchor.db"
    good = store.read_bytes()
    store.unlink()
    if content is not None:
        store.write_bytes(content)
    with nothing_changes(site):
        site.run("add", file).refused(2, "store")
    store.write_bytes(good)
    site.run("add", file).expect(0, "added 1 new")


def test_only_one_process_works_on_a_log_at_a_time(site: Site) -> None:
    file = site.add("a.txt", b"a")
    with (
        (site.folder / "anchor.lock").open("w") as lock,
        closing(sqlite3.connect(site.folder / "anchor.db")) as other,
        nothing_changes(site),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        other.execute("BEGIN IMMEDIATE")
        adding, *rest = run_together(
            lambda: site.run("add", site.folder / "anchor.toml"),
            lambda: site.run("run", "--once"),
            lambda: site.run("seal"),
            lambda: site.run("stamp", file),
            lambda: site.run("deploy"),
        )
    adding.refused(32, "the store is locked by another process", "nothing was changed")
    for ran in rest:
        ran.refused(32, "another process is sealing or anchoring", "wait until it is done")
    site.run("run", "--once").expect(0, "sealed 1 leaf;")


def test_a_store_older_than_the_chain_never_forks_the_log(site: Site) -> None:
    store = site.folder / "anchor.db"
    site.add("a.txt", b"a")
    site.run("run", "--once").expect(0)
    backup = store.read_bytes()
    site.add("b.txt", b"b")
    site.run("run", "--once").expect(0)
    newest = store.read_bytes()
    store.write_bytes(backup)
    site.add("c.txt", b"c")
    with nothing_changes(site):
        for command in (("run", "--once"), ("stamp", "a.txt"), ("status",)):
            ran = site.run(*command)
            ran.refused(32, "is not in this store", "rebuild the store with `anchor restore`")
    assert len(site.heads()) == 1
    store.write_bytes(newest)
    site.add("c.txt", b"c")
    site.run("run", "--once").expect(0, "anchor 3 in block")


# Creating


def test_a_project_is_never_created_over_another(site: Site) -> None:
    init = ("init", "--devnet", "--rpc", site.url, ".")
    with nothing_changes(site):
        site.run(*init).refused(2, "already exists", "choose an empty folder")
        (site.folder / "anchor.toml").rename(site.folder.parent / "kept.toml")
        site.run(*init).refused(2, "already exists")
        (site.folder.parent / "kept.toml").rename(site.folder / "anchor.toml")
    site.run("seal").expect(0)


def test_a_folder_that_cannot_be_created_is_named(site: Site) -> None:
    file = site.write("a.txt", b"a")
    with nothing_changes(site):
        for place in (file, file / "below"):
            ran = site.run("init", "--devnet", "--rpc", site.url, place)
            ran.refused(2, str(place), "cannot be created")


def test_a_registry_that_cannot_be_read_leaves_no_project(site: Site) -> None:
    with open_proxy(site) as (proxy, url):
        proxy.always("eth_getStorageAt", is_unavailable)
        with nothing_changes(site):
            site.run("init", "--devnet", "--rpc", url, "new").refused(20, "503")
        proxy.calm()
        site.run("init", "--devnet", "--rpc", url, "new").expect(0)


def test_a_key_file_that_is_there_already_is_kept(site: Site) -> None:
    other = site.folder / "other"
    key = site.write("other/devnet-key.json", b"precious")
    ran = site.run("init", "--devnet", "--rpc", site.url, other)
    ran.refused(2, "devnet-key.json already exists")
    assert list(other.iterdir()) == [key]
    assert key.read_bytes() == b"precious"


@pytest.mark.parametrize("embedded_option", [("--embedded",), ()], ids=["py-evm", "anvil"])
def test_a_devnet_whose_port_is_taken_says_so(
    tmp_path: Path, anvil_path: Path, embedded_option: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run_anchor(
            "devnet", "--port", str(port), *embedded_option,
            cwd=tmp_path, env={"ANCHOR_ANVIL": str(anvil_path)},
        )  # fmt: skip
    ran.refused(2, str(port), "choose another port, or 0")


def test_a_named_anvil_that_does_not_run_is_bad_usage(tmp_path: Path) -> None:
    env = {"ANCHOR_ANVIL": "/dev/null"}
    run_anchor("devnet", "--port", "0", cwd=tmp_path, env=env).refused(2, "ANCHOR_ANVIL")


# Ctrl-C


def test_an_interrupted_add_is_completed_by_the_next(site: Site, tmp_path: Path) -> None:
    site.write("evidence/a.txt", b"a")
    large = site.write("evidence/large.bin", b"")
    os.truncate(large, 64 << 30)  # sparse: it takes no space, and minutes to hash
    with start_anchor("add", "evidence", cwd=site.folder, log=tmp_path / "add") as running:
        descriptors = Path(f"/proc/{running.process.pid}/fd")

        def is_hashing() -> bool:
            assert running.process.poll() is None
            for entry in descriptors.iterdir():
                with suppress(FileNotFoundError):  # it was closed since
                    if os.readlink(entry) == str(large):
                        return True
            return False

        wait_until(is_hashing)
        ended = running.interrupt()
    assert ended.code == ExitCode.INTERRUPTED
    assert count_pieces(site) == 0
    os.truncate(large, 4)
    site.run("add", "evidence").expect(0, "added 2 new, 0 already known (5 B read)")


def test_an_interrupted_run_is_completed_by_the_next(
    new_site: MakeSite, own_anvil: Devnet, tmp_path: Path
) -> None:
    site = new_site(own_anvil)
    ask(site.url, "anvil_setIntervalMining", 0)
    ask(site.url, "evm_setAutomine", False)
    site.add("a.txt", b"a")
    run = ("run", "--once", "--wait", "included")
    with start_anchor(*run, cwd=site.folder, log=tmp_path / "run") as running:
        running.printed("sending transaction")
        ended = running.interrupt()
    assert ended.code == ExitCode.INTERRUPTED
    stored = site.rows("SELECT tx_hash FROM attempts WHERE head_size = 1")
    ask(site.url, "evm_setAutomine", True)
    ask(site.url, "anvil_mine", "0x1")
    site.run(*run).expect(0, "anchor 1 in block")
    assert site.rows("SELECT tx_hash FROM attempts WHERE head_size = 1") == stored
    assert len(stored) == 1
    assert nonce(site.url) == 2


def test_a_devnet_ends_with_its_interrupt(tmp_path: Path, anvil_path: Path) -> None:
    with start_anchor(
        "devnet", "--port", "0", cwd=tmp_path, log=tmp_path / "devnet",
        env={"ANCHOR_ANVIL": str(anvil_path)},
    ) as running:  # fmt: skip
        url = running.printed("Stop it").partition(" at ")[2].split("\n")[0]
        assert ask(url, "eth_chainId") == "0x7a69"
        assert running.interrupt().code == 0
    with pytest.raises(OSError, match="refused"):
        ask(url, "eth_chainId")


def test_a_new_devnet_on_the_same_port_is_another_chain(new_site: MakeSite) -> None:
    port = free_port()
    with PyEvmNode(port=port) as first:
        site = new_site(first)
        site.add("a.txt", b"a")
        time.sleep(1.1)  # the genesis block is told apart by its time, in seconds
    with open_devnet(port=port, anvil=None):
        site.run("run", "--once").refused(32, "another genesis block", "a restarted devnet")
    assert site.heads() == []


@pytest.mark.parametrize(
    ("variable", "value", "texts"),
    [
        ("ANCHOR_CHAIN__RCP", "x", ("there is no such member",)),
        ("anchor_chain__rcp", "x", ("there is no such member",)),
        ("ANCHOR_CHAIN__WITNESSES", "secret", ("is not JSON",)),
        ("ANCHOR_CHAIN", "{", ("is not JSON",)),
        ("ANCHOR_CHAIN__REGISTRY", "0x12", ("must be 0x and 40 hex digits",)),
        ("ANCHOR_CHAIN__WAIT_SECONDS", "soon", ("valid integer",)),
        ("ANCHOR_LOG__OWNER", "me", ("must be 0x and 40 hex digits",)),
        ("ANCHOR_SIGNER__APE_ACCOUNT", "x", ("the environment sets",)),
    ],
)
def test_what_is_wrong_in_the_environment_is_not_blamed_on_the_file(
    configured: Site, variable: str, value: str, texts: tuple[str, ...]
) -> None:
    ran = run_in_process("seal", cwd=configured.folder, env={variable: value})
    ran.refused(2, variable, *texts)
    assert "anchor.toml" not in ran.err
    assert "secret" not in ran.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[chain", "is not TOML: at its end: a heading lacks its closing bracket"),
        (b"format", "is not TOML: at its end: a key and = are expected here"),
        (b"\xff\xfe", "is not TOML: it is not UTF-8 text, from byte 0 on; save it as UTF-8"),
    ],
)
def test_a_broken_configuration_is_one_sentence(
    configured: Site, text: bytes, expected: str
) -> None:
    file = configured.folder / "anchor.toml"
    whole = file.read_bytes()
    file.write_bytes(text)
    try:
        ran = run_in_process("seal", "--config", file, cwd=configured.folder)
        ran.refused(2, f"{file} {expected}")
    finally:
        file.write_bytes(whole)
    assert "Value error" not in ran.err and "member :" not in ran.err
