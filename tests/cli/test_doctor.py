"""``anchor doctor`` finds each thing that is wrong, says what to do, and touches nothing."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from support.bent_nodes import Refused, bent_node
from support.command import run_anchor, snapshot, start_anchor
from support.disks import mount, small_disk
from support.nodes import ask, nonce, other_chain, send, serve, stop_the_clock, wait_until
from support.projects import Site, make_site

from anchor.base.errors import ExitCode
from anchor.base.messages.message import Message
from anchor.base.system.clock import StoppableClock, SystemClock, unix_now
from anchor.base.types import Address, ChainId
from anchor.chain.devnet import Devnet
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.chain.signer.keystore import write_keystore
from anchor.ethereum.keccak import format_address, hash_keccak256
from anchor.monitor import doctor_checks
from anchor.monitor.doctor import DoctorContext, Finding, diagnose, exit_code_of
from anchor.monitor.doctor_checks import CHECKS
from anchor.operate.heartbeat import MAX_SILENCE, keep_beating
from anchor.project.config import load_config
from anchor.project.project import trust_entry
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.registry.storage import CLOSED_HEAD, head_slot
from anchor.verification.pinning import encode_policy
from anchor.verification.report import Verdict

PROXY = "0x4e59b44847b379578588920ca78fbf26c0b4956c"
REGISTRY = format_address(registry_address())
# A key of nobody's.
STRANGER = bytes([0x5B]) * 32

MakeSite = Callable[..., Site]


def examine(site: Site, *, wall_time: float | None = None) -> dict[str, Finding]:
    """Do what ``anchor doctor`` does, in this process."""
    opened: list[Rpc] = []

    def open_node(url: str) -> Node:
        opened.append(Rpc(url, timeout=2))
        return Node(opened[-1])

    patient = DoctorContext(
        config_path=site.folder / "anchor.toml",
        open_node=open_node,
        wall_time=time.time() if wall_time is None else wall_time,
    )
    findings = diagnose(patient, CHECKS)
    for rpc in opened:
        rpc.close()
    assert [finding.check for finding in findings] == [check.name for check in CHECKS]
    return {finding.check: finding for finding in findings}


def code(findings: dict[str, Finding]) -> int:
    return int(exit_code_of(list(findings.values())))


def expect(
    site: Site,
    check: str,
    exit_code: int,
    *texts: str,
    whole: int | None = None,
    wall_time: float | None = None,
) -> None:
    """Assert what one check finds, and with what the whole ends; nothing may change."""
    before, sent = snapshot(site.folder), nonce(site.url)
    findings = examine(site, wall_time=wall_time)
    finding = findings[check]
    assert int(finding.exit_code) == exit_code, finding
    assert finding.verdict is (Verdict.CANNOT_TELL if exit_code == 20 else Verdict.FAIL), finding
    for text in texts:
        assert text in f"{finding.text} {finding.hint}", finding
    assert code(findings) == (exit_code if whole is None else whole), findings
    assert (snapshot(site.folder), nonce(site.url)) == (before, sent)


def passing(findings: dict[str, Finding]) -> set[str]:
    return {name for name, finding in findings.items() if finding.verdict is Verdict.PASS}


@pytest.fixture
def own_site(new_site: MakeSite, own_anvil: Devnet) -> Site:
    """A project on an anvil of its own, where time stands still."""
    site = new_site(own_anvil)
    stop_the_clock(site.url)
    return site


# All well


def test_a_healthy_project_passes_every_check_and_nothing_is_touched(site: Site) -> None:
    site.add("a", b"a")
    site.anchor()
    before, sent = snapshot(site.folder), nonce(site.url)
    text = site.run("doctor").expect(0, "no problems found")
    assert text.out.count("pass  ") == len(CHECKS)
    assert text.err == ""
    document = site.run("doctor", "--json").expect(0).document
    assert document["exit_code"] == 0
    assert {item["check"]: item["verdict"] for item in document["findings"]} == {
        check.name: "pass" for check in CHECKS
    }
    assert (snapshot(site.folder), nonce(site.url)) == (before, sent)


def test_it_is_healthy_on_the_embedded_chain_too(new_site: MakeSite, embedded: Devnet) -> None:
    findings = examine(new_site(embedded))
    assert code(findings) == 0, [f for f in findings.values() if f.exit_code]
    assert findings["finality"].text.startswith("by chain.finality = 0: block ")
    assert "counts as final" in findings["finality"].text
    assert "the standard address" in findings["address"].text


def test_a_held_lock_is_no_failure(site: Site) -> None:
    with site.lead():
        findings = examine(site)
    assert findings["lock"].verdict is Verdict.CANNOT_TELL
    assert "held by another process" in findings["lock"].text
    assert code(findings) == 0, [f for f in findings.values() if f.exit_code]
    assert examine(site)["lock"].text == "free"


def test_the_holder_of_the_lease_is_judged_by_its_signs_of_work(site: Site) -> None:
    heartbeat = site.folder / "heartbeat.json"
    with site.lead() as project:
        config, epoch = project.config, project.database.read_epoch()
        with keep_beating(config, epoch, StoppableClock(SystemClock(), grace=1.0), unix_now):
            finding = examine(site)["lock"]
        assert finding.verdict is Verdict.PASS and "was at work" in finding.text
        later = time.time() + MAX_SILENCE + 60
        expect(site, "lock", 32, "no sign of work for 11 min", "kill it", wall_time=later)
        members = json.loads(heartbeat.read_bytes())
        for other in (
            b"", b"{}", json.dumps(members | {"epoch": str(epoch - 1)}).encode(),
            json.dumps(members | {"at": "now"}).encode(),
            json.dumps(members | {"at": members["at"] + 9_999_999}).encode(),
        ):  # fmt: skip
            heartbeat.write_bytes(other)
            finding = examine(site)["lock"]
            assert finding.verdict is Verdict.CANNOT_TELL, other
            assert "nothing in this folder" in finding.text


@pytest.mark.release
def test_a_daemon_that_is_suspended_while_it_holds_the_lease_is_a_failure(
    site: Site, tmp_path: Path
) -> None:
    heartbeat = site.folder / "heartbeat.json"
    with start_anchor("run", cwd=site.folder, log=tmp_path / "run") as running:
        running.printed("started")
        wait_until(heartbeat.exists, 60)
        running.process.send_signal(signal.SIGSTOP)
        assert "was at work" in examine(site)["lock"].text
        later = time.time() + MAX_SILENCE + 60
        expect(site, "lock", 32, "no sign of work for 11 min", "kill it", wall_time=later)
        heartbeat.unlink()
        running.process.send_signal(signal.SIGCONT)
        wait_until(heartbeat.exists, 60)
        assert "was at work" in examine(site)["lock"].text
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
    assert examine(site)["lock"].text == "free"


def test_a_plain_registry_is_well_and_said_to_be_one(
    new_site: MakeSite, bare_anvil: Devnet
) -> None:
    site = new_site(bare_anvil, deployed=False)
    expect(site, "proxy", 32, "no CREATE2 proxy", "`anchor deploy`")
    expect(site, "registry", 32, "there is no registry", "`anchor deploy`")
    site.run("deploy", "--plain").expect(0)
    findings = examine(site)
    assert code(findings) == 0, [f for f in findings.values() if f.exit_code]
    assert "not the standard address" in findings["address"].text
    assert "trust policy" in (findings["address"].hint or "")
    assert "not needed" in findings["proxy"].text
    assert "whose transaction is on chain" in findings["record"].text


# What is wrong


def test_without_a_project_it_is_bad_usage(tmp_path: Path) -> None:
    run_anchor("doctor", cwd=tmp_path).refused(2, "no anchor.toml")


def test_an_unreadable_configuration_is_all_there_is_to_say(site: Site) -> None:
    (site.folder / "anchor.toml").write_text("format = ")
    findings = examine(site)
    assert findings["configuration"].exit_code is ExitCode.USAGE
    assert code(findings) == 2
    others = {name: found for name, found in findings.items() if name != "configuration"}
    assert others.pop("kernel").verdict is Verdict.PASS
    assert all("not checked" in finding.text for finding in others.values())
    site.run("doctor").expect(2, "fail         configuration")


def test_an_installation_without_its_kernel_is_told_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "hashes the tree" in examine(site)["kernel"].text
    monkeypatch.setattr(doctor_checks, "IMPLEMENTATION", "hashlib")
    found = examine(site)["kernel"]
    assert "no native kernel" in found.text
    assert "C compiler" in (found.hint or "")
    assert code(examine(site)) == 0, "that is no fault"


def test_a_missing_or_newer_store_is_found(site: Site) -> None:
    store = site.folder / "anchor.db"
    kept = store.with_name("kept")
    store.rename(kept)
    expect(site, "store", 2, "is missing", "rebuild it with `anchor restore`")
    shutil.copy(kept, store)
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    expect(site, "store", 22, "schema 9999")


def test_a_store_pinned_to_something_else_is_found(site: Site) -> None:
    site.edit("number = ", "number = 1")
    expect(site, "store", 32, "the configuration's log", whole=32)


def test_a_policy_that_is_broken_missing_or_of_another_log_is_found(site: Site) -> None:
    policy = site.folder / "trust.toml"
    good = policy.read_text("utf-8")
    policy.write_text("format = ")
    expect(site, "policy", 2, "not TOML")
    policy.write_text(good.replace("anchor-trust/1", "anchor-trust/7"))
    expect(site, "policy", 22, "anchor-trust/7")
    entry = trust_entry(load_config(site.folder / "anchor.toml"))
    other = format_address(Address(b"\x11" * 20))
    policy.write_text(good.replace(REGISTRY, other))
    expect(site, "policy", 12, "differs from the configuration in registry")
    policy.write_bytes(encode_policy([dataclasses.replace(entry, logs=(99_999,))]))
    expect(site, "policy", 12, "differs from the configuration in logs")
    # One of several entries is enough.
    entries = [dataclasses.replace(entry, owner=Address(b"\x11" * 20)), entry]
    policy.write_bytes(encode_policy(entries))
    assert code(examine(site)) == 0
    changed = f"the trust policy {policy} of the project"
    assert changed in site.run("doctor").expect(0, "anchor trust allow").out
    site.run("trust", "allow", ".").expect(0)
    assert changed not in site.run("doctor").expect(0).out
    policy.unlink()
    expect(site, "policy", 2, "is missing")
    site.run("doctor").expect(2, "anchor trust pin --owner")


@pytest.mark.fault(
    "J9",
    how="key files that other users can read",
    then="found, with what to do",
)
def test_a_key_file_that_is_missing_broken_or_open_to_others_is_found(site: Site) -> None:
    keystore, password = site.folder / "devnet-key.json", site.folder / "devnet-password"
    keystore.chmod(0o644)
    expect(site, "signer", 31, "can be read by other users", f"chmod 600 {keystore}")
    keystore.chmod(0o600)
    password.chmod(0o640)
    expect(site, "signer", 31, "can be read by other users", f"chmod 600 {password}")
    password.unlink()
    expect(site, "signer", 31, "password file", "cannot be read")
    password.write_text("wrong")
    password.chmod(0o600)
    # No key is opened: a wrong password is not found, and not asked for.
    assert code(examine(site)) == 0
    good = json.loads(keystore.read_text())
    keystore.write_text(json.dumps({name: good[name] for name in good if name != "address"}))
    expect(site, "authority", 20, "does not state its address")
    assert examine(site)["signer"].verdict is Verdict.PASS
    keystore.write_text("{}")
    expect(site, "signer", 31, "is not a keystore")
    keystore.unlink()
    expect(site, "signer", 31, "cannot be read")


def test_an_ape_account_that_others_can_read_is_a_note(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = tmp_path / "ape" / "accounts"
    accounts.mkdir(parents=True)
    keyfile = shutil.copy(site.folder / "devnet-key.json", accounts / "mine.json")
    keyfile.chmod(0o644)
    monkeypatch.setenv("APE_DATA_FOLDER", str(accounts.parent))
    config = site.folder / "anchor.toml"
    text = config.read_text().replace('keystore = "devnet-key.json"', 'ape_account = "mine"')
    config.write_text(text)
    findings = examine(site)
    assert code(findings) == 0, [f for f in findings.values() if f.exit_code]
    assert findings["signer"].hint == f"chmod 600 {keyfile}"
    assert "other users can read" in findings["signer"].text


def test_a_key_that_may_not_anchor_or_cannot_pay_is_found(own_site: Site) -> None:
    keystore = own_site.folder / "stranger.json"
    write_keystore(keystore, STRANGER, "pw", iterations=1)
    own_site.edit('keystore = "devnet-key.json"', 'keystore = "stranger.json"')
    expect(
        own_site,
        "authority",
        31,
        "neither this log's owner nor one of its operators",
        "anchor operator add",
    )
    expect(own_site, "funds", 30, "has 0 ether on chain", "send ether", whole=31)
    ask(own_site.url, "anvil_setBalance", Account.from_key(STRANGER).address, hex(10**18))
    assert examine(own_site)["funds"].verdict is Verdict.PASS
    own_site.edit("max_fee_gwei = 100", "max_fee_gwei = 1")
    ask(own_site.url, "anvil_setNextBlockBaseFeePerGas", hex(2 * 10**9))
    ask(own_site.url, "evm_mine")
    expect(own_site, "funds", 30, "fee cap", whole=31)


def test_a_node_that_is_gone_leaves_what_can_be_known_without_it(
    site: Site, new_site: MakeSite
) -> None:
    site.edit(site.url, "http://127.0.0.1:1")
    file = site.folder / "anchor.toml"
    file.write_text(file.read_text() + '\n[[tsa]]\nname = "a"\nurl = "https://tsa.example/"\n')
    site.run("trust", "allow").expect(0)
    findings = examine(site)
    assert code(findings) == 20
    assert findings["node"].verdict is Verdict.CANNOT_TELL
    assert findings["timestamps"].hint == Message("config-tsa-single")
    local = {"kernel", "configuration", "store", "copies", "lock", "policy", "signer", "address"}
    local |= {"budget", "timestamps", "messages", "retention", "side file", "log key", "disks"}
    local |= {"erasures", "waiting evidence"}
    assert passing(findings) == local
    ran = site.run("doctor").expect(20, "cannot tell  node")
    assert "action required (exit code 20)" in ran.out


def test_a_secret_in_the_url_is_not_shown(site: Site) -> None:
    secret = "canary-path-key-55e0"
    env = {"ANCHOR_CHAIN__RPC": f"{site.url}/{secret}?key={secret}"}
    ran = site.run("doctor", env=env)
    assert secret not in ran.out + ran.err
    env = {"ANCHOR_CHAIN__RPC": f"http://user:{secret}@127.0.0.1:1/{secret}"}
    ran = site.run("doctor", "--json", env=env).expect(20)
    assert secret not in ran.out + ran.err


@pytest.mark.parametrize("garbage", [b"", b"<html>", b"[]", b'{"jsonrpc":"2.0","result":"0xzz"}'])
def test_a_node_that_talks_nonsense_is_no_answer(site: Site, garbage: bytes) -> None:
    with serve(lambda handler, _: send(handler, 200, garbage)) as url:
        site.edit(site.url, url)
        findings = examine(site)
    assert findings["node"].verdict is Verdict.CANNOT_TELL
    assert code(findings) == 20


def test_a_node_of_another_chain_is_found_and_nothing_read_from_it(site: Site) -> None:
    with other_chain(5) as url:
        site.edit(site.url, url)
        findings = examine(site)
    assert findings["chain"].exit_code is ExitCode.CHAIN_GUARD
    assert "is on chain 5" in findings["chain"].text
    assert "not checked" in findings["registry"].text
    assert code(findings) == 32


@pytest.fixture
def lying(site: Site) -> Iterator[dict[str, Any]]:
    """Answers that stand in for the node's own; keys are methods."""
    lies: dict[str, Any] = {}

    def respond(handler: Any, body: bytes) -> None:
        message = json.loads(body)
        lie = lies.get(message["method"])
        if callable(lie):
            lie = lie(*message["params"])
        if lie is None:
            result: Any = ask(real, message["method"], *message["params"])
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        elif isinstance(lie, int):
            answer = {"jsonrpc": "2.0", "id": message["id"]}
            answer["error"] = {"code": lie, "message": "no"}
        else:
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": lie}
        send(handler, 200, json.dumps(answer).encode())

    real = site.url
    with serve(respond) as url:
        site.edit(real, url)
        yield lies


