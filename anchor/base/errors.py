"""All errors that the package raises on purpose, and the exit codes of its commands.

The tree::

    AnchorError
    ├── UsageError                2  bad usage or malformed input
    │   ├── ConfigError           2  the project is missing, or its configuration is wrong
    │   │   └── StoreMissingError 2  the store that the configuration names is missing
    │   └── MalformedError        2  a foreign document that breaks its format
    ├── MismatchError            10  file, record, path or root does not match
    ├── NotAnchoredError         11  the registry does not hold this root
    ├── NotTrustedError          12  other chain, registry, code or log than pinned
    │   └── ProjectChangedError  12  a project is not as its user allowed it
    ├── AbandonedError           13  anchored, but the log's owner abandoned the anchor
    ├── SupersededError          14  superseded or withdrawn by a later record
    ├── CannotCheckError         20  the question could not be answered
    │   ├── NodeUnreachableError 20  no answer from the node
    │   ├── NodeFaultError       20  an answer that breaks the JSON-RPC schema
    │   ├── NodeRefusedError     20  the node answered with an error of its own
    │   └── QuorumError          20  too few nodes agree
    ├── NotFinalError            21  pending, or included but still reversible
    ├── UnknownVersionError      22  unknown format version, fork or algorithm
    └── OperatorActionError          the operator must act
        ├── FundsError           30  funds or fee cap
        ├── SignerError          31  key, password or authorisation
        ├── ChainGuardError      32  wrong chain, foreign code, lock held, restored backup
        │   ├── IncidentError    32  a final anchor was contradicted; recorded in the store
        │   ├── ContradictedError 32 the registry's state does not fit the store's log
        │   ├── FinalityViolatedError 32 a final block is no longer on the chain
        │   ├── ClockError       32  this machine's clock is far from the chain's
        │   ├── ForeignUseError  32  another program used a nonce of the project's key, finally
        │   ├── LeaseHeldError   32  another process seals and sends for this log
        │   └── StoreBusyError   32  another process uses the store; the change was not made
        └── StorageError         33  the disk is full or fails, or the store's server is away
            ├── CopyMissingError 33  a commit is on fewer servers than required
            ├── StoreAwayError   33  the store cannot be reached or locked now
            └── StoreReplacedError 33 the store was replaced by another since it was opened

An error's text is one sentence that states the fault and its place; ``hint`` is advice on what to
do about it.  Neither ever holds a key, a password or an RPC URL's credentials.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from pathlib import Path

from anchor.base.messages.message import Message


class ExitCode(IntEnum):
    """The process exit codes; the command line documentation is generated from this table."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "done; for verify: every required check was made, and passed"
    BUG = 1, "a bug in this program"
    USAGE = 2, "bad usage or malformed input"
    MISMATCH = 10, "file, record, path or root does not match"
    NOT_ANCHORED = 11, "the registry does not hold this root"
    NOT_TRUSTED = 12, "other chain, registry, code hash or log than the policy pins"
    ABANDONED = 13, "anchored, but the log's owner abandoned that part of the log"
    SUPERSEDED = 14, "superseded or withdrawn by a later record; the anchor is reported beside it"
    CANNOT_CHECK = 20, "cannot tell: no policy, node or block hash that suffices, or no answer"
    NOT_FINAL = 21, "not final yet: passes later, or with an upgraded receipt"
    UNKNOWN_VERSION = 22, "unknown version, fork or algorithm"
    FUNDS = 30, "the operator must act: funds or fee cap"
    SIGNER = 31, "the operator must act: signer"
    CHAIN_GUARD = 32, "the operator must act: wrong chain, code hash or lock held"
    STORAGE = 33, "the operator must act: disk full or failing, or the store's server away"
    INTERRUPTED = 130, "interrupted"
    OUTPUT_CLOSED = 141, "standard output was closed before all was printed"


def severest(codes: Iterable[ExitCode], order: Sequence[ExitCode]) -> ExitCode:
    """Return the code that comes last in ``order``; a code not in ``order`` outranks all others.

    The first of several codes of equal rank is returned, and ``DONE`` if ``codes`` is empty.
    """
    ranks = {code: rank for rank, code in enumerate(order)}
    return max(codes, key=lambda code: ranks.get(code, len(order)), default=ExitCode.DONE)


class AnchorError(Exception):
    """The root of every error this package raises on purpose."""

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: Message, *, hint: Message | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def attribute_error(error: AnchorError, name: object) -> AnchorError:
    """Return a copy of an error whose message begins with the name of what it is about."""
    named = type(error).__new__(type(error))
    named.__dict__.update(error.__dict__)
    named.message = Message("with-reason", failure=name, reason=error.message)
    named.args = (named.message,)
    return named


