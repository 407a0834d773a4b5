"""What a service checks in a worker's result before it records it; the worker is not trusted.

The worker can say anything about the page, which is what it is for; it cannot have another kind of
record made, another page's, or one whose files are not those in the bag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anchor.bag.bag_format import MANIFEST
from anchor.bag.bag_validation import ValidBag
from anchor.base.canonical import JsonValue
from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.capture.capture_spool import Texts, read_texts
from anchor.collection.machine_environment import clean_text
from anchor.evidence.group_reading import parse_groups
from anchor.evidence.record_groups import RecordGroups

_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,119}}/{re.escape(MANIFEST)}")
_MEMBERS = frozenset(
    {
        "profile", "kind", "items", "manifest", "platform", "environment", "cleanliness", "clock",
        "capture",
    }
)  # fmt: skip
_ROBOTS = ("allowed", "disallowed", "none", "unread")
_MOST_MISSING = 100
_MAX_SUBJECT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureResult:
    """What a worker's document says: a name and groups for a record, or why there is none.

    ``account`` is what is shown beside the record.
    """

    refusal: Texts | None
    name: str
    groups: RecordGroups
    account: Mapping[str, Any]


def parse_result(members: Mapping[str, JsonValue], id: str) -> CaptureResult:
    """Return the result of the order ``id``."""
    match members:
        case {"id": str(named), "refusal": refusal, **others} if named == id and not others:
            empty = RecordGroups()
            return CaptureResult(refusal=read_texts(refusal), name="", groups=empty, account={})
        case {
            "id": str(named),
            "name": str(name),
            "groups": dict(groups),
            "missing": list(missing),
            "robots": str(robots),
            **others,
        } if named == id and not others and _NAME.fullmatch(name) and robots in _ROBOTS:
            if groups.keys() <= _MEMBERS and len(missing) <= _MOST_MISSING:
                account = {"missing": list(map(_read_missing, missing)), "robots": robots}
                described = parse_groups(groups)
                return CaptureResult(refusal=None, name=name, groups=described, account=account)
    raise MalformedError(Message("capture-result-malformed"))


def _read_missing(value: JsonValue) -> dict[str, Any]:
    match value:
        case {"subject": str(subject), "reason": reason, **others} if not others:
            return {"subject": subject[:_MAX_SUBJECT], "reason": read_texts(reason)}
    raise MalformedError(Message("capture-result-malformed"))


def check_result(result: CaptureResult, bag: ValidBag, url: str) -> None:
    """Check that a result is about the page that was ordered, and lists the files of its bag."""
    groups = result.groups
    if groups.kind != "web-capture" or groups.capture is None or not bag.is_evidence:
        raise MalformedError(Message("capture-result-malformed"))
    if groups.capture.url != clean_text(url):
        raise MalformedError(Message("capture-result-malformed"))
    actual = {name: (digests.sha256 or b"").hex() for name, digests in bag.payload.items()}
    if groups.items is not None:
        listed = {entry.path: entry.digests.sha256 for entry in groups.items}
        is_same = listed == actual
    else:
        manifest = groups.manifest
        own = (bag.manifest.sha256 or b"").hex()
        is_same = manifest is not None and manifest.sha256 == own and manifest.files == len(actual)
    if not is_same:
        raise MalformedError(Message("capture-result-malformed"))
