"""``anchor audit`` of the project's own log; it needs the extra ``operator``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import typer

from anchor.base.errors import AnchorError, ExitCode
from anchor.base.messages.message import Message, join
from anchor.cli.console import Colour, Output
from anchor.cli.context import project_session
from anchor.evidence.hashing_pool import open_executor
from anchor.operate.finality import build_finality_json
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.recovery.chain_audit import audit_chain
from anchor.recovery.originals_audit import Originals, audit_originals
from anchor.recovery.store_audit import audit_project, limit_breaches, rebuild_tiles
from anchor.verification.report import verdict_message, verdict_of


def audit_own_log(
    output: Output, config_path: Path | None, *, rebuild: bool, originals: bool, offline: bool
) -> None:
    """Audit the project's log, its files and its anchors on chain, and print every breach.

    Raises:
        typer.Exit: The audit has findings; the code is that of the gravest.
    """
    with project_session(config_path, only_reads=not rebuild) as project:
        with project.database.pause_sequencing():
            if rebuild:
                output.line(Message("audit-tiles-rebuilt", count=rebuild_tiles(project)))
            audit = audit_project(project)
            output.line(Message("audit-leaves-read", leaves=audit.leaves, heads=audit.heads))
            without_record = audit.erased + audit.lost
            if without_record:
                output.line(
                    Message(
                        "audit-leaves-without-record",
                        count=without_record,
                        erased=audit.erased,
                        lost=audit.lost,
                    )
                )
            output.line(Message("audit-not-checked", names=join(audit.unchecked, by="semicolon")))
            breaches, code = list(audit.breaches), ExitCode.DONE
            members: dict[str, Any] = {
                "leaves": audit.leaves,
                "heads": audit.heads,
                "without_record": without_record,
                "erased": audit.erased,
                "lost": audit.lost,
                "not_checked": audit.unchecked,
            }
            if not offline:
                members["chain"], contradicted, code = _audit_chain(output, project)
                breaches += contradicted
        if originals:
            # Without the lease: the audit may take hours, and sealing must continue.
            members["originals"], changed = _audit_files(output, project)
            breaches += changed
            if members["originals"]["unreadable"]:
                code = code or ExitCode.CANNOT_CHECK
    for breach in breaches:
        output.line(breach, mark=Message("breach-mark"), colour=Colour.RED)
    code = ExitCode.MISMATCH if breaches else code
    output.line(Message("findings-none") if not code else Message("exit-code", code=int(code)))
    output.result(members | {"breaches": breaches, "exit_code": int(code)})
    if code:
        raise typer.Exit(code)


def _audit_chain(
    output: Output, project: OpenProject
) -> tuple[dict[str, Any], tuple[Message, ...], ExitCode]:
    """Compare the log with the chain; return JSON members, the breaches, and an exit code.

    The exit code is that of the error if the chain could not be read.
    """
    try:
        audit = audit_chain(project, open_chain(project.config, output.note))
    except AnchorError as error:
        verdict = verdict_of(error)
        mark = Message("audit-chain-mark", verdict=verdict_message(verdict))
        output.line(error.message, mark=mark, colour=Colour.YELLOW)
        if error.hint:
            output.line(error.hint, mark="  ")
        return {"verdict": verdict.value, "reason": error.message}, (), error.exit_code
    count, block = audit.anchors, audit.final.number
    output.line(
        Message("audit-anchors-read", anchors=count, block=block)
        if project.config.final_after is None
        else Message("audit-anchors-read-by-depth", anchors=count, block=block)
    )
    if audit.foreign_nonces:
        output.line(Message("audit-foreign-nonces", count=audit.foreign_nonces))
    members = {
        "verdict": "fail" if audit.breaches else "pass",
        "final_block": audit.final.number,
        "final_block_hash": "0x" + audit.final.hash.hex(),
        **build_finality_json(project.config),
        "anchors": audit.anchors,
        "foreign_nonces": audit.foreign_nonces,
    }
    return members, audit.breaches, ExitCode.DONE


def _audit_files(
    output: Output, project: OpenProject
) -> tuple[dict[str, Any], tuple[Message, ...]]:
    originals = Originals()
    with (
        open_executor() as executor,
        closing(audit_originals(project, executor, originals)) as texts,
    ):
        changed = limit_breaches(texts)
    output.line(Message("audit-originals-read", equal=originals.equal, missing=originals.missing))
    for problem in originals.unreadable:
        output.line(problem, mark=Message("verdict-cannot-tell-mark"), colour=Colour.YELLOW)
    members = {
        "equal": originals.equal,
        "missing": originals.missing,
        "unreadable": originals.unreadable,
    }
    return members, changed
