"""Compile the registry into ``anchor/registry/data``, or check the files there.

    python scripts/_build/build_artifact.py            write the artifact
    python scripts/_build/build_artifact.py --check    rebuild it and compare byte for byte

There are three files: the artifact that the package reads; the standard JSON input of the
compiler, which Sourcify and Etherscan accept for verification; and an EthPM manifest, which ape
reads instead of compiling.  None contains anything of the machine that built it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import solcx

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "anchor" / "registry" / "data"
ARTIFACT = DATA / "AnchorRegistry.json"
MANIFEST = DATA / "AnchorRegistryManifest.json"
STANDARD_INPUT = DATA / "AnchorRegistry.standard-input.json"

VERSION = "0.8.37"
CONTRACT = "contracts/AnchorRegistry.sol:AnchorRegistry"
SOURCES = (
    "contracts/AnchorRegistry.sol",
    "contracts/Rfc9162.sol",
    "contracts/interfaces/IAnchorRegistry.sol",
)
# The compiler's defaults change between releases, and each setting determines the address (CREATE2)
# and the code hash that verifiers pin.
SETTINGS: dict[str, Any] = {
    "viaIR": True,
    # More runs make the code larger without making an anchor cheaper: measured at 200 (3.7 kB),
    # 1000 (4.4 kB) and 100000 (5.2 kB), an anchor costs the same to within 0.1 %.
    "optimizer": {"enabled": True, "runs": 200},
    # This fork has PUSH0 and nothing newer, so that chains that are one fork behind run the
    # code, too.
    "evmVersion": "shanghai",
    # Without metadata, the bytecode depends only on what the compiler reads as code, not on
    # comments.
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
    "outputSelection": {
        "*": {
            "": ["ast"],
            "*": ["abi", "evm.bytecode", "evm.deployedBytecode", "storageLayout"],
        }
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Compile the registry into the package.")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    stale = []
    for path, text in build_files().items():
        if check:
            if not path.exists() or path.read_bytes() != text.encode("utf-8"):
                stale.append(path.relative_to(ROOT).as_posix())
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8"))
    if stale:
        print(
            f"{' and '.join(stale)} differ from what contracts/ compiles to: "
            "run scripts/_build/build_artifact.py and commit the result",
            file=sys.stderr,
        )
    return 1 if stale else 0


def load_artifact() -> dict[str, Any]:
    """Return the artifact in the package."""
    artifact: dict[str, Any] = json.loads(ARTIFACT.read_text("utf-8"))
    return artifact


def build_files() -> dict[Path, str]:
    """Return the text of each file below ``anchor/registry/data``."""
    standard_input = make_standard_input(SOURCES)
    output = compile_input(standard_input)
    return {
        ARTIFACT: _serialise(make_artifact(standard_input, output)),
        MANIFEST: _serialise(make_manifest(standard_input, output)),
        STANDARD_INPUT: _serialise(standard_input),
    }


def make_standard_input(sources: tuple[str, ...], **settings: Any) -> dict[str, Any]:
    """Return the compiler's input for ``sources``, named relative to the repository."""
    return {
        "language": "Solidity",
        "settings": {**SETTINGS, **settings},
        "sources": {name: {"content": (ROOT / name).read_text("utf-8")} for name in sources},
    }


def compile_input(standard_input: dict[str, Any]) -> dict[str, Any]:
    """Compile; a warning is an error."""
    try:
        output = solcx.compile_standard(standard_input, solc_version=VERSION)
    except solcx.exceptions.SolcNotInstalled:
        sys.exit(f"solc {VERSION} is not installed: run scripts/_build/setup_compiler.py")
    if complaints := output.get("errors"):
        sys.exit("\n".join(complaint["formattedMessage"] for complaint in complaints))
    return dict(output)


def make_artifact(standard_input: dict[str, Any], output: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the compiler's output that the package needs, equal for every platform."""
    source, name = CONTRACT.split(":")
    contract = output["contracts"][source][name]
    runtime = contract["evm"]["deployedBytecode"]
    return {
        "format": "anchor-artifact/1",
        "contract": CONTRACT,
        "compiler": {"version": read_compiler_version()},
        "settings": {
            key: value
            for key, value in standard_input["settings"].items()
            if key != "outputSelection"
        },
        "abi": contract["abi"],
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + runtime["object"],
        "immutableReferences": name_immutables(
            output["sources"][source]["ast"], runtime["immutableReferences"]
        ),
        "storageLayout": trim_layout(contract["storageLayout"]),
        "sources": {
            path: {"sha256": hashlib.sha256(entry["content"].encode("utf-8")).hexdigest()}
            for path, entry in standard_input["sources"].items()
        },
    }


def read_compiler_version() -> str:
    """Return the compiler's release and commit as Etherscan spells them, without the platform."""
    compiler = solcx.install.get_executable(VERSION)
    version: str = solcx.wrapper.get_version_str_from_solc_binary(compiler)
    return version


def name_immutables(ast: dict[str, Any], references: dict[str, Any]) -> dict[str, Any]:
    """Return the compiler's ``immutableReferences`` by name: its AST ids change with every edit."""
    names = {
        str(member["id"]): member["name"]
        for node in ast["nodes"]
        if node["nodeType"] == "ContractDefinition"
        for member in node["nodes"]
        if member["nodeType"] == "VariableDeclaration"
    }
    return {
        names[ast_id]: sorted(places, key=lambda place: place["start"])
        for ast_id, places in references.items()
    }


def trim_layout(layout: dict[str, Any]) -> dict[str, Any]:
    """Remove AST ids from the storage layout, including those in the names of types."""

    def trim(value: Any) -> Any:
        if isinstance(value, dict):
            return {trim(key): trim(item) for key, item in value.items() if key != "astId"}
        if isinstance(value, list):
            return [trim(item) for item in value]
        # t_struct(Anchor)1234_storage → t_struct(Anchor)_storage
        return re.sub(r"\)\d+_storage", ")_storage", value) if isinstance(value, str) else value

    trimmed: dict[str, Any] = trim(layout)
    return trimmed


def make_manifest(standard_input: dict[str, Any], output: dict[str, Any]) -> dict[str, Any]:
    """Return the sources and what they compile to as an EthPM manifest (EIP-2678)."""
    contracts = {
        name: _describe_contract_type(name, source, contract)
        for source, inner in output["contracts"].items()
        for name, contract in inner.items()
    }
    return {
        "manifest": "ethpm/3",
        "sources": {
            name: {"content": source["content"], "urls": []}
            for name, source in standard_input["sources"].items()
        },
        "contractTypes": contracts,
        "compilers": [
            {
                "name": "solidity",
                "version": read_compiler_version(),
                "contractTypes": sorted(contracts),
                "settings": standard_input["settings"],
            }
        ],
    }


def _describe_contract_type(name: str, source: str, contract: dict[str, Any]) -> dict[str, Any]:
    code = contract["evm"]
    return {
        "contractName": name,
        "sourceId": source,
        "abi": contract["abi"],
        "deploymentBytecode": {"bytecode": "0x" + code["bytecode"]["object"]},
        "runtimeBytecode": {"bytecode": "0x" + code["deployedBytecode"]["object"]},
    }


def _serialise(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
