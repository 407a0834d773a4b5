"""Inclusions that a reorganisation gives to another program, and what the journal says of them.

The node is a real anvil, and a block is final after 40 more.  A nonce is settled at finality: until
then what was included may be lost, and what was lost may come back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from eth_account import Account
from support.bent_nodes import BentNode, anvil_with, bent_node
from support.clocks import FastClock
from support.fixtures import MakeSite
from support.nodes import ask, nonce, stop_the_clock
from support.operators import Operator
from support.projects import Site, reading

from anchor.base.errors import ChainGuardError, ForeignUseError, NotFinalError
from anchor.base.system.clock import utc_now
from anchor.chain.devnet import PUBLIC_DEV_KEY, Devnet, open_devnet
from anchor.chain.tx_inclusion import fetch_inclusions
from anchor.project.nodes import open_chain
from anchor.store.tx_journal import StoredJournal

GWEI = 10**9
FINALITY = 40


@pytest.fixture
def slow_anvil(anvil_path: Path, tmp_path: Path) -> Iterator[Devnet]:
    """An anvil whose blocks become final after 40 more."""
    with open_devnet(anvil=anvil_with(tmp_path, anvil_path, slots_in_an_epoch=20)) as node:
        stop_the_clock(node.url)
        yield node


@pytest.fixture
def site(new_site: MakeSite, slow_anvil: Devnet) -> Site:
    made = new_site(slow_anvil)
    made.edit("wait_seconds = 600", "wait_seconds = 60")
    ask(made.url, "anvil_mine", "0x2")
    return made


def foreign(number: int) -> str:
    """Return another program's transaction with our key and that nonce."""
    fields = {
        "type": 2,
        "chainId": 31337,
        "nonce": number,
        "to": "0x" + "42" * 20,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 50 * GWEI,
        "maxPriorityFeePerGas": GWEI,
    }
    signed = Account.from_key(PUBLIC_DEV_KEY).sign_transaction(fields)
    return "0x" + bytes(signed.raw_transaction).hex()


def anchored(site: Site, *names: str) -> list[str]:
    """Anchor each name with a transaction of its own; return all raw ones of anchors."""
    for name in names:
        site.add(name, name.encode())
        site.round()
    return raws(site)


def raws(site: Site) -> list[str]:
    query = "SELECT hex(raw) FROM attempts WHERE head_size IS NOT NULL ORDER BY nonce, max_fee"
    return [f"0x{row[0].lower()}" for row in site.rows(query)]


def reorg(site: Site, depth: int, *transactions: str) -> None:
    ask(site.url, "anvil_reorg", depth, [[raw, 0] for raw in transactions])


def make_final(site: Site) -> None:
    ask(site.url, "anvil_mine", hex(FINALITY + 2))


def ends(site: Site) -> list[tuple[str | None, bool, bool]]:
    """Return each anchoring nonce's outcome, whether it has a cost, and whether it is final."""
    query = (
        "SELECT outcome, gas_used IS NOT NULL, confirmed_at IS NOT NULL FROM slots WHERE EXISTS"
        " (SELECT 1 FROM attempts WHERE attempts.nonce = slots.nonce AND head_size IS NOT NULL)"
        " ORDER BY nonce"
    )
    return [(row[0], bool(row[1]), bool(row[2])) for row in site.rows(query)]


INCLUDED, SETTLED = ("included", True, False), ("included", True, True)
OPEN, FOREIGN = (None, False, False), ("foreign", False, True)


def spent(site: Site) -> int:
    """Return what counts as spent, in wei."""
    with site.open() as project:
        return StoredJournal(project.database, utc_now).sum_costs(project.config.chain_id, 0)


@pytest.mark.fault(
    "D12",
    how="our included transaction's nonce goes to another program, 40 blocks before finality",
    then="its nonce is open again, runs end with 21 and sign nothing; once final: told (32), then "
    "the head is anchored with the next nonce, and the lost one cost nothing",
)
def test_a_lost_inclusion_opens_its_nonce_until_the_loss_is_final(site: Site) -> None:
    signed = anchored(site, "a", "b")
    assert ends(site) == [INCLUDED, INCLUDED]
    lost = nonce(site.url) - 1
    reorg(site, 1, foreign(lost))
    for _ in range(2):
        with pytest.raises(NotFinalError):
            site.round()
        assert ends(site) == [INCLUDED, OPEN]
    site.add("c", b"c")
    with pytest.raises(NotFinalError):
        site.round()
    assert raws(site) == signed, "nothing is signed in its place, for a newer head neither"
    before = spent(site)
    make_final(site)
    with pytest.raises(ForeignUseError, match=f"another program used nonce {lost}"):
        site.round()
    assert ends(site) == [SETTLED, FOREIGN]
    assert spent(site) < before, "what others spent is not ours"
    site.round()
    assert ends(site) == [SETTLED, FOREIGN, INCLUDED]
    assert site.anchors_on_chain() == [(1, 1), (3, 2)]
    assert site.run("audit").code == 0


