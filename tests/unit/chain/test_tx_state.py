"""The pure rules of sending: what to do about a nonce, what to offer, what a refusal means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.node_texts import NODE_TEXTS, NodeText

from anchor.base.errors import ExitCode, FundsError
from anchor.base.types import Address, ChainId, Hash32
from anchor.chain.fees import Fees, gas_limit, price_dynamic, price_legacy, price_replacement
from anchor.chain.node_errors import Refusal, classify_refusal
from anchor.chain.tx_state import (
    REPLACE_AFTER,
    Action,
    Attempt,
    Decision,
    Inclusion,
    NonceSlot,
    Observation,
    decide,
)

NONCE = 5
SENDER = Address(b"\x11" * 20)


def attempt(number: int) -> Attempt:
    return Attempt(
        tx_hash=Hash32(bytes([number]) * 32),
        raw=b"raw",
        head_size=1,
        max_fee=2,
        priority_fee=1,
    )


def slot(count: int) -> NonceSlot:
    attempts = tuple(attempt(number) for number in range(count))
    return NonceSlot(chain_id=ChainId(1), sender=SENDER, nonce=NONCE, attempts=attempts)


def included(number: int, *, succeeded: bool = True) -> Inclusion:
    return Inclusion(
        tx_hash=attempt(number).tx_hash,
        block_hash=Hash32(b"\xbb" * 32),
        block_number=9,
        succeeded=succeeded,
    )


def observed(latest: int = NONCE, final: int | None = NONCE, *inclusions: Inclusion) -> Observation:
    return Observation(
        latest_nonce=latest,
        final_nonce=final,
        inclusions={inclusion.tx_hash: inclusion for inclusion in inclusions},
    )


def missing(count: int, below: int = 1) -> Observation:
    """The chain waits for an earlier nonce, for which ``count`` attempts are stored."""
    earlier = replace(slot(count), nonce=NONCE - below)
    return replace(observed(NONCE - below, None), missing=earlier)


@pytest.mark.parametrize(
    ("attempts", "observation", "action"),
    [
        (0, observed(), Action.SIGN),
        (0, observed(NONCE - 1, None), Action.SIGN),
        (1, observed(), Action.SEND),
        # Signed for a nonce the chain has not come to: sending again cannot fill the gap below it.
        (1, observed(NONCE - 1, NONCE - 1), Action.GAP),
        (1, observed(NONCE - 1, None), Action.GAP),
        (3, observed(NONCE - 2, NONCE - 3), Action.GAP),
        (1, observed(0, 0), Action.GAP),
        # Unless that nonce is one of ours, which a reorganisation undid.
        (1, missing(1), Action.REPAIR),
        (2, missing(3, below=4), Action.REPAIR),
        (1, missing(0), Action.GAP),
        (0, missing(1), Action.SIGN),
        (1, observed(NONCE - 1, NONCE - 1, included(9)), Action.GAP),
        # The latest nonce was read before one of ours was included: the inclusion decides.
        (1, observed(NONCE - 1, NONCE - 1, included(0)), Action.DONE),
        (1, observed(NONCE - 1, None, included(0, succeeded=False)), Action.REVERTED),
        (1, observed(NONCE + 1, NONCE, included(0)), Action.DONE),
        (3, observed(NONCE + 1, NONCE, included(1)), Action.DONE),
        (3, observed(NONCE + 1, NONCE + 1, included(2)), Action.DONE),
        (1, observed(NONCE + 1, NONCE + 1, included(0, succeeded=False)), Action.REVERTED),
        # Used by somebody else, but not finally: a reorganisation can still give it back.
        (0, observed(NONCE + 1, NONCE), Action.WAIT),
        (1, observed(NONCE + 1, NONCE), Action.WAIT),
        (1, observed(NONCE + 1, None), Action.WAIT),
        (1, observed(NONCE + 1, NONCE + 1), Action.FOREIGN),
        (0, observed(NONCE + 7, NONCE + 3), Action.FOREIGN),
        # Somebody else's inclusion under a hash that is not ours changes nothing.
        (1, observed(NONCE + 1, NONCE + 1, included(9)), Action.FOREIGN),
        (1, observed(NONCE, NONCE, included(9)), Action.SEND),
    ],
)
def test_one_look_at_the_chain_decides_what_to_do_about_a_nonce(
    attempts: int, observation: Observation, action: Action
) -> None:
    assert decide(slot(attempts), observation, 0.0).action is action
    # However long it took: only what is offered again may be replaced.
    late = Action.REPLACE if action is Action.SEND else action
    assert decide(slot(attempts), observation, REPLACE_AFTER).action is late


_OBSERVATIONS = st.builds(
    lambda latest, final, inclusions: observed(latest, final, *inclusions),
    st.integers(0, 10),
    st.none() | st.integers(0, 10),
    st.lists(
        st.builds(
            lambda number, ok: included(number, succeeded=ok), st.integers(0, 5), st.booleans()
        ),
        max_size=2,
    ),
)


@given(st.integers(0, 4), _OBSERVATIONS, st.floats(0, 2 * REPLACE_AFTER))
def test_no_observation_breaks_the_rules_of_sending(
    count: int, observation: Observation, waited: float
) -> None:
    ours = slot(count)
    decision = decide(ours, observation, waited)
    mine = [
        observation.inclusions[attempt.tx_hash]
        for attempt in ours.attempts
        if attempt.tx_hash in observation.inclusions
    ]
    # Done and reverted rest on the inclusion of one of our own attempts, and on nothing else.
    assert (decision.action in (Action.DONE, Action.REVERTED)) == bool(mine)
    assert decision.inclusion == (mine[0] if mine else None)
    if decision.action is Action.DONE:
        assert decision.inclusion is not None
        assert decision.inclusion.succeeded
    # A second transaction is never signed while one of ours may still be included.
    if decision.action is Action.SIGN:
        assert not ours.attempts
        assert observation.latest_nonce <= NONCE
    # Sent again only where the chain waits for this very nonce; below it there is a gap.
    if decision.action in (Action.SEND, Action.REPLACE):
        assert ours.attempts
        assert observation.latest_nonce == NONCE
        assert (decision.action is Action.REPLACE) == (waited >= REPLACE_AFTER)
    assert (decision.action is Action.GAP) == (
        bool(ours.attempts) and not mine and observation.latest_nonce < NONCE
    )
    # Giving up on a nonce needs finality.
    if decision.action is Action.FOREIGN:
        assert observation.final_nonce is not None
        assert min(observation.final_nonce, observation.latest_nonce) > NONCE
    if decision.action is Action.WAIT:
        assert observation.latest_nonce > NONCE


def test_a_decision_carries_the_inclusion_it_rests_on() -> None:
    inclusion = included(0)
    assert decide(slot(2), observed(NONCE + 1, None, inclusion), 0.0) == Decision(
        action=Action.DONE, inclusion=inclusion
    )


GWEI = 10**9
WEI = st.integers(0, 10**30)


@pytest.mark.fault(
    "C2",
    how="any base fee, suggested tip and cap",
    then="within the cap, or a refusal",
)
@given(base_fee=WEI, suggested_tip=WEI, cap=WEI)
def test_a_dynamic_fee_covers_the_base_fee_and_stays_under_the_cap(
    base_fee: int, suggested_tip: int, cap: int
) -> None:
    if base_fee >= cap:
        with pytest.raises(FundsError) as caught:
            price_dynamic(base_fee=base_fee, suggested_tip=suggested_tip, cap=cap)
        assert caught.value.exit_code is ExitCode.FUNDS
        return
    fees = price_dynamic(base_fee=base_fee, suggested_tip=suggested_tip, cap=cap)
    assert not fees.legacy
    assert all(type(fee) is int for fee in (fees.max_fee, fees.priority_fee))
    # EIP-1559: a transaction needs max_fee >= priority_fee and max_fee >= base fee.
    assert 0 <= fees.priority_fee <= fees.max_fee <= cap
    assert base_fee + fees.priority_fee <= fees.max_fee
    tip = max(suggested_tip, 10**6)
    assert fees.priority_fee == min(tip, max(base_fee, 2 * GWEI), cap - base_fee)
    assert fees.max_fee == min(2 * base_fee + fees.priority_fee, cap)


@pytest.mark.parametrize(
    ("base_fee", "suggested_tip", "cap", "tip"),
    [
        # Within the bound a suggestion is taken as it is.
        (0, 10**6, 100 * GWEI, 10**6),
        # Below what anybody includes, it is raised to that.
        (0, 0, 100 * GWEI, 10**6),
        (30 * GWEI, 10**6 - 1, 100 * GWEI, 10**6),
        (0, 0, 10**5, 10**5),
        (0, 2 * GWEI, 100 * GWEI, 2 * GWEI),
        (30 * GWEI, 29 * GWEI, 100 * GWEI, 29 * GWEI),
        (30 * GWEI, 30 * GWEI, 100 * GWEI, 30 * GWEI),
        # Above it the base fee is the bound, or two gwei where that is more.
        (0, 2 * GWEI + 1, 100 * GWEI, 2 * GWEI),
        (7, 99 * GWEI, 100 * GWEI, 2 * GWEI),
        (2 * GWEI - 1, 99 * GWEI, 100 * GWEI, 2 * GWEI),
        (2 * GWEI + 1, 99 * GWEI, 100 * GWEI, 2 * GWEI + 1),
        (30 * GWEI, 30 * GWEI + 1, 100 * GWEI, 30 * GWEI),
        (30 * GWEI, 10**30, 100 * GWEI, 30 * GWEI),
        # The cap still bounds the two together.
        (70 * GWEI, 60 * GWEI, 100 * GWEI, 30 * GWEI),
        (0, 10**30, GWEI, GWEI),
    ],
)
def test_a_nodes_suggested_tip_is_taken_only_within_what_anybody_would_pay(
    base_fee: int, suggested_tip: int, cap: int, tip: int
) -> None:
    assert price_dynamic(base_fee=base_fee, suggested_tip=suggested_tip, cap=cap) == Fees(
        max_fee=min(2 * base_fee + tip, cap), priority_fee=tip, legacy=False
    )


@given(base_fee=WEI, rise=st.integers(1, 10**9), tip=WEI, cap=WEI)
def test_a_higher_base_fee_never_lowers_the_offer(
    base_fee: int, rise: int, tip: int, cap: int
) -> None:
    if base_fee + rise < cap:
        low = price_dynamic(base_fee=base_fee, suggested_tip=tip, cap=cap)
        high = price_dynamic(base_fee=base_fee + rise, suggested_tip=tip, cap=cap)
        assert high.max_fee >= low.max_fee


def test_a_fee_survives_six_full_blocks_where_the_cap_allows() -> None:
    base_fee = 10**9
    fees = price_dynamic(base_fee=base_fee, suggested_tip=10**6, cap=10**12)
    for _ in range(5):
        base_fee += base_fee // 8
    assert base_fee + fees.priority_fee <= fees.max_fee


@given(gas_price=WEI, cap=WEI)
def test_a_legacy_price_is_the_nodes_or_nothing(gas_price: int, cap: int) -> None:
    if gas_price > cap:
        with pytest.raises(FundsError):
            price_legacy(gas_price=gas_price, cap=cap)
    else:
        assert price_legacy(gas_price=gas_price, cap=cap) == Fees(
            max_fee=gas_price, priority_fee=gas_price, legacy=True
        )


FEES = st.builds(
    lambda tip, more, legacy: Fees(
        max_fee=tip if legacy else tip + more, priority_fee=tip, legacy=legacy
    ),
    WEI,
    WEI,
    st.booleans(),
)


@pytest.mark.fault(
    "B4",
    how="any two fees, market and cap",
    then="both fields rise by an eighth at least, or there is no replacement",
)
@pytest.mark.fault(
    "B5",
    how="fees of 0 and 1 wei, of which an eighth rounds to nothing",
    then="rounded up, and by 1 wei at least",
)
@given(before=FEES, market=FEES, cap=WEI)
def test_a_replacement_raises_both_fields_by_an_eighth_or_is_none(
    before: Fees, market: Fees, cap: int
) -> None:
    fees = price_replacement(before=before, market=market, cap=cap)
    needed = max(-(-before.max_fee * 9 // 8), before.max_fee + 1, market.max_fee)
    assert (fees is None) == (needed > cap)
    if fees is None:
        return
    assert fees.max_fee == needed
    assert fees.priority_fee > before.priority_fee
    assert 8 * fees.priority_fee >= 9 * before.priority_fee
    assert fees.priority_fee >= market.priority_fee
    assert fees.priority_fee <= fees.max_fee
    assert fees.legacy == market.legacy
    if before.max_fee == before.priority_fee and market.legacy:
        assert fees.max_fee == fees.priority_fee


@pytest.mark.fault(
    "B5",
    how="tips of zero and one wei",
    then="a wei more at least, rounded up",
)
@pytest.mark.parametrize(("fee", "raised"), [(0, 1), (1, 2), (8, 9), (9, 11), (GWEI, 1125000000)])
def test_a_raised_fee_is_rounded_up(fee: int, raised: int) -> None:
    before = Fees(max_fee=fee, priority_fee=fee, legacy=True)
    assert price_replacement(before=before, market=before, cap=raised) == Fees(
        max_fee=raised, priority_fee=raised, legacy=True
    )
    assert price_replacement(before=before, market=before, cap=raised - 1) is None


def test_a_refused_fee_is_told_in_gwei_with_what_to_do() -> None:
    with pytest.raises(FundsError) as caught:
        price_dynamic(base_fee=30 * 10**9, suggested_tip=1, cap=20 * 10**9 + 1)
    assert caught.value.message == ("the base fee is 30 gwei, the fee cap 20.000000001 gwei")
    assert caught.value.hint is not None
    assert "chain.max_fee_gwei" in caught.value.hint


@given(st.integers(0, 10**9))
def test_a_gas_limit_is_a_fifth_above_the_estimate_in_integers(estimate: int) -> None:
    limit = gas_limit(estimate)
    assert type(limit) is int
    assert estimate <= limit
    assert limit == estimate * 6 // 5
    assert gas_limit(100_000) == 120_000


@pytest.mark.parametrize("node", NODE_TEXTS, ids=lambda node: f"{node.client}: {node.text}")
def test_each_nodes_text_has_its_class(node: NodeText) -> None:
    assert classify_refusal(node.text) is node.means
    assert classify_refusal(node.text.upper()) is node.means
    assert classify_refusal(f"err: {node.text} (code -32000)") is node.means


def test_every_client_is_asked_for_the_classes_that_drive_logic() -> None:
    driving = {Refusal.KNOWN, Refusal.NONCE_USED, Refusal.FUNDS, Refusal.FEE_TOO_LOW}
    for client in ("geth", "nethermind", "besu", "erigon", "reth", "anvil", "hardhat"):
        assert driving <= {node.means for node in NODE_TEXTS if node.client == client}


@pytest.mark.parametrize(
    "text", ["unknown transaction", "Unknown transaction type", "overunderpriced", "grate limit"]
)
def test_a_text_is_not_found_in_the_middle_of_a_word(text: str) -> None:
    assert classify_refusal(text) is Refusal.OTHER
