"""The checks of ``anchor doctor``, in the order in which they run.

To add one, write a function that returns what it found or raises what is wrong, and list it in
``CHECKS`` with its prerequisites.  A check must not change or send anything, ask for a password or
open the key that signs transactions.
"""

from __future__ import annotations

import hashlib
import stat
from datetime import UTC, datetime
from pathlib import Path

from anchor.base.errors import (
    CannotCheckError,
    ChainGuardError,
    ClockError,
    ConfigError,
    FundsError,
    LeaseHeldError,
    MismatchError,
    NotTrustedError,
    SignerError,
)
from anchor.base.messages.message import Message, join
from anchor.base.system.clock import format_unix_time
from anchor.base.system.os_errors import describe_os_error, explain_os_error
from anchor.base.types import Block, Head
from anchor.base.units import ETHER, format_duration, format_wei
from anchor.chain.devnet.accounts import DEVNET_CHAIN_ID
from anchor.chain.fees import ANCHOR_GAS, format_gwei, gas_limit
from anchor.chain.node import Node
from anchor.chain.node_agreement import agree_on_block, fetch_fees
from anchor.chain.node_quorum import MAX_LAG, NodeGroup
from anchor.chain.signer.keystore import find_keystore_address
from anchor.chain.tx_cost import BUDGET_DAYS
from anchor.ethereum.keccak import EMPTY_CODE_HASH, format_address
from anchor.ethereum.known_chains import label_chain
from anchor.log.batch_sha256 import IMPLEMENTATION
from anchor.monitor.delivery_check import check_deliveries
from anchor.monitor.doctor import Check, DoctorContext, Remark
from anchor.monitor.erasure_check import check_erasures
from anchor.monitor.retention_check import check_retentions
from anchor.monitor.room_check import check_room
from anchor.monitor.second_copy_check import check_second_copy
from anchor.monitor.timestamp_check import check_authorities
from anchor.monitor.transaction_check import check_transactions
from anchor.operate.anchor_watch import judge_clock_at
from anchor.operate.clock_check import ClockFault, clock_error, describe_held, find_held
from anchor.operate.deployment import has_create2_proxy, read_record
from anchor.operate.funds import low_funds_warning
from anchor.operate.heartbeat import MAX_SILENCE, find_silence
from anchor.operate.incident_handling import check_no_incident
from anchor.operate.node_capabilities import describe_offers
from anchor.operate.preconditions import (
    check_authority,
    check_chain,
    check_sender,
    read_chain_state,
)
from anchor.project.allowlist import check_policy_allowed, find_allowed
from anchor.project.config import Config, load_config
from anchor.project.log_key import load_log_key, public_path
from anchor.project.missing_files import describe_missing_policy
from anchor.project.project import open_project, trust_entry
from anchor.project.signing_key import find_keyfile
from anchor.registry.artifact import CREATE2_PROXY, expected_code_hash, registry_address
from anchor.store.acknowledged_log import SideFile
from anchor.store.schema_version import SCHEMA_VERSION
from anchor.verification.policy import MAX_POLICY_BYTES, parse_policy
from anchor.verification.report import Verdict

# Seconds; a node this far behind, or a clock this far off, is reported.
_CLOCK_TOLERANCE = 120
# Seconds for which failures of deliveries are reported.
_DAY = 86_400


def _look_at_kernel(_context: DoctorContext) -> Message | Remark:
    if IMPLEMENTATION == "hashlib":
        return Remark(
            Message("doctor-kernel-missing"),
            Message("doctor-kernel-missing-hint"),
        )
    return Message("doctor-kernel-used", name=IMPLEMENTATION)


# The project's own files


def _look_at_configuration(context: DoctorContext) -> Message:
    context.config = load_config(context.config_path)
    return Message("doctor-configuration-file", path=context.config.file)


def _look_at_store(context: DoctorContext) -> Message:
    context.project = open_project(context.config)
    return Message("doctor-store-pinned", store=context.config.store, schema=SCHEMA_VERSION)


def _look_at_side_file(context: DoctorContext) -> Message:
    side_file = SideFile(context.config.side_file)
    for damage in side_file.find_damage():
        raise MismatchError(damage, hint=Message("side-file-damaged-hint"))
    return Message("doctor-side-file-whole", path=side_file.path)


