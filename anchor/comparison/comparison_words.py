"""The words of pages about captures."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from anchor.base.messages.message import Message


def list_page_words() -> Mapping[str, Message]:
    """Return the headings and labels of the pages."""
    return MappingProxyType(
        {
            "title": Message("comparison-title"),
            "first": Message("comparison-first"),
            "second": Message("comparison-second"),
            "marked": Message("comparison-marked"),
            "limits": Message("comparison-limits"),
            "captures": Message("comparison-captures"),
            "bag": Message("comparison-bag"),
            "manifest": Message("comparison-manifest"),
            "started": Message("group-capture-started-at"),
            "facts": Message("comparison-facts"),
            "no_facts": Message("comparison-no-facts"),
            "text": Message("comparison-text"),
            "text_same": Message("comparison-text-same"),
            "text_unaligned": Message("comparison-text-unaligned"),
            "text_cut": Message("comparison-text-cut"),
            "picture_same": Message("comparison-picture-same"),
            "picture_omitted": Message("comparison-picture-omitted"),
            "uncompared": Message("comparison-uncompared"),
            "pages_added": Message("comparison-pages-added"),
            "pages_removed": Message("comparison-pages-removed"),
            "resources": Message("comparison-resources"),
            "added": Message("comparison-added"),
            "removed": Message("comparison-removed"),
            "changed": Message("comparison-changed"),
            "unknown": Message("comparison-unknown"),
            "more": Message("comparison-more"),
        }
    )
