"""What an operator has to look at: a pure judgement of an overview and of what is outside.

Each alarm is a rule of its own, by a name that dashboards, metrics and alert rules share.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.monitor.alarm_rules import RULES, Severity, Situation, if_fresh
from anchor.monitor.chain_status import ExternalStatus
from anchor.monitor.overview import Overview
from anchor.project.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One thing to look at: what is so, and what to do about it."""

    name: str
    severity: Severity
    text: str
    hint: str


def raise_alarms(config: Config, overview: Overview, outside: ExternalStatus) -> list[Alarm]:
    """Return the alarms, the worst first."""
    facts = if_fresh(outside.chain, overview.read_at)
    situation = Situation(config=config, overview=overview, outside=outside, facts=facts)
    found = []
    for rule in RULES:
        text = rule.find(situation)
        if text is not None:
            found.append(Alarm(name=rule.name, severity=rule.severity, text=text, hint=rule.hint))
    return sorted(found, key=lambda alarm: alarm.severity is not Severity.CRITICAL)
