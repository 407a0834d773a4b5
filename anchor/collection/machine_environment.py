"""The environment group of a record: what was observed of the machine, and what was not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from anchor.collection.machine import MachineObservation
from anchor.evidence.observed_groups import Environment
from anchor.evidence.statement_text import MAX_CHARACTERS

# A list longer than this is cut; the rest is counted.
_MOST_ENTRIES = 50


def describe_environment(machine: MachineObservation) -> Environment:
    """Return the group; each member that was not observed is absent and in ``not_observed``."""
    store = machine.ca_store
    members: dict[str, object] = {
        "os": _clean(machine.os),
        "kernel": _clean(machine.kernel),
        "cpu": _clean(machine.cpu),
        "vm": _clean(machine.vm),
        "locale": _clean(machine.locale),
        "tz": _clean(machine.tz),
        "packages_digest": _hash_lines(machine.packages),
        "process_list_digest": _hash_lines(machine.processes),
        "ca_store_digest": None if store is None else store.digest().hex(),
        "hosts_file_digest": None
        if machine.hosts is None
        else hashlib.sha256(machine.hosts).hexdigest(),
        "proxy": None if machine.proxies is None else cut_list(machine.proxies),
        "dns_servers": None if machine.dns_servers is None else cut_list(machine.dns_servers),
        "disk_free": machine.disk_free,
    }
    observed = {name: value for name, value in members.items() if value is not None}
    missing = [name for name in Environment.model_fields if name not in observed]
    missing.remove("not_observed")
    return Environment.model_validate({**observed, "not_observed": missing})


def clean_text(text: str) -> str:
    """Return foreign text as a statement may hold it: one printable line, cut to the bound."""
    printable = "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text
    )
    return printable.strip()[:MAX_CHARACTERS] or "?"


def cut_list(entries: Iterable[str]) -> list[str]:
    """Return the entries as a record may hold them; beyond 50, only their number."""
    cleaned = [clean_text(entry) for entry in entries]
    rest = len(cleaned) - _MOST_ENTRIES
    return cleaned if rest <= 0 else [*cleaned[:_MOST_ENTRIES], f"… +{rest}"]


def _clean(text: str | None) -> str | None:
    return None if not text else clean_text(text)


def _hash_lines(lines: tuple[str, ...] | None) -> str | None:
    """Return the SHA-256 of lines, each with a line feed, in hex."""
    if lines is None:
        return None
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
