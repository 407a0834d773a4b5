"""A log in the registry's state: operators, predecessor, successor, and the owner's other logs.

Everything is read from storage in one final block, from slots that are computed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from anchor.base.errors import AbandonedError, CannotCheckError, NotTrustedError
from anchor.base.messages.message import Message, join
from anchor.base.types import Anchor, Block, Hash32, Head, LogId, log_number, log_owner, make_log_id
from anchor.ethereum.keccak import format_address
from anchor.registry.storage import (
    CLOSED_HEAD,
    anchor_slot,
    decode_anchor,
    head_slot,
    last_head_slot,
    predecessor_slot,
    successor_slot,
)
from anchor.verification.steps import (
    ChainView,
    VerificationTarget,
    format_submitter,
    read_operator_key,
)

_EMPTY = bytes(32)
# Log numbers checked beyond the highest that a policy lists: owners number their logs upwards.
_FURTHER_LOGS = 64
# Each number takes one read from every node.
_MAX_LOGS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLinks:
    """The newest root the registry holds for a log, and the log's predecessor and successor.

    ``root`` is None if nothing was ever anchored; a log with a successor is closed.
    """

    root: Hash32 | None
    successor: LogId | None
    predecessor: LogId | None


def read_links(view: ChainView, target: VerificationTarget, final: Block) -> LogLinks:
    """Read the log's newest root, its predecessor and its successor."""

    def read(slot: Hash32) -> Hash32 | None:
        word = view.fetch_storage(target.registry, slot, final)
        return None if word == _EMPTY else word

    root = read(head_slot(target.log))
    if root == CLOSED_HEAD:
        root = read(last_head_slot(target.log))
    successor = read(successor_slot(target.log))
    predecessor = read(predecessor_slot(target.log))
    return LogLinks(
        root=root,
        successor=None if successor is None else LogId(successor),
        predecessor=None if predecessor is None else LogId(predecessor),
    )


def format_operators(
    view: ChainView, target: VerificationTarget, final: Block, anchors: Sequence[Anchor]
) -> Message:
    """Return how many anchors each operator sent, with its key in the registry."""
    parts = []
    for operator_id, count in sorted(Counter(each.operator_id for each in anchors).items()):
        if operator_id == 0:
            who = Message("submitter-owner", address=format_address(log_owner(target.log)))
        else:
            key = read_operator_key(view, target, operator_id, final)
            who = format_submitter(operator_id, key)
        parts.append(Message("anchors-by-submitter", count=count, submitter=who))
    return join(parts, "semicolon")


def format_links(
    view: ChainView,
    target: VerificationTarget,
    final: Block,
    links: LogLinks,
    heads: Sequence[Head],
) -> tuple[Message, AbandonedError | None]:
    """Return a line about the log's predecessor and successor.

    ``heads`` are the log's anchored heads, oldest first.  If the owner abandoned the newest head,
    the error is returned as well.
    """
    abandoned: AbandonedError | None = None
    parts = []
    if links.predecessor is not None:
        parts.append(Message("log-continues-predecessor", predecessor=_name(links.predecessor)))
    if links.successor is None:
        parts.append(Message("log-open"))
    else:
        parts.append(Message("log-closed-by-successor", successor=_name(links.successor)))
        taken = _find_taken_over(view, replace(target, log=links.successor), final, heads)
        if taken is not None:
            parts.append(Message("takeover-from-leaves", size=heads[taken].size))
            if taken + 1 < len(heads):
                first, last, size = taken + 2, len(heads), heads[-1].size
                parts.append(Message("anchors-abandoned", first=first, last=last, size=size))
                abandoned = AbandonedError(
                    Message(
                        "log-part-abandoned",
                        first=first,
                        last=last,
                        size=size,
                        successor=_name(links.successor),
                    ),
                    hint=Message("log-part-abandoned-hint"),
                )
    return join(parts, "clause"), abandoned


def check_other_logs(
    view: ChainView, target: VerificationTarget, final: Block, logs: Sequence[int]
) -> Message:
    """Check that the registry holds no heads of the owner's logs other than ``logs``.

    Log numbers go up to 2^96, so that not all can be read; the result states which were.

    Raises:
        NotTrustedError: Another log of the owner has a head.
        CannotCheckError: Too many numbers would have to be read.
    """
    owner, count = log_owner(target.log), max(logs) + 1 + _FURTHER_LOGS
    if count > _MAX_LOGS:
        raise CannotCheckError(
            Message("policy-too-many-logs", highest=max(logs), limit=_MAX_LOGS),
            hint=Message("policy-too-many-logs-hint"),
        )
    for number in sorted(set(range(count)) - set(logs)):
        slot = head_slot(make_log_id(owner, number))
        if view.fetch_storage(target.registry, slot, final) != _EMPTY:
            raise NotTrustedError(
                Message("log-owner-keeps-other", log=_name(make_log_id(owner, number))),
                hint=Message("log-owner-keeps-other-hint"),
            )
    return Message("log-owner-keeps-no-other", last=count - 1)


def _find_taken_over(
    view: ChainView, successor: VerificationTarget, final: Block, heads: Sequence[Head]
) -> int | None:
    """Return the index in ``heads`` of the head that the successor starts with."""
    for index in reversed(range(len(heads))):
        anchor = read_stored(view, successor, final, heads[index].root)
        if anchor is not None and anchor.sequence == 1:
            return index
    return None


def read_stored(
    view: ChainView, target: VerificationTarget, final: Block, root: Hash32
) -> Anchor | None:
    """Return the registry's anchor of ``root`` in the final block; later blocks are not read."""
    return decode_anchor(view.fetch_storage(target.registry, anchor_slot(target.log, root), final))


def _name(log: LogId) -> Message:
    return Message("log-of-owner", number=log_number(log), owner=format_address(log_owner(log)))
