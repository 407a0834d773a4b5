"""What enough nodes say, what is plausible, and what a new project may spend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.memory_chain import GWEI, MemoryChain
from support.memory_projects import OWNER
from support.memory_registry import REGISTRY
from support.memory_transactions import QuickSigner

from anchor.base.errors import (
    CannotCheckError,
    ChainGuardError,
    NodeFaultError,
    NodeRefusedError,
    QuorumError,
    SignerError,
)
from anchor.base.messages.message import translate
from anchor.base.types import Address, ChainId, Hash32, LogId
from anchor.chain.fees import Fees
from anchor.chain.node import Node, PricedBlock, TransactionReceipt
from anchor.chain.node_agreement import (
    agree_on_block,
    agree_on_nonce,
    asked_by_enough,
    fetch_fees,
    reached_by_enough,
    said_by_enough,
)
from anchor.chain.node_quorum import NodeGroup
from anchor.chain.signer import UnsignedTransaction
from anchor.chain.tx_cost import bound_cost, bound_gas, fetch_l1_fee, parse_cost
from anchor.chain.tx_state import Attempt
from anchor.ethereum.keccak import hash_keccak256
from anchor.operate.operator_authorisation import plan_removal
from anchor.operate.operators import _look_at
from anchor.operate.preconditions import check_authority, check_chain, check_sender, is_deployed
from anchor.project.fee_limits import HIGHEST_FEE_CAP, size_allowance
from anchor.recovery.succession import find_successor
from anchor.registry.storage import operator_id_slot, operator_key_slot

FIGURES = st.lists(st.integers(0, 10**20), min_size=1, max_size=7)
HASH = Hash32(b"\x11" * 32)


# Figures that honest nodes differ in


@given(FIGURES, st.data())
def test_of_what_only_grows_that_counts_which_enough_have_reached(
    figures: list[int], data: st.DataObject
) -> None:
    needed = data.draw(st.integers(1, len(figures)))
    reached = reached_by_enough(figures, needed)
    assert sum(figure >= reached for figure in figures) >= needed
    assert sum(figure > reached for figure in figures) < needed


@given(st.integers(1, 3), st.integers(0, 10**20), st.data())
def test_as_few_liars_as_do_not_decide_name_no_price_and_no_nonce(
    liars: int, honest: int, data: st.DataObject
) -> None:
    """Of 2 n + 1 nodes of which n + 1 have to agree, n lie and the honest ones agree."""
    lies = data.draw(st.lists(st.integers(0, 10**30), min_size=liars, max_size=liars))
    answers = data.draw(st.permutations([honest] * (liars + 1) + lies))
    assert reached_by_enough(answers, liars + 1) == honest
    assert asked_by_enough(answers, liars + 1) == honest
    assert said_by_enough(answers, liars + 1) == honest


@given(FIGURES, st.data())
def test_no_price_is_above_the_middle_and_of_just_enough_the_lowest_counts(
    prices: list[int], data: st.DataObject
) -> None:
    needed = data.draw(st.integers(1, len(prices)))
    asked = asked_by_enough(prices, needed)
    assert sum(price >= asked for price in prices) * 2 >= len(prices)
    if needed == len(prices):
        assert asked == min(prices)


def test_what_too_few_say_alike_is_nothing() -> None:
    assert said_by_enough([1, 2, 3], 2) is None
    assert said_by_enough([], 1) is None
    assert said_by_enough([2, 1, 2], 2) == 2


# Blocks


@dataclass
class View:
    """A way to a memory chain that shows some answers otherwise."""

    chain: MemoryChain
    name: str = "a view"
    bend: dict[str, Callable[[Sequence[Any], Any], Any]] = field(default_factory=dict)

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        if method in self.bend:
            try:
                right = self.chain.call(method, params)
            except NodeRefusedError:
                right = None
            return self.bend[method](params, right)
        return self.chain.call(method, params)


def group(*views: View, needed: int) -> NodeGroup:
    return NodeGroup(
        [Node(view) for view in views],
        needed=needed,
        chain_id=views[0].chain.chain_id,
        genesis=views[0].chain.blocks[0].hash,
        report=lambda _: None,
    )


def make_chain(blocks: int = 5) -> MemoryChain:
    chain = MemoryChain()
    chain.mine(blocks)
    return chain


def test_the_newest_block_is_one_that_enough_nodes_have() -> None:
    chain = make_chain()
    behind = View(chain)
    old = chain.call("eth_getBlockByNumber", ["0x3", False])
    behind.bend["eth_getBlockByNumber"] = lambda params, right: (
        old if params[0] == "latest" else right if int(params[0], 16) <= 3 else None
    )
    assert agree_on_block(group(View(chain), View(chain), behind, needed=2)).number == 5
    assert agree_on_block(group(View(chain), View(chain), behind, needed=3)).number == 3
    assert agree_on_block(Node(chain)).number == 5


def test_a_block_that_one_node_makes_up_is_left_aside() -> None:
    chain = make_chain()
    fork = View(make_chain(3))
    fork.bend["eth_getBlockByNumber"] = lambda params, right: (
        chain.call("eth_getBlockByNumber", params)
        if params[0] == "0x0"
        else right and right | {"number": hex(10**6)}
    )
    for views in ((View(chain), fork, View(chain)), (fork, View(chain), View(chain))):
        block = agree_on_block(group(*views, needed=2))
        assert (block.number, block.hash, block.is_proven) == (5, chain.head.hash, True)
    with pytest.raises(QuorumError):
        agree_on_block(group(View(chain), fork, needed=2))


def changed(**members: Any) -> Callable[[Sequence[Any], Any], Any]:
    return lambda params, right: (
        right and {name: value for name, value in (right | members).items() if value is not None}
    )


def test_a_header_is_believed_by_its_hash_and_of_other_kinds_by_enough_nodes() -> None:
    chain = make_chain()
    bent = View(chain, bend={"eth_getBlockByNumber": changed(baseFeePerGas="0x1")})
    with pytest.raises(NodeFaultError, match="does not have the block's hash"):
        agree_on_block(Node(bent))
    # A member that this release does not know may be in the header: nothing can be compared.
    strange = View(chain, bend={"eth_getBlockByNumber": changed(unheardOf="0x1", mixHash="0x1")})
    block = agree_on_block(Node(strange))
    assert not block.is_proven
    assert block.base_fee == chain.head.base_fee
    assert fetch_fees(Node(strange), agree_on_block(Node(strange)), 100 * GWEI).legacy is False


def test_legacy_needs_a_proven_header_or_two_nodes_or_the_operators_word() -> None:
    chain = make_chain()
    strange = View(
        chain, bend={"eth_getBlockByNumber": changed(unheardOf="0x1", baseFeePerGas=None)}
    )
    with pytest.raises(CannotCheckError, match=r"has no base fee"):
        fetch_fees(Node(strange), agree_on_block(Node(strange)), 100 * GWEI)
    assert fetch_fees(Node(strange), agree_on_block(Node(strange)), 100 * GWEI, legacy=True).legacy
    strange.bend["eth_getBlockByNumber"] = lambda params, right: (
        changed(unheardOf="0x1", baseFeePerGas=None)(params, right) if params[0] != "0x0" else right
    )
    pair = group(strange, strange, needed=2)
    assert fetch_fees(pair, agree_on_block(pair), 100 * GWEI).legacy


def test_a_count_of_transactions_is_what_enough_nodes_have_seen() -> None:
    chain = make_chain()
    liar = View(chain, bend={"eth_getTransactionCount": lambda params, right: hex(50)})
    assert agree_on_nonce(group(liar, View(chain), View(chain), needed=2), OWNER) == 0
    liar.bend["eth_getTransactionCount"] = lambda params, right: None
    assert agree_on_nonce(group(liar, View(chain), View(chain), needed=2), OWNER) == 0
    with pytest.raises(QuorumError, match="2 nodes answer, but 3 must"):
        agree_on_nonce(group(liar, View(chain), View(chain), needed=3), OWNER)


# Costs


def signed(*, gas: int = 100_000, l1_fee: int | None = None) -> Attempt:
    raw = QuickSigner(OWNER).sign_transaction(
        UnsignedTransaction(
            chain_id=ChainId(31337),
            nonce=0,
            to=REGISTRY,
            data=bytes(100) + b"\x01" * 100,
            gas=gas,
            fees=Fees(max_fee=10 * GWEI, priority_fee=GWEI, legacy=False),
        )
    )
    return Attempt(
        tx_hash=hash_keccak256(raw),
        raw=raw,
        head_size=1,
        max_fee=10 * GWEI,
        priority_fee=GWEI,
        l1_fee=l1_fee,
    )


def test_what_several_nodes_say_is_one_sentence_in_both_languages() -> None:
    chain = make_chain()
    deaf, rude = View(chain, "deaf"), View(chain, "rude")
    deaf.bend["eth_getTransactionCount"] = lambda params, right: None
    rude.bend["eth_getTransactionCount"] = lambda params, right: "0x" + "f" * 60
    with pytest.raises(QuorumError) as caught:
        agree_on_nonce(group(deaf, rude, needed=1), OWNER)
    assert caught.value.message == (
        "0 nodes answer, but 1 must: the node deaf's eth_getTransactionCount is not a hex "
        f"quantity; the node rude returned an impossible transaction count: {16**60 - 1}"
    )
    assert translate(caught.value.message, "zh") == (
        "有 0 个节点应答，须有 1 个：节点 deaf 的 eth_getTransactionCount 应答不是十六进制数量；"
        f"节点 rude 给出的交易数为 {16**60 - 1}，这不可能"
    )


def test_sides_that_disagree_are_named_in_both_languages() -> None:
    chain = make_chain()
    liar = View(chain, "c", {"eth_getCode": lambda params, right: "0x01"})
    nodes = group(View(chain, "a"), View(chain, "b"), liar, needed=2)
    with pytest.raises(QuorumError) as caught:
        nodes.read_with_quorum(lambda node: node.fetch_code(OWNER, "latest"))
    message = caught.value.message
    assert message == "the nodes disagree about the contents of the final block: a, b against c"
    assert translate(message, "zh") == "各节点对最终确定的区块的内容说法不一：a、b 对 c"


BLOCK = PricedBlock(
    number=3, hash=HASH, timestamp=7, base_fee=2 * GWEI, gas_limit=30_000_000, is_proven=True
)


def receipt(attempt: Attempt, **members: Any) -> TransactionReceipt:
    return replace(
        TransactionReceipt(
            tx_hash=attempt.tx_hash,
            block_hash=HASH,
            block_number=3,
            succeeded=True,
            gas_used=60_000,
            gas_price=3 * GWEI,
        ),
        **members,
    )


@pytest.mark.parametrize(
    ("members", "price"),
    [
        ({}, 3 * GWEI),
        ({"gas_price": None}, 3 * GWEI),
        ({"gas_price": 2 * GWEI}, 2 * GWEI),  # a rollup that takes no tip
        ({"gas_used": 100_000}, 3 * GWEI),
        ({"gas_used": 18_400}, 3 * GWEI),  # with all that may be refunded
        ({"gas_used": 18_399}, None),
        ({"gas_used": 100_001}, None),
        ({"gas_used": 1}, None),
        ({"gas_price": 3 * GWEI + 1}, None),
        ({"gas_price": 2 * GWEI - 1}, None),
        ({"gas_price": 1}, None),
    ],
)
def test_a_receipt_says_only_what_the_signed_bytes_and_the_block_allow(
    members: dict[str, Any], price: int | None
) -> None:
    attempt = signed()
    if price is None:
        with pytest.raises(NodeFaultError, match="returned a receipt of"):
            parse_cost(receipt(attempt, **members), attempt, BLOCK, name="x")
        return
    cost = parse_cost(receipt(attempt, **members), attempt, BLOCK, name="x")
    assert cost.gas_price == price
    assert cost.wei <= bound_cost([attempt])
    assert cost.timestamp == BLOCK.timestamp


def test_the_parent_chains_share_is_part_of_the_cost_and_bounded() -> None:
    attempt = signed(l1_fee=5_000)
    assert bound_cost([attempt]) == 100_000 * 10 * GWEI + 5_000
    cost = parse_cost(receipt(attempt, l1_fee=4_000), attempt, BLOCK, name="x")
    assert cost.wei == 60_000 * 3 * GWEI + 4_000
    # What is not said counts for what was expected at most.
    assert parse_cost(receipt(attempt), attempt, BLOCK, name="x").l1_fee == 5_000
    with pytest.raises(
        NodeFaultError, match="for data on the parent chain; at most 5000 is plausible"
    ):
        parse_cost(receipt(attempt, l1_fee=5_001), attempt, BLOCK, name="x")
    with pytest.raises(NodeFaultError, match=f"at most {2**63 - 1} is plausible"):
        parse_cost(receipt(signed(), l1_fee=2**63), signed(), BLOCK, name="x")
    assert parse_cost(receipt(signed(), l1_fee=9), signed(), BLOCK, name="x").l1_fee == 9


def test_a_transaction_has_no_more_gas_than_a_block_and_than_eip_7825_allows() -> None:
    assert bound_gas(BLOCK) == 2**24
    assert bound_gas(replace(BLOCK, gas_limit=50_000)) == 50_000
    assert bound_gas(replace(BLOCK, gas_limit=None)) == 2**24


def oracle(wei: int) -> Callable[[Sequence[Any], Any], Any]:
    def bend(params: Sequence[Any], right: Any) -> Any:
        assert params[0]["to"] == "0x420000000000000000000000000000000000000f"
        assert params[0]["data"].startswith("0x" + UPPER_BOUND)
        return "0x" + wei.to_bytes(32, "big").hex()

    return bend


UPPER_BOUND = hash_keccak256(b"getL1FeeUpperBound(uint256)")[:4].hex()


def test_the_parent_chains_share_is_asked_of_the_chains_own_oracle() -> None:
    chain = make_chain()
    views = [View(chain, bend={"eth_call": oracle(wei)}) for wei in (100, 10, 120)]
    for chain_id in map(ChainId, (10, 8453, 11155420, 84532)):
        alone = fetch_l1_fee(Node(views[0]), chain_id, sender=OWNER, data=b"data")
        assert alone == 800
        # One of three that says too little does not lower the bound.
        three = group(*views, needed=2)
        assert fetch_l1_fee(three, chain_id, sender=OWNER, data=b"data") == 800
    assert fetch_l1_fee(Node(views[0]), ChainId(1), sender=OWNER, data=b"data") is None


def test_before_fjord_the_oracle_is_asked_for_the_exact_fee() -> None:
    asked = []

    def bend(params: Sequence[Any], right: Any) -> Any:
        asked.append(params[0]["data"][2:10])
        if params[0]["data"].startswith("0x" + UPPER_BOUND):
            raise NodeRefusedError("no", code=3, reason="execution reverted", data="0x")
        return "0x" + (7).to_bytes(32, "big").hex()

    node = Node(View(make_chain(), bend={"eth_call": bend}))
    assert fetch_l1_fee(node, ChainId(10), sender=OWNER, data=b"data") == 56
    assert asked == [UPPER_BOUND, "49948e0e"]


# What a new project may spend


@pytest.mark.parametrize(
    ("base_fee", "tip", "cap"),
    [
        (GWEI, GWEI, 20 * GWEI),
        (GWEI // 1000, GWEI // 1000, GWEI // 10),  # a rollup: the floor
        (10**7, 10**7, 2 * 10**8),
        (12_345_678, 10**6, 140_000_000),  # two digits
        (30 * GWEI, GWEI, 100 * GWEI),  # the ceiling
        (80 * GWEI, GWEI, 250 * GWEI),  # a market above it
        (2**200, GWEI, 100 * GWEI),  # nobody pays that
    ],
)
def test_the_fee_cap_of_a_new_project_is_ten_times_the_price(
    base_fee: int, tip: int, cap: int
) -> None:
    chain = MemoryChain(tip=tip)
    chain.set_next_base_fee(base_fee)
    chain.mine()
    allowance = size_allowance([Node(chain)], 1)
    assert allowance.fee_cap == cap
    assert allowance.budget is not None
    assert 0.9 * allowance.budget <= 720 * 120_000 * cap <= allowance.budget


def test_one_of_three_nodes_does_not_size_the_cap_and_silence_gives_the_highest() -> None:
    chain = make_chain()
    price = size_allowance([Node(chain)], 1)
    liar = Node(View(chain, bend={"eth_maxPriorityFeePerGas": lambda params, right: None}))
    strange = Node(View(chain, bend={"eth_getBlockByNumber": changed(baseFeePerGas="0x1")}))
    assert size_allowance([strange, Node(chain), Node(chain)], 2) == price
    assert size_allowance([liar, strange], 1).fee_cap == HIGHEST_FEE_CAP


# Whose key a call is about


def shows(key: bytes, number: int) -> dict[str, Callable[[Sequence[Any], Any], Any]]:
    """Show ``key`` behind the id of ``number``, and that id for the key, and for no other."""
    log = LogId(bytes(12) + OWNER)
    words = {
        operator_key_slot(log, number): key.rjust(32, b"\x00"),
        operator_id_slot(log, Address(key)): number.to_bytes(32, "big"),
    }
    return {
        "eth_getStorageAt": lambda params, _: (
            "0x" + words.get(Hash32(bytes.fromhex(params[1][2:])), bytes(32)).hex()
        )
    }


def test_one_node_does_not_decide_whose_key_is_removed() -> None:
    """After a theft the wrong key would be taken away, and the stolen one would stay."""
    chain = make_chain()
    stolen, good = b"\x0a" * 20, b"\x0b" * 20
    project: Any = SimpleNamespace(
        config=SimpleNamespace(registry=REGISTRY, log=LogId(bytes(12) + OWNER))
    )
    liar = View(chain, bend=shows(good, 2))
    honest = [View(chain, bend=shows(stolen, 2)) for _ in range(2)]
    nodes = group(liar, *honest, needed=2)
    assert plan_removal(project, nodes, key=None, id=2).key == stolen
    with pytest.raises(QuorumError, match="disagree about id 2"):
        plan_removal(project, group(liar, honest[0], needed=2), key=None, id=2)
    assert plan_removal(project, Node(honest[0]), key=None, id=2).key == stolen


def test_one_node_does_not_end_the_work_by_what_it_says_of_the_key() -> None:
    """The daemon ends with 31 and 32 for good, so that a person has to start it again."""
    chain = make_chain()
    config: Any = SimpleNamespace(registry=REGISTRY, log=LogId(bytes(12) + OWNER))
    key = Address(b"\x0a" * 20)
    has_code = {"eth_getCode": lambda params, _: "0xef0100" + "0b" * 20}
    has_none = {"eth_getCode": lambda params, _: "0x"}
    right, wrong = shows(key, 2), shows(b"\x0b" * 20, 2)
    nodes = [View(chain, bend=wrong | has_code)]
    nodes += [View(chain, bend=right | has_none) for _ in range(2)]
    with pytest.raises(QuorumError, match="the code of the account"):
        check_sender(group(*nodes, needed=2), key)
    with pytest.raises(QuorumError, match="the authority of"):
        check_authority(config, group(*nodes, needed=2), key)
    nodes[1].bend = nodes[0].bend
    with pytest.raises(ChainGuardError, match="EIP-7702"):
        check_sender(group(*nodes, needed=2), key)
    with pytest.raises(SignerError, match="neither"):
        check_authority(config, group(*nodes, needed=2), key)


def test_one_node_does_not_say_that_a_log_is_closed() -> None:
    """`succeed` would end with 0 after a theft, and nothing be sent."""
    chain = make_chain()
    config: Any = SimpleNamespace(registry=REGISTRY, log=LogId(bytes(12) + OWNER))
    says = {"eth_getStorageAt": lambda params, _: "0x" + "00" * 11 + "01" + OWNER.hex()}
    denies = {"eth_getStorageAt": lambda params, _: "0x" + "00" * 32}
    nodes = [View(chain, bend=says), View(chain, bend=denies), View(chain, bend=denies)]
    with pytest.raises(QuorumError, match="successor"):
        find_successor(config, group(*nodes, needed=2))
    nodes[1].bend = says
    assert find_successor(config, group(*nodes, needed=2)) == LogId(bytes(11) + b"\x01" + OWNER)
    assert not any(find_successor(config, Node(nodes[2])))


def test_one_node_does_not_say_that_all_is_on_another_chain() -> None:
    """The daemon would end with 32 by what the node that is read says between two questions."""
    chain = make_chain()
    genesis = chain.blocks[0].hash
    config: Any = SimpleNamespace(chain_id=chain.chain_id, genesis=genesis)
    answers = iter([hex(chain.chain_id)])
    flips = {"eth_chainId": lambda params, right: next(answers, "0x1")}
    with pytest.raises(QuorumError, match="shows the chain differently"):
        check_chain(config, group(View(chain, bend=flips), View(chain), View(chain), needed=2))
    # One against one tells nothing, either; one that deviates from two is set aside.
    liar = View(chain, name="the liar", bend={"eth_chainId": lambda params, right: "0x1"})
    with pytest.raises(QuorumError, match="shows the chain differently"):
        check_chain(config, group(liar, View(chain), needed=2))
    nodes = group(liar, View(chain), View(chain), needed=2)
    check_chain(config, nodes)
    assert nodes.name == "a view"
    for wrong in ([liar], [liar, liar], [liar, View(chain, bend=liar.bend), View(chain)]):
        with pytest.raises(ChainGuardError, match="on chain 1"):
            check_chain(config, group(*wrong, needed=min(2, len(wrong))))


def test_one_node_does_not_say_that_the_registry_is_there() -> None:
    chain = make_chain()
    code = chain.head.state.codes[REGISTRY]
    config: Any = SimpleNamespace(
        registry=REGISTRY, code_hash=hash_keccak256(code), chain_id=chain.chain_id
    )
    is_there = {"eth_getCode": lambda params, _: "0x" + code.hex()}
    is_none = {"eth_getCode": lambda params, _: "0x"}
    nodes = [View(chain, bend=is_there)] + [View(chain, bend=is_none) for _ in range(2)]
    assert not is_deployed(config, group(*nodes, needed=2))
    assert is_deployed(config, group(*nodes[::-1], View(chain), View(chain), needed=3))
    with pytest.raises(QuorumError, match="disagree about the code"):
        is_deployed(config, group(*nodes[:2], needed=2))


def test_one_node_does_not_list_an_operator() -> None:
    chain = make_chain()
    config: Any = SimpleNamespace(registry=REGISTRY, log=LogId(bytes(12) + OWNER))
    liar = View(chain, bend=shows(b"\x0a" * 20, 2))
    honest = [View(chain) for _ in range(2)]
    assert _look_at(config, group(liar, *honest, needed=2), 2, None, None) is None
    shown = _look_at(config, group(liar, View(chain, bend=liar.bend), needed=2), 2, None, None)
    assert shown is not None
    assert shown.is_active


def test_the_tip_of_a_price_is_what_is_above_the_agreed_base_fee() -> None:
    """A node without a method for tips could make up a header, and so a tip of all its price."""
    chain = make_chain()
    price = chain.head.base_fee + GWEI
    asked = []

    def refuse(params: Sequence[Any], right: Any) -> Any:
        raise NodeRefusedError("no", code=-32601, reason="no such method", data=None)

    def count(params: Sequence[Any], right: Any) -> Any:
        asked.append(params)
        return right if len(asked) == 1 else right | {"baseFeePerGas": "0x0"}

    bend = {
        "eth_maxPriorityFeePerGas": refuse,
        "eth_feeHistory": refuse,
        "eth_gasPrice": lambda params, right: hex(price),
        "eth_getBlockByNumber": count,
    }
    node = Node(View(chain, bend=bend))
    fees = fetch_fees(node, agree_on_block(node), 100 * GWEI)
    assert fees.priority_fee == GWEI
