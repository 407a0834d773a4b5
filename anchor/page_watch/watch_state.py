"""What is kept of watched pages between two rounds: a JSON document of the project."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from anchor.canonical import encode_canonical, parse_strict
from anchor.errors import MalformedError
from anchor.messages.message import Message

FORMAT = "anchor-page-watch/1"
MAX_STATE_BYTES = 1 << 26
# Changes of which the page shows pictures; and all that it lists.
_MOST_PICTURES, _MOST_CHANGES = 50, 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChange:
    """A recorded capture of a page: its bag, the one before it, and what had changed.

    ``reasons`` are English; ``pictures`` are thumbnails (PNG) of the two.
    """

    url: str
    at: str
    bag: str
    previous: str | None
    reasons: tuple[str, ...]
    text_share: str | None = None
    picture_share: str | None = None
    pictures: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCapture:
    """A capture that is to be recorded: where its bag is, where it goes, and its record's groups.

    ``not_before`` is the canonical JSON of the block that the record names.
    """

    taken: str
    manifest_sha256: str
    groups: Mapping[str, Any]
    not_before: str | None
    change: RecordedChange


@dataclass(frozen=True, slots=True, kw_only=True)
class PageState:
    """A page: its last check, the bag that was recorded last with its manifest, what is pending."""

    checked_at: str | None = None
    bag: str | None = None
    manifest_sha256: str | None = None
    pending: PendingCapture | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchState:
    """All pages by URL, and the changes, oldest first."""

    pages: Mapping[str, PageState] = field(default_factory=dict)
    changes: tuple[RecordedChange, ...] = ()

    def page(self, url: str) -> PageState:
        """Return the state of a page, empty before its first check."""
        return self.pages.get(url, PageState())

    def with_page(self, url: str, page: PageState) -> WatchState:
        """Return the state with another one of a page."""
        return replace(self, pages={**self.pages, url: page})

    def with_change(self, change: RecordedChange) -> WatchState:
        """Return the state with one more change; of old ones the pictures are dropped."""
        kept = (*self.changes, change)[-_MOST_CHANGES:]
        plain = tuple(replace(each, pictures=()) for each in kept[:-_MOST_PICTURES])
        return replace(self, changes=(*plain, *kept[-_MOST_PICTURES:]))


def encode_state(state: WatchState) -> bytes:
    """Return the document."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "pages": {
            url: {
                "checked_at": page.checked_at,
                "bag": page.bag,
                "manifest_sha256": page.manifest_sha256,
                "pending": None if page.pending is None else _encode_pending(page.pending),
            }
            for url, page in state.pages.items()
        },
        "changes": [_encode_change(change) for change in state.changes],
    }
    return encode_canonical(document, subject=FORMAT)


def parse_state(data: bytes, *, subject: str) -> WatchState:
    """Parse the document.

    Raises:
        MalformedError: It is damaged.
    """
    value: Any = parse_strict(data, subject=subject, max_bytes=MAX_STATE_BYTES)
    try:
        if value["format"] != FORMAT:
            raise ValueError(FORMAT)
        return WatchState(
            pages={
                str(url): PageState(
                    checked_at=page["checked_at"],
                    bag=page["bag"],
                    manifest_sha256=page["manifest_sha256"],
                    pending=None if page["pending"] is None else _parse_pending(page["pending"]),
                )
                for url, page in value["pages"].items()
            },
            changes=tuple(_parse_change(each) for each in value["changes"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedError(Message("watch-state-damaged", path=subject)) from error


def _encode_pending(pending: PendingCapture) -> dict[str, Any]:
    return {
        "taken": pending.taken,
        "manifest_sha256": pending.manifest_sha256,
        "groups": dict(pending.groups),
        "not_before": pending.not_before,
        "change": _encode_change(pending.change),
    }


def _parse_pending(value: dict[str, Any]) -> PendingCapture:
    return PendingCapture(
        taken=str(value["taken"]),
        manifest_sha256=str(value["manifest_sha256"]),
        groups=dict(value["groups"]),
        not_before=value["not_before"],
        change=_parse_change(value["change"]),
    )


def _encode_change(change: RecordedChange) -> dict[str, Any]:
    return {
        "url": change.url,
        "at": change.at,
        "bag": change.bag,
        "previous": change.previous,
        "reasons": list(change.reasons),
        "text_share": change.text_share,
        "picture_share": change.picture_share,
        "pictures": [base64.b64encode(each).decode("ascii") for each in change.pictures],
    }


def _parse_change(value: dict[str, Any]) -> RecordedChange:
    return RecordedChange(
        url=str(value["url"]),
        at=str(value["at"]),
        bag=str(value["bag"]),
        previous=value["previous"],
        reasons=tuple(map(str, value["reasons"])),
        text_share=value["text_share"],
        picture_share=value["picture_share"],
        pictures=tuple(base64.b64decode(each) for each in value["pictures"]),
    )