@pytest.mark.fault(
    "D12",
    how="as above, and another reorganisation brings ours back",
    then="the same transaction is included again, then settled; one anchor, nothing reverted",
)
def test_a_lost_inclusion_that_comes_back_is_the_same_one(site: Site) -> None:
    signed = anchored(site, "a", "b")
    lost = nonce(site.url) - 1
    reorg(site, 1, foreign(lost))
    with pytest.raises(NotFinalError):
        site.round()
    reorg(site, 1, signed[1])
    site.round()
    assert ends(site) == [INCLUDED, INCLUDED]
    anchored(site, "c")
    make_final(site)
    anchored(site, "d")
    assert ends(site) == [SETTLED, SETTLED, SETTLED, INCLUDED]
    assert site.anchors_on_chain() == [(1, 1), (2, 2), (3, 3), (4, 4)]
    statuses = [
        ask(site.url, "eth_getTransactionReceipt", f"0x{row[0]}")["status"]
        for row in site.rows("SELECT hex(tx_hash) FROM attempts")
    ]
    assert {*statuses} == {"0x1"}


@pytest.mark.fault(
    "D12",
    how="the nonce below one that waits goes to another program",
    then="what waits is not sent, for it extends the lost head: 21, told (32) once final, then the "
    "newest head is anchored",
)
def test_what_extends_a_lost_head_waits_for_its_end(site: Site) -> None:
    signed = anchored(site, "a")
    ask(site.url, "evm_setAutomine", False)
    site.add("b", b"b")
    with pytest.raises(NotFinalError):
        site.round()
    ask(site.url, "anvil_dropAllTransactions")
    used = nonce(site.url)
    reorg(site, 1, foreign(used - 1))
    ask(site.url, "evm_setAutomine", True)
    for _ in range(2):
        with pytest.raises(NotFinalError):
            site.round(clock=FastClock())
    assert nonce(site.url) == used, "nothing was sent"
    assert ends(site) == [("lost", False, False), OPEN]
    listed = json.loads(site.run("transactions", "list", "--json").out)["transactions"]
    assert [each["state"] for each in listed] == ["lost", "open"]
    make_final(site)
    with pytest.raises(ForeignUseError):
        site.round()
    assert ends(site) == [FOREIGN, OPEN]
    assert raws(site)[0] == signed[0]
    for _ in range(3):  # what was signed above it reverts first
        try:
            site.round()
        except NotFinalError:
            make_final(site)
    assert site.anchors_on_chain() == [(2, 1)]


def test_further_heads_are_anchored_while_earlier_ones_wait_for_finality(site: Site) -> None:
    signed = anchored(site, *"abcdef")
    assert ends(site) == [INCLUDED] * 6
    assert len(signed) == 6
    assert site.anchors_on_chain() == [(number, number) for number in range(1, 7)]
    # Three at once are undone, and healed with their own bytes.
    reorg(site, 3)
    site.round()
    assert raws(site) == signed
    assert ends(site) == [INCLUDED] * 6
    make_final(site)
    anchored(site, "g")
    assert ends(site) == [SETTLED] * 6 + [INCLUDED]


def test_a_daemon_tells_that_others_used_a_nonce_once_it_is_final(site: Site) -> None:
    anchored(site, "a", "b")
    lost = nonce(site.url) - 1
    reorg(site, 1, foreign(lost))
    operator = Operator(site)
    operator.clock.at = {60.0: lambda: make_final(site)}
    with pytest.raises(ForeignUseError, match=f"another program used nonce {lost}"):
        operator.run(until=400)
    assert "included" not in operator.events()
    assert ends(site) == [INCLUDED, FOREIGN]


def test_a_shared_keys_lost_nonce_is_told_and_the_run_goes_on(site: Site) -> None:
    site.edit("[signer]", "[signer]\nshared = true")
    anchored(site, "a", "b")
    lost = nonce(site.url) - 1
    reorg(site, 1, foreign(lost))
    with pytest.raises(NotFinalError):
        site.round()
    make_final(site)
    told: list[str] = []
    site.round(report=told.append)
    assert any(f"warning: another program used nonce {lost}" in line for line in told)
    assert ends(site) == [SETTLED, FOREIGN, INCLUDED]


def test_what_an_earlier_release_noted_as_included_is_set_right(site: Site) -> None:
    """Its rows stay unconfirmed for ever where others used the nonce."""
    anchored(site, "a", "b")
    lost = nonce(site.url) - 1
    reorg(site, 1, foreign(lost))
    make_final(site)
    assert ends(site) == [INCLUDED, INCLUDED], "the second is not so"
    with pytest.raises(ForeignUseError):
        site.round()
    assert ends(site) == [SETTLED, FOREIGN]


