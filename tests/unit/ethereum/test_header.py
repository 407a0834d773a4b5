"""Block headers: every fork's, beside py-evm's, and as nodes describe them."""

from __future__ import annotations

from typing import Any

import pytest
import rlp
from eth.rlp.headers import BlockHeader
from eth.vm.forks.cancun.blocks import CancunBlockHeader
from eth.vm.forks.london.blocks import LondonBlockHeader
from eth.vm.forks.prague.blocks import PragueBlockHeader
from eth.vm.forks.shanghai.blocks import ShanghaiBlockHeader
from hypothesis import given
from hypothesis import strategies as st
from support.tries import keccak256
from support.vectors.headers import INTEGERS, ITEMS, LATER, NAMES, VALUES, as_node_says

from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.ethereum.header import MAX_HEADER_BYTES, encode_header, parse_header

FORKS: dict[int, Any] = {
    15: BlockHeader,
    16: LondonBlockHeader,
    17: ShanghaiBlockHeader,
    20: CancunBlockHeader,
    21: PragueBlockHeader,
}

# eth_getBlockByNumber(0) on Ethereum: the oldest header there is, and the best known hash.
MAINNET_GENESIS = {
    "parentHash": "0x" + "00" * 32,
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x" + "00" * 20,
    "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
    "transactionsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
    "receiptsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x400000000",
    "number": "0x0",
    "gasLimit": "0x1388",
    "gasUsed": "0x0",
    "timestamp": "0x0",
    "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
    "mixHash": "0x" + "00" * 32,
    "nonce": "0x0000000000000042",
}
MAINNET_GENESIS_HASH = "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"


