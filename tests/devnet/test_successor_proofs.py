"""Receipts of a real node's proofs say which log goes on, and each part is verified once."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import fixtures
from support.nodes import ask
from support.projects import Site, make_site, reading

import anchor.chain.anchor_proof as module
from anchor.base.digests import digest_bytes
from anchor.base.types import Hash32, LogId, log_owner, make_log_id
from anchor.chain.devnet import DEV_ADDRESS, Devnet
from anchor.ethereum.header import parse_header
from anchor.operate.settled_receipts import SettledReceipts
from anchor.operate.state_proofs import StateProofs
from anchor.project.project import trust_entry
from anchor.receipt.format import Receipt, encode_receipt, parse_receipt
from anchor.registry.calldata import encode_succeed_call
from anchor.verification.policy import TrustPolicy
from anchor.verification.report import Report
from anchor.verification.verifier import judge

anvil_path = fixtures.anvil_path
module_anvil = fixtures.module_anvil

_numbers = itertools.count(9_000)
FILES = ("a", "b", "c")


@pytest.fixture
def site(tmp_path: Path, module_anvil: Devnet) -> Site:
    """A project with three final anchors, of one, two and three leaves."""
    site = make_site(tmp_path / "project", module_anvil, number=next(_numbers))
    for name in FILES:
        site.add(name, name.encode())
        site.anchor()
    ask(site.url, "anvil_mine", "0x10")
    site.run("prove", *FILES).expect(0, "anchored (final), with its state proof")
    return site


def receipt_of(site: Site, name: str) -> Receipt:
    return parse_receipt((site.folder / f"{name}.anchor.json").read_bytes())


def renewed(site: Site, receipt: Receipt) -> Receipt:
    """Give the receipt a state proof of the newest final block."""
    bare = replace(receipt, anchors=(replace(receipt.anchors[0], state=None),))
    said: list[str] = []
    with site.open() as project, reading(site.url) as node:
        complete = StateProofs(project.config, node, said.append).complete(bare)
    assert said == []
    return complete


def succeed(site: Site, from_root: Hash32) -> LogId:
    """Close the project's log from that root, as its owner."""
    with site.open() as project:
        config = project.config
    new = make_log_id(log_owner(config.log), 10**6 + site.number)
    call = {
        "from": "0x" + DEV_ADDRESS.hex(),
        "to": "0x" + config.registry.hex(),
        "data": "0x" + encode_succeed_call(config.log, from_root, new).hex(),
    }
    ask(site.url, "eth_sendTransaction", call)
    ask(site.url, "anvil_mine", "0x10")
    return new


def offline(site: Site, receipt: Receipt, name: str) -> Report:
    state = receipt.anchors[0].state
    assert state is not None
    with site.open() as project:
        policy = TrustPolicy(entries=(trust_entry(project.config),))
    return judge(
        encode_receipt(receipt),
        digest_bytes(name.encode(), ("sha256", "sm3")),
        policy=policy,
        connect=None,
        block_hashes={parse_header(state.header).hash},
    )


def test_new_receipts_prove_that_no_log_goes_on(site: Site) -> None:
    for name in FILES:
        report = offline(site, receipt_of(site, name), name)
        assert report.exit_code == 0
        assert "; not abandoned as of block" in report.steps[8].detail


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_receipts_written_after_a_closing_prove_from_where_the_successor_goes_on(
    site: Site, taken: int
) -> None:
    old = [receipt_of(site, name) for name in FILES]
    succeed(site, old[taken].anchors[0].head.root)
    for place, name in enumerate(FILES):
        assert offline(site, old[place], name).exit_code == 0, "proven before it was closed"
        report = offline(site, renewed(site, old[place]), name)
        assert report.exit_code == (13 if place > taken else 0), name
    # Whoever asks nodes knows it with the old receipts, too.
    ran = site.run("verify", "c", "--json")
    assert ran.code == (0 if taken == 2 else 13)


def test_final_receipts_are_left_while_their_proofs_say_the_same(
    site: Site, tmp_path: Path
) -> None:
    def prove() -> tuple[set[str], int]:
        ask(site.url, "anvil_mine", "0x10")
        shown = site.run("prove", "--all", "--output", tmp_path, "--json").expect(0).document
        return {Path(each["receipt"]).name[0] for each in shown["written"]}, shown["left"]

    def read() -> dict[str, bytes]:
        return {name: (tmp_path / f"{name}.anchor.json").read_bytes() for name in FILES}

    assert prove() == (set(FILES), 0)
    before = read()
    assert prove() == (set(), len(FILES))
    assert read() == before
    first, second = (json.loads(before[name]) for name in FILES[:2])
    # A proof of another block's state, and one of another anchor, are replaced.
    forged = {
        "header": second["anchors"][0]["state"]["header"][:-2] + "00",
        "storage_proof": second["anchors"][0]["state"]["storage_proof"],
    }
    for member, value in forged.items():
        state = {**first["anchors"][0]["state"], member: value}
        bent = {**first, "anchors": [{**first["anchors"][0], "state": state}]}
        (tmp_path / f"{FILES[0]}.anchor.json").write_text(json.dumps(bent))
        assert prove() == ({FILES[0]}, len(FILES) - 1), member
        assert offline(site, parse_receipt(read()[FILES[0]]), FILES[0]).exit_code == 0


def test_a_receipt_is_not_settled_once_the_log_has_a_successor(site: Site) -> None:
    def is_settled() -> bool:
        new = renewed(site, old)
        with site.open() as project, reading(site.url) as node:
            return SettledReceipts(project.config, node).is_settled(old, new)

    old = receipt_of(site, "b")
    assert is_settled()
    succeed(site, old.anchors[0].head.root)
    assert not is_settled()


def test_each_part_of_a_fetched_proof_is_verified_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: Counter[str] = Counter()
    for name in ("check_account", "check_anchor", "find_successor", "check_takeover"):
        plain = getattr(module, name)

        def counted(*given: Any, plain: Any = plain, name: str = name, **more: Any) -> Any:
            counts[name] += 1
            return plain(*given, **more)

        monkeypatch.setattr(module, name, counted)
    receipt = receipt_of(site, "b")
    renewed(site, receipt)
    assert counts == {"check_account": 1, "check_anchor": 1, "find_successor": 1}
    counts.clear()
    succeed(site, receipt.anchors[0].head.root)
    renewed(site, receipt)
    assert counts == {
        "check_account": 1,
        "check_anchor": 1,
        "find_successor": 1,
        "check_takeover": 1,
    }
