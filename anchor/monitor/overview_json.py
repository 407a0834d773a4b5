"""The overview and other views of the log as JSON documents.

Amounts of wei are strings, because many readers of JSON keep no integer above 2^53; times are RFC
3339.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from anchor.base.system.clock import format_time
from anchor.base.types import Head, log_number, log_owner
from anchor.ethereum.keccak import format_address
from anchor.monitor.alarms import Alarm
from anchor.monitor.chain_status import ExternalStatus
from anchor.monitor.log_lookup import HeadConsistency, LeafPosition
from anchor.monitor.overview import Overview
from anchor.monitor.timeline import AnchorLine, HeadLine
from anchor.operate.finality import build_finality_json
from anchor.project.config import Config


def build_overview_json(
    config: Config, overview: Overview, external: ExternalStatus, alarms: Sequence[Alarm]
) -> dict[str, Any]:
    """Return the whole overview as a JSON object."""
    queue, spending = overview.queue, overview.spending
    return {
        "time": _time(overview.read_at),
        "log": build_log_json(config),
        "running": overview.is_running,
        "alarms": [{**asdict(alarm), "severity": alarm.severity.value} for alarm in alarms],
        "queue": {
            "waiting": queue.waiting,
            "oldest_at": None if queue.oldest_at is None else _time(queue.oldest_at),
            "accepted_last_hour": queue.accepted_last_hour,
        },
        "heads": [build_head_json(line) for line in overview.heads],
        "anchors": [build_anchor_json(line) for line in overview.anchors],
        "spending": {
            "transactions": spending.transactions,
            "wei": str(spending.wei),
            "wei_a_day": None if spending.wei_a_day is None else str(spending.wei_a_day),
            "budget_wei": None if spending.budget is None else str(spending.budget),
        },
        "unproven": None
        if overview.unproven is None
        else {
            "anchors": overview.unproven.anchors,
            "first_sequence": overview.unproven.first,
            "reason": overview.unproven.trouble,
        },
        "deliveries": {
            "waiting": overview.deliveries.waiting,
            "failing": overview.deliveries.failing,
            "given_up_last_day": overview.deliveries.given_up,
        },
        "erasures": dict(zip(("unfinished", "oldest_at"), overview.erasures, strict=True)),
        **_build_copies_json(overview),
        "chain": _build_chain_json(overview, external),
        "published": None
        if external.published is None
        else {
            "size": external.published.value,
            **_build_seen_json(external.published.seen_at, external.published.trouble),
        },
    }


def build_log_json(config: Config) -> dict[str, Any]:
    """Return the log's identity, and who decides what is final, as a JSON object."""
    return {
        "owner": format_address(log_owner(config.log)),
        "number": log_number(config.log),
        "registry": format_address(config.registry),
        "chain_id": config.chain_id,
        **build_finality_json(config),
    }


def build_head_json(line: HeadLine) -> dict[str, Any]:
    """Return a head and its state as a JSON object."""
    return {
        **_build_tree_head_json(line.head),
        "added": line.added,
        "sealed_at": _time(line.sealed_at),
        "state": line.state.value,
        "anchor_size": line.anchor_size,
        "sequence": line.sequence,
    }


def build_anchor_json(line: AnchorLine) -> dict[str, Any]:
    """Return an anchor with its cost and times as a JSON object."""
    return {
        **_build_tree_head_json(line.head),
        "sequence": line.sequence,
        "covers": line.covers,
        "block_number": line.block_number,
        "sealed_at": _time(line.sealed_at),
        "included_at": _time(line.included_at),
        "final": line.final,
        "final_at": None if line.final_at is None else _time(line.final_at),
        "gas_used": line.gas_used,
        "wei": None if line.wei is None else str(line.wei),
        "tx_hash": None if line.tx_hash is None else f"0x{line.tx_hash.hex()}",
    }


def build_position_json(config: Config, position: LeafPosition) -> dict[str, Any]:
    """Return a leaf's index and inclusion path as a JSON object."""
    anchored = position.anchored
    return {
        "leaf": position.leaf.hex(),
        "index": position.index,
        "head": _build_tree_head_json(position.head),
        "path": [
            {
                "sibling": step.sibling.hex(),
                "side": "left" if step.sibling_is_left else "right",
                "node": step.node.hex(),
            }
            for step in position.steps
        ],
        "anchor": None
        if anchored is None
        else {
            "sequence": anchored.sequence,
            "block_number": anchored.block_number,
            "timestamp": anchored.timestamp,
            "final": anchored.final,
            **build_finality_json(config),
        },
    }


def build_consistency_json(consistency: HeadConsistency) -> dict[str, Any]:
    """Return two heads and their consistency proof as a JSON object."""
    return {
        "old": _build_tree_head_json(consistency.old),
        "new": _build_tree_head_json(consistency.new),
        "proof": [node.hex() for node in consistency.proof],
        "verified": True,
    }


def _build_copies_json(overview: Overview) -> dict[str, Any]:
    """Return how many servers hold the store, if there are to be several."""
    copies = overview.copies
    if copies is None:
        return {}
    return {"copies": {"count": copies.count, "wanted": copies.rule.copies}}


def _build_seen_json(seen_at: float | None, trouble: str | None) -> dict[str, Any]:
    return {"seen_at": None if seen_at is None else _time(seen_at), "trouble": trouble}


def _build_chain_json(overview: Overview, external: ExternalStatus) -> dict[str, Any]:
    facts = external.chain.value
    seen = _build_seen_json(external.chain.seen_at, external.chain.trouble)
    if facts is None:
        return seen
    days = None if facts.balance is None else overview.spending.days_left(facts.balance)
    return seen | {
        "block": facts.block,
        "block_time": _time(facts.block_time),
        "final_block": facts.final_block,
        "size": facts.size,
        "closed": facts.is_closed,
        "balance_wei": None if facts.balance is None else str(facts.balance),
        "days_left": None if days is None else round(days, 1),
    }


def _build_tree_head_json(head: Head) -> dict[str, Any]:
    return {"size": head.size, "root": head.root.hex()}


def _time(moment: float) -> str:
    return format_time(datetime.fromtimestamp(moment, UTC))
