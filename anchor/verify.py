"""Verification as one numbered list; documentation, messages and tests use its numbers.

1.  Parse the receipt and its record strictly.
2.  Recompute the file's digests; they must equal the record's.
3.  Hash the record into its leaf and fold the path; it must lead to the head's root, and to the
    root of every anchor.
4.  Chain, registry and log must be the ones the trust policy pins.
5.  The node must be on that chain: chain id and genesis block.
6.  The code at the registry's address must have the pinned hash.
7.  The registry's storage must hold the root for that log in a final block.
8.  The stored size, sequence, block number and time must be those the receipt states.
9.  Who submitted it must be an operator the policy accepts.
10. The evidence existed no later than the anchor's block time plus the chain's slack.

The reads of steps 6, 7 and 9 are made at one final block, named by its hash.  ``judge`` runs what
can be run and reports claim by claim; ``verify`` returns what was proven or raises.  Nothing here
does I/O: the chain is a ``ChainView``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from anchor import merkle
from anchor.digest import SHA256, SM3, Digests
from anchor.errors import (
    AnchorError,
    CannotCheckError,
    MismatchError,
    NodeFaultError,
    NotAnchoredError,
    NotFinalError,
    NotTrustedError,
)
from anchor.receipt import Receipt, ReceiptAnchor, parse_receipt
from anchor.record import Record, parse_record
from anchor.registry.artifact import expected_code_hash
from anchor.registry.keccak import format_address
from anchor.registry.slots import anchor_slot, decode_anchor, operator_key_slot
from anchor.trust import FinalityRule, TrustEntry, TrustedOperator, TrustPolicy
from anchor.types import Address, Anchor, ChainId, Hash32, Head, LogId, log_number, log_owner
from anchor.verdict import Claim, ProvenAnchor, Report, Step, Verdict, verdict_of

TITLES = {
    1: "receipt is well formed",
    2: "file matches the record",
    3: "record is in the log",
    4: "registry and log are trusted",
    5: "node is on the right chain",
    6: "registry's code is ours",
    7: "root is anchored and final",
    8: "anchor is as the receipt says",
    9: "submitter is accepted",
    10: "latest time of existence",
}

# One slot on Ethereum: a block's timestamp is its slot's start, set by protocol since the merge.
_DEFAULT_TIME_SLACK = 12


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

    def fetch_latest_block(self) -> Block: ...

    def fetch_final_block(self, rule: FinalityRule) -> Block: ...

    def fetch_code_hash(self, address: Address, block: Block) -> Hash32: ...

    def fetch_storage(self, address: Address, slot: Hash32, block: Block) -> Hash32: ...


Connect = Callable[[ChainId, Sequence[str]], ChainView]
"""Opens a view of a chain, given the policy's RPC URLs (none without a policy)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """One anchor to look up, or (``anchor`` None) a head that may have been anchored since."""

    chain_id: ChainId
    genesis: Hash32 | None
    registry: Address
    code_hash: Hash32
    log: LogId
    head: Head
    anchor: ReceiptAnchor | None
    operators: tuple[TrustedOperator, ...] | None
    time_slack: int
    finality: FinalityRule
    rpc: tuple[str, ...]


def verify(
    receipt: bytes, evidence: Digests, *, policy: TrustPolicy | None, connect: Connect
) -> Report:
    """Return the report of a verification in which every required check was made and passed.

    Raises:
        AnchorError: the gravest finding, with its step's message.
    """
    report = judge(receipt, evidence, policy=policy, connect=connect)
    if report.error is not None:
        raise report.error
    return report


def judge(
    receipt: bytes, evidence: Digests, *, policy: TrustPolicy | None, connect: Connect
) -> Report:
    """Run every step that can be run, and report each claim's verdict with its reason."""
    run = _Run()
    parsed = run.step(1, lambda: _parse(receipt))
    if parsed is None:
        return run.report(record=None, unpinned=())
    document, record = parsed
    run.step(2, lambda: _check_file(evidence, record))
    run.step(3, lambda: _check_paths(document))
    targets = run.step(4, lambda: _choose_targets(document, policy))
    for target in targets or ():
        _judge_target(run, target, connect)
    unpinned = () if policy else _describe_unpinned(document)
    return run.report(record=record, unpinned=unpinned)


