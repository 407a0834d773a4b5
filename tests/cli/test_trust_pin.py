"""`anchor trust pin`: a policy from a registry that the verifier checked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from support.bent_nodes import bent_node
from support.command import Ran, run_anchor
from support.in_process import run_in_process
from support.nodes import ask, other_chain
from support.projects import Site, make_site

from anchor.base.types import Hash32
from anchor.chain.devnet import DEV_ADDRESS, Devnet
from anchor.ethereum.keccak import format_address
from anchor.registry.artifact import registry_address
from anchor.verification.policy import TrustPolicy, parse_policy

OWNER = format_address(DEV_ADDRESS)


@pytest.fixture(scope="module")
def stamped(module_anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = make_site(tmp_path_factory.mktemp("pin") / "project", module_anvil, number=0)
    site.write("deed.txt", b"one field, two cows")
    site.run("stamp", "deed.txt").expect(0)
    return site


def pin(folder: Path, *arguments: str) -> Ran:
    return run_anchor("trust", "pin", "--owner", OWNER, *arguments, cwd=folder)


def test_a_pinned_registry_is_what_verify_takes(stamped: Site, tmp_path: Path) -> None:
    ran = pin(tmp_path, "--rpc", stamped.url, "--json").expect(0)
    assert ran.document["registry"] == format_address(registry_address())
    written = parse_policy((tmp_path / "trust.toml").read_bytes())
    theirs = parse_policy((stamped.folder / "trust.toml").read_bytes())
    (entry,), (expected,) = written.entries, theirs.entries
    assert entry == dataclasses.replace(
        expected, rpc=(stamped.url,), time_slack=12, finality="finalized"
    )
    policy = str(tmp_path / "trust.toml")
    stamped.run("verify", "deed.txt", "--trust", policy).expect(0)
    said = " ".join(pin(tmp_path, "--rpc", stamped.url, "-o", "again.toml").expect(0).err.split())
    assert "who holds the owner's key" in said
    assert "One node alone is believed" in said
    assert "anchor verify FILE --trust again.toml" in said
    assert ran.document["logs_without_anchor"] == []


def test_an_owner_without_a_log_is_pinned_with_a_warning(stamped: Site, tmp_path: Path) -> None:
    options = ("--rpc", stamped.url, "--log", "0", "--log", "7", "--json")
    ran = pin(tmp_path, *options).expect(0)
    assert ran.document["logs_without_anchor"] == [7]
    assert f"log 7 of {OWNER} holds no anchor" in " ".join(ran.err.split())


def test_all_that_is_asked_for_is_pinned(stamped: Site, tmp_path: Path) -> None:
    ask(stamped.url, "anvil_mine", "0x10")
    with bent_node(stamped.url) as one, bent_node(stamped.url) as other:
        options = ["--rpc", one.url, "--rpc", other.url, "--log", "0", "--log", "7"]
        options += ["--finality", "12", "--time-slack", "30", "--assurance", "proof"]
        options += ["--block-hash", "0x" + "ab" * 32, "--output", "mine.toml"]
        pin(tmp_path, *options).expect(0)
        (entry,) = parse_policy((tmp_path / "mine.toml").read_bytes()).entries
    assert (entry.logs, entry.finality, entry.time_slack) == ((0, 7), 12, 30)
    assert (entry.rpc, entry.quorum) == ((one.url, other.url), 2)
    assert (entry.assurance, entry.block_hashes) == ("proof", (Hash32(b"\xab" * 32),))


def test_two_nodes_that_disagree_pin_nothing(stamped: Site, tmp_path: Path) -> None:
    with bent_node(stamped.url) as honest, bent_node(stamped.url) as liar:
        liar.bend["eth_getCode"] = lambda *_: "0x60"
        pin(tmp_path, "--rpc", honest.url, "--rpc", liar.url).expect(20)
        with other_chain(1) as other:
            pin(tmp_path, "--rpc", honest.url, "--rpc", other).expect(20)
    assert list(tmp_path.iterdir()) == []


def test_another_chain_with_the_id_of_a_listed_one_is_refused(tmp_path: Path) -> None:
    with other_chain(1) as other:
        pin(tmp_path, "--rpc", other).refused(32, "not that of Ethereum", "another chain")
    assert list(tmp_path.iterdir()) == []


def test_other_code_is_not_pinned_unless_it_is_expected(stamped: Site, tmp_path: Path) -> None:
    refused = pin(tmp_path, "--rpc", stamped.url, "--registry", "0x" + "0b" * 20)
    assert "--code-hash" in refused.expect(12).err
    other = "0x" + "0b" * 19 + "0c"
    ask(stamped.url, "anvil_setCode", other, "0x00")
    ask(stamped.url, "anvil_mine", "0x10")
    of_zero = "0xbc36789e7a1e281436464229828f817d6612f7b477d66591ff96a9e064bcc98a"
    options = ("--rpc", stamped.url, "--registry", other)
    pin(tmp_path, *options).expect(12)
    pin(tmp_path, *options, "--code-hash", "0x" + "ab" * 32).expect(12)
    assert list(tmp_path.iterdir()) == []
    ran = pin(tmp_path, *options, "--code-hash", of_zero).expect(0)
    assert "check the transaction that deployed it" in ran.err


def test_a_policy_that_is_there_is_not_written_over(stamped: Site, tmp_path: Path) -> None:
    (tmp_path / "trust.toml").write_text("mine")
    assert "already exists" in pin(tmp_path, "--rpc", stamped.url).expect(2).err
    assert (tmp_path / "trust.toml").read_text() == "mine"


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--rpc", "ftp://x"),
        ("--rpc", "http://127.0.0.1:1", "--assurance", "light"),
        ("--rpc", "http://127.0.0.1:1", "--finality", "safe"),
        ("--rpc", "http://127.0.0.1:1", "--finality", "100001"),
        ("--rpc", "http://127.0.0.1:1", "--code-hash", "0x12"),
        ("--rpc", "http://127.0.0.1:1", "--block-hash", "latest"),
        ("--rpc", "http://127.0.0.1:1", "--registry", "0x12"),
        ("--rpc", "http://127.0.0.1:1", "--log", "-1"),
    ],
)
def test_a_wrong_option_is_bad_usage(options: tuple[str, ...], tmp_path: Path) -> None:
    words = ("trust", "pin", "--owner", OWNER, *options)
    run_in_process(*words, cwd=tmp_path).expect(2)
    assert list(tmp_path.iterdir()) == []


def test_a_url_that_may_hold_a_secret_is_not_written(stamped: Site, tmp_path: Path) -> None:
    with bent_node(stamped.url) as node:
        ran = pin(tmp_path, "--rpc", f"{node.url}/v3/secret").expect(0)
    text = (tmp_path / "trust.toml").read_text()
    assert "secret" not in text + ran.out + ran.err
    assert isinstance(parse_policy(text.encode()), TrustPolicy)
