"""The report of a verification: numbered steps, claims, and one exit code for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TypeVar

from anchor.base.errors import (
    AnchorError,
    ExitCode,
    MalformedError,
    MismatchError,
    SupersededError,
    attribute_error,
    severest,
)
from anchor.base.messages.message import Message, join
from anchor.base.system.clock import format_time
from anchor.base.types import Address, Anchor, Assurance, ChainId, Hash32, Head, LogId
from anchor.ethereum.known_chains import (
    HEADLINES,
    ChainKind,
    best_kind,
    find_chain,
    proves_time,
)
from anchor.evidence.group_reading import CollectionAccount, read_groups
from anchor.evidence.record import Record
from anchor.signatures.record_signature import SignatureKind
from anchor.timestamps.timestamp_token import VerifiedTimestamp
from anchor.verification.record_status import NoticeFinding


class Verdict(Enum):
    """The verdict on one statement.

    "Cannot tell" is neither true nor false; "not present" means that the receipt makes no such
    statement.
    """

    PASS = "pass"
    FAIL = "fail"
    CANNOT_TELL = "cannot tell"
    NOT_PRESENT = "not present"


_VERDICTS = {
    Verdict.PASS: Message("verdict-pass"),
    Verdict.FAIL: Message("verdict-fail"),
    Verdict.CANNOT_TELL: Message("verdict-cannot-tell"),
    Verdict.NOT_PRESENT: Message("verdict-not-present"),
}

# Which of several findings a process reports: certainly wrong outranks unknown, and unknown
# outranks not yet final.
_SEVERITY = (
    ExitCode.DONE,
    ExitCode.NOT_FINAL,
    ExitCode.CANNOT_CHECK,
    ExitCode.UNKNOWN_VERSION,
    ExitCode.USAGE,
    ExitCode.SUPERSEDED,
    ExitCode.ABANDONED,
    ExitCode.NOT_ANCHORED,
    ExitCode.NOT_TRUSTED,
    ExitCode.MISMATCH,
)

_FAILURES = (
    ExitCode.MISMATCH,
    ExitCode.NOT_ANCHORED,
    ExitCode.NOT_TRUSTED,
    ExitCode.ABANDONED,
    ExitCode.SUPERSEDED,
)

_REFUSALS = {
    ExitCode.MISMATCH: Message("verdict-mismatch"),
    ExitCode.NOT_ANCHORED: Message("verdict-not-anchored"),
    ExitCode.NOT_TRUSTED: Message("verdict-not-trusted"),
    ExitCode.ABANDONED: Message("verdict-abandoned"),
    ExitCode.USAGE: Message("verdict-malformed"),
}

STATUS_NOT_PROVEN = Message("report-status-not-proven")
"""Said unless a notice, or who has the log, tells whether the record was superseded."""

NOT_PROVEN = (
    Message("report-truth-not-proven"),
    Message("report-author-not-proven"),
    Message("report-history-not-proven"),
    Message("report-completeness-not-proven"),
    STATUS_NOT_PROVEN,
)
"""Statements that no receipt proves; every report ends with them."""

AGE_NOT_PROVEN = Message("report-age-not-proven")
"""Said beside every earliest time, which is the record's and not the evidence's."""


def word_claim(claim_id: str, verdict: Verdict, *, has_account: bool) -> Message:
    """Return the verdict on a claim in words; C7 is stated where the record has an account."""
    if claim_id == "C7" and verdict is Verdict.NOT_PRESENT and has_account:
        return Message("verdict-stated")
    return verdict_message(verdict)


def verdict_message(verdict: Verdict) -> Message:
    """Return the word for a verdict; in English it is the enumeration's value."""
    return _VERDICTS[verdict]


def severest_code(codes: Sequence[ExitCode]) -> ExitCode:
    """Return the exit code of a run over several pieces of evidence."""
    return severest(codes, _SEVERITY)