def _judge_target(run: _Run, target: _Target, connect: Connect) -> None:
    view = run.step(5, lambda: _check_chain(connect(target.chain_id, target.rpc), target))
    final = view and run.step(6, lambda: _check_code(view, target))
    if view is None or final is None:
        return
    stored = run.step(7, lambda: _check_anchored(view, target, final))
    if stored is None:
        return
    run.step(8, lambda: _check_derived(target, stored))
    submitter = run.step(9, lambda: _check_submitter(view, target, stored, final))
    if submitter is None:
        return
    existed_by = run.step(10, lambda: _latest_time(stored.timestamp + target.time_slack))
    if existed_by is not None:
        run.proven.append(
            ProvenAnchor(
                chain_id=target.chain_id,
                registry=target.registry,
                log=target.log,
                root=target.head.root,
                anchor=stored,
                submitter=submitter,
                final_block_number=final.number,
                final_block_hash=final.hash,
                existed_by=existed_by,
            )
        )


def _parse(data: bytes) -> tuple[tuple[Receipt, Record], str]:
    receipt = parse_receipt(data)
    record = parse_record(receipt.record)
    return (receipt, record), f"log 0x{receipt.log.hex()}, leaf {receipt.index}"


def _check_file(evidence: Digests, record: Record) -> tuple[bool, str]:
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


def _check_paths(receipt: Receipt) -> tuple[bool, str]:
    leaf = merkle.hash_leaf(receipt.record)
    places = [("head", receipt.head, receipt.path)]
    places += [("anchor", anchor.head, anchor.path) for anchor in receipt.anchors]
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


