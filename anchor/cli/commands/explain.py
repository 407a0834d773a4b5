"""``anchor explain``: a receipt's hash computations, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anchor.cli.console import Output
from anchor.cli.input_files import read_receipt, receipt_path
from anchor.cli.options import JsonOption
from anchor.receipt.format import parse_receipt
from anchor.verification.explanation import explain_receipt


def command(
    receipt: Annotated[Path, typer.Argument(help="Receipt, or the file beside it.")],
    as_json: JsonOption = False,
) -> None:
    """Print every hash of a receipt, so that you can recompute it with sha256sum."""
    output = Output(as_json=as_json)
    explanation = explain_receipt(parse_receipt(read_receipt(receipt_path(receipt))))
    for line in explanation.lines:
        output.text(line)
    output.result({"steps": explanation.steps})
