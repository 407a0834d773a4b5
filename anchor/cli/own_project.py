"""Nodes and receipts from the verifier's own project; it needs the extra ``operator``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from anchor.base.digests import Digests
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.types import ChainId, LogId, log_owner
from anchor.cli.own_notices import OwnNotices
from anchor.evidence.record_notice import RecordNotice
from anchor.operate.proving import Prover
from anchor.operate.record_notices import find_notice
from anchor.project.config import load_config
from anchor.project.project import OpenProject, open_project
from anchor.receipt.format import Receipt
from anchor.store.evidence import find_evidence


class OwnProject:
    """A project of the verifier, whose store is opened when a receipt is first requested."""

    def __init__(self, config_path: Path) -> None:
        self._config = load_config(config_path)
        self._project: OpenProject | None = None

    def list_nodes(self, chain_id: ChainId) -> tuple[Sequence[str], int]:
        """Return the nodes that the project names on that chain, and how many have to agree."""
        if self._config.chain_id != chain_id:
            return (), 1
        return (self._config.rpc, *self._config.witnesses), self._config.quorum

    def make_receipt(self, file: Path, digests: Digests) -> Receipt:
        """Return the receipt of the evidence in the store with this file's digests."""
        project = self._open()
        with project.database.read() as connection:
            try:
                evidence = find_evidence(connection, file, digests, or_changed=True)
            except UsageError as error:
                also = Message("receipt-unproven-hint", detail=error.hint)
                raise UsageError(error.message, hint=also) from error
        return self._prover.prove(evidence)

    def open_notices(self, log: LogId) -> OwnNotices | None:
        """Return the notices in the store; None if the log is another owner's."""
        if log_owner(log) != log_owner(self._config.log):
            return None
        database = self._open().database

        def find(record: bytes) -> list[tuple[RecordNotice, Callable[[], Receipt]]]:
            with database.read() as connection:
                pair = find_notice(connection, record)
            return [] if pair is None else [(pair[1], partial(self._prover.prove, pair[0]))]

        return OwnNotices(find=find, holds_log=log == self._config.log)

    def _open(self) -> OpenProject:
        if self._project is None:
            self._project = open_project(self._config, only_reads=True)
            self._prover = Prover(self._project)
        return self._project

    def close(self) -> None:
        """Close the store, if it was opened."""
        if self._project is not None:
            self._project.database.close()
