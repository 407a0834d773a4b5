"""The first sheet of a certificate: the summary for a judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from anchor.base.messages.message import Message, join
from anchor.certificate.foreign_text import show_text
from anchor.certificate.labels import (
    FRAME,
    VERIFIED,
    describe_basis,
    describe_bound,
    describe_finality,
    describe_kind,
    describe_result,
    label_block_time,
    label_latest_time,
)
from anchor.certificate.layout import (
    MISSING,
    NOT_RECORDED,
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
from anchor.certificate.model import Certificate, Verification, VerifiedAnchor, bilingual
from anchor.certificate.notice_blocks import describe_status
from anchor.certificate.qr import draw_code
from anchor.certificate.speakers import (
    SPEAKERS,
    Speaker,
    list_marks,
    name_exhibit_speaker,
    name_record_speaker,
    show_statements,
)
from anchor.certificate.time_format import describe_time
from anchor.certificate.timestamp_blocks import sum_up
from anchor.ethereum.known_chains import proves_time
from anchor.evidence.group_members import list_members
from anchor.evidence.record_groups import RecordGroups
from anchor.evidence.record_submitter import MEMBER as SUBMITTER
from anchor.evidence.record_submitter import (
    PartyLine,
    RecordSubmitter,
    list_depositor_lines,
    list_submitter_lines,
)

# A name of 4,096 characters would fill the sheet; the JSON has it in full.
_MOST_OF_NAME = 140
_MOST_OF_STATEMENT = 80
# A beginning and an end, each in two time zones.
_MOST_OF_TIMES = 120
_MOST_OF_PARTY = 40
# The third sheet has the groups themselves.
_MOST_OF_GROUPS = (48, 64)
# One line: the fourth sheet has all that a notice states.
_MOST_OF_STATUS = 48
NOT_FINAL = caution(Message("certificate-not-final-yet"))
NOT_VERIFIED = caution(Message("certificate-not-verified"))
_DIGEST_COMPARED = (
    Message("certificate-compared"),
    caution(Message("certificate-compared-digest")),
)


def describe_level(anchor: VerifiedAnchor) -> Value:
    """Return the assurance of an anchor, and its basis."""
    basis = bilingual(describe_basis(anchor))
    return text(f"{basis.zh}（{anchor.assurance}）", f"{basis.en} ({anchor.assurance})")


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
            Seal(
                code=draw_code(certificate.qr_text),
                payload=certificate.qr_text,
                marks=tuple(list_marks(certificate)),
            ),
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
    is_compared = certificate.evidence.compared == "file"
    result, kind = describe_result(anchor, is_compared=is_compared), describe_kind(anchor)
    latest = anchor.existed_no_later_than
    superseded = Message("certificate-superseded-caution") if certificate.notices else None
    cautions = [each for each in (superseded, kind) if each is not None]
    is_plain = result == bilingual(VERIFIED) and not superseded
    return Banner(
        verdict="pass" if is_plain else "cannot tell",
        result=result,
        since=f"{both(Message('certificate-no-later-than'))} {describe_time(latest)}"
        if proves_time(anchor.kind)
        else None,
        caution=bilingual(join(cautions, "semicolon")) if cautions else None,
        statement=certificate.statement,
    )


def _stated(
    statement: str | None,
    speaker: Speaker,
    missing: Value = MISSING,
    *,
    most: int = _MOST_OF_STATEMENT,
) -> Value:
    return show_statements((statement, speaker), most=most, missing=missing)


def _parties(certificate: Certificate) -> Fields:
    made, speaker = certificate.stated, name_exhibit_speaker(certificate)
    exhibit = made.exhibit
    # Only those of proceedings: most certificates are issued before there are any.
    proceedings = (
        (Message("exhibits-court"), made.case.court),
        (Message("case-parties"), _join("；", *map(str, made.case.parties))),
        (Message("exhibits-submitter"), made.case.submitted_by),
        (Message("exhibits-submitted-at"), made.case.submitted_at),
    )
    rows = (
        (Message("certificate-case-reference"), _stated(made.case_reference, speaker)),
        *((label, _stated(each, speaker)) for label, each in proceedings if each is not None),
        (Message("certificate-exhibit-number"), _stated(exhibit.exhibit_no, speaker)),
        (Message("certificate-exhibit-title"), _stated(exhibit.title, speaker)),
        (Message("certificate-depositor"), _describe_depositor(certificate)),
        (Message("certificate-submitted-by"), _describe_submitter(certificate)),
        *_describe_collection(certificate),
    )
    return fields(Message("certificate-parties-title"), rows)


def _describe_depositor(certificate: Certificate) -> Value:
    """Return the party whose evidence it is: by the issuer, and the record's account."""
    name = certificate.stated.depositor.name
    return _show_party(list_depositor_lines(_read_recorded(certificate), name))


