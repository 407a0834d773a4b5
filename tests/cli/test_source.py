"""``anchor source`` prints the compiler's input byte for byte, and says how it is submitted."""

from __future__ import annotations

import json
from pathlib import Path

from support.command import run_anchor

from anchor.ethereum.keccak import format_address
from anchor.registry.artifact import (
    load_artifact,
    load_manifest,
    load_standard_input,
    registry_address,
)

ROOT = Path(__file__).resolve().parents[2]


def test_the_source_is_printed_byte_for_byte_without_a_project(tmp_path: Path) -> None:
    ran = run_anchor("source", cwd=tmp_path).expect(0)
    assert ran.out.encode("utf-8") == load_standard_input()
    document = run_anchor("source", "--json", cwd=tmp_path).expect(0).document
    assert document["standard_input"] == json.loads(load_standard_input())
    assert document["contract"] == "contracts/AnchorRegistry.sol:AnchorRegistry"
    assert document["compiler"] == load_artifact().compiler_version
    assert document["standard_address"] == format_address(registry_address())


def test_the_compiled_contract_is_printed_as_a_manifest(tmp_path: Path) -> None:
    ran = run_anchor("source", "--manifest", cwd=tmp_path).expect(0)
    assert ran.out.encode("utf-8") == load_manifest()
    document = run_anchor("source", "--manifest", "--json", cwd=tmp_path).expect(0).document
    contract = document["manifest"]["contractTypes"]["AnchorRegistry"]
    artifact = load_artifact()
    assert contract["abi"] == artifact.abi
    assert contract["deploymentBytecode"]["bytecode"] == "0x" + artifact.init_code.hex()
    assert contract["runtimeBytecode"]["bytecode"] == "0x" + artifact.runtime_template.hex()


def test_help_and_documentation_name_the_command_that_submits_the_source(tmp_path: Path) -> None:
    submission = (
        "forge verify-contract --verifier sourcify --chain CHAIN_ID ADDRESS "
        + load_artifact().contract
    )
    shown = run_anchor("source", "--help", cwd=tmp_path).expect(0).out
    assert submission in " ".join(shown.split())
    page = (ROOT / "docs" / "contract.md").read_text("utf-8")
    assert submission in page
    assert f"ADDRESS is `{format_address(registry_address())}`" in page
