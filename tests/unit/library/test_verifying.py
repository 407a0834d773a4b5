"""Verifying through the library: the rules of the command, as values and exceptions."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from support.world import INDEX, MAIN, World, honest

import anchor
from anchor.base.types import Hash32
from anchor.ethereum.header import parse_header

NODE = "https://node.example/"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def proven(world: World) -> anchor.Receipt:
    """A receipt with a state proof."""
    return world.receipt(INDEX, world.prove(world.anchor(INDEX, 9)))


def block_of(receipt: anchor.Receipt) -> Hash32:
    state = receipt.anchors[0].state
    assert state is not None
    return parse_header(state.header).hash


def test_a_file_verifies_without_a_node_by_the_hash_of_a_block(
    world: World, proven: anchor.Receipt, tmp_path: Path
):
    file = tmp_path / "evidence"
    file.write_bytes(world.files[INDEX])
    offline: dict[str, Any] = {"policy": world.policy(), "offline": True}
    offline["block_hashes"] = [block_of(proven)]
    for evidence in (file, io.BytesIO(world.files[INDEX]), anchor.digest_file(file)):
        report = anchor.verify(evidence, proven, **offline)
        assert (report.error, report.assurance) == (None, "asserted")
        assert report.existed_by == report.proven[0].existed_by
    file.write_bytes(b"changed")
    with pytest.raises(anchor.MismatchError) as caught:
        anchor.verify(file, proven, **offline)
    assert caught.value.actual == anchor.digest_file(file).sha256
    assert caught.value.expected == world.evidence(INDEX).sha256
    judged = anchor.judge(file, proven, **offline)
    assert isinstance(judged.error, anchor.MismatchError)
    assert judged.claims[0].verdict is anchor.Verdict.FAIL


def test_without_a_node_and_a_block_nothing_is_proven(world: World, proven: anchor.Receipt):
    with pytest.raises(anchor.CannotCheckError, match="nobody vouches for"):
        anchor.verify(world.evidence(INDEX), proven, policy=world.policy(), offline=True)
    report = anchor.judge(world.evidence(INDEX), proven, policy=world.policy(), offline=True)
    assert (report.existed_by, report.assurance) == (None, None)


def test_without_a_policy_nothing_is_verified_unless_that_is_accepted(
    world: World, proven: anchor.Receipt
):
    given: dict[str, Any] = {"policy": None, "offline": True, "chain_ids": [MAIN]}
    given["block_hashes"] = [block_of(proven)]
    with pytest.raises(anchor.CannotCheckError, match="no trust policy"):
        anchor.verify(world.evidence(INDEX), proven, **given)
    report = anchor.verify(world.evidence(INDEX), proven, accept_unpinned=True, **given)
    assert report.unpinned


@pytest.mark.parametrize("spelling", ["https://NODE.example", "https://node.example:443/"])
def test_one_node_under_two_spellings_does_not_count_as_two(world: World, spelling: str):
    with pytest.raises(anchor.UsageError, match="names one node twice"):
        anchor.verify(
            world.evidence(INDEX), honest(world), policy=world.policy(), rpc=[NODE, spelling]
        )


def test_a_policy_made_in_python_is_held_to_the_same_rule_of_nodes(world: World):
    from dataclasses import replace

    twice = replace(world.entry(), rpc=(NODE, "https://node.example:443"), quorum=2)
    with pytest.raises(anchor.CannotCheckError, match="is named twice"):
        anchor.verify(world.evidence(INDEX), honest(world), policy=world.policy(twice))


def test_asking_nodes_and_asking_none_exclude_each_other(world: World):
    with pytest.raises(anchor.UsageError, match="an offline verification"):
        anchor.Verifier(policy=world.policy(), rpc=[NODE], offline=True)
    with pytest.raises(anchor.UsageError, match="of which 2 would have to agree"):
        anchor.Verifier(policy=world.policy(), rpc=[NODE], quorum=2)


@pytest.mark.parametrize("quorum", [0, -1])
@pytest.mark.parametrize("given", [{}, {"rpc": [NODE]}, {"offline": True}])
def test_a_quorum_of_no_node_is_refused(world: World, given: dict[str, Any], quorum: int):
    with pytest.raises(anchor.UsageError, match="quorum"):
        anchor.Verifier(policy=world.policy(), quorum=quorum, **given)


class Failing(io.RawIOBase):
    """A stream whose disk fails."""

    def readinto(self, _: object) -> int:
        raise OSError(5, "Input/output error")


def test_a_stream_that_cannot_be_read_whole_is_refused(world: World):
    closed, read = io.BytesIO(b"a"), io.BytesIO(world.files[INDEX])
    closed.close()
    read.read(1)
    judge: Any = anchor.judge
    for stream, why in (
        (closed, "cannot be read as bytes: .*closed"),
        (Failing(), "cannot be read as bytes: .*Input/output error"),
        (io.StringIO("a"), "opened in binary"),
        (Texts(), "cannot be read as bytes"),
        (read, "is not at its beginning"),
        ("file.pdf", "must be a Path"),
        (b"file", "must be a Path"),
    ):
        with pytest.raises(anchor.UsageError, match=why):
            judge(stream, honest(world), policy=world.policy())


class Texts:
    """A stream that gives text, and does not say so."""

    def read(self, _: int) -> str:
        return "text"


def test_what_is_no_receipt_or_policy_is_refused(world: World):
    judge: Any = anchor.judge
    receipt, policy = honest(world), world.policy()
    for wrong in (receipt.encode(), "a.anchor.json", Path("a.anchor.json"), None):
        with pytest.raises(anchor.UsageError, match="the receipt must be a Receipt"):
            judge(world.evidence(INDEX), wrong, policy=policy)
    for wrong in ("trust.toml", Path("trust.toml"), world.entry(), ()):
        with pytest.raises(anchor.UsageError, match="the policy must be a TrustPolicy"):
            judge(world.evidence(INDEX), receipt, policy=wrong)


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("block_hashes", bytes(32)),
        ("block_hashes", "0x" + "00" * 32),
        ("block_hashes", ["0x" + "00" * 32]),
        ("block_hashes", [bytes(31)]),
        ("chain_ids", [b"1"]),
        ("chain_ids", ["1"]),
        ("chain_ids", b"1"),
        ("chain_ids", 1),
        ("rpc", NODE),
        ("rpc", [b"https://node.example"]),
        ("rpc", None),
    ],
)
def test_an_option_of_another_type_is_refused(world: World, option: str, wrong: Any):
    options: dict[str, Any] = {option: wrong}
    with pytest.raises(anchor.UsageError, match=f"{option} must be"):
        anchor.Verifier(policy=world.policy(), **options)


def test_a_file_that_is_missing_is_named(world: World, tmp_path: Path):
    with pytest.raises(anchor.UsageError) as caught:
        anchor.judge(tmp_path / "none", honest(world), policy=world.policy())
    assert caught.value.path == tmp_path / "none"


def test_receipts_and_policies_are_read_from_files_and_written(world: World, tmp_path: Path):
    receipt, path = honest(world), tmp_path / "a.anchor.json"
    assert receipt.save(path) == receipt == anchor.Receipt.load(path)
    assert path.read_bytes() == receipt.encode()
    assert world.receipt(INDEX).save(path) == receipt  # a promise does not take its place
    path.write_bytes(b"{}")
    with pytest.raises(anchor.UsageError, match="is not a receipt of this log"):
        receipt.save(path)
    with pytest.raises(anchor.MalformedError):
        anchor.Receipt.load(path)
    with pytest.raises(anchor.UsageError) as caught:
        anchor.Receipt.load(tmp_path / "none")
    assert caught.value.path == tmp_path / "none"
    policy = tmp_path / "trust.toml"
    policy.write_bytes(b"format = 1")
    with pytest.raises(anchor.UnknownVersionError, match=str(policy)):
        anchor.TrustPolicy.load(policy)
    policy.chmod(0o666)
    with pytest.raises(anchor.NotTrustedError, match="can be written by everybody"):
        anchor.TrustPolicy.load(policy)


def test_nodes_that_cannot_be_asked_without_an_extra_are_said_to_need_it(
    world: World, proven: anchor.Receipt, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delitem(sys.modules, "anchor.chain.json_rpc", raising=False)
    monkeypatch.setitem(sys.modules, "requests", None)
    given: dict[str, Any] = {"policy": world.policy(), "rpc": [NODE]}
    for call in (anchor.verify, anchor.judge):
        with pytest.raises(ImportError, match=r"asking nodes needs .*requests: pip install .*rpc"):
            call(world.evidence(INDEX), proven, **given)
    offline: dict[str, Any] = {"policy": world.policy(), "offline": True}
    offline["block_hashes"] = [block_of(proven)]
    assert anchor.verify(world.evidence(INDEX), proven, **offline).error is None
