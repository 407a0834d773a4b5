"""What a page says of whatever has a number: a verdict in words, times, and its anchor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from anchor.base.messages.message import Message
from anchor.base.types import Anchor, Block, Stage
from anchor.base.units import format_leaves, format_stored_time, format_timestamp
from anchor.ethereum.known_chains import KIND_SENTENCES, Chain, find_chain, proves_time
from anchor.evidence.printed_number import NumberKind
from anchor.project.config import Config
from anchor.registry.storage import anchor_slot, encode_anchor
from anchor.store.certificates import IssuedCertificate
from anchor.store.heads import AnchoredHead
from anchor.store.number_search import NumberedItem

# Of a stored anchor, the hexadecimal digits that tell the operator's key, which is another matter.
_KEY_DIGITS = 18

_KINDS: Mapping[NumberKind, Message] = {
    NumberKind.NUMBER: Message("number-kind-number"),
    NumberKind.CERTIFICATE: Message("number-kind-certificate"),
    NumberKind.RECORD: Message("number-kind-record"),
    NumberKind.SHA256: Message("number-kind-sha256"),
    NumberKind.SM3: Message("number-kind-sm3"),
    NumberKind.ID: Message("number-kind-id"),
    NumberKind.LEAF: Message("number-kind-leaf"),
    NumberKind.ROOT: Message("number-kind-root"),
    NumberKind.TRANSACTION: Message("number-kind-transaction"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCard:
    """A match as the page shows it: verdict, sentences under it, and facts by their labels.

    ``mono`` of a fact is whether it is a hash, which is shown in a fixed width.
    """

    tone: Literal["pass", "fail", "unknown"]
    verdict: Message
    remarks: tuple[Message, ...]
    facts: tuple[NumberFact, ...]
    question: NodeQuestion | None


@dataclass(frozen=True, slots=True)
class NumberFact:
    """One line of facts: its label, its text, and whether that is a hash."""

    label: Message
    text: Message | str
    mono: bool = False


@dataclass(frozen=True, slots=True)
class NodeQuestion:
    """A request to any node for the anchor itself, and the digits in which its answer ends."""

    body: str
    ending: str


def describe_match(match: NumberedItem, config: Config, named: Block | None) -> NumberCard:
    """Return a match as the page shows it; ``named`` is the block that the record names."""
    certificate = match.certificate
    remarks = list(_list_remarks(match, config))
    facts = [NumberFact(Message("number-fact-kind"), _KINDS[match.kind])]
    if certificate is not None:
        facts += _list_certificate(certificate)
    facts += _list_times(match, named, find_chain(config.chain_id))
    if match.anchored is not None:
        facts += _list_anchor(match.anchored, config)
    return NumberCard(
        tone=_choose_tone(match, config),
        verdict=_choose_verdict(match, is_by_depth=config.final_after is not None),
        remarks=tuple(remarks),
        facts=tuple(facts),
        question=None if match.anchored is None else ask_registry(match.anchored, config),
    )


def ask_registry(anchored: AnchoredHead, config: Config) -> NodeQuestion:
    """Return how any node tells that the registry holds an anchor."""
    slot = anchor_slot(config.log, anchored.head.root)
    registry = f"0x{config.registry.hex()}"
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "eth_getStorageAt",
        "params": [registry, f"0x{slot.hex()}", "latest"],
    }
    stored = Anchor(
        size=anchored.head.size,
        sequence=anchored.sequence,
        block_number=anchored.block_number,
        timestamp=anchored.timestamp,
        operator_id=0,
    )
    return NodeQuestion(json.dumps(body), encode_anchor(stored).hex()[_KEY_DIGITS:])


def _choose_tone(match: NumberedItem, config: Config) -> Literal["pass", "fail", "unknown"]:
    if match.certificate is not None and match.certificate.revoked_at is not None:
        return "fail"
    is_sure = match.stage is Stage.ANCHORED and not match.is_erased
    return "pass" if is_sure and find_chain(config.chain_id).kind == "main" else "unknown"


def _choose_verdict(match: NumberedItem, *, is_by_depth: bool) -> Message:
    if match.certificate is not None:
        if match.certificate.revoked_at is not None:
            return Message("number-verdict-certificate-revoked")
        return Message("number-verdict-certificate")
    if match.is_erased:
        return Message("number-verdict-erased")
    is_head = match.kind in (NumberKind.ROOT, NumberKind.TRANSACTION)
    if match.stage is Stage.ANCHORED and is_by_depth:
        if is_head:
            return Message("number-verdict-head-final-by-depth")
        return Message("number-verdict-final-by-depth")
    if match.stage is Stage.ANCHORED:
        return Message("number-verdict-head-final") if is_head else Message("number-verdict-final")
    if match.stage is Stage.INCLUDED:
        if is_head:
            return Message("number-verdict-head-included")
        return Message("number-verdict-included")
    return Message("number-verdict-head-waiting") if is_head else Message("number-verdict-waiting")


def _list_remarks(match: NumberedItem, config: Config) -> list[Message]:
    remarks = []
    if match.certificate is not None and match.is_erased:
        remarks.append(Message("number-remark-certificate-erased"))
    elif match.certificate is not None:
        remarks.append(Message("number-remark-certificate"))
    if match.is_erased:
        remarks.append(Message("number-remark-erased"))
    if match.stage.rank < Stage.INCLUDED.rank:
        remarks.append(Message("number-remark-waiting"))
    kind = find_chain(config.chain_id).kind
    if match.anchored is not None and kind != "main":
        sentence = KIND_SENTENCES[kind]
        remarks.append(Message("report-chain-kind", chain=config.chain_id, kind=sentence))
    return remarks


def _list_certificate(certificate: IssuedCertificate) -> list[NumberFact]:
    facts = [NumberFact(Message("number-fact-issued"), format_own(certificate.issued_at))]
    if certificate.revoked_at is not None:
        revoked_at = format_own(certificate.revoked_at)
        reason = certificate.revocation or Message("number-reason-erased")
        facts.append(NumberFact(Message("number-fact-revoked"), revoked_at))
        facts.append(NumberFact(Message("number-fact-reason"), reason))
    return facts


def _label_latest(chain: Chain) -> Message:
    """Return the label of the latest time that follows from a block's on such a chain."""
    if proves_time(chain.kind):
        return Message("number-fact-latest")
    return Message("certificate-bound-not-proven")


