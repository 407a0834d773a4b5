"""One set of compiler settings in three places, and an artifact that is what they give."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import yaml
from build_artifact import SETTINGS, VERSION, build_files
from support.paths import ROOT


def read_settings() -> dict[str, Any]:
    return {
        "version": VERSION,
        "viaIR": SETTINGS["viaIR"],
        "runs": SETTINGS["optimizer"]["runs"],
        "evmVersion": SETTINGS["evmVersion"],
    }


@pytest.mark.fault(
    "J14",
    how="the compiled contract is made again from its sources",
    then="byte for byte the same",
)
def test_the_artifact_is_what_the_sources_compile_to() -> None:
    stale = [
        path.name
        for path, text in build_files().items()
        if path.read_bytes() != text.encode("utf-8")
    ]
    assert stale == []


def test_foundry_compiles_with_the_artifacts_settings() -> None:
    profile = tomllib.loads((ROOT / "foundry.toml").read_text("utf-8"))["profile"]["default"]
    assert profile["optimizer"] is True
    assert profile["bytecode_hash"] == SETTINGS["metadata"]["bytecodeHash"]
    assert profile["cbor_metadata"] == SETTINGS["metadata"]["appendCBOR"]
    assert read_settings() == {
        "version": profile["solc"],
        "viaIR": profile["via_ir"],
        "runs": profile["optimizer_runs"],
        "evmVersion": profile["evm_version"],
    }


def test_ape_compiles_with_the_artifacts_settings() -> None:
    solidity = yaml.safe_load((ROOT / "ape-config.yaml").read_text("utf-8"))["solidity"]
    assert solidity["optimize"] is True
    assert read_settings() == {
        "version": solidity["version"],
        "viaIR": solidity["via_ir"],
        "runs": solidity["optimization_runs"],
        "evmVersion": solidity["evm_version"],
    }


def test_the_contract_stays_two_pages() -> None:
    source = (ROOT / "contracts" / "AnchorRegistry.sol").read_text("utf-8")
    assert len(source.splitlines()) <= 160
