"""Generate the reference pages, schemas and openapi.json that docs/ keeps.

With --check the files are only compared.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chinese_pages import PAGE_HASH
from group_pages import describe_groups, describe_record_schema
from manual_pages import find_command
from problem_pages import describe_problems
from pydantic import BaseModel

from anchor.certificate.model import Certificate
from anchor.certificate.statements import Details
from anchor.cli.command_table import EXAMPLES
from anchor.cli.status_json import StatusDocument
from anchor.base.errors import ExitCode
from anchor.ethereum.known_chains import CHAINS, WITHOUT_BLOCK_HISTORY
from anchor.page import load_page
from anchor.receipt.bundle import BundleLine
from anchor.receipt.format import ReceiptDocument
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.service.app import make_app
from anchor.verification.report_json import VerificationDocument

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "command-line.md"
# Described once; `anchor verify` has all of them.
_COMMON = (
    "--config",
    "--json",
    "--trust",
    "--rpc",
    "--quorum",
    "--block-hash",
    "--offline",
    "--chain-id",
    "--accept-unpinned",
)
_INTRODUCTION = """\
# Command line

For everybody who runs `anchor` by hand or from a script. `scripts/_build/build_docs.py` writes this page
from the program.

## Exit codes

| code | meaning |
|---|---|
{codes}
`anchor run`, `serve` and `devnet` end with 0 on SIGTERM and Ctrl-C, at any time after their start.
`anchor devnet --exec` passes signals on to its command and ends with that command's code, or, as shells
do, with 128 and the number of the signal that ended it, 127 if its program is not found, and 126 if
that cannot be run.

## Output

Results go to standard output, progress and errors to standard error. Progress bars appear on a
terminal only. If standard output cannot be written, a command keeps what it has done and ends

- with 141 and no message if the reader is gone (`anchor verify FILE | head -1`);
- with 33 and one sentence if the disk is full or standard output is closed.

`anchor run` and `anchor serve` continue without output, and report this once on standard error.

## JSON

`--json` prints one document. Its first member, `format`, is one of:

| `format` | document |
|---|---|
| `anchor-COMMAND/1` | result of a command, such as `anchor-status/1` ([schema](schemas/status.json)), `anchor-verify/1` ([schema](schemas/verification.json)) or `anchor-trust-list/1`; [members and types](../scripts/_build/command_documents.py) of the others, which the documentation's site has as a schema, `schemas/commands.json` |
| `anchor-COMMAND-KIND/1` | another kind of result: `anchor-log-leaf/1`, `anchor-log-extension/1`, `anchor-audit-published/1`, `anchor-audit-manifests/1`, `anchor-erase-preview/1`, `anchor-export-ledger/1`, `anchor-prove-bundle/1`, `anchor-backup-check/1`, `anchor-operator-add-call/1`, `anchor-collect-template/1` |
| `anchor-run-event/1` | event of `anchor run`, a line each |
| `anchor-error/1` | failure, also described on standard error: `error`, `hint`, `exit_code`; `id` names the sentence in `error` whatever its wording, `operands` its values. Of a file in `anchor-verify/1`, `problem` has the same `id`, text and hint |

## Environment variables

| variable | effect |
|---|---|
| `LANGUAGE`, `LC_ALL`, `LC_MESSAGES`, `LANG` | the first that is set decides: Chinese if it begins with `zh`, else English; JSON, `--help` and stored data are always English |
| `NO_COLOR` | no colours |
| `ANCHOR_CONFIG`, `ANCHOR_TRUST` | default of `--config`, `--trust` |
| `ANCHOR_DEVNET_URL` | set by `anchor devnet --exec` for its command: the chain's URL, which `anchor init --devnet` uses |
| `SOURCE_DATE_EPOCH` | default of `anchor certify --issued-at` |

## Common options

```text
{common}
```

All commands take `-h` (`--help`); {lacking}.

