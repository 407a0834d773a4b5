"""Who sends, and on what kind of chain: accounts with code, shared keys, chains before EIP-1559."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from support.bent_nodes import BentNode, Refused, bent_node
from support.clocks import FastClock
from support.nodes import DEV, ask, nonce
from support.projects import Site

from anchor.base.errors import AnchorError, ChainGuardError, NotFinalError
from anchor.base.system.clock import SystemClock

GWEI = 10**9
MakeSite = Callable[..., Site]


@pytest.mark.fault(
    "B15",
    how="the sender's account delegates to a contract (EIP-7702), or has other code",
    then="refused (32) before anything is signed; doctor says so, too",
)
@pytest.mark.parametrize(
    ("code", "text"),
    [("0xef0100" + "42" * 20, "a delegation to 0x4242"), ("0x6001", "has code")],
    ids=["delegated", "contract"],
)
def test_an_account_with_code_sends_nothing(own_site: Site, code: str, text: str) -> None:
    before = nonce(own_site.url)
    signed = own_site.rows("SELECT count(*) FROM attempts")
    ask(own_site.url, "anvil_setCode", DEV, code)
    own_site.run("run", "--once").refused(32, text, "others could use its nonces")
    own_site.run("deploy").expect(0, "nothing was sent")
    own_site.run("doctor").expect(32, text)
    assert own_site.rows("SELECT count(*) FROM attempts") == signed
    assert nonce(own_site.url) == before
    ask(own_site.url, "anvil_setCode", DEV, "0x")
    own_site.round()
    assert own_site.anchors_on_chain() == [(1, 1)]


@pytest.mark.fault(
    "B15",
    how="the sender's nonce moved on by transactions that are not in the journal",
    then="told, and anchored once with the next nonce",
)
def test_unexplained_transactions_of_our_key_are_told(own_site: Site) -> None:
    last = nonce(own_site.url) - 1
    ask(own_site.url, "anvil_setNonce", DEV, hex(last + 4))
    ask(own_site.url, "anvil_mine", "0x4")  # until they are final nothing is signed above them
    reports: list[str] = []
    own_site.round(report=reports.append)
    assert any("3 transactions of 0x" in line and f"nonce {last}" in line for line in reports)
    assert own_site.anchors_on_chain() == [(1, 1)]
    reports.clear()
    own_site.add("b.txt", b"b")
    own_site.round(report=reports.append)
    assert not any("did not come from this project" in line for line in reports)


@pytest.mark.parametrize(
    ("old", "new", "member"),
    [
        ("chain_id = 31337", "chain_id = 1", "chain_id"),
        ('genesis = "0x', 'genesis = "0x00', "genesis"),
        ('code_hash = "0x', 'code_hash = "0x00', "code_hash"),
        ('registry = "0x', 'registry = "0x00', "registry"),
        ('owner = "0x', 'owner = "0x00', "log"),
        ("number = ", "number = 9", "log"),
    ],
)
def test_every_pin_is_compared_at_every_start(site: Site, old: str, new: str, member: str) -> None:
    """Chain, genesis, registry, code hash, and the log's id, which holds its owner."""
    path = site.folder / "anchor.toml"
    lines = path.read_text("utf-8").splitlines()
    changed = []
    for line in lines:
        if line.startswith(old):
            value = new + line[len(old) :]
            # A changed value keeps its length.
            line = value[:-3] + '"' if line.endswith('"') else value
        changed.append(line)
    assert changed != lines
    text = "\n".join(changed)
    path.write_text(text.lower() if member in ("registry", "log") else text, "utf-8")
    with pytest.raises(ChainGuardError, match=f"the configuration's {member} is not"), site.open():
        pass


# Chains without EIP-1559


@dataclass
class Legacy:
    """A node of a chain that knows no base fee: the anvil behind takes the transactions."""

    node: BentNode
    gas_price: int = 3 * GWEI
    sent: list[bytes] = field(default_factory=list)


@pytest.fixture
def legacy(own_site: Site) -> Iterator[Legacy]:
    # Its hashes are those of headers with a base fee: that alone would be no reason.
    own_site.edit("max_fee_gwei = 100", "max_fee_gwei = 100\nlegacy_fees = true")
    with bent_node(own_site.url) as node:
        chain = Legacy(node)

        def block(params: list[Any], right: Any) -> Any:
            return right and {name: right[name] for name in right if name != "baseFeePerGas"}

        def no_such_method(params: list[Any], right: Any) -> Any:
            raise Refused(-32601, "the method eth_maxPriorityFeePerGas does not exist")

        def receipt(params: list[Any], right: Any) -> Any:
            return right and {name: right[name] for name in right if name != "effectiveGasPrice"}

        node.bend = {
            "eth_getBlockByNumber": block,
            "eth_getBlockByHash": block,
            "eth_maxPriorityFeePerGas": no_such_method,
            "eth_gasPrice": lambda params, right: hex(chain.gas_price),
            "eth_getTransactionReceipt": receipt,
        }
        yield chain


