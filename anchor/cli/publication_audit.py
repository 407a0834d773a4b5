"""The part of ``anchor audit`` that audits a published log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import typer

from anchor.base.errors import AnchorError, CannotCheckError, ExitCode, NotTrustedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.types import ChainId, LogId, make_log_id
from anchor.cli.console import Colour, Output
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.report_text import print_policies, print_step, spell_headline
from anchor.ethereum.keccak import parse_address
from anchor.ethereum.known_chains import HEADLINES, find_chain
from anchor.log.checkpoint import open_checkpoint, parse_origin
from anchor.log.publication import CHECKPOINT, open_reader, read_anchors, read_tile
from anchor.log.signed_note import parse_verifier
from anchor.verification.log_audit import TITLES, check_log
from anchor.verification.report import Verdict, severest_code, verdict_of
from anchor.verification.targets import format_unpinned


def audit_published(
    output: Output,
    location: str,
    *,
    trust: Path | None,
    rpc: Sequence[str],
    quorum: int | None,
    key: str | None,
    log: str | None,
    chain_ids: Collection[int],
    accept_unpinned: bool,
    config_path: Path | None,
) -> None:
    """Audit the log published at ``location``, print each step, and exit with the first failure."""
    verifier = None if key is None else parse_verifier(key)
    expected = None if log is None else _parse_log(log)
    source = open_reader(location)
    inputs = VerificationInputs(
        config_path=config_path, trust=trust, report=output.note, rpc=rpc, quorum=quorum
    )
    nodes = inputs.nodes
    steps: list[dict[str, Any]] = []

    def report_step(
        number: int,
        detail: Message,
        verdict: Verdict = Verdict.PASS,
        hint: Message | None = None,
    ) -> None:
        title = TITLES[number]
        print_step(output, number, title, detail, verdict, hint)
        steps.append({"number": number, "title": title, "verdict": verdict.value, "detail": detail})

    note = source.read(CHECKPOINT)
    if note is None:
        raise CannotCheckError(
            Message("checkpoint-missing"), hint=Message("checkpoint-missing-hint")
        )
    print_policies(output, inputs.describe_policies())
    members: dict[str, Any] = {
        "policies": inputs.list_policies(),
        "unused_project": inputs.describe_unused(),
        "unpinned": [],
        "steps": steps,
    }
    code = ExitCode.DONE
    try:
        chain_id, _, owned = parse_origin(open_checkpoint(note, None).origin)
        if chain_ids and chain_id not in chain_ids:
            raise NotTrustedError(Message("audit-chain-not-named", chain=chain_id))
        if inputs.policy is None:
            unnamed = () if chain_ids else (chain_id,)
            members["unpinned"] = list(format_unpinned(None if expected else owned, unnamed))
            _print_unpinned(output, members["unpinned"])
        checked = check_log(
            note,
            partial(read_tile, source),
            policy=inputs.policy,
            verifier=verifier,
            connect=nodes.connect,
            report_step=report_step,
            anchored=lambda head: read_anchors(source, head),
            expected=expected,
            chain_ids=frozenset(map(ChainId, chain_ids)),
            accept_unpinned=accept_unpinned,
        )
    except AnchorError as error:
        report_step(len(steps) + 1, error.message, verdict_of(error), error.hint)
        code = error.exit_code
    else:
        code = severest_code([finding.exit_code for finding in checked.findings])
        for finding in checked.findings:
            if finding.hint:
                output.line(finding.hint, mark="  ")
        head = checked.checkpoint.head
        chain = find_chain(chain_id)
        members |= {
            "chain": {"name": chain.name, "kind": chain.kind, "tested": chain.tested},
            "origin": checked.checkpoint.origin,
            "size": head.size,
            "root": head.root.hex(),
            "sequence": checked.anchor.sequence,
            "final_block": checked.final.number,
        }
    if code:
        output.text(mark=Message("audit-not-verified", code=int(code)), colour=Colour.RED)
    else:
        # The words and the colour must not claim more than was proven.
        said = spell_headline(output, HEADLINES[chain.kind])
        colour = Colour.GREEN if chain.kind == "main" else Colour.YELLOW
        output.text(
            mark=Message("audit-verified", headline=said)
            if verifier is not None
            else Message("audit-verified-unsigned", headline=said),
            colour=colour,
        )
    output.result({"exit_code": int(code), "nodes": nodes.asked, **members}, kind="published")
    if code:
        raise typer.Exit(code)


def _print_unpinned(output: Output, unpinned: Sequence[Message]) -> None:
    if unpinned:
        output.line(Message("checkpoint-claims-unpinned"))
    for claim in unpinned:
        output.line(claim, mark="  ")


def _parse_log(text: str) -> LogId:
    """Parse ``--log``: the owner's address and the log's number, separated by a slash."""
    owner, _, number = text.partition("/")
    if number and not (number.isdecimal() and number.isascii() and len(number) <= 29):
        raise UsageError(Message("option-log-malformed", actual=text[:80]))
    return make_log_id(parse_address(owner, subject="--log"), int(number or "0"))
