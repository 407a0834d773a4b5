"""A verification report as text, in the language of its output."""

from __future__ import annotations

from collections.abc import Sequence

from anchor.base.errors import SupersededError
from anchor.base.messages.message import Message, join
from anchor.base.units import format_moment
from anchor.cli.account_text import print_account
from anchor.cli.console import Colour, Output, pad
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import KIND_SENTENCES, find_chain
from anchor.evidence.record_submitter import MEMBER as SUBMITTER
from anchor.evidence.record_submitter import read_submitter
from anchor.verification.record_status import NoticeFinding
from anchor.verification.report import (
    ProvenAnchor,
    Report,
    SignatureFinding,
    TimestampFinding,
    Verdict,
    verdict_message,
    verdict_of,
    word_claim,
)

COLOURS = {
    "pass": Colour.GREEN,
    "fail": Colour.RED,
    "cannot tell": Colour.YELLOW,
    "not present": Colour.YELLOW,
}

# The claims of the nine that limit the time of the evidence.
_TIME_CLAIMS = ("C4", "C5")
# The step whose line names the chain and its genesis block, on which all other steps depend.
_CHAIN_STEP = 5
_INDENT = "  "
# Columns of a verdict, and of the shortest summary, each with the space after it.
_VERDICT_WIDTH = 12
_BRIEF_WIDTH = 9


def print_report(
    output: Output,
    name: str,
    report: Report,
    *,
    policies: Sequence[Message],
    nodes: Sequence[str],
    all_steps: bool = False,
) -> None:
    """Print one file's report: the verdict, the time, its basis and what it does not prove.

    With ``all_steps``, every step and claim is printed.  Without it, passed steps other than that
    of the chain are omitted.  If all steps passed, the claims that do not limit the time are
    omitted, too; otherwise the time, and the claims that did not fail.
    """
    passed = report.evidence_error is None
    mark = f"{spell_headline(output, report.headline)}{_INDENT}"
    output.text(name, mark=mark, colour=_colour(report))
    for notice in report.notices:
        print_notice(output, notice)
    for step in report.steps:
        if all_steps or step.verdict is not Verdict.PASS or step.number == _CHAIN_STEP:
            hint = step.error.hint if step.error else None
            print_step(output, step.number, step.title, step.detail, step.shown_verdict, hint)
    for left in report.unmade if all_steps else ():
        print_step(output, left.number, left.title, left.reason, left.verdict, None)
    if all_steps or passed:
        _print_proven(output, report)
        if report.record is not None:
            number = Message("report-number", number=report.record.number)
            output.line(number, mark=_INDENT)
    _print_claims(output, report, all_steps=all_steps)
    for finding in report.timestamps:
        print_timestamp(output, finding)
    for signature in report.signatures:
        print_signature(output, signature)
    _print_trust(output, report, policies, nodes)
    _print_statements(output, report, in_full=all_steps)
    if all_steps or report.record is not None:
        items = join(report.not_proven, "semicolon")
        output.line(Message("report-not-proven", items=items), mark=_INDENT)
    if not all_steps:
        output.line(Message("report-more-with-steps"), mark=_INDENT)
    output.text()


def _print_claims(output: Output, report: Report, *, all_steps: bool) -> None:
    for claim in report.shown_claims:
        # A receipt that cannot be read fails all claims, for the one reason that its step has.
        is_wrong = claim.verdict is Verdict.FAIL and report.record is not None
        matters = claim.id in _TIME_CLAIMS if report.evidence_error is None else is_wrong
        if all_steps or matters or (claim.id == "C7" and report.custody is not None):
            words = word_claim(claim.id, claim.verdict, has_account=report.account is not None)
            mark = f"{_INDENT}{claim.id} {pad(output.say(words) + ' ', _VERDICT_WIDTH)}"
            text = Message("report-claim", title=claim.title, reason=claim.reason)
            output.line(text, mark=mark, colour=COLOURS[claim.verdict.value])


