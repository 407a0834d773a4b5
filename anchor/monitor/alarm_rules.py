"""The rules of ``anchor.monitor.alarms``: when each alarm is raised, and what to do then.

A rule that needs the chain is silent where the chain is not known; ``chain-unknown`` says that.
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

UNSEALED = 600.0
"""Seconds that evidence may wait for a seal: `anchor run` seals once a minute, or once in ten."""

UNANCHORED = 900.0
"""Seconds that a sealed head may go without any anchor above it: some replacements take that."""

LASTS = 7.0
"""Days that the balance should last."""

UNPUBLISHED = 1_800.0
"""Seconds that a final head may go unpublished, where a place is configured."""

UNSEEN = 300.0
"""Seconds after which what was seen outside the store is too old to go by."""

_GWEI = 10**9
_ETHER = 10**18


class Severity(Enum):
    """``CRITICAL``: something is wrong or stands still; ``WARNING``: it will, if nobody acts."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the rules judge; ``facts`` None where the chain is not known."""

    config: Config
    overview: Overview
    outside: ExternalStatus
    facts: ChainFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When an alarm is raised: ``find`` says what is so, or None."""

    name: str
    severity: Severity
    find: Callable[[Situation], str | None]
    hint: str


def if_fresh(sighting: Sighting[Seen], now: float) -> Seen | None:
    """Return what was seen, unless that is too long ago to go by."""
    is_recent = sighting.seen_at is not None and now - sighting.seen_at < UNSEEN
    return sighting.value if is_recent else None


def _find_incident(now: Situation) -> str | None:
    if not now.overview.incidents:
        return None
    first = now.overview.incidents[-1]
    return (
        f"finality was violated: the chain contradicted {len(now.overview.incidents)} final "
        f"anchors, from anchor {first.before.sequence} on; nothing is sealed, sent or issued"
    )


def _find_copy_missing(now: Situation) -> str | None:
    copies = now.overview.copies
    if copies is None or copies.is_enough:
        return None
    effect = "is acknowledged all the same" if copies.rule.degrade else "nothing is acknowledged"
    return (
        f"what is committed is on {copies.count} of {copies.rule.copies} servers, and {effect}: "
        f"{copies.format_standbys()}"
    )


def _find_ahead(now: Situation) -> str | None:
    if now.facts is None or now.facts.size is not None or now.facts.is_closed:
        return None
    return "the registry's head is not in this store: the store is older than the chain"


def _find_closed(now: Situation) -> str | None:
    is_closed = now.facts is not None and now.facts.is_closed
    return "this log was closed: a successor goes on" if is_closed else None


def _find_unwatched(now: Situation) -> str | None:
    watched = now.outside.watched
    if watched is None or not watched.is_lasting:
        return None
    return (
        "whether the newest final anchor is where it was cannot be told for "
        f"{watched.unknown_for / 60:,.0f} minutes: {watched.trouble}"
    )


def _find_clock_fault(now: Situation) -> str | None:
    fault = None if now.outside.watched is None else now.outside.watched.clock
    if fault is None:
        return None
    return f"{fault}; " + ("no record is made" if fault.is_certain else "one node says so")


def _find_no_daemon(now: Situation) -> str | None:
    running = now.overview.is_running
    return None if running else "no process seals and anchors: what is accepted waits"


def _find_unsealed(now: Situation) -> str | None:
    queue = now.overview.queue
    if queue.oldest_at is None or now.overview.read_at - queue.oldest_at < UNSEALED:
        return None
    minutes = (now.overview.read_at - queue.oldest_at) / 60
    return f"evidence has waited for a seal for {minutes:,.0f} minutes"


def _find_unanchored(now: Situation) -> str | None:
    since = now.overview.unanchored_since
    if since is None or now.overview.read_at - since < UNANCHORED:
        return None
    minutes = (now.overview.read_at - since) / 60
    return f"a head that was sealed {minutes:,.0f} minutes ago is in no anchor"


def _find_late(now: Situation) -> str | None:
    waiting = [item for item in now.overview.anchors if not item.final]
    late = [item for item in waiting if now.overview.read_at - item.included_at >= LATE]
    if not late:
        return None
    minutes = (now.overview.read_at - late[-1].included_at) / 60
    return (
        f"anchor {late[-1].sequence} in block {late[-1].block_number} is not final after "
        f"{minutes:,.0f} minutes"
    )


def _find_unproven(now: Situation) -> str | None:
    unproven = now.overview.unproven
    if unproven is None:
        return None
    return (
        f"receipts go without their state proof for {unproven.anchors:,} final anchors, from "
        f"anchor {unproven.first} on: {unproven.trouble}"
    )


def _find_fee_cap(now: Situation) -> str | None:
    cap = now.config.fee_cap
    transaction = now.overview.transaction
    if now.facts is not None and (now.facts.base_fee or 0) > cap:
        return (
            f"a gas costs {(now.facts.base_fee or 0) / _GWEI:,.1f} gwei now, more than the "
            f"{format_gwei(now.config.fee_cap)} that may be paid"
        )
    if transaction is None or transaction.signed_at is None or transaction.max_fee is None:
        return None
    is_old = now.overview.read_at - parse_moment(transaction.signed_at) >= REPLACE_AFTER
    if not is_old or transaction.max_fee * 9 // 8 < cap:
        return None
    return (
        f"the transaction with nonce {transaction.nonce} is in no block, and offers all that may "
        f"be paid: {transaction.max_fee / _GWEI:,.1f} gwei a gas"
    )


def _find_low_funds(now: Situation) -> str | None:
    if now.facts is None or now.facts.balance is None:
        return None
    balance = now.facts.balance
    each = gas_limit(ANCHOR_GAS) * now.config.fee_cap
    if balance < FEW * each:
        return f"{balance / _ETHER:.6f} ether are left: {balance // each} anchors at the fee cap"
    days = now.overview.spending.days_left(balance)
    if days is not None and days < LASTS:
        return f"{balance / _ETHER:.6f} ether are left: {days:.1f} days at what is spent now"
    return None


def _find_low_budget(now: Situation) -> str | None:
    spending = now.overview.spending
    if spending.budget is None:
        return None
    left = max(spending.budget - spending.budget_spent, 0)
    each = gas_limit(ANCHOR_GAS) * now.config.fee_cap
    if left >= FEW * each:
        return None
    return (
        f"{left / _ETHER:.6f} ether of the budget for {BUDGET_DAYS} days are left: "
        f"{left // each} anchors at the fee cap"
    )


def _find_tiles_behind(now: Situation) -> str | None:
    tiles, final = now.overview.tiles, now.overview.final_size
    if tiles is None:
        return "for how many leaves the tree on disk is cannot be read"
    if tiles >= final:
        return None
    return f"the tree on disk has {tiles:,} of the {final:,} leaves that are final on chain"


def _find_unpublished(now: Situation) -> str | None:
    if now.outside.published is None:
        return None
    size = if_fresh(now.outside.published, now.overview.read_at)
    # Only anchors whose finality was seen are known to have been there to publish for so long.
    due = [
        item
        for item in now.overview.anchors
        if item.final_at is not None and now.overview.read_at - item.final_at >= UNPUBLISHED
    ]
    if size is None or not due or due[0].head.size <= size:
        return None
    return f"{size:,} leaves are published, and {due[0].head.size:,} have been final for long"


def _find_unknown_publication(now: Situation) -> str | None:
    return _describe_unknown(now, now.outside.published, "what is published")


def _find_unknown_chain(now: Situation) -> str | None:
    return _describe_unknown(now, now.outside.chain, "what the chain holds")


def _describe_unknown(now: Situation, sighting: Sighting[Seen] | None, what: str) -> str | None:
    if sighting is None or if_fresh(sighting, now.overview.read_at) is not None:
        return None
    if sighting.value is None and sighting.trouble is None:
        return None  # nobody has asked yet
    return f"{what} is not known: {sighting.trouble or 'it was not asked lately'}"


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
        find=_find_unknown_publication,
        hint="see to the place that [publish] in anchor.toml names",
    ),
    Rule(
        name="chain-unknown",
        severity=Severity.WARNING,
        find=_find_unknown_chain,
        hint="see to the node; what is shown of the chain is of before",
    ),
)
