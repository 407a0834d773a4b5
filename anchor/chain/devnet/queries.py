"""What callers ask of the embedded chain: the objects of eth_call, eth_getLogs, eth_feeHistory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from anchor.chain.devnet.encoding import Json, parse_data, parse_quantity
from anchor.chain.devnet.evm import GAS_LIMIT
from anchor.chain.devnet.jsonrpc import INVALID_PARAMS, RpcError
from anchor.chain.devnet.records import Call, Log

# geth's limits.
MAX_TOPICS = 4
MAX_FILTER_TERMS = 1000
MAX_PERCENTILES = 100

# A call costs nothing here, and any nonce is the right one.
_IGNORED_MEMBERS = {
    "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "nonce", "chainId", "type"
}  # fmt: skip
_CALL_MEMBERS = {"from", "to", "gas", "value", "data", "input"} | _IGNORED_MEMBERS
_ZERO_ADDRESS = "0x" + "00" * 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which logs are wanted; None stands for any."""

    addresses: frozenset[bytes] | None
    topics: tuple[frozenset[bytes] | None, ...]

    def is_match(self, log: Log) -> bool:
        """Tell whether the log has one of the addresses, and one of the topics at each place."""
        if self.addresses is not None and log.address not in self.addresses:
            return False
        if len(self.topics) > len(log.topics):
            return False
        return all(
            wanted is None or topic in wanted
            for wanted, topic in zip(self.topics, log.topics, strict=False)
        )


def parse_call(value: Any) -> Call:
    """Read the first parameter of eth_call and eth_estimateGas."""
    call = {
        key: member for key, member in _parse_object(value, "call").items() if member is not None
    }
    if unknown := call.keys() - _CALL_MEMBERS:
        raise RpcError(INVALID_PARAMS, f"call: this devnet does not know {sorted(unknown)[0]!r}")
    data, both = call.get("input", call.get("data", "0x")), call.keys() >= {"input", "data"}
    if both and call["input"] != call["data"]:
        raise RpcError(INVALID_PARAMS, 'both "data" and "input" are set and not equal')
    gas = parse_quantity(call["gas"], "gas") if "gas" in call else GAS_LIMIT
    return Call(
        sender=parse_data(call.get("from", _ZERO_ADDRESS), "from", length=20),
        to=parse_data(call["to"], "to", length=20) if "to" in call else b"",
        data=parse_data(data, "data"),
        value=parse_quantity(call.get("value", "0x0"), "value"),
        gas=min(gas, GAS_LIMIT),
    )


def parse_log_filter(value: Any) -> LogFilter:
    """Read addresses and topics of eth_getLogs's parameter; the blocks are the chain's affair."""
    wanted = _parse_object(value, "filter")
    topics = wanted.get("topics") or []
    if not isinstance(topics, list) or len(topics) > MAX_TOPICS:
        raise RpcError(INVALID_PARAMS, f"topics: want a list of at most {MAX_TOPICS}")
    return LogFilter(
        addresses=_parse_terms(wanted.get("address"), "address", 20),
        topics=tuple(_parse_terms(topic, "topic", 32) for topic in topics),
    )


def parse_slot(value: Any) -> int:
    """Read a storage slot: clients send a quantity or 32 bytes."""
    if isinstance(value, str) and len(value) == 66:
        return int.from_bytes(parse_data(value, "storage slot", length=32), "big")
    return parse_quantity(value, "storage slot")


def parse_percentiles(value: Any) -> int:
    """Check eth_feeHistory's percentiles, and return how many there are."""
    if not isinstance(value, list) or len(value) > MAX_PERCENTILES:
        raise RpcError(INVALID_PARAMS, f"percentiles: want a list of at most {MAX_PERCENTILES}")
    numbers = [number for number in value if type(number) in (int, float)]
    if len(numbers) < len(value) or numbers != sorted(numbers) or not _is_percentage(numbers):
        raise RpcError(INVALID_PARAMS, "percentiles: want rising numbers from 0 to 100")
    return len(numbers)


def _is_percentage(numbers: list[float]) -> bool:
    return all(0 <= number <= 100 for number in numbers)


def _parse_object(value: Any, what: str) -> Json:
    if not isinstance(value, dict):
        raise RpcError(INVALID_PARAMS, f"{what}: want an object")
    return cast("Json", value)


def _parse_terms(value: Any, what: str, length: int) -> frozenset[bytes] | None:
    """Read one value or a list of alternatives; null and an empty list stand for any."""
    terms = value if isinstance(value, list) else [value]
    if value is None or not terms:
        return None
    if len(terms) > MAX_FILTER_TERMS:
        raise RpcError(INVALID_PARAMS, f"{what}: at most {MAX_FILTER_TERMS} alternatives")
    return frozenset(parse_data(term, what, length=length) for term in terms)
