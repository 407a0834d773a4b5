"""The fixtures of these tests."""

from support.fixtures import (
    anvil,
    anvil_path,
    embedded,
    log,
    make,
    module_anvil,
    own,
    own_anvil,
    site,
)
from support.hardhat import hardhat, running_hardhat

__all__ = [
    "anvil",
    "anvil_path",
    "embedded",
    "hardhat",
    "log",
    "make",
    "module_anvil",
    "own",
    "own_anvil",
    "running_hardhat",
    "site",
]
