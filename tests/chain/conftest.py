"""The fixtures of these tests."""

from support.fixtures import anvil_path, make, own_anvil
from support.hardhat import running_hardhat

__all__ = ["anvil_path", "make", "own_anvil", "running_hardhat"]
