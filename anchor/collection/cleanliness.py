"""The cleanliness check: what was observed of the machine, judged by one rule for each point.

A check that observed nothing is ``not_checked``, never ``pass``.  A failed check is recorded, and
stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anchor.base.messages.message import Message, translate
from anchor.collection.hosts_file import find_foreign_entries
from anchor.collection.machine import MachineObservation
from anchor.collection.machine_environment import clean_text, cut_list
from anchor.evidence.group_members import build_group
from anchor.evidence.observed_groups import (
    CheckResult,
    Cleanliness,
    CleanlinessCheck,
    ClockComparison,
)

LEAST_FREE_BYTES = 1 << 30
"""Free disk space below which captured files may be cut off."""

MOST_OFFSET_MS = 1_000
"""Error of the clock above which the times in a record mislead its reader."""

_NOTHING = Message("check-nothing-found")
Finding = tuple[CheckResult, str]
CheckFinding = tuple[str, Message, Finding]
"""A check's id and title, and its result with what was observed."""


def judge_cleanliness(
    machine: MachineObservation, clock: ClockComparison, *, started_at: str
) -> Cleanliness:
    """Return every check with its result, and the result of all of them."""
    findings: list[CheckFinding] = [
        ("hosts-file", Message("check-hosts-file"), _judge_hosts(machine)),
        ("proxy", Message("check-proxy"), _judge_absence(machine.proxies)),
        ("ca-store", Message("check-ca-store"), _judge_ca_store(machine)),
        ("clock", Message("check-clock"), _judge_clock(clock)),
        ("disk-space", Message("check-disk-space"), _judge_disk(machine.disk_free)),
        ("injected-settings", Message("check-injected"), _judge_absence(machine.injected)),
        ("tracer", Message("check-tracer"), _judge_tracer(machine.tracer)),
        ("machine-kind", Message("check-machine-kind"), _judge_kind(machine.vm)),
    ]
    return _summarise(started_at, (build_check(*finding) for finding in findings))


def add_findings(cleanliness: Cleanliness, findings: Iterable[CheckFinding]) -> Cleanliness:
    """Return the checks with further ones, and the result of all of them."""
    further = (build_check(*finding) for finding in findings)
    return _summarise(cleanliness.started_at, (*cleanliness.checks, *further))


def _summarise(started_at: str, checks: Iterable[CleanlinessCheck]) -> Cleanliness:
    listed = list(checks)
    result = _sum_up([check.result for check in listed])
    return Cleanliness(started_at=started_at, result=result, checks=listed)


def build_check(name: str, title: Message, finding: Finding) -> CleanlinessCheck:
    """Return a check in both languages, with its result and what was observed."""
    result, observed = finding
    english, chinese = clean_text(observed), clean_text(translate(observed, "zh"))
    members = {
        "id": name,
        "zh": translate(title, "zh"),
        "en": str(title),
        "result": result,
        "observed": english,
        "observed_zh": None if chinese == english else chinese,
    }
    return build_group(CleanlinessCheck, members)


def _sum_up(results: Sequence[CheckResult]) -> CheckResult:
    if "fail" in results:
        return "fail"
    return "not_checked" if "not_checked" in results else "pass"


def _judge_hosts(machine: MachineObservation) -> Finding:
    if machine.hosts is None:
        return _unread()
    text = machine.hosts.decode("utf-8", "replace")
    return _judge_absence(find_foreign_entries(text, machine.own_names))


def _judge_absence(entries: Iterable[str] | None) -> Finding:
    """Pass if nothing was found where it was looked for; None: it could not be looked for."""
    if entries is None:
        return _unread()
    listed = cut_list(entries)
    return ("fail", "; ".join(listed)) if listed else ("pass", _NOTHING)


def _judge_ca_store(machine: MachineObservation) -> Finding:
    store = machine.ca_store
    if store is None or not store.reference:
        return "not_checked", Message("check-ca-store-unread")
    extra = store.list_extra()
    if extra:
        return "fail", "; ".join(cut_list(extra))
    return "pass", Message("check-ca-store-listed", count=len(store.trusted))


def _judge_clock(clock: ClockComparison) -> Finding:
    if clock.offset_ms is None:
        if clock.state == "not_asked":
            return "not_checked", Message("check-clock-not-asked")
        return "not_checked", Message("check-clock-unanswered")
    offsets = [entry.offset_ms for entry in clock.servers or [] if entry.offset_ms is not None]
    shown = Message("check-clock-offsets", offsets="; ".join(f"{offset} ms" for offset in offsets))
    if clock.state == "disagree" or any(abs(offset) > MOST_OFFSET_MS for offset in offsets):
        return "fail", shown
    # One server may itself be wrong.
    return ("not_checked" if clock.state == "one_answer" else "pass"), shown


def _judge_disk(free: int | None) -> Finding:
    if free is None:
        return _unread()
    return ("pass" if free >= LEAST_FREE_BYTES else "fail"), Message("check-disk-free", size=free)


def _judge_tracer(tracer: int | None) -> Finding:
    if tracer is None:
        return _unread()
    return ("fail", Message("check-tracer-found", number=tracer)) if tracer else ("pass", _NOTHING)


def _judge_kind(kind: str | None) -> Finding:
    """Pass if the kind of machine was observed: it is reported, not judged."""
    return _unread() if kind is None else ("pass", kind)


def _unread() -> Finding:
    return "not_checked", Message("check-unread")