def print_summary(output: Output, name: str, report: Report) -> None:
    """Print one line about one file."""
    summary = Message("report-step", title=name, detail=_summary(report))
    mark = f"{pad(output.say(_brief(report)), _BRIEF_WIDTH)}{_INDENT}"
    output.line(summary, mark=mark, colour=_colour(report))


def print_step(
    output: Output,
    number: int,
    title: Message,
    detail: Message,
    verdict: Verdict,
    hint: Message | None,
) -> None:
    """Print the result of one numbered step; ``hint`` is the advice if it did not pass."""
    mark = f"{_INDENT}{number:>2}. {_pad_verdict(output, verdict)}"
    text = Message("report-step", title=title, detail=detail)
    output.line(text, mark=mark, colour=COLOURS[verdict.value])
    if hint:
        output.line(hint, mark=_INDENT * 9)


def print_timestamp(output: Output, finding: TimestampFinding) -> None:
    """Print the verdict on a timestamp; if it cannot be told, also OpenSSL's command."""
    verdict = verdict_of(finding.error)
    mark = f"{_INDENT}{_pad_verdict(output, verdict)}"
    text = Message("report-timestamp", name=finding.name, detail=finding.detail)
    output.line(text, mark=mark, colour=COLOURS[verdict.value])
    if finding.error is not None and finding.error.hint is not None:
        output.line(finding.error.hint, mark=_INDENT * 2)
    if verdict is Verdict.CANNOT_TELL:
        output.line(Message("timestamp-openssl", command=finding.command), mark=_INDENT * 2)


def print_signature(output: Output, finding: SignatureFinding) -> None:
    """Print the verdict on a signature; if it cannot be told, also the command that tells."""
    verdict = verdict_of(finding.error)
    mark = f"{_INDENT}{_pad_verdict(output, verdict)}"
    text = Message("report-signature", name=finding.name, detail=finding.detail)
    output.line(text, mark=mark, colour=COLOURS[verdict.value])
    if finding.error is not None and finding.error.hint is not None:
        output.line(finding.error.hint, mark=_INDENT * 2)
    if verdict is Verdict.CANNOT_TELL:
        output.line(Message("signature-command", command=finding.command), mark=_INDENT * 2)


def print_notice(output: Output, finding: NoticeFinding) -> None:
    """Print what a notice states, or why it does not count."""
    output.line(finding.line, mark=_INDENT, colour=Colour.YELLOW)
    if finding.fault is not None and finding.fault.hint is not None:
        output.line(finding.fault.hint, mark=_INDENT * 2)


def print_policies(output: Output, policies: Sequence[Message], *, indent: str = "") -> None:
    """Print each policy that a verification rests on."""
    for policy in policies:
        output.line(Message("report-policy", name=policy), mark=indent)


def spell_headline(output: Output, headline: Message) -> str:
    """Return a headline in the output's language; in English its verdict is in capitals."""
    said = output.say(headline)
    if headline.id in ("verdict-cannot-tell", "verdict-not-final"):
        return said.upper()
    return said.replace("not verified", "NOT VERIFIED", 1).replace("verified", "VERIFIED", 1)


def _brief(report: Report) -> Message:
    if isinstance(report.error, SupersededError):
        is_withdrawn = report.error.replacement is None
        return Message("report-withdrawn") if is_withdrawn else Message("report-superseded")
    is_wrong = verdict_of(report.error) is Verdict.FAIL
    return Message("report-refused") if is_wrong else report.headline


def _colour(report: Report) -> Colour:
    """Return the colour of the verdict: green only for proofs about real time."""
    if report.is_qualified or isinstance(report.error, SupersededError):
        return Colour.YELLOW
    return COLOURS[verdict_of(report.error).value]


def _pad_verdict(output: Output, verdict: Verdict) -> str:
    return pad(output.say(verdict_message(verdict)), _VERDICT_WIDTH)


