"""The fixtures of these tests."""

from support.fixtures import anvil_path, embedded, make, module_anvil, own_anvil
from support.hardhat import hardhat, running_hardhat

__all__ = [
    "anvil_path",
    "embedded",
    "hardhat",
    "make",
    "module_anvil",
    "own_anvil",
    "running_hardhat",
]
