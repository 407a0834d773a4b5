"""The notices in the verifier's own project, as verifications look them up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anchor.evidence.record_notice import RecordNotice
from anchor.receipt.format import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNotices:
    """The notices in the verifier's own project.

    ``find`` returns the notice about the record with this SHA-256, and what makes its receipt.
    ``holds_log``: the record's log is the project's, so that no notice is unknown to it.
    """

    find: Callable[[bytes], Sequence[tuple[RecordNotice, Callable[[], Receipt]]]]
    holds_log: bool
