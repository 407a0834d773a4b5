"""``anchor upgrade-store``: bring the store to this release's schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anchor.cli.confirmation import choose_config
from anchor.cli.console import Output
from anchor.cli.options import ConfigOption, JsonOption
from anchor.messages.message import Message
from anchor.project.config import load_config
from anchor.recovery.store_upgrade import upgrade_store
from anchor.store.database import MIGRATION_HEAD


def command(
    backup: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the backup; default: a new one in the project's before-upgrade/.",
        ),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Migrate the store of an older release to this release's schema.

    Stop `anchor run` and `anchor serve` first. A backup is made and checked; the store is then
    migrated completely or not at all.
    """
    output = Output(as_json=as_json)
    config = load_config(choose_config(config_path))
    upgraded = upgrade_store(config, backup, output.note)
    if upgraded is None:
        output.line(Message("store-schema-current", store=config.store, schema=MIGRATION_HEAD))
    else:
        output.line(
            Message(
                "store-schema-upgraded",
                store=config.store,
                after=upgraded.after,
                before=upgraded.before,
            )
        )
        output.line(Message("backup-folder-line", folder=upgraded.backup))
    output.result(
        {
            "before": upgraded.before if upgraded else MIGRATION_HEAD,
            "after": MIGRATION_HEAD,
            "backup": str(upgraded.backup) if upgraded else None,
        }
    )
