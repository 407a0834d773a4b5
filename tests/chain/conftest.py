"""The fixtures of these tests."""

from support.fixtures import anvil_path, make, own_anvil
from support.hardhat import hardhat, running_hardhat

__all__ = ["anvil_path", "hardhat", "make", "own_anvil", "running_hardhat"]
