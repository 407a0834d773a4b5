"""Logs that are published and read, and what several tests do with them."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.projects import Site, reading

from anchor.base.digests import digest_bytes
from anchor.base.errors import AnchorError
from anchor.base.types import ChainId, LogId
from anchor.log.publication import (
    CHECKPOINT,
    PublicationFolder,
    open_writer,
    read_anchors,
    read_tile,
)
from anchor.operate.acceptance import EvidenceInput, accept
from anchor.operate.finality import refresh_anchors
from anchor.operate.publishing import Publication, publish_log
from anchor.project.project import trust_entry
from anchor.verification.log_audit import CheckedLog, check_log
from anchor.verification.policy import TrustEntry, TrustPolicy
from anchor.verification.report import Verdict
from anchor.verification.steps import Connect

DEV_CHAIN = ChainId(31337)
NUMBERS = itertools.count(500)


def grow(site: Site, count: int) -> None:
    """Add ``count`` pieces of evidence and anchor them."""
    with site.open() as project:
        accept(project, submissions(count))
    site.anchor()


def submissions(count: int) -> list[EvidenceInput]:
    """Make up some evidence."""
    names = [f"{next(NUMBERS)}.txt" for _ in range(count)]
    return [
        EvidenceInput(source=name, name=name, digests=digest_bytes(name.encode(), ("sha256",)))
        for name in names
    ]


def publish(site: Site, place: Path | str) -> Publication:
    with site.open() as project:
        with reading(site.url) as node:
            refresh_anchors(project, node)
        return publish_log(project, open_writer(str(place)))


def refusal(action: object, *arguments: object, **options: object) -> AnchorError:
    with pytest.raises(AnchorError) as caught:
        action(*arguments, **options)  # type: ignore[operator]
    return caught.value


def policy(*entries: TrustEntry) -> TrustPolicy:
    return TrustPolicy(entries=entries)


def check_with(
    place: Path, connect: Connect, *entries: TrustEntry, expected: LogId | None = None
) -> dict[int, tuple[str, Verdict]]:
    """Check what is published in ``place`` by these entries; return what each step told."""
    return check_all(place, connect, *entries, expected=expected)[0]


def check_all(
    place: Path, connect: Connect, *entries: TrustEntry, **given: Any
) -> tuple[dict[int, tuple[str, Verdict]], CheckedLog]:
    """Check what is published in ``place``; return what each step told, and all that was found."""
    told: dict[int, tuple[str, Verdict]] = {}

    def tell(number: int, detail: str, verdict: Verdict = Verdict.PASS) -> None:
        told[number] = detail, verdict

    checked = check_log(
        (place / CHECKPOINT).read_bytes(),
        partial(read_tile, PublicationFolder(place)),
        policy=policy(*entries) if entries else None,
        verifier=None,
        connect=connect,
        report_step=tell,
        anchored=partial(read_anchors, PublicationFolder(place)),
        **{"chain_ids": (DEV_CHAIN,), "accept_unpinned": True} | given,
    )
    return told, checked


def entry_of(site: Site) -> TrustEntry:
    with site.open() as project:
        return trust_entry(project.config)
