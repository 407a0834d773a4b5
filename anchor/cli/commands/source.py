"""``anchor source``: the registry's source for explorers, printed or submitted."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from anchor.cli.console import Output
from anchor.cli.options import ConfigOption, JsonOption
from anchor.errors import AnchorError, ConfigError, UsageError
from anchor.system.clock import SystemClock

if TYPE_CHECKING:
    from anchor.project.config import Config
    from anchor.registry.source_client import Service
    from anchor.types import Address, Hash32

NAME = "source"


def command(
    submit: Annotated[
        Optional[str],  # noqa: UP045 (Typer reads the annotation at run time)
        typer.Option(
            metavar="sourcify|etherscan",
            help="Send the source there and wait for the verdict; Etherscan's key is taken from "
            "$ETHERSCAN_API_KEY.",
        ),
    ] = None,
    url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Another server with the same API: your own Sourcify, or a Blockscout's /api "
            "(Etherscan's). The key, if one is set, goes there."
        ),
    ] = None,
    chain_id: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Chain of the deployment; by default the project's."),
    ] = None,
    address: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Where the registry is; by default as in the project, or the standard."),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the registry's source as standard JSON input, or submit it for verification."""
    output = Output(as_json=as_json)
    if submit is None:
        if url is not None or chain_id is not None or address is not None:
            raise UsageError("--url, --chain-id and --address go with --submit")
        _print_source(output)
        return
    _submit(output, _service(submit), url, chain_id, address, config_path)


def _print_source(output: Output) -> None:
    from anchor.ethereum.keccak import format_address
    from anchor.registry.artifact import load_artifact, load_standard_input, registry_address

    artifact, source = load_artifact(), load_standard_input()
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
            "standard_input": json.loads(source),
        }
    )


def _submit(
    output: Output,
    service: Service,
    url: str | None,
    chain_id: int | None,
    address: str | None,
    config_path: Path | None,
) -> None:
    from anchor.ethereum.keccak import format_address, parse_address
    from anchor.registry.artifact import registry_address
    from anchor.registry.source_client import KEY_VARIABLE, Explorer
    from anchor.types import ChainId

    registry = None if address is None else parse_address(address, subject="--address")
    config = None
    if chain_id is None or registry is None:
        config = _find_project(config_path, needed=chain_id is None)
    if config is not None and chain_id not in (None, config.chain_id):
        config = None  # a project on another chain says nothing about this one
    chain = config.chain_id if config is not None else ChainId(chain_id or 0)
    place = registry or (config.registry if config is not None else registry_address())
    key = os.environ.get(KEY_VARIABLE) or None
    explorer = Explorer(service, url, key=key if service == "etherscan" else None)
    try:
        creation = _creation(config, place)
        answer = explorer.publish(chain, place, creation, SystemClock(), output.note)
    finally:
        explorer.close()
    output.line(f"{answer.verification.value}: {format_address(place)} on chain {chain}")
    output.line(f"{explorer.name} says: {answer.detail}")
    output.result(
        {
            "service": service,
            "server": explorer.name,
            "chain_id": chain,
            "address": format_address(place),
            "verification": answer.verification.value,
            "detail": answer.detail,
        },
        kind="submission",
    )


def _find_project(config_path: Path | None, *, needed: bool) -> Config | None:
    """Return the project's configuration; None where none is found and none is needed."""
    from anchor.project.allowlist import find_config

    try:
        path = find_config(config_path)
    except ConfigError as error:
        if needed:
            raise UsageError(
                "--chain-id is missing, and there is no project to take it from", hint=error.hint
            ) from error
        return None
    from anchor.project.config import load_config

    return load_config(path)


def _creation(config: Config | None, registry: Address) -> Hash32 | None:
    """Return the deploying transaction, where the project's record of that registry names it."""
    from anchor.operate.deployment import read_record

    if config is None or config.registry != registry:
        return None
    try:
        transaction = read_record(config)
    except (AnchorError, FileNotFoundError):
        return None  # only a help to the explorer, which finds it without
    return None if transaction is None else transaction.hash


def _service(name: str) -> Service:
    if name == "sourcify":
        return "sourcify"
    if name == "etherscan":
        return "etherscan"
    raise UsageError(f"--submit takes sourcify or etherscan, not {name!r}")
