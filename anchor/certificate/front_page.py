"""The first sheet of a certificate: the summary for a judge."""

from __future__ import annotations

from anchor.certificate.foreign_text import show_text
from anchor.certificate.labels import (
    BASES,
    FRAME,
    VERIFIED,
    describe_kind,
    describe_result,
)
from anchor.certificate.layout import (
    MISSING,
    Banner,
    Fields,
    Labelled,
    Seal,
    Sheet,
    Value,
    both,
    caution,
    code,
    fields,
    text,
)
from anchor.certificate.model import Certificate, VerifiedAnchor, bilingual
from anchor.certificate.qr import draw_code
from anchor.certificate.statements import Exhibit
from anchor.certificate.time_format import describe_time
from anchor.messages.message import Message

# A name of 4,096 characters would fill the sheet; the JSON has it in full.
_MOST_OF_NAME = 140
_MOST_OF_STATEMENT = 120
NOT_FINAL = caution(Message("certificate-not-final-yet"))
NOT_VERIFIED = caution(Message("certificate-not-verified"))


def stated(statement: str | None, most: int = _MOST_OF_STATEMENT) -> Value:
    """Return a statement of the issuer, marked as such."""
    if statement is None:
        return MISSING
    return Value(kind="text", lines=(show_text(statement, most),), is_stated=True)


def describe_level(anchor: VerifiedAnchor) -> Value:
    """Return the assurance of an anchor, and its basis."""
    basis = bilingual(BASES[anchor.assurance, anchor.finality])
    return text(f"{anchor.assurance}：{basis.zh}", basis.en)


def build_front(certificate: Certificate) -> Sheet:
    """Return the first sheet."""
    return Sheet(
        title=bilingual(FRAME["certificate"]),
        blocks=(
            _banner(certificate),
            _parties(certificate),
            _evidence(certificate),
            _anchoring(certificate),
            _issuing(certificate),
            Seal(code=draw_code(certificate.qr_text), payload=certificate.qr_text),
        ),
    )


def _banner(certificate: Certificate) -> Banner:
    if certificate.draft:
        return Banner(
            verdict="cannot tell",
            result=bilingual(FRAME["draft"]),
            since=None,
            caution=None,
            statement=certificate.statement,
        )
    anchor = certificate.anchor
    assert anchor is not None, "only drafts are issued without an anchor"
    result, kind = describe_result(anchor), describe_kind(anchor)
    return Banner(
        verdict="pass" if result == bilingual(VERIFIED) else "cannot tell",
        result=result,
        since=describe_time(anchor.existed_no_later_than),
        caution=None if kind is None else bilingual(kind),
        statement=certificate.statement,
    )


def _parties(certificate: Certificate) -> Fields:
    made = certificate.stated
    exhibit, platform = made.exhibit, made.platform
    filing = [text for text in (platform.blockchain_filing_no, platform.mlps_level) if text]
    # Only those of proceedings: most certificates are issued before there are any.
    proceedings = (
        (Message("exhibits-court"), made.case.court),
        (Message("exhibits-submitter"), made.case.submitted_by),
        (Message("exhibits-submitted-at"), made.case.submitted_at),
    )
    rows = (
        (Message("certificate-case-reference"), made.case_reference),
        *(row for row in proceedings if row[1] is not None),
        (Message("certificate-exhibit-number"), exhibit.exhibit_no),
        (Message("certificate-exhibit-title"), exhibit.title),
        (Message("certificate-depositor"), made.depositor.name),
        (Message("certificate-platform"), platform.legal_name),
        (Message("certificate-filing-and-mlps"), " · ".join(filing) or None),
        (Message("certificate-collected-by"), exhibit.operator),
        (Message("certificate-collection-time"), _span(exhibit)),
    )
    return fields(
        Message("certificate-parties-title"),
        ((label, stated(statement)) for label, statement in rows),
    )


def _span(exhibit: Exhibit) -> str | None:
    if exhibit.started_at is None and exhibit.ended_at is None:
        return None
    return f"{exhibit.started_at or '…'} – {exhibit.ended_at or '…'}"


