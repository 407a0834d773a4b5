"""A contract test of a project that uses the registry: ape test --network ethereum:local:test."""

from typing import Any

from eth_utils import keccak


def test_a_log_grows_only_from_its_head(accounts: Any, project: Any) -> None:
    """An owner anchors the first head of a log of their own."""
    owner = accounts[0]
    registry = project.dependencies["anchor"]["local"].AnchorRegistry.deploy(sender=owner)
    log = (7).to_bytes(12, "big") + bytes.fromhex(owner.address[2:])
    root = keccak(b"a root of three leaves")
    registry.anchor(log, root, 3, [], sender=owner)
    newest, head = registry.headOf(log)
    assert (newest, head.size) == (root, 3)
    assert head.sequence == 1