def test_a_node_that_lies_about_its_chain_is_found(site: Site, lying: dict[str, Any]) -> None:
    assert code(examine(site)) == 0
    lying["eth_chainId"] = "0x1"
    assert examine(site)["chain"].exit_code is ExitCode.CHAIN_GUARD
    del lying["eth_chainId"]
    block = ask(site.url, "eth_getBlockByNumber", "0x0", False) | {"hash": "0x" + "11" * 32}
    lying["eth_getBlockByNumber"] = lambda number, _: block if number == "0x0" else None
    assert "another genesis" in examine(site)["chain"].text


def test_a_node_without_finality_is_found(site: Site, lying: dict[str, Any]) -> None:
    lying["eth_getBlockByNumber"] = lambda number, _: -39001 if number == "finalized" else None
    findings = examine(site)
    assert findings["finality"].verdict is Verdict.CANNOT_TELL
    assert "`finality`" in (findings["finality"].hint or "")
    assert code(findings) == 20


def test_a_node_that_fails_half_way_spoils_only_what_it_was_asked(
    site: Site, lying: dict[str, Any]
) -> None:
    lying["eth_getBalance"] = -32000
    findings = examine(site)
    assert findings["funds"].verdict is Verdict.CANNOT_TELL
    assert passing(findings) == {check.name for check in CHECKS} - {"funds"}