def _look_at_log_key(context: DoctorContext) -> Message | Remark:
    load_log_key(context.config)
    public = public_path(context.config)
    if not public.exists():
        return Remark(
            Message("unchecked-log-key", path=context.config.log_key),
            Message("doctor-log-key-unchecked-hint"),
        )
    return Message("doctor-log-key-same", path=context.config.log_key, public=public)


def _look_at_copies(context: DoctorContext) -> Remark:
    return Remark(*check_second_copy(context.project.database))


def _look_at_room(context: DoctorContext) -> Message:
    return Message("doctor-room-left", free=check_room(context.project) >> 20)


def _look_at_lock(context: DoctorContext) -> Message | Remark:
    database = context.project.database
    if not database.is_leased():
        return Message("doctor-lease-free")
    silence = find_silence(context.config, database.read_epoch(), context.wall_time)
    if silence is None:
        return Remark(
            Message("doctor-lease-held"), Message("doctor-lease-held-hint"), Verdict.CANNOT_TELL
        )
    elapsed = format_duration(silence)
    if silence > MAX_SILENCE:
        raise LeaseHeldError(
            Message("doctor-daemon-silent", elapsed=elapsed),
            hint=Message("doctor-daemon-silent-hint"),
        )
    return Message("doctor-daemon-alive", elapsed=elapsed)


def _look_at_policy(context: DoctorContext) -> Message | Remark:
    config = context.config
    try:
        with config.trust.open("rb") as file:
            data = file.read(MAX_POLICY_BYTES + 1)
    except FileNotFoundError as error:
        text, hint = describe_missing_policy(config)
        raise ConfigError(text, hint=hint) from error
    except OSError as error:
        raise explain_os_error(
            Message("policy-unreadable", path=config.trust),
            error,
            is_named=True,
            hint=Message("policy-unreadable-hint"),
        ) from error
    policy = parse_policy(data)
    ours = trust_entry(config)
    members = ("chain_id", "genesis", "registry", "code_hash", "owner")
    for entry in policy.entries:
        if all(getattr(entry, name) == getattr(ours, name) for name in members) and (
            set(ours.logs) <= set(entry.logs)
        ):
            if entry.lacks_time_slack:
                raise ConfigError(
                    Message("policy-time-slack-missing", path=config.trust, chain=config.chain_id),
                    hint=Message("policy-time-slack-missing-hint"),
                )
            return _look_at_permission(config, data)
    nearest = policy.entries[0]
    odd = [name for name in members if getattr(nearest, name) != getattr(ours, name)]
    raise NotTrustedError(
        Message("doctor-policy-mismatch", path=config.trust, members=join(odd or ["logs"])),
        hint=Message("doctor-policy-mismatch-hint"),
    )


def _look_at_permission(config: Config, policy: bytes) -> Message | Remark:
    """Check that the policy is the one with which the user allowed the project."""
    if find_allowed(config.file) is not None:
        try:
            check_policy_allowed(config.file, hashlib.sha256(policy).hexdigest())
        except NotTrustedError as error:
            return Remark(error.message, error.hint)
    return Message("doctor-policy-accepts", path=config.trust)


def _look_at_signer(context: DoctorContext) -> Message | Remark:
    signer = context.config.signer
    path = find_keyfile(context.config)
    context.key = find_keystore_address(path)
    if signer.password_file is not None:
        _check_private(signer.password_file, Message("doctor-password-file"))
    if signer.ape_account is None:
        _check_private(path, Message("doctor-keystore-file"))
    elif _is_open_to_others(path):
        # ape creates its keyfiles with this mode; the key in it is encrypted.
        return Remark(
            Message("doctor-keystore-open-to-others", path=path),
            Message("doctor-file-not-private-hint", path=path),
        )
    if context.key is None:
        return Remark(
            Message("doctor-keystore-without-address", path=path),
            Message("doctor-keystore-without-address-hint"),
        )
    return Message("doctor-signer-key", path=path, address=format_address(context.key))


def _check_private(path: Path, file: Message) -> None:
    try:
        is_open = _is_open_to_others(path)
    except OSError as error:
        raise SignerError(
            Message("doctor-file-unreadable", file=file, path=path, reason=describe_os_error(error))
        ) from error
    if is_open:
        raise SignerError(
            Message("doctor-file-not-private", file=file, path=path),
            hint=Message("doctor-file-not-private-hint", path=path),
        )


