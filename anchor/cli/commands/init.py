"""``anchor init``: create a project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message, join
from anchor.base.system.urls import is_plain_url
from anchor.base.types import MAX_LOG_NUMBER, Address, log_number, log_owner
from anchor.base.units import format_wei
from anchor.chain.fees import format_gwei
from anchor.chain.signer.keystore import (
    find_ape_keyfile,
    find_keystore_address,
    keystore_address,
    read_password_file,
)
from anchor.chain.verifier_nodes import open_node
from anchor.cli.console import Colour, Output
from anchor.cli.context import note_project, note_time_slack
from anchor.cli.options import (
    DEVNET_VARIABLE,
    ApeAccountOption,
    JsonOption,
    parse_finality,
    parse_network,
)
from anchor.ethereum.keccak import format_address, parse_address
from anchor.ethereum.known_chains import find_chain, label_chain
from anchor.project.config import Config, SignerConfig
from anchor.project.creation import (
    is_log_used,
    make_folder,
    plan_dev_project,
    plan_project,
    write_dev_key,
)
from anchor.project.project import create_project
from anchor.registry.artifact import registry_address
from anchor.store.location import holds_password, parse_location
from anchor.verification.policy import MAX_TIME_SLACK

DEVNET_URL = "http://127.0.0.1:8545"


def command(
    folder: Annotated[Path, typer.Argument(help="Folder of the new project.")] = Path(),
    rpc: Annotated[
        str | None, typer.Option(metavar="URL", help="Node of the chain to anchor on.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Network that the node must be on, by its name in `anchor networks`.",
        ),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="Further node that must agree on what is final; repeatable."
        ),
    ] = None,
    quorum: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Number of nodes that must agree; default: more than half."
        ),
    ] = None,
    keystore: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Encrypted keystore of the key that sends transactions."),
    ] = None,
    ape_account: ApeAccountOption = None,
    password_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the key's password; default: ask for it."),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Address of the log's owner; default: the address of the key."
        ),
    ] = None,
    number: Annotated[
        int,
        typer.Option(
            min=0,
            max=MAX_LOG_NUMBER,
            metavar="N",
            help="Number of this log among the owner's logs.",
        ),
    ] = 0,
    finality: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="'finalized' (default), or a number of blocks on a chain without that tag.",
        ),
    ] = None,
    time_slack: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MAX_TIME_SLACK,
            metavar="SECONDS",
            help="Seconds by which a block's time may be off; required on a chain that "
            "`anchor networks` does not list.",
        ),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Registry that was deployed with `deploy --plain`; default: the standard address.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="Name of the SQLite file, or postgresql://user@host/database.",
        ),
    ] = None,
    devnet: Annotated[
        bool, typer.Option("--devnet", help="Use `anchor devnet` and its public test key.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Create a project: configuration, store and trust policy for one log."""
    output = Output(as_json=as_json)
    folder = folder.resolve()
    registry_given = None if registry is None else parse_address(registry, subject="--registry")
    store_location = None if store is None else parse_location(store, folder)
    chain = None if network is None else parse_network(network)
    if devnet:
        if witness or quorum:
            raise UsageError(Message("option-quorum-with-devnet"))
        _check_devnet_options(
            {
                "--keystore": keystore,
                "--ape-account": ape_account,
                "--password-file": password_file,
                "--owner": owner,
                "--finality": finality,
                "--time-slack": time_slack,
            }
        )
        url = rpc or os.environ.get(DEVNET_VARIABLE) or DEVNET_URL
        node = open_node(url)
        config = plan_dev_project(
            folder,
            node,
            url=url,
            number=number,
            registry=registry_given,
            store=store_location,
            network=chain,
        )
    elif rpc is None:
        raise UsageError(
            Message("option-rpc-missing"), hint=Message("option-rpc-missing-devnet-hint")
        )
    else:
        signer = SignerConfig(
            keystore=keystore and keystore.resolve(),
            ape_account=ape_account,
            password_file=password_file and password_file.resolve(),
        )
        node = open_node(rpc)
        config = plan_project(
            folder,
            node,
            url=rpc,
            signer=signer,
            owner=_owner(owner, signer),
            number=number,
            finality=parse_finality(finality or "finalized"),
            network=chain,
            wait="included",
            registry=registry_given,
            store=store_location,
            witnesses={url: open_node(url) for url in witness or ()},
            quorum=quorum,
            time_slack=time_slack,
        )
    if is_log_used(config, node):
        _note_used_log(output, config)
    make_folder(folder)
    create_project(config).database.close()
    note_project(output, config.file)
    note_time_slack(output, config)
    if not is_plain_url(config.rpc):
        output.note(Message("project-url-shortened"))
        output.note(Message("project-url-shortened-hint"))
    if store is not None and holds_password(store):
        output.note(Message("store-url-without-password"))
        output.note(Message("store-url-without-password-hint"))
    if not all(map(is_plain_url, config.witnesses)):
        output.note(Message("project-witnesses-omitted"))
        output.note(Message("project-witnesses-omitted-hint"))
    if devnet:
        write_dev_key(config)
    if config.registry != registry_address():
        output.note(Message("project-registry-nonstandard"))
        output.note(Message("project-registry-nonstandard-hint"))
    output.line(Message("project-folder-line", folder=folder))
    output.line(
        Message(
            "project-chain-line",
            chain=label_chain(config.chain_id),
            genesis=config.genesis.hex(),
        )
    )
    output.line(Message("project-registry-line", registry=format_address(config.registry)))
    output.line(Message("project-fees-line", detail=_describe_allowance(config)))
    output.line(
        Message(
            "project-log-line",
            number=log_number(config.log),
            owner=format_address(log_owner(config.log)),
        )
    )
    if owner is None and not devnet:
        output.note(Message("project-owner-is-signer"))
        output.note(Message("project-owner-is-signer-hint"))
    output.text()
    output.line(
        Message("project-deploy-step") if owner is None else Message("project-operator-step")
    )
    output.result(
        {
            "folder": str(folder),
            "chain_id": config.chain_id,
            "network": find_chain(config.chain_id).network,
            "genesis": "0x" + config.genesis.hex(),
            "registry": format_address(config.registry),
            "log": "0x" + config.log.hex(),
            "max_fee_gwei": format_gwei(config.fee_cap),
            "budget_wei": None if config.budget is None else str(config.budget),
        }
    )


