"""``anchor backup``: make a backup of a running project, or check one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from anchor.base.errors import ExitCode, UsageError
from anchor.base.messages.message import Message
from anchor.base.units import format_bytes
from anchor.cli.console import Colour, Output
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.recovery.backup import make_backup
from anchor.recovery.backup_check import CheckedBackup, check_backup
from anchor.store.backup_folder import (
    backup_path,
    find_backup,
    forget_generations,
    open_generations,
)


def command(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder for the backup, new or empty.",
        ),
    ],
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Make the backup in a subfolder of DIR named by the time; when complete, delete "
            "all but the newest N.",
        ),
    ] = None,
    is_checking: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Make no backup; check the one in DIR, or the newest below it, and recompute its "
            "log.",
        ),
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make and check a backup of everything that `anchor restore` needs.

    `anchor run` and `anchor serve` can continue meanwhile. Existing files are never overwritten.
    The backup contains no private key: keep copies of the keystores, their passwords and
    log-key.pem elsewhere.
    """
    output = Output(as_json=as_json)
    if is_checking:
        if keep is not None or config_path is not None:
            raise UsageError(Message("option-check-not-alone"))
        _check(output, folder)
        return
    checked = _make(output, folder, keep, config_path)
    _show(output, checked)
    output.note(Message("backup-without-private-key"))
    output.result(_document(checked), kind="check")


def _make(
    output: Output, folder: Path, keep: int | None, config_path: Path | None
) -> CheckedBackup:
    with project_session(config_path, only_reads=True) as project:
        if keep is None:
            return make_backup(project, folder, output.note)
        unfinished = open_generations(folder)
        target = backup_path(folder, datetime.now(UTC))
        checked = make_backup(project, target, output.note, partial=unfinished)
    for old in forget_generations(folder, keep):
        output.note(Message("file-removed", path=old))
    return checked


def _check(output: Output, folder: Path) -> None:
    checked = check_backup(find_backup(folder))
    _show(output, checked)
    for breach in checked.breaches:
        output.line(breach, mark=Message("breach-mark"), colour=Colour.RED)
    code = ExitCode.MISMATCH if checked.breaches else ExitCode.DONE
    output.line(Message("findings-none") if not code else Message("exit-code", code=int(code)))
    output.result(_document(checked) | {"exit_code": int(code)}, kind="check")
    if code:
        raise typer.Exit(code)


def _show(output: Output, checked: CheckedBackup) -> None:
    manifest = checked.manifest
    leaves = manifest.head.size if manifest.head else 0
    output.line(Message("backup-folder-line", folder=checked.folder))
    output.line(Message("backup-made-line", time=manifest.made_at, schema=manifest.schema))
    output.line(Message("backup-log-line", leaves=leaves, waiting=checked.waiting))
    output.line(
        Message("backup-files-line", count=len(manifest.files), size=format_bytes(manifest.size))
    )


def _document(checked: CheckedBackup) -> dict[str, Any]:
    manifest = checked.manifest
    head = manifest.head
    return {
        "folder": str(checked.folder),
        "made_at": manifest.made_at,
        "schema": manifest.schema,
        "head": None if head is None else {"size": head.size, "root": head.root.hex()},
        "waiting": checked.waiting,
        "files": len(manifest.files),
        "bytes": manifest.size,
        "breaches": list(checked.breaches),
    }
