"""The checks of ``anchor doctor``, in the order in which they run.

To add one, write a function that returns what it found or raises what is wrong, and list it in
``CHECKS`` with its prerequisites.  A check must not change or send anything, ask for a password or
open a key.
"""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

from anchor.chain.devnet.accounts import DEVNET_CHAIN_ID
from anchor.chain.fees import ANCHOR_GAS, format_gwei, gas_limit
from anchor.chain.node import Node
from anchor.chain.node_agreement import agree_on_block, fetch_fees
from anchor.chain.node_quorum import MAX_LAG, NodeGroup
from anchor.chain.signer.keystore import find_keystore_address
from anchor.chain.tx_cost import BUDGET_DAYS
from anchor.errors import (
    CannotCheckError,
    ChainGuardError,
    FundsError,
    NotTrustedError,
    SignerError,
)
from anchor.ethereum.keccak import EMPTY_CODE_HASH, format_address
from anchor.log.batch_sha256 import IMPLEMENTATION
from anchor.monitor.doctor import Check, DoctorContext, Remark
from anchor.monitor.second_copy_check import check_second_copy
from anchor.monitor.transaction_check import check_transactions
from anchor.operate.anchor_watch import judge_clock_at
from anchor.operate.clock_check import ClockFault, clock_error
from anchor.operate.deployment import has_create2_proxy, read_record
from anchor.operate.funds import low_funds_warning
from anchor.operate.incident_handling import check_no_incident
from anchor.operate.node_capabilities import describe_offers
from anchor.operate.preconditions import (
    check_authority,
    check_chain,
    check_sender,
    read_chain_state,
)
from anchor.project.config import load_config
from anchor.project.project import open_project, trust_entry
from anchor.project.signing_key import find_keyfile
from anchor.registry.artifact import CREATE2_PROXY, expected_code_hash, registry_address
from anchor.store.database import MIGRATION_HEAD
from anchor.system.os_errors import explain_os_error
from anchor.types import Block
from anchor.units import ETHER
from anchor.verification.policy import MAX_POLICY_BYTES, parse_policy

# Seconds; a node this far behind, or a clock this far off, is reported.
_CLOCK_TOLERANCE = 120


def _look_at_kernel(_context: DoctorContext) -> str | Remark:
    if IMPLEMENTATION == "hashlib":
        return Remark(
            "hashlib hashes the tree: this installation has no kernel of its own",
            "right, but slower: for large logs, install again where there is a C compiler",
        )
    return f"{IMPLEMENTATION} hashes the tree"


# The project's own files


def _look_at_configuration(context: DoctorContext) -> str:
    context.config = load_config(context.config_path)
    return str(context.config.file)


def _look_at_store(context: DoctorContext) -> str:
    context.project = open_project(context.config)
    return f"{context.config.store}, schema {MIGRATION_HEAD}, pinned to this chain and registry"


def _look_at_copies(context: DoctorContext) -> Remark:
    return Remark(*check_second_copy(context.project.database))


def _look_at_lock(context: DoctorContext) -> str | Remark:
    if context.project.database.is_leased():
        return Remark("held by another process", "it is sealing or anchoring: let it finish")
    return "free"


def _look_at_policy(context: DoctorContext) -> str:
    config = context.config
    try:
        with config.trust.open("rb") as file:
            policy = parse_policy(file.read(MAX_POLICY_BYTES + 1))
    except OSError as error:
        raise explain_os_error(
            f"the trust policy {config.trust} cannot be read",
            error,
            is_named=True,
            hint="`anchor verify` in this project needs it",
        ) from error
    ours = trust_entry(config)
    members = ("chain_id", "genesis", "registry", "code_hash", "owner")
    for entry in policy.entries:
        if all(getattr(entry, name) == getattr(ours, name) for name in members) and (
            set(ours.logs) <= set(entry.logs)
        ):
            return f"{config.trust} accepts this log"
    nearest = policy.entries[0]
    odd = [name for name in members if getattr(nearest, name) != getattr(ours, name)]
    raise NotTrustedError(
        f"the trust policy {config.trust} accepts no anchor of this log: "
        f"{', '.join(odd) or 'logs'} differs from the configuration",
        hint="find out which of the two is right before you hand the policy out",
    )


def _look_at_signer(context: DoctorContext) -> str | Remark:
    signer = context.config.signer
    path = find_keyfile(context.config)
    context.key = find_keystore_address(path)
    if signer.password_file is not None:
        _check_private(signer.password_file, "password file")
    if signer.ape_account is None:
        _check_private(path, "keystore")
    elif _is_open_to_others(path):
        # ape creates its keyfiles with this mode; the key in it is encrypted.
        return Remark(f"{path}, which other users can read, as ape left it", f"chmod 600 {path}")
    if context.key is None:
        return Remark(f"{path}, which does not state its address", "run once to see whose it is")
    return f"{path}, key of {format_address(context.key)}"


