"""The single steps of a verification: each returns what it established and a line about it.

``anchor.verify`` numbers them and says in what order they run.  A step raises the error that says
what is wrong; what it could not find out is a ``CannotCheckError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, get_args

from anchor import merkle
from anchor.digest import SHA256, SM3, Digests
from anchor.errors import (
    CannotCheckError,
    MismatchError,
    NodeFaultError,
    NotAnchoredError,
    NotFinalError,
    NotTrustedError,
)
from anchor.receipt import Receipt, ReceiptAnchor, parse_receipt
from anchor.record import Record, parse_record
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.registry.keccak import format_address
from anchor.registry.slots import anchor_slot, decode_anchor, decode_key, operator_key_slot
from anchor.trust import FinalityRule, TrustedOperator, TrustEntry, TrustPolicy
from anchor.types import (
    Address,
    Anchor,
    Assurance,
    ChainId,
    Hash32,
    Head,
    LogId,
    log_number,
    log_owner,
)

# One slot on Ethereum: a block's timestamp is its slot's start, set by protocol since the merge.
_DEFAULT_TIME_SLACK = 12


_WORTH = get_args(Assurance)
_MORE_ASSURANCE = {
    "quorum": "name more nodes with --rpc, and --quorum how many of them have to agree",
    "asserted": "it takes a receipt with a state proof, and a block hash or several nodes",
    "proof": "it takes a receipt with a state proof, and several nodes or a hash in the policy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block, named by its hash; ``timestamp`` in Unix seconds."""

    number: int
    hash: Hash32
    timestamp: int


class ChainView(Protocol):
    """What a verifier reads from one chain.

    Every answer is strictly decoded; a node that does not answer, or not properly, raises
    ``CannotCheckError``.  Reads at one block may be cached: a block hash names one state.
    """

    def fetch_chain_id(self) -> ChainId: ...

    def fetch_genesis(self) -> Hash32: ...

    @property
    def needed(self) -> int:
        """Return how many nodes have to agree."""

    def fetch_latest_storage(
        self, address: Address, slot: Hash32
    ) -> Sequence[tuple[Block, Hash32]]:
        """Return each node's newest block, and the word in it; of ``needed`` nodes at least."""

    def fetch_latest_code_hash(self, address: Address) -> Sequence[tuple[Block, Hash32]]:
        """Return each node's newest block, and the code hash in it."""

    def fetch_final_block(self, rule: FinalityRule) -> Block: ...

    def fetch_block(self, number: int) -> Block:
        """Return the chain's block of a number that is final."""

    def fetch_code_hash(self, address: Address, block: Block) -> Hash32: ...

    def fetch_storage(self, address: Address, slot: Hash32, block: Block) -> Hash32: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One anchor to look up, or (``anchor`` None) a head that may have been anchored since.

    ``other_chains`` are those that the same verification asks for its other targets.
    """

    chain_id: ChainId
    genesis: Hash32 | None
    registry: Address
    code_hash: Hash32
    log: LogId
    head: Head
    anchor: ReceiptAnchor | None
    operators: tuple[TrustedOperator, ...] | None
    time_slack: int | None
    finality: FinalityRule
    rpc: tuple[str, ...]
    quorum: int
    assurance: Assurance
    block_hashes: tuple[Hash32, ...]
    other_chains: frozenset[ChainId] = frozenset()


def parse_documents(data: bytes) -> tuple[tuple[Receipt, Record], str]:
    """Step 1: parse the receipt and its record strictly."""
    receipt = parse_receipt(data)
    record = parse_record(receipt.record)
    return (receipt, record), f"log 0x{receipt.log.hex()}, leaf {receipt.index}"


def check_file(evidence: Digests, record: Record) -> tuple[bool, str]:
    """Step 2: compare the digests of the file, and its size, with the record's."""
    compared: list[str] = []
    for name, ours, theirs in (
        (SHA256, evidence.sha256, record.digests.sha256),
        (SM3, evidence.sm3, record.digests.sm3),
    ):
        if ours is None or theirs is None:
            continue
        if ours != theirs:
            raise MismatchError(
                f"the {name} of the file is {ours.hex()}, the record says {theirs.hex()}",
                hint="the file was changed, or the receipt belongs to another file",
            )
        compared.append(name)
    sizes = (evidence.size, record.digests.size)
    if None not in sizes and sizes[0] != sizes[1]:
        raise MismatchError(f"the file has {sizes[0]} bytes, the record says {sizes[1]}")
    if not compared:
        raise CannotCheckError("the record has none of the digests given, so nothing was compared")
    return True, " and ".join(compared) + " equal"


