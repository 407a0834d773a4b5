"""The types of the fixtures, for annotations in tests; their modules are loaded by the fixtures."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from anchor.base.types import ChainId
    from anchor.library.operating import Project
    from anchor.receipt.format import Receipt
    from anchor.verification.policy import TrustPolicy
    from anchor.verification.report import Report

ChainKind: TypeAlias = Literal["anvil", "py-evm", "other"]


class AnchorChain(Protocol):
    """A chain for tests, whose blocks tests mine and replace."""

    @property
    def url(self) -> str:
        """The JSON-RPC endpoint."""

    @property
    def kind(self) -> ChainKind:
        """The program that runs the chain."""

    @property
    def chain_id(self) -> ChainId:
        """The chain's id."""

    def mine(self, count: int = 1) -> None:
        """Mine ``count`` blocks at once.

        Raises:
            UsageError: The node does not mine on request.
        """

    def reorg(self, count: int = 1) -> None:
        """Replace the newest ``count`` blocks that hold transactions, and all after them.

        The blocks that take their place are empty: the transactions are gone until they are sent
        again.  Empty blocks are not counted: how many there are may depend on time.

        Raises:
            UsageError: The node replaces no blocks on request, or the chain has fewer such blocks.
        """

    def clock(self) -> AbstractContextManager[None]:
        """Mine a block each second until the end of the ``with`` block.

        Programs that wait for finality by themselves need that: the chain mines for transactions
        and on request only.
        """


class FileAnchoring(Protocol):
    """The type of the fixture ``anchored``."""

    def __call__(self, file: Path, *, beside: bool = False) -> Receipt:
        """Record a file, anchor it, wait until that is final, and return its receipt.

        With ``beside``, the receipt is also written as ``FILE.anchor.json``.
        """


class OfflineVerification(Protocol):
    """The type of the fixture ``verify_offline``."""

    def __call__(self, receipt: Receipt, file: Path | None = None) -> Report:
        """Return the report on a file by the project's policy and hashes of final blocks only.

        The hashes are taken from the chain first; the verification then asks no node.  Without
        ``file``, the file is the one that was anchored with this receipt as the result.

        Raises:
            UsageError: There is no ``file``, and this project did not anchor the receipt's record.
        """


class AnchorProject(Protocol):
    """A project on a test chain, with the public test key and a log of its own."""

    @property
    def folder(self) -> Path:
        """Where its configuration and its store are."""

    @property
    def project(self) -> Project:
        """The project, to be used as ``anchor.Project``."""

    @property
    def policy(self) -> TrustPolicy:
        """The policy that pins chain, registry and log."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which ``anchor`` commands use this project and its trust policy."""
