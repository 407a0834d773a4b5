"""Alarms for the operator: pure rules over an overview of the store and the external status.

Each alarm has a name that dashboards, metrics and alert rules share.  A rule that needs the chain
raises no alarm while the chain's state is unknown; ``chain-unknown`` reports that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from anchor.base.messages.message import Message
from anchor.base.system.clock import parse_time
from anchor.base.units import ETHER, GWEI
from anchor.chain.fees import ANCHOR_GAS, format_gwei, gas_limit
from anchor.chain.tx_cost import BUDGET_DAYS
from anchor.chain.tx_state import REPLACE_AFTER
from anchor.monitor.background_poll import Seen, Sighting
from anchor.monitor.chain_status import ChainFacts, ExternalStatus
from anchor.monitor.erasure_check import find_overdue
from anchor.monitor.overview import Overview
from anchor.operate.clock_check import describe_held
from anchor.operate.daemon import LATE
from anchor.operate.funds import FEW
from anchor.project.config import Config

UNSEALED = 600.0
"""Seconds that evidence may wait for a seal: `anchor run` seals once a minute, or once in ten."""

UNANCHORED = 900.0
"""Seconds that a sealed head may go without an anchor: fee replacements may take that long."""

LASTS = 7.0
"""Days that the balance should last at the present rate of spending."""

UNPUBLISHED = 1_800.0
"""Seconds that a final head may go unpublished, if a target for publication is configured."""

UNSEEN = 300.0
"""Age in seconds from which observations outside the store are ignored."""


class Severity(Enum):
    """``CRITICAL``: something is wrong or halted; ``WARNING``: it will be, without intervention."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm: what is wrong, and what to do about it."""

    name: str
    severity: Severity
    text: Message
    hint: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The input of the rules; ``facts`` is None if the chain's state is unknown."""

    config: Config
    overview: Overview
    outside: ExternalStatus
    facts: ChainFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One alarm: ``find`` returns what is wrong, or None."""

    name: str
    severity: Severity
    find: Callable[[Situation], Message | None]
    hint: Message


def if_fresh(sighting: Sighting[Seen], current_time: float) -> Seen | None:
    """Return what was seen, or None if that is too long ago."""
    is_recent = sighting.seen_at is not None and current_time - sighting.seen_at < UNSEEN
    return sighting.value if is_recent else None


def _find_incident(situation: Situation) -> Message | None:
    if not situation.overview.incidents:
        return None
    first = situation.overview.incidents[-1]
    return Message(
        "alarm-incident-open",
        count=len(situation.overview.incidents),
        sequence=first.before.sequence,
    )


def _find_copy_missing(situation: Situation) -> Message | None:
    copies = situation.overview.copies
    if copies is None or copies.is_enough:
        return None
    effect = (
        Message("alarm-copies-still-acknowledged")
        if copies.rule.degrade
        else Message("alarm-copies-not-acknowledged")
    )
    return Message(
        "alarm-copies-too-few",
        count=copies.count,
        needed=copies.rule.copies,
        effect=effect,
        standbys=copies.format_standbys(),
    )


def _find_ahead(situation: Situation) -> Message | None:
    if situation.facts is None or situation.facts.size is not None or situation.facts.is_closed:
        return None
    return Message("alarm-chain-ahead")


def _find_closed(situation: Situation) -> Message | None:
    is_closed = situation.facts is not None and situation.facts.is_closed
    return Message("alarm-log-closed") if is_closed else None


def _find_unwatched(situation: Situation) -> Message | None:
    watched = situation.outside.watched
    if watched is None or not watched.is_lasting:
        return None
    return Message(
        "alarm-chain-unwatched", minutes=watched.unknown_for / 60, reason=watched.trouble
    )


def _find_clock_fault(situation: Situation) -> Message | None:
    fault = None if situation.outside.watched is None else situation.outside.watched.clock
    if fault is None:
        return None
    if fault.is_certain:
        return Message("alarm-clock-off", fault=fault.describe())
    return Message("alarm-clock-in-doubt", fault=fault.describe())


def _find_no_daemon(situation: Situation) -> Message | None:
    running = situation.overview.is_running
    return None if running else Message("alarm-not-running")


def _find_held(situation: Situation) -> Message | None:
    held = situation.overview.queue.held
    return None if held is None else describe_held(held)


def _find_unsealed(situation: Situation) -> Message | None:
    queue = situation.overview.queue
    if queue.oldest_at is None or situation.overview.read_at - queue.oldest_at < UNSEALED:
        return None
    minutes = (situation.overview.read_at - queue.oldest_at) / 60
    return Message("alarm-not-sealing", minutes=minutes)


def _find_unanchored(situation: Situation) -> Message | None:
    since = situation.overview.unanchored_since
    if since is None or situation.overview.read_at - since < UNANCHORED:
        return None
    minutes = (situation.overview.read_at - since) / 60
    return Message("alarm-not-anchoring", minutes=minutes)


def _find_late(situation: Situation) -> Message | None:
    waiting = [anchor for anchor in situation.overview.anchors if not anchor.final]
    late = [anchor for anchor in waiting if situation.overview.read_at - anchor.included_at >= LATE]
    if not late:
        return None
    minutes = (situation.overview.read_at - late[-1].included_at) / 60
    return Message(
        "alarm-finality-late",
        sequence=late[-1].sequence,
        block=late[-1].block_number,
        minutes=minutes,
    )


def _find_unproven(situation: Situation) -> Message | None:
    unproven = situation.overview.unproven
    if unproven is None:
        return None
    return Message(
        "alarm-proofs-missing",
        count=unproven.anchors,
        first=unproven.first,
        reason=unproven.trouble,
    )


def _find_fee_cap(situation: Situation) -> Message | None:
    cap = situation.config.fee_cap
    transaction = situation.overview.transaction
    if situation.facts is not None and (situation.facts.base_fee or 0) > cap:
        return Message(
            "alarm-fee-above-cap",
            fee=(situation.facts.base_fee or 0) / GWEI,
            limit=format_gwei(situation.config.fee_cap),
        )
    if transaction is None or transaction.signed_at is None or transaction.max_fee is None:
        return None
    is_old = situation.overview.read_at - parse_time(transaction.signed_at) >= REPLACE_AFTER
    if not is_old or transaction.max_fee * 9 // 8 < cap:
        return None
    return Message("alarm-fee-cap-reached", nonce=transaction.nonce, fee=transaction.max_fee / GWEI)


def _find_low_funds(situation: Situation) -> Message | None:
    if situation.facts is None or situation.facts.balance is None:
        return None
    balance = situation.facts.balance
    each = gas_limit(ANCHOR_GAS) * situation.config.fee_cap
    if balance < FEW * each:
        return Message("alarm-funds-low", balance=balance / ETHER, count=balance // each)
    days = situation.overview.spending.days_left(balance)
    if days is not None and days < LASTS:
        return Message("alarm-funds-not-lasting", balance=balance / ETHER, days=days)
    return None


def _find_low_budget(situation: Situation) -> Message | None:
    spending = situation.overview.spending
    if spending.budget is None:
        return None
    left = max(spending.budget - spending.budget_spent, 0)
    each = gas_limit(ANCHOR_GAS) * situation.config.fee_cap
    if left >= FEW * each:
        return None
    return Message("budget-low", amount=left / ETHER, days=BUDGET_DAYS, count=left // each)


def _find_tiles_behind(situation: Situation) -> Message | None:
    tiles, final = situation.overview.tiles, situation.overview.final_size
    if tiles is None:
        return Message("alarm-tiles-size-unreadable")
    if tiles >= final:
        return None
    return Message("alarm-tiles-behind", size=tiles, final_size=final)


def _find_unpublished(situation: Situation) -> Message | None:
    if situation.outside.published is None:
        return None
    size = if_fresh(situation.outside.published, situation.overview.read_at)
    # Only anchors whose finality was recorded are known to have been publishable for so long.
    due = [
        anchor
        for anchor in situation.overview.anchors
        if anchor.final_at is not None
        and situation.overview.read_at - anchor.final_at >= UNPUBLISHED
    ]
    if size is None or not due or due[0].head.size <= size:
        return None
    return Message("alarm-not-publishing", published=size, final_size=due[0].head.size)


def _find_erasures_overdue(situation: Situation) -> Message | None:
    overview = situation.overview
    return find_overdue(*overview.erasures, overview.read_at)


def _describe_unknown(
    situation: Situation, sighting: Sighting[Seen] | None, subject: Message
) -> Message | None:
    if sighting is None or if_fresh(sighting, situation.overview.read_at) is not None:
        return None
    if sighting.value is None and sighting.trouble is None:
        return None  # the chain was not polled yet
    return Message(
        "alarm-subject-unknown",
        subject=subject,
        reason=sighting.trouble or Message("alarm-not-asked-lately"),
    )


RULES = (
    Rule(
        name="incident-open",
        severity=Severity.CRITICAL,
        find=_find_incident,
        hint=Message("alarm-incident-open-hint"),
    ),
    Rule(
        name="chain-ahead",
        severity=Severity.CRITICAL,
        find=_find_ahead,
        hint=Message("alarm-chain-ahead-hint"),
    ),
    Rule(
        name="second-copy-missing",
        severity=Severity.CRITICAL,
        find=_find_copy_missing,
        hint=Message("alarm-second-copy-missing-hint"),
    ),
    Rule(
        name="log-closed",
        severity=Severity.CRITICAL,
        find=_find_closed,
        hint=Message("log-closed-hint"),
    ),
    Rule(
        name="clock-off",
        severity=Severity.CRITICAL,
        find=_find_clock_fault,
        hint=Message("alarm-clock-off-hint"),
    ),
    Rule(
        name="chain-unwatched",
        severity=Severity.WARNING,
        find=_find_unwatched,
        hint=Message("alarm-chain-unwatched-hint"),
    ),
    Rule(
        name="not-running",
        severity=Severity.WARNING,
        find=_find_no_daemon,
        hint=Message("alarm-not-running-hint"),
    ),
    Rule(
        name="held-back",
        severity=Severity.CRITICAL,
        find=_find_held,
        hint=Message("evidence-held-back-hint"),
    ),
    Rule(
        name="not-sealing",
        severity=Severity.CRITICAL,
        find=_find_unsealed,
        hint=Message("alarm-not-sealing-hint"),
    ),
    Rule(
        name="not-anchoring",
        severity=Severity.CRITICAL,
        find=_find_unanchored,
        hint=Message("alarm-not-anchoring-hint"),
    ),
    Rule(
        name="fee-cap",
        severity=Severity.WARNING,
        find=_find_fee_cap,
        hint=Message("alarm-fee-cap-hint"),
    ),
    Rule(
        name="finality-late",
        severity=Severity.WARNING,
        find=_find_late,
        hint=Message("alarm-finality-late-hint"),
    ),
    Rule(
        name="proofs-missing",
        severity=Severity.WARNING,
        find=_find_unproven,
        hint=Message("alarm-proofs-missing-hint"),
    ),
    Rule(
        name="funds-low",
        severity=Severity.WARNING,
        find=_find_low_funds,
        hint=Message("alarm-funds-low-hint"),
    ),
    Rule(
        name="budget-low",
        severity=Severity.WARNING,
        find=_find_low_budget,
        hint=Message("alarm-budget-low-hint"),
    ),
    Rule(
        name="tiles-behind",
        severity=Severity.WARNING,
        find=_find_tiles_behind,
        hint=Message("alarm-tiles-behind-hint"),
    ),
    Rule(
        name="erasures-unfinished",
        severity=Severity.WARNING,
        find=_find_erasures_overdue,
        hint=Message("alarm-erasures-hint"),
    ),
    Rule(
        name="not-publishing",
        severity=Severity.WARNING,
        find=_find_unpublished,
        hint=Message("alarm-not-publishing-hint"),
    ),
    Rule(
        name="published-unknown",
        severity=Severity.WARNING,
        find=lambda seen: _describe_unknown(
            seen, seen.outside.published, Message("alarm-subject-published")
        ),
        hint=Message("alarm-published-unknown-hint"),
    ),
    Rule(
        name="chain-unknown",
        severity=Severity.WARNING,
        find=lambda seen: _describe_unknown(
            seen, seen.outside.chain, Message("alarm-subject-chain")
        ),
        hint=Message("alarm-chain-unknown-hint"),
    ),
)


def raise_alarms(config: Config, overview: Overview, outside: ExternalStatus) -> list[Alarm]:
    """Return the alarms, the most severe first."""
    facts = if_fresh(outside.chain, overview.read_at)
    situation = Situation(config=config, overview=overview, outside=outside, facts=facts)
    alarms = [
        Alarm(name=rule.name, severity=rule.severity, text=text, hint=rule.hint)
        for rule in RULES
        if (text := rule.find(situation)) is not None
    ]
    return sorted(alarms, key=lambda alarm: alarm.severity is not Severity.CRITICAL)
