"""headers.json: block headers of every fork, and what is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import rlp
from support.proof_edits import put
from support.tries import keccak256
from support.vectors.cases import Case, invalid, unknown, valid

STATE_ROOT = keccak256(b"a state")

# Names and values of all items, in their order.
ITEMS: dict[str, bytes] = {
    "parentHash": keccak256(b"the parent"),
    "sha3Uncles": keccak256(rlp.encode([])),
    "miner": b"\xc0" * 20,
    "stateRoot": STATE_ROOT,
    "transactionsRoot": keccak256(b"transactions"),
    "receiptsRoot": keccak256(b"receipts"),
    "logsBloom": b"\1" + bytes(255),
    "difficulty": b"\x02\0",
    "number": b"\x01\x51\x8f\x4d",
    "gasLimit": b"\x02\x25\x51\0",
    "gasUsed": b"\x52\x08",
    "timestamp": b"\x6a\xb1\x3b\x80",
    "extraData": b"anchor",
    "mixHash": keccak256(b"mix"),
    "nonce": bytes(8),
    "baseFeePerGas": b"\x07",
    "withdrawalsRoot": keccak256(b"withdrawals"),
    "blobGasUsed": b"\x06\0\0",
    "excessBlobGas": b"\x01",
    "parentBeaconBlockRoot": keccak256(b"beacon"),
    "requestsHash": keccak256(b"requests"),
}
NAMES = list(ITEMS)
VALUES = list(ITEMS.values())
# What EIP-7928 and EIP-7843 (Amsterdam) add.
AMSTERDAM: dict[str, bytes] = {
    "blockAccessListHash": keccak256(b"block access list"),
    "slotNumber": b"\x01\0\0",
}
LATER = list(AMSTERDAM.values())
INTEGERS = {
    "slotNumber": 8, "difficulty": 32, "number": 8, "gasLimit": 8, "gasUsed": 8, "timestamp": 8,
    "baseFeePerGas": 32, "blobGasUsed": 8, "excessBlobGas": 8,
}  # fmt: skip
FORKS = {15: "Homestead", 16: "London", 17: "Shanghai", 20: "Cancun", 21: "Prague"}

RULES = {
    "size": "a header has at most 8,192 bytes",
    "rlp": "a header is the one RLP encoding of an item",
    "list": "a header is a list",
    "item-number": "a header has 15, 16, 17, 20, 21 or more items: of others nothing can be told; "
    "those after the 21st may be of any length, and lists",
    "item-list": "none of the first 21 items is a list",
    "item-length": "hashes have 32 bytes, the bloom 256, the miner 20, the nonce 8",
    "integer-spelling": "an integer has no leading zero",
    "integer-length": "difficulty and base fee have at most 32 bytes, other integers 8",
}


def build_headers() -> dict[str, object]:
    """Return headers.json."""
    return {
        "about": "Is this a block's header, and which block is it (Yellow Paper, section 4.4)?",
        "rules": RULES,
        "headers": list(header_cases()),
    }


def header_case(name: str, items: list[Any]) -> Case:
    encoded = rlp.encode(items)
    return valid(
        name,
        header=f"0x{encoded.hex()}",
        hash=f"0x{keccak256(encoded).hex()}",
        number=int.from_bytes(items[8], "big"),
        timestamp=int.from_bytes(items[11], "big"),
        state_root=f"0x{items[3].hex()}",
    )


def header_cases() -> Iterator[Case]:
    for count, fork in FORKS.items():
        yield header_case(f"{fork}: {count} items", VALUES[:count])
    for name, longest in INTEGERS.items():
        if name in AMSTERDAM:
            continue
        if name not in ("number", "timestamp"):
            yield header_case(f"{name} at its longest", put(VALUES, place(name), b"\xff" * longest))
        yield header_case(f"{name} 0", put(VALUES, place(name), b""))
        yield broken(f"{name} too long", "integer-length", name, b"\1" + bytes(longest))
        yield broken(f"{name} a zero byte", "integer-spelling", name, b"\0")
        yield broken(f"{name} with a leading zero", "integer-spelling", name, b"\0\1")
    for name in NAMES:
        yield broken(f"{name} a list", "item-list", name, [])
        if name not in INTEGERS and name != "extraData":
            yield broken(f"{name} empty", "item-length", name, b"")
            yield broken(f"{name} a byte short", "item-length", name, ITEMS[name][1:])
            yield broken(f"{name} a byte longer", "item-length", name, ITEMS[name] + b"\0")
    for count in (0, 1, 14, 18, 19):
        yield unknown(f"{count} items", "item-number", header=spell(VALUES[:count]))
    yield header_case("22 items", [*VALUES, LATER[0]])
    yield header_case("Amsterdam: 23 items", [*VALUES, *LATER])
    later: dict[str, list[Any]] = {
        "a 22nd item that is empty": [b""],
        "a 22nd item of 31 bytes": [bytes(31)],
        "a 22nd item that is a list": [[b"a", [b"b"]]],
        "a slot number with a leading zero": [LATER[0], b"\0\1"],
        "24 items": [*LATER, b"a later fork's"],
        "40 items": [*LATER, *[b"x"] * 17],
    }
    for name, items in later.items():
        yield header_case(name, [*VALUES, *items])
    yield broken_items("items of no sense, 22 of them", "item-length", [b"x"] * 22)
    yield broken_items("22 items, the first a byte short", "item-length", [
        VALUES[0][1:], *VALUES[1:], LATER[0],
    ])  # fmt: skip
    whole = rlp.encode([*VALUES, LATER[0]])
    yield invalid("22 items, the last cut", "rlp", header=f"0x{whole[:-1].hex()}")
    prefix = b"\x81\x07"  # a single byte below 0x80 has no prefix
    payload = b"".join(rlp.encode(value) for value in VALUES) + prefix
    spelled = b"\xf9" + len(payload).to_bytes(2, "big") + payload
    yield invalid("22 items, the last not as RLP spells it", "rlp", header=f"0x{spelled.hex()}")
    encoded = rlp.encode(VALUES)
    yield invalid("a byte short", "rlp", header=f"0x{encoded[:-1].hex()}")
    yield invalid("a byte longer", "rlp", header=f"0x{encoded.hex()}00")
    yield invalid("nothing", "rlp", header="0x")
    yield invalid("its length spelled in three bytes", "rlp", header=f"0xfa00{encoded[1:].hex()}")
    items = [rlp.encode(value) for value in VALUES]
    assert items[place("baseFeePerGas")] == b"\x07"
    payload = b"".join(put(items, place("baseFeePerGas"), b"\x81\x07"))
    prefixed = b"\xf9" + len(payload).to_bytes(2, "big") + payload
    yield invalid("a prefix before a single byte", "rlp", header=f"0x{prefixed.hex()}")
    yield invalid("a string", "list", header=spell(b"".join(VALUES)))
    spare = 8192 - len(rlp.encode(put(VALUES, place("extraData"), bytes(7000)))) + 7000
    yield header_case("8,192 bytes", put(VALUES, place("extraData"), bytes(spare)))
    yield broken("8,193 bytes", "size", "extraData", bytes(spare + 1))
    yield header_case("no extraData", put(VALUES, place("extraData"), b""))


def broken(name: str, rule: str, item: str, value: object) -> Case:
    return invalid(name, rule, header=spell(put(VALUES, place(item), value)))


def broken_items(name: str, rule: str, items: list[bytes]) -> Case:
    return invalid(name, rule, header=spell(items))


def as_node_says(items: list[bytes]) -> dict[str, Any]:
    """Describe a header as ``eth_getBlockByHash`` does, with members that are none of its items."""
    block: dict[str, Any] = {"hash": "0x" + "00" * 32, "size": "0x1", "transactions": []}
    for name, value in zip((*NAMES, *AMSTERDAM), items, strict=False):
        number = int.from_bytes(value, "big")
        block[name] = hex(number) if name in INTEGERS else f"0x{value.hex()}"
    return block


def place(name: str) -> int:
    return NAMES.index(name)


def spell(items: object) -> str:
    return f"0x{rlp.encode(items).hex()}"
