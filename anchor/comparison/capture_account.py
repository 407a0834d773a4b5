"""What the account of a capture (``capture.json``) states: facts, resources and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.foreign_capture.foreign_json import get_text, list_objects, parse_object

FORMAT = "anchor-capture-account/1"

FACTS = (
    "url", "final_url", "status", "title", "started_at", "address", "certificate_sha256",
    "certificate_issuer", "certificate_not_after", "mode", "browser", "viewports", "language",
)  # fmt: skip
"""The facts of a capture, in the order in which they are shown."""

ResourceKey = tuple[str, str]
"""Method and URL."""
ResourceState = tuple[str, str | None]
"""Status, and SHA-256 of the body; None if the body was not captured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureAccount:
    """The facts of a capture, each as text or None; the answers to each request; the pages.

    ``pages`` are the URLs of the pages, each with the folder of its views below ``data/``, that of
    the capture's own page being "".
    """

    facts: Mapping[str, str | None]
    resources: Mapping[ResourceKey, frozenset[ResourceState]]
    pages: Mapping[str, str]


def parse_account(data: bytes, *, subject: str) -> CaptureAccount:
    """Parse ``capture.json``, which anybody may have written."""
    members = parse_object(data, subject)
    if members.get("format") != FORMAT:
        stated = str(members.get("format"))[:80]
        raise UnknownVersionError(
            Message("capture-account-format", name=subject, actual=stated, expected=FORMAT)
        )
    final_url = get_text(members, "final_url")
    if final_url is None:
        raise MalformedError(Message("capture-account-member", name=subject, member="final_url"))
    requests = list_objects(members, "requests")
    pages = {final_url: ""}
    for page in list_objects(members, "followed"):
        pages.setdefault(str(page.get("url")), f"{page.get('folder')}/")
    return CaptureAccount(
        facts=MappingProxyType(_read_facts(members, final_url, requests)),
        resources=MappingProxyType(_read_resources(requests)),
        pages=MappingProxyType(pages),
    )


def _read_facts(
    members: Mapping[str, Any], final_url: str, requests: list[dict[str, Any]]
) -> dict[str, str | None]:
    certificate = _find_certificate(members, final_url)
    options = _object(members.get("options"))
    viewports = options.get("viewports")
    facts: dict[str, Any] = {
        **{name: members.get(name) for name in ("url", "status", "title", "started_at", "mode")},
        "final_url": final_url,
        "address": _find_address(final_url, requests),
        "certificate_sha256": certificate.get("sha256"),
        "certificate_issuer": certificate.get("issuer"),
        "certificate_not_after": certificate.get("not_after"),
        "browser": _object(members.get("browser")).get("version"),
        "viewports": " ".join(map(str, viewports)) if isinstance(viewports, list) else None,
        "language": options.get("language"),
    }
    return {name: _text(facts[name]) for name in FACTS}


def _find_address(final_url: str, requests: list[dict[str, Any]]) -> str | None:
    """Return the IP address of the server that the shown document came from."""
    shown = final_url.partition("#")[0]
    for request in reversed(requests):
        if request.get("kind") == "Document" and _text(request.get("url"), "#") == shown:
            return _text(request.get("address"))
    return None


def _find_certificate(members: Mapping[str, Any], final_url: str) -> Mapping[str, Any]:
    """Return what the certificate of the shown document's server states; nothing without TLS."""
    try:
        parts = urlsplit(final_url)
    except ValueError:
        return {}
    listed = members.get("certificates")
    for each in listed if isinstance(listed, list) else []:
        chain = _object(each).get("chain")
        if _object(each).get("origin") == f"{parts.scheme}://{parts.netloc}" and chain:
            return _object(chain[0] if isinstance(chain, list) else None)
    return {}


def _read_resources(
    requests: list[dict[str, Any]],
) -> dict[ResourceKey, frozenset[ResourceState]]:
    states: dict[ResourceKey, set[ResourceState]] = {}
    for request in requests:
        key = (str(request.get("method")), str(request.get("url")))
        state = (str(request.get("status")), _text(request.get("body_sha256")))
        states.setdefault(key, set()).add(state)
    return {key: frozenset(each) for key, each in states.items()}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object, end: str | None = None) -> str | None:
    """Return a value as text, up to ``end`` if it is given; None for nothing and for no scalar."""
    if not isinstance(value, str | int | float) or value == "":
        return None
    return str(value).partition(end)[0] if end else str(value)
