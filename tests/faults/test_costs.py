"""Fees, funds and gas: what rises, runs out or is said wrongly never loses or doubles an anchor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.bent_nodes import Bend, Refused, bent_node
from support.clocks import FastClock
from support.nodes import DEV, ask, nonce
from support.operators import Operator
from support.projects import Site

from anchor.base.errors import AnchorError, ConfigError, ExitCode
from anchor.chain.devnet import Devnet
from anchor.project.config import encode_config, load_config

GWEI = 10**9
ETHER = 10**18
MakeSite = Callable[..., Site]


def refusal(work: Callable[[], object]) -> AnchorError:
    with pytest.raises(AnchorError) as caught:
        work()
    return caught.value


def signed(site: Site) -> int:
    (count,) = site.rows("SELECT count(*) FROM attempts")
    return int(count[0])


def costs(site: Site) -> list[tuple[int, int]]:
    rows = site.rows("SELECT gas_used, gas_price FROM slots ORDER BY nonce")
    return [(row[0], row[1]) for row in rows]


# The budget


def test_what_a_transaction_took_is_stored_as_its_receipt_says(own_site: Site) -> None:
    own_site.round()
    (hashes,) = zip(*own_site.rows("SELECT hex(tx_hash) FROM attempts ORDER BY nonce"), strict=True)
    receipts = [
        ask(own_site.url, "eth_getTransactionReceipt", f"0x{name.lower()}") for name in hashes
    ]
    assert costs(own_site) == [
        (int(item["gasUsed"], 16), int(item["effectiveGasPrice"], 16)) for item in receipts
    ]
    latest = ask(own_site.url, "eth_getBlockByNumber", receipts[-1]["blockNumber"], False)
    assert own_site.rows("SELECT max(included_at) FROM slots") == [(int(latest["timestamp"], 16),)]


def test_a_budget_that_is_used_up_stops_sending_until_it_is_raised_or_time_passes(
    own_site: Site,
) -> None:
    own_site.round()
    spent = sum(gas * price for gas, price in costs(own_site))
    budget = f"{(spent + 1) / ETHER:.18f}"
    own_site.edit('# budget_ether = "0.5"', f'budget_ether = "{budget}"')
    own_site.add("b.txt", b"b")
    count = signed(own_site)
    error = refusal(lambda: own_site.round())
    assert error.exit_code == ExitCode.FUNDS
    assert "does not cover the next transaction" in error.message
    assert "chain.budget_ether" in (error.hint or "")
    assert signed(own_site) == count
    assert [size for size, _ in own_site.heads()] == [1, 2], "what is sealed stays"
    # Thirty days later the old ones do not count any more.
    ask(own_site.url, "evm_increaseTime", 30 * 86_400 + 60)
    ask(own_site.url, "anvil_mine", "0x1")
    own_site.round()
    assert own_site.anchors_on_chain() == [(1, 1), (2, 2)]


def test_the_budget_bounds_replacements_and_lets_what_is_signed_be_sent_again(
    own_site: Site,
) -> None:
    spent = sum(gas * price for gas, price in costs(own_site))
    ask(own_site.url, "evm_setAutomine", False)
    own_site.edit("wait_seconds = 600", "wait_seconds = 5")
    assert refusal(lambda: own_site.round()).exit_code == ExitCode.NOT_FINAL
    (fee,) = own_site.rows("SELECT max_fee FROM attempts WHERE head_size IS NOT NULL")
    count = signed(own_site)
    # The one that is signed fits: 84,000 gas at most; a dearer one does not.
    own_site.edit(
        '# budget_ether = "0.5"', f'budget_ether = "{(spent + 85_000 * fee[0]) / ETHER:.18f}"'
    )
    own_site.edit("wait_seconds = 5", "wait_seconds = 90")
    assert refusal(lambda: own_site.round()).exit_code == ExitCode.FUNDS
    assert signed(own_site) == count
    own_site.round(clock=FastClock({1.0: lambda: ask(own_site.url, "anvil_mine", "0x1")}))
    assert own_site.anchors_on_chain() == [(1, 1)]


@pytest.mark.parametrize("text", ['"-1"', '"1e3"', '"0x1"', '"1."', '""', "0.5", '"NaN"'])
def test_a_budget_is_written_as_plain_ether(site: Site, text: str) -> None:
    site.edit('# budget_ether = "0.5"', f"budget_ether = {text}")
    with pytest.raises(ConfigError, match="budget_ether"):
        load_config(site.folder / "anchor.toml")


def test_a_budget_is_read_to_the_wei(site: Site) -> None:
    site.edit('# budget_ether = "0.5"', 'budget_ether = "12.345678901234567891"')
    config = load_config(site.folder / "anchor.toml")
    assert config.budget == 12_345_678_901_234_567_891
    assert 'budget_ether = "12.345678901234567891"' in encode_config(config)


@pytest.mark.fault(
    "C3",
    how="the balance falls below what ten anchors at the fee cap may take, then to 1 wei",
    then="warned before by run, status and doctor; then 30, and the same head after a top-up",
)
def test_a_balance_that_runs_out_is_told_in_time(own_site: Site) -> None:
    ask(own_site.url, "anvil_setBalance", DEV, hex(ETHER // 10))
    warning = "8 anchors at the fee cap"
    assert warning in own_site.run("status").expect(0).err
    assert warning in own_site.run("doctor").expect(0).out
    operator = Operator(own_site)
    operator.clock.at = {
        80.0: operator.add("b"),
        150.0: lambda: ask(own_site.url, "anvil_setBalance", DEV, "0x1"),
        160.0: operator.add("c"),
        300.0: lambda: ask(own_site.url, "anvil_setBalance", DEV, hex(ETHER)),
    }
    operator.run(until=420)
    events = operator.events()
    assert events[:2] == ["included", "warning"]
    warnings = [item.text for item in operator.happened if item.event == "warning"]
    assert len(warnings) == 1, "once an hour"
    assert warning[1:] in warnings[0]
    failed = [item for item in operator.happened if item.event == "failed"]
    assert failed
    assert {item.figures["exit_code"] for item in failed} == {int(ExitCode.FUNDS)}
    assert own_site.anchors_on_chain() == [(1, 1), (2, 2), (3, 3)]


def test_a_budget_that_runs_out_is_told_in_time(own_site: Site) -> None:
    own_site.edit('# budget_ether = "0.5"', 'budget_ether = "0.1"')
    assert "left of the budget for 30 days" in own_site.run("status").expect(0).err
    assert "left of the budget for 30 days" in own_site.run("doctor").expect(0).out


# Fees


@pytest.mark.fault(
    "C1",
    how="the base fee rises tenfold past the cap while the daemon has evidence to anchor",
    then="told (30) and waited for; anchored once, when it has fallen",
)
def test_a_fee_above_the_cap_is_waited_out(own_site: Site) -> None:
    def base_fee(gwei: int) -> None:
        ask(own_site.url, "anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))
        ask(own_site.url, "anvil_mine", "0x1")

    base_fee(1_000)
    before = nonce(own_site.url)
    operator = Operator(own_site)
    operator.clock.at = {100.0: lambda: base_fee(1)}
    operator.run(until=200)
    assert operator.events()[-1] == "included"
    failed = [item for item in operator.happened if item.event == "failed"]
    assert all("the base fee is" in item.text for item in failed)
    assert {item.figures["exit_code"] for item in failed} == {int(ExitCode.FUNDS)}
    assert own_site.anchors_on_chain() == [(1, 1)]
    assert nonce(own_site.url) == before + 1


def result(value: Any) -> Bend:
    return lambda params, right: value


def base_fee_of(value: Any) -> Bend:
    return lambda params, right: right and {**right, "baseFeePerGas": value}


ORACLES: list[tuple[dict[str, Bend], int]] = [
    ({"eth_maxPriorityFeePerGas": result("0x0")}, 0),
    ({"eth_maxPriorityFeePerGas": result(hex(2**255))}, 0),
    ({"eth_maxPriorityFeePerGas": result(None)}, 20),
    # Another base fee than the one that the block's hash was made of.
    ({"eth_getBlockByNumber": base_fee_of("0x0")}, 20),
    ({"eth_getBlockByNumber": base_fee_of(hex(2**255))}, 20),
    ({"eth_getBlockByNumber": base_fee_of("0xzz")}, 20),
    ({"eth_getBlockByNumber": base_fee_of(None), "eth_gasPrice": result(hex(99 * GWEI))}, 20),
    ({"eth_getBlockByNumber": base_fee_of(None), "eth_gasPrice": result(None)}, 20),
]


@pytest.mark.fault(
    "C2",
    how="suggested tip, base fee and gas price of 0, 2^255, null and no number",
    then="within floor and cap, or refused (20, 30) with nothing signed; then anchored once",
)
@pytest.mark.parametrize(("bend", "code"), ORACLES)
def test_an_absurd_oracle_costs_no_more_than_the_cap(
    new_site: MakeSite, anvil: Devnet, bend: dict[str, Bend], code: int
) -> None:
    site = new_site(anvil)
    site.add("a.txt", b"a")
    count = signed(site)
    with bent_node(site.url) as node:
        node.bend = dict(bend)
        if code:
            assert refusal(lambda: site.round(url=node.url)).exit_code == code
            assert signed(site) == count
            site.round()
        else:
            # A base fee said too low is refused by the real chain, and then priced anew.
            clock = FastClock({20.0: node.bend.clear})
            site.round(url=node.url, clock=clock)
    assert site.anchors_on_chain() == [(1, 1)]
    fees = site.rows("SELECT max_fee, priority_fee FROM attempts WHERE head_size IS NOT NULL")
    assert all(10**6 <= tip <= fee <= 100 * GWEI for fee, tip in fees)


@pytest.mark.fault(
    "C5",
    how="the gas estimate is refused, far too low, or absurdly high; the block limit is low",
    then="nothing is sent that would fail: cannot check (20), then anchored once",
)
@pytest.mark.fault(
    "C8",
    how="the same call needs half as much gas again as it did",
    then="the limit follows the estimate; no gas figure is built in",
)
def test_a_wrong_gas_estimate_sends_nothing(own_site: Site) -> None:
    def refuse(params: list[Any], right: Any) -> Any:
        raise Refused(-32000, "gas required exceeds allowance (0)")

    count, sent = signed(own_site), nonce(own_site.url)
    with bent_node(own_site.url) as node:
        for bend, text in (
            (refuse, "refuses to estimate the gas of a call that would succeed"),
            (result(hex(30_000)), "is enough, and then that it is not"),
            (result("0x0"), "is enough, and then that it is not"),
            (result(hex(2**255)), ""),
        ):
            node.bend["eth_estimateGas"] = bend
            error = refusal(lambda: own_site.round(url=node.url))
            assert error.exit_code == ExitCode.CANNOT_CHECK
            assert text in error.message
        assert (signed(own_site), nonce(own_site.url)) == (count, sent)
        node.bend["eth_estimateGas"] = lambda params, right: hex(int(right, 16) * 3 // 2)
        own_site.round(url=node.url)
    assert own_site.anchors_on_chain() == [(1, 1)]
    ask(own_site.url, "anvil_setBlockGasLimit", hex(30_000))
    ask(own_site.url, "anvil_mine", "0x1")
    own_site.add("b.txt", b"b")
    count = signed(own_site)
    error = refusal(lambda: own_site.round())
    assert error.exit_code == ExitCode.CANNOT_CHECK
    assert signed(own_site) == count
    ask(own_site.url, "anvil_setBlockGasLimit", hex(30_000_000))
    ask(own_site.url, "anvil_mine", "0x1")
    own_site.round()
    assert own_site.anchors_on_chain() == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("text", "wei"),
    [
        ("100", 100 * GWEI),
        ("0.05", GWEI // 20),
        ('"0.05"', GWEI // 20),
        ('"0.000000001"', 1),
        ("1000000", 10**6 * GWEI),
        ('"12.345678901"', 12_345_678_901),
    ],
)
def test_a_fee_cap_takes_fractions_of_a_gwei_and_writes_them_back(
    site: Site, text: str, wei: int
) -> None:
    site.edit("max_fee_gwei = 100", f"max_fee_gwei = {text}")
    config = load_config(site.folder / "anchor.toml")
    assert config.fee_cap == wei
    (site.folder / "anchor.toml").write_text(encode_config(config), "utf-8")
    assert load_config(site.folder / "anchor.toml").fee_cap == wei


@pytest.mark.parametrize(
    "text", ["0", "-1", '"0.0000000001"', '"1e3"', "true", '""', "1000001", "[1]", '"0x1"', "nan"]
)
def test_a_fee_cap_is_written_as_plain_gwei(site: Site, text: str) -> None:
    site.edit("max_fee_gwei = 100", f"max_fee_gwei = {text}")
    with pytest.raises(ConfigError, match="max_fee_gwei"):
        load_config(site.folder / "anchor.toml")
