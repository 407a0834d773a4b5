"""Block headers: the data that a block's hash commits to.

A header is an RLP list, and the Keccak-256 of its bytes is the block's hash (Yellow Paper, section
4.4).  Forks added items at its end: EIP-1559 (London) the base fee, EIP-4895 (Shanghai) the
withdrawals' root, EIP-4844 and EIP-4788 (Cancun) two blob gas counters and the beacon block's root,
EIP-7685 (Prague) the requests' hash, EIP-7928 and EIP-7843 (Amsterdam) the block access list's hash
and the slot's number.  Merged chains and rollups (Arbitrum, the OP stack) give some items another
meaning, but not another position.  Items added by future forks do not move the known ones, and the
hash covers them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.base.messages.message import Message, join
from anchor.base.types import Hash32, parse_hex
from anchor.ethereum.keccak import hash_keccak256
from anchor.ethereum.rlp import (
    RlpItem,
    decode_rlp,
    encode_integer,
    encode_rlp,
    parse_bytes,
    parse_integer,
)

# All items but extraData take less than 900 bytes.  Chains that list their validators in extraData
# need some KiB; on Ethereum itself it has at most 32 bytes since the merge.
MAX_HEADER_BYTES = 8192

_QUANTITY = re.compile(r"0x(0|[1-9a-f][0-9a-f]{0,63})")
_DATA = re.compile(r"0x([0-9a-f]{2})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The items of a header that a verifier needs; ``timestamp`` in Unix seconds.

    ``unknown_items`` counts the items at its end that this release does not know.
    """

    hash: Hash32
    number: int
    timestamp: int
    state_root: Hash32
    unknown_items: int


@dataclass(frozen=True, slots=True)
class _Item:
    """One item: its name in JSON-RPC, and its exact length in bytes or maximal length in bits."""

    name: str
    kind: Literal["bytes", "integer", "any bytes"]
    length: int = 0


_ITEMS = (
    _Item("parentHash", "bytes", 32),
    _Item("sha3Uncles", "bytes", 32),
    _Item("miner", "bytes", 20),
    _Item("stateRoot", "bytes", 32),
    _Item("transactionsRoot", "bytes", 32),
    _Item("receiptsRoot", "bytes", 32),
    _Item("logsBloom", "bytes", 256),
    _Item("difficulty", "integer", 256),
    _Item("number", "integer", 64),
    _Item("gasLimit", "integer", 64),
    _Item("gasUsed", "integer", 64),
    _Item("timestamp", "integer", 64),
    _Item("extraData", "any bytes"),
    _Item("mixHash", "bytes", 32),
    _Item("nonce", "bytes", 8),
    _Item("baseFeePerGas", "integer", 256),
    _Item("withdrawalsRoot", "bytes", 32),
    _Item("blobGasUsed", "integer", 64),
    _Item("excessBlobGas", "integer", 64),
    _Item("parentBeaconBlockRoot", "bytes", 32),
    _Item("requestsHash", "bytes", 32),
    _Item("blockAccessListHash", "bytes", 32),
    _Item("slotNumber", "integer", 64),
)

# Number of header items: before London, then since London, Shanghai, Cancun and Prague.
_SHAPES = (15, 16, 17, 20, 21)
# Only this many items are checked: later ones may come from forks that are not known yet.
_STRICT = _SHAPES[-1]
# A chain that adopts Amsterdam's EIPs one by one may have only the first of its two items.
_ENCODED_SHAPES = (*_SHAPES, 22, 23)


@lru_cache(maxsize=16)  # the receipts of a bundle share one header
def parse_header(encoded: bytes) -> Header:
    """Parse a block header's RLP; its hash is that of ``encoded``."""
    items = decode_rlp(encoded, subject=Message("block-header"), max_bytes=MAX_HEADER_BYTES)
    if not isinstance(items, tuple):
        raise MalformedError(Message("header-not-list"))
    if len(items) not in _SHAPES and len(items) < _STRICT:
        raise UnknownVersionError(
            Message("header-size-of-no-fork", count=len(items)),
            hint=Message("release-too-old-hint"),
        )
    strict = _ITEMS[:_STRICT]
    members = {
        spec.name: _parse_item(value, spec) for value, spec in zip(items, strict, strict=False)
    }
    return Header(
        hash=hash_keccak256(encoded),
        number=int.from_bytes(members["number"], "big"),
        timestamp=int.from_bytes(members["timestamp"], "big"),
        state_root=Hash32(members["stateRoot"]),
        unknown_items=max(0, len(items) - len(_ITEMS)),
    )


def encode_header(block: Mapping[str, object]) -> bytes:
    """Encode the header of a block as ``eth_getBlockByHash`` describes it.

    Members that are not header items are ignored.  The caller must compare the encoding's hash with
    the block's hash to know that this is its header.
    """
    added = [spec for spec in _ITEMS[_SHAPES[0] :] if block.get(spec.name) is not None]
    count = _SHAPES[0] + len(added)
    if count not in _ENCODED_SHAPES or tuple(added) != _ITEMS[_SHAPES[0] : count]:
        names = join(spec.name for spec in added)
        raise UnknownVersionError(Message("header-items-of-no-fork", names=names))
    return encode_rlp(tuple(_encode_member(block.get(spec.name), spec) for spec in _ITEMS[:count]))


def _parse_item(value: RlpItem, spec: _Item) -> bytes:
    subject = Message("header-item", name=spec.name)
    if not isinstance(value, bytes):
        raise MalformedError(Message("value-unexpected-list", subject=subject))
    if spec.kind == "integer":
        parse_integer(value, subject=subject, max_bits=spec.length)
    elif spec.kind == "bytes":
        parse_bytes(value, subject=subject, length=spec.length)
    return value


def _encode_member(value: object, spec: _Item) -> bytes:
    subject = Message("block-member", name=spec.name)
    if not isinstance(value, str):
        raise MalformedError(Message("value-missing-or-not-string", subject=subject))
    if spec.kind == "bytes":
        return parse_hex(value, length=spec.length, subject=subject, prefix=True)
    if spec.kind == "any bytes":
        if not _DATA.fullmatch(value):
            raise MalformedError(Message("value-not-hex-data", subject=subject))
        return bytes.fromhex(value[2:])
    if not _QUANTITY.fullmatch(value):
        raise MalformedError(Message("value-not-hex-quantity", subject=subject))
    encoded = encode_integer(int(value, 16))
    parse_integer(encoded, subject=subject, max_bits=spec.length)
    return encoded