def _choose_targets(
    receipt: Receipt, policy: TrustPolicy | None
) -> tuple[tuple[_Target, ...], str]:
    if policy is None:
        if not receipt.anchors:
            raise NotFinalError(
                "the receipt is the operator's promise: it names no anchor yet",
                hint="ask the operator for an upgraded receipt, or give a trust policy",
            )
        targets = tuple(_unpinned_target(receipt, anchor) for anchor in receipt.anchors)
        return targets, "taken from the receipt: no trust policy was given"
    entries = [entry for entry in policy.entries if _covers_log(entry, receipt.log)]
    if not entries:
        raise NotTrustedError(
            f"log {log_number(receipt.log)} of owner {format_address(log_owner(receipt.log))} is "
            "not one the trust policy pins",
            hint="check whose receipt this is before you pin another log",
        )
    if not receipt.anchors:
        return tuple(_pinned_target(receipt, entry, None) for entry in entries), "as pinned"
    matches = [
        _pinned_target(receipt, entry, anchor)
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
    return tuple(matches), "as pinned"


def _covers_log(entry: TrustEntry, log: LogId) -> bool:
    return entry.owner == log_owner(log) and log_number(log) in entry.logs


def _unpinned_target(receipt: Receipt, anchor: ReceiptAnchor) -> _Target:
    return _Target(
        chain_id=anchor.chain_id,
        genesis=None,
        registry=anchor.registry,
        code_hash=expected_code_hash(anchor.chain_id),
        log=receipt.log,
        head=anchor.head,
        anchor=anchor,
        operators=None,
        time_slack=_DEFAULT_TIME_SLACK,
        finality="finalized",
        rpc=(),
    )


def _pinned_target(receipt: Receipt, entry: TrustEntry, anchor: ReceiptAnchor | None) -> _Target:
    return _Target(
        chain_id=entry.chain_id,
        genesis=entry.genesis,
        registry=entry.registry,
        code_hash=entry.code_hash,
        log=receipt.log,
        head=receipt.head if anchor is None else anchor.head,
        anchor=anchor,
        operators=entry.operators,
        time_slack=entry.time_slack,
        finality=entry.finality,
        rpc=entry.rpc,
    )


def _check_chain(view: ChainView, target: _Target) -> tuple[ChainView, str]:
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


def _check_code(view: ChainView, target: _Target) -> tuple[Block, str]:
    final = view.fetch_final_block(target.finality)
    where = f"{format_address(target.registry)} in final block {final.number}"
    code_hash = view.fetch_code_hash(target.registry, final)
    if code_hash == target.code_hash:
        return final, f"code hash 0x{code_hash.hex()[:16]}… at {where}"
    latest = view.fetch_latest_block()
    if view.fetch_code_hash(target.registry, latest) == target.code_hash:
        raise NotFinalError(
            f"the registry {format_address(target.registry)} is deployed, but not in a final block "
            f"yet (final: {final.number}, latest: {latest.number})"
        )
    raise NotTrustedError(
        f"the code at {where} has hash 0x{code_hash.hex()}, not the pinned "
        f"0x{target.code_hash.hex()}"
    )


def _check_anchored(view: ChainView, target: _Target, final: Block) -> tuple[Anchor, str]:
    slot = anchor_slot(target.log, target.head.root)
    stored = decode_anchor(view.fetch_storage(target.registry, slot, final))
    if stored is not None:
        if stored.block_number > final.number or stored.timestamp > final.timestamp:
            raise NodeFaultError("the node shows an anchor later than the block it was read at")
        return stored, f"read at final block {final.number}, 0x{final.hash.hex()}"
    latest = view.fetch_latest_block()
    pending = decode_anchor(view.fetch_storage(target.registry, slot, latest))
    if pending is not None:
        raise NotFinalError(
            f"included in block {pending.block_number}, which is not final yet "
            f"(final: {final.number})",
            hint="verify again once it is; until then a reorganisation can undo it",
        )
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


def _check_derived(target: _Target, stored: Anchor) -> tuple[bool, str]:
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


def _check_submitter(
    view: ChainView, target: _Target, stored: Anchor, final: Block
) -> tuple[Address, str]:
    operator_id = stored.operator_id
    if target.operators is not None and not any(
        operator.accepts(operator_id=operator_id, block_number=stored.block_number)
        for operator in target.operators
    ):
        raise NotTrustedError(
            f"operator {operator_id} is not accepted by the policy for block {stored.block_number}"
        )
    if operator_id == 0:
        owner = log_owner(target.log)
        return owner, f"the log's owner {format_address(owner)}"
    word = view.fetch_storage(target.registry, operator_key_slot(target.log, operator_id), final)
    if word[:12] != bytes(12) or not any(word):
        raise NodeFaultError(f"the node shows no key for operator {operator_id}")
    return Address(word[12:]), f"operator {operator_id}, key {format_address(Address(word[12:]))}"


def _latest_time(timestamp: int) -> tuple[datetime, str]:
    try:
        time = datetime.fromtimestamp(timestamp, UTC)
    except (OverflowError, ValueError) as error:
        raise NodeFaultError(f"the registry's timestamp {timestamp} is no date") from error
    return time, f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _describe_unpinned(receipt: Receipt) -> tuple[str, ...]:
    taken = [f"the log's owner {format_address(log_owner(receipt.log))}"]
    for anchor in receipt.anchors:
        taken.append(f"chain {anchor.chain_id} and registry {format_address(anchor.registry)}")
    return tuple(taken)


_Value = TypeVar("_Value")

_CLAIMS = (
    ("C1", "the file is unchanged since it was recorded", (1, 2)),
    ("C2", "the record is in the anchored log", (1, 3)),
    ("C3", "the anchor exists on the named chain and is final", (1, 4, 5, 6, 7, 8)),
    ("C4", "the record existed no later than", (1, 3, 4, 5, 6, 7, 8, 10)),
    ("C6", "the anchor was submitted under an accepted key", (1, 4, 5, 6, 7, 9)),
)


class _Run:
    """Collects the steps of one verification."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.proven: list[ProvenAnchor] = []

    def step(self, number: int, check: Callable[[], tuple[_Value, str]]) -> _Value | None:
        """Run one check; keep its error instead of raising, so that other steps still run."""
        try:
            value, detail = check()
        except AnchorError as error:
            self._add(number, error.message, error)
            return None
        self._add(number, detail, None)
        return value

    def _add(self, number: int, detail: str, error: AnchorError | None) -> None:
        self.steps.append(Step(number=number, title=TITLES[number], detail=detail, error=error))

    def report(self, *, record: Record | None, unpinned: tuple[str, ...]) -> Report:
        return Report(
            record=record,
            steps=tuple(self.steps),
            claims=tuple(self._claim(*claim) for claim in _CLAIMS),
            proven=tuple(self.proven),
            unpinned=unpinned,
        )

    def _claim(self, claim_id: str, title: str, needs: tuple[int, ...]) -> Claim:
        mine = [step for step in self.steps if step.number in needs]
        wrong = sorted(
            (step for step in mine if step.error is not None),
            key=lambda step: step.verdict is not Verdict.FAIL,
        )
        missing = set(needs) - {step.number for step in mine}
        if wrong:
            verdict, reason = verdict_of(wrong[0].error), f"step {wrong[0].number}: {wrong[0].detail}"
        elif missing:
            verdict, reason = Verdict.CANNOT_TELL, f"step {min(missing)} could not be made"
        else:
            verdict, reason = Verdict.PASS, mine[-1].detail
        return Claim(id=claim_id, title=title, verdict=verdict, reason=reason)
