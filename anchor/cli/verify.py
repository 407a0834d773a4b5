"""``anchor verify``: check evidence against the chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.output import Output
from anchor.errors import AnchorError, CannotCheckError, UsageError

if TYPE_CHECKING:
    from anchor.types import ChainId
    from anchor.verify import ChainView, Connect

NAME = "verify"


def command(
    files: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(help="Files to verify; each one's receipt is FILE.anchor.json."),
    ] = None,
    receipt: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="RECEIPT", help="The receipt, where it does not lie beside the file."),
    ] = None,
    digest: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Verify this digest (sha256:HEX or sm3:HEX) instead of a file."),
    ] = None,
    trust: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            metavar="POLICY", help="Trust policy; by default trust.toml here or in the project."
        ),
    ] = None,
    rpc: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="URL of the node to ask, instead of the policy's."),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="One line for each file, no steps.")
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify that files are unchanged since they were anchored.

    Ends with the worst code of all files: 0 verified, 10 mismatch, 11 not anchored, 12 not trusted,
    20 cannot check, 21 not final yet, 22 unknown version.
    """
    from anchor.cli.evidence import Bench
    from anchor.cli.report import print_report, report_members
    from anchor.verdict import Report, gravest_code
    from anchor.verify import judge

    if bool(files) == (digest is not None):
        raise UsageError("name the files to verify, or one --digest with its --receipt")
    if receipt is not None and files is not None and len(files) > 1:
        raise UsageError("--receipt goes with one file")
    output = Output(as_json=as_json)
    bench = Bench(config_path=config_path, trust=trust)
    connect = _connector(rpc, bench.project_rpc)
    documents: list[dict[str, Any]] = []
    codes = []
    for name, load in bench.items(files or [], receipt=receipt, digest=digest):
        try:
            data, evidence = load()
            report: Report = judge(data, evidence, policy=bench.policy, connect=connect)
        except AnchorError as error:
            if len(files or []) <= 1:
                raise
            output.note(f"{name}: {error.message}")
            documents.append({"file": name, "error": error.message})
            codes.append(error.exit_code)
            continue
        print_report(output, name, report, policy=bench.policy_name, brief=quiet)
        documents.append(report_members(name, report))
        codes.append(report.exit_code)
    code = gravest_code(codes)
    output.result({"exit_code": int(code), "files": documents})
    raise typer.Exit(code)


def _connector(rpc: str | None, project_rpc: Callable[[ChainId], str | None]) -> Connect:
    """Return how to reach a chain: ``--rpc``, else the policy's node, else the project's.

    One view for each URL, so that many files cost few questions.
    """
    views: dict[str, ChainView] = {}

    def connect(chain_id: ChainId, urls: Sequence[str]) -> ChainView:
        from anchor.chain.views import ChainReader
        from anchor.cli.session import open_node

        url = rpc or next(iter(urls), None) or project_rpc(chain_id)
        if url is None:
            raise CannotCheckError(
                f"no node of chain {chain_id} is known",
                hint="name one you trust with --rpc, or in a trust policy with --trust",
            )
        if url not in views:
            views[url] = ChainReader(open_node(url))
        return views[url]

    return connect
