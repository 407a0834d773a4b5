"""The fixtures of these tests."""

from support.fixtures import (
    anvil,
    anvil_path,
    bare_anvil,
    embedded,
    module_anvil,
    new_site,
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
    "module_anvil",
    "new_site",
    "own_anvil",
    "running_hardhat",
    "site",
]
