"""``anchor upgrade``: bring receipts up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from anchor.base.errors import ExitCode, NotTrustedError, UsageError
from anchor.base.messages.message import Message
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.input_files import list_receipts, read_receipt
from anchor.cli.options import ConfigOption, JsonOption
from anchor.evidence.record import parse_record
from anchor.operate.finality import refresh_anchors
from anchor.operate.proving import Prover
from anchor.operate.state_proofs import StateProofs
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.receipt.format import Receipt, parse_receipt
from anchor.store.evidence import find_by_digest
from anchor.store.kept_proofs import read_kept


def command(
    receipts: Annotated[
        list[Path],
        typer.Argument(help="Receipts, the files beside them, or folders with all in and below."),
    ],
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Complete receipts that were written before their anchor was final.

    Adds the anchor, and the proof of the chain's state that allows offline verification.
    """
    output = Output(as_json=as_json)
    results: list[dict[str, Any]] = []
    with project_session(config_path) as project:
        node = open_chain(project.config, output.note)
        kept = read_kept(project.database, project.config.chain_id)
        states = StateProofs(project.config, node, output.note, kept)
        refresh_anchors(project, node, states)
        prover = Prover(project)
        for path in list_receipts(receipts):
            old = parse_receipt(read_receipt(path))
            new = states.complete(old if old.anchors else _renew(project, prover, old, path))
            if new.anchors and new != old:
                new.save(path)
            anchors, proofs = len(new.anchors), new.state_proof_count
            state = _describe(anchors, proofs)
            output.line(Message("with-reason", failure=path, reason=state))
            results.append({"receipt": str(path), "anchors": anchors, "state_proofs": proofs})
    output.result({"receipts": results})
    if any(result["anchors"] == 0 for result in results):
        raise typer.Exit(ExitCode.NOT_FINAL)


def _describe(anchors: int, proofs: int) -> Message:
    if not anchors:
        return Message("receipt-anchor-not-final")
    return Message("receipt-complete-with-proof") if proofs else Message("receipt-complete")


def _renew(project: OpenProject, prover: Prover, old: Receipt, path: Path) -> Receipt:
    if old.log != project.config.log:
        raise NotTrustedError(Message("receipt-of-another-log", path=path))
    with project.database.read() as connection:
        candidates = find_by_digest(connection, parse_record(old.record).digests)
    match = next((evidence for evidence in candidates if evidence.record == old.record), None)
    if match is None:
        raise UsageError(Message("receipt-record-not-held", path=path))
    return prover.prove(match)
