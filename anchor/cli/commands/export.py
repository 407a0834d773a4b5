"""``anchor export``: a receipt's record in the formats of other systems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from anchor.canonical import JsonValue
from anchor.cli.console import Output
from anchor.cli.input_files import read_receipt, receipt_path
from anchor.cli.options import ConfigOption, JsonOption
from anchor.errors import UsageError
from anchor.messages.message import Message, join
from anchor.receipt.btoe_document import HASH_TYPES, build_btoe
from anchor.receipt.case_document import build_case
from anchor.receipt.format import Receipt, parse_receipt
from anchor.system.durable_files import write_file

_FORMATS = ("case", "btoe")


def command(
    receipt: Annotated[Path | None, typer.Argument(help="Receipt, or the file beside it.")] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="|".join(_FORMATS), help="CASE 1.5 JSON-LD, or Tencent BTOE JSON."
        ),
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option("--hash", metavar="|".join(HASH_TYPES), help="Digest for BTOE; default: sm3."),
    ] = None,
    business_id: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Your number for BTOE; default: the record's SHA-256."),
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
    """Write a receipt's record as CASE JSON-LD or for Tencent BTOE, or the whole ledger as Parquet.

    With `case` it is the file, its hashes, the tool, the collection and where the receipt places
    the record; with `btoe` the object in which Tencent BTOE takes a digest. Nothing is verified,
    and nothing is sent.
    """
    output = Output(as_json=as_json)
    if ledger is not None:
        if receipt or kind or algorithm or business_id or out:
            raise UsageError(Message("option-ledger-alone"))
        # Needs the extra `operator`, which whoever exports a receipt may lack.
        from anchor.cli.ledger_export import write_ledger

        write_ledger(output, config_path, ledger)
        return
    if receipt is None or kind is None:
        raise UsageError(Message("export-input-missing"))
    parsed = parse_receipt(read_receipt(receipt_path(receipt)))
    document = _build(parsed, kind, algorithm, business_id)
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


def _build(
    receipt: Receipt, kind: str, algorithm: str | None, business_id: str | None
) -> dict[str, JsonValue]:
    if kind not in _FORMATS:
        expected = join(_FORMATS)
        raise UsageError(Message("export-format-unknown", actual=kind[:80], expected=expected))
    if kind == "case":
        if algorithm is not None or business_id is not None:
            raise UsageError(Message("option-btoe-without-format"))
        return build_case(receipt)
    for known in HASH_TYPES:
        if known == (algorithm or "sm3"):
            return build_btoe(receipt, algorithm=known, business_id=business_id)
    expected = join(HASH_TYPES)
    raise UsageError(Message("export-hash-unknown", actual=str(algorithm)[:80], expected=expected))