def test_the_clock_is_only_a_note(site: Site) -> None:
    finding = examine(site, wall_time=time.time() + 10_000)["clock"]
    assert finding.verdict is Verdict.PASS
    assert "this machine's clock" in (finding.hint or "")
    finding = examine(site, wall_time=0)["clock"]
    assert finding.verdict is Verdict.PASS, "one node's word"
    assert "before the newest" in finding.text
    assert "behind the chain's time" in (finding.hint or "")
    assert examine(site)["clock"].hint is None


def test_other_code_at_the_registry_is_shown_with_all_three_hashes(own_site: Site) -> None:
    code_there = ask(own_site.url, "eth_getCode", REGISTRY, "latest")
    ask(own_site.url, "anvil_setCode", REGISTRY, code_there[:-2] + "ff")
    ours = "0x" + expected_code_hash(ChainId(31337)).hex()
    expect(own_site, "registry", 32, "on chain 0x", f"of this release {ours}", f"pinned {ours}")
    ask(own_site.url, "anvil_setCode", REGISTRY, code_there)
    ask(own_site.url, "anvil_setCode", PROXY, "0x")
    assert code(examine(own_site)) == 0
    ask(own_site.url, "anvil_setCode", REGISTRY, "0x")
    expect(own_site, "registry", 32, "there is no registry")


