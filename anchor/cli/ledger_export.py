"""``anchor export --ledger``: the project's ledger as Parquet files."""

from __future__ import annotations

from pathlib import Path

from anchor.base.messages.message import Message
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.operate.ledger_files import export_ledger


def write_ledger(output: Output, config_path: Path | None, folder: Path) -> None:
    """Write the ledger of this moment, and print how many rows each file has."""
    with project_session(config_path, only_reads=True) as project:
        counts = export_ledger(project, folder)
    for name, count in counts.items():
        path = folder / f"{name}.parquet"
        output.line(Message("ledger-file-written", path=path, count=count))
    output.result({"folder": str(folder), "rows": counts}, kind="ledger")
