"""``anchor operator``: the keys that the log's owner authorises to anchor in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from anchor.base.errors import ExitCode, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import SystemClock
from anchor.chain.node import Node
from anchor.cli.console import Output
from anchor.cli.context import open_signer, project_session
from anchor.cli.operator_view import describe_operators, show_operators, show_policy
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.owner_call import show_call
from anchor.cli.typer_app import make_group
from anchor.ethereum.keccak import format_address, parse_address
from anchor.operate.funds import find_key
from anchor.operate.operator_authorisation import (
    KeyChange,
    advise,
    apply_change,
    check_owner,
    find_unsettled,
    is_done,
    plan_addition,
    plan_removal,
)
from anchor.operate.operators import OperatorList, load_operators
from anchor.operate.preconditions import check_chain, check_registry
from anchor.project.config import SignerConfig
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject

app = make_group("operator")

_OwnerKeystore = Annotated[
    Path | None,
    typer.Option(
        "--owner-keystore",
        metavar="FILE",
        help="Encrypted keystore of the owner's key, if it is not the project's.",
    ),
]
_OwnerPassword = Annotated[
    Path | None,
    typer.Option(
        "--owner-password-file",
        metavar="FILE",
        help="File with the owner key's password; default: ask for it.",
    ),
]
_CallOnly = Annotated[
    bool,
    typer.Option(
        "--show-call",
        help="Print the call for the owner (such as a multisig) instead of sending it; `anchor "
        "operator list` shows its effect.",
    ),
]


@app.command("add")
def add(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Address of the key.")],
    id: Annotated[
        int | None,
        typer.Option(
            "--id",
            min=1,
            max=2**72 - 1,
            metavar="N",
            help="Id for the key in this log; default: a free one.",
        ),
    ] = None,
    owner_keystore: _OwnerKeystore = None,
    owner_password_file: _OwnerPassword = None,
    is_call_only: _CallOnly = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Authorise a key to anchor in this log, and wait until that is final.

    An id belongs to one key for ever. A change that was already made is not sent again.
    """
    key = parse_address(address, subject="ADDRESS")
    output = Output(as_json=as_json)
    _change(
        output,
        config_path,
        _owner_signer(owner_keystore, owner_password_file),
        lambda project, node: plan_addition(project, node, key, id),
        is_call_only=is_call_only,
    )


@app.command("remove")
def remove(
    operator: Annotated[
        str, typer.Argument(metavar="ADDRESS|ID", help="Address or id of the key.")
    ],
    owner_keystore: _OwnerKeystore = None,
    owner_password_file: _OwnerPassword = None,
    is_call_only: _CallOnly = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key's right to anchor, and wait until that is final.

    Its earlier anchors stay in the registry; a trust policy states until which block they count.
    """
    is_id = operator.isascii() and operator.isdecimal() and len(operator) <= 22
    key = None if is_id else parse_address(operator, subject="ADDRESS|ID")
    number = int(operator) if is_id else 0
    if number >= 2**72:
        raise UsageError(Message("operator-id-too-large", actual=operator))
    output = Output(as_json=as_json)
    _change(
        output,
        config_path,
        _owner_signer(owner_keystore, owner_password_file),
        lambda project, node: plan_removal(project, node, key=key, id=number),
        is_call_only=is_call_only,
    )


@app.command("list")
def show(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the log's present and former operator keys, from the registry's storage.

    The exit code is 20 if the nodes cannot tell which block is final.
    """
    output = Output(as_json=as_json)
    with project_session(config_path) as project:
        config = project.config
        node = open_chain(config, output.note)
        check_chain(config, node)
        check_registry(config, node)
        listed = load_operators(project, node)
        unsettled = find_unsettled(project)
    signer = find_key(config)
    show_operators(output, config, listed, signer)
    if unsettled is not None:
        output.note(Message("operator-transaction-unsettled", address=format_address(unsettled)))
        output.note(Message("operator-transaction-unsettled-hint"))
    output.result(
        {
            **describe_operators(config, listed),
            "signer": None if signer is None else format_address(signer),
            "unsettled": None if unsettled is None else format_address(unsettled),
        }
    )
    if listed.final is None:
        raise typer.Exit(ExitCode.CANNOT_CHECK)


def _owner_signer(keystore: Path | None, password_file: Path | None) -> SignerConfig | None:
    """Return the owner's key; None if it is the project's own."""
    if keystore is None:
        if password_file is not None:
            raise UsageError(Message("option-owner-password-file-misplaced"))
        return None
    return SignerConfig(
        keystore=keystore.absolute(),
        ape_account=None,
        password_file=password_file and password_file.absolute(),
    )


def _change(
    output: Output,
    config_path: Path | None,
    owner: SignerConfig | None,
    plan: Callable[[OpenProject, Node], KeyChange],
    *,
    is_call_only: bool,
) -> None:
    with ExitStack() as stack:
        project = stack.enter_context(project_session(config_path))
        if not is_call_only:
            stack.enter_context(project.database.hold_lease())
        config = project.config
        node = open_chain(config, output.note)
        check_chain(config, node)
        check_registry(config, node)
        change = plan(project, node)
        if is_call_only:
            _print_call(output, project, node, change)
            return
        sender = config if owner is None else replace(config, signer=owner)
        key = find_key(sender)
        if key is not None and not is_done(config, node, change):
            check_owner(config, key)  # before a password is asked for
        applied = apply_change(
            project, node, change, lambda: open_signer(sender), SystemClock(), output.note
        )
        listed = load_operators(project, node)
        members = _describe(change) | {
            "tx_hash": None if applied.tx_hash is None else "0x" + applied.tx_hash.hex(),
            "final": True,
        }
        _print_change(output, project, node, change, listed)
    if applied.tx_hash is None:
        output.note(Message("operator-change-unneeded"))
    output.result(members | describe_operators(config, listed))


def _describe(change: KeyChange) -> dict[str, Any]:
    return {
        "key": format_address(change.key),
        "id": change.operator_id or None,
        "active": change.id != 0,
    }


def _print_call(output: Output, project: OpenProject, node: Node, change: KeyChange) -> None:
    config = project.config
    done = is_done(config, node, change)
    if done:
        output.line(Message("operator-call-unneeded"))
    call = None if done else change.encode_call(config)
    show_call(output, config, call, members=_describe(change))


def _print_change(
    output: Output, project: OpenProject, node: Node, change: KeyChange, listed: OperatorList
) -> None:
    """Print the new state of the operator keys, and the actions it requires."""
    name, is_by_depth = format_address(change.key), project.config.final_after is not None
    if change.id and is_by_depth:
        output.line(Message("operator-added-by-depth", address=name, id=change.id))
    elif change.id:
        output.line(Message("operator-added", address=name, id=change.id))
    elif is_by_depth:
        output.line(Message("operator-removed-by-depth", address=name))
    else:
        output.line(Message("operator-removed", address=name))
    output.text()
    show_policy(output, project.config, listed)
    for advice in advise(project, node, change, listed):
        output.note(advice)
