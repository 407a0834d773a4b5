"""The comparison of two captures as members of a JSON document."""

from __future__ import annotations

from typing import Any

from anchor.comparison.capture_account import ResourceKey
from anchor.comparison.capture_bag import CaptureBag
from anchor.comparison.capture_comparison import CaptureDifference, PageDifference
from anchor.comparison.picture_difference import PictureDifference
from anchor.comparison.resource_difference import States
from anchor.comparison.text_difference import TextDifference


def describe_comparison(
    first: CaptureBag, second: CaptureBag, difference: CaptureDifference
) -> dict[str, Any]:
    """Return the members of a document about two captures and their differences."""
    resources = difference.resources
    return {
        "first": describe_side(first),
        "second": describe_side(second),
        "complete": difference.is_complete,
        "text_share": difference.text_share,
        "picture_share": difference.picture_share,
        "facts": [
            {"name": fact.name, "first": fact.first, "second": fact.second}
            for fact in difference.facts
        ],
        "pages": [_describe_page(page) for page in difference.pages],
        "pages_added": list(difference.pages_added),
        "pages_removed": list(difference.pages_removed),
        "resources": {
            "same": resources.same,
            "added": [_describe_key(key) for key in resources.added],
            "removed": [_describe_key(key) for key in resources.removed],
            "changed": [
                {
                    **_describe_key(key),
                    "first": _describe_states(before),
                    "second": _describe_states(after),
                }
                for key, before, after in resources.changed
            ],
            "unknown": [_describe_key(key) for key in resources.unknown],
        },
    }


def describe_side(capture: CaptureBag) -> dict[str, Any]:
    """Return the bag of a capture, the digest of its manifest, and the time of the capture."""
    return {
        "bag": str(capture.path),
        "manifest_sha256": (capture.bag.manifest.sha256 or b"").hex(),
        "started_at": capture.account.facts["started_at"],
    }


def _describe_page(page: PageDifference) -> dict[str, Any]:
    return {
        "url": page.url,
        "text": None if page.text is None else _describe_text(page.text),
        "pictures": {name: _describe_picture(each) for name, each in page.pictures.items()},
        "not_compared": [
            {"name": name, "reason": str(reason), "code": reason.id}
            for name, reason in page.uncompared.items()
        ],
    }


def _describe_text(text: TextDifference) -> dict[str, Any]:
    return {
        "share": text.share,
        "first_characters": text.first_size,
        "second_characters": text.second_size,
        "deleted_characters": text.deleted,
        "inserted_characters": text.inserted,
        "aligned": text.is_aligned,
        "cut": text.is_cut,
        "unified": list(text.unified),
        "words": [
            [[kind, words] for kind, words in block.edits]
            for hunk in text.hunks
            for block in hunk.blocks
            if block.edits
        ],
    }


def _describe_picture(picture: PictureDifference) -> dict[str, Any]:
    return {
        "share": picture.share,
        "changed_pixels": picture.changed,
        "pixels": picture.total,
        "first_size": list(picture.first),
        "second_size": list(picture.second),
    }


def _describe_key(key: ResourceKey) -> dict[str, str]:
    return {"method": key[0], "url": key[1]}


def _describe_states(states: States) -> list[dict[str, str | None]]:
    ordered = sorted(states, key=lambda state: (state[0], state[1] or ""))
    return [{"status": status, "body_sha256": digest} for status, digest in ordered]
