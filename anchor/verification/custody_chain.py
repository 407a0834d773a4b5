"""The chain of custody events of a record: linked without a gap, with digests that meet.

Pure.  That no event follows the last one given is never proven: the log's operator may have more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anchor.base.errors import CannotCheckError, MismatchError
from anchor.base.messages.message import Message
from anchor.evidence.custody_event import CustodyEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyLink:
    """An event and the SHA-256 of its record; ``index`` is its leaf, None if it is not sealed."""

    record: bytes
    event: CustodyEvent
    index: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodySubject:
    """The record that events are about: its SHA-256, its leaf, and the evidence's SHA-256."""

    record: bytes
    index: int | None
    digest: bytes | None


def check_chain(subject: CustodySubject, links: Sequence[CustodyLink]) -> list[CustodyLink]:
    """Return the events in their order, the first one first.

    Raises:
        MismatchError: An event is about another record, two follow the same one, they are not in
            the order of the log, or a digest does not meet the one before.
        CannotCheckError: An event names a previous one that was not given.
    """
    chain = order_chain(subject, links)
    _check_order(subject, chain)
    check_digests(subject, chain)
    return chain


def order_chain(subject: CustodySubject, links: Sequence[CustodyLink]) -> list[CustodyLink]:
    """Return the events in their order, whatever their digests and places in the log.

    Raises:
        MismatchError: An event is about another record, or two follow the same one.
        CannotCheckError: An event names a previous one that was not given.
    """
    following: dict[str | None, CustodyLink] = {}
    for link in {link.record: link for link in links}.values():
        if link.event.subject != subject.record.hex():
            raise MismatchError(
                Message("custody-event-of-other-record", event=link.record.hex()),
                expected=subject.record,
                actual=bytes.fromhex(link.event.subject),
            )
        previous = link.event.previous_event
        if previous in following:
            others = following[previous].record.hex(), link.record.hex()
            raise MismatchError(Message("custody-chain-forks", first=others[0], second=others[1]))
        following[previous] = link
    chain = _walk(following)
    if len(chain) < len(following):
        reached = {link.record for link in chain}
        rest = next(link for link in following.values() if link.record not in reached)
        raise CannotCheckError(
            Message(
                "custody-chain-gap",
                event=rest.record.hex(),
                missing=_find_missing(rest, following, reached),
            ),
            hint=Message("custody-chain-gap-hint"),
        )
    return chain


def _walk(following: dict[str | None, CustodyLink]) -> list[CustodyLink]:
    chain: list[CustodyLink] = []
    link = following.get(None)
    # No chain is longer than the events given, whatever they name as their previous ones.
    while link is not None and len(chain) < len(following):
        chain.append(link)
        link = following.get(link.record.hex())
    return chain


def _find_missing(
    link: CustodyLink, following: dict[str | None, CustodyLink], reached: set[bytes]
) -> str:
    """Return the previous event that was not given, before ``link`` or one that it follows."""
    given = {each.record.hex(): each for each in following.values() if each.record not in reached}
    missing = link.event.previous_event
    for _ in given:
        if missing is None or missing not in given:
            break
        missing = given[missing].event.previous_event
    return missing or ""


def _check_order(subject: CustodySubject, chain: Sequence[CustodyLink]) -> None:
    last = subject.index
    for link in chain:
        if last is not None and link.index is not None and link.index <= last:
            raise MismatchError(
                Message("custody-event-before-previous", event=link.record.hex(), index=link.index),
                expected=last + 1,
                actual=link.index,
            )
        last = link.index


def check_digests(subject: CustodySubject, chain: Sequence[CustodyLink]) -> None:
    """Check that each event finds what the one before left, and the last leaves the evidence."""
    current = subject.digest
    for link in chain:
        before, after = (
            None if text is None else bytes.fromhex(text)
            for text in (link.event.digest_before, link.event.digest_after)
        )
        if before is not None and current is not None and before != current:
            raise MismatchError(
                Message("custody-digest-differs", event=link.record.hex()),
                expected=current,
                actual=before,
            )
        current = after or before or current
    if subject.digest is not None and current != subject.digest:
        raise MismatchError(
            Message("custody-digest-final-differs", event=chain[-1].record.hex()),
            expected=subject.digest,
            actual=current,
        )