def severest_error(errors: Sequence[AnchorError]) -> AnchorError | None:
    """Return the severest error, the earliest of its kind; None if ``errors`` is empty."""
    code = severest_code([error.exit_code for error in errors])
    return next((error for error in errors if error.exit_code == code), None)


_Value = TypeVar("_Value")


class Findings:
    """A collector that runs all checks of one step, so that one error does not hide another."""

    def __init__(self) -> None:
        self._errors: list[AnchorError] = []

    def make(self, check: Callable[[], _Value]) -> _Value | None:
        """Run a check and return its value; if it fails, record its error and return None."""
        try:
            return check()
        except AnchorError as error:
            self._errors.append(error)
            return None

    def settle(self) -> None:
        """Raise the severest of the recorded errors, if any."""
        error = severest_error(self._errors)
        if error is not None:
            raise error


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One numbered step and how it ended; ``error`` is None when it passed.

    ``proves_time`` is False for a time of a chain that proves no real time.
    """

    number: int
    title: Message
    detail: Message
    error: AnchorError | None
    proves_time: bool = True

    @property
    def verdict(self) -> Verdict:
        """Return the step's verdict."""
        return verdict_of(self.error)

    @property
    def shown_verdict(self) -> Verdict:
        """Return the verdict as people read it: a time that no chain proves is open."""
        is_open = self.error is None and not self.proves_time
        return Verdict.CANNOT_TELL if is_open else self.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmadeStep:
    """A step that was not made, and why: nothing calls for it, or an earlier one did not pass."""

    number: int
    title: Message
    verdict: Verdict
    reason: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One statement that matters to a reader, with the steps' verdict on it and the reason.

    ``proves_time`` is False if the verdict is by the clocks of chains that prove no real time.
    """

    id: str
    title: Message
    verdict: Verdict
    reason: Message
    proves_time: bool = True

    @property
    def shown(self) -> Claim:
        """Return the claim as people read it, which is open if no chain's time proves it."""
        if self.verdict is Verdict.PASS and not self.proves_time:
            return replace(self, verdict=Verdict.CANNOT_TELL)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenAnchor:
    """An anchor that covers the record, as the registry holds it in a final block.

    ``index`` is the record's leaf in the log; ``submitter`` is the address behind
    ``anchor.operator_id``; ``existed_by`` is the block's time plus the chain's slack, and
    ``seconds_since_recorded`` is ``existed_by`` minus the record's own time.  ``not_before`` is the
    time of the block that the record names, less that slack, before which the record was not made;
    None if the receipt does not prove it.  ``assurance`` is how
    the chain's answer was obtained; ``is_asserted`` means that the verifier, and no node, named the
    final block.  ``final_after`` is the number of following blocks after which the trust policy
    treats a block as final; None if the nodes' ``finalized`` tag or a named block decided.
    """

    chain_id: ChainId
    registry: Address
    log: LogId
    root: Hash32
    index: int
    anchor: Anchor
    submitter: Address
    final_block_number: int
    final_block_hash: Hash32
    not_before: datetime | None
    existed_by: datetime
    seconds_since_recorded: int
    assurance: Assurance
    is_asserted: bool
    final_after: int | None = None

    @property
    def block_time(self) -> datetime:
        """Return the time that the anchor's block states."""
        return datetime.fromtimestamp(self.anchor.timestamp, UTC)

    @property
    def proves_time(self) -> bool:
        """Return whether the times of the chain's blocks prove real time."""
        return proves_time(find_chain(self.chain_id).kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyFinding:
    """The verdict on the custody events given: ``error`` is None if they form a chain."""

    count: int
    error: AnchorError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampFinding:
    """The verdict on one RFC 3161 token: ``proven`` is what it proves, or ``error`` says why not.

    ``head`` is the checkpoint's, None if that cannot be read.  ``is_of_receipt``: it is the head of
    a proven anchor of this receipt.  ``is_demanded``: the user named it.  ``command`` is OpenSSL's,
    by which anybody verifies it.
    """

    name: str
    is_demanded: bool
    command: str
    token_sha256: bytes
    checkpoint_sha256: bytes
    head: Head | None = None
    is_of_receipt: bool = False
    proven: VerifiedTimestamp | None = None
    error: AnchorError | None = None

    @property
    def detail(self) -> Message:
        """Return what the token proves, or why it proves nothing."""
        if self.proven is None:
            assert self.error is not None, "a token that proves nothing has an error"
            return self.error.message
        by, accuracy = format_time(self.proven.existed_by), self.proven.accuracy
        tsa, serial = self.proven.tsa, self.proven.serial
        text = (
            Message("timestamp-proves", tsa=tsa, time=by, serial=serial)
            if self.is_of_receipt
            else Message("timestamp-proves-other-head", tsa=tsa, time=by, serial=serial)
        )
        if accuracy is None:
            text = Message("timestamp-no-accuracy", detail=text)
        return join([text, self.proven.revocation], "semicolon")

    @property
    def fault(self) -> AnchorError | None:
        """Return the error that counts for the whole report.

        A token that merely lies in a bag counts if it contradicts the checkpoint beside it.
        """
        if self.error is None:
            return None
        is_wrong = isinstance(self.error, MismatchError)
        return attribute_error(self.error, self.name) if self.is_demanded or is_wrong else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFinding:
    """The verdict on a signature of the record: ``error`` is None if the policy names who made it.

    ``signer`` is the name that the policy gives.  ``fingerprint`` is that of the key or certificate
    if the signature is one of the record, whoever made it.  ``is_demanded``: the user named the
    file.  ``command`` is that of OpenSSH or OpenSSL, by which anybody verifies it.
    """

    name: str
    kind: SignatureKind
    is_demanded: bool
    command: str
    fingerprint: str | None = None
    signer: str | None = None
    error: AnchorError | None = None

    @property
    def detail(self) -> Message:
        """Return who signed the record, or why this is not certain."""
        if self.error is not None:
            return self.error.message
        return Message("signature-by", signer=self.signer, fingerprint=self.fingerprint)

    @property
    def fault(self) -> AnchorError | None:
        """Return the error that counts for the whole report.

        A signature that merely lies beside the receipt or in a bag counts if it is not one of the
        record: whom it is by is then no question of the policy's.
        """
        if self.error is None:
            return None
        is_wrong = isinstance(self.error, MismatchError)
        return attribute_error(self.error, self.name) if self.is_demanded or is_wrong else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All results of one verification, whether it passed or not.

    ``custody`` is None if no custody events were given; ``timestamps`` are the tokens given, and
    ``signatures`` those of the record.
    ``notices`` are those about the record, and about the records that replace it; ``status_error``
    says why that could not be told where it was asked.
    ``unmade`` are the steps that are not among ``steps``.
    ``unpinned`` lists what no policy pins, accepted or not; ``notes`` are lines that are not
    findings.  ``not_proven`` lists what this verification leaves open.
    """

    record: Record | None
    steps: tuple[Step, ...]
    claims: tuple[Claim, ...]
    proven: tuple[ProvenAnchor, ...]
    unpinned: tuple[Message, ...]
    notes: tuple[Message, ...] = ()
    not_proven: tuple[Message, ...] = NOT_PROVEN
    custody: CustodyFinding | None = None
    timestamps: tuple[TimestampFinding, ...] = ()
    signatures: tuple[SignatureFinding, ...] = ()
    notices: tuple[NoticeFinding, ...] = ()
    status_error: AnchorError | None = None
    unmade: tuple[UnmadeStep, ...] = ()

    @property
    def error(self) -> AnchorError | None:
        """Return the severest error, the earliest of its kind; None if everything passed."""
        errors = [self.evidence_error, self.status_error]
        errors += [finding.fault for finding in self.notices]
        return severest_error([error for error in errors if error is not None])

    @property
    def evidence_error(self) -> AnchorError | None:
        """Return the severest error of the evidence itself, whether or not it still stands."""
        errors = [step.error for step in self.steps]
        if self.custody is not None:
            errors.append(self.custody.error)
        errors += [finding.fault for finding in self.timestamps]
        errors += [finding.fault for finding in self.signatures]
        return severest_error([error for error in errors if error is not None])

    @property
    def shown_claims(self) -> tuple[Claim, ...]:
        """Return the claims as people read them: a time that no chain proves is open.

        ``claims``, like the JSON, has the verdicts by the clocks of the chains, whatever these are.
        """
        return tuple(claim.shown for claim in self.claims)

    @property
    def leading(self) -> ProvenAnchor | None:
        """Return the anchor that proves most: ranked by its chain, then by its time."""
        worth = sorted(self.proven, key=lambda proven: proven.existed_by)
        kind = self.kind
        return next((each for each in worth if find_chain(each.chain_id).kind == kind), None)

    @property
    def existed_by(self) -> datetime | None:
        """Return the time by which the record existed; None if that was not proven."""
        return None if self.leading is None else self.leading.existed_by

    @property
    def not_before(self) -> datetime | None:
        """Return the time before which the record was not made; None if that was not proven."""
        return None if self.leading is None else self.leading.not_before

    @property
    def assurance(self) -> Assurance | None:
        """Return how the chain's answer was obtained; None if nothing was proven."""
        return None if self.leading is None else self.leading.assurance

    @property
    def kind(self) -> ChainKind | None:
        """Return the kind of chain that the proof rests on; None if nothing was proven."""
        kinds = [find_chain(proven.chain_id).kind for proven in self.proven]
        return best_kind(kinds) if kinds else None

    @property
    def is_qualified(self) -> bool:
        """Return whether it passed with a reservation.

        Its chain's times do not count as real time, only the verifier vouches for the final block,
        or no policy pins whose log it is.
        """
        leading = self.leading
        is_plain = self.kind == "main" and leading is not None and leading.assurance != "asserted"
        return self.error is None and not (is_plain and not self.unpinned)

    @property
    def headline(self) -> Message:
        """Return the shortest true summary, which never claims more than was proven."""
        error, evidence = self.error, self._summarise(self.evidence_error)
        if isinstance(error, SupersededError):
            if error.replacement is None:
                return Message("verdict-withdrawn", evidence=evidence)
            return Message("verdict-superseded", evidence=evidence)
        if self.evidence_error is None and verdict_of(error) is Verdict.CANNOT_TELL:
            return Message("verdict-status-open", evidence=evidence)
        return self._summarise(error)

    def _summarise(self, error: AnchorError | None) -> Message:
        leading, kind = self.leading, self.kind
        code = ExitCode.DONE if error is None else error.exit_code
        if code is ExitCode.NOT_FINAL:
            return Message("verdict-not-final")
        if verdict_of(error) is Verdict.CANNOT_TELL:
            return Message("verdict-cannot-tell")
        if error is not None or leading is None or kind is None:
            return _REFUSALS.get(code, Message("verdict-not-verified"))
        if leading.assurance == "asserted":
            return Message("verdict-by-your-block", headline=HEADLINES[kind])
        return HEADLINES[kind]

    @property
    def statements(self) -> tuple[str, ...]:
        """Return the record's members that are unverified statements by the operator."""
        return () if self.record is None else self.record.statements

    @property
    def account(self) -> CollectionAccount | None:
        """Return what the record says about the collection; None if it says nothing."""
        account = None if self.record is None else read_groups(self.record.encoded)
        return None if account is None or account.is_empty else account

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code for this report."""
        return ExitCode.DONE if self.error is None else self.error.exit_code


def verdict_of(error: AnchorError | None) -> Verdict:
    """Return the verdict for a step's error: passed, certainly wrong, or unknown."""
    if error is None:
        return Verdict.PASS
    if isinstance(error, MalformedError) or error.exit_code in _FAILURES:
        return Verdict.FAIL
    return Verdict.CANNOT_TELL
