"""``/metrics`` for Prometheus: the log's state, read for each scrape, and counts of requests.

A figure that is unknown is left out, because 0 would be wrong.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from anchor.base.system.clock import parse_time
from anchor.monitor.alarms import RULES, raise_alarms
from anchor.monitor.chain_status import ExternalStatus
from anchor.monitor.overview import Overview, read_overview
from anchor.project.config import Config
from anchor.service.auth import Administrator
from anchor.service.middleware import collect_requests
from anchor.service.worker import CurrentService

router = APIRouter(include_in_schema=False)

# The number of newest anchors examined, enough to include those that are late.
_ANCHORS = 50

Figure = tuple[str, str, float | None]
"""A metric's name, its description and its value; None if the value is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFigures(Collector):
    """A collector of the log's figures at one moment."""

    config: Config
    overview: Overview
    outside: ExternalStatus

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        figures = chain(
            self._queue(),
            self._heads(),
            self._anchors(),
            self._money(),
            self._chain(),
            self._deliveries(),
        )
        for name, text, value in figures:
            if value is not None:
                yield GaugeMetricFamily(name, text, value=value)
        anchors = self.overview.anchors
        if anchors:
            yield CounterMetricFamily(
                "anchor_anchors", "Anchors that the registry took of this log.",
                value=anchors[0].sequence,
            )  # fmt: skip
        yield self._alarms()

    def _queue(self) -> Iterable[Figure]:
        queue, moment = self.overview.queue, self.overview.read_at
        oldest = None if queue.oldest_at is None else moment - queue.oldest_at
        return (
            ("anchor_running", "Whether a process seals and anchors (1) or none does (0).",
             float(self.overview.is_running)),
            ("anchor_waiting_evidence", "Evidence that waits for a seal, counted up to 1,000,000.",
             queue.waiting),
            ("anchor_waiting_seconds", "Age of the evidence that waits longest.", oldest or 0.0),
            ("anchor_accepted_last_hour_evidence", "Evidence accepted in the last hour.",
             queue.accepted_last_hour),
            ("anchor_open_incidents", "Final anchors that the chain contradicted.",
             len(self.overview.incidents)),
            ("anchor_store_copies", "Servers that hold what is committed, up to those wanted.",
             None if self.overview.copies is None else self.overview.copies.count),
            ("anchor_unproven_anchors", "Final anchors whose receipts go without state proof.",
             0 if self.overview.unproven is None else self.overview.unproven.anchors),
        )  # fmt: skip

    def _heads(self) -> Iterable[Figure]:
        overview, newest = self.overview, self.overview.newest
        unanchored = overview.unanchored_since
        return (
            ("anchor_head_size", "Leaves in the log.", newest.head.size if newest else 0),
            ("anchor_head_age_seconds", "Age of the newest head.",
             None if newest is None else overview.read_at - newest.sealed_at),
            ("anchor_final_size", "Leaves below the newest final anchor.", overview.final_size),
            ("anchor_unanchored_seconds", "Age of the first head that no anchor holds; 0: none.",
             0.0 if unanchored is None else overview.read_at - unanchored),
            ("anchor_tiles_size", "Leaves for which the tree on disk is whole.", overview.tiles),
        )  # fmt: skip

    def _anchors(self) -> Iterable[Figure]:
        anchors, moment = self.overview.anchors, self.overview.read_at
        waiting = [moment - anchor.included_at for anchor in anchors if not anchor.final]
        yield (
            "anchor_reversible_seconds",
            "Age of the oldest anchor that is not final; 0: none.",
            max(waiting, default=0.0),
        )
        final = next((anchor.to_final for anchor in anchors if anchor.to_final is not None), None)
        yield (
            "anchor_finality_seconds",
            "From seal until finality was seen, of the last that is.",
            final,
        )
        if not anchors:
            return
        newest = anchors[0]
        age = moment - newest.included_at
        yield "anchor_anchor_age_seconds", "Age of the newest anchor's block.", age
        yield "anchor_inclusion_seconds", "From seal to block, newest anchor.", newest.to_included
        yield "anchor_anchor_gas", "Gas that the newest anchor used.", newest.gas_used
        yield "anchor_anchor_gas_price_wei", "What it paid for a gas.", newest.gas_price
        yield "anchor_anchor_cost_wei", "What it cost.", newest.wei

    def _money(self) -> Iterable[Figure]:
        spending, facts = self.overview.spending, self.outside.chain.value
        balance = None if facts is None else facts.balance
        days = None if balance is None else spending.days_left(balance)
        transaction = self.overview.transaction
        since = None if transaction is None else parse_time(transaction.reserved_at)
        return (
            ("anchor_spent_wei", "What the transactions of the last 7 days cost.", spending.wei),
            ("anchor_budget_wei", "What the transactions of 30 days may cost.", spending.budget),
            ("anchor_budget_spent_wei", "What they cost so far.",
             None if spending.budget is None else spending.budget_spent),
            ("anchor_signer_balance_wei", "Balance of the sender.", balance),
            ("anchor_signer_lasts_seconds", "How long the balance lasts at the rate of 7 days.",
             None if days is None else days * 86_400),
            ("anchor_fee_cap_wei", "The most that may be paid for a gas.",
             self.config.fee_cap),
            ("anchor_transaction_seconds", "Age of the transaction on its way; 0: none is.",
             0.0 if since is None else self.overview.read_at - since),
        )  # fmt: skip

    def _chain(self) -> Iterable[Figure]:
        sighting, published = self.outside.chain, self.outside.published
        if published is not None:
            yield (
                "anchor_published_size",
                "Leaves published at the configured place.",
                published.value,
            )
        facts = sighting.value
        if facts is None or sighting.seen_at is None:
            return
        age = self.overview.read_at - sighting.seen_at
        yield "anchor_chain_seen_seconds", "Age of what is known of the chain.", age
        yield "anchor_chain_block", "The newest block's number.", facts.block
        yield "anchor_chain_final_block", "The newest final block's number.", facts.final_block
        yield "anchor_base_fee_wei", "The newest block's base fee.", facts.base_fee

    def _deliveries(self) -> Iterable[Figure]:
        counts = self.overview.deliveries
        return (
            ("anchor_waiting_messages", "Messages to webhooks and people that wait.",
             counts.waiting),
            ("anchor_failing_messages", "Those of them that failed at least once.",
             counts.failing),
            ("anchor_given_up_messages", "Messages given up in the last day.", counts.given_up),
        )  # fmt: skip

    def _alarms(self) -> Metric:
        family = GaugeMetricFamily(
            "anchor_alarm",
            "Whether the dashboard shows this alarm (1) or not (0).",
            labels=("alarm", "severity"),
        )
        raised = {alarm.name for alarm in raise_alarms(self.config, self.overview, self.outside)}
        for rule in RULES:
            family.add_metric((rule.name, rule.severity.value), float(rule.name in raised))
        return family


@router.get("/metrics")
async def metrics(_caller: Administrator, service: CurrentService) -> Response:
    """Return all metrics in Prometheus's text format."""
    project = service.project
    outside = service.outside.snapshot()

    def read() -> bytes:
        overview = read_overview(project, time.time(), heads=1, anchors=_ANCHORS)
        registry = CollectorRegistry()
        registry.register(LogFigures(config=project.config, overview=overview, outside=outside))
        return generate_latest(registry) + generate_latest(collect_requests())

    return Response(await service.read(read), media_type=CONTENT_TYPE_PLAIN_0_0_4)
