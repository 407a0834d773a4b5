"""Verifying evidence from Python, by the rules of ``anchor verify``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from io import TextIOBase
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeAlias

from anchor.base.digests import SHA256, SM3, Digests, digest_stream
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.types import ChainId, Hash32
from anchor.chain.verifier_nodes import Nodes
from anchor.evidence.file_hashing import digest_file
from anchor.library.extras import needs_extra
from anchor.receipt.format import Receipt
from anchor.verification import verifier
from anchor.verification.policy import TrustPolicy
from anchor.verification.report import Report
from anchor.verification.steps import ChainView, VerificationTarget

Evidence: TypeAlias = Path | BinaryIO | Digests
"""Evidence to verify: a file, an open binary stream, or the digests of either."""

_HASH_BYTES = 32


class Verifier:
    """A verifier of any number of files by one trust policy, which makes each chain query once.

    >>> with anchor.Verifier(policy=policy) as verifier:
    ...     reports = [verifier.judge(file, receipt) for file, receipt in received]

    Close it, or use it as a context manager.  One thread uses it at a time.
    """

    def __init__(
        self,
        *,
        policy: TrustPolicy | None,
        rpc: Sequence[str] = (),
        quorum: int | None = None,
        block_hashes: Collection[Hash32] = (),
        chain_ids: Collection[ChainId] = (),
        offline: bool = False,
        accept_unpinned: bool = False,
        report: Callable[[Message], None] = lambda _: None,
    ) -> None:
        """Configure the trust policy and the nodes, without sending a request yet.

        ``rpc`` are nodes to ask instead of the policy's, each of a different operator; two of
        several must agree unless ``quorum`` or the policy requires more.  With ``offline`` no node
        is asked, and the receipt's state proofs must be of blocks in ``block_hashes`` or the
        policy.  ``chain_ids`` are the chains that count, by default all.  Without a policy no
        verification passes, unless ``accept_unpinned`` accepts the receipt's claim about the log's
        owner.  ``report`` is called with messages about nodes, a line at a time.

        Raises:
            UsageError: A URL is invalid, a node is named twice, there are fewer nodes than must
                agree, or an option has the wrong type.
        """
        if policy is not None and not isinstance(policy, TrustPolicy):
            raise _not(Message("policy-subject"), policy, Message("policy-wanted-type"))
        for url in _members("rpc", rpc):
            if not isinstance(url, str):
                raise _not("rpc", url, Message("argument-wanted-urls"))
        for block_hash in _members("block_hashes", block_hashes):
            if not isinstance(block_hash, bytes) or len(block_hash) != _HASH_BYTES:
                raise _not(
                    "block_hashes", block_hash, Message("argument-wanted-hashes", size=_HASH_BYTES)
                )
        for chain_id in _members("chain_ids", chain_ids):
            if not isinstance(chain_id, int):
                raise _not("chain_ids", chain_id, Message("argument-wanted-numbers"))
        if offline and (rpc or quorum is not None):
            raise UsageError(Message("verification-offline-with-nodes"))
        self._nodes = Nodes(rpc, quorum, lambda _: ((), 1), report)
        self._is_offline = offline
        self._policy = policy
        self._block_hashes = frozenset(block_hashes)
        self._chain_ids = frozenset(chain_ids)
        self._accept_unpinned = accept_unpinned

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._nodes.close()

    def verify(self, evidence: Evidence, receipt: Receipt) -> Report:
        """Return the report of a verification in which every required check passed.

        Raises:
            MismatchError: The evidence is not what was recorded, or the record is not in the log.
            NotAnchoredError: The registry does not hold the log's root.
            NotTrustedError: The chain, registry, code or log is not the one that the policy pins.
            AbandonedError: The log's owner abandoned the anchor.
            NotFinalError: The anchor is not final yet.
            CannotCheckError: A node is needed and does not answer, or too few agree.
            UsageError: The evidence cannot be read.
            ImportError: A node is to be asked, and the extra ``rpc`` is not installed.
        """
        report = self.judge(evidence, receipt)
        if report.error is not None:
            raise report.error
        return report

    def judge(self, evidence: Evidence, receipt: Receipt) -> Report:
        """Run every possible check, and return a report of the results; findings do not raise.

        Raises:
            ImportError: A node is to be asked, and the extra ``rpc`` is not installed.
        """
        if not isinstance(receipt, Receipt):
            raise _not(Message("receipt-subject"), receipt, Message("receipt-wanted-type"))
        return verifier.judge(
            receipt,
            _digest(evidence),
            policy=self._policy,
            connect=None if self._is_offline else self._connect,
            block_hashes=self._block_hashes,
            chain_ids=self._chain_ids,
            accept_unpinned=self._accept_unpinned,
        )

    def _connect(self, target: VerificationTarget) -> ChainView:
        with needs_extra(Message("node-query-subject"), "rpc"):
            return self._nodes.connect(target)


def verify(
    file: Evidence,
    receipt: Receipt,
    *,
    policy: TrustPolicy | None,
    rpc: Sequence[str] = (),
    quorum: int | None = None,
    block_hashes: Collection[Hash32] = (),
    chain_ids: Collection[ChainId] = (),
    offline: bool = False,
    accept_unpinned: bool = False,
) -> Report:
    """Return the report on one piece of evidence if it passes, or raise the gravest finding.

    The options are those of ``Verifier``, which is meant for more than one piece.
    """
    with Verifier(
        policy=policy,
        rpc=rpc,
        quorum=quorum,
        block_hashes=block_hashes,
        chain_ids=chain_ids,
        offline=offline,
        accept_unpinned=accept_unpinned,
    ) as one:
        return one.verify(file, receipt)


def judge(
    file: Evidence,
    receipt: Receipt,
    *,
    policy: TrustPolicy | None,
    rpc: Sequence[str] = (),
    quorum: int | None = None,
    block_hashes: Collection[Hash32] = (),
    chain_ids: Collection[ChainId] = (),
    offline: bool = False,
    accept_unpinned: bool = False,
) -> Report:
    """Return the report of one verification, whether it passed or not.

    The options are those of ``Verifier``, which is meant for more than one piece.
    """
    with Verifier(
        policy=policy,
        rpc=rpc,
        quorum=quorum,
        block_hashes=block_hashes,
        chain_ids=chain_ids,
        offline=offline,
        accept_unpinned=accept_unpinned,
    ) as one:
        return one.judge(file, receipt)


def _digest(evidence: Evidence) -> Digests:
    if isinstance(evidence, Digests):
        return evidence
    if isinstance(evidence, Path):
        return digest_file(evidence)
    if not _is_binary(evidence):
        raise _not(Message("evidence-subject"), evidence, Message("evidence-wanted-type"))
    try:
        if _stands_within(evidence):
            raise UsageError(
                Message("evidence-stream-not-at-start"),
                hint=Message("evidence-stream-rewind-hint"),
            )
        return digest_stream(evidence, (SHA256, SM3))
    except (OSError, ValueError, TypeError) as error:  # the stream is closed, fails, or is text
        raise UsageError(Message("evidence-stream-unreadable", reason=error)) from error


def _is_binary(stream: object) -> bool:
    return hasattr(stream, "read") and not isinstance(stream, TextIOBase)


def _stands_within(stream: BinaryIO) -> bool:
    """Return whether a stream is seekable and not at its beginning."""
    is_seekable = getattr(stream, "seekable", None)
    return is_seekable is not None and is_seekable() and stream.tell() != 0


def _members(subject: str, given: object) -> Iterable[object]:
    """Return an option's elements; refuse a single text or hash, which would be split."""
    if isinstance(given, (str, bytes)) or not isinstance(given, Collection):
        raise _not(subject, given, Message("argument-wanted-list"))
    return given


def _not(subject: str, given: object, wanted: Message) -> UsageError:
    return UsageError(
        Message(
            "argument-type-wrong", subject=subject, expected=wanted, actual=type(given).__name__
        )
    )
