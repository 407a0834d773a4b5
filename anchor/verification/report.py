"""What a verification found: numbered steps, claims, and the one exit code they add up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TypeVar

from anchor.errors import AnchorError, ExitCode, MalformedError, severest
from anchor.ethereum.known_chains import HEADLINES, ChainKind, best_kind, find_chain
from anchor.evidence.record import Record
from anchor.types import Address, Anchor, Assurance, ChainId, Hash32, LogId


class Verdict(Enum):
    """How one statement fared.

    "Cannot tell" is neither true nor false; of what is "not present" the receipt says nothing.
    """

    PASS = "pass"
    FAIL = "fail"
    CANNOT_TELL = "cannot tell"
    NOT_PRESENT = "not present"


# Which of several findings a process reports: what is certainly wrong outranks what is unknown,
# and what is unknown outranks what is only not final yet.
_SEVERITY = (
    ExitCode.DONE,
    ExitCode.NOT_FINAL,
    ExitCode.CANNOT_CHECK,
    ExitCode.UNKNOWN_VERSION,
    ExitCode.USAGE,
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
)

NOT_PROVEN = (
    "that the content is true, or that it is what it claims to be",
    "who made it (only which key anchored it)",
    "what happened to it before it was recorded",
    "that nothing was left out, or that the operator keeps no other log",
)
"""What no receipt proves; every report ends with it."""


def severest_code(codes: Sequence[ExitCode]) -> ExitCode:
    """Return the code that a run over several pieces of evidence ends with."""
    return severest(codes, _SEVERITY)


def severest_error(errors: Sequence[AnchorError]) -> AnchorError | None:
    """Return the severest finding, the earliest of its kind; None where there is none."""
    code = severest_code([error.exit_code for error in errors])
    return next((error for error in errors if error.exit_code == code), None)


_Value = TypeVar("_Value")


class Findings:
    """Makes all the checks of one step, so that what one finds does not hide what another would."""

    def __init__(self) -> None:
        self._errors: list[AnchorError] = []

    def make(self, check: Callable[[], _Value]) -> _Value | None:
        """Make a check; keep its error, and go on."""
        try:
            return check()
        except AnchorError as error:
            self._errors.append(error)
            return None

    def settle(self) -> None:
        """Raise the severest error of all that were kept."""
        error = severest_error(self._errors)
        if error is not None:
            raise error


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One numbered step and how it ended; ``error`` is None when it passed."""

    number: int
    title: str
    detail: str
    error: AnchorError | None

    @property
    def verdict(self) -> Verdict:
        """Return the step's verdict."""
        return verdict_of(self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One statement a reader cares about, with the steps' verdict on it and the reason."""

    id: str
    title: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenAnchor:
    """An anchor that covers the record, as the registry holds it in a final block.

    ``index`` is the record's leaf in the log; ``submitter`` is the address behind
    ``anchor.operator_id``; ``existed_by`` is the block's time plus the chain's slack, and
    ``seconds_since_recorded`` how long before that the record says it was made.  ``assurance`` says
    how the chain's answer was obtained, and ``is_asserted`` that the
    verifier, and no node, said which block is final.
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
    existed_by: datetime
    seconds_since_recorded: int
    assurance: Assurance
    is_asserted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything one verification found, whether it passed or not.

    ``unpinned`` is what no policy pins, accepted or not; ``notes`` are lines that are no findings.
    ``not_proven`` is what this verification leaves open.
    """

    record: Record | None
    steps: tuple[Step, ...]
    claims: tuple[Claim, ...]
    proven: tuple[ProvenAnchor, ...]
    unpinned: tuple[str, ...]
    notes: tuple[str, ...] = ()
    not_proven: tuple[str, ...] = NOT_PROVEN

    @property
    def error(self) -> AnchorError | None:
        """Return the severest finding, the earliest of its kind; None when all passed."""
        return severest_error([step.error for step in self.steps if step.error is not None])

    @property
    def leading(self) -> ProvenAnchor | None:
        """Return the anchor that proves most: by its chain, and then by its time."""
        worth = sorted(self.proven, key=lambda proven: proven.existed_by)
        kind = self.kind
        return next((each for each in worth if find_chain(each.chain_id).kind == kind), None)

    @property
    def existed_by(self) -> datetime | None:
        """Return when the record existed at the latest; None where that was not proven."""
        return None if self.leading is None else self.leading.existed_by

    @property
    def assurance(self) -> Assurance | None:
        """Return how the chain's answer was obtained; None where nothing was proven."""
        return None if self.leading is None else self.leading.assurance

    @property
    def kind(self) -> ChainKind | None:
        """Return the kind of chain that the proof rests on; None where nothing was proven."""
        kinds = [find_chain(proven.chain_id).kind for proven in self.proven]
        return best_kind(kinds) if kinds else None

    @property
    def headline(self) -> str:
        """Return the shortest true words for the whole: never those of a better proof."""
        leading, kind = self.leading, self.kind
        if self.error is not None or leading is None or kind is None:
            return "not verified"
        whose = ", by a block that only you vouch for" if leading.assurance == "asserted" else ""
        return f"{HEADLINES[kind]}{whose}"

    @property
    def statements(self) -> tuple[str, ...]:
        """Return the record's members that are the operator's own statements, unchecked."""
        return () if self.record is None else self.record.statements

    @property
    def exit_code(self) -> ExitCode:
        """Return what the process should end with."""
        return ExitCode.DONE if self.error is None else self.error.exit_code


def verdict_of(error: AnchorError | None) -> Verdict:
    """Sort a step's outcome: passed, certainly wrong, or unknown."""
    if error is None:
        return Verdict.PASS
    if isinstance(error, MalformedError) or error.exit_code in _FAILURES:
        return Verdict.FAIL
    return Verdict.CANNOT_TELL