def _print_statements(output: Output, report: Report, *, in_full: bool) -> None:
    account = report.account
    if account is not None:
        print_account(output, account, in_full=in_full)
    known = () if account is None else account.names
    submitter = None if report.record is None else read_submitter(report.record.encoded)
    if submitter is not None:
        named = Message("report-submitted-by", account=submitter.account, actor=submitter.actor)
        output.line(named, mark=_INDENT)
        known = (*known, SUBMITTER)
    others = [name for name in report.statements if name not in known]
    if others:
        output.line(Message("report-statements-unchecked", names=join(others)), mark=_INDENT)
    for note in report.notes:
        output.line(Message("report-note", text=note), mark=_INDENT)


def _print_trust(
    output: Output, report: Report, policies: Sequence[Message], nodes: Sequence[str]
) -> None:
    print_policies(output, policies, indent=_INDENT)
    if not policies:
        output.line(Message("report-no-policy"), mark=_INDENT)
        for text in report.unpinned:
            output.line(text, mark=_INDENT * 2)
    if nodes:
        output.line(Message("report-nodes-asked", names=join(nodes)), mark=_INDENT)


def _print_proven(output: Output, report: Report) -> None:
    is_unchanged = all(step.error is None for step in report.steps if step.number == 2)
    for proven in report.proven:
        output.line(_describe_times(proven, is_unchanged=is_unchanged), mark=_INDENT)
        chain = find_chain(proven.chain_id)
        anchored = Message(
            "report-anchored",
            submitter=format_address(proven.submitter),
            chain=Message("chain-number-and-name", chain=chain.id, name=chain.name)
            if chain.kind == "main"
            else chain.id,
            block=proven.anchor.block_number,
            basis=_describe_basis(proven),
            level=proven.assurance,
        )
        output.line(anchored, mark=_INDENT)
        output.line(_describe_place(proven), mark=_INDENT * 2)
        if chain.kind != "main":
            kind = KIND_SENTENCES[chain.kind]
            output.line(Message("report-chain-kind", chain=chain.id, kind=kind), mark=_INDENT)


def _describe_times(proven: ProvenAnchor, *, is_unchanged: bool) -> Message:
    """Return the sentence about the times between which the record was made, if any is proven."""
    if not proven.proves_time:
        return Message("report-block-time", time=format_moment(proven.block_time))
    time = format_moment(proven.existed_by)
    if proven.not_before is None:
        return (
            Message("report-unchanged-since", time=time)
            if is_unchanged
            else Message("report-existed-by", time=time)
        )
    since = format_moment(proven.not_before)
    return (
        Message("report-unchanged-since-bracket", since=since, time=time)
        if is_unchanged
        else Message("report-made-between", since=since, time=time)
    )


def _describe_times_briefly(proven: ProvenAnchor) -> Message:
    place = _describe_place(proven)
    if not proven.proves_time:
        time = format_moment(proven.block_time)
        return Message("report-brief-block-time", time=time, place=place)
    time = format_moment(proven.existed_by)
    if proven.not_before is None:
        return Message("report-brief-proven", time=time, place=place)
    since = format_moment(proven.not_before)
    return Message("report-brief-bracket", since=since, time=time, place=place)


def _describe_place(proven: ProvenAnchor) -> Message:
    return Message("report-leaf-place", index=proven.index, size=proven.anchor.size)


def _describe_basis(proven: ProvenAnchor) -> Message:
    basis = _describe_source(proven)
    if proven.final_after is None:
        return basis
    finality = Message("finality-by-depth", count=proven.final_after)
    return Message("basis-with-finality", basis=basis, finality=finality)


def _describe_source(proven: ProvenAnchor) -> Message:
    block = proven.final_block_number
    match proven.assurance:
        case "rpc":
            return Message("basis-one-node")
        case "quorum":
            return Message("basis-several-nodes")
        case "asserted":
            return Message("basis-proof-asserted", block=block)
        case "proof" if proven.is_asserted:
            return Message("basis-proof-by-policy", block=block)
        case "proof":
            return Message("basis-proof", block=block)


def _summary(report: Report) -> Message:
    detail = report.headline if report.error is None else report.error.message
    leading = report.leading
    if report.error is None and leading is not None:
        detail = _describe_times_briefly(leading)
    if not report.unpinned:
        return detail
    return Message("report-brief-unpinned", detail=detail, items=join(report.unpinned))
