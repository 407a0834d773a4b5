"""The individual steps of a verification: each returns its result and a line about it.

``anchor.verification.verifier`` numbers and orders them.  A failed step raises the error that
describes the failure; a step that could not be decided raises ``CannotCheckError``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, get_args

from anchor.base.digests import SHA256, SM3, Digests
from anchor.base.errors import (
    CannotCheckError,
    MismatchError,
    NodeFaultError,
    NotAnchoredError,
    NotFinalError,
    NotTrustedError,
)
from anchor.base.messages.message import Message, join
from anchor.base.types import (
    Address,
    Anchor,
    Assurance,
    Block,
    ChainId,
    Hash32,
    Head,
    LogId,
    log_number,
    log_owner,
)
from anchor.base.units import format_moment
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import find_chain, proves_time
from anchor.evidence.record import Record, parse_record
from anchor.log import merkle
from anchor.receipt.format import Receipt, ReceiptAnchor, parse_receipt
from anchor.registry.storage import anchor_slot, decode_anchor, decode_key, operator_key_slot
from anchor.verification.policy import FinalityRule, TrustedOperator, finality_depth

_WORTH = get_args(Assurance)
_MORE_ASSURANCE = {
    "quorum": Message("assurance-quorum-hint"),
    "asserted": Message("assurance-asserted-hint"),
    "proof": Message("assurance-proof-hint"),
}


Connect = Callable[["VerificationTarget"], "ChainView"]
"""A function that opens a view of a target's chain through the nodes to ask."""


class ChainView(Protocol):
    """A verifier's read access to one chain.

    Every answer is strictly decoded; a missing or malformed answer of a node raises
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
        """Return each node's newest block and the word in it, from at least ``needed`` nodes."""

    def fetch_latest_code_hash(self, address: Address) -> Sequence[tuple[Block, Hash32]]:
        """Return each node's newest block, and the code hash in it."""

    def fetch_final_block(self, rule: FinalityRule) -> Block: ...

    def fetch_block(self, number: int) -> Block:
        """Return the chain's block with this number, which must be final."""

    def fetch_code_hash(self, address: Address, block: Block) -> Hash32: ...

    def fetch_storage(self, address: Address, slot: Hash32, block: Block) -> Hash32: ...

    def fetch_takeovers(
        self, registry: Address, log: LogId, since: int, final: Block
    ) -> Sequence[Hash32]:
        """Return roots that events name as the start of the closed ``log``'s successor, as hints.

        ``since`` is a block in the registry's own numbering.  Empty if the nodes keep no events.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationTarget:
    """One anchor to look up, or (``anchor`` None) a head that may have been anchored since.

    ``genesis`` is the hash that the policy pins or this release lists; None if neither does.
    ``time_slack`` is the policy's; None uses the release's rule for the chain.  ``other_chains``
    are the chains of the other targets of the same verification.
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
    recorded_at_tolerance: int
    other_chains: frozenset[ChainId] = frozenset()

    @property
    def final_after(self) -> int | None:
        """Return after how many blocks a block counts as final; None: as the nodes say."""
        return finality_depth(self.finality)


def parse_documents(document: bytes | Receipt) -> tuple[tuple[Receipt, Record], Message]:
    """Step 1: parse the receipt, unless it is parsed already, and its record strictly."""
    receipt = document if isinstance(document, Receipt) else parse_receipt(document)
    record = parse_record(receipt.record)
    return (receipt, record), Message(
        "receipt-log-and-leaf", log=receipt.log.hex(), index=receipt.index
    )


def check_file(evidence: Digests, record: Record) -> tuple[bool, Message]:
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
                Message(
                    "file-digest-differs", algorithm=name, actual=ours.hex(), expected=theirs.hex()
                ),
                hint=Message("file-digest-differs-hint"),
                expected=theirs,
                actual=ours,
            )
        compared.append(name)
    sizes = (evidence.size, record.digests.size)
    if None not in sizes and sizes[0] != sizes[1]:
        raise MismatchError(
            Message("file-size-differs", size=sizes[0], expected=sizes[1]),
            expected=sizes[1],
            actual=sizes[0],
        )
    if not compared:
        raise CannotCheckError(Message("record-digests-not-compared"))
    return True, Message("file-digests-equal", algorithms=join(compared, "and"))