Below, `{{…}}` is required and `[…]` optional. `--help` shows more examples.
"""  # noqa: E501
SCHEMAS: dict[str, tuple[str, type[BaseModel]]] = {
    "certificate.json": ("anchor-certificate/1", Certificate),
    "certificate-details.json": ("anchor-certificate-details/1", Details),
    "receipt.json": ("anchor-receipt/1", ReceiptDocument),
    "receipts-line.json": ("anchor-receipts/1, a line", BundleLine),
    "status.json": ("anchor-status/1", StatusDocument),
    "verification.json": ("anchor-verify/1", VerificationDocument),
}


def render() -> str:
    """Return the text of docs/command-line.md."""
    codes = "".join(f"| {int(code)} | {code.meaning} |\n" for code in ExitCode)
    groups: dict[str, list[str]] = {}
    for command in EXAMPLES:
        groups.setdefault(command.split()[0], []).append(command)
    reference = Reference()
    common = reference.write_common()
    parts = [_INTRODUCTION.format(codes=codes, common=common, lacking=reference.list_lacking())]
    for name, commands in groups.items():
        parts.append(f"## anchor {name}\n\n```text")
        parts.append("\n\n".join(map(reference.write_command, commands)) + "\n```\n")
    return "\n".join(parts)


class Reference:
    """The help of all commands at 80 columns, with each option described only once."""

    def __init__(self) -> None:
        found, context = find_command("verify")
        records = dict(self._read_records(found, context))
        self._common = [records[name] for name in _COMMON]
        self._described: dict[tuple[str, ...], str] = dict.fromkeys(self._common, "common options")
        self._described |= {records["--config"]: "", records["--json"]: ""}

    def write_common(self) -> str:
        """Return the descriptions of the common options."""
        formatter = find_command("verify")[1].make_formatter()
        formatter.write_dl(self._common)
        return str(formatter.getvalue()).rstrip()

    def list_lacking(self) -> str:
        """Return which commands have no ``--json``, and which no ``--config``."""
        rows = []
        for name in ("--json", "--config"):
            having = {each.split()[0] for each in EXAMPLES if name in self._read_options(each)}
            lacking = [each for each in EXAMPLES if name not in self._read_options(each)]
            groups = dict.fromkeys(
                each if each.split()[0] in having else each.split()[0] for each in lacking
            )
            rows.append(f"all but {', '.join(f'`{each}`' for each in groups)} take `{name}`")
        return "; ".join(rows)

    def write_command(self, command: str) -> str:
        """Return usage, description, arguments, options and examples of a command.

        What an earlier command describes in the same words is only named; an argument is described
        once in its group.
        """
        found, context = find_command(command)
        formatter = context.make_formatter()
        pieces = found.collect_usage_pieces(context)[1:]  # without [OPTIONS]
        if pieces or " " in command:
            formatter.write(" ".join((context.command_path, *pieces)) + "\n")
        found.format_help_text(context, formatter)
        formatter.indent()
        rows: list[tuple[str, str]] = []
        earlier: dict[str, list[str]] = {}
        group = command.split()[0]
        for name, record in self._read_records(found, context):
            place = self._described.setdefault(record, f"`anchor {command}`")
            if place == f"`anchor {command}`":
                rows.append(record)
            elif record[0].startswith("-"):
                if place:
                    earlier.setdefault(place, []).append(name)
            elif place.split()[1].strip("`") != group:
                earlier.setdefault(place, []).append(record[0])
        if rows:
            formatter.write_paragraph()
            formatter.write_dl(rows)
        for place, names in earlier.items():
            formatter.write_paragraph()
            formatter.write_text(f"See {place}: {', '.join(names)}.")
        # The usage line says as much as an example without options.
        examples = [each for each in EXAMPLES[command] if re.search(r" (-|>)", each)]
        if examples:
            formatter.write_paragraph()
            for example in examples:
                formatter.write(f"  {example}\n")
        lines = formatter.getvalue().strip("\n").splitlines()
        return "\n".join(line.rstrip() for line in lines)

    def _read_options(self, command: str) -> dict[str, tuple[str, str]]:
        return dict(self._read_records(*find_command(command)))

    def _read_records(self, found: Any, context: Any) -> Iterator[tuple[str, tuple[str, str]]]:
        """Yield the first name, and names and description, of each parameter but ``--help``."""
        for param in found.params:
            record = param.get_help_record(context)
            if record and param.param_type_name == "argument":
                # The usage shows what is required; the type says nothing to a reader.
                text = record[1].replace("; required]", "]").removesuffix("  [required]")
                record = (param.metavar or param.name, text)
            if record:
                yield param.opts[0], record


def pages() -> dict[Path, str]:
    """Return the text of each generated file."""
    found = {PAGE: render()}
    for name, (title, model) in SCHEMAS.items():
        schema = model.model_json_schema() | {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": title,
        }
        found[ROOT / "docs" / "schemas" / name] = _encode(schema)
    found[ROOT / "docs" / "schemas" / "record.json"] = _encode(describe_record_schema())
    found[ROOT / "docs" / "spec" / "release.json"] = _encode(describe_release())
    groups = ROOT / "docs" / "record-groups.md"
    found[groups] = describe_groups(groups.read_text("utf-8"))
    service = json.dumps(make_app().openapi(), indent=1, ensure_ascii=False) + "\n"
    found[ROOT / "docs" / "openapi.json"] = service
    found[ROOT / "docs" / "problems.md"] = describe_problems(ROOT)
    digest = hashlib.sha256(load_page()).hexdigest()
    for name in ("verifier-page.md", "verifier-page.zh.md"):
        verifier = ROOT / "docs" / name
        found[verifier] = PAGE_HASH.sub(digest, verifier.read_text("utf-8"))
    return found


def describe_release() -> dict[str, Any]:
    """Return the constants of this release that verdicts without a policy rest on."""
    return {
        "about": "docs/spec/verification.md, Chains",
        "registry": f"0x{registry_address().hex()}",
        "chains": [
            {
                "chain_id": chain.id,
                "name": chain.name,
                "kind": chain.kind,
                "genesis": chain.genesis and f"0x{chain.genesis.hex()}",
                "time_slack": chain.time_slack,
                "code_hash": f"0x{expected_code_hash(chain.id).hex()}",
            }
            for chain in CHAINS
        ],
        "chains_without_block_history": sorted(WITHOUT_BLOCK_HISTORY),
    }


def _encode(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the files, or with --check report which are out of date."""
    for path, text in pages().items():
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text("utf-8") != text:
            shown = path.relative_to(ROOT)
            sys.exit(f"{shown} is out of date: run `python scripts/_build/build_docs.py`")


if __name__ == "__main__":
    main()