def raw(site: Site) -> list[bytes]:
    query = "SELECT raw FROM attempts WHERE head_size IS NOT NULL ORDER BY max_fee"
    return [row[0] for row in site.rows(query)]


def test_a_chain_without_base_fees_gets_legacy_transactions(own_site: Site, legacy: Legacy) -> None:
    assert own_site.round(url=legacy.node.url).anchored is not None
    (sent,) = raw(own_site)
    assert sent[0] >= 0xC0, "an RLP list: a transaction of type 0"
    assert own_site.anchors_on_chain() == [(1, 1)]
    # What it took is at most what was offered, where the receipt does not say.
    assert own_site.rows("SELECT gas_price FROM slots ORDER BY nonce DESC LIMIT 1") == [(3 * GWEI,)]
    legacy.gas_price = 200 * GWEI
    own_site.add("b.txt", b"b")
    env = {"ANCHOR_CHAIN__RPC": legacy.node.url}
    own_site.run("run", "--once", env=env).refused(
        30, "the gas price is 200 gwei, the fee cap 100 gwei"
    )


def test_a_legacy_transaction_is_replaced_at_the_same_nonce(own_site: Site, legacy: Legacy) -> None:
    ask(own_site.url, "evm_setAutomine", False)
    before = nonce(own_site.url)
    clock = FastClock({150.0: lambda: ask(own_site.url, "anvil_mine", "0x1")})
    own_site.round(url=legacy.node.url, clock=clock)
    offers = own_site.rows(
        "SELECT nonce, max_fee, priority_fee FROM attempts WHERE head_size IS NOT NULL"
        " ORDER BY max_fee"
    )
    assert [offer[0] for offer in offers] == [before] * 3
    fees = [offer[1] for offer in offers]
    assert fees == [3 * GWEI, 3_375_000_000, 3_796_875_000]
    assert all(fee == tip for _, fee, tip in offers)
    assert all(item[0] >= 0xC0 for item in raw(own_site))
    assert own_site.anchors_on_chain() == [(1, 1)]
    assert nonce(own_site.url) == before + 1


def test_a_legacy_transaction_is_resumed_with_its_bytes(own_site: Site, legacy: Legacy) -> None:
    own_site.edit("wait_seconds = 600", "wait_seconds = 30")
    ask(own_site.url, "evm_setAutomine", False)
    with pytest.raises(NotFinalError):
        own_site.round(url=legacy.node.url)
    ask(own_site.url, "anvil_dropAllTransactions")
    ask(own_site.url, "evm_setAutomine", True)
    # anvil mines soon after it answers, not before
    own_site.round(url=legacy.node.url, clock=SystemClock())
    assert len(raw(own_site)) == 1
    sent = [params[0] for params in legacy.node.asked("eth_sendRawTransaction")]
    assert sent[0] == sent[-1]
    assert own_site.anchors_on_chain() == [(1, 1)]


def copy_of(site: Site) -> Site:
    folder = site.folder.with_name("copy")
    shutil.copytree(site.folder, folder)
    return replace(site, folder=folder)


@pytest.mark.fault(
    "G2",
    how="two copies of a project, each with a store of its own, one after the other",
    then="the second one is refused (32) and seals nothing: its store lacks the registry's head",
)
def test_a_second_store_of_one_log_is_refused(own_site: Site) -> None:
    other = copy_of(own_site)
    other.add("b.txt", b"b")
    before = nonce(own_site.url)
    own_site.round()
    with pytest.raises(ChainGuardError, match="is not in this store"):
        other.round()
    assert other.heads() == []
    assert nonce(own_site.url) == before + 1
    assert own_site.anchors_on_chain() == [(1, 1)]


@pytest.mark.fault(
    "G2",
    how="two copies of a project whose transactions wait for one nonce at the same time",
    then="one of them anchors, once; the other one is refused (32)",
)
def test_of_two_stores_that_send_at_once_one_anchors(own_site: Site) -> None:
    other = copy_of(own_site)
    other.add("b.txt", b"b")
    before = nonce(own_site.url)
    ask(own_site.url, "evm_setAutomine", False)
    for site in (own_site, other):
        site.edit("wait_seconds = 600", "wait_seconds = 5")
        with suppress(AnchorError):
            site.round()
    ask(own_site.url, "evm_setAutomine", True)
    ask(own_site.url, "anvil_mine", "0x5")
    outcomes = []
    for site in (own_site, other):
        try:
            site.round()
        except ChainGuardError:
            outcomes.append("refused")
        else:
            outcomes.append("anchored")
    assert sorted(outcomes) == ["anchored", "refused"]
    assert nonce(own_site.url) == before + 1
    anchored = [*own_site.anchors_on_chain(), *other.anchors_on_chain()]
    assert anchored in ([(1, 1)], [(2, 1)])
