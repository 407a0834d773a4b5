"""Closing a log that cannot continue, and opening its successor from one of its anchors.

The successor is a project of its own.  Its store is made first; then the ``succeed`` transaction is
sent through its journal; once that is final, its configuration is written.  Until the configuration
exists, no command accepts the folder as a project, so that nothing can be anchored in the new log
too early.  The old project's evidence and heads do not change; its store records the state of its
anchors on the chain.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from anchor.base.errors import (
    ChainGuardError,
    ConfigError,
    NodeFaultError,
    NotFinalError,
    SignerError,
    UsageError,
)
from anchor.base.messages.message import Message
from anchor.base.system.clock import Clock
from anchor.base.system.durable_files import write_file
from anchor.base.types import Hash32, Head, LogId, log_number, log_owner, make_log_id
from anchor.chain.call_simulation import Intent
from anchor.chain.node import Node
from anchor.chain.registry_reader import RegistryReader
from anchor.chain.signer import Signer
from anchor.ethereum.keccak import format_address
from anchor.operate.anchoring import make_manager, record_anchors
from anchor.operate.finality import refresh_anchors, wait_until_final
from anchor.operate.incident_handling import check_no_incident
from anchor.operate.preconditions import check_shared
from anchor.project.config import Config, SignerConfig, encode_config
from anchor.project.files import CONFIG, TRUST_POLICY
from anchor.project.log_key import create_log_key
from anchor.project.project import OpenProject, open_project
from anchor.recovery.successor_contents import (
    build_store,
    encode_successor_policy,
    enqueue_unplaced,
    write_receipts,
)
from anchor.registry.calldata import encode_succeed_call
from anchor.store.acknowledged_log import SideFile
from anchor.store.database import Database, is_taken
from anchor.store.heads import (
    SealedHead,
    find_edge,
    load_heads,
    newest_head,
    reversible_anchor,
    save_anchor,
)
from anchor.store.location import SqliteFile, StoreLocation

# Transactions that one call may have to settle: an earlier run's, then its own.
_MAX_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """The result of a succession.  ``waiting`` counts evidence not sealed in the new log yet."""

    config: Config
    head: Head
    waiting: int
    receipts: int


def plan_successor(
    project: OpenProject,
    folder: Path,
    *,
    number: int | None,
    signer: SignerConfig | None,
    store: StoreLocation | None,
) -> Config:
    """Return the configuration of the project that follows ``project``, in ``folder``.

    ``store=None`` means a SQLite file in the folder.

    Raises:
        ConfigError: The folder already holds a project, or the store is the old project's.
    """
    old = project.config
    file = folder / CONFIG
    if file.exists():
        raise ConfigError(
            Message("succession-file-exists", path=file),
            hint=Message("succession-file-exists-hint"),
        )
    store = store or SqliteFile(folder / "anchor.db")
    if str(store) == str(old.store):
        raise ConfigError(
            Message("succession-store-own", store=store),
            hint=Message("succession-store-own-hint"),
        )
    following = log_number(old.log) + 1 if number is None else number
    return replace(
        old,
        folder=folder,
        file=file,
        store=store,
        tiles=folder / "tiles",
        log_key=folder / "log-key.pem",
        receipts=folder / "receipts",
        trust=folder / TRUST_POLICY,
        log=make_log_id(log_owner(old.log), following),
        signer=signer or old.signer,
        publish=None,  # the target holds the old log
        # A SQLite file has no second server.
        copies=None if isinstance(store, SqliteFile) else old.copies,
    )


def succeed(
    project: OpenProject,
    node: Node,
    config: Config,
    from_root: Hash32 | None,
    open_signer: Callable[[], Signer],
    clock: Clock,
    report: Callable[[Message], None],
    *,
    confirm: Callable[[], None],
) -> Succession:
    """Close the project's log at ``from_root`` and create the successor that ``config`` describes.

    Without a root, the newest anchored head that the store can continue from is used. An earlier
    call that was interrupted is completed. The caller must have called ``check_chain`` and
    ``check_registry``. ``confirm`` is called before anything is made or sent, unless the log is
    closed already; to stop here, it raises.

    Raises:
        ChainGuardError: The log has another successor, the new number is in use, or an incident is
            open.
        NotFinalError: The transaction was sent and is not final yet; a later call completes it.
    """
    check_no_incident(project)
    is_closed = _check_logs(project.config, node, config)
    if not is_closed:
        confirm()
    record_anchors(project, node)  # the old log's receipts need them
    database = _open_store(project, node, config, from_root, is_closed=is_closed)
    with closing(database), database.hold_lease():
        successor = OpenProject(config=config, database=database)
        head = _check_begun(successor, from_root)
        if not is_closed:
            _send(project.config, successor, node, head, open_signer, clock, report)
        _store_first_anchor(successor, node, head)
        report(Message("anchor-included-waiting"))
        if not wait_until_final(successor, node, head, clock):
            raise NotFinalError(
                Message("succession-not-final"),
                hint=Message("succession-not-final-hint"),
            )
        refresh_anchors(project, node)
        receipts = write_receipts(project, config, head)
        waiting = enqueue_unplaced(project, database, head, SideFile(config.side_file))
    if not config.log_key.exists():
        create_log_key(config)
    write_file(config.trust, encode_successor_policy(project.config, config))
    write_file(config.file, encode_config(config).encode("utf-8"))
    return Succession(config=config, head=head, waiting=waiting, receipts=receipts)


def prepare_call(
    project: OpenProject, node: Node, config: Config, from_root: Hash32 | None
) -> bytes | None:
    """Make the successor's store; return the calldata that the owner has to send to the registry.

    Once it is sent, ``succeed`` finds the log closed and needs no key.  Returns None if the log is
    closed already.

    Raises:
        ChainGuardError: The log has another successor, the new number is in use, or an incident is
            open.
    """
    check_no_incident(project)
    if _check_logs(project.config, node, config):
        return None
    database = _open_store(project, node, config, from_root, is_closed=False)
    try:
        head = _check_begun(OpenProject(config=config, database=database), from_root)
    finally:
        database.close()
    return encode_succeed_call(project.config.log, head.root, config.log)


def find_successor(config: Config, node: Node) -> LogId:
    """Return the id of the project's successor log; 0 while it has none.

    Raises:
        QuorumError: At least one node reports the log as closed, but too few for the quorum.
    """
    read = partial(RegistryReader(config.registry, config.log).successor, block="latest")
    successor = read(node)
    if any(successor):
        check_shared(node, read, successor, Message("log-successor"))
    return successor


def _check_logs(old: Config, node: Node, new: Config) -> bool:
    """Return whether ``old`` is closed already, with ``new`` as its successor."""
    successor = find_successor(old, node)
    if successor == new.log:
        return True
    if any(successor):
        raise ChainGuardError(
            Message("succession-log-closed", number=log_number(successor)),
            hint=Message("succession-log-closed-hint", number=log_number(successor)),
        )
    newest = RegistryReader(new.registry, new.log).newest_root(node, "latest")
    if newest.root is not None or newest.is_closed:
        raise ChainGuardError(
            Message("succession-number-taken", number=log_number(new.log)),
            hint=Message("succession-number-taken-hint"),
        )
    return False


def _open_store(
    project: OpenProject, node: Node, config: Config, root: Hash32 | None, *, is_closed: bool
) -> Database:
    """Open the successor's store, and make it first unless an earlier run has done so."""
    if not is_taken(config.store):
        sealed = _choose_head(project, node, config, root, is_closed=is_closed)
        build_store(project, config, sealed)
    # A crash here, or later, leaves a store without a configuration; the next run completes it.
    return open_project(config).database


