"""Alarms for the operator: pure rules over an overview of the store and the external status.

Each alarm has a name that dashboards, metrics and alert rules share.  A rule that needs the chain
raises no alarm while the chain's state is unknown; ``chain-unknown`` reports that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from anchor.chain.fees import ANCHOR_GAS, format_gwei, gas_limit
from anchor.chain.tx_cost import BUDGET_DAYS
from anchor.chain.tx_state import REPLACE_AFTER
from anchor.monitor.background_poll import Seen, Sighting
from anchor.monitor.chain_status import ChainFacts, ExternalStatus
from anchor.monitor.overview import Overview
from anchor.monitor.timeline import parse_moment
from anchor.operate.daemon import LATE
from anchor.operate.funds import FEW
from anchor.project.config import Config
from anchor.units import ETHER, GWEI

UNSEALED = 600.0
"""Seconds that evidence may wait for a seal: `anchor run` seals once a minute, or once in ten."""

UNANCHORED = 900.0
"""Seconds that a sealed head may go without an anchor: fee replacements may take that long."""

LASTS = 7.0
"""Days that the balance should last at the present rate of spending."""

UNPUBLISHED = 1_800.0
"""Seconds that a final head may go unpublished, if a target for publication is configured."""

UNSEEN = 300.0
"""Age in seconds at which what was seen outside the store no longer counts."""


class Severity(Enum):
    """``CRITICAL``: something is wrong or halted; ``WARNING``: it will be, without intervention."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm: what is wrong, and what to do about it."""

    name: str
    severity: Severity
    text: str
    hint: str


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
    find: Callable[[Situation], str | None]
    hint: str


def if_fresh(sighting: Sighting[Seen], current_time: float) -> Seen | None:
    """Return what was seen, or None if that is too long ago."""
    is_recent = sighting.seen_at is not None and current_time - sighting.seen_at < UNSEEN
    return sighting.value if is_recent else None


def _find_incident(situation: Situation) -> str | None:
    if not situation.overview.incidents:
        return None
    first = situation.overview.incidents[-1]
    return (
        f"finality was violated: the chain contradicted {len(situation.overview.incidents)} final "
        f"anchors, from anchor {first.before.sequence} on; nothing is sealed, sent or issued"
    )


def _find_copy_missing(situation: Situation) -> str | None:
    copies = situation.overview.copies
    if copies is None or copies.is_enough:
        return None
    effect = "is acknowledged all the same" if copies.rule.degrade else "nothing is acknowledged"
    return (
        f"what is committed is on {copies.count} of {copies.rule.copies} servers, and {effect}: "
        f"{copies.format_standbys()}"
    )


def _find_ahead(situation: Situation) -> str | None:
    if situation.facts is None or situation.facts.size is not None or situation.facts.is_closed:
        return None
    return "the registry's head is not in this store: the store is older than the chain"


def _find_closed(situation: Situation) -> str | None:
    is_closed = situation.facts is not None and situation.facts.is_closed
    return "this log was closed: a successor goes on" if is_closed else None


def _find_unwatched(situation: Situation) -> str | None:
    watched = situation.outside.watched
    if watched is None or not watched.is_lasting:
        return None
    return (
        "whether the newest final anchor is where it was cannot be told for "
        f"{watched.unknown_for / 60:,.0f} minutes: {watched.trouble}"
    )


def _find_clock_fault(situation: Situation) -> str | None:
    fault = None if situation.outside.watched is None else situation.outside.watched.clock
    if fault is None:
        return None
    return f"{fault}; " + ("no record is made" if fault.is_certain else "one node says so")


def _find_no_daemon(situation: Situation) -> str | None:
    running = situation.overview.is_running
    return None if running else "no process seals and anchors: what is accepted waits"


def _find_unsealed(situation: Situation) -> str | None:
    queue = situation.overview.queue
    if queue.oldest_at is None or situation.overview.read_at - queue.oldest_at < UNSEALED:
        return None
    minutes = (situation.overview.read_at - queue.oldest_at) / 60
    return f"evidence has waited for a seal for {minutes:,.0f} minutes"


