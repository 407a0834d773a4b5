"""A verification report as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from anchor.cli.output import Colour, Output

if TYPE_CHECKING:
    from anchor.errors import AnchorError
    from anchor.verdict import ProvenAnchor, Report, Verdict

_BRIEF = {"pass": "verified ", "fail": "refused  ", "cannot tell": "undecided"}


_COLOURS = {
    "pass": Colour.GREEN,
    "fail": Colour.RED,
    "cannot tell": Colour.YELLOW,
    "not present": Colour.YELLOW,
}


def print_report(
    output: Output,
    name: str,
    report: Report,
    *,
    policy: str | None,
    nodes: Sequence[str],
    brief: bool,
) -> None:
    """Print one file's report: steps, claims, and what it does not prove."""
    from anchor.verdict import NOT_PROVEN, verdict_of

    error = report.error
    if brief:
        detail = _summary(report) if error is None else error.message
        _line(output, _BRIEF[verdict_of(error).value], f"  {name}: {detail}", error)
        return
    output.line(name)
    for step in report.steps:
        hint = step.error.hint if step.error else None
        print_step(output, step.number, step.title, step.detail, step.verdict, hint or "")
    output.line()
    for claim in report.claims:
        mark, colour = f"  {claim.id} {claim.verdict.value:<12}", _COLOURS[claim.verdict.value]
        output.line(f"{claim.title} ({claim.reason})", mark=mark, colour=colour)
    output.line()
    _print_trust(output, report, policy, nodes)
    output.line("  Not proven: " + "; ".join(NOT_PROVEN) + ".")
    mark = "  VERIFIED" if error is None else "  NOT VERIFIED"
    _line(output, mark, f" (exit code {int(report.exit_code)})", error)
    output.line()


def print_step(
    output: Output, number: int, title: str, detail: str, verdict: Verdict, hint: str
) -> None:
    """Print how one numbered step went; ``hint`` says what to do where it did not pass."""
    mark, colour = f"  {number:>2}. {verdict.value:<12}", _COLOURS[verdict.value]
    output.line(f"{title}: {detail}", mark=mark, colour=colour)
    if hint:
        output.line(f"                  {hint}")


def _print_trust(output: Output, report: Report, policy: str | None, nodes: Sequence[str]) -> None:
    from anchor.registry.keccak import format_address

    if policy is not None:
        output.line(f"  Trust policy: {policy}")
    else:
        output.line("  No trust policy was given; taken from the receipt, unpinned:")
        for item in report.unpinned:
            output.line(f"    {item}")
    is_unchanged = all(step.error is None for step in report.steps if step.number == 2)
    subject = "Unchanged since it was recorded; the record" if is_unchanged else "The record"
    if nodes:
        output.line(f"  Asked: {', '.join(nodes)}")
    for proven in report.proven:
        output.line(f"  {subject} existed no later than {proven.existed_by:%Y-%m-%d %H:%M:%S} UTC,")
        output.line(
            f"  anchored by {format_address(proven.submitter)} on chain {proven.chain_id}, "
            f"block {proven.anchor.block_number} ({_describe_basis(proven)}: assurance "
            f"{proven.assurance})."
        )


def _describe_basis(proven: ProvenAnchor) -> str:
    if proven.assurance == "rpc":
        return "as one node says"
    if proven.assurance == "quorum":
        return "as the nodes agree"
    block = f"block {proven.final_block_number}"
    if proven.is_asserted:
        return f"proven in {block}; that this is a final block of the chain is asserted by you"
    return f"proven in {block}, whose hash the nodes agree about"


def _line(output: Output, mark: str, text: str, error: AnchorError | None) -> None:
    from anchor.verdict import verdict_of

    output.line(text, mark=mark, colour=_COLOURS[verdict_of(error).value])


def report_members(name: str, report: Report) -> dict[str, Any]:
    """Return one file's report as JSON members."""
    from anchor.registry.keccak import format_address
    from anchor.verdict import NOT_PROVEN

    return {
        "file": name,
        "exit_code": int(report.exit_code),
        "steps": [
            {
                "number": step.number,
                "title": step.title,
                "verdict": step.verdict.value,
                "detail": step.detail,
            }
            for step in report.steps
        ],
        "claims": [
            {
                "id": claim.id,
                "title": claim.title,
                "verdict": claim.verdict.value,
                "reason": claim.reason,
            }
            for claim in report.claims
        ],
        "anchors": [
            {
                "chain_id": proven.chain_id,
                "registry": format_address(proven.registry),
                "log": "0x" + proven.log.hex(),
                "root": proven.root.hex(),
                "size": proven.anchor.size,
                "sequence": proven.anchor.sequence,
                "block_number": proven.anchor.block_number,
                "timestamp": proven.anchor.timestamp,
                "submitter": format_address(proven.submitter),
                "final_block_number": proven.final_block_number,
                "final_block_hash": "0x" + proven.final_block_hash.hex(),
                "existed_no_later_than": proven.existed_by.isoformat().replace("+00:00", "Z"),
                "assurance": proven.assurance,
                "finality": "asserted" if proven.is_asserted else "observed",
            }
            for proven in report.proven
        ],
        "unpinned": list(report.unpinned),
        "not_proven": list(NOT_PROVEN),
    }


def _summary(report: Report) -> str:
    first = report.proven[0]
    return f"existed no later than {first.existed_by:%Y-%m-%d %H:%M:%S} UTC"