def values(count: int) -> st.SearchStrategy[list[bytes]]:
    def one(name: str) -> st.SearchStrategy[bytes]:
        if name == "extraData":
            return st.binary(max_size=100)
        if name in INTEGERS:
            # py-evm keeps a limit of 32 bytes for all; ours are those of the clients.
            return st.integers(0, 256 ** INTEGERS[name] - 1).map(
                lambda value: value.to_bytes((value.bit_length() + 7) // 8, "big")
            )
        length = len(ITEMS[name])
        return st.binary(min_size=length, max_size=length)

    return st.tuples(*map(one, NAMES[:count])).map(list)


def test_the_first_header_of_ethereum_has_the_hash_that_everybody_knows() -> None:
    header = parse_header(encode_header(MAINNET_GENESIS))
    assert header.hash.hex() == MAINNET_GENESIS_HASH
    assert (header.number, header.timestamp) == (0, 0)
    assert f"0x{header.state_root.hex()}" == MAINNET_GENESIS["stateRoot"]


@pytest.mark.parametrize("count", FORKS)
@given(data=st.data())
def test_a_header_is_read_as_py_evm_reads_it(count: int, data: st.DataObject) -> None:
    items = data.draw(values(count))
    encoded = rlp.encode(items)
    theirs = rlp.decode(encoded, FORKS[count])
    ours = parse_header(encoded)
    assert ours.hash == theirs.hash
    assert (ours.number, ours.timestamp) == (theirs.block_number, theirs.timestamp)
    assert ours.state_root == theirs.state_root
    assert encode_header(as_node_says(items)) == encoded


@given(st.data())
def test_no_altered_header_has_the_same_hash_or_crashes(data: st.DataObject) -> None:
    encoded = rlp.encode(VALUES)
    altered = bytearray(encoded)
    altered[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = parse_header(bytes(altered))
    except (MalformedError, UnknownVersionError):
        return
    assert found.hash != parse_header(encoded).hash


@given(st.binary(max_size=200))
def test_no_bytes_crash(data: bytes) -> None:
    with pytest.raises((MalformedError, UnknownVersionError)):
        parse_header(data)


def test_a_header_is_bounded() -> None:
    with pytest.raises(MalformedError, match="more than the 8,192 bytes that are allowed"):
        parse_header(bytes(MAX_HEADER_BYTES + 1))


@pytest.mark.parametrize("name", NAMES[:15])
def test_a_node_that_leaves_a_member_out_is_told_so(name: str) -> None:
    block = as_node_says(VALUES)
    for value in (None, 7, [], b"0x00"):
        with pytest.raises(
            MalformedError, match=f"^the block's {name} is missing or not a string$"
        ):
            encode_header(block | {name: value})
    del block[name]
    with pytest.raises(MalformedError, match=f"^the block's {name} is missing or not a string$"):
        encode_header(block)


@pytest.mark.parametrize("name", NAMES)
def test_a_member_has_one_spelling(name: str) -> None:
    block = as_node_says(VALUES)
    said = block[name]
    spellings = ["", "0x", "x", said.upper(), said[2:], said + " ", said + "\n", said + "0", "0xg0"]
    spellings += ["0x01", "0x00", hex(2**256), -1]
    if name == "extraData":
        spellings = ["", "x", said.upper(), said[2:], said + "0", said + "\n", "0xg0", hex(7)]
    if name in INTEGERS:
        spellings.remove(said + "0")
        spellings += [hex(256 ** INTEGERS[name])]
    for spelling in spellings:
        with pytest.raises(MalformedError, match=f"^the block's {name} "):
            encode_header(block | {name: spelling})


@pytest.mark.parametrize("absent", ["missing", "null"])
@pytest.mark.parametrize("count", range(15, 22))
def test_members_that_were_added_together_are_there_together(count: int, absent: str) -> None:
    block = as_node_says(VALUES)
    for name in NAMES[count:]:
        if absent == "null":
            block[name] = None
        else:
            del block[name]
    if count in FORKS:
        assert encode_header(block) == rlp.encode(VALUES[:count])
    else:
        with pytest.raises(UnknownVersionError, match="no fork known to this release adds base"):
            encode_header(block)


def test_items_that_a_later_fork_adds_are_covered_by_the_hash_and_counted() -> None:
    plain = parse_header(rlp.encode(VALUES))
    assert plain.unknown_items == 0
    for added, unknown in (
        (LATER[:1], 0),
        (LATER, 0),
        ([bytes(3)], 0),
        ([*LATER, b""], 1),
        ([*LATER, [b"a", [b"b"]], b"c"], 2),
    ):
        encoded = rlp.encode([*VALUES, *added])
        found = parse_header(encoded)
        assert found.hash == keccak256(encoded) != plain.hash
        assert found.unknown_items == unknown
        assert (found.number, found.timestamp, found.state_root) == (
            plain.number,
            plain.timestamp,
            plain.state_root,
        )


@pytest.mark.parametrize("count", [22, 23])
def test_a_header_of_amsterdam_is_encoded(count: int) -> None:
    items = [*VALUES, *LATER][:count]
    assert encode_header(as_node_says(items)) == rlp.encode(items)
    gap = as_node_says([*VALUES, *LATER]) | {"blockAccessListHash": None}
    with pytest.raises(UnknownVersionError, match="requestsHash, slotNumber to a header"):
        encode_header(gap)


@pytest.mark.parametrize("name", NAMES[15:20])
def test_a_member_of_an_older_fork_is_not_left_out(name: str) -> None:
    with pytest.raises(UnknownVersionError, match="no fork known to this release adds"):
        encode_header(as_node_says(VALUES) | {name: None})


def test_as_many_members_as_a_fork_has_may_still_be_none_s() -> None:
    block = as_node_says(VALUES)
    for name in ("baseFeePerGas", "blobGasUsed", "excessBlobGas", "requestsHash"):
        block[name] = None
    with pytest.raises(UnknownVersionError, match="adds withdrawalsRoot, parentBeaconBlockRoot"):
        encode_header(block)
    for name in NAMES[15:20]:
        block[name] = None
    block["requestsHash"] = "0x" + "00" * 32
    with pytest.raises(UnknownVersionError, match="adds requestsHash to"):
        encode_header(block)
