"""``anchor source``: the registry's source for compilers, explorers and ape."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Annotated

import typer

from anchor.cli.console import Output
from anchor.cli.options import JsonOption
from anchor.ethereum.keccak import format_address
from anchor.registry.artifact import (
    load_artifact,
    load_manifest,
    load_standard_input,
    registry_address,
)


def command(
    manifest: Annotated[
        bool,
        typer.Option(
            "--manifest",
            help="Print the compiled contract as an EthPM manifest instead, for ape projects.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the registry's source as Solidity standard JSON, for block explorers.

    To submit it with Foundry, run in a checkout of this release:

    forge verify-contract --verifier sourcify --chain CHAIN_ID ADDRESS
    contracts/AnchorRegistry.sol:AnchorRegistry

    --json also prints the standard ADDRESS and the compiler version. docs/contract.md describes
    other explorers, docs/ape.md the use of --manifest.
    """
    artifact, source = load_artifact(), load_manifest() if manifest else load_standard_input()
    output = Output(as_json=as_json)
    if not output.as_json:
        # The exact bytes: explorers and auditors hash them.
        sys.stdout.buffer.write(source)
        sys.stdout.buffer.flush()
    output.result(
        {
            "contract": artifact.contract,
            "standard_address": format_address(registry_address()),
            "compiler": artifact.compiler_version,
            "sha256": hashlib.sha256(source).hexdigest(),
            "manifest" if manifest else "standard_input": json.loads(source),
        }
    )