def check_paths(receipt: Receipt) -> tuple[bool, str]:
    """Step 3: fold the record's leaf up to the root of every anchor, or of the promise."""
    leaf = merkle.hash_leaf(receipt.record)
    places = [("anchor", anchor.head, anchor.path) for anchor in receipt.anchors]
    if receipt.promise is not None:
        places = [("promise", receipt.promise.head, receipt.promise.path)]
    for place, head, path in places:
        try:
            merkle.verify_inclusion(
                leaf=leaf, index=receipt.index, size=head.size, path=path, root=head.root
            )
        except MismatchError as error:
            raise MismatchError(
                f"the record does not lead to the root of the {place} of size {head.size}: "
                f"{error.message}",
                hint="the record, the index, the path or the root was changed",
            ) from error
    return True, f"leaf {leaf.hex()}"


def choose_targets(receipt: Receipt, policy: TrustPolicy | None) -> tuple[tuple[Target, ...], str]:
    """Step 4: return what to look up: the anchors the policy pins, or the promised head.

    Without a policy every anchor is taken as the receipt names it.
    """
    if policy is None:
        if receipt.promise is not None:
            raise NotFinalError(
                "the receipt is the operator's promise: it names no anchor yet",
                hint="ask the operator for an upgraded receipt, or give a trust policy",
            )
        targets = tuple(
            unpinned_target(anchor.chain_id, anchor.registry, receipt.log, anchor.head, anchor)
            for anchor in receipt.anchors
        )
        detail = "not pinned, taken from the receipt; the registry is this release's own"
        return name_other_chains(targets), detail
    entries = pinned_entries(policy, receipt.log)
    if receipt.promise is not None:
        head = receipt.promise.head
        return name_other_chains(
            [pinned_target(entry, receipt.log, head, None) for entry in entries]
        ), "as pinned"
    matches = [
        pinned_target(entry, receipt.log, anchor.head, anchor)
        for anchor in receipt.anchors
        for entry in entries
        if (entry.chain_id, entry.registry) == (anchor.chain_id, anchor.registry)
    ]
    if not matches:
        places = ", ".join(
            f"registry {format_address(anchor.registry)} on chain {anchor.chain_id}"
            for anchor in receipt.anchors
        )
        raise NotTrustedError(f"the receipt is anchored in {places}, which the policy does not pin")
    return name_other_chains(matches), "as pinned"