def _find_unanchored(situation: Situation) -> str | None:
    since = situation.overview.unanchored_since
    if since is None or situation.overview.read_at - since < UNANCHORED:
        return None
    minutes = (situation.overview.read_at - since) / 60
    return f"a head that was sealed {minutes:,.0f} minutes ago is in no anchor"


def _find_late(situation: Situation) -> str | None:
    waiting = [anchor for anchor in situation.overview.anchors if not anchor.final]
    late = [anchor for anchor in waiting if situation.overview.read_at - anchor.included_at >= LATE]
    if not late:
        return None
    minutes = (situation.overview.read_at - late[-1].included_at) / 60
    return (
        f"anchor {late[-1].sequence} in block {late[-1].block_number} is not final after "
        f"{minutes:,.0f} minutes"
    )


def _find_unproven(situation: Situation) -> str | None:
    unproven = situation.overview.unproven
    if unproven is None:
        return None
    return (
        f"receipts go without their state proof for {unproven.anchors:,} final anchors, from "
        f"anchor {unproven.first} on: {unproven.trouble}"
    )


def _find_fee_cap(situation: Situation) -> str | None:
    cap = situation.config.fee_cap
    transaction = situation.overview.transaction
    if situation.facts is not None and (situation.facts.base_fee or 0) > cap:
        return (
            f"a gas costs {(situation.facts.base_fee or 0) / GWEI:,.1f} gwei now, more than the "
            f"{format_gwei(situation.config.fee_cap)} that may be paid"
        )
    if transaction is None or transaction.signed_at is None or transaction.max_fee is None:
        return None
    is_old = situation.overview.read_at - parse_moment(transaction.signed_at) >= REPLACE_AFTER
    if not is_old or transaction.max_fee * 9 // 8 < cap:
        return None
    return (
        f"the transaction with nonce {transaction.nonce} is in no block, and offers all that may "
        f"be paid: {transaction.max_fee / GWEI:,.1f} gwei a gas"
    )


def _find_low_funds(situation: Situation) -> str | None:
    if situation.facts is None or situation.facts.balance is None:
        return None
    balance = situation.facts.balance
    each = gas_limit(ANCHOR_GAS) * situation.config.fee_cap
    if balance < FEW * each:
        return f"{balance / ETHER:.6f} ether are left: {balance // each} anchors at the fee cap"
    days = situation.overview.spending.days_left(balance)
    if days is not None and days < LASTS:
        return f"{balance / ETHER:.6f} ether are left: {days:.1f} days at what is spent now"
    return None


def _find_low_budget(situation: Situation) -> str | None:
    spending = situation.overview.spending
    if spending.budget is None:
        return None
    left = max(spending.budget - spending.budget_spent, 0)
    each = gas_limit(ANCHOR_GAS) * situation.config.fee_cap
    if left >= FEW * each:
        return None
    return (
        f"{left / ETHER:.6f} ether of the budget for {BUDGET_DAYS} days are left: "
        f"{left // each} anchors at the fee cap"
    )


def _find_tiles_behind(situation: Situation) -> str | None:
    tiles, final = situation.overview.tiles, situation.overview.final_size
    if tiles is None:
        return "for how many leaves the tree on disk is cannot be read"
    if tiles >= final:
        return None
    return f"the tree on disk has {tiles:,} of the {final:,} leaves that are final on chain"


def _find_unpublished(situation: Situation) -> str | None:
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
    return f"{size:,} leaves are published, and {due[0].head.size:,} have been final for long"


def _describe_unknown(
    situation: Situation, sighting: Sighting[Seen] | None, subject: str
) -> str | None:
    if sighting is None or if_fresh(sighting, situation.overview.read_at) is not None:
        return None
    if sighting.value is None and sighting.trouble is None:
        return None  # not polled yet
    return f"{subject} is not known: {sighting.trouble or 'it was not asked lately'}"


