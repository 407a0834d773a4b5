"""What a user asks of a capture, and the URLs that can be captured."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message, join
from anchor.capture.egress_guard import EgressGuard
from anchor.capture.name_answers import Resolver
from anchor.capture.recording_proxy import RecorderProgram
from anchor.capture.wacz_signing import WaczKey

Viewport: TypeAlias = tuple[int, int]
CaptureMode: TypeAlias = Literal["cdp-reconstructed", "recording-proxy"]
"""Bodies as the browser decoded them, or as servers sent them to a proxy."""

MODES = ("cdp", "proxy")
"""The modes by the names of the command line."""

DEFAULT_VIEWPORT: Viewport = (1280, 800)
MAX_VIEWPORTS = 5
_VIEWPORT = re.compile(r"([1-9][0-9]{2,3})x([1-9][0-9]{2,3})")
# As long as a text in a record.
_MAX_URL = 1_000
# The form of a language tag (RFC 5646); Chromium refuses others, or asks for another language.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")
_PROXIES = ("http", "https", "socks5")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """The options of one capture.

    ``wait_seconds`` pass after the page has loaded; ``timeout`` are the seconds until it has to;
    ``max_bytes`` bounds all bodies and downloads together.
    ``script`` is run in the page once it has loaded; links within the page's origin are followed
    ``depth`` times.  ``films`` keeps frames of the first page while it loads and is scrolled.
    ``login_profile`` is a profile of Chromium, of which the capture uses a copy.
    ``recorder`` is the program of the recording proxy, through which the browser then goes.
    With a ``guard``, which has to serve, all traffic goes through that instead.
    ``wacz_key`` signs the WACZ file.
    """

    viewports: tuple[Viewport, ...] = (DEFAULT_VIEWPORT,)
    wait_seconds: float = 1.0
    wait_for: str | None = None
    timeout: float = 60.0
    max_bytes: int = 1 << 28
    proxy: str | None = None
    language: str | None = None
    accepts_bad_certificates: bool = False
    keeps_cookies: bool = False
    resolvers: tuple[Resolver, ...] = ()
    script: bytes | None = None
    depth: int = 0
    films: bool = False
    login_profile: Path | None = None
    recorder: RecorderProgram | None = None
    guard: EgressGuard | None = None
    wacz_key: WaczKey | None = None

    @property
    def mode(self) -> CaptureMode:
        """Return how bodies were obtained."""
        return "cdp-reconstructed" if self.recorder is None else "recording-proxy"

    @property
    def script_sha256(self) -> str | None:
        """Return the SHA-256 of the script, in hex."""
        return None if self.script is None else hashlib.sha256(self.script).hexdigest()

    def describe(self) -> dict[str, object]:
        """Return the options as members of a JSON document."""
        return {
            "viewports": [f"{width}x{height}" for width, height in self.viewports],
            "wait_seconds": self.wait_seconds,
            "wait_for": self.wait_for,
            "timeout": self.timeout,
            "max_bytes": self.max_bytes,
            "proxy": self.proxy,
            "language": self.language,
            "accepts_bad_certificates": self.accepts_bad_certificates,
            "keeps_cookies": self.keeps_cookies,
            "script_sha256": self.script_sha256,
            "depth": self.depth,
            "film": self.films,
            "recorder": None if self.recorder is None else f"mitmproxy {self.recorder.version}",
            "wacz_signed": self.wacz_key is not None,
            "login_profile": self.login_profile is not None,
            "guarded": self.guard is not None,
        }


def parse_viewport(text: str) -> Viewport:
    """Parse ``WIDTHxHEIGHT`` in CSS pixels.

    Raises:
        UsageError: It is no such text, or a side has fewer than 100 or more than 9,999 pixels.
    """
    match = _VIEWPORT.fullmatch(text)
    if match is None:
        raise UsageError(Message("viewport-malformed", viewport=text[:80]))
    return int(match[1]), int(match[2])


def parse_capture_url(text: str) -> str:
    """Return the URL to open, without a fragment's effect on it.

    Raises:
        UsageError: It is not a URL of HTTP or HTTPS, names a user, or is too long for a record.
    """
    try:
        parts = urlsplit(text)
        is_named = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_named, parts = False, urlsplit("")
    if parts.scheme not in ("http", "https") or not is_named or not text.isprintable():
        raise UsageError(Message("capture-url-malformed", url=text[:80]))
    if parts.username is not None or parts.password is not None:
        raise UsageError(Message("capture-url-with-password"))
    if len(text) > _MAX_URL:
        raise UsageError(Message("capture-url-too-long", limit=_MAX_URL))
    return urlunsplit(parts._replace(path=parts.path or "/"))


def check_mode(mode: str, proxy: str | None) -> None:
    """Check the name of a mode, and that it goes with the proxy that the browser is to use.

    Raises:
        UsageError: There is no such mode, or the browser would have two proxies.
    """
    if mode not in MODES:
        raise UsageError(Message("capture-mode-unknown", actual=mode[:80], expected=join(MODES)))
    if mode == "proxy" and proxy is not None:
        raise UsageError(Message("capture-mode-with-proxy"))


def check_language(text: str) -> str:
    """Return the tag of a language, such as ``zh-CN``."""
    if _LANGUAGE.fullmatch(text) is None:
        raise UsageError(Message("capture-language-malformed", tag=text[:80]))
    return text


def check_proxy(text: str) -> str:
    """Return the URL of a proxy.

    Raises:
        UsageError: It is none, or holds a password, which would be shown in the record.
    """
    try:
        parts = urlsplit(text)
        is_named = bool(parts.hostname) and parts.port is not None
    except ValueError:
        raise UsageError(Message("capture-proxy-malformed")) from None
    if parts.scheme not in _PROXIES or not is_named or parts.username or parts.password:
        raise UsageError(Message("capture-proxy-malformed"))
    return text