def name_other_chains(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Return the targets, each with the chains of the others."""
    chains = frozenset(target.chain_id for target in targets)
    return tuple(replace(target, other_chains=chains - {target.chain_id}) for target in targets)


def pinned_entries(policy: TrustPolicy, log: LogId) -> list[TrustEntry]:
    """Return what the policy pins of ``log``.

    Raises:
        NotTrustedError: nothing.
    """
    owner, number = log_owner(log), log_number(log)
    entries = [entry for entry in policy.entries if entry.owner == owner and number in entry.logs]
    if not entries:
        raise NotTrustedError(
            f"log {number} of owner {format_address(owner)} is not one the trust policy pins",
            hint="check whose log this is before you pin another",
        )
    return entries


def unpinned_target(
    chain_id: ChainId, registry: Address, log: LogId, head: Head, anchor: ReceiptAnchor | None
) -> Target:
    """Return what to look up where no policy pins it.

    Raises:
        NotTrustedError: the registry is not this release's own.
    """
    # The code alone proves nothing: a constructor can fill the storage as it likes and then return
    # our code.  The CREATE2 address commits to the constructor, too.
    if registry != registry_address():
        raise NotTrustedError(
            f"registry {format_address(registry)} is not this release's registry, whose "
            "storage could not be filled at deployment",
            hint="if you checked how it was deployed, pin it in a trust policy",
        )
    return Target(
        chain_id=chain_id,
        genesis=None,
        registry=registry,
        code_hash=expected_code_hash(chain_id),
        log=log,
        head=head,
        anchor=anchor,
        operators=None,
        time_slack=_DEFAULT_TIME_SLACK,
        finality="finalized",
        rpc=(),
        quorum=1,
        assurance="rpc",
        block_hashes=(),
    )


def pinned_target(
    entry: TrustEntry, log: LogId, head: Head, anchor: ReceiptAnchor | None
) -> Target:
    """Return what to look up as the policy's ``entry`` pins it."""
    return Target(
        chain_id=entry.chain_id,
        genesis=entry.genesis,
        registry=entry.registry,
        code_hash=entry.code_hash,
        log=log,
        head=head,
        anchor=anchor,
        operators=entry.operators,
        time_slack=entry.time_slack,
        finality=entry.finality,
        rpc=entry.rpc,
        quorum=entry.quorum,
        assurance=entry.assurance,
        block_hashes=entry.block_hashes,
    )


def word_of(view: ChainView) -> Assurance:
    """Return what the view's answers amount to."""
    return "rpc" if view.needed == 1 else "quorum"


def check_chain(
    view: ChainView, target: Target, assurance: Assurance | None = None
) -> tuple[ChainView, str]:
    """Step 5: compare the node's chain id, and its genesis block where that is pinned.

    ``assurance`` is what this amounts to, where it is not the nodes' word alone.

    Raises:
        CannotCheckError: it is less than the policy asks for.
    """
    reached = assurance or word_of(view)
    if _WORTH.index(reached) < _WORTH.index(target.assurance):
        raise CannotCheckError(
            f"the policy asks for the assurance {target.assurance!r}, and this is {reached!r}",
            hint=_MORE_ASSURANCE[target.assurance],
        )
    if view.needed > 1:
        view.fetch_final_block(target.finality)  # leaves out nodes of other chains, and names them
    chain_id = view.fetch_chain_id()
    if chain_id != target.chain_id:
        raise NotTrustedError(
            f"the node is on chain {chain_id}, not on chain {target.chain_id}",
            hint="point --rpc at a node of the right chain",
        )
    if target.genesis is None:
        return view, f"chain {chain_id}; its genesis block is not pinned"
    genesis = view.fetch_genesis()
    if genesis != target.genesis:
        raise NotTrustedError(
            f"the node's genesis block is 0x{genesis.hex()}, the policy pins "
            f"0x{target.genesis.hex()}: another chain with the same chain id"
        )
    return view, f"chain {chain_id}, genesis 0x{genesis.hex()[:16]}…"


def check_code(view: ChainView, target: Target) -> tuple[Block, str]:
    """Step 6: compare the registry's code hash in the newest final block; return that block."""
    final = view.fetch_final_block(target.finality)
    where = f"{format_address(target.registry)} in final block {final.number}"
    code_hash = view.fetch_code_hash(target.registry, final)
    if code_hash == target.code_hash:
        return final, f"code hash 0x{code_hash.hex()[:16]}… at {where}"
    answers = view.fetch_latest_code_hash(target.registry)
    _check_reached(view, target, [latest for latest, _ in answers])
    for latest, newest in answers:
        if newest == target.code_hash:
            raise NotFinalError(
                f"the registry {format_address(target.registry)} is deployed, but not in a final "
                f"block yet (final: {final.number}, latest: {latest.number})"
            )
    raise NotTrustedError(
        f"the code at {where} has hash 0x{code_hash.hex()}, not the pinned "
        f"0x{target.code_hash.hex()}"
    )


def read_anchor(view: ChainView, target: Target, final: Block) -> Anchor | None:
    """Read the root's anchor from the registry's storage in the final block; None if it has none.

    Raises:
        NotFinalError: it is there, but only in a later block.
    """
    slot = anchor_slot(target.log, target.head.root)
    stored = decode_anchor(view.fetch_storage(target.registry, slot, final))
    if stored is not None:
        # Not the number: on some rollups the registry's block.number is the parent chain's.
        if stored.timestamp > final.timestamp:
            raise NodeFaultError("the node shows an anchor later than the block it was read at")
        return stored
    answers = view.fetch_latest_storage(target.registry, slot)
    _check_reached(view, target, [latest for latest, _ in answers])
    for _, word in answers:
        pending = decode_anchor(word)
        if pending is not None:
            raise NotFinalError(
                f"included in block {pending.block_number}, which is not final yet "
                f"(final: {final.number})",
                hint="verify again once it is; until then a reorganisation can undo it",
            )
    return None


def check_anchored(view: ChainView, target: Target, final: Block) -> tuple[Anchor, str]:
    """Step 7: read the root's anchor from the registry's storage in the final block."""
    stored = read_anchor(view, target, final)
    if stored is not None:
        return stored, f"read at final block {final.number}, 0x{final.hash.hex()}"
    if target.anchor is None:
        raise NotFinalError(
            f"the receipt is the operator's promise: the registry does not hold its head of size "
            f"{target.head.size}",
            hint="ask for an upgraded receipt: `anchor upgrade`",
        )
    raise NotAnchoredError(
        f"the registry {format_address(target.registry)} does not hold root "
        f"{target.head.root.hex()} for log 0x{target.log.hex()}"
    )


def _check_reached(view: ChainView, target: Target, latest: Sequence[Block]) -> None:
    """See that as many nodes as have to agree know the block that the receipt names.

    Raises:
        CannotCheckError: fewer do, so that what they lack may be in it.
    """
    if target.anchor is None:
        return
    # By the time first: the registry's numbers may be the parent chain's.
    anchored = (target.anchor.timestamp, target.anchor.block_number)
    if sum((block.timestamp, block.number) >= anchored for block in latest) < view.needed:
        newest = max(latest, key=lambda block: block.number)
        raise CannotCheckError(
            f"the node has reached block {newest.number} of time {newest.timestamp}, the "
            f"receipt's anchor is in block {anchored[1]} of time {anchored[0]}",
            hint="wait until the node is in step with its chain, or ask another",
        )


def check_derived(target: Target, stored: Anchor) -> tuple[bool, str]:
    """Step 8: compare what the receipt states about the anchor with what is stored."""
    pairs = [("size", target.head.size, stored.size)]
    if target.anchor is not None:
        pairs += [
            ("sequence", target.anchor.sequence, stored.sequence),
            ("block_number", target.anchor.block_number, stored.block_number),
            ("timestamp", target.anchor.timestamp, stored.timestamp),
        ]
    for member, stated, found in pairs:
        if stated != found:
            raise MismatchError(
                f"the receipt says {member} {stated}, the registry says {found}",
                hint="the receipt was altered, or written before a reorganisation: upgrade it",
            )
    return True, f"size {stored.size}, anchor {stored.sequence}, block {stored.block_number}"


def check_submitter(
    view: ChainView, target: Target, stored: Anchor, final: Block
) -> tuple[Address, str]:
    """Step 9: return the address behind the anchor's operator id, if the policy accepts it."""
    check_operator(target, stored)
    by = stored.operator_id
    key = log_owner(target.log) if by == 0 else read_operator_key(view, target, by, final)
    return key, describe_submitter(by, key)


def describe_submitter(operator_id: int, key: Address) -> str:
    """Return a line about who anchored; 0 is the log's owner."""
    who = f"operator {operator_id}, key" if operator_id else "the log's owner"
    return f"{who} {format_address(key)}"


def read_operator_key(view: ChainView, target: Target, operator_id: int, final: Block) -> Address:
    """Read the address behind an operator id, which the registry never changes.

    Raises:
        NodeFaultError: there is none, though the registry anchored for it.
    """
    slot = operator_key_slot(target.log, operator_id)
    key = decode_key(view.fetch_storage(target.registry, slot, final))
    if key is None:
        raise NodeFaultError(f"the node shows no key for operator {operator_id}")
    return key


def check_operator(target: Target, stored: Anchor) -> None:
    """See that the policy accepts the operator for the anchor's block.

    Raises:
        NotTrustedError: it does not.
    """
    if target.operators is None:
        return
    by = stored.operator_id
    if not any(
        operator.accepts(operator_id=by, block_number=stored.block_number)
        for operator in target.operators
    ):
        raise NotTrustedError(
            f"operator {by} is not accepted by the policy for block {stored.block_number}"
        )


def latest_time(timestamp: int, slack: int | None) -> tuple[datetime, str]:
    """Step 10: return the time by which the record existed, from the block's in Unix seconds.

    ``slack``: how many seconds that may be off.
    """
    slack = _DEFAULT_TIME_SLACK if slack is None else slack
    try:
        time = datetime.fromtimestamp(timestamp + slack, UTC)
    except (OverflowError, ValueError) as error:
        raise NodeFaultError(f"the registry's timestamp {timestamp} is no date") from error
    return time, f"{time:%Y-%m-%d %H:%M:%S} UTC: the block's time, and {slack} s it may be off"
