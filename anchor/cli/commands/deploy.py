"""``anchor deploy``: deploy the registry on the project's chain, once."""

from __future__ import annotations

from typing import Annotated

import typer

from anchor.base.messages.message import Message
from anchor.base.system.clock import SystemClock
from anchor.cli.console import Output
from anchor.cli.context import note_project, note_time_slack, open_signer, project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.ethereum.keccak import format_address
from anchor.operate.deployment import deploy, deploy_plainly
from anchor.project.allowlist import find_allowed, find_change
from anchor.project.nodes import open_chain
from anchor.registry.artifact import registry_address


def command(
    config_path: ConfigOption = None,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="Deploy on a chain without the CREATE2 proxy; verifiers must then pin the "
            "resulting address.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Deploy the registry contract, unless the chain already has it."""
    output = Output(as_json=as_json)
    with (
        project_session(config_path, moved=plain) as project,
        project.database.hold_lease(),
    ):
        config = project.config
        # What others changed before does not count because the registry is changed now.
        is_listed = find_allowed(config.file) is not None and find_change(config.file) is None
        node = open_chain(config, output.note)
        deploy_registry = deploy_plainly if plain else deploy
        deployed = deploy_registry(
            project, node, lambda: open_signer(config), SystemClock(), output.note
        )
    if plain and is_listed:
        note_project(output, config.file)  # with its new registry
    note_time_slack(output, config)
    standard = deployed.registry == registry_address()
    location = Message(
        "registry-on-chain-location",
        registry=format_address(deployed.registry),
        chain=config.chain_id,
    )
    if deployed.tx_hash is None:
        output.line(Message("registry-deployed-before", location=location))
    else:
        gas = (
            ""
            if deployed.gas_used is None
            else Message("deployment-gas-used", gas=deployed.gas_used)
        )
        output.line(Message("registry-deployed", location=location))
        output.line(Message("deployment-transaction-line", tx_hash=deployed.tx_hash.hex(), gas=gas))
    output.line(Message("deployment-code-hash-line", code_hash=deployed.code_hash.hex()))
    output.line(Message("deployment-record-line", path=deployed.record))
    if not standard:
        output.note(Message("registry-address-nonstandard"))
        output.note(Message("registry-address-nonstandard-hint", path=config.trust))
    output.result(
        {
            "registry": format_address(deployed.registry),
            "standard_address": standard,
            "chain_id": config.chain_id,
            "code_hash": "0x" + deployed.code_hash.hex(),
            "tx_hash": None if deployed.tx_hash is None else "0x" + deployed.tx_hash.hex(),
            "gas_used": deployed.gas_used,
            "record": str(deployed.record),
        }
    )
