"""The contract lane: ape, anvil and the artifact as it ships.

Collected only under its own pytest.ini (``ape test tests/contracts``): every other lane runs
where ape is not installed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.faults import FaultRecorder
from support.gas_table import GAS_TABLE, format_gas_table

HERE = Path(__file__).resolve().parent


def is_contract_lane(config: pytest.Config) -> bool:
    return config.inipath == HERE / "pytest.ini"


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if is_contract_lane(config) else True


def pytest_configure(config: pytest.Config) -> None:
    if not is_contract_lane(config):
        return
    config.pluginmanager.register(FaultRecorder(), "faults")
    # ape would give its anvil 20 seconds to start, and a port that another process may have taken.
    from anchor.testing.local_chain import open_chain

    chain = open_chain("anvil")
    config.add_cleanup(chain.close)
    os.environ["APE_FOUNDRY_HOST"] = chain.url


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if rows := config.stash.get(GAS_TABLE, None):
        terminalreporter.section("gas")
        for line in format_gas_table(rows):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def artifact() -> dict[str, Any]:
    """The artifact that ships, of which ``test_toolchain`` checks that it is up to date."""
    from build_artifact import load_artifact

    return load_artifact()


@pytest.fixture(scope="session")
def registry(artifact: dict[str, Any], accounts: Any) -> Any:
    """The shipped bytecode, deployed.  ape puts the chain back after every test."""
    return _deploy(accounts[9], "AnchorRegistry", artifact["abi"], artifact["bytecode"])


@pytest.fixture(scope="session")
def owner(accounts: Any) -> Any:
    return accounts[0]


@pytest.fixture(scope="session")
def operator(accounts: Any) -> Any:
    return accounts[1]


@pytest.fixture(scope="session")
def stranger(accounts: Any) -> Any:
    return accounts[2]


def _deploy(sender: Any, name: str, abi: list[Any], bytecode: str) -> Any:
    from ape.contracts import ContractContainer
    from ethpm_types import ContractType

    contract_type = ContractType.model_validate(
        {"contractName": name, "abi": abi, "deploymentBytecode": {"bytecode": bytecode}}
    )
    return ContractContainer(contract_type).deploy(sender=sender)


@pytest.fixture(scope="session")
def harness(accounts: Any) -> Any:
    """``sol/Rfc9162Harness.sol``, compiled with the registry's own settings."""
    from build_artifact import compile_input, make_standard_input

    source = "tests/contracts/sol/Rfc9162Harness.sol"
    sources = (source, "contracts/Rfc9162.sol", "contracts/interfaces/IAnchorRegistry.sol")
    output = compile_input(make_standard_input(sources))
    contract = output["contracts"][source]["Rfc9162Harness"]
    bytecode = "0x" + contract["evm"]["bytecode"]["object"]
    return _deploy(accounts[9], "Rfc9162Harness", contract["abi"], bytecode)