def test_a_pinned_hash_that_is_not_this_releases_is_shown_with_all_three(own_site: Site) -> None:
    ours = "0x" + expected_code_hash(ChainId(31337)).hex()
    other = "0x" + "11" * 32
    own_site.edit(ours, other)
    findings = examine(own_site)
    assert findings["store"].exit_code is ExitCode.CHAIN_GUARD
    finding = findings["registry"]
    assert finding.exit_code is ExitCode.CHAIN_GUARD
    for text in (f"on chain {ours}", f"of this release {ours}", f"pinned {other}"):
        assert text in finding.text


def test_code_that_is_pinned_but_not_this_releases_is_found(own_site: Site) -> None:
    ours = "0x" + expected_code_hash(ChainId(31337)).hex()
    ask(own_site.url, "anvil_setCode", REGISTRY, "0x6000")
    theirs = "0x" + hash_keccak256(b"\x60\x00").hex()
    own_site.edit(ours, theirs)
    finding = examine(own_site)["registry"]
    assert finding.exit_code is ExitCode.CHAIN_GUARD
    for text in (f"on chain {theirs}", f"of this release {ours}", f"pinned {theirs}"):
        assert text in finding.text


def test_a_record_that_was_changed_or_reorganised_away_is_found(own_site: Site) -> None:
    path = own_site.folder / "deployments" / "31337" / "AnchorRegistry.json"
    good = json.loads(path.read_text())
    path.write_text(json.dumps(good | {"code_hash": "0x" + "11" * 32}))
    expect(own_site, "record", 32, "code_hash")
    path.write_text("[]")
    expect(own_site, "record", 2, "not a deployment record")
    transaction = good["transaction"] | {"block_hash": "0x" + "11" * 32}
    path.write_text(json.dumps(good | {"transaction": transaction}))
    expect(own_site, "record", 32, "not on chain as the record states")
    transaction = good["transaction"] | {"hash": "0x" + "11" * 32}
    path.write_text(json.dumps(good | {"transaction": transaction}))
    assert "does not know its transaction" in examine(own_site)["record"].text
    path.unlink()
    finding = examine(own_site)["record"]
    assert (finding.verdict, finding.text) == (Verdict.PASS, "none yet")


