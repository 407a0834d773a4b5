"""Calldata for the registry, and descriptions of its custom errors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import Address, Hash32, Head, LogId
from anchor.ethereum.keccak import format_address, hash_keccak256, parse_address
from anchor.registry.artifact import CREATE2_SALT, load_artifact


def encode_anchor_call(log: LogId, head: Head, consistency_proof: Sequence[Hash32]) -> bytes:
    """Return the calldata of ``anchor(log, root, size, consistencyProof)``."""
    return _encode_call("anchor", [log, head.root, head.size, list(consistency_proof)])


def encode_set_operator_call(log: LogId, key: Address, operator_id: int) -> bytes:
    """Return the calldata of ``setOperator(log, key, id)``; id 0 removes the key."""
    return _encode_call("setOperator", [log, key, operator_id])


def encode_succeed_call(old: LogId, from_root: Hash32, new: LogId) -> bytes:
    """Return the calldata of ``succeed(oldLog, fromRoot, newLog)``."""
    return _encode_call("succeed", [old, from_root, new])


def decode_anchor_call(data: bytes) -> tuple[LogId, Head] | None:
    """Return the log and head that the calldata anchors; None for any other calldata."""
    arguments = _decode_call("anchor", data)
    if arguments is None:
        return None
    log, root, size, _ = arguments
    return LogId(log), Head(root=Hash32(root), size=size)


def decode_succeed_call(data: bytes) -> tuple[LogId, Hash32, LogId] | None:
    """Return the old log, the root and the new log of ``succeed``; None for any other calldata."""
    arguments = _decode_call("succeed", data)
    if arguments is None:
        return None
    old, from_root, new = arguments
    return LogId(old), Hash32(from_root), LogId(new)


def decode_set_operator_call(data: bytes) -> tuple[LogId, Address, int] | None:
    """Return log, key and id of ``setOperator``; None for any other calldata."""
    arguments = _decode_call("setOperator", data)
    if arguments is None:
        return None
    log, key, operator_id = arguments
    return LogId(log), Address(bytes.fromhex(key[2:])), operator_id


def describe_call(data: bytes) -> str:
    """Return a call of the registry in source form: function, and arguments by their names.

    It is decoded from the calldata, so that it describes what is really sent.
    """
    for entry in load_artifact().abi:
        if entry["type"] != "function":
            continue
        arguments = _decode_call(entry["name"], data)
        if arguments is not None:
            shown = ", ".join(
                f"{argument['name']}={_show(value)}"
                for argument, value in zip(entry["inputs"], arguments, strict=True)
            )
            return f"{entry['name']}({shown})"
    raise MalformedError(Message("calldata-not-registry-call"))


def encode_deployment() -> bytes:
    """Return the calldata that makes the CREATE2 proxy deploy the registry: salt ‖ init code."""
    return CREATE2_SALT + load_artifact().init_code


def describe_revert(data: bytes) -> str:
    """Describe a revert's data: the custom error and its operands, or as much as is known."""
    error = _errors().get(data[:4])
    if error is None:
        return (
            Message("revert-data-unknown", data=data[:64].hex())
            if data
            else Message("revert-data-missing")
        )
    name, names, types = error
    try:
        operands = decode(types, data[4:])
    except DecodingError:
        return Message("revert-operands-malformed", name=name)
    shown = ", ".join(
        f"{operand}={_show(value)}" for operand, value in zip(names, operands, strict=True)
    )
    return f"{name}({shown})"


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, str):  # eth-abi returns addresses as lower-case text
        return format_address(parse_address(value, subject=Message("registry-call-address")))
    return str(value)


def _encode_call(function: str, arguments: list[Any]) -> bytes:
    types = _argument_types(function)
    return _selector(function, types) + encode(types, arguments)


def _decode_call(function: str, data: bytes) -> tuple[Any, ...] | None:
    types = _argument_types(function)
    if data[:4] != _selector(function, types):
        return None
    try:
        arguments = decode(types, data[4:])
    except DecodingError:
        return None
    # Only the canonical encoding is accepted: no extra bytes after the arguments or between them.
    return arguments if encode(types, arguments) == data[4:] else None


def _argument_types(function: str) -> list[str]:
    entry = next(
        entry
        for entry in load_artifact().abi
        if entry["type"] == "function" and entry["name"] == function
    )
    return [argument["type"] for argument in entry["inputs"]]


@cache
def _errors() -> dict[bytes, tuple[str, list[str], list[str]]]:
    errors = {}
    for entry in load_artifact().abi:
        if entry["type"] == "error":
            types = [operand["type"] for operand in entry["inputs"]]
            names = [operand["name"] for operand in entry["inputs"]]
            errors[_selector(entry["name"], types)] = (entry["name"], names, types)
    return errors


def _selector(name: str, types: list[str]) -> bytes:
    return hash_keccak256(f"{name}({','.join(types)})".encode("ascii"))[:4]
