"""Running a log from Python: adding evidence, anchoring it, and making its receipts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import RLock
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, Self, get_args

from anchor.base.digests import Digests
from anchor.base.errors import MalformedError, SignerError, UsageError
from anchor.base.messages.message import Message, join
from anchor.base.system.clock import SystemClock
from anchor.base.types import Address, parse_hex
from anchor.chain.node import Node
from anchor.chain.signer import Signer
from anchor.chain.verifier_nodes import open_node
from anchor.evidence.discovery import IntakeProblem, Skipped, SourceFile
from anchor.evidence.file_hashing import digest_file
from anchor.evidence.record_groups import ProfileName
from anchor.library.adding import Added, add_evidence
from anchor.library.collecting import Collected, collect_evidence
from anchor.library.extras import needs_extra
from anchor.library.keystore_file import Keystore
from anchor.monitor.overview import Overview, read_overview
from anchor.operate.clock_check import describe_held
from anchor.operate.deployment import Deployment, deploy
from anchor.operate.proving import Prover, open_prover
from anchor.operate.single_run import RunResult, RunState, anchor_round
from anchor.operate.state_proofs import StateProofs
from anchor.project.allowlist import find_config
from anchor.project.config import Config, SignerConfig, WaitFor, load_config
from anchor.project.creation import make_folder, plan_dev_project, plan_project, write_dev_key
from anchor.project.files import CONFIG
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject, create_project, open_project, trust_entry
from anchor.project.signing_key import open_signer
from anchor.receipt.format import Receipt
from anchor.store.evidence import (
    StoredEvidence,
    find_by_identity,
    find_evidence,
    load_by_identity,
)
from anchor.store.kept_proofs import read_kept
from anchor.store.location import StoreLocation
from anchor.store.receipt_basis import Edition, load_edition
from anchor.verification.policy import FinalityRule

# The number of pieces looked up at a time.
_CHUNK = 1_000
_ID_BYTES = 32


class Key(Protocol):
    """A signing key that ``run_once`` and ``deploy`` open when they must sign: a ``Keystore``."""

    def open(self) -> Signer: ...


class Project:
    """An operator's log: its configuration, its store and its nodes.

    >>> with anchor.Project.open(Path("my-project")) as project:
    ...     project.add([Path("contract.pdf")])
    ...     project.run_once(wait="final")
    ...     project.receipt(Path("contract.pdf")).save(Path("contract.pdf.anchor.json"))

    Close it, or use it as a context manager.  Threads may share it: at a time one thread anchors or
    makes receipts and one adds evidence; ``close`` and ``lead`` wait for the other threads.
    """

    def __init__(
        self,
        opened: OpenProject,
        *,
        node: Node | None = None,
        report: Callable[[Message], None] = lambda _: None,
    ) -> None:
        """Wrap an open project; use ``open`` or ``create`` instead.

        ``node`` is used instead of those of the configuration; the caller must close it.
        """
        self._opened = opened
        self._given_node = node
        self._own_node: Node | None = None
        self._report = report
        self._is_leading = False
        # One lock for reading the chain, sealing and sending, and a separate one for adding.
        self._chain_lock = RLock()
        self._intake_lock = RLock()
        self._kept: tuple[StateProofs, Edition] | None = None

    @classmethod
    def open(cls, place: Path, *, report: Callable[[Message], None] = lambda _: None) -> Self:
        """Open the project in a folder, or that of a configuration file.

        ``report`` is called with progress messages, a line at a time.

        Raises:
            ChainGuardError: The store was created for another log than the configuration names.
            ImportError: The store is in PostgreSQL, and the extra for that is not installed.
        """
        config = load_config(find_config(place / CONFIG if place.is_dir() else place))
        with needs_extra(Message("store-in-postgresql"), "postgresql"):
            return cls(open_project(config), report=report)

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        rpc: str,
        signer: Keystore,
        number: int = 0,
        finality: FinalityRule = "finalized",
        wait: WaitFor = "included",
        registry: Address | None = None,
        store: StoreLocation | None = None,
        witnesses: Sequence[str] = (),
        quorum: int | None = None,
        time_slack: int | None = None,
        report: Callable[[Message], None] = lambda _: None,
    ) -> Self:
        """Create a project in ``folder`` for log ``number`` of the key's address, and open it.

        The project is pinned to the chain of ``rpc`` and all ``witnesses``.  ``registry=None`` is
        the registry's address on every chain; ``store=None`` is a SQLite file in the folder.
        ``time_slack`` are the seconds by which a block's time may be off: nothing can be verified
        on a chain that this release does not list without them, which ``report`` is told.
        Commands in its folder use the project after ``anchor trust allow``.

        Raises:
            ConfigError: The folder has a project already, there are fewer nodes than ``quorum``, or
                a value is not allowed in a configuration.
        """
        nodes = {url: open_node(url) for url in (rpc, *witnesses)}
        try:
            config = plan_project(
                folder.resolve(),
                nodes[rpc],
                url=rpc,
                signer=SignerConfig(
                    keystore=signer.path.resolve(),
                    ape_account=None,
                    password_file=signer.password_file and signer.password_file.resolve(),
                ),
                owner=signer.address,
                number=number,
                finality=finality,
                wait=wait,
                registry=registry,
                store=store,
                witnesses={url: nodes[url] for url in witnesses},
                quorum=quorum,
                time_slack=time_slack,
            )
        finally:
            for node in nodes.values():
                node.close()
        make_folder(config.folder)
        if trust_entry(config).lacks_time_slack:
            report(Message("policy-time-slack-missing", path=config.trust, chain=config.chain_id))
        with needs_extra(Message("store-in-postgresql"), "postgresql"):
            return cls(create_project(config), report=report)

    @classmethod
    def create_on_devnet(
        cls,
        folder: Path,
        *,
        rpc: str,
        number: int = 0,
        store: StoreLocation | None = None,
        finality: FinalityRule | None = None,
        report: Callable[[Message], None] = lambda _: None,
    ) -> Self:
        """Create a project on a devnet, with its public test key, and open it.

        ``store`` None is a SQLite file in the folder.  Without ``finality`` the devnet's own rule
        counts: its ``finalized`` tag or, if it has none (py-evm), that every block is final.

        Raises:
            UsageError: The node does not have the devnets' chain id, so that the test key must not
                be used, or ``folder`` is a file.
        """
        node = open_node(rpc)
        try:
            config = plan_dev_project(
                folder.resolve(), node, url=rpc, number=number, store=store, finality=finality
            )
            make_folder(config.folder)
            with needs_extra(Message("store-in-postgresql"), "postgresql"):
                project = cls(create_project(config), report=report)
        except BaseException:
            node.close()
            raise
        project._own_node = node  # the devnet has only this node
        write_dev_key(config)
        return project

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
        """Close the store and the connections."""
        with self._intake_lock, self._chain_lock:
            if self._own_node is not None:
                self._own_node.close()
            self._opened.database.close()

    @property
    def config(self) -> Config:
        """Return the project's configuration."""
        return self._opened.config

    @contextmanager
    def lead(self) -> Iterator[Self]:
        """Hold the lease to seal and send for this log until the end of the ``with`` block.

        ``deploy`` and ``run_once`` take the lease themselves; this keeps it over several calls.
        """
        with self._chain_lock:
            if self._is_leading:
                yield self
                return
            with self._opened.database.hold_lease():
                self._is_leading = True
                try:
                    yield self
                finally:
                    self._is_leading = False

    def deploy(self, *, signer: Key | None = None) -> Deployment:
        """Deploy the registry unless it is on the chain already; needed once for each chain."""
        with self.lead():
            return deploy(
                self._opened, self._node(), self._opener(signer), SystemClock(), self._report
            )

    def add(
        self,
        evidence: Iterable[Path | SourceFile | Digests],
        *,
        beside: bool = False,
        not_before: bool | None = None,
        on_left_out: Callable[[IntakeProblem | Skipped], None] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[Added]:
        """Record files, folders with their contents, and bare digests; return each piece.

        All are durable when this returns; files come first, then digests.  Evidence added before
        is not added again, unless it was erased.  A ``SourceFile`` is a file with a given name.
        ``beside`` leaves out this log's own receipts, and files beside which no receipt can be
        written.  ``not_before`` is whether new records name a final block, which the project's
        nodes tell; None is the configuration's setting.  ``on_left_out`` is called for each path
        that was not added, ``on_progress`` with the files and bytes read.

        Raises:
            UsageError: A path cannot be read, and there is no ``on_left_out``; the others were
                added nevertheless.  Or a piece has the wrong type, or a name or size that no
                record can hold, and no evidence was added.
            CannotCheckError: Records are to name a block, and no node tells the final one.
        """
        with self._intake_lock:
            return add_evidence(
                self._opened,
                evidence,
                beside=beside,
                not_before=not_before,
                report=self._report,
                on_left_out=on_left_out,
                on_progress=on_progress,
            )

    def collect(
        self,
        files: Iterable[Path],
        *,
        profile: ProfileName,
        details: Mapping[str, Any] = MappingProxyType({}),
        manifest: Path | None = None,
        not_before: bool | None = None,
        on_left_out: Callable[[IntakeProblem | Skipped], None] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Collected:
        """Record files with an account of how they were collected; all are durable on return.

        ``details`` are the stated members of the record's groups (``docs/record-groups.md``), such
        as ``{"source": {"origin": "…"}}``; environment, cleanliness, clock and software are
        observed now.  Only the NTP servers of the configuration are asked, and the project's nodes
        with ``not_before``, as by ``add``.  Each call makes a new record.  With ``manifest`` there
        is one record of all files: that of their ``manifest-sha256.txt`` (BagIt), which is written
        there, beside the files and folders that it lists.  A failed check and what the profile
        lacks are in the result, and stop nothing.

        Raises:
            UsageError: The profile is unknown, or details are malformed or too long, and nothing
                was hashed; or a path cannot be read, and there is no ``on_left_out``.
            CannotCheckError: Records are to name a block, and no node tells the final one.
        """
        with self._intake_lock:
            return collect_evidence(
                self._opened,
                files,
                profile=profile,
                details=details,
                manifest=manifest,
                not_before=not_before,
                report=self._report,
                on_left_out=on_left_out,
                on_progress=on_progress,
            )

    def run_once(self, *, signer: Key | None = None, wait: WaitFor | None = None) -> RunResult:
        """Seal added evidence, anchor the newest head and wait; safe to repeat.

        ``signer=None`` is the configuration's key, with its password file; ``wait=None`` is the
        configuration's setting.  The result is ``timed_out`` if finality was requested and not
        reached within the time that the configuration allows.

        Raises:
            NotFinalError: A pending transaction is not included yet; call this again.
        """
        if wait is not None and wait not in get_args(WaitFor):
            raise UsageError(
                Message("run-wait-unknown", expected=join(get_args(WaitFor)), actual=wait)
            )
        with self._chain_lock:
            node = self._node()
            kept = read_kept(self._opened.database, self.config.chain_id)
            proofs = StateProofs(self.config, node, self._report, kept)
            with self.lead():
                done = anchor_round(
                    self._opened,
                    node,
                    self._opener(signer),
                    SystemClock(),
                    wait_for=wait or self.config.wait,
                    report=self._report,
                    proofs=proofs,
                )
            if done.held is not None:
                self._report(describe_held(done.held))
                self._report(Message("evidence-held-back-hint"))
            with self._opened.database.read() as connection:
                edition = load_edition(connection, self.config.chain_id)
            self._kept = (proofs, edition) if done.state is RunState.FINAL else None
            return done

    def receipt(self, evidence: Path | str) -> Receipt:
        """Return the receipt of a file or of the evidence with an id; a promise until it is final.

        Raises:
            UsageError: The log does not hold this evidence, or its record was erased.
        """
        with self._opened.database.read() as connection:
            if isinstance(evidence, str):
                stored = find_by_identity(connection, _parse_id(evidence))
                if stored is None:
                    raise UsageError(Message("evidence-id-unknown", identity=evidence))
            else:
                stored = find_evidence(connection, evidence, digest_file(evidence))
        with self._chain_lock:
            return self._open_prover().prove(stored)

    def receipts(
        self,
        added: Iterable[Added],
        *,
        on_failure: Callable[[Added, UsageError], None] | None = None,
    ) -> Iterator[tuple[Added, Receipt]]:
        """Yield each piece with its receipt, all from one snapshot of the log.

        ``on_failure`` is called for each piece without a receipt, instead of raising.

        Raises:
            UsageError: A record was erased, and there is no ``on_failure``.
        """
        with self._chain_lock:
            prover = self._open_prover()
        rest = iter(added)
        while chunk := list(islice(rest, _CHUNK)):
            with self._opened.database.read() as connection:
                stored = load_by_identity(connection, [bytes.fromhex(each.id) for each in chunk])
            for each in chunk:
                try:
                    with self._chain_lock:
                        receipt = _prove(prover, stored.get(bytes.fromhex(each.id)), each)
                except UsageError as error:
                    if on_failure is None:
                        raise
                    on_failure(each, error)
                    continue
                yield each, receipt

    def status(self) -> Overview:
        """Return the state of the log from the store, without asking a node."""
        return read_overview(self._opened, time.time())

    def _node(self) -> Node:
        if self._given_node is not None:
            return self._given_node
        if self._own_node is None:
            self._own_node = open_chain(self.config, self._report)
        return self._own_node

    def _opener(self, signer: Key | None) -> Callable[[], Signer]:
        if signer is not None:
            return signer.open
        return lambda: open_signer(self.config, _refuse_to_ask)

    def _open_prover(self) -> Prover:
        kept, self._kept = self._kept, None
        if kept is not None:
            prover = Prover(self._opened, kept[0])
            if prover.edition == kept[1]:  # the store has not changed since the chain was read
                return prover
        return open_prover(self._opened, self._node, self._report)


def _prove(prover: Prover, stored: StoredEvidence | None, added: Added) -> Receipt:
    if stored is None:
        raise UsageError(Message("evidence-erased-since-added", name=added.name))
    if stored.leaf != added.leaf:
        raise UsageError(
            Message("evidence-erased-and-readded", name=added.name),
            hint=Message("receipt-of-readded-hint"),
        )
    return prover.prove(stored)


def _parse_id(text: str) -> bytes:
    try:
        return parse_hex(
            text, length=_ID_BYTES, subject=Message("evidence-id-subject"), prefix=False
        )
    except MalformedError as error:
        raise UsageError(error.message, hint=Message("evidence-path-object-hint")) from error


def _refuse_to_ask(path: Path) -> str:
    raise SignerError(
        Message("keystore-password-in-no-file", path=path),
        hint=Message("keystore-pass-password-hint"),
    )
