"""Labels of what two captures may differ in."""

from __future__ import annotations

from types import MappingProxyType

from anchor.base.messages.message import Message
from anchor.comparison.capture_account import FACTS

FACT_LABELS = MappingProxyType(
    {
        "url": Message("group-capture-url"),
        "final_url": Message("group-capture-final-url"),
        "status": Message("group-capture-status"),
        "title": Message("group-capture-title"),
        "started_at": Message("group-capture-started-at"),
        "address": Message("group-capture-address"),
        "certificate_sha256": Message("group-capture-certificate-sha256"),
        "certificate_issuer": Message("group-capture-certificate-issuer"),
        "certificate_not_after": Message("comparison-certificate-not-after"),
        "mode": Message("group-capture-mode"),
        "browser": Message("comparison-browser"),
        "viewports": Message("comparison-viewports"),
        "language": Message("comparison-language"),
    }
)
"""The label of each fact."""

assert tuple(FACT_LABELS) == FACTS


def show_share(share: float) -> str:
    """Return a share in per cent; one that is not zero is never shown as zero."""
    return f"{max(share * 100, 0.01):.2f} %" if share else "0 %"
