"""``anchor audit``: read a whole log again, one's own or a published one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.output import Colour, Output
from anchor.errors import ExitCode, UsageError

NAME = "audit"


def command(
    place: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            metavar="[DIR|URL]", help="A published log; without it, the project's own store."
        ),
    ] = None,
    trust: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="POLICY", help="For a published log: your trust policy."),
    ] = None,
    rpc: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="For a published log: URL of the node to ask."),
    ] = None,
    key: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="VKEY", help="For a published log: its verifier key, name+id+key."),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the project's tiles again from its store first.")
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute a log from its leaves, and name everything that is not as it must be.

    A published log is compared with the registry as well: no data of its operator is needed but
    what is published.
    """
    output = Output(as_json=as_json)
    if place is None:
        if trust or rpc or key:
            raise UsageError(
                "--trust, --rpc and --key go with a published log: name its DIR or URL"
            )
        _audit_own(output, config_path, rebuild=rebuild)
    elif rebuild:
        raise UsageError("--rebuild is for the project's own tiles: name no DIR or URL")
    else:
        _audit_published(output, place, trust=trust, rpc=rpc, key=key, config_path=config_path)


def _audit_own(output: Output, config_path: Path | None, *, rebuild: bool) -> None:
    from anchor.cli.session import project_session
    from anchor.pipeline.auditing import audit_project, rebuild_tiles

    with project_session(config_path) as project, project.database.hold_lease():
        if rebuild:
            output.line(f"made the tiles of {rebuild_tiles(project):,} leaves again")
        audit = audit_project(project)
    output.line(f"{audit.leaves:,} leaves in {audit.heads:,} heads, read again from the store")
    for breach in audit.breaches:
        output.line(breach, mark="breach  ", colour=Colour.RED)
    code = ExitCode.MISMATCH if audit.breaches else ExitCode.DONE
    output.line("nothing is amiss" if not audit.breaches else f"exit code {int(code)}")
    output.result(
        {
            "leaves": audit.leaves,
            "heads": audit.heads,
            "breaches": list(audit.breaches),
            "exit_code": int(code),
        }
    )
    if code:
        raise typer.Exit(code)


def _audit_published(
    output: Output,
    place: str,
    *,
    trust: Path | None,
    rpc: str | None,
    key: str | None,
    config_path: Path | None,
) -> None:
    from functools import partial

    from anchor.cli.evidence import Bench
    from anchor.cli.nodes import Nodes
    from anchor.cli.report import print_step
    from anchor.errors import AnchorError, CannotCheckError
    from anchor.logcheck import TITLES, check_log
    from anchor.notes import parse_verifier
    from anchor.published import CHECKPOINT, open_source, read_tile
    from anchor.verdict import Verdict, verdict_of

    verifier = None if key is None else parse_verifier(key)
    source = open_source(place)
    bench = Bench(config_path=config_path, trust=trust)
    nodes = Nodes(rpc, bench.project_rpc)
    steps: list[dict[str, Any]] = []

    def tell(number: int, detail: str, verdict: Verdict = Verdict.PASS, hint: str = "") -> None:
        title = TITLES[number]
        print_step(output, number, title, detail, verdict, hint)
        steps.append({"number": number, "title": title, "verdict": verdict.value, "detail": detail})

    note = source.read(CHECKPOINT)
    if note is None:
        raise CannotCheckError(
            "there is no checkpoint", hint="name the folder or URL below which `checkpoint` lies"
        )
    output.line(f"policy: {bench.policy_name or 'none'}")
    members: dict[str, Any] = {"policy": bench.policy_name, "steps": steps}
    code = ExitCode.DONE
    try:
        checked = check_log(
            note,
            partial(read_tile, source),
            policy=bench.policy,
            verifier=verifier,
            connect=nodes.connect,
            tell=tell,
        )
    except AnchorError as error:
        tell(len(steps) + 1, error.message, verdict_of(error), error.hint or "")
        code = error.exit_code
        output.line(f"NOT VERIFIED (exit code {int(code)})", colour=Colour.RED)
    else:
        output.line("VERIFIED: the published log is the anchored one", colour=Colour.GREEN)
        head = checked.checkpoint.head
        members |= {
            "origin": checked.checkpoint.origin,
            "size": head.size,
            "root": head.root.hex(),
            "sequence": checked.anchor.sequence,
            "final_block": checked.final.number,
        }
    output.result({"exit_code": int(code), "nodes": nodes.asked, **members})
    if code:
        raise typer.Exit(code)
