"""A verification report as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from anchor.cli.output import Colour, Output
from anchor.words import ENGLISH, Words

if TYPE_CHECKING:
    from anchor.cli.documents import AnchorDocument, FileDocument
    from anchor.errors import AnchorError
    from anchor.verdict import ProvenAnchor, Report, Verdict

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
    policies: Sequence[str],
    nodes: Sequence[str],
    brief: bool,
    words: Words = ENGLISH,
) -> None:
    """Print one file's report: steps, claims, and what it does not prove."""
    from anchor.verdict import NOT_PROVEN, verdict_of

    error = report.error
    if brief:
        detail = _summary(report, words) if error is None else words.say(error.message)
        mark = f"{words.brief[verdict_of(error).value]:<9}"
        _line(output, mark, f"  {name}: {detail}", error)
        return
    output.line(name)
    for step in report.steps:
        title = words.steps.get(step.number, step.title)
        hint = step.error.hint if step.error else None
        print_step(output, step.number, title, step.detail, step.verdict, hint or "", words=words)
    output.line()
    for claim in report.claims:
        mark = f"  {claim.id} {_pad(words.verdicts.get(claim.verdict.value, claim.verdict.value))}"
        title = words.claims.get(claim.id, claim.title)
        colour = _COLOURS[claim.verdict.value]
        output.line(f"{title} ({words.say(claim.reason)})", mark=mark, colour=colour)
    output.line()
    _print_trust(output, report, policies, nodes, words)
    items = "; ".join(words.not_proven or NOT_PROVEN)
    output.line(f"  {words.closing.format(items=items)}")
    mark = f"  {words.verified if error is None else words.not_verified}"
    _line(output, mark, words.exit_code.format(code=int(report.exit_code)), error)
    output.line()


def _pad(verdict: str) -> str:
    # A Chinese character takes two columns.
    return verdict + " " * max(1, 12 - sum(1 + (ord(letter) > 0x2E7F) for letter in verdict))


def print_step(
    output: Output,
    number: int,
    title: str,
    detail: str,
    verdict: Verdict,
    hint: str,
    *,
    words: Words = ENGLISH,
) -> None:
    """Print how one numbered step went; ``hint`` says what to do where it did not pass."""
    mark = f"  {number:>2}. {_pad(words.verdicts.get(verdict.value, verdict.value))}"
    output.line(f"{title}: {words.say(detail)}", mark=mark, colour=_COLOURS[verdict.value])
    if hint:
        output.line(f"                  {words.say(hint)}")


def _print_trust(
    output: Output, report: Report, policies: Sequence[str], nodes: Sequence[str], words: Words
) -> None:
    from anchor.registry.keccak import format_address

    print_policies(output, policies, words, indent="  ")
    if not policies:
        output.line(f"  {words.no_policy}")
        for item in report.unpinned:
            output.line(f"    {words.say(item)}")
    is_unchanged = all(step.error is None for step in report.steps if step.number == 2)
    existed = words.unchanged_since if is_unchanged else words.existed_by
    if nodes:
        output.line(f"  {words.asked.format(names=', '.join(nodes))}")
    for proven in report.proven:
        output.line(f"  {existed.format(time=f'{proven.existed_by:%Y-%m-%d %H:%M:%S}')}")
        anchored = words.anchored.format(
            submitter=format_address(proven.submitter),
            chain=proven.chain_id,
            block=proven.anchor.block_number,
            basis=_describe_basis(proven, words),
            level=proven.assurance,
        )
        output.line(f"  {anchored}")


def print_policies(
    output: Output, policies: Sequence[str], words: Words = ENGLISH, *, indent: str = ""
) -> None:
    """Print each policy that a verification rests on."""
    for policy in policies:
        output.line(f"{indent}{words.policy.format(name=words.say(policy))}")


def _describe_basis(proven: ProvenAnchor, words: Words) -> str:
    if proven.assurance == "rpc":
        return words.by_one_node
    if proven.assurance == "quorum":
        return words.by_nodes
    basis = words.by_asserted_proof if proven.is_asserted else words.by_proof
    return basis.format(block=proven.final_block_number)


def _line(output: Output, mark: str, text: str, error: AnchorError | None) -> None:
    from anchor.verdict import verdict_of

    output.line(text, mark=mark, colour=_COLOURS[verdict_of(error).value])


def describe_report(name: str, report: Report) -> FileDocument:
    """Return one file's report as a part of the published document."""
    from anchor.cli.documents import ClaimDocument, FileDocument, StepDocument
    from anchor.verdict import NOT_PROVEN

    return FileDocument(
        file=name,
        exit_code=int(report.exit_code),
        steps=[
            StepDocument(
                number=step.number,
                title=step.title,
                verdict=step.verdict.value,
                detail=step.detail,
            )
            for step in report.steps
        ],
        claims=[
            ClaimDocument(
                id=claim.id, title=claim.title, verdict=claim.verdict.value, reason=claim.reason
            )
            for claim in report.claims
        ],
        anchors=[_describe_anchor(proven) for proven in report.proven],
        unpinned=list(report.unpinned),
        not_proven=list(NOT_PROVEN),
    )


def _describe_anchor(proven: ProvenAnchor) -> AnchorDocument:
    from anchor.cli.documents import AnchorDocument
    from anchor.registry.keccak import format_address

    return AnchorDocument(
        chain_id=proven.chain_id,
        registry=format_address(proven.registry),
        log="0x" + proven.log.hex(),
        root=proven.root.hex(),
        size=proven.anchor.size,
        sequence=proven.anchor.sequence,
        block_number=proven.anchor.block_number,
        timestamp=proven.anchor.timestamp,
        submitter=format_address(proven.submitter),
        final_block_number=proven.final_block_number,
        final_block_hash="0x" + proven.final_block_hash.hex(),
        existed_no_later_than=proven.existed_by.isoformat().replace("+00:00", "Z"),
        assurance=proven.assurance,
        finality="asserted" if proven.is_asserted else "observed",
    )


def _summary(report: Report, words: Words) -> str:
    first = report.proven[0]
    return words.brief_existed_by.format(time=f"{first.existed_by:%Y-%m-%d %H:%M:%S}")
