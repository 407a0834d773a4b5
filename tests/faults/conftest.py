"""The fixtures of these tests."""

from support.fixtures import (
    anchored,
    anvil,
    anvil_path,
    embedded,
    module_anvil,
    new_site,
    own_anvil,
    own_site,
    site,
)
from support.hardhat import hardhat, running_hardhat

__all__ = [
    "anchored",
    "anvil",
    "anvil_path",
    "embedded",
    "hardhat",
    "module_anvil",
    "new_site",
    "own_anvil",
    "own_site",
    "running_hardhat",
    "site",
]