def _evidence(certificate: Certificate) -> Fields:
    evidence = certificate.evidence
    size = ""
    if evidence.size is not None:
        size = both(Message("certificate-evidence-size", size=evidence.size))
    kind = show_text(evidence.media_type or "", 60)
    described = " · ".join(part for part in (kind, size) if part)
    rows = [
        (Message("certificate-file-name"), text(show_text(evidence.name, _MOST_OF_NAME))),
        (Message("certificate-format-and-size"), text(described) if described else MISSING),
        (Message("certificate-evidence-sha256"), code(evidence.sha256)),
        (Message("certificate-evidence-sm3"), code(evidence.sm3)),
        (Message("certificate-preservation-number"), code(certificate.place.number)),
        (Message("certificate-record-digest"), code(certificate.place.record_sha256)),
        (
            Message("certificate-recorded-claimed"),
            text(describe_time(evidence.recorded_at)),
        ),
    ]
    if evidence.statements:
        names = show_text(", ".join(evidence.statements), _MOST_OF_STATEMENT)
        rows.append((Message("certificate-operator-statements"), text(names)))
    return fields(Message("certificate-evidence-title"), rows)


def _anchoring(certificate: Certificate) -> Fields:
    anchor, path = certificate.anchor, certificate.path
    place = text(f"{certificate.place.index:,} / {path.size:,}")
    return fields(
        Message("certificate-anchoring-title"),
        (
            *(_UNANCHORED if anchor is None else _anchored_rows(anchor)),
            (Message("certificate-merkle-root"), code(path.root)),
            (Message("certificate-leaf-and-size"), place),
            (Message("certificate-trusted-timestamp"), MISSING),
            (Message("certificate-tx-hash"), NOT_VERIFIED),
        ),
    )


def _anchored_rows(anchor: VerifiedAnchor) -> tuple[Labelled, ...]:
    relied = anchor.relied_on
    is_observed = anchor.finality == "observed"
    return (
        (Message("certificate-anchored-at"), text(describe_time(anchor.anchored_at))),
        _describe_bracket(anchor),
        (Message("certificate-chain"), _chain(anchor)),
        (Message("certificate-block-height"), text(str(anchor.block_number))),
        (Message("certificate-block-relied-on", number=relied.number), code(relied.hash)),
        (Message("certificate-registry-contract"), code(anchor.registry)),
        (Message("certificate-submitter"), code(anchor.submitter)),
        (
            Message("certificate-finality"),
            text(
                Message("certificate-finality-observed")
                if is_observed
                else Message("certificate-finality-asserted")
            ),
        ),
    )


def _describe_bracket(anchor: VerifiedAnchor) -> Labelled:
    """Return the row of the times between which the record was made."""
    latest = describe_time(anchor.existed_no_later_than)
    if anchor.made_no_earlier_than is None:
        return Message("certificate-existed-by"), text(latest)
    earliest = describe_time(anchor.made_no_earlier_than)
    return Message("certificate-bracket"), text(f"{earliest} ·", latest)


def _chain(anchor: VerifiedAnchor) -> Value:
    network = anchor.network
    if network is None:
        return text(anchor.chain)
    named = f"{anchor.chain}（{network.zh} / {network.en}）"
    return text(named) if anchor.kind == "main" else caution(named)


_UNANCHORED = tuple(
    (label, NOT_FINAL)
    for label in (
        Message("certificate-anchored-at"),
        Message("certificate-chain"),
        Message("certificate-block-height"),
        Message("certificate-registry-contract"),
        Message("certificate-submitter"),
        Message("certificate-finality"),
    )
)


def _issuing(certificate: Certificate) -> Fields:
    verification = certificate.verification
    whose = (
        Message("certificate-clock-machine")
        if certificate.clock == "machine"
        else Message("certificate-clock-given")
    )
    anchor, retrieved = certificate.anchor, verification.retrieved_at
    return fields(
        Message("certificate-issue-title"),
        (
            (
                Message("certificate-assurance"),
                NOT_FINAL if anchor is None else describe_level(anchor),
            ),
            (
                Message("certificate-verified-and-issued"),
                text(describe_time(verification.verified_at), whose),
            ),
            (
                Message("certificate-retrieved-at"),
                MISSING if retrieved is None else text(describe_time(retrieved)),
            ),
            (Message("certificate-verifier"), text(verification.verifier)),
            (Message("certificate-issuer"), stated(certificate.stated.issuer.name)),
        ),
    )
