"""The fixtures of these tests."""

from support.fixtures import anvil_path, embedded, module_anvil, new_site, own_anvil
from support.hardhat import hardhat, running_hardhat

__all__ = [
    "anvil_path",
    "embedded",
    "hardhat",
    "module_anvil",
    "new_site",
    "own_anvil",
    "running_hardhat",
]