def _describe_submitter(certificate: Certificate) -> Value:
    """Return who submitted the evidence for the depositor, and that no identity was checked."""
    made = certificate.stated.submitter
    recorded = _read_recorded(certificate)
    return _show_party(list_submitter_lines(recorded, made.account, made.name, _shorten))


def _read_recorded(certificate: Certificate) -> RecordSubmitter | None:
    named = certificate.submitter
    return None if named is None else RecordSubmitter(account=named.account, actor=named.actor)


def _shorten(text: str) -> str:
    return show_text(text, _MOST_OF_PARTY)


def _show_party(lines: Sequence[PartyLine]) -> Value:
    """Return lines that name a party, with the issuer's mark where the issuer says so."""
    if not lines:
        return NOT_RECORDED
    mark = SPEAKERS["issuer"][0]
    return Value(
        kind="text",
        lines=tuple(map(_spell_line, lines)),
        marks=tuple(mark if line.origin == "registration" else "" for line in lines),
    )


def _spell_line(line: PartyLine) -> str:
    shown = both(line.text) if isinstance(line.text, Message) else _shorten(line.text)
    if line.origin != "record":
        return shown
    return f"{shown}（{both(Message('certificate-as-recorded'))}）"


def _describe_collection(certificate: Certificate) -> tuple[Labelled, ...]:
    """Return who preserved and collected the evidence, by the details or else by the record."""
    exhibit, platform = certificate.stated.exhibit, certificate.stated.platform
    of_exhibit, of_record = name_exhibit_speaker(certificate), name_record_speaker(certificate)
    recorded = {} if certificate.account is None else certificate.account.stated
    provider, collected = recorded.get("provider", {}), recorded.get("collection", {})

    def show(
        label: Message,
        made: str | None,
        speaker: Speaker,
        held: str | None,
        most: int = _MOST_OF_STATEMENT,
    ) -> Labelled:
        value = _stated(held, of_record, most=most) if made is None else _stated(made, speaker)
        return label, value

    return (
        show(
            Message("certificate-platform"),
            platform.legal_name,
            "issuer",
            provider.get("legal_name"),
        ),
        show(
            Message("certificate-collected-by"),
            exhibit.operator,
            of_exhibit,
            _join("; ", *(person["name"] for person in collected.get("operators", ()))),
        ),
        show(
            Message("certificate-collection-time"),
            _span(exhibit.started_at, exhibit.ended_at),
            of_exhibit,
            _span(
                *(
                    None if time is None else describe_time(time)
                    for time in (collected.get("started_at"), collected.get("ended_at"))
                )
            ),
            _MOST_OF_TIMES,
        ),
    )


def _join(by: str, *parts: str | None) -> str | None:
    return by.join(part for part in parts if part) or None


def _span(start: str | None, end: str | None) -> str | None:
    return None if start is None and end is None else f"{start or '…'} – {end or '…'}"


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
        *([] if evidence.compared == "file" else [_DIGEST_COMPARED]),
        (Message("certificate-preservation-number"), code(certificate.place.number)),
        (Message("certificate-record-digest"), code(certificate.place.record_sha256)),
        (
            Message("certificate-recorded-claimed"),
            text(describe_time(evidence.recorded_at)),
        ),
    ]
    if certificate.notices:
        status = describe_status(certificate.notices[0], _MOST_OF_STATUS)
        rows.append((Message("certificate-status"), status))
    return fields(Message("certificate-evidence-title"), (*rows, *_list_statements(certificate)))