def _is_open_to_others(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


# The chain


def _look_at_node(context: DoctorContext) -> Message:
    node = context.open_node(context.config.rpc)
    chain_id = node.fetch_chain_id()
    context.node = node
    return Message("doctor-node-answers", name=node.name, chain=chain_id)


def _look_at_chain(context: DoctorContext) -> Message:
    check_chain(context.config, context.node)
    return Message("doctor-chain-pinned", chain=label_chain(context.config.chain_id))


def _look_at_finality(context: DoctorContext) -> Message:
    config = context.config
    final = context.node.fetch_final_block(config.finality)
    behind = context.node.fetch_latest().number - final.number
    if config.final_after is None:
        return Message("doctor-final-block", block=final.number, behind=behind)
    return Message(
        "doctor-final-block-by-depth", count=config.final_after, block=final.number, behind=behind
    )


def _look_at_quorum(context: DoctorContext) -> Message | Remark:
    config = context.config
    if not config.witnesses and config.final_after is None:
        return Message("doctor-quorum-single-node", name=context.node.name)
    if not config.witnesses:
        return Message("doctor-quorum-single-node-by-depth", name=context.node.name)
    told: list[Message] = []
    group = _group(context, told)
    final = group.fetch_final_block(config.finality)
    told += _find_lagging(group)
    quorum, count = config.quorum, 1 + len(config.witnesses)
    text = (
        Message("doctor-quorum-reached", quorum=quorum, count=count, block=final.number)
        if config.final_after is None
        else Message(
            "doctor-quorum-reached-by-depth", quorum=quorum, count=count, block=final.number
        )
    )
    return Remark(text, join(told, by="semicolon") if told else None)


def _group(context: DoctorContext, told: list[Message]) -> NodeGroup:
    """Return the project's nodes as one; its reports are appended to ``told``."""
    config = context.config
    return NodeGroup(
        [context.node, *map(context.open_node, config.witnesses)],
        needed=config.quorum,
        chain_id=config.chain_id,
        genesis=config.genesis,
        report=told.append,
    )


def _find_lagging(group: NodeGroup) -> list[Message]:
    """Return a sentence for each node that is far behind the others' newest block."""
    newest = dict(group.ask_each(_read_newest))
    highest = max(newest.values())
    return [
        Message("doctor-node-behind", name=name, block=number, behind=highest - number)
        for name, number in newest.items()
        if highest - number > MAX_LAG
    ]


def _read_newest(node: Node) -> tuple[str, int]:
    block = node.fetch_block("latest")
    return node.name, 0 if block is None else block.number


def _look_at_methods(context: DoctorContext) -> Remark:
    return Remark(*describe_offers(context.config, context.node))


def _look_at_clock(context: DoctorContext) -> Message | Remark:
    latest = context.node.fetch_latest()
    apart = round(context.wall_time - latest.timestamp)
    when = datetime.fromtimestamp(latest.timestamp, UTC).isoformat().replace("+00:00", "Z")
    text = (
        Message("doctor-clock-after-block", seconds=apart, time=when)
        if apart >= 0
        else Message("doctor-clock-before-block", seconds=-apart, time=when)
    )
    fault = _find_clock_fault(context, latest)
    if fault is not None and fault.is_certain:
        raise clock_error(fault)
    if fault is not None:
        return Remark(text, Message("doctor-clock-fault-hint", fault=fault.describe()))
    if abs(apart) <= _CLOCK_TOLERANCE:
        return text
    return Remark(text, Message("doctor-clock-apart-hint"))


def _find_clock_fault(context: DoctorContext, latest: Block) -> ClockFault | None:
    if "store" not in context.passed:
        return None
    group = _group(context, [])
    try:
        final = group.fetch_final_block(context.config.finality)
    except CannotCheckError:  # the check of finality reports it
        final = None
    return judge_clock_at(context.project, group, context.wall_time, latest, final)


def _look_at_registry(context: DoctorContext) -> Message:
    config = context.config
    code_hash = context.node.fetch_code_hash(config.registry, "latest")
    expected = expected_code_hash(config.chain_id)
    place = format_address(config.registry)
    if code_hash == EMPTY_CODE_HASH:
        raise ChainGuardError(
            Message("registry-not-deployed", address=place, chain=config.chain_id),
            hint=Message("registry-not-deployed-hint"),
        )
    if not code_hash == expected == config.code_hash:
        raise ChainGuardError(
            Message(
                "registry-code-differs",
                address=place,
                actual=code_hash.hex(),
                expected=expected.hex(),
                pinned=config.code_hash.hex(),
            ),
            hint=Message("registry-code-differs-hint"),
        )
    context.is_deployed = True
    return Message("doctor-registry-code", code_hash=code_hash.hex())


def _look_at_address(context: DoctorContext) -> Message | Remark:
    registry = context.config.registry
    if registry == registry_address():
        return Message("doctor-registry-standard", address=format_address(registry))
    return Remark(
        Message(
            "doctor-registry-not-standard",
            address=format_address(registry),
            expected=format_address(registry_address()),
        ),
        Message("doctor-registry-not-standard-hint"),
    )


def _look_at_proxy(context: DoctorContext) -> Message:
    if has_create2_proxy(context.node):
        return Message("doctor-proxy-found", address=format_address(CREATE2_PROXY))
    if context.is_deployed or context.config.registry != registry_address():
        return Message("doctor-proxy-not-needed")
    raise ChainGuardError(
        Message(
            "chain-without-proxy",
            chain=context.config.chain_id,
            address=format_address(CREATE2_PROXY),
        ),
        hint=Message("chain-without-proxy-hint"),
    )


def _look_at_record(context: DoctorContext) -> Message | Remark:
    config = context.config
    try:
        known = read_record(config)
    except FileNotFoundError:
        return Remark(
            Message("doctor-deployment-missing"), Message("doctor-deployment-missing-hint")
        )
    if known is None:
        return Message("doctor-deployment-without-transaction", path=config.deployment_record)
    receipt = context.node.fetch_receipt(known.hash)
    if receipt is None:
        return Remark(
            Message("doctor-deployment-unknown", path=config.deployment_record),
            Message("doctor-deployment-unknown-hint"),
        )
    on_chain = (receipt.block_number, receipt.block_hash, receipt.gas_used, receipt.succeeded)
    if on_chain != (known.block_number, known.block_hash, known.gas_used, True):
        raise ChainGuardError(
            Message(
                "deployment-not-on-chain", path=config.deployment_record, hash=known.hash.hex()
            ),
            hint=Message("deployment-not-on-chain-hint"),
        )
    return Message("doctor-deployment-on-chain", path=config.deployment_record)


# The log


def _look_at_authority(context: DoctorContext) -> Message:
    if context.key is None:
        raise CannotCheckError(Message("doctor-authority-unknown"))
    check_sender(context.node, context.key)
    operator_id = check_authority(context.config, context.node, context.key)
    return Message("log-owner") if operator_id == 0 else Message("log-operator", id=operator_id)


def _look_at_log(context: DoctorContext) -> Message:
    check_no_incident(context.project)
    state = read_chain_state(context.project, context.node)
    return Message(
        "doctor-log-open",
        on_chain=_describe_head(state.head_on_chain),
        sealed=_describe_head(state.newest),
    )


def _describe_head(head: Head | None) -> Message:
    return Message("doctor-head-none") if head is None else Message("head-size", size=head.size)


def _look_at_queue(context: DoctorContext) -> Message:
    held = find_held(context.project, context.wall_time)
    if held is not None:
        raise ClockError(describe_held(held), hint=Message("evidence-held-back-hint"))
    return Message("doctor-queue-fine")


def _look_at_funds(context: DoctorContext) -> Remark:
    config = context.config
    if context.key is None:
        raise CannotCheckError(Message("doctor-balance-unknown"))
    newest = agree_on_block(context.node)
    fees = fetch_fees(context.node, newest, config.fee_cap, legacy=config.legacy_fees)
    balance = context.node.fetch_balance(context.key)
    cost = gas_limit(ANCHOR_GAS) * fees.max_fee
    if balance < cost:
        raise FundsError(
            Message(
                "sender-funds-too-low",
                address=format_address(context.key),
                chain=label_chain(config.chain_id),
                balance=format_wei(balance),
                cost=format_wei(cost),
            ),
            hint=Message("sender-funds-hint"),
        )
    times = f"{balance // cost:,}" if cost else Message("doctor-funds-unlimited")
    text = Message("doctor-funds-left", balance=balance / ETHER, count=times)
    return Remark(text, low_funds_warning(context.project, context.node, context.key))


def _look_at_transactions(context: DoctorContext) -> Remark:
    return Remark(*check_transactions(context.project, _group(context, [])))


def _look_at_budget(context: DoctorContext) -> Message | Remark:
    config = context.config
    cap = Message("fee-cap", price=format_gwei(config.fee_cap))
    if config.budget is not None:
        return Message("doctor-budget-set", cap=cap, budget=config.budget / ETHER, days=BUDGET_DAYS)
    if config.chain_id == DEVNET_CHAIN_ID:
        return Message("doctor-budget-devnet", cap=cap)
    return Remark(
        Message("doctor-budget-missing", cap=cap),
        Message("doctor-budget-missing-hint"),
    )


def _look_at_authorities(context: DoctorContext) -> Remark:
    return Remark(*check_authorities(context.config.tsa))


def _look_at_deliveries(context: DoctorContext) -> Remark:
    since = format_unix_time(context.wall_time - _DAY)
    return Remark(*check_deliveries(context.project.database, since))


def _look_at_retentions(context: DoctorContext) -> Remark:
    at = format_unix_time(context.wall_time)
    return Remark(*check_retentions(context.project.database, context.config.retention, at))


def _look_at_erasures(context: DoctorContext) -> Message:
    return check_erasures(context.project.database, context.wall_time)


_CONFIGURATION = Message("doctor-check-configuration")
_STORE = Message("doctor-check-store")
_SIGNER = Message("doctor-check-signer")
_NODE = Message("doctor-check-node")
_CHAIN = Message("doctor-check-chain")
_REGISTRY = Message("doctor-check-registry")

CHECKS = (
    Check(Message("doctor-check-kernel"), (), _look_at_kernel),
    Check(_CONFIGURATION, (), _look_at_configuration),
    Check(_STORE, (_CONFIGURATION,), _look_at_store),
    Check(Message("doctor-check-side-file"), (_STORE,), _look_at_side_file),
    Check(Message("doctor-check-log-key"), (_STORE,), _look_at_log_key),
    Check(Message("doctor-check-room"), (_STORE,), _look_at_room),
    Check(Message("doctor-check-copies"), (_STORE,), _look_at_copies),
    Check(Message("doctor-check-lock"), (_STORE,), _look_at_lock),
    Check(Message("doctor-check-policy"), (_CONFIGURATION,), _look_at_policy),
    Check(_SIGNER, (_CONFIGURATION,), _look_at_signer),
    Check(_NODE, (_CONFIGURATION,), _look_at_node),
    Check(_CHAIN, (_NODE,), _look_at_chain),
    Check(Message("doctor-check-finality"), (_NODE,), _look_at_finality),
    Check(Message("doctor-check-quorum"), (_CHAIN,), _look_at_quorum),
    Check(Message("doctor-check-clock"), (_NODE,), _look_at_clock),
    Check(_REGISTRY, (_CHAIN,), _look_at_registry),
    Check(Message("doctor-check-methods"), (_REGISTRY,), _look_at_methods),
    Check(Message("doctor-check-address"), (_CONFIGURATION,), _look_at_address),
    Check(Message("doctor-check-proxy"), (_CHAIN,), _look_at_proxy),
    Check(Message("doctor-check-record"), (_CHAIN,), _look_at_record),
    Check(Message("doctor-check-authority"), (_SIGNER, _REGISTRY), _look_at_authority),
    Check(Message("doctor-check-log"), (_STORE, _REGISTRY), _look_at_log),
    Check(Message("doctor-check-queue"), (_STORE,), _look_at_queue),
    Check(Message("doctor-check-transactions"), (_STORE, _CHAIN), _look_at_transactions),
    Check(Message("doctor-check-timestamps"), (_CONFIGURATION,), _look_at_authorities),
    Check(Message("doctor-check-deliveries"), (_STORE,), _look_at_deliveries),
    Check(Message("doctor-check-retention"), (_STORE,), _look_at_retentions),
    Check(Message("doctor-check-erasures"), (_STORE,), _look_at_erasures),
    Check(Message("doctor-check-budget"), (_CONFIGURATION,), _look_at_budget),
    Check(Message("doctor-check-funds"), (_STORE, _SIGNER, _CHAIN), _look_at_funds),
)