def test_what_nodes_dropped_the_receipts_of_is_settled_by_the_block_or_the_registry(
    site: Site,
) -> None:
    anchored(site, "a")
    make_final(site)
    site.add("b", b"b")
    with bent_node(site.url) as node:
        old = f"0x{site.rows('SELECT hex(tx_hash) FROM attempts ORDER BY nonce DESC')[0][0]}"
        node.bend["eth_getTransactionReceipt"] = lambda params, right: (
            None if params[0] == old.lower() else right
        )
        site.round(url=node.url)
    assert ends(site) == [SETTLED, INCLUDED]


def test_nothing_is_asked_again_of_what_is_settled(site: Site) -> None:
    anchored(site, *"abcd")
    make_final(site)
    anchored(site, "e")
    site.add("f", b"f")
    with bent_node(site.url) as node:
        site.round(url=node.url)
        receipts = node.asked("eth_getTransactionReceipt")
    settled = {
        f"0x{row[0].lower()}"
        for row in site.rows(
            "SELECT hex(tx_hash) FROM attempts JOIN slots USING (chain_id, sender, nonce)"
            " WHERE confirmed_at IS NOT NULL"
        )
    }
    assert len(settled) >= 4
    assert not {params[0] for params in receipts} & settled


# Nodes that lie about it


@pytest.fixture
def trio(site: Site) -> Iterator[list[BentNode]]:
    """Let the project ask three nodes before its anvil, of which two have to agree."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(bent_node(site.url)) for _ in range(3)]
        others = json.dumps([node.url for node in nodes[1:]])
        site.edit(f'rpc = "{site.url}"', f'rpc = "{nodes[0].url}"\nwitnesses = {others}')
        yield nodes


def group_round(site: Site) -> None:
    with site.lead() as project:
        chain = open_chain(project.config, lambda _: None)
    site.round(chain, clock=FastClock())


@pytest.mark.fault(
    "E10",
    how="one of three nodes invents that our transaction was included, where others used its nonce",
    then="what two of three say counts: told (32) once final, then the next nonce",
)
def test_an_invented_inclusion_keeps_no_used_nonce_open(site: Site, trio: list[BentNode]) -> None:
    ask(site.url, "evm_setAutomine", False)
    site.add("a", b"a")
    with pytest.raises(NotFinalError):
        group_round(site)
    ask(site.url, "anvil_dropAllTransactions")
    used = nonce(site.url)
    ask(site.url, "evm_setAutomine", True)
    their = ask(site.url, "eth_sendRawTransaction", foreign(used))
    make_final(site)

    receipt = ask(site.url, "eth_getTransactionReceipt", their)
    del receipt["effectiveGasPrice"]  # of which a receipt without it says nothing that cannot be
    receipt |= {"status": "0x1", "gasUsed": "0x11170"}
    trio[1].bend["eth_getTransactionReceipt"] = lambda params, right: (
        right or receipt | {"transactionHash": params[0]}
    )
    with site.lead() as project, reading(trio[1].url) as liar:
        slot = StoredJournal(project.database, utc_now).open_slot(project.config.chain_id)
        assert slot is not None
        assert fetch_inclusions(liar, slot), "it is a plausible lie"
    with pytest.raises(ForeignUseError, match=f"another program used nonce {used}"):
        group_round(site)
    group_round(site)
    assert site.anchors_on_chain() == [(1, 1)]


@pytest.mark.fault(
    "E10",
    how="one of three nodes names too low a nonce, and another is dead",
    then="no gap is claimed (21), and the bytes are offered",
)
def test_one_liar_beside_a_dead_node_makes_no_gap(site: Site, trio: list[BentNode]) -> None:
    theirs = nonce(site.url)
    ask(site.url, "eth_sendRawTransaction", foreign(theirs))
    make_final(site)
    ask(site.url, "evm_setAutomine", False)
    site.add("a", b"a")
    with pytest.raises(NotFinalError, match="not included within"):
        group_round(site)
    trio[1].bend["eth_getTransactionCount"] = lambda params, right: hex(theirs)
    trio[2].down = True
    before = len(trio[0].asked("eth_sendRawTransaction"))
    with pytest.raises(NotFinalError, match="not included within"):
        group_round(site)
    assert len(trio[0].asked("eth_sendRawTransaction")) > before
    doctor = site.run("doctor")
    assert "the chain expects nonce" not in doctor.out + doctor.err
    # Two that say so are enough.
    trio[2].down = False
    trio[2].bend["eth_getTransactionCount"] = trio[1].bend["eth_getTransactionCount"]
    with pytest.raises(ChainGuardError, match="the chain expects an earlier one"):
        group_round(site)