def _note_used_log(output: Output, config: Config) -> None:
    output.note(
        Message(
            "log-used-before",
            number=log_number(config.log),
            owner=format_address(log_owner(config.log)),
            chain=label_chain(config.chain_id),
        ),
        mark=Message("warning-mark"),
        colour=Colour.YELLOW,
    )
    output.note(Message("log-used-before-hint"), mark="  ")


def _check_devnet_options(given: dict[str, object]) -> None:
    """Refuse options that a devnet's project would not use: its key and finality are fixed."""
    unused = [name for name, value in given.items() if value is not None]
    if unused:
        raise UsageError(
            Message("option-unused-with-devnet", options=join(unused, "and")),
            hint=Message("option-unused-with-devnet-hint"),
        )


def _describe_allowance(config: Config) -> Message:
    text = Message("fee-cap", price=format_gwei(config.fee_cap))
    if config.budget is None:
        return Message("fee-without-budget", detail=text)
    return Message("fee-budget", detail=text, budget=format_wei(config.budget))


def _owner(owner: str | None, signer: SignerConfig) -> Address:
    """Return the log's owner; check that the signer's files are usable in any case."""
    if (signer.keystore is None) == (signer.ape_account is None):
        raise UsageError(
            Message("signer-key-unnamed"),
            hint=Message("signer-key-unnamed-hint"),
        )
    address = None if owner is None else parse_address(owner, subject="--owner")
    path = signer.keystore
    if signer.ape_account is not None:
        path = find_ape_keyfile(signer.ape_account)
    assert path is not None
    find_keystore_address(path)
    if signer.password_file is not None:
        read_password_file(signer.password_file)
    return address or keystore_address(path)
