"""``anchor audit --manifest``: the objects of manifests, read again; it needs no project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from anchor.base.digests import SHA256, SM3
from anchor.base.errors import ExitCode
from anchor.base.messages.message import Message
from anchor.base.objects.object_url import ObjectUrl
from anchor.cli.console import Colour, Output
from anchor.cli.progress_bar import show_hashing
from anchor.evidence.hashing_pool import open_workers
from anchor.objects.object_audit import ObjectAudit, audit_objects
from anchor.objects.object_hashing import HashingRules, ObjectRow
from anchor.objects.object_manifest import list_manifests, read_rows


def audit_manifests(
    output: Output,
    paths: Sequence[Path],
    below: ObjectUrl,
    *,
    name: str,
    count: int | None,
    rate: float | None,
) -> None:
    """Read the objects of these manifests below a URL again, and print which ones differ."""
    manifests = [each for path in paths for each in list_manifests(path)]
    with open_workers(name, count, output.note) as workers, show_hashing(output) as progress:
        rules = HashingRules(
            algorithms=(SHA256, SM3), rate=None if rate is None else rate / workers.processes
        )
        progress.expect(*_measure(manifests))
        audit = audit_objects(_read(manifests), below, rules, workers=workers, on_done=progress)
    _report(output, audit, len(manifests))


def _read(manifests: Sequence[Path]) -> Iterator[ObjectRow]:
    for path in manifests:
        yield from read_rows(path)


def _measure(manifests: Sequence[Path]) -> tuple[int, int]:
    """Return how many objects have digests, and their bytes; every row is checked."""
    files = size = 0
    for row in _read(manifests):
        if row.digests is not None:
            files, size = files + 1, size + (row.size or 0)
    return files, size


def _report(output: Output, audit: ObjectAudit, manifests: int) -> None:
    for message in audit.messages:
        output.line(message)
    output.line(
        Message("audit-objects-read", equal=audit.equal, changed=audit.changed, unread=audit.unread)
    )
    if audit.unknown:
        output.line(Message("audit-objects-unknown", count=audit.unknown))
    code = ExitCode.DONE
    if audit.changed:
        code = ExitCode.MISMATCH
    elif audit.unread or audit.unknown:
        code = ExitCode.CANNOT_CHECK
    output.line(Message("audit-manifest-own-receipt"))
    if code:
        output.line(Message("exit-code", code=int(code)), colour=Colour.YELLOW)
    output.result(
        {
            "manifests": manifests,
            "equal": audit.equal,
            "changed": audit.changed,
            "unread": audit.unread,
            "unknown": audit.unknown,
            "messages": audit.messages,
            "exit_code": int(code),
        },
        kind="manifests",
    )
    if code:
        raise typer.Exit(code)
