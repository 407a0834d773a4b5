"""Write docs/command-line.md and docs/schemas from the program itself; --check only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from pydantic import BaseModel

from anchor.certificate.model import Certificate
from anchor.certificate.statements import Details
from anchor.cli import app
from anchor.cli.command_table import EXAMPLES
from anchor.cli.status_json import StatusDocument
from anchor.errors import ExitCode
from anchor.receipt.format import ReceiptDocument
from anchor.service.app import make_app
from anchor.verification.report_json import VerificationDocument

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "command-line.md"
SCHEMAS: dict[str, tuple[str, type[BaseModel]]] = {
    "certificate.json": ("anchor-certificate/1", Certificate),
    "certificate-details.json": ("anchor-certificate-details/1", Details),
    "receipt.json": ("anchor-receipt/1", ReceiptDocument),
    "status.json": ("anchor-status/1", StatusDocument),
    "verification.json": ("anchor-verify/1", VerificationDocument),
}


def render() -> str:
    """Return the page."""
    lines = [
        "# Command line",
        "",
        "Written by `scripts/build_docs.py` from the program itself.",
        "",
        "Results go to standard output, progress and errors to standard error. `--json` prints one",
        "JSON document instead of text. Progress bars appear on a terminal only; `NO_COLOR` is",
        "honoured. Text is in Chinese where the first of `LANGUAGE`, `LC_ALL`, `LC_MESSAGES` and",
        "`LANG` that is set begins with `zh`, else in English; JSON documents, `--help` and what",
        "is stored are always in English.",
        "",
        "The first member of each document is `format`: `anchor-COMMAND/1`, such as",
        "`anchor-status/1` ([schema](schemas/status.json)), `anchor-verify/1`",
        "([schema](schemas/verification.json)) or `anchor-trust-list/1`. Where one command prints",
        "several, a word follows: `anchor-log-leaf/1`, `anchor-log-extension/1`,",
        "`anchor-audit-published/1`, `anchor-operator-add-call/1`, `anchor-run-event/1` (a line",
        "each). A command that fails prints `anchor-error/1` with `error`, `hint` and `exit_code`,",
        "and says the same on standard error; `id` and `operands` are the name of the sentence in",
        "`error`, whatever its wording, and the values in it.",
        "",
        "Where standard output cannot be written, a command ends as others do: quietly with",
        "141 where its reader has gone (`anchor verify FILE | head -1`), with one sentence and 33",
        "where the disk is full or standard output is not open. What was done before stays done.",
        "`anchor run` and `anchor serve` go on without their output, and say so once on standard",
        "error. SIGTERM and Ctrl-C end these two, and `devnet`, with 0 from their first moment on.",
        "",
        "## Exit codes",
        "",
        "| code | meaning |",
        "|---|---|",
    ]
    lines += [f"| {int(code)} | {code.meaning} |" for code in ExitCode]
    for command in EXAMPLES:
        lines += ["", f"## anchor {command}", "", "```", help_text(command), "```"]
    return "\n".join(lines) + "\n"


def help_text(command: str) -> str:
    """Return what ``anchor COMMAND --help`` prints at 80 columns."""
    environment = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    runnable: Any = app
    words = [*command.split(), "--help"]
    done = CliRunner().invoke(runnable, words, prog_name="anchor", env=environment)
    assert done.exit_code == 0, done.output
    return "\n".join(line.rstrip() for line in done.output.strip().splitlines())


def pages() -> dict[Path, str]:
    """Return what each generated file holds."""
    found = {PAGE: render()}
    for name, (title, model) in SCHEMAS.items():
        schema = model.model_json_schema() | {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": title,
        }
        text = json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        found[ROOT / "docs" / "schemas" / name] = text
    page = json.dumps(make_app().openapi(), indent=1, ensure_ascii=False) + "\n"
    found[ROOT / "docs" / "openapi.json"] = page
    return found


def main() -> None:
    """Write the files, or say which is out of date."""
    for path, text in pages().items():
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text("utf-8") != text:
            shown = path.relative_to(ROOT)
            sys.exit(f"{shown} is out of date: run `python scripts/build_docs.py`")


if __name__ == "__main__":
    main()