def check_paths(receipt: Receipt, record: Record) -> tuple[bool, Message]:
    """Step 3: fold the record's leaf up to the root of every anchor, or of the promise."""
    leaf = merkle.hash_leaf(receipt.record)
    places = [(Message("path-of-anchor"), anchor.head, anchor.path) for anchor in receipt.anchors]
    if receipt.promise is not None:
        places = [(Message("path-of-promise"), receipt.promise.head, receipt.promise.path)]
    for place, head, path in places:
        try:
            merkle.verify_inclusion(
                leaf=leaf, index=receipt.index, size=head.size, path=path, root=head.root
            )
        except MismatchError as error:
            raise MismatchError(
                Message("record-path-invalid", place=place, size=head.size, reason=error),
                hint=Message("record-path-invalid-hint"),
                expected=error.expected,
                actual=error.actual,
            ) from error
    sizes = join(str(size) for size in dict.fromkeys(head.size for _, head, _ in places))
    detail = Message("record-in-log", index=receipt.index, sizes=sizes, leaf=leaf.hex())
    return True, _compare_log(record, receipt.log, detail)


def _compare_log(record: Record, log: LogId, detail: Message) -> Message:
    """Compare the log that the record names, if any, with ``log``; return the step's line.

    The two may differ in the number only: a successor has the same owner and another number.
    """
    if record.log is None:
        return detail
    if log_owner(record.log) != log_owner(log):
        raise MismatchError(
            Message(
                "record-log-of-other-owner",
                named=format_address(log_owner(record.log)),
                owner=format_address(log_owner(log)),
            ),
            hint=Message("record-log-of-other-owner-hint"),
            expected=log_owner(record.log),
            actual=log_owner(log),
        )
    if record.log != log:
        return Message(
            "record-in-successor",
            detail=detail,
            named=log_number(record.log),
            number=log_number(log),
        )
    return detail


def assurance_of(view: ChainView) -> Assurance:
    """Return the assurance of the view's answers: one node's word, or a quorum's."""
    return "rpc" if view.needed == 1 else "quorum"


def check_chain(
    view: ChainView, target: VerificationTarget, assurance: Assurance | None = None
) -> tuple[ChainView, Message]:
    """Step 5: check the node's chain id, and its genesis block if that is pinned.

    ``assurance`` is that of a verification by state proof; None uses that of the nodes.

    Raises:
        CannotCheckError: The assurance is lower than the policy requires.
    """
    reached = assurance or assurance_of(view)
    if _WORTH.index(reached) < _WORTH.index(target.assurance):
        raise CannotCheckError(
            Message("policy-assurance-not-reached", required=target.assurance, reached=reached),
            hint=_MORE_ASSURANCE[target.assurance],
        )
    if view.needed > 1:
        view.fetch_final_block(target.finality)  # excludes nodes on other chains, and reports them
    chain_id = view.fetch_chain_id()
    if chain_id != target.chain_id:
        raise NotTrustedError(
            Message("chain-number-differs", actual=chain_id, expected=target.chain_id),
            hint=Message("node-of-right-chain-hint"),
            chain_id=target.chain_id,
            expected=target.chain_id,
            actual=chain_id,
        )
    if target.genesis is None:
        return view, Message("chain-genesis-not-pinned", chain=chain_id)
    genesis = view.fetch_genesis()
    if genesis != target.genesis:
        raise NotTrustedError(
            Message(
                "chain-genesis-differs",
                actual=genesis.hex(),
                chain=chain_id,
                expected=target.genesis.hex(),
            ),
            chain_id=chain_id,
            expected=target.genesis,
            actual=genesis,
        )
    return view, Message("chain-with-genesis", chain=chain_id, genesis=genesis.hex()[:16])


def check_code(view: ChainView, target: VerificationTarget) -> tuple[Block, Message]:
    """Step 6: check the registry's code hash in the newest final block; return that block."""
    final = view.fetch_final_block(target.finality)
    registry = format_address(target.registry)
    where = (
        Message("registry-in-final-block", registry=registry, block=final.number)
        if target.final_after is None
        else Message("registry-in-block", registry=registry, block=final.number)
    )
    code_hash = view.fetch_code_hash(target.registry, final)
    if code_hash == target.code_hash:
        return final, Message("registry-code-read", hash=code_hash.hex()[:16], place=where)
    answers = view.fetch_latest_code_hash(target.registry)
    _check_reached(view, target, [latest for latest, _ in answers])
    for latest, newest in answers:
        if newest == target.code_hash:
            raise NotFinalError(
                Message(
                    "registry-not-final-yet",
                    registry=format_address(target.registry),
                    final=final.number,
                    latest=latest.number,
                ),
                chain_id=target.chain_id,
                final_number=final.number,
            )
    raise NotTrustedError(
        Message(
            "registry-code-not-pinned",
            place=where,
            actual=code_hash.hex(),
            expected=target.code_hash.hex(),
        ),
        chain_id=target.chain_id,
        expected=target.code_hash,
        actual=code_hash,
    )


