"""One-time deployment of the registry: through the CREATE2 proxy, or without it if it is missing.

Through the proxy the address is the same on every chain.  A plain deployment's address follows from
the sender and its nonce, so the project is pointed at it later (``anchor.project.relocation``).
Either way the deployment's record is written last, beside the configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anchor.base.errors import CannotCheckError, ChainGuardError, NodeRefusedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import Clock, utc_now
from anchor.base.system.durable_files import write_file
from anchor.base.system.os_errors import explain_os_error
from anchor.base.types import Address, Hash32
from anchor.chain.call_simulation import Intent
from anchor.chain.node import Node, TransactionReceipt
from anchor.chain.signer import Signer
from anchor.chain.tx_manager import TransactionManager
from anchor.chain.tx_state import Inclusion
from anchor.ethereum.keccak import format_address
from anchor.operate.anchoring import make_manager
from anchor.operate.preconditions import check_chain, is_deployed
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.project.relocation import check_movable, created_addresses, move_project
from anchor.registry.artifact import (
    CREATE2_PROXY,
    CREATE2_PROXY_CODE_HASH,
    create_address,
    expected_code_hash,
    load_artifact,
    registry_address,
)
from anchor.registry.calldata import encode_deployment
from anchor.registry.deployment_record import (
    MAX_RECORD_BYTES,
    DeployingTransaction,
    DeploymentRecord,
    check_deployment_record,
    encode_deployment_record,
)
from anchor.store.heads import newest_head
from anchor.store.tx_journal import StoredJournal

# Code that returns nothing, and the instruction of EIP-3855 (Shanghai), which it may follow.
_RETURN, _PUSH0 = bytes.fromhex("60006000f3"), bytes.fromhex("5f")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Where the registry is; ``tx_hash`` is None if it was deployed before."""

    registry: Address
    code_hash: Hash32
    tx_hash: Hash32 | None
    gas_used: int | None
    record: Path


def deploy(
    project: OpenProject,
    node: Node,
    open_signer: Callable[[], Signer],
    clock: Clock,
    report: Callable[[Message], None],
) -> Deployment:
    """Deploy the registry unless it is on chain; the key is opened only when it is needed.

    Raises:
        ChainGuardError: The chain is the wrong one or has no CREATE2 proxy, other code is at the
            registry's address, or a deployment record is about another deployment.
    """
    config = project.config
    _check_place(config, node)
    if is_deployed(config, node):
        return _conclude(project, node, sent=None)
    if config.registry != registry_address():
        raise ChainGuardError(
            Message("registry-plain-missing", address=format_address(config.registry)),
            hint=Message("registry-plain-missing-hint"),
        )
    if not has_create2_proxy(node):
        raise ChainGuardError(
            Message(
                "chain-without-proxy", chain=config.chain_id, address=format_address(CREATE2_PROXY)
            ),
            hint=_NO_PROXY_HINT,
        )
    manager = make_manager(project, node, open_signer(), clock, report)
    intent = Intent(to=CREATE2_PROXY, data=encode_deployment(), head_size=None)
    sent: Inclusion | None = None
    try:
        sent = manager.resume(intent)
        if sent is None or not is_deployed(config, node):
            sent = _send(manager, intent, config, node)
    except ChainGuardError:
        if not is_deployed(config, node):
            raise
    if not is_deployed(config, node):
        raise ChainGuardError(
            Message("registry-missing-after-deployment", address=format_address(config.registry))
        )
    if sent is None or not sent.succeeded:
        report(Message("registry-deployed-by-another"))
        sent = None
    return _conclude(project, node, sent=sent)


_NO_PROXY_HINT = Message("deployment-proxy-missing-hint")


def deploy_plainly(
    project: OpenProject,
    node: Node,
    open_signer: Callable[[], Signer],
    clock: Clock,
    report: Callable[[Message], None],
) -> Deployment:
    """Deploy the registry without the CREATE2 proxy, and point the project at its address.

    Does nothing if the project's registry is on chain.  A deployment of an earlier run is found by
    the journal, whatever the outcome of that run, and never sent again.

    Raises:
        UsageError: The chain has the proxy.
        ChainGuardError: Heads are sealed already, the chain is the wrong one, other code is at the
            registry's address, or a deployment record is about another deployment.
    """
    config = project.config
    _check_place(config, node)
    if is_deployed(config, node):
        if config.registry in created_addresses(project.database, config.chain_id):
            project = move_project(project, config.registry)
        return _conclude(project, node, sent=None)
    _check_unsealed(project)
    check_movable(config)
    sent: Inclusion | None = None
    created = _find_created(project, node)
    if created is None:
        _check_needed(project, node)
        manager = make_manager(project, node, open_signer(), clock, report)
        intent = Intent(to=None, data=load_artifact().init_code, head_size=None)
        sent = manager.resume(intent)
        created = _find_created(project, node)
        if created is None:
            sent = _send(manager, intent, config, node)
            created = _find_created(project, node)
        if created is None:
            raise ChainGuardError(
                Message("registry-not-at-created-address"),
                hint=Message("registry-not-at-created-address-hint"),
            )
    # A crash here leaves the registry on chain and a project that does not know it: the next run
    # finds it by the journal.
    return _conclude(move_project(project, created), node, sent=sent)


