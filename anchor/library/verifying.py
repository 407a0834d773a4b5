"""Verifying evidence from Python, by the rules of ``anchor verify``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeAlias

from anchor.chain.verifier_nodes import Nodes
from anchor.errors import UsageError
from anchor.evidence.digests import SHA256, SM3, Digests, digest_stream
from anchor.evidence.file_hashing import digest_file
from anchor.receipt.format import Receipt
from anchor.types import ChainId, Hash32
from anchor.verification import verifier
from anchor.verification.policy import TrustPolicy
from anchor.verification.report import Report

Evidence: TypeAlias = Path | BinaryIO | Digests
"""What is verified: a file, an open binary stream, or the digests of either."""


class Verifier:
    """Verifies any number of files by one trust policy, and asks each question of a chain once.

    >>> with anchor.Verifier(policy=policy) as verifier:
    ...     reports = [verifier.judge(file, receipt) for file, receipt in received]

    Close it, or use it as a context manager.
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
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Say what is trusted and who is asked; nothing is sent yet.

        ``rpc`` are nodes to ask instead of the policy's, each of another operator; of several,
        two have to agree unless ``quorum`` or the policy asks for more.  With ``offline`` none is
        asked, and the blocks of ``block_hashes`` or of the policy have to be those of the receipt's
        state proofs.  ``chain_ids`` are the chains that count, by default all.  Without a policy
        nothing is verified, unless ``accept_unpinned`` takes the receipt's word for the log's
        owner.  ``report`` is told what happens to nodes, a line at a time.

        Raises:
            UsageError: A URL is none, a node is named twice, or there are fewer than have to agree.
        """
        if offline and (rpc or quorum is not None):
            raise UsageError("a verification without nodes takes neither rpc nor quorum")
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
        """Return what was proven: every required check was made, and passed.

        Raises:
            MismatchError: The evidence is not what was recorded, or the record is not in the log.
            NotAnchoredError: The registry does not hold the log's root.
            NotTrustedError: The chain, registry, code or log is not the one that the policy pins.
            AbandonedError: The log's owner abandoned the anchor.
            NotFinalError: The anchor is not final yet.
            CannotCheckError: A node is needed and does not answer, or too few agree.
            UsageError: The evidence cannot be read.
        """
        report = self.judge(evidence, receipt)
        if report.error is not None:
            raise report.error
        return report

    def judge(self, evidence: Evidence, receipt: Receipt) -> Report:
        """Make every check that can be made; the report says how each ended.

        Raises:
            UsageError: The evidence cannot be read; no finding is raised.
        """
        return verifier.judge(
            receipt,
            _digest(evidence),
            policy=self._policy,
            connect=None if self._is_offline else self._nodes.connect,
            block_hashes=self._block_hashes,
            chain_ids=self._chain_ids,
            accept_unpinned=self._accept_unpinned,
        )


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
    """Return what was proven about one piece of evidence, or raise the gravest finding.

    The options are those of ``Verifier``, which is meant for more than one piece.

    Raises:
        AnchorError: What ``Verifier.verify`` raises.
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
    """Return the report of one verification, whatever it found.

    The options are those of ``Verifier``, which is meant for more than one piece.

    Raises:
        UsageError: The evidence cannot be read, or an option makes no sense.
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
    return digest_stream(evidence, (SHA256, SM3))