RULES = (
    Rule(
        name="incident-open",
        severity=Severity.CRITICAL,
        find=_find_incident,
        hint="it is withdrawn once a later final block shows the anchor where it was; else find "
        "out what happened to the chain and its nodes, then `anchor run --once "
        "--accept-incidents`",
    ),
    Rule(
        name="chain-ahead",
        severity=Severity.CRITICAL,
        find=_find_ahead,
        hint="rebuild the store with `anchor restore`; sealing on would fork the log",
    ),
    Rule(
        name="second-copy-missing",
        severity=Severity.CRITICAL,
        find=_find_copy_missing,
        hint="see to the standby: whether it runs, reaches the first server, and is the one that "
        "synchronous_standby_names or store_copies.standbys names",
    ),
    Rule(
        name="log-closed",
        severity=Severity.CRITICAL,
        find=_find_closed,
        hint="go on in its successor's project",
    ),
    Rule(
        name="clock-off",
        severity=Severity.CRITICAL,
        find=_find_clock_fault,
        hint="set this machine's clock right (NTP); where it is right, see to the node, or to a "
        "development chain's block times",
    ),
    Rule(
        name="chain-unwatched",
        severity=Severity.WARNING,
        find=_find_unwatched,
        hint="see to the nodes: until enough of them answer, nobody would notice that the chain "
        "contradicts what was anchored",
    ),
    Rule(
        name="not-running",
        severity=Severity.WARNING,
        find=_find_no_daemon,
        hint="start `anchor run`; its last lines say why it ended",
    ),
    Rule(
        name="not-sealing",
        severity=Severity.CRITICAL,
        find=_find_unsealed,
        hint="see what `anchor run` prints: while the chain cannot be asked, nothing is sealed",
    ),
    Rule(
        name="not-anchoring",
        severity=Severity.CRITICAL,
        find=_find_unanchored,
        hint="see what `anchor run` prints: funds, the fee cap or the node",
    ),
    Rule(
        name="fee-cap",
        severity=Severity.WARNING,
        find=_find_fee_cap,
        hint="wait until gas is cheaper, or raise chain.max_fee_gwei and start `anchor run` again",
    ),
    Rule(
        name="finality-late",
        severity=Severity.WARNING,
        find=_find_late,
        hint="nothing is sent again for that: see whether the chain finalises, and what "
        "`anchor run` says of the quorum",
    ),
    Rule(
        name="proofs-missing",
        severity=Severity.WARNING,
        find=_find_unproven,
        hint="after a fork of the chain, install a release that knows its headers; else name a "
        "node that gives eth_getProof; `anchor status` tries again, `anchor upgrade` completes "
        "receipts",
    ),
    Rule(
        name="funds-low",
        severity=Severity.WARNING,
        find=_find_low_funds,
        hint="send ether to the sender's address in time",
    ),
    Rule(
        name="budget-low",
        severity=Severity.WARNING,
        find=_find_low_budget,
        hint="raise chain.budget_ether, or anchor less often",
    ),
    Rule(
        name="tiles-behind",
        severity=Severity.WARNING,
        find=_find_tiles_behind,
        hint="`anchor audit` says what is amiss; `anchor audit --rebuild` makes the tiles again",
    ),
    Rule(
        name="not-publishing",
        severity=Severity.WARNING,
        find=_find_unpublished,
        hint="see what `anchor run` prints of publishing; `anchor export-log` does it at once",
    ),
    Rule(
        name="published-unknown",
        severity=Severity.WARNING,
        find=lambda seen: _describe_unknown(seen, seen.outside.published, "what is published"),
        hint="see to the place that [publish] in anchor.toml names",
    ),
    Rule(
        name="chain-unknown",
        severity=Severity.WARNING,
        find=lambda seen: _describe_unknown(seen, seen.outside.chain, "what the chain holds"),
        hint="see to the node; what is shown of the chain is of before",
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
