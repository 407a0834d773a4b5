"""``anchor succeed``: close a log that cannot go on, and open its successor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import SystemClock
from anchor.base.types import MAX_LOG_NUMBER, Hash32, log_number, parse_hex
from anchor.cli.confirmation import confirm
from anchor.cli.console import Output
from anchor.cli.context import note_project, open_signer, project_session
from anchor.cli.options import ApeAccountOption, ConfigOption, JsonOption
from anchor.cli.owner_call import show_call
from anchor.operate.preconditions import check_chain, check_registry
from anchor.project.config import SignerConfig
from anchor.project.nodes import open_chain
from anchor.recovery.succession import plan_successor, prepare_call, succeed
from anchor.store.location import holds_password, parse_location


def command(
    into: Annotated[
        Path, typer.Option("--into", metavar="FOLDER", help="Folder of the new project.")
    ],
    from_root: Annotated[
        str | None,
        typer.Option(
            metavar="HEX",
            help="Anchored root to continue from; default: that of the newest anchored head in the "
            "store.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="Store of the new project, as for `anchor init`; default: a SQLite file in "
            "FOLDER.",
        ),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MAX_LOG_NUMBER,
            metavar="N",
            help="Number of the new log among the owner's logs; default: the next.",
        ),
    ] = None,
    keystore: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Encrypted keystore of the owner's key, if it is not the project's.",
        ),
    ] = None,
    ape_account: ApeAccountOption = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File with the owner key's password; default: ask for it."
        ),
    ] = None,
    is_call_only: Annotated[
        bool,
        typer.Option(
            "--show-call",
            help="Print the call for the owner (such as a multisig) instead of sending it; once it "
            "is made, run again without this option.",
        ),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Do not ask for confirmation; closing a log cannot be undone."),
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close the log for ever, and continue from one of its anchors in a new log.

    Use it if a stolen key anchored a root that nobody can extend, or if leaves are lost. Only the
    log's owner can do this. Anchors up to the chosen root stay valid; later ones are abandoned, and
    their evidence waits to be sealed in the new log.
    """
    output = Output(as_json=as_json)
    root = None
    if from_root is not None:
        root = Hash32(parse_hex(from_root, length=32, subject="--from-root", prefix=False))
    signer = _signer(keystore, ape_account, password_file)
    folder = into.resolve()
    store_location = None if store is None else parse_location(store, folder)
    with project_session(config_path) as project, project.database.hold_lease():
        config = plan_successor(project, folder, number=number, signer=signer, store=store_location)
        node = open_chain(config, output.note)
        check_chain(config, node)
        check_registry(config, node)
        old = log_number(project.config.log)
        if is_call_only:
            call = prepare_call(project, node, config, root)
            if call is None:
                output.line(Message("log-closed-before-call"))
            show_call(output, config, call)
            return
        done = succeed(
            project,
            node,
            config,
            root,
            lambda: open_signer(config),
            SystemClock(),
            output.note,
            confirm=lambda: None if yes else _ask(output, old, log_number(config.log)),
        )
    note_project(output, config.file)
    output.line(Message("successor-opened", number=old, successor=log_number(config.log)))
    output.line(Message("head-summary", size=done.head.size, root=done.head.root.hex()))
    output.line(Message("successor-waiting-count", count=done.waiting))
    output.line(
        Message(
            "successor-receipts-written", count=done.receipts, number=old, folder=config.receipts
        )
    )
    output.line(Message("project-folder-line", folder=config.folder))
    if store is not None and holds_password(store):
        output.note(Message("store-url-without-password"))
        output.note(Message("successor-store-url-hint"))
    output.note(Message("successor-policy-step"))
    output.result(
        {
            "old_log": "0x" + project.config.log.hex(),
            "log": "0x" + config.log.hex(),
            "size": done.head.size,
            "root": done.head.root.hex(),
            "waiting": done.waiting,
            "receipts": done.receipts,
            "folder": str(config.folder),
        }
    )


def _ask(output: Output, old: int, new: int) -> None:
    question = Message("succession-question", number=old, successor=new)
    confirm(output, question, declined=Message("succession-declined"))


def _signer(
    keystore: Path | None, ape_account: str | None, password_file: Path | None
) -> SignerConfig | None:
    if keystore is None and ape_account is None:
        if password_file is not None:
            raise UsageError(Message("option-password-file-misplaced"))
        return None
    if keystore is not None and ape_account is not None:
        raise UsageError(Message("option-owner-key-twice"))
    return SignerConfig(
        keystore=keystore and keystore.resolve(),
        ape_account=ape_account,
        password_file=password_file and password_file.resolve(),
    )