def read_anchor(view: ChainView, target: VerificationTarget, final: Block) -> Anchor | None:
    """Read the root's anchor from the registry's storage in the final block; None if absent.

    Raises:
        NotFinalError: The anchor exists, but only in a later block.
    """
    slot = anchor_slot(target.log, target.head.root)
    stored = decode_anchor(view.fetch_storage(target.registry, slot, final))
    if stored is not None:
        # Not the number: on some rollups the registry's block.number is the parent chain's.
        if stored.timestamp > final.timestamp:
            raise NodeFaultError(Message("node-anchor-later-than-block"))
        return stored
    answers = view.fetch_latest_storage(target.registry, slot)
    _check_reached(view, target, [latest for latest, _ in answers])
    for _, word in answers:
        pending = decode_anchor(word)
        if pending is not None:
            raise NotFinalError(
                Message(
                    "anchor-included-not-final", block=pending.block_number, final=final.number
                ),
                hint=Message("anchor-included-not-final-hint"),
                chain_id=target.chain_id,
                block_number=pending.block_number,
                final_number=final.number,
            )
    return None


def check_anchored(
    view: ChainView, target: VerificationTarget, final: Block
) -> tuple[Anchor, Message]:
    """Step 7: read the root's anchor from the registry's storage in the final block."""
    stored = read_anchor(view, target, final)
    if stored is not None and target.final_after is not None:
        finality = Message("finality-by-depth", count=target.final_after)
        return stored, Message(
            "anchor-read-in-treated-block",
            block=final.number,
            hash=final.hash.hex(),
            finality=finality,
        )
    if stored is not None:
        return stored, Message("anchor-read-in-block", block=final.number, hash=final.hash.hex())
    if target.anchor is None:
        raise NotFinalError(
            Message("receipt-promise-not-anchored", size=target.head.size),
            hint=Message("receipt-upgrade-hint"),
            chain_id=target.chain_id,
            final_number=final.number,
        )
    raise NotAnchoredError(
        Message(
            "registry-lacks-root",
            registry=format_address(target.registry),
            root=target.head.root.hex(),
            log=target.log.hex(),
        ),
        chain_id=target.chain_id,
        root=target.head.root,
        block_number=final.number,
    )


def _check_reached(view: ChainView, target: VerificationTarget, latest: Sequence[Block]) -> None:
    """Check that enough nodes have reached the block that the receipt names.

    Raises:
        CannotCheckError: Fewer nodes have reached it; the anchor may be in a block they lack.
    """
    if target.anchor is None:
        return
    # Compare the time first: the registry's numbers may be the parent chain's.
    anchored = (target.anchor.timestamp, target.anchor.block_number)
    if sum((block.timestamp, block.number) >= anchored for block in latest) < view.needed:
        newest = max(latest, key=lambda block: block.number)
        raise CannotCheckError(
            Message(
                "node-behind-anchor",
                block=newest.number,
                time=newest.timestamp,
                anchor_block=anchored[1],
                anchor_time=anchored[0],
            ),
            hint=Message("node-behind-anchor-hint"),
        )


def check_derived(target: VerificationTarget, stored: Anchor) -> tuple[bool, Message]:
    """Step 8: compare what the receipt states about the anchor with what is stored."""
    pairs = [("size", target.head.size, stored.size)]
    if target.anchor is not None:
        pairs += [
            ("sequence", target.anchor.sequence, stored.sequence),
            ("block_number", target.anchor.block_number, stored.block_number),
            ("timestamp", target.anchor.timestamp, stored.timestamp),
        ]
    for member, stated, stored_value in pairs:
        if stated != stored_value:
            raise MismatchError(
                Message(
                    "receipt-differs-from-registry",
                    member=member,
                    stated=stated,
                    actual=stored_value,
                ),
                hint=Message("receipt-differs-from-registry-hint"),
                expected=stored_value,
                actual=stated,
            )
    return True, Message(
        "anchor-as-stated", size=stored.size, sequence=stored.sequence, block=stored.block_number
    )