def _send(manager: TransactionManager, intent: Intent, config: Config, node: Node) -> Inclusion:
    """Send a deployment; if the call fails because the chain has no PUSH0, the error says so."""
    try:
        return manager.send(intent)
    except (ChainGuardError, NodeRefusedError) as error:
        if _lacks_push0(node):
            raise ChainGuardError(
                Message("chain-without-push0", chain=config.chain_id),
                hint=Message("chain-without-push0-hint"),
            ) from error
        raise


def _lacks_push0(node: Node) -> bool:
    """Return whether the node runs code that returns nothing, but not if it begins with PUSH0."""
    sender = Address(bytes(20))
    with suppress(CannotCheckError):  # unknown: the first error stands
        node.call(sender=sender, to=None, data=_RETURN)
        try:
            node.call(sender=sender, to=None, data=_PUSH0 + _RETURN)
        except NodeRefusedError:
            return True
    return False


def has_create2_proxy(node: Node) -> bool:
    """Return whether the chain has the CREATE2 proxy, judged by its code."""
    return node.fetch_code_hash(CREATE2_PROXY, "latest") == CREATE2_PROXY_CODE_HASH


def read_record(config: Config) -> DeployingTransaction | None:
    """Read the deployment record and check that it is about this project's registry.

    Returns the transaction that the record names, or None.

    Raises:
        FileNotFoundError: The project has no record.
    """
    path = config.deployment_record
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECORD_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise explain_os_error(
            Message("file-unreadable", path=path), error, is_named=False
        ) from error
    return check_deployment_record(data, _describe(config, None), subject=str(path))


def _check_place(config: Config, node: Node) -> None:
    """Check the conditions for sending a deployment or overwriting its record."""
    check_chain(config, node)
    if config.code_hash != expected_code_hash(config.chain_id):
        raise ChainGuardError(
            Message("registry-of-other-release"),
            hint=Message("registry-of-other-release-hint"),
        )
    try:
        read_record(config)
    except FileNotFoundError:
        pass


def _check_unsealed(project: OpenProject) -> None:
    with project.database.read() as connection:
        sealed = newest_head(connection)
    if sealed is not None:
        raise ChainGuardError(
            Message("registry-bound-by-leaves", size=sealed.head.size),
            hint=Message("registry-bound-by-leaves-hint"),
        )


def _check_needed(project: OpenProject, node: Node) -> None:
    config, standard = project.config, registry_address()
    if config.registry in created_addresses(project.database, config.chain_id):
        return  # deployed plainly before, and removed by a reorganisation
    if has_create2_proxy(node):
        raise UsageError(
            Message("deployment-plain-needless", chain=config.chain_id),
            hint=Message("deployment-plain-needless-hint"),
        )
    if node.fetch_code_hash(standard, "latest") == config.code_hash:
        raise ChainGuardError(
            Message("registry-at-other-address", address=format_address(standard)),
            hint=Message("registry-at-other-address-hint"),
        )


def _find_created(project: OpenProject, node: Node) -> Address | None:
    """Return the address of a plain deployment of this project's journal that is on chain."""
    config = project.config
    for address in created_addresses(project.database, config.chain_id):
        if node.fetch_code_hash(address, "latest") == config.code_hash:
            return address
    return None


def _conclude(project: OpenProject, node: Node, *, sent: Inclusion | None) -> Deployment:
    """Write the deployment record, unless one exists, and return the result."""
    config = project.config
    transaction = _find_transaction(project, node, sent)
    try:
        known = read_record(config)
        stale = sent is not None and transaction is not None and known != transaction
    except FileNotFoundError:
        stale = True
    if stale:
        # A crash before this leaves no record; the next run writes it from the journal.
        record = _describe(config, transaction)
        write_file(config.deployment_record, encode_deployment_record(record))
    return Deployment(
        registry=config.registry,
        code_hash=config.code_hash,
        tx_hash=sent.tx_hash if sent else None,
        gas_used=transaction.gas_used if transaction and sent else None,
        record=config.deployment_record,
    )


def _describe(config: Config, transaction: DeployingTransaction | None) -> DeploymentRecord:
    return DeploymentRecord(
        registry=config.registry,
        chain_id=config.chain_id,
        genesis=config.genesis,
        code_hash=config.code_hash,
        transaction=transaction,
    )


def _find_transaction(
    project: OpenProject, node: Node, sent: Inclusion | None
) -> DeployingTransaction | None:
    """Return the transaction that deployed the registry, if this project's journal holds it.

    ``sent`` is the inclusion seen in this run, if any; the node is asked about other transactions.
    """
    config = project.config
    standard = config.registry == registry_address()
    payload = encode_deployment() if standard else load_artifact().init_code
    for slot in StoredJournal(project.database, utc_now).load_deployments(config.chain_id):
        if not standard and create_address(slot.sender, slot.nonce) != config.registry:
            continue
        for attempt in slot.attempts:
            if payload not in attempt.raw:
                continue
            included: Inclusion | TransactionReceipt | None = sent
            if sent is None or sent.tx_hash != attempt.tx_hash or sent.gas_used is None:
                included = node.fetch_receipt(attempt.tx_hash)
            if included is not None and included.succeeded and included.gas_used is not None:
                return DeployingTransaction(
                    hash=included.tx_hash,
                    block_number=included.block_number,
                    block_hash=included.block_hash,
                    deployer=slot.sender,
                    gas_used=included.gas_used,
                )
    return None