def _check_private(path: Path, file: str) -> None:
    try:
        is_open = _is_open_to_others(path)
    except OSError as error:
        raise SignerError(f"the {file} {path} cannot be read: {error.strerror}") from error
    if is_open:
        raise SignerError(f"the {file} {path} can be read by other users", hint=f"chmod 600 {path}")


def _is_open_to_others(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


# The chain


def _look_at_node(context: DoctorContext) -> str:
    node = context.open_node(context.config.rpc)
    chain_id = node.fetch_chain_id()
    context.node = node
    return f"{node.name} answers, on chain {chain_id}"


def _look_at_chain(context: DoctorContext) -> str:
    check_chain(context.config, context.node)
    return f"chain {context.config.chain_id}, genesis as pinned"


def _look_at_finality(context: DoctorContext) -> str:
    rule = context.config.finality
    final = context.node.fetch_final_block(rule)
    behind = context.node.fetch_latest().number - final.number
    measure = "`finalized`" if rule == "finalized" else f"{rule} blocks on top"
    return f"by {measure}: block {final.number} is final, {behind} behind the newest"


def _look_at_quorum(context: DoctorContext) -> str | Remark:
    config = context.config
    if not config.witnesses:
        return f"{context.node.name} alone says what is final: chain.witnesses names no other"
    told: list[str] = []
    group = _group(context, told)
    final = group.fetch_final_block(config.finality)
    told += _find_lagging(group)
    text = (
        f"{config.quorum} of {1 + len(config.witnesses)} nodes have to agree, and do so on final "
    )
    text += f"block {final.number}"
    return Remark(text, "; ".join(told))


def _group(context: DoctorContext, told: list[str]) -> NodeGroup:
    """Return the project's nodes as one; its reports are appended to ``told``."""
    config = context.config
    return NodeGroup(
        [context.node, *map(context.open_node, config.witnesses)],
        needed=config.quorum,
        chain_id=config.chain_id,
        genesis=config.genesis,
        report=told.append,
    )


def _find_lagging(group: NodeGroup) -> list[str]:
    """Return a sentence for each node that is far behind the others' newest block."""
    newest = dict(group.ask_each(_read_newest))
    highest = max(newest.values())
    return [
        f"{name} is at block {number}, {highest - number} behind"
        for name, number in newest.items()
        if highest - number > MAX_LAG
    ]


def _read_newest(node: Node) -> tuple[str, int]:
    block = node.fetch_block("latest")
    return node.name, 0 if block is None else block.number


def _look_at_methods(context: DoctorContext) -> Remark:
    return Remark(*describe_offers(context.config, context.node))


def _look_at_clock(context: DoctorContext) -> str | Remark:
    latest = context.node.fetch_latest()
    apart = round(context.wall_time - latest.timestamp)
    when = datetime.fromtimestamp(latest.timestamp, UTC).isoformat().replace("+00:00", "Z")
    text = f"{abs(apart)} s {'after' if apart >= 0 else 'before'} the newest block's time, {when}"
    fault = _find_clock_fault(context, latest)
    if fault is not None and fault.is_certain:
        raise clock_error(fault)
    if fault is not None:
        return Remark(text, f"{fault}: one node says so; set the clock right, or see to the node")
    if abs(apart) <= _CLOCK_TOLERANCE:
        return text
    return Remark(text, "a chain at rest, a node that lags, or this machine's clock: see which")


def _find_clock_fault(context: DoctorContext, latest: Block) -> ClockFault | None:
    if "store" not in context.passed:
        return None
    group = _group(context, [])
    try:
        final = group.fetch_final_block(context.config.finality)
    except CannotCheckError:  # another check reports it
        final = None
    return judge_clock_at(context.project, group, context.wall_time, latest, final)


def _look_at_registry(context: DoctorContext) -> str:
    config = context.config
    code_hash = context.node.fetch_code_hash(config.registry, "latest")
    expected = expected_code_hash(config.chain_id)
    place = format_address(config.registry)
    if code_hash == EMPTY_CODE_HASH:
        raise ChainGuardError(
            f"there is no registry at {place} on chain {config.chain_id}",
            hint="deploy it with `anchor deploy`",
        )
    if not code_hash == expected == config.code_hash:
        raise ChainGuardError(
            f"the code hashes for {place} differ: on chain 0x{code_hash.hex()}, of this release "
            f"0x{expected.hex()}, pinned 0x{config.code_hash.hex()}",
            hint="do not anchor there: use the release the project was created with; if the code "
            "on chain is the odd one, it is not the registry",
        )
    context.is_deployed = True
    return f"code hash 0x{code_hash.hex()}: on chain, of this release and pinned"


def _look_at_address(context: DoctorContext) -> str | Remark:
    registry = context.config.registry
    if registry == registry_address():
        return f"{format_address(registry)}, the standard one"
    return Remark(
        f"{format_address(registry)}, not the standard one ({format_address(registry_address())})",
        "verifiers need a trust policy that names it, and should check the transaction that "
        "deployed it",
    )


def _look_at_proxy(context: DoctorContext) -> str:
    if has_create2_proxy(context.node):
        return f"at {format_address(CREATE2_PROXY)}"
    if context.is_deployed or context.config.registry != registry_address():
        return "not on this chain, and not needed for this registry"
    raise ChainGuardError(
        f"chain {context.config.chain_id} has no CREATE2 proxy at {format_address(CREATE2_PROXY)}",
        hint="`anchor deploy` says what can be done",
    )


def _look_at_record(context: DoctorContext) -> str | Remark:
    config = context.config
    try:
        known = read_record(config)
    except FileNotFoundError:
        return Remark("none yet", "`anchor deploy` writes it")
    if known is None:
        return f"{config.deployment_record}, without a transaction"
    receipt = context.node.fetch_receipt(known.hash)
    if receipt is None:
        return Remark(
            f"{config.deployment_record}, but the node does not know its transaction",
            "nodes may drop old receipts",
        )
    on_chain = (receipt.block_number, receipt.block_hash, receipt.gas_used, receipt.succeeded)
    if on_chain != (known.block_number, known.block_hash, known.gas_used, True):
        raise ChainGuardError(
            f"{config.deployment_record} names transaction 0x{known.hash.hex()}, which is not on "
            "chain as the record says",
            hint="the chain was reorganised, or the file changed: move it away and run `anchor "
            "deploy`, which writes it anew",
        )
    return f"{config.deployment_record}, with its transaction as on chain"


# The log


def _look_at_authority(context: DoctorContext) -> str:
    if context.key is None:
        raise CannotCheckError("whether the key may anchor: its file does not state its address")
    check_sender(context.node, context.key)
    operator_id = check_authority(context.config, context.node, context.key)
    return "the log's owner" if operator_id == 0 else f"the log's operator {operator_id}"


def _look_at_log(context: DoctorContext) -> str:
    check_no_incident(context.project)
    state = read_chain_state(context.project, context.node)
    on_chain = f"{state.head_on_chain.size} leaves" if state.head_on_chain else "nothing"
    sealed = f"{state.newest.size} leaves" if state.newest else "nothing"
    return f"open; on chain {on_chain}, sealed {sealed}"


def _look_at_funds(context: DoctorContext) -> Remark:
    config = context.config
    if context.key is None:
        raise CannotCheckError("the balance: the key's file does not state its address")
    newest = agree_on_block(context.node)
    fees = fetch_fees(context.node, newest, config.fee_cap, legacy=config.legacy_fees)
    balance = context.node.fetch_balance(context.key)
    cost = gas_limit(ANCHOR_GAS) * fees.max_fee
    if balance < cost:
        raise FundsError(
            f"{format_address(context.key)} has {balance / ETHER:.6f} ether, and one anchor may "
            f"take up to {cost / ETHER:.6f} now",
            hint="send ether to that address",
        )
    times = f"{balance // cost:,}" if cost else "any number of"
    text = f"{balance / ETHER:.6f} ether: {times} anchors at today's price"
    return Remark(text, low_funds_warning(context.project, context.node, context.key) or "")


def _look_at_transactions(context: DoctorContext) -> Remark:
    return Remark(*check_transactions(context.project, _group(context, [])))


def _look_at_budget(context: DoctorContext) -> str | Remark:
    config = context.config
    cap = f"up to {format_gwei(config.fee_cap)} gwei a gas"
    if config.budget is not None:
        return f"{cap}, {config.budget / ETHER:g} ether in {BUDGET_DAYS} days"
    if config.chain_id == DEVNET_CHAIN_ID:
        return f"{cap}, without a budget: this is a development chain"
    return Remark(
        f"{cap}, without a budget",
        'set chain.budget_ether = "0.5", or what anchoring may take in 30 days',
    )


CHECKS = (
    Check("kernel", (), _look_at_kernel),
    Check("configuration", (), _look_at_configuration),
    Check("store", ("configuration",), _look_at_store),
    Check("copies", ("store",), _look_at_copies),
    Check("lock", ("store",), _look_at_lock),
    Check("policy", ("configuration",), _look_at_policy),
    Check("signer", ("configuration",), _look_at_signer),
    Check("node", ("configuration",), _look_at_node),
    Check("chain", ("node",), _look_at_chain),
    Check("finality", ("node",), _look_at_finality),
    Check("quorum", ("chain",), _look_at_quorum),
    Check("clock", ("node",), _look_at_clock),
    Check("registry", ("chain",), _look_at_registry),
    Check("methods", ("registry",), _look_at_methods),
    Check("address", ("configuration",), _look_at_address),
    Check("proxy", ("chain",), _look_at_proxy),
    Check("record", ("chain",), _look_at_record),
    Check("authority", ("signer", "registry"), _look_at_authority),
    Check("log", ("store", "registry"), _look_at_log),
    Check("transactions", ("store", "chain"), _look_at_transactions),
    Check("budget", ("configuration",), _look_at_budget),
    Check("funds", ("store", "signer", "chain"), _look_at_funds),
)
