"""The plan of watched pages: a TOML file with pages, intervals, options and thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from anchor.capture.capture_options import (
    DEFAULT_VIEWPORT,
    MAX_VIEWPORTS,
    CaptureOptions,
    check_language,
    check_mode,
    check_proxy,
    parse_capture_url,
    parse_viewport,
)
from anchor.capture.name_answers import parse_resolver
from anchor.errors import UsageError
from anchor.messages.message import Message
from anchor.system.details_toml import parse_details_toml

MIN_EVERY, MAX_EVERY = 60, 366 * 86_400
"""Seconds between two captures of a page."""
MAX_PAGES = 1_000

_DEFAULT_EVERY = 6 * 3_600
_NUMBERS: Mapping[str, tuple[float, float]] = {
    "every": (MIN_EVERY, MAX_EVERY),
    "text_share": (0, 1),
    "picture_share": (0, 1),
    "wait": (0, 600),
    "timeout": (1, 3_600),
    "depth": (0, 3),
    "max_bytes": (1 << 16, 1 << 30),
}
_WHOLE = ("every", "depth", "max_bytes")
_TEXTS = ("wait_for", "lang", "proxy", "mode", "login_profile")
_LISTS = ("viewports", "resolvers")
_SWITCHES = ("accept_bad_certificates", "keep_cookies", "film", "sign_wacz")
_SHARED = (*_NUMBERS, *_TEXTS, *_LISTS, *_SWITCHES)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedPage:
    """A page to watch, every so many seconds.

    A change is recorded if more than ``text_share`` of the characters or ``picture_share`` of the
    pixels differ.  ``options`` lack what is not in a plan: the program of the recording proxy,
    which ``uses_recorder`` asks for, and the key that signs, which ``signs_wacz`` asks for.
    """

    url: str
    every: int
    text_share: float
    picture_share: float
    uses_recorder: bool
    signs_wacz: bool
    options: CaptureOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPlan:
    """The pages of a plan, and the folder for their captures."""

    folder: Path
    pages: tuple[WatchedPage, ...]


def parse_plan(data: bytes, path: Path) -> WatchPlan:
    """Parse the plan in the file ``path``, from which relative paths start.

    Raises:
        UsageError: It is not TOML, or a member is unknown or has a wrong value; the message names
            it.
    """
    members = parse_details_toml(data)
    listed = members.pop("page", None)
    folder = members.pop("folder", "watched")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise _fault(path, "page")
    if not 0 < len(listed) <= MAX_PAGES:
        raise UsageError(Message("watch-plan-pages", path=path, limit=MAX_PAGES), path=path)
    if not isinstance(folder, str) or not folder or "\0" in folder:
        raise _fault(path, "folder")
    pages = [_parse_page({**members, **each}, path) for each in listed]
    urls = [page.url for page in pages]
    for url in urls:
        if urls.count(url) > 1:
            raise UsageError(Message("watch-plan-twice", path=path, url=url), path=path)
    return WatchPlan(folder=path.parent / folder, pages=tuple(pages))


def seconds_until_due(checked_at: str | None, every: int, at: str) -> float:
    """Return the seconds from the time ``at`` until a page is to be captured again.

    Both times are RFC 3339.  A page that was last captured in the future, by this clock, is due.
    """
    if checked_at is None:
        return 0.0
    passed = (datetime.fromisoformat(at) - datetime.fromisoformat(checked_at)).total_seconds()
    return every - passed if 0 <= passed < every else 0.0


def _parse_page(members: dict[str, Any], path: Path) -> WatchedPage:
    url = members.pop("url", None)
    for name, value in members.items():
        if name not in _SHARED or not _is_valid(name, value):
            raise _fault(path, name)
    if not isinstance(url, str):
        raise _fault(path, "url")
    sizes = tuple(map(parse_viewport, members.get("viewports", ()))) or (DEFAULT_VIEWPORT,)
    if len(sizes) > MAX_VIEWPORTS:
        raise UsageError(Message("viewports-too-many", limit=MAX_VIEWPORTS))
    proxy, mode = members.get("proxy"), members.get("mode", "cdp")
    check_mode(mode, proxy)
    login_profile, language = members.get("login_profile"), members.get("lang")
    options = CaptureOptions(
        viewports=tuple(dict.fromkeys(sizes)),
        wait_seconds=float(members.get("wait", 1)),
        wait_for=members.get("wait_for"),
        timeout=float(members.get("timeout", 60)),
        max_bytes=members.get("max_bytes", 1 << 28),
        proxy=None if proxy is None else check_proxy(proxy),
        language=None if language is None else check_language(language),
        accepts_bad_certificates=members.get("accept_bad_certificates", False),
        keeps_cookies=members.get("keep_cookies", False),
        resolvers=tuple(map(parse_resolver, members.get("resolvers", ()))),
        depth=members.get("depth", 0),
        films=members.get("film", False),
        login_profile=None if login_profile is None else path.parent / login_profile,
    )
    return WatchedPage(
        url=parse_capture_url(url),
        every=members.get("every", _DEFAULT_EVERY),
        text_share=float(members.get("text_share", 0)),
        picture_share=float(members.get("picture_share", 0.01)),
        uses_recorder=mode == "proxy",
        signs_wacz=members.get("sign_wacz", False),
        options=options,
    )


def _is_valid(name: str, value: object) -> bool:
    if name in _NUMBERS:
        least, most = _NUMBERS[name]
        kind = int if name in _WHOLE else int | float
        return isinstance(value, kind) and not isinstance(value, bool) and least <= value <= most
    if name in _SWITCHES:
        return isinstance(value, bool)
    if name in _LISTS:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    return isinstance(value, str) and bool(value)


def _fault(path: Path, name: str) -> UsageError:
    return UsageError(Message("watch-plan-member", path=path, member=name), path=path)