class UsageError(AnchorError):
    """The caller's request is invalid, or its input is malformed.

    ``path`` is the file at fault, if any.
    """

    exit_code = ExitCode.USAGE

    def __init__(
        self, message: Message, *, hint: Message | None = None, path: Path | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class ConfigError(UsageError):
    """The project is missing, or its configuration is wrong."""


class StoreMissingError(ConfigError):
    """The store that the configuration names does not exist."""


class MalformedError(UsageError):
    """A document from outside breaks its format; the message names the member."""


class MismatchError(AnchorError):
    """Two values that must be equal are not: the evidence was changed, or belongs elsewhere.

    ``expected`` is the value in record, receipt or anchor, and ``actual`` is the one found:
    digests, roots and logs as bytes, sizes and numbers as int; None if no two values differ.
    """

    exit_code = ExitCode.MISMATCH

    def __init__(
        self,
        message: Message,
        *,
        hint: Message | None = None,
        expected: bytes | int | None = None,
        actual: bytes | int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.expected = expected
        self.actual = actual


class NotAnchoredError(AnchorError):
    """The registry does not hold this root.

    ``root`` was looked up in block ``block_number`` of chain ``chain_id``; None if unknown.
    """

    exit_code = ExitCode.NOT_ANCHORED

    def __init__(
        self,
        message: Message,
        *,
        hint: Message | None = None,
        chain_id: int | None = None,
        root: bytes | None = None,
        block_number: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.chain_id = chain_id
        self.root = root
        self.block_number = block_number


class NotTrustedError(AnchorError):
    """The chain, registry, code or log is not the one the verifier pinned.

    ``chain_id`` is the chain concerned.  ``expected`` is the pinned value and ``actual`` the one
    found: hashes and addresses as bytes, chain ids as int; None if no two values differ.
    """

    exit_code = ExitCode.NOT_TRUSTED

    def __init__(
        self,
        message: Message,
        *,
        hint: Message | None = None,
        chain_id: int | None = None,
        expected: bytes | int | None = None,
        actual: bytes | int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.chain_id = chain_id
        self.expected = expected
        self.actual = actual


class ProjectChangedError(NotTrustedError):
    """A project, or its trust policy, was changed since the user allowed it.

    ``config`` is the path of its configuration.
    """

    def __init__(self, message: Message, *, hint: Message, config: Path) -> None:
        super().__init__(message, hint=hint)
        self.config = config


class AbandonedError(AnchorError):
    """The registry holds the root, but the log's owner closed the log at an earlier head."""

    exit_code = ExitCode.ABANDONED


class SupersededError(AnchorError):
    """The log's operator superseded or withdrew the record; the anchor is what it was.

    ``replacement`` is the SHA-256 of the record that supersedes it; None if it was withdrawn.
    """

    exit_code = ExitCode.SUPERSEDED

    def __init__(
        self, message: Message, *, hint: Message | None = None, replacement: bytes | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.replacement = replacement


class CannotCheckError(AnchorError):
    """The question could not be answered; this must never be treated as yes or no.

    ``retry_after`` is the server's ``Retry-After`` in seconds, if it sent one.
    """

    exit_code = ExitCode.CANNOT_CHECK

    def __init__(
        self, message: Message, *, hint: Message | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class NodeUnreachableError(CannotCheckError):
    """The node did not answer: refused, timed out, or cut the connection."""


class NodeFaultError(CannotCheckError):
    """The node's answer breaks the JSON-RPC schema, or contradicts itself."""


class NodeRefusedError(CannotCheckError):
    """The node answered with a JSON-RPC error object."""

    def __init__(
        self, message: Message, *, code: int, reason: str, data: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.data = data


class QuorumError(CannotCheckError):
    """Too few nodes agree; the message names those that do not."""


class NotFinalError(AnchorError):
    """The anchor is pending, or included in a block that can still be reversed.

    ``block_number`` is the block that must become final and ``final_number`` the newest final one,
    on chain ``chain_id``; None if unknown.
    """

    exit_code = ExitCode.NOT_FINAL

    def __init__(
        self,
        message: Message,
        *,
        hint: Message | None = None,
        chain_id: int | None = None,
        block_number: int | None = None,
        final_number: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.chain_id = chain_id
        self.block_number = block_number
        self.final_number = final_number


class UnknownVersionError(AnchorError):
    """A version, fork or algorithm this release does not know."""

    exit_code = ExitCode.UNKNOWN_VERSION


class OperatorActionError(AnchorError):
    """The operator must act before work can continue; no data was lost."""


class FundsError(OperatorActionError):
    """The sender cannot pay, or the fee cap is too low for the current market."""

    exit_code = ExitCode.FUNDS


class SignerError(OperatorActionError):
    """The key cannot be opened, or is not allowed to anchor for this log."""

    exit_code = ExitCode.SIGNER


class ChainGuardError(OperatorActionError):
    """The chain or the store's holder is not the expected one, so that continuing could do harm."""

    exit_code = ExitCode.CHAIN_GUARD


class IncidentError(ChainGuardError):
    """A final anchor was contradicted; work stops until the incident is resolved."""


class ContradictedError(ChainGuardError):
    """The log cannot be continued: it is closed on chain, or the store lacks its head there."""


class FinalityViolatedError(ChainGuardError):
    """A block that this process saw as final was replaced; ``block_hash`` is the new final one."""

    def __init__(self, message: Message, *, hint: Message | None = None, block_hash: bytes) -> None:
        super().__init__(message, hint=hint)
        self.block_hash = block_hash


class ClockError(ChainGuardError):
    """This machine's clock is far from the chain's, and records would state a wrong time."""


class ForeignUseError(ChainGuardError):
    """Another program used a nonce that this project had signed for; this is final and recorded."""


class LeaseHeldError(ChainGuardError):
    """Another process seals and sends for this log."""


class StoreBusyError(ChainGuardError):
    """Another process prevents a change to the store; the change was not made."""


class SideFileHeldError(StoreBusyError):
    """Another process keeps ``acknowledged.log`` locked: waiting failed, and would fail again."""


class StorageError(OperatorActionError):
    """The disk or the store's server fails: unacknowledged writes may or may not be stored.

    The process must not continue: a restart is the recovery.
    """

    exit_code = ExitCode.STORAGE


class CopyMissingError(StorageError):
    """A commit is not known to be on the required number of servers, and is not acknowledged.

    The first server has the commit, so that the process can continue; a retry does not repeat it.
    """


class WriteRefusedError(StorageError):
    """A change was refused before it was made; the process can continue."""


class StoreAwayError(StorageError):
    """The store cannot be reached or locked now: wait until this is possible, then reopen it."""


class StoreReplacedError(StorageError):
    """The store that this process opened was replaced by another, and must be reopened."""
