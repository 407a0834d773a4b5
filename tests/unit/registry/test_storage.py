"""The registry as data: Keccak, addresses, storage slots, packed words, calldata and its errors."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from anchor.base.errors import ExitCode, MalformedError, NodeFaultError, UsageError
from anchor.base.types import (
    MAX_LOG_NUMBER,
    Address,
    Anchor,
    ChainId,
    Hash32,
    Head,
    LogId,
    log_number,
    log_owner,
    make_log_id,
)
from anchor.ethereum import keccak as keccak_module
from anchor.ethereum.keccak import format_address, hash_keccak256, parse_address
from anchor.registry.artifact import (
    CREATE2_PROXY,
    CREATE2_PROXY_CODE_HASH,
    CREATE2_SALT,
    expected_code_hash,
    load_artifact,
    registry_address,
    runtime_code,
)
from anchor.registry.calldata import (
    describe_revert,
    encode_anchor_call,
    encode_deployment,
    encode_set_operator_call,
)
from anchor.registry.storage import (
    ANCHORS_SLOT,
    HEADS_SLOT,
    LAST_HEADS_SLOT,
    OPERATOR_IDS_SLOT,
    OPERATOR_KEYS_SLOT,
    PREDECESSORS_SLOT,
    SUCCESSORS_SLOT,
    anchor_slot,
    decode_anchor,
    encode_anchor,
    head_slot,
    last_head_slot,
    operator_id_slot,
    operator_key_slot,
    predecessor_slot,
    successor_slot,
)

ONE = bytes(31) + b"\x01"

# The whole list of EIP-55's test cases.
EIP_55 = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]

# EIP-1014's examples: deployer, salt, init code, address.
EIP_1014 = [
    ("00" * 20, "00" * 32, "00", "4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"),
    ("deadbeef" + "00" * 16, "00" * 32, "00", "B928f69Bb1D91Cd65274e3c79d8986362984fDA3"),
    (
        "deadbeef" + "00" * 16,
        "000000000000000000000000feed000000000000000000000000000000000000",
        "00",
        "D04116cDd17beBE565EB2422F2497E06cC1C9833",
    ),
    ("00" * 20, "00" * 32, "deadbeef", "70f2b2914A2a4b783FaEFb75f459A580616Fcb5e"),
    (
        "00000000000000000000000000000000deadbeef",
        "00000000000000000000000000000000000000000000000000000000cafebabe",
        "deadbeef",
        "60f3f640a8508fC6a86d45DF051962668E1e8AC7",
    ),
    (
        "00000000000000000000000000000000deadbeef",
        "00000000000000000000000000000000000000000000000000000000cafebabe",
        "deadbeef" * 11,
        "1d8bfDC5D46DC4f61D6b6115972536eBE6A8854C",
    ),
    ("00" * 20, "00" * 32, "", "E33C0C7F7df4809055C3ebA6c09CFe4BaF1BD9e0"),
]


def create2(deployer: bytes, salt: bytes, init_code: bytes) -> bytes:
    return hash_keccak256(b"\xff" + deployer + salt + hash_keccak256(init_code))[12:]


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (b"a" * 136, "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e"),
    ],
)
def test_keccak_is_ethereums_and_not_sha3(data: bytes, digest: str) -> None:
    assert hash_keccak256(data).hex() == digest
    assert keccak_module._pycryptodome_keccak(data).digest().hex() == digest


@pytest.mark.parametrize("text", EIP_55)
def test_eip_55s_examples_are_read_and_written(text: str) -> None:
    address = Address(bytes.fromhex(text[2:]))
    assert format_address(address) == text
    for spelling in (text, text.lower(), "0x" + text[2:].upper()):
        assert parse_address(spelling, subject="it") == address


@pytest.mark.parametrize("text", EIP_55[4:])
def test_an_address_with_one_letter_of_the_other_case_is_refused(text: str) -> None:
    for at in range(2, 42):
        if text[at].isalpha():
            wrong = text[:at] + text[at].swapcase() + text[at + 1 :]
            with pytest.raises(MalformedError, match="checksum"):
                parse_address(wrong, subject="it")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "52908400098527886E0F7030069857D2E4169EE7",
        "0X52908400098527886E0F7030069857D2E4169EE7",
        "0x52908400098527886E0F7030069857D2E4169EE",
        "0x52908400098527886E0F7030069857D2E4169EE700",
        " 0x52908400098527886E0F7030069857D2E4169EE7",
        "0x52908400098527886E0F7030069857D2E4169EE\n",
        "0x" + "١" * 40,
        "0x" + "g" * 40,
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(MalformedError, match="it must be 0x and 40 hex digits"):
        parse_address(text, subject="it")


@given(st.binary(min_size=20, max_size=20), st.integers(0, MAX_LOG_NUMBER))
def test_a_log_id_is_its_number_and_its_owner(owner: bytes, number: int) -> None:
    log = make_log_id(Address(owner), number)
    assert (len(log), log_owner(log), log_number(log)) == (32, owner, number)
    assert parse_address(format_address(Address(owner)), subject="it") == owner


@pytest.mark.parametrize("number", [-1, MAX_LOG_NUMBER + 1])
def test_a_log_number_outside_96_bits_is_refused(number: int) -> None:
    with pytest.raises(UsageError):
        make_log_id(Address(bytes(20)), number)


@pytest.mark.parametrize(("deployer", "salt", "init_code", "address"), EIP_1014)
def test_the_create2_formula_gives_eip_1014s_examples(
    deployer: str, salt: str, init_code: str, address: str
) -> None:
    found = create2(*(bytes.fromhex(text) for text in (deployer, salt, init_code)))
    assert format_address(Address(found)) == "0x" + address


def test_the_registrys_address_is_what_the_create2_formula_gives() -> None:
    init_code = load_artifact().init_code
    assert registry_address() == create2(CREATE2_PROXY, CREATE2_SALT, init_code)
    assert encode_deployment() == CREATE2_SALT + init_code
    assert format_address(CREATE2_PROXY) == "0x4e59b44847b379578588920cA78FbF26c0B4956C"
    # The proxy's whole runtime code, from its repository (Arachnid/deterministic-deployment-proxy).
    proxy = (
        "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
        "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
    )
    assert hash_keccak256(bytes.fromhex(proxy)) == CREATE2_PROXY_CODE_HASH


@pytest.mark.fault(
    "I2",
    how="the registry's code at the same address of another chain",
    then="its hash is another one",
)
def test_the_runtime_code_differs_between_chains_in_the_chain_id_alone() -> None:
    artifact = load_artifact()
    one, other = runtime_code(ChainId(1)), runtime_code(ChainId(2**53 - 1))
    assert len(one) == len(other) == len(artifact.runtime_template)
    places = {at for start in artifact.chain_id_places for at in range(start, start + 32)}
    assert artifact.chain_id_places
    for at, (left, right) in enumerate(zip(one, other, strict=True)):
        assert left == right or at in places
    for start in artifact.chain_id_places:
        assert int.from_bytes(one[start : start + 32], "big") == 1
        assert int.from_bytes(other[start : start + 32], "big") == 2**53 - 1
    assert expected_code_hash(ChainId(1)) == hash_keccak256(one)
    assert expected_code_hash(ChainId(1)) != expected_code_hash(ChainId(2))


# keccak256(abi.encode(1, slot)), as published with many a contract's storage.
FIRST_KEYS = {
    ANCHORS_SLOT: "ada5013122d395ba3c54772283fb069b10426056ef8ca54750cb9bb552a59e7d",
    HEADS_SLOT: "cc69885fda6bcc1a4ace058b4a62bf5e179ea78fd58a1ccd71c22cc9b688792f",
    OPERATOR_KEYS_SLOT: "e90b7bceb6e7df5418fb78d8ee546e97c83a08bbccc01a0644d599ccd2a7c2e0",
    OPERATOR_IDS_SLOT: "a15bc60c955c405d20d9149c709e2460f1c2d9a497496a7f46004d1772c3054c",
    SUCCESSORS_SLOT: "abd6e7cb50984ff9c2f3e18a2660c3353dadf4e3291deeb275dae2cd1e44fe05",
    PREDECESSORS_SLOT: "1471eb6eb2c5e789fc3de43f8ce62938c7d1836ec861730447e2ada8fd81017b",
    LAST_HEADS_SLOT: "3e5fec24aa4dc4e5aee2e025e51e1392c72a2500577559fae9665c6d52bd6a31",
}


def test_a_log_keeps_its_heads_and_links_where_solidity_says() -> None:
    log = LogId(ONE)
    assert head_slot(log).hex() == FIRST_KEYS[HEADS_SLOT]
    assert successor_slot(log).hex() == FIRST_KEYS[SUCCESSORS_SLOT]
    assert predecessor_slot(log).hex() == FIRST_KEYS[PREDECESSORS_SLOT]
    assert last_head_slot(log).hex() == FIRST_KEYS[LAST_HEADS_SLOT]


@pytest.mark.parametrize(
    ("slot", "found"),
    [
        (ANCHORS_SLOT, anchor_slot(LogId(ONE), Hash32(b"\xab" * 32))),
        (OPERATOR_KEYS_SLOT, operator_key_slot(LogId(ONE), int.from_bytes(b"\xab" * 9, "big"))),
        (OPERATOR_IDS_SLOT, operator_id_slot(LogId(ONE), Address(b"\xab" * 20))),
    ],
)
def test_nested_mappings_lie_where_solidity_says(slot: int, found: Hash32) -> None:
    key = {ANCHORS_SLOT: 32, OPERATOR_KEYS_SLOT: 9, OPERATOR_IDS_SLOT: 20}[slot]
    inner = (b"\xab" * key).rjust(32, b"\x00") + bytes.fromhex(FIRST_KEYS[slot])
    assert found == hash_keccak256(inner)


def test_the_slots_are_those_of_the_compilers_storage_layout() -> None:
    text = (resources.files("anchor.registry") / "data" / "AnchorRegistry.json").read_text("utf-8")
    layout: dict[str, Any] = json.loads(text)["storageLayout"]
    assert {item["label"]: int(item["slot"]) for item in layout["storage"]} == {
        "anchors": ANCHORS_SLOT,
        "heads": HEADS_SLOT,
        "operatorKeys": OPERATOR_KEYS_SLOT,
        "operatorIds": OPERATOR_IDS_SLOT,
        "successors": SUCCESSORS_SLOT,
        "predecessors": PREDECESSORS_SLOT,
        "lastHeads": LAST_HEADS_SLOT,
    }
    struct = next(kind for kind in layout["types"].values() if "members" in kind)
    assert [(item["label"], item["offset"], item["slot"]) for item in struct["members"]] == [
        ("size", 0, "0"),
        ("sequence", 6, "0"),
        ("blockNumber", 11, "0"),
        ("timestamp", 17, "0"),
        ("operatorId", 23, "0"),
    ]


def test_an_anchor_is_packed_from_the_low_bits_up() -> None:
    anchor = Anchor(
        size=0x010203040506,
        sequence=0x0708090A0B,
        block_number=0x0C0D0E0F1011,
        timestamp=0x121314151617,
        operator_id=0x18191A1B1C1D1E1F20,
    )
    assert encode_anchor(anchor).hex() == (
        "18191a1b1c1d1e1f20" + "121314151617" + "0c0d0e0f1011" + "0708090a0b" + "010203040506"
    )
    assert decode_anchor(encode_anchor(anchor)) == anchor


@given(
    st.builds(
        Anchor,
        size=st.integers(1, 2**48 - 1),
        sequence=st.integers(1, 2**40 - 1),
        block_number=st.integers(0, 2**48 - 1),
        timestamp=st.integers(0, 2**48 - 1),
        operator_id=st.integers(0, 2**72 - 1),
    )
)
def test_every_anchor_survives_being_packed(anchor: Anchor) -> None:
    assert decode_anchor(encode_anchor(anchor)) == anchor


@given(st.binary(min_size=32, max_size=32))
def test_every_word_is_nothing_an_anchor_or_a_fault(word: bytes) -> None:
    try:
        anchor = decode_anchor(word)
    except NodeFaultError as error:
        assert error.exit_code is ExitCode.CANNOT_CHECK
        assert word[26:] == bytes(6) or word[21:26] == bytes(5)
        return
    assert (anchor is None) == (word == bytes(32))
    assert anchor is None or encode_anchor(anchor) == word


def test_an_empty_word_is_no_anchor_and_a_word_without_size_or_sequence_is_a_fault() -> None:
    assert decode_anchor(bytes(32)) is None
    for word in (bytes(31) + b"\x01", b"\x01" + bytes(31), bytes(21) + b"\x01" * 5 + bytes(6)):
        with pytest.raises(NodeFaultError):
            decode_anchor(word)


def test_calldata_is_a_selector_and_the_abis_encoding() -> None:
    log, root, proof = LogId(b"\x11" * 32), Hash32(b"\x22" * 32), [Hash32(b"\x33" * 32)]
    data = encode_anchor_call(log, Head(root=root, size=7), proof)
    assert data[:4] == hash_keccak256(b"anchor(bytes32,bytes32,uint256,bytes32[])")[:4]
    words = [data[at : at + 32] for at in range(4, len(data), 32)]
    numbers = [int.from_bytes(words[at], "big") for at in (2, 3, 4)]
    assert (words[0], words[1], numbers, words[5:]) == (log, root, [7, 128, 1], proof)
    data = encode_set_operator_call(log, Address(b"\x44" * 20), 2**72 - 1)
    assert data[:4] == hash_keccak256(b"setOperator(bytes32,address,uint72)")[:4]
    assert data[4:] == log + bytes(12) + b"\x44" * 20 + bytes(23) + b"\xff" * 9


ERRORS = [item for item in load_artifact().abi if item["type"] == "error"]


def revert(item: dict[str, Any], operands: list[Any]) -> bytes:
    types = [operand["type"] for operand in item["inputs"]]
    selector = hash_keccak256(f"{item['name']}({','.join(types)})".encode())[:4]
    return selector + encode(types, operands)


@pytest.mark.parametrize("item", ERRORS, ids=lambda item: str(item["name"]))
def test_every_custom_error_is_described_with_its_operands(item: dict[str, Any]) -> None:
    values = {"bytes32": b"\xab" * 32, "address": "0x" + "cd" * 20, "uint256": 7, "uint72": 9}
    types = [operand["type"] for operand in item["inputs"]]
    shown = {
        "bytes32": "0x" + "ab" * 32,
        "address": format_address(Address(b"\xcd" * 20)),
        "uint256": "7",
        "uint72": "9",
    }
    data = revert(item, [values[kind] for kind in types])
    text = ", ".join(f"{operand['name']}={shown[operand['type']]}" for operand in item["inputs"])
    assert describe_revert(data) == f"{item['name']}({text})"
    if types:
        assert describe_revert(data[:-1]) == f"{item['name']} with malformed operands"
        assert describe_revert(data[:4]) == f"{item['name']} with malformed operands"


def test_a_revert_of_another_kind_is_shown_in_hex_within_bounds() -> None:
    assert describe_revert(b"") == "no revert data"
    assert describe_revert(b"\x01") == "revert data 0x01"
    assert describe_revert(b"\xff" * 10_000) == "revert data 0x" + "ff" * 64


@given(st.sampled_from(ERRORS), st.binary(max_size=200))
def test_no_revert_data_whatever_raises(item: dict[str, Any], junk: bytes) -> None:
    types = [operand["type"] for operand in item["inputs"]]
    selector = hash_keccak256(f"{item['name']}({','.join(types)})".encode())[:4]
    assert describe_revert(selector + junk).startswith(item["name"])
    assert describe_revert(junk)
