"""The notices of ``anchor supersede`` and ``anchor withdraw``, recorded and printed."""

from __future__ import annotations

from pathlib import Path

from anchor.base.messages.message import Message
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.operate.key_audit_trail import find_user
from anchor.operate.record_notices import record_notice


def record_and_print(
    config_path: Path | None,
    output: Output,
    subject: str,
    replacement: str | None,
    *,
    reason: str,
    actor: str | None,
    at: str | None,
) -> None:
    """Record that ``subject`` is superseded by ``replacement``, or without one withdrawn."""
    with project_session(config_path) as project:
        notice, accepted = record_notice(
            project, subject, replacement, reason=reason, actor=actor or find_user(), at=at
        )
    output.line(
        Message("notice-recorded-withdrawn", subject=subject)
        if replacement is None
        else Message("notice-recorded-superseded", subject=subject, replacement=replacement)
    )
    output.result(
        {
            "kind": notice.kind,
            "subject": notice.subject.hex(),
            "replacement": None if notice.replacement is None else notice.replacement.hex(),
            "reason": notice.reason,
            "at": notice.at,
            "actor": notice.actor,
            "id": accepted.identity.hex(),
            "leaf": accepted.leaf.hex(),
        }
    )
