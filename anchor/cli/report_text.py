"""A verification report as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from anchor.cli.console import Colour, Output
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import find_chain
from anchor.verification.report import NOT_PROVEN, ProvenAnchor, Report, Verdict, verdict_of
from anchor.verification.report_words import ENGLISH, Words

COLOURS = {
    "pass": Colour.GREEN,
    "fail": Colour.RED,
    "cannot tell": Colour.YELLOW,
    "not present": Colour.YELLOW,
}

# The claims that bound the time, of the nine.
_TIME_CLAIMS = ("C4", "C5")
# Its line names the chain and its genesis block, on which everything else rests.
_CHAIN_STEP = 5


def print_report(
    output: Output,
    name: str,
    report: Report,
    *,
    policies: Sequence[str],
    nodes: Sequence[str],
    all_steps: bool = False,
    words: Words = ENGLISH,
) -> None:
    """Print one file's report: the verdict, the time, its basis and what it does not prove.

    Passed steps, except that of the chain, and claims without a time are printed only with
    ``all_steps``.
    """
    headline = _spell_headline(report, words).replace("verified", "VERIFIED", 1)
    output.line(f"  {name}", mark=headline, colour=_colour(report))
    for step in report.steps:
        if all_steps or step.verdict is not Verdict.PASS or step.number == _CHAIN_STEP:
            title = words.steps.get(step.number, step.title)
            hint = step.error.hint if step.error else None
            print_step(
                output, step.number, title, step.detail, step.verdict, hint or "", words=words
            )
    _print_proven(output, report, words)
    for claim in report.claims:
        if all_steps or claim.id in _TIME_CLAIMS:
            mark = _pad(words.verdicts.get(claim.verdict.value, claim.verdict.value))
            title = words.claims.get(claim.id, claim.title)
            colour = COLOURS[claim.verdict.value]
            mark = f"  {claim.id} {mark}"
            output.line(f"{title} ({words.say(claim.reason)})", mark=mark, colour=colour)
    _print_trust(output, report, policies, nodes, words)
    _print_statements(output, report, words)
    items = "; ".join(_list_not_proven(report, words))
    output.line(f"  {words.closing.format(items=items)}")
    if not all_steps:
        output.line(f"  {words.more_with_steps}")
    output.line()


def print_summary(output: Output, name: str, report: Report, words: Words = ENGLISH) -> None:
    """Print one line about one file."""
    mark = _brief_mark(report, words)
    output.line(f"  {name}: {_summary(report, words)}", mark=mark, colour=_colour(report))


def _list_not_proven(report: Report, words: Words) -> list[str]:
    """Return all that is not proven: in general, and by this verification in particular."""
    always = words.not_proven or NOT_PROVEN
    return [*always, *(words.say(text) for text in report.not_proven[len(NOT_PROVEN) :])]


def _print_statements(output: Output, report: Report, words: Words) -> None:
    if report.statements:
        names = ", ".join(report.statements)
        output.line(f"  {words.statements.format(names=names)}")
    for note in report.notes:
        output.line(f"  {words.note.format(text=words.say(note))}")


def _spell_headline(report: Report, words: Words) -> str:
    leading, kind = report.leading, report.kind
    if report.error is not None or leading is None or kind is None:
        return words.not_verified
    headline = words.verified[kind]
    if leading.assurance != "asserted":
        return headline
    return words.verified_by_you.format(headline=headline)


def _brief_mark(report: Report, words: Words) -> str:
    if report.error is None:
        return f"{_spell_headline(report, words):<9}"
    return f"{words.brief[verdict_of(report.error).value]:<9}"


def _colour(report: Report) -> Colour:
    """Return the colour of the verdict: green only for proofs about real time."""
    leading = report.leading
    is_plain = report.kind == "main" and leading is not None and leading.assurance != "asserted"
    if report.error is None and not is_plain:
        return Colour.YELLOW
    return COLOURS[verdict_of(report.error).value]


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
    """Print the result of one numbered step; ``hint`` is the advice if it did not pass."""
    mark = f"  {number:>2}. {_pad(words.verdicts.get(verdict.value, verdict.value))}"
    output.line(f"{title}: {words.say(detail)}", mark=mark, colour=COLOURS[verdict.value])
    if hint:
        output.line(f"                  {words.say(hint)}")


def _print_trust(
    output: Output, report: Report, policies: Sequence[str], nodes: Sequence[str], words: Words
) -> None:
    print_policies(output, policies, words, indent="  ")
    if not policies:
        output.line(f"  {words.no_policy}")
        for text in report.unpinned:
            output.line(f"    {words.say(text)}")
    if nodes:
        output.line(f"  {words.asked.format(names=', '.join(nodes))}")


def _print_proven(output: Output, report: Report, words: Words) -> None:
    is_unchanged = all(step.error is None for step in report.steps if step.number == 2)
    existed = words.unchanged_since if is_unchanged else words.existed_by
    for proven in report.proven:
        output.line(f"  {existed.format(time=_spell_time(proven.existed_by, words))}")
        chain = find_chain(proven.chain_id)
        anchored = words.anchored.format(
            submitter=format_address(proven.submitter),
            chain=f"{chain.id} ({chain.name})" if chain.kind == "main" else chain.id,
            block=proven.anchor.block_number,
            basis=_describe_basis(proven, words),
            level=proven.assurance,
        )
        output.line(f"  {anchored}")
        position = words.place.format(index=proven.index, size=proven.anchor.size)
        output.line(f"    {position}")
        if chain.kind != "main":
            said = words.chain_is.format(chain=proven.chain_id, kind=words.kinds[chain.kind])
            output.line(f"  {said}")


def _spell_time(time: datetime, words: Words) -> str:
    """Return a time in UTC and, if different, in this machine's time zone."""
    local = time.astimezone()
    if not local.utcoffset():
        return f"{time:%Y-%m-%d %H:%M:%S} UTC"
    return words.local_time.format(
        utc=f"{time:%Y-%m-%d %H:%M:%S} UTC", local=f"{local:%Y-%m-%d %H:%M:%S %z}"
    )


def print_policies(
    output: Output, policies: Sequence[str], words: Words = ENGLISH, *, indent: str = ""
) -> None:
    """Print each policy that a verification rests on."""
    for policy in policies:
        output.line(f"{indent}{words.policy.format(name=words.say(policy))}")


def _describe_basis(proven: ProvenAnchor, words: Words) -> str:
    basis = {
        "rpc": words.by_one_node,
        "quorum": words.by_nodes,
        "asserted": words.by_asserted_proof,
        "proof": words.by_policy_proof if proven.is_asserted else words.by_proof,
    }[proven.assurance]
    return basis.format(block=proven.final_block_number)


def _summary(report: Report, words: Words) -> str:
    leading = report.leading
    if report.error is not None or leading is None:
        detail = "" if report.error is None else words.say(report.error.message)
    else:
        time = f"{leading.existed_by:%Y-%m-%d %H:%M:%S}"
        position = words.place.format(index=leading.index, size=leading.anchor.size)
        detail = f"{words.brief_existed_by.format(time=time)} ({position})"
    if not report.unpinned:
        return detail
    items = ", ".join(words.say(text) for text in report.unpinned)
    return words.brief_unpinned.format(detail=detail, items=items)
