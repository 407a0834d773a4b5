"""Whatever JSON a node answers, the outcome is a value or one of this package's errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.chaos import SEND, Call, edits, open_proxy
from support.examples import examples
from support.faulty import Faulty
from support.nodes import DEV, ask, nonce, send, serve
from support.projects import make_site

from anchor.base.errors import AnchorError, CannotCheckError, ChainGuardError, ExitCode
from anchor.base.types import Address, Hash32
from anchor.chain.devnet import Devnet
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node

pytestmark = pytest.mark.release

ADDRESS, HASH = Address(b"\x11" * 20), Hash32(b"\x22" * 32)

# What nodes say, what looks like it, and what does not.
_HEX = st.one_of(
    st.integers(0, 2**70).map(hex),
    st.binary(max_size=40).map(lambda data: "0x" + data.hex()),
    st.sampled_from([b"\x00" * 32, bytes(HASH), b"\xff" * 32]).map(lambda data: "0x" + data.hex()),
    st.sampled_from(["0x", "0X1", "0x01", "0xg", "-0x1", "0x" + "f" * 65, "0x" + "0" * 64]),
)
_LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), _HEX
)
_MEMBERS = st.sampled_from(
    ["number", "hash", "timestamp", "baseFeePerGas", "transactionHash", "blockHash", "blockNumber",
     "status", "gasUsed", "result", "error", "code", "message", "data"]
)  # fmt: skip
JSON = st.recursive(
    _LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_MEMBERS, inner, max_size=6),
    max_leaves=8,
)

QUESTIONS: dict[str, Callable[[Node], Any]] = {
    "eth_chainId": lambda node: node.fetch_chain_id(),
    "eth_getBlockByNumber": lambda node: node.fetch_block(7),
    "latest": lambda node: node.fetch_block("latest"),
    "eth_getBlockByHash": lambda node: node.fetch_block(HASH),
    "base fee": lambda node: node.fetch_base_fee(),
    "eth_getCode": lambda node: node.fetch_code_hash(ADDRESS, "latest"),
    "eth_getStorageAt": lambda node: node.fetch_storage(ADDRESS, HASH, "latest"),
    "eth_getBalance": lambda node: node.fetch_balance(ADDRESS),
    "eth_getTransactionCount": lambda node: node.fetch_nonce(ADDRESS, HASH),
    "eth_maxPriorityFeePerGas": lambda node: node.fetch_priority_fee(10**9),
    "eth_gasPrice": lambda node: node.fetch_gas_price(),
    "eth_call": lambda node: node.call(sender=ADDRESS, to=ADDRESS, data=b""),
    "eth_estimateGas": lambda node: node.estimate_gas(sender=ADDRESS, to=ADDRESS, data=b""),
    SEND: lambda node: node.send_raw_transaction(b"raw"),
    "eth_getTransactionReceipt": lambda node: node.fetch_receipt(HASH),
}


class Says:
    """A node that answers everything with one result."""

    name = "http://node"

    def __init__(self, result: Any) -> None:
        self._result = result

    def call(self, method: str, params: Any = ()) -> Any:
        return self._result


@pytest.mark.fault(
    "E7",
    how="any JSON as the result of every method this program calls",
    then="a value within its bounds, or exit code 20",
)
@given(result=JSON)
@settings(max_examples=examples(200))
def test_any_result_is_a_value_or_cannot_be_checked(result: Any) -> None:
    for question in QUESTIONS.values():
        try:
            value = question(Node(Says(result)))
        except CannotCheckError as error:
            assert error.exit_code is ExitCode.CANNOT_CHECK
            assert "\n" not in error.message
        else:
            assert value is None or not isinstance(value, int) or 0 <= value < 2**256


@pytest.fixture(scope="module")
def mirror() -> Iterator[tuple[list[bytes], str]]:
    """A server that answers with the bytes it is given."""
    given_bytes = [b""]

    def respond(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        send(handler, 200, given_bytes[0])

    with serve(respond) as url:
        yield given_bytes, url


_ANSWERS = st.one_of(
    st.binary(max_size=60),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"jsonrpc": st.just("2.0"), "id": st.integers(0, 3) | st.none() | st.text(max_size=2)},
        optional={
            "result": JSON,
            "error": st.dictionaries(st.sampled_from(["code", "message", "data"]), JSON) | JSON,
        },
    ).map(lambda value: json.dumps(value).encode()),
)


@pytest.mark.fault(
    "E8",
    how="any bytes, any JSON, and whatever resembles a JSON-RPC answer",
    then="a result that is the answer to this request, or exit code 20",
)
@given(answer=_ANSWERS)
@settings(max_examples=examples(100))
def test_any_answer_is_a_result_or_cannot_be_checked(
    mirror: tuple[list[bytes], str], answer: bytes
) -> None:
    mirror[0][0] = answer
    rpc = Rpc(mirror[1])
    try:
        result = rpc.call("eth_chainId")  # the first request has the id 0
    except CannotCheckError as error:
        assert "\n" not in error.message
    else:
        message = json.loads(answer)
        assert message["id"] == 0
        assert "error" not in message
        assert message["result"] == result
    finally:
        rpc.close()


@pytest.fixture(scope="module")
def meddled(embedded: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """A log on py-evm behind a proxy, which all examples share."""
    folder = tmp_path_factory.mktemp("meddled") / "project"
    site = make_site(folder, embedded, number=9_700)
    site.edit("wait_seconds = 600", "wait_seconds = 100")
    with open_proxy(embedded) as (proxy, url):
        yield Faulty(
            site=site,
            node=embedded,
            proxy=proxy,
            url=url,
            first_block=int(ask(embedded.url, "eth_blockNumber"), 16) + 1,
            first_nonce=nonce(embedded.url, DEV),
        )


METHODS = [
    name
    for name in QUESTIONS
    if name.startswith("eth_") and name not in ("eth_gasPrice", "eth_getBlockByHash")
]


def replaced(member: str, value: Any) -> Callable[[Any], Any]:
    """Change a member where the true answer has members, else all of it."""
    return lambda true: true | {member: value} if isinstance(true, dict) else value


def is_plausible_gas(method: str, value: Any) -> bool:
    """Say whether it would be signed for, and refused by the node ever after.

    See test_fees.py: an attempt's gas limit is never estimated again.
    """
    try:
        return method == "eth_estimateGas" and 10**6 < int(value, 16) <= 2**32
    except (TypeError, ValueError):
        return False


def meddle_and_finish(faulty: Faulty, method: str, count: int, member: str, value: Any) -> None:
    before = len(faulty.site.heads())
    faulty.proxy.calm()
    faulty.site.add(f"{method} {nonce(faulty.node.url)} {before}", repr((member, value)).encode())
    # The nonce is asked for twice; the only node there is, lying twice alike, would be believed.
    times = 1 if method == "eth_getTransactionCount" else 3
    rule = edits(replaced(member, value))
    faulty.proxy.on(method, *[Call.forward] * count, *[rule] * times)
    try:
        faulty.run()
    except AnchorError as error:
        assert error.exit_code in (
            ExitCode.CANNOT_CHECK,
            ExitCode.NOT_FINAL,
            ExitCode.FUNDS,
            ExitCode.CHAIN_GUARD,
        )
        assert "\n" not in error.message
    faulty.check_claims()
    faulty.proxy.calm()
    try:
        faulty.run()
    except ChainGuardError as error:
        # Out of the gas that a liar had estimated: settled now, and sent anew by the next run.
        assert "reverted" in error.message
        faulty.run()
    assert faulty.site.anchors_on_chain()[-1][0] == faulty.site.heads()[-1][0]


def check_all(faulty: Faulty) -> None:
    sent = [item["hash"] for item in faulty.on_chain()]
    statuses = [ask(faulty.node.url, "eth_getTransactionReceipt", item)["status"] for item in sent]
    faulty.check(wasted=statuses.count("0x0"))


@pytest.mark.fault(
    "E10",
    how="any JSON for an answer, or a member of it, of any method in the midst of a run, up to "
    "three times over",
    then="an exit code of the table; the next honest run finishes; one anchor for each head",
)
@pytest.mark.parametrize("number", [12, pytest.param(100, marks=pytest.mark.slow)])
def test_no_answer_breaks_the_transaction_manager(
    meddled: Faulty, injected: Callable[[int], None], number: int
) -> None:
    done = 0

    @given(method=st.sampled_from(METHODS), count=st.integers(0, 3), member=_MEMBERS, value=JSON)
    @settings(max_examples=number, suppress_health_check=[HealthCheck.too_slow])
    def meddle(method: str, count: int, member: str, value: Any) -> None:
        nonlocal done
        if not is_plausible_gas(method, value):
            done += 1
            meddle_and_finish(meddled, method, count, member, value)

    meddle()
    check_all(meddled)
    injected(done)