def _list_statements(certificate: Certificate) -> Iterator[Labelled]:
    """Yield what else the record holds: as stated in it, and as observed by the program."""
    account, groups = certificate.account, list_members(RecordGroups)
    stated_names = {} if account is None else account.stated
    observed_names = {} if account is None else account.observed
    known = {*stated_names, *observed_names}
    if certificate.submitter is not None:
        known.add(SUBMITTER)
    others = (name for name in certificate.evidence.statements if name not in known)
    for label, names in (
        (Message("certificate-record-statements"), [*stated_names, *others]),
        (Message("certificate-program-observations"), [*observed_names]),
    ):
        if names:
            labels = [groups[name].label if name in groups else name for name in names]
            words = bilingual(join(labels))
            of_zh, of_en = _MOST_OF_GROUPS
            yield label, text(show_text(words.zh, of_zh), show_text(words.en, of_en))


def _anchoring(certificate: Certificate) -> Fields:
    anchor, path = certificate.anchor, certificate.path
    place = text(f"{certificate.place.index:,} / {path.size:,}")
    return fields(
        Message("certificate-anchoring-title"),
        (
            *(_UNANCHORED if anchor is None else _anchored_rows(anchor, certificate.verification)),
            (Message("certificate-merkle-root"), code(path.root)),
            (Message("certificate-leaf-and-size"), place),
            (Message("certificate-trusted-timestamp"), sum_up(certificate.trusted_timestamp)),
            *_describe_transaction(anchor),
        ),
    )


def _anchored_rows(anchor: VerifiedAnchor, verification: Verification) -> tuple[Labelled, ...]:
    relied = anchor.relied_on
    return (
        (label_block_time(anchor), text(describe_time(anchor.anchored_at))),
        _describe_bracket(anchor, describe_bound(anchor, verification.verified_at)),
        (Message("certificate-chain"), _chain(anchor)),
        (Message("certificate-block-height"), text(str(anchor.block_number))),
        (Message("certificate-block-relied-on", number=relied.number), code(relied.hash)),
        (Message("certificate-registry-contract"), code(anchor.registry)),
        (Message("certificate-submitter"), code(anchor.submitter)),
        (Message("certificate-finality"), text(describe_finality(anchor))),
    )


def _describe_transaction(anchor: VerifiedAnchor | None) -> tuple[Labelled, ...]:
    """Return the rows of the transaction's hash, and of the nodes by which it was verified."""
    label = Message("certificate-tx-hash")
    if anchor is None or anchor.transaction is None:
        return ((label, NOT_VERIFIED),)
    names = (show_text(name, _MOST_OF_STATEMENT) for name in anchor.transaction.nodes)
    return (
        (label, code(anchor.transaction.hash)),
        (Message("certificate-tx-shown-by"), text(*names)),
    )


def _describe_bracket(anchor: VerifiedAnchor, bound: Message) -> Labelled:
    """Return the row of the times between which the record was made, and how the later follows."""
    latest = describe_time(anchor.existed_no_later_than)
    if anchor.made_no_earlier_than is None or not proves_time(anchor.kind):
        return label_latest_time(anchor.kind), text(latest, bound)
    earliest = describe_time(anchor.made_no_earlier_than)
    return Message("certificate-bracket"), text(f"{earliest} ·", latest, bound)


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
    anchor = certificate.anchor
    # Nodes are queried at the moment of issue, or not at all.
    verified = (
        Message("certificate-verified-and-issued")
        if verification.retrieved_at is None
        else Message("certificate-retrieved-and-issued")
    )
    return fields(
        Message("certificate-issue-title"),
        (
            (
                Message("certificate-assurance"),
                NOT_FINAL if anchor is None else describe_level(anchor),
            ),
            (verified, text(describe_time(verification.verified_at), whose)),
            (Message("certificate-verifier"), text(verification.verifier)),
            (
                Message("certificate-issuer"),
                _stated(certificate.stated.issuer.name, "issuer", NOT_RECORDED),
            ),
        ),
    )
