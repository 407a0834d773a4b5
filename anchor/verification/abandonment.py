"""Step 9 for the log: whether its owner stands by the anchor, or has abandoned it.

``succeed`` closes a log and opens its successor with one of the old log's anchored heads.  Anchors
of the old log that are larger than that head are abandoned; those up to it remain valid.  Only
storage decides: ``successors[log]``, and the successor's first anchor.  Events only give hints to
the root of that anchor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from anchor.base.errors import AbandonedError, AnchorError, CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.types import Anchor, Block, Hash32, LogId, log_number, log_owner
from anchor.ethereum.keccak import format_address
from anchor.receipt.format import ReceiptAnchor
from anchor.receipt.state_proof import StateProof, check_successor
from anchor.registry.storage import anchor_slot, decode_anchor, last_head_slot, successor_slot
from anchor.verification.steps import ChainView, Connect, VerificationTarget, check_chain

UNKNOWN = Message("anchor-standing-unknown")
"""What a report leaves open if neither receipt nor nodes show whether the log was closed."""


class ClosedLogError(CannotCheckError):
    """The log was closed by its owner, and the head its successor continues from is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorStanding:
    """The nodes' answer for an anchor that its owner has not abandoned.

    ``is_closed``: a successor continues the log.  A closed log is never reopened, so ``is_closed``
    holds for every later block.
    """

    said: Message
    is_closed: bool


def check_proven_standing(
    proof: StateProof, target: VerificationTarget, stored: Anchor, storage_root: Hash32, number: int
) -> Message | None:
    """Return what the state proof of block ``number`` shows of the anchor's standing.

    The result is None if the proof does not cover the log's successor.

    Raises:
        CannotCheckError: The log was closed, and the proof does not show which head its successor
            continues from.
    """
    if proof.successor is None:
        return None
    succession = check_successor(
        proof.successor, storage_root, registry=target.registry, log=target.log
    )
    if succession is None:
        return Message("anchor-not-abandoned", block=number)
    return _judge(stored, *succession)


def ask_standing(
    target: VerificationTarget, stored: Anchor, connect: Connect
) -> tuple[AnchorStanding | None, Message | None]:
    """Return the anchor's standing as nodes report it, or None and a note on why it is unknown.

    The other steps use a state proof, so a failure of the nodes is not a finding.  That the log was
    closed after the proof is one.
    """
    try:
        view = connect(target)
        check_chain(view, target, "proof")
        final = view.fetch_final_block(target.finality)
        return read_standing(view, target, stored, final), None
    except (AbandonedError, ClosedLogError):
        raise
    except AnchorError as error:
        return None, Message("anchor-standing-unanswered", question=UNKNOWN, reason=error.message)


def read_standing(
    view: ChainView, target: VerificationTarget, stored: Anchor, final: Block
) -> AnchorStanding:
    """Read from the registry, in the final block, whether the owner stands by the anchor."""
    word = view.fetch_storage(target.registry, successor_slot(target.log), final)
    if not any(word):
        return AnchorStanding(
            said=Message("anchor-not-abandoned", block=final.number), is_closed=False
        )
    successor = LogId(word)
    with suppress(CannotCheckError):  # the log is closed even if the nodes answer nothing more
        for root in _list_hints(view, target, stored, final):
            slot = anchor_slot(successor, root)
            first = decode_anchor(view.fetch_storage(target.registry, slot, final))
            if first is not None and first.sequence == 1:
                return AnchorStanding(said=_judge(stored, successor, first.size), is_closed=True)
            if root == target.head.root:
                last = view.fetch_storage(target.registry, last_head_slot(target.log), final)
                if last == root:  # the newest head, and not the one that the successor starts with
                    raise _abandoned_error(successor, Message("takeover-at-earlier-head"))
    raise ClosedLogError(
        Message("log-closed-takeover-unknown"),
        hint=Message("log-closed-audit-hint"),
    )


def _list_hints(
    view: ChainView, target: VerificationTarget, stored: Anchor, final: Block
) -> Iterator[Hash32]:
    """Yield roots the successor may have started with; those that need no request come first."""
    yield target.head.root
    proven = _takeover_of(target.anchor)
    if proven is not None:
        yield proven
    # The newest head, from which a regular successor continues.
    yield view.fetch_storage(target.registry, last_head_slot(target.log), final)
    yield from view.fetch_takeovers(target.registry, target.log, stored.block_number, final)


def _takeover_of(anchor: ReceiptAnchor | None) -> Hash32 | None:
    state = None if anchor is None else anchor.state
    takeover = None if state is None or state.successor is None else state.successor.takeover
    return None if takeover is None else takeover.root


def _judge(stored: Anchor, successor: LogId, size: int) -> Message:
    if stored.size > size:
        raise _abandoned_error(successor, Message("takeover-at-size", size=size))
    return Message("anchor-covered-by-successor", size=size)


def _abandoned_error(successor: LogId, since: Message) -> AbandonedError:
    return AbandonedError(
        Message(
            "anchor-abandoned",
            number=log_number(successor),
            owner=format_address(log_owner(successor)),
            since=since,
        ),
        hint=Message("anchor-abandoned-hint"),
    )