def _choose_head(
    project: OpenProject, node: Node, new: Config, root: Hash32 | None, *, is_closed: bool
) -> SealedHead:
    """Return the newest head that the registry holds and the store can continue from."""
    holder = new if is_closed else project.config
    with project.database.read() as connection:
        heads = load_heads(connection)
    for head in reversed(heads):
        if root not in (None, head.root):
            continue
        sealed = _find_whole(project, head)
        if sealed is None:
            continue
        anchor = RegistryReader(holder.registry, holder.log).anchor(node, head.root, "latest")
        if anchor is not None and anchor.size == head.size:
            return sealed
    raise UsageError(
        Message("succession-no-anchored-head")
        if root is None
        else Message("succession-root-unusable", root=root.hex()),
        hint=Message("succession-no-anchored-head-hint"),
    )


def _find_whole(project: OpenProject, head: Head) -> SealedHead | None:
    """Return the head with its right edge; None if the edge is damaged."""
    with suppress(ChainGuardError), project.database.read() as connection:
        sealed = find_edge(connection, head.size)
        if sealed is not None and sealed.right_edge.root() == head.root:
            return sealed
    return None


def _check_begun(successor: OpenProject, root: Hash32 | None) -> Head:
    with successor.database.read() as connection:
        newest = newest_head(connection)
    if newest is None or root not in (None, newest.head.root):
        raise UsageError(
            Message("succession-root-differs", store=successor.config.store),
            hint=Message("succession-root-differs-hint"),
        )
    return newest.head


def _send(
    old: Config,
    successor: OpenProject,
    node: Node,
    head: Head,
    open_signer: Callable[[], Signer],
    clock: Clock,
    report: Callable[[Message], None],
) -> None:
    signer = open_signer()
    if signer.address != log_owner(old.log):
        raise SignerError(
            Message("succession-signer-not-owner", address=format_address(signer.address)),
            hint=Message(
                "succession-signer-not-owner-hint", owner=format_address(log_owner(old.log))
            ),
        )
    config = successor.config
    call = encode_succeed_call(old.log, head.root, config.log)
    intent = Intent(to=config.registry, data=call, head_size=head.size)
    manager = make_manager(successor, node, signer, clock, report)
    current = RegistryReader(old.registry, old.log).head(node, "latest")
    after = 0 if current is None else current.anchor.size - head.size
    report(Message("succession-closing-log", size=head.size, count=max(after, 0)))
    inclusion = manager.resume(intent)
    for _ in range(_MAX_ROUNDS):
        if find_successor(old, node) == config.log:
            return
        if inclusion is not None:
            report(Message("operator-change-reorganised"))
        inclusion = manager.send(intent)
    raise ChainGuardError(Message("registry-not-following"))


def _store_first_anchor(successor: OpenProject, node: Node, head: Head) -> None:
    first = RegistryReader(successor.config.registry, successor.config.log).head(node, "latest")
    if first is None:
        raise NodeFaultError(Message("succession-not-shown", name=node.name))
    if first.root != head.root:
        raise ChainGuardError(
            Message(
                "succession-first-root-differs", root=first.root.hex(), store=successor.config.store
            ),
            hint=Message("succession-first-root-differs-hint"),
        )
    with successor.database.write() as connection:
        anchored = reversible_anchor(head, first.anchor)
        save_anchor(connection, successor.config.chain_id, anchored)
