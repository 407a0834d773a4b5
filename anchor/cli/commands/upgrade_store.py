"""``anchor upgrade-store``: bring the store to this release's schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anchor.cli.console import Output
from anchor.cli.options import ConfigOption, JsonOption
from anchor.messages.message import Message
from anchor.project.allowlist import find_config
from anchor.project.config import load_config
from anchor.recovery.store_upgrade import upgrade_store
from anchor.store.database import MIGRATION_HEAD


def command(
    backup: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where to make the backup, as `anchor backup` does; by default in before-upgrade/ "
            "in the project's folder.",
        ),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a store of an older release to this release's schema.

    Stop `anchor run` and `anchor serve` first. A backup is made and checked, then the store is
    changed, as a whole or not at all.
    """
    output = Output(as_json=as_json)
    config = load_config(find_config(config_path))
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
