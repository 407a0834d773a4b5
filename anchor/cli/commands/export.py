"""``anchor export``: a receipt's record in the formats of other systems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from anchor.base.canonical import JsonValue
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import write_file
from anchor.cli.console import Output
from anchor.cli.input_files import read_receipt, receipt_path
from anchor.cli.options import ConfigOption, JsonOption
from anchor.receipt.case_document import build_case
from anchor.receipt.format import parse_receipt

_FORMAT = "case"


def command(
    receipt: Annotated[Path | None, typer.Argument(help="Receipt, or the file beside it.")] = None,
    kind: Annotated[
        str | None,
        typer.Option("--format", metavar=_FORMAT, help="CASE 1.5 JSON-LD."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="File to write; default: print it."),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the project's evidence, anchors, transactions and exhibits to Parquet "
            "files instead.",
        ),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a receipt's record as CASE JSON-LD, or the whole ledger as Parquet.

    CASE has the file, its hashes, the tool, the collection and where the receipt places the record.
    Nothing is verified, and nothing is sent.
    """
    output = Output(as_json=as_json)
    if ledger is not None:
        if receipt or kind or out:
            raise UsageError(Message("option-ledger-alone"))
        # Needs the extra `operator`, which whoever exports a receipt may lack.
        from anchor.cli.ledger_export import write_ledger

        write_ledger(output, config_path, ledger)
        return
    if receipt is None or kind is None:
        raise UsageError(Message("export-input-missing"))
    if kind != _FORMAT:
        raise UsageError(Message("export-format-unknown", actual=kind[:80], expected=_FORMAT))
    document = build_case(parse_receipt(read_receipt(receipt_path(receipt))))
    lines = _encode(document)
    if out is None:
        for line in lines:
            output.text(line)
    else:
        write_file(out, "".join(f"{line}\n" for line in lines).encode("utf-8"))
        output.line(Message("export-written", path=out))
    output.result({"kind": kind, "document": document, "path": None if out is None else str(out)})


def _encode(document: dict[str, JsonValue]) -> list[str]:
    """Return the lines of a document, in which only characters without a glyph are escaped."""
    return [
        "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)
        for line in json.dumps(document, ensure_ascii=False, indent=1).split("\n")
    ]
