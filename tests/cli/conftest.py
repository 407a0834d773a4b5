"""The fixtures of these tests."""

from support.fixtures import (
    anvil,
    anvil_path,
    bare_anvil,
    embedded,
    make,
    module_anvil,
    own_anvil,
    site,
)
from support.hardhat import hardhat, running_hardhat

__all__ = [
    "anvil",
    "anvil_path",
    "bare_anvil",
    "embedded",
    "hardhat",
    "make",
    "module_anvil",
    "own_anvil",
    "running_hardhat",
    "site",
]