def _list_times(match: NumberedItem, named: Block | None, chain: Chain) -> list[NumberFact]:
    """Return the bracket as a verifier states it, with the possible error of the blocks' times.

    A chain that proves no real time gives no earliest time.
    """
    facts = []
    slack = chain.time_slack
    if match.index is not None and not match.is_erased and proves_time(chain.kind):
        earliest = _describe_earliest(match, named, slack)
        facts.append(NumberFact(Message("number-fact-earliest"), earliest))
    anchored = match.anchored
    if anchored is not None:
        time = format_timestamp(anchored.timestamp + (slack or 0))
        basis = _explain_latest(slack)
        latest = Message("number-latest", time=time, block=anchored.block_number, basis=basis)
        facts.append(NumberFact(_label_latest(chain), latest))
    elif match.index is not None:
        facts.append(NumberFact(Message("number-fact-latest"), Message("number-latest-none")))
    if match.accepted_at is not None:
        facts.append(NumberFact(Message("number-fact-accepted"), format_own(match.accepted_at)))
    if match.sealed_at is not None:
        facts.append(NumberFact(Message("number-fact-sealed"), format_own(match.sealed_at)))
    return facts


def _describe_earliest(match: NumberedItem, named: Block | None, slack: int | None) -> Message:
    if match.not_before is None:
        return Message("number-earliest-none")
    number = match.not_before.block_number
    if named is None:
        return Message("number-earliest-block", block=number)
    time = format_timestamp(named.timestamp - (slack or 0))
    basis = (
        Message("earliest-without-slack")
        if slack is None
        else Message("earliest-is-calculated", slack=slack)
    )
    return Message("number-earliest", time=time, block=number, basis=basis)


def _explain_latest(slack: int | None) -> Message:
    """Return why a latest time is later than its block's; None if the possible error is unknown."""
    if slack is None:
        return Message("latest-without-slack")
    return Message("latest-is-calculated", slack=slack)


def _list_anchor(anchored: AnchoredHead, config: Config) -> list[NumberFact]:
    leaves = format_leaves(anchored.head.size)
    placed = Message(
        "number-anchor",
        sequence=anchored.sequence,
        leaves=leaves,
        block=anchored.block_number,
        time=format_timestamp(anchored.timestamp),
    )
    facts = [
        NumberFact(Message("column-anchor"), placed),
        NumberFact(Message("column-root"), anchored.head.root.hex(), mono=True),
    ]
    if anchored.block_hash is not None:
        block_hash = f"0x{anchored.block_hash.hex()}"
        facts.append(NumberFact(Message("number-fact-block"), block_hash, mono=True))
    chain = Message("number-chain", name=find_chain(config.chain_id).name, id=config.chain_id)
    facts.append(NumberFact(Message("site-chain"), chain))
    return facts


def format_own(time: str | None) -> str:
    """Return a time of the service's own clock, to the second."""
    return "" if time is None else format_stored_time(time)