def test_what_a_node_does_not_offer_is_said_and_is_no_failure(site: Site) -> None:
    finding = examine(site)["methods"]
    offered = "blocks by their hash, priority fee suggestions, state proofs"
    assert (finding.text, finding.hint) == (offered, None)

    def refuse(params: list[Any], right: Any) -> Any:
        raise Refused(-32601, "Method not found")

    def take_strings(params: list[Any], right: Any) -> Any:
        if isinstance(params[-1], dict):
            raise Refused(-32602, "invalid argument 1: argument must be a string")
        return right

    with bent_node(site.url) as node:
        node.bend |= dict.fromkeys(("eth_maxPriorityFeePerGas", "eth_getProof"), refuse)
        node.bend["eth_getCode"] = take_strings
        site.edit(f'rpc = "{site.url}"', f'rpc = "{node.url}"')
        finding = examine(site)["methods"]
    assert finding.verdict is Verdict.PASS
    assert finding.text.startswith("blocks by their number, whose hash is checked")
    assert "priority fees derived from what others paid" in finding.text
    assert "receipts are issued without state proofs" in (finding.hint or "")


def test_a_store_older_than_the_chain_and_a_closed_log_are_found(own_site: Site) -> None:
    own_site.add("a", b"a")
    own_site.anchor()
    kept = own_site.folder.parent / "kept.db"
    shutil.copy(own_site.folder / "anchor.db", kept)
    own_site.add("b", b"b")
    own_site.anchor()
    for side in ("-wal", "-shm"):
        (own_site.folder / f"anchor.db{side}").unlink(missing_ok=True)
    newest = own_site.folder.parent / "newest.db"
    shutil.copy(own_site.folder / "anchor.db", newest)
    shutil.copy(kept, own_site.folder / "anchor.db")
    expect(own_site, "log", 32, "older than the chain", "rebuild the store with `anchor restore`")
    shutil.copy(newest, own_site.folder / "anchor.db")
    assert "on chain 2 leaves, sealed 2 leaves" in examine(own_site)["log"].text
    log = load_config(own_site.folder / "anchor.toml").log
    slot = "0x" + head_slot(log).hex()
    ask(own_site.url, "anvil_setStorageAt", REGISTRY, slot, "0x" + CLOSED_HEAD.hex())
    expect(own_site, "log", 32, "was closed")


