"""A trust policy as the JSON object that test vectors have (docs/spec/policy.md)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from support.vectors.policies import to_toml

from anchor.verification.policy import TrustEntry, TrustPolicy, parse_policy


def describe_entry(entry: TrustEntry) -> dict[str, Any]:
    """Return every member of an entry, None for one that has no value."""
    members: dict[str, Any] = _plain(asdict(entry))
    return members


def describe_policy(policy: TrustPolicy) -> dict[str, Any]:
    """Return the entries of a policy, without members that have no value."""
    entries = [_without_null(describe_entry(entry)) for entry in policy.entries]
    return {"format": "anchor-trust/1", "trust": entries}


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_null(each) for name, each in value.items() if each is not None}
    return [_without_null(each) for each in value] if isinstance(value, list) else value


def read_policy_json(policy: dict[str, Any] | None) -> TrustPolicy | None:
    """Return the policy that a vector gives."""
    return None if policy is None else parse_policy(to_toml(policy).encode())


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value
