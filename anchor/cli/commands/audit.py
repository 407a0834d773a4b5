"""``anchor audit``: read a whole log again, one's own or a published one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from anchor.cli.console import Colour, Output
from anchor.cli.options import (
    AcceptUnpinnedOption,
    ChainIdOption,
    ConfigOption,
    JsonOption,
    QuorumOption,
    RpcOption,
)
from anchor.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from anchor.project.project import OpenProject

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
        typer.Option(
            metavar="POLICY",
            help="For a published log: your trust policy; by default as for `anchor verify`.",
        ),
    ] = None,
    rpc: RpcOption = None,
    quorum: QuorumOption = None,
    key: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="VKEY", help="For a published log: its verifier key, name+id+key."),
    ] = None,
    log: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="OWNER[/N]",
            help="For a published log: whose log it has to be, and which of them.  [N: 0]",
        ),
    ] = None,
    chain_id: ChainIdOption = None,
    accept_unpinned: AcceptUnpinnedOption = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the project's tiles again from its store first.")
    ] = False,
    originals: Annotated[
        bool,
        typer.Option(
            "--originals", help="Hash the project's evidence files again, where they still are."
        ),
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Look at the project's store alone, ask no node.")
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute a log from its leaves, and name everything that is not as it must be.

    All of it is compared with the registry's state. For a published log, no data of its operator
    is needed but what is published.
    """
    from anchor.cli.publication_audit import audit_published

    output = Output(as_json=as_json)
    if place is None:
        if trust or rpc or quorum or key or log or chain_id or accept_unpinned:
            raise UsageError(
                "--trust, --rpc, --quorum, --key, --log, --chain-id and --accept-unpinned go with "
                "a published log: name its DIR or URL"
            )
        _audit_own(output, config_path, rebuild=rebuild, originals=originals, offline=offline)
    elif rebuild or originals or offline:
        option = "--rebuild" if rebuild else "--originals" if originals else "--offline"
        raise UsageError(f"{option} is for the project's own log: name no DIR or URL")
    else:
        audit_published(
            output,
            place,
            trust=trust,
            rpc=rpc or (),
            quorum=quorum,
            key=key,
            log=log,
            chain_ids=chain_id or (),
            accept_unpinned=accept_unpinned,
            config_path=config_path,
        )


def _audit_own(
    output: Output, config_path: Path | None, *, rebuild: bool, originals: bool, offline: bool
) -> None:
    from anchor.cli.context import project_session
    from anchor.recovery.store_audit import audit_project, rebuild_tiles

    with project_session(config_path, only_reads=not rebuild) as project:
        with project.database.pause_sequencing():
            if rebuild:
                output.line(f"made the tiles of {rebuild_tiles(project):,} leaves again")
            audit = audit_project(project)
            output.line(
                f"{audit.leaves:,} leaves in {audit.heads:,} heads, read again from the store"
            )
            breaches, code = list(audit.breaches), ExitCode.DONE
            members: dict[str, Any] = {"leaves": audit.leaves, "heads": audit.heads}
            if not offline:
                members["chain"], contradicted, code = _audit_chain(output, project)
                breaches += contradicted
        if originals:
            # Without the lease: it may take hours, and the log must go on.
            members["originals"], changed = _audit_files(output, project)
            breaches += changed
            if members["originals"]["unreadable"]:
                code = code or ExitCode.CANNOT_CHECK
    for breach in breaches:
        output.line(breach, mark="breach  ", colour=Colour.RED)
    code = ExitCode.MISMATCH if breaches else code
    output.line("nothing is amiss" if not code else f"exit code {int(code)}")
    output.result(members | {"breaches": breaches, "exit_code": int(code)})
    if code:
        raise typer.Exit(code)


def _audit_chain(
    output: Output, project: OpenProject
) -> tuple[dict[str, Any], tuple[str, ...], ExitCode]:
    """Return what to tell, the breaches, and the code where the chain could not be compared."""
    from anchor.cli.context import open_chain
    from anchor.errors import AnchorError
    from anchor.recovery.chain_audit import audit_chain
    from anchor.verification.report import verdict_of

    try:
        audit = audit_chain(project, open_chain(project.config, output.note))
    except AnchorError as error:
        verdict = verdict_of(error).value
        output.line(error.message, mark=f"chain: {verdict}  ", colour=Colour.YELLOW)
        if error.hint:
            output.line(f"  {error.hint}")
        return {"verdict": verdict, "reason": error.message}, (), error.exit_code
    output.line(
        f"{audit.anchors:,} anchors in the registry, read in final block {audit.final.number:,}"
    )
    if audit.foreign_nonces:
        output.line(f"{audit.foreign_nonces:,} nonces between ours were used by other programs")
    members = {
        "verdict": "fail" if audit.breaches else "pass",
        "final_block": audit.final.number,
        "final_block_hash": "0x" + audit.final.hash.hex(),
        "anchors": audit.anchors,
        "foreign_nonces": audit.foreign_nonces,
    }
    return members, audit.breaches, ExitCode.DONE


def _audit_files(output: Output, project: OpenProject) -> tuple[dict[str, Any], tuple[str, ...]]:
    from anchor.evidence.workers import open_executor
    from anchor.recovery.originals_audit import Originals, audit_originals
    from anchor.recovery.store_audit import limit_breaches

    found = Originals()
    with open_executor() as executor, closing(audit_originals(project, executor, found)) as texts:
        changed = limit_breaches(texts)
    output.line(
        f"{found.equal:,} evidence files are as they were accepted, {found.missing:,} are not "
        "there any more"
    )
    for problem in found.unreadable:
        output.line(problem, mark="cannot tell  ", colour=Colour.YELLOW)
    members = {"equal": found.equal, "missing": found.missing, "unreadable": found.unreadable}
    return members, changed