def test_an_operators_key_is_named_as_one(own_site: Site) -> None:
    key = Address(bytes.fromhex(Account.from_key(STRANGER).address[2:]))
    own_site.authorise(key, 7)
    assert examine(own_site)["authority"].text == "the log's owner"
    write_keystore(own_site.folder / "operator.json", STRANGER, "pw", iterations=1)
    own_site.edit('keystore = "devnet-key.json"', 'keystore = "operator.json"')
    assert examine(own_site)["authority"].text == "the log's operator 7"


def test_the_severest_code_is_what_could_do_most_harm() -> None:
    def finding(exit_code: ExitCode) -> Finding:
        return Finding(check="x", verdict=Verdict.FAIL, text="", hint=None, exit_code=exit_code)

    order = [0, 21, 20, 30, 31, 12, 22, 2, 32]
    for lower, higher in itertools.pairwise(order):
        pair = [finding(ExitCode(higher)), finding(ExitCode(lower))]
        assert exit_code_of(pair) == higher
    assert exit_code_of([]) is ExitCode.DONE


# Disks


@pytest.fixture
def roomy(tmp_path: Path, anvil: Devnet) -> Iterator[Site]:
    """A project on a disk of its own, with room enough at first."""
    with small_disk(tmp_path / "disk", kib=100 << 10) as disk:
        yield make_site(disk / "project", anvil, number=8_160)


