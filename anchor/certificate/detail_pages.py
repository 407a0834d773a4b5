"""The later sheets: claims, environment, custody, computations, and what is not proven."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from anchor.base.messages.message import Message
from anchor.certificate.account_blocks import build_account
from anchor.certificate.capture_blocks import build_capture
from anchor.certificate.custody_blocks import build_custody
from anchor.certificate.foreign_text import show_text
from anchor.certificate.front_page import build_front, describe_level
from anchor.certificate.labels import POLICY_SOURCES, describe_claim, label_block_time
from anchor.certificate.layout import (
    Block,
    Commands,
    Fields,
    Figure,
    JudgedStatement,
    JudgedTable,
    Labelled,
    Notes,
    Sheet,
    Value,
    both,
    code,
    fields,
    text,
)
from anchor.certificate.model import (
    Bilingual,
    Certificate,
    Verification,
    VerifiedAnchor,
    bilingual,
)
from anchor.certificate.notice_blocks import build_notices
from anchor.certificate.path_svg import draw_path
from anchor.certificate.signature_blocks import build_signatures
from anchor.certificate.source_blocks import build_collection, build_platform
from anchor.certificate.speakers import list_marks, show_statements
from anchor.certificate.statements import ExternalDeposit
from anchor.certificate.time_format import describe_time
from anchor.certificate.timestamp_blocks import build_timestamps
from anchor.evidence.statement_text import MAX_CHARACTERS
from anchor.verification.report import Verdict, verdict_message
from anchor.verification.report_json import ClaimDocument, StepDocument

# The step that compares the file with the record.
_COMPARISON = 2
# The most characters shown of a note, a policy's name or a node's name.
_MOST_OF_NOTE = 200


def build_sheets(certificate: Certificate) -> list[Sheet]:
    """Return every sheet of the certificate, in order."""
    return [
        build_front(certificate),
        _claims(certificate),
        _environment(certificate),
        _custody(certificate),
        _arithmetic(certificate),
        _limits(certificate),
    ]


def _claims(certificate: Certificate) -> Sheet:
    verification = certificate.verification
    return Sheet(
        title=bilingual(Message("certificate-findings-title")),
        blocks=(
            JudgedTable(
                title=bilingual(Message("certificate-claims-title")),
                rows=tuple(
                    _finding(claim.id, claim, describe_claim(claim, certificate))
                    for claim in verification.claims
                ),
            ),
            JudgedTable(
                title=bilingual(Message("certificate-steps-title")),
                rows=tuple(
                    _finding(str(step.number), step, _word_step(step))
                    for step in verification.steps
                ),
            ),
            *(_against(anchor, certificate) for anchor in certificate.anchors),
            *build_signatures(certificate.signatures),
            *build_timestamps(certificate.trusted_timestamp or ()),
        ),
    )


def _word_step(step: StepDocument[Bilingual]) -> Message:
    """Return the verdict in words; of step 2, that no file was compared."""
    if step.verdict == "not present" and step.number == _COMPARISON:
        return Message("certificate-verdict-not-compared")
    return verdict_message(Verdict(step.verdict))


def _finding(
    label: str, entry: ClaimDocument[Bilingual] | StepDocument[Bilingual], words: Message
) -> JudgedStatement:
    reason = entry.reason if isinstance(entry, ClaimDocument) else entry.detail
    return JudgedStatement(
        id=label,
        title=entry.title,
        verdict=entry.verdict,
        verdict_words=bilingual(words),
        reason=Bilingual(
            zh=show_text(reason.zh, MAX_CHARACTERS), en=show_text(reason.en, MAX_CHARACTERS)
        ),
    )


def _against(anchor: VerifiedAnchor, certificate: Certificate) -> Fields:
    verification, place = certificate.verification, certificate.place
    notes = list(_list_lines(verification.notes))
    return fields(
        Message("certificate-verified-against", chain=anchor.chain, sequence=anchor.sequence),
        (
            (Message("certificate-assurance"), describe_level(anchor)),
            (Message("certificate-policy-digest"), _policy(verification)),
            (Message("certificate-policy-origin"), _sources(verification)),
            *([(Message("certificate-notes"), text(*notes))] if notes else []),
            (Message("certificate-nodes-asked"), _nodes(verification)),
            (Message("certificate-genesis-pinned"), code(anchor.genesis)),
            (Message("certificate-registry-code-hash"), code(anchor.code_hash)),
            (Message("certificate-log-and-owner"), code(place.log, place.owner)),
            (Message("certificate-root"), code(anchor.root)),
            (label_block_time(anchor), text(describe_time(anchor.anchored_at))),
            (
                Message("certificate-submitter-and-id"),
                code(anchor.submitter, f"id {anchor.operator_id}"),
            ),
        ),
    )


def _policy(verification: Verification) -> Value:
    if verification.policies:
        return code(*(policy.sha256 for policy in verification.policies))
    return text(Message("certificate-policy-unused"), *_list_lines(verification.unpinned))


def _sources(verification: Verification) -> Value:
    sources = [
        f"{show_text(policy.name, _MOST_OF_NOTE)}: {both(POLICY_SOURCES[policy.source])}"
        for policy in verification.policies
    ]
    return text(*(sources or [Message("certificate-policy-unnamed")]))


def _nodes(verification: Verification) -> Value:
    names = [show_text(name, _MOST_OF_NOTE) for name in verification.nodes]
    return text(*(names or [Message("certificate-nodes-unasked")]))


def _list_lines(sentences: Iterable[Bilingual]) -> Iterator[str]:
    """Yield each sentence in Chinese and in English, or once if both are the same."""
    for sentence in sentences:
        for line in dict.fromkeys((sentence.zh, sentence.en)):
            yield show_text(line, _MOST_OF_NOTE)


def _environment(certificate: Certificate) -> Sheet:
    account, is_submitted = certificate.account, certificate.submitter is not None
    return Sheet(
        title=bilingual(Message("certificate-source-sheet-title")),
        blocks=(
            *_capture(certificate),
            build_collection(certificate),
            *(() if account is None else build_account(account, is_submitted=is_submitted)),
            build_platform(certificate),
            *(_deposit(entry) for entry in certificate.stated.exhibit.external_deposits),
            *(() if account else [_remark(Message("certificate-environment-unrecorded"))]),
            _remark(Message("certificate-missing-remark")),
            Notes(title=None, items=tuple(list_marks(certificate)), is_list=False),
        ),
    )


def _capture(certificate: Certificate) -> Iterator[Block]:
    account = certificate.account
    if account is not None and "capture" in account.observed:
        yield from build_capture(account.observed, certificate.capture)


def _deposit(deposit: ExternalDeposit) -> Fields:
    rows = (
        (Message("certificate-deposit-platform"), deposit.platform),
        (Message("certificate-deposit-number"), deposit.evidence_id),
        (Message("certificate-tx-hash"), deposit.tx_hash),
        (Message("certificate-block-height"), deposit.block_height),
        (Message("certificate-deposit-time"), deposit.time),
        (Message("certificate-deposit-certificate"), deposit.certificate_sha256),
    )
    return fields(Message("certificate-deposit-title"), _stated(rows))


def _stated(rows: Iterable[tuple[Message, str | None]]) -> Iterator[Labelled]:
    return ((label, show_statements((statement, "issuer"))) for label, statement in rows)


def _remark(message: Message) -> Notes:
    return Notes(title=None, items=(bilingual(message),), is_list=False)


def _custody(certificate: Certificate) -> Sheet:
    return Sheet(
        title=bilingual(Message("certificate-custody-title")),
        blocks=(*build_notices(certificate.notices), *build_custody(certificate.custody)),
    )


def _arithmetic(certificate: Certificate) -> Sheet:
    checks, place, path = certificate.checks, certificate.place, certificate.path
    caption = Message(
        "certificate-path-caption", index=place.index, steps=len(path.steps), size=path.size
    )
    return Sheet(
        title=bilingual(Message("certificate-self-verification-title")),
        blocks=(
            Figure(
                title=bilingual(Message("certificate-path-title")),
                svg=draw_path(place.leaf, path.steps, say=both),
                caption=bilingual(caption),
            ),
            Commands(
                title=bilingual(Message("certificate-commands-title")),
                set_up=checks.set_up,
                rows=tuple((row.title, row.command, row.prints) for row in checks.commands),
            ),
        ),
    )


def _limits(certificate: Certificate) -> Sheet:
    contact = certificate.stated.issuer.contact
    blocks: list[Block] = [
        Notes(
            title=bilingual(Message("certificate-not-proven-title")),
            items=tuple(certificate.not_proven),
            is_list=True,
        ),
        Notes(
            title=bilingual(Message("certificate-assumptions-title")),
            items=tuple(certificate.assumptions),
            is_list=True,
        ),
        fields(
            Message("certificate-challenges-title"),
            _stated([(Message("certificate-contact"), contact)]),
        ),
    ]
    return Sheet(title=bilingual(Message("certificate-limits-title")), blocks=blocks)