def check_submitter(
    view: ChainView, target: VerificationTarget, stored: Anchor, final: Block
) -> tuple[Address, Message]:
    """Step 9: return the address registered for the anchor's operator id, if accepted."""
    check_operator(target, stored)
    by = stored.operator_id
    key = log_owner(target.log) if by == 0 else read_operator_key(view, target, by, final)
    return key, format_submitter(by, key)


def format_submitter(operator_id: int, key: Address) -> Message:
    """Return a phrase that names the submitter; operator id 0 is the log's owner."""
    if operator_id == 0:
        return Message("log-owner-address", address=format_address(key))
    return Message("submitter-operator", operator=operator_id, key=format_address(key))


def read_operator_key(
    view: ChainView, target: VerificationTarget, operator_id: int, final: Block
) -> Address:
    """Read the address registered for an operator id, which the registry never changes.

    Raises:
        NodeFaultError: The address is missing, though the registry anchored for this operator.
    """
    slot = operator_key_slot(target.log, operator_id)
    key = decode_key(view.fetch_storage(target.registry, slot, final))
    if key is None:
        raise NodeFaultError(Message("operator-key-missing", operator=operator_id))
    return key


def check_operator(target: VerificationTarget, stored: Anchor) -> None:
    """Check that the policy accepts the operator for the anchor's block."""
    if target.operators is None:
        return
    by = stored.operator_id
    if not any(
        operator.accepts(operator_id=by, block_number=stored.block_number)
        for operator in target.operators
    ):
        raise NotTrustedError(
            Message("operator-not-accepted", operator=by, block=stored.block_number)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBound:
    """The time by which the record existed, and its distance in seconds from the record's own time.

    ``seconds_since_recorded`` is negative if the record states a later time.
    """

    existed_by: datetime
    seconds_since_recorded: int


def check_time(
    target: VerificationTarget, stored: Anchor, record: Record
) -> tuple[TimeBound, Message]:
    """Step 10: return the time by which the record existed, and compare the record's own time.

    Raises:
        CannotCheckError: The possible error of the block's time is unknown, or the record states a
            time later than the one by which it is proven to have existed.
    """
    slack, basis = find_time_slack(target)
    detail = add_rule(Message("time-with-slack", basis=basis, slack=slack), target, slack)
    try:
        bound = datetime.fromtimestamp(stored.timestamp + slack, UTC)
    except (OverflowError, ValueError) as error:
        raise NodeFaultError(
            Message("registry-time-no-date", timestamp=stored.timestamp)
        ) from error
    since = (bound - record.recorded_at.replace(microsecond=0)) // timedelta(seconds=1)
    if -since > target.recorded_at_tolerance:
        raise CannotCheckError(
            Message("record-later-than-anchor", seconds=-since, time=format_moment(bound)),
            hint=Message("record-later-than-anchor-hint"),
        )
    distance = (
        Message("record-time-before", seconds=since)
        if since >= 0
        else Message("record-time-after", seconds=-since)
    )
    text = Message("record-existed-by", time=format_moment(bound), detail=detail, distance=distance)
    return (
        TimeBound(existed_by=bound, seconds_since_recorded=since),
        limit_time(text, target.chain_id),
    )


def limit_time(detail: Message, chain_id: ChainId) -> Message:
    """Return a phrase about a time, which says so if the chain proves no real time."""
    if proves_time(find_chain(chain_id).kind):
        return detail
    return Message("time-of-chain-alone", detail=detail)


def find_time_slack(target: VerificationTarget) -> tuple[int, Message]:
    """Return the possible error of a block's time in seconds, and who sets that time."""
    chain = find_chain(target.chain_id)
    slack = chain.time_slack if target.time_slack is None else target.time_slack
    if slack is None:
        raise CannotCheckError(
            Message("chain-time-slack-unknown", chain=chain.id),
            hint=Message("chain-time-slack-unknown-hint"),
        )
    return slack, Message("time-of-sequencer") if chain.is_sequenced else Message("time-of-block")


def add_rule(detail: Message, target: VerificationTarget, slack: int) -> Message:
    """Return a phrase about a time, with the chain's own rule if the policy has a smaller slack."""
    rule = find_chain(target.chain_id).time_slack
    if rule is None or slack >= rule:
        return detail
    return Message("time-slack-by-policy", detail=detail, rule=rule)