def leave(folder: Path, mebibytes: int) -> None:
    """Leave so much room on a folder's disk."""
    with (folder / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - (mebibytes << 20))


def remount(folder: Path, mode: str) -> None:
    mount("-o", f"remount,{mode}", folder)


def test_a_disk_with_less_room_than_anchoring_needs_is_found(roomy: Site) -> None:
    examined = examine(roomy)
    assert "disks" in passing(examined), examined
    leave(roomy.folder, 29)
    expect(roomy, "disks", 33, "less than the 64", "free some space")
    (roomy.folder / "filler").unlink()
    leave(roomy.folder, 0)
    assert roomy.run("doctor").code == 33


def test_a_store_on_a_disk_that_became_read_only_is_found(roomy: Site) -> None:
    remount(roomy.folder.parent, "ro")
    try:
        assert roomy.run("doctor").code == 33
    finally:
        remount(roomy.folder.parent, "rw")
    assert "disks" in passing(examine(roomy))


@pytest.mark.parametrize("name", ["tiles", "published", "receipts"])
def test_a_folder_on_a_disk_that_is_full_or_read_only_is_found(
    new_site: MakeSite, anvil: Devnet, name: str
) -> None:
    site = new_site(anvil)
    with (site.folder / "anchor.toml").open("a") as file:
        file.write('\n[publish]\ntarget = "published"\n')
    folder = site.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    with small_disk(folder, kib=70 << 10):
        assert "disks" in passing(examine(site))
        leave(folder, 1)
        expect(site, "disks", 33, name, "less than the 64")
        (folder / "filler").unlink()
        remount(folder, "ro")
        expect(site, "disks", 33, f"nothing can be written in {folder}", "Read-only")
        remount(folder, "rw")
        assert "disks" in passing(examine(site))
