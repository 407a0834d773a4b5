"""One log anchored on two chains: a receipt carries both anchors, and each holds by itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support import fixtures
from support.bent_nodes import anvil_with
from support.projects import Site, make_site, reading

from anchor.base.system.clock import SystemClock
from anchor.chain.call_simulation import Intent
from anchor.chain.devnet import DEV_ADDRESS, Devnet, open_devnet
from anchor.chain.registry_reader import RegistryReader
from anchor.cli.context import open_signer
from anchor.operate.anchoring import make_manager
from anchor.operate.deployment import deploy
from anchor.operate.state_proofs import StateProofs
from anchor.project.config import Config, SignerConfig, load_config
from anchor.project.creation import plan_project
from anchor.project.files import sidecar_path
from anchor.project.project import create_project, trust_entry
from anchor.receipt.format import Receipt, ReceiptAnchor, encode_receipt, parse_receipt
from anchor.registry.calldata import encode_anchor_call
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import TrustEntry

SECOND = 4242
_numbers = itertools.count(7_000)

anvil = fixtures.module_anvil


@dataclass
class Pair:
    """A project on one chain, and what its verifiers know of both."""

    site: Site
    file: Path
    entries: dict[str, TrustEntry]

    def trust(self, *names: str) -> Path:
        """Write a policy of these chains."""
        path = self.site.folder / f"{'-'.join(names)}.toml"
        path.write_bytes(encode_policy([self.entries[name] for name in names]))
        return path

    def receipt(self) -> Receipt:
        return parse_receipt(sidecar_path(self.file).read_bytes())

    def edit(self, **changes: int) -> None:
        """Change the second anchor's statement."""
        receipt = self.receipt()
        first, second = receipt.anchors
        changed = replace(receipt, anchors=(first, replace(second, **changes)))
        sidecar_path(self.file).write_bytes(encode_receipt(changed))


def plan_second(site: Site, url: str) -> Config:
    """Plan a project for the same log, with the same key, on the chain behind ``url``."""
    first = load_config(site.folder / "anchor.toml")
    signer = SignerConfig(
        keystore=first.signer.keystore, ape_account=None, password_file=first.signer.password_file
    )
    with reading(url) as node:
        planned = plan_project(
            site.folder.parent / "second", node, url=url, signer=signer, owner=DEV_ADDRESS,
            number=site.number, finality=0, wait="included",
        )  # fmt: skip
    # Of a chain that the release does not list, it has no rule.
    return replace(planned, time_slack=12)


def anchor_there(config: Config, receipt: Receipt) -> Receipt:
    """Anchor the receipt's head on the second chain, too, and write that into the receipt."""
    config.folder.mkdir()
    project = create_project(config)
    (first,) = receipt.anchors
    try:
        with reading(config.rpc) as node, project.database.hold_lease():
            signer = open_signer(config)
            deploy(project, node, lambda: signer, SystemClock(), lambda _: None)
            call = encode_anchor_call(config.log, first.head, [])
            manager = make_manager(project, node, signer, SystemClock(), lambda _: None)
            manager.send(Intent(to=config.registry, data=call, head_size=None))
            stored = RegistryReader(config.registry, config.log).anchor(
                node, first.head.root, "latest"
            )
            assert stored is not None
            second = ReceiptAnchor(
                chain_id=config.chain_id, registry=config.registry, head=first.head,
                path=first.path, sequence=stored.sequence, block_number=stored.block_number,
                timestamp=stored.timestamp, hints=None, state=None,
            )  # fmt: skip
            both = replace(receipt, anchors=(first, second))
            return StateProofs(config, node, pytest.fail).complete(both)
    finally:
        project.database.close()


@pytest.fixture(scope="module")
def original(
    tmp_path_factory: pytest.TempPathFactory, anvil: Devnet, anvil_path: Path
) -> Iterator[tuple[Pair, bytes]]:
    """The pair as it is for all tests, and its receipt."""
    folder = tmp_path_factory.mktemp("two")
    site = make_site(folder / "project", anvil, number=next(_numbers))
    for name in ("a.txt", "b.txt"):
        site.add(name, name.encode())
    site.anchor()
    file = site.folder / "a.txt"
    site.run("run", "--once", "--wait", "final").expect(0)
    site.run("prove", file).expect(0)
    with open_devnet(anvil=anvil_with(folder, anvil_path, chain_id=SECOND)) as node:
        config = plan_second(site, node.url)
        receipt = anchor_there(config, parse_receipt(sidecar_path(file).read_bytes()))
        with site.open() as project:
            entries = {"first": trust_entry(project.config), "second": trust_entry(config)}
        yield Pair(site, file, entries), encode_receipt(receipt)


@pytest.fixture
def pair(original: tuple[Pair, bytes]) -> Pair:
    pair, receipt = original
    sidecar_path(pair.file).write_bytes(receipt)
    return replace(pair, entries=dict(pair.entries))


@pytest.mark.fault(
    "K2",
    how="a log is anchored on two real chains, whose registries' code differs by the chain's id",
    then="one receipt carries both anchors with their proofs; each is verified on its own chain",
)
def test_a_receipt_of_two_chains_is_verified_on_both(pair: Pair) -> None:
    assert [anchor.chain_id for anchor in pair.receipt().anchors] == [31337, SECOND]
    assert all(anchor.state is not None for anchor in pair.receipt().anchors)
    first, second = pair.entries.values()
    assert first.registry == second.registry and first.code_hash != second.code_hash
    ran = pair.site.run("verify", pair.file, "--trust", pair.trust("first", "second")).expect(0)
    assert "31337" in ran.out and str(SECOND) in ran.out
    for name in ("first", "second"):
        pair.site.run("verify", pair.file, "--trust", pair.trust(name)).expect(0)


@pytest.mark.fault(
    "K2",
    how="of the two chains of a receipt one is gone",
    then="cannot tell (20) while the policy names it, verified (0) once it names the other alone",
)
@pytest.mark.parametrize(("gone", "left"), [("first", "second"), ("second", "first")])
def test_a_receipt_of_two_chains_outlives_either_of_them(pair: Pair, gone: str, left: str) -> None:
    pair.entries[gone] = replace(pair.entries[gone], rpc=("http://127.0.0.1:1",))
    pair.site.run("verify", pair.file, "--trust", pair.trust("first", "second")).expect(20)
    pair.site.run("verify", pair.file, "--trust", pair.trust(left)).expect(0)


@pytest.mark.fault(
    "K2",
    how="a receipt states the anchor of one of its two chains falsely, or as the other chain's",
    then="mismatch or not trusted under a policy that names both: the true one saves nothing",
)
@pytest.mark.parametrize(
    ("changes", "code"), [({"sequence": 2}, 10), ({"timestamp": 1}, 10), ({"block_number": 1}, 10)]
)
def test_one_true_anchor_does_not_make_up_for_a_false_one(
    pair: Pair, changes: dict[str, int], code: int
) -> None:
    pair.edit(**changes)
    pair.site.run("verify", pair.file, "--trust", pair.trust("first", "second")).expect(code)


def test_the_nodes_of_one_chain_say_nothing_about_the_other(pair: Pair) -> None:
    swapped = {
        "first": replace(pair.entries["first"], rpc=pair.entries["second"].rpc),
        "second": replace(pair.entries["second"], rpc=pair.entries["first"].rpc),
    }
    pair.entries = swapped
    ran = pair.site.run("verify", pair.file, "--trust", pair.trust("first", "second"))
    assert ran.code in (12, 20), ran
