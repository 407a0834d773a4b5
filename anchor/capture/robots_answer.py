"""What a site's robots.txt (RFC 9309) says about a URL: read and recorded, never enforced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from anchor.base.system.http import BadResponse, BoundedSession

RobotsState: TypeAlias = Literal["allowed", "disallowed", "none", "unread"]
"""What it says of the URL for any robot; ``none``: there is no such file."""

_SECONDS = 10.0
# RFC 9309 section 2.5: at least 500 KiB have to be parsed.
_MAX_BYTES = 512 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsAnswer:
    """The state of a site's robots.txt for a URL, and the file's bytes if there is one."""

    url: str
    state: RobotsState
    body: bytes | None


def read_robots(url: str, proxy: str) -> RobotsAnswer:
    """Read the robots.txt of a URL's site through a proxy; redirects are not followed."""
    parts = urlsplit(url)
    place = f"{parts.scheme}://{parts.netloc}/robots.txt"
    session = BoundedSession(timeout=_SECONDS, max_bytes=_MAX_BYTES, is_json=False)
    session.proxies = {"http": proxy, "https": proxy}
    try:
        with session:
            response = session.get(place)
    except (BadResponse, OSError, ValueError):  # those of requests are the second
        return RobotsAnswer(url=place, state="unread", body=None)
    if response.status_code != 200:
        is_absent = 400 <= response.status_code < 500
        return RobotsAnswer(url=place, state="none" if is_absent else "unread", body=None)
    body: bytes = response.content
    state = judge_robots(body, url)
    return RobotsAnswer(url=place, state=state, body=body)


def judge_robots(body: bytes, url: str) -> RobotsState:
    """Return whether the rules for all robots allow a URL."""
    parser = RobotFileParser()
    parser.parse(body.decode("utf-8", "replace").splitlines())
    return "allowed" if parser.can_fetch("*", url) else "disallowed"
