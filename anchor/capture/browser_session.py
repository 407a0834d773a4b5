"""A session of the system's Chromium: one tab, everything that it requests, and views of it."""

from __future__ import annotations

import base64
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    BrowserType,
    CDPSession,
    Dialog,
    Download,
    Error,
    Page,
    TimeoutError,
    sync_playwright,
)

from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.programs import find_program
from anchor.capture.capture_journal import CaptureJournal
from anchor.capture.capture_options import CaptureOptions, Viewport
from anchor.capture.egress_guard import GUARD_ARGUMENTS
from anchor.capture.login_profile import copy_profile
from anchor.capture.network_log import EVENTS, NetworkLog
from anchor.capture.page_film import FilmReel
from anchor.capture.recording_proxy import RecordingProxy
from anchor.collection.machine_environment import clean_text

PROGRAM_VARIABLE = "CHROMIUM"
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# All frames of a page in one process: the events of each are then those of its tab.
_ARGUMENTS = ("--disable-site-isolation-trials",)
# What no proxy of HTTP would see; and the one key whose certificates are taken for any host.
_PROXIED = ("--disable-quic",)
_TRUSTED_KEY = "--ignore-certificate-errors-spki-list"
# Chromium draws no taller picture.
_MAX_HEIGHT = 16_384
# Screens of a page that grows while it is read; far more than any page that does not.
_MAX_SCREENS = 60
_MAX_CONSOLE = 1_000
_PULSE = 0.1
# Seconds for the views of a page whose scripts never end, after its time to load.
_GRACE = 60.0
# Seconds in which a page has to answer whether its script has ended, after the script's time.
_SCRIPT_GRACE = 5.0
_PROMISED = "[[PromiseResult]]"
_BROWSER_ENDED = "Target page, context or browser has been closed"
_NETWORK_ERROR = re.compile(r"net::(ERR_\w+)")
# The end of a file's name until it is whole.
_PARTIAL = ".crdownload"
_BLOCKED_WORKER = "Service Worker registration blocked"

_SIZE = """() => [
    document.documentElement.scrollWidth,
    Math.max(document.documentElement.scrollHeight, document.body?.scrollHeight ?? 0),
]"""
_SCROLL = """() => {
    window.scrollBy(0, window.innerHeight);
    const height = document.documentElement.scrollHeight;
    return window.scrollY + window.innerHeight >= height - 1;
}"""
_LINKS = "() => Array.from(document.links, (link) => link.href).slice(0, 1000)"
_TEXT = "() => document.body?.innerText ?? ''"


def find_browser() -> str:
    """Return the absolute path of Chromium: that of ``CHROMIUM``, else the first of ``PATH``."""
    named = os.environ.get(PROGRAM_VARIABLE)
    for name in (named,) if named else _PROGRAMS:
        path = find_program(name)
        if path is not None:
            return path
    raise UsageError(
        Message("chromium-missing", variable=PROGRAM_VARIABLE), hint=Message("chromium-hint")
    )


def is_sandboxed() -> bool:
    """Return whether Chromium runs in its sandbox, which it refuses to make for root."""
    return os.geteuid() != 0


class _Watchdog:
    """Kills a browser in time, because a page's script can keep a call to it for ever."""

    def __init__(self, process: int, seconds: float) -> None:
        self._process = process
        self._seconds = seconds
        self._timer: threading.Timer | None = None
        self._has_killed = False

    def restart(self, seconds: float | None = None) -> None:
        """Give the browser its time again, or so many seconds."""
        self.cancel()
        if self._has_killed:
            return  # the number may be another process's by now
        self._timer = threading.Timer(self._seconds if seconds is None else seconds, self._kill)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """Leave the browser alone."""
        if self._timer is not None:
            self._timer.cancel()

    def _kill(self) -> None:
        self._has_killed = True
        with suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)


class CaptureTab:
    """The one tab of a browser that knows nothing of earlier sessions."""

    def __init__(
        self,
        browser: Browser,
        context: BrowserContext,
        options: CaptureOptions,
        journal: CaptureJournal,
        watchdog: _Watchdog,
    ) -> None:
        """Open the tab and listen to everything that happens in it."""
        self.version: str = browser.version
        self.network = NetworkLog(most_bytes=options.max_bytes)
        self.console: list[dict[str, object]] = []
        self.downloads: list[Download] = []
        self._options = options
        self._journal = journal
        self._watchdog = watchdog
        self._reel: FilmReel | None = None
        self.page: Page = context.new_page()
        self._cdp: CDPSession = context.new_cdp_session(self.page)
        for event in EVENTS:
            self._cdp.on(f"Network.{event}", partial(self.network.take, event))
        self._cdp.send(
            "Network.enable",
            {
                "maxTotalBufferSize": options.max_bytes,
                "maxResourceBufferSize": options.max_bytes,
                # Bodies as bytes, and kept when the page navigates on.
                "enableDurableMessages": True,
            },
        )
        self._cdp.on("Page.screencastFrame", self._take_frame)
        self.page.on("console", lambda said: self._hear(said.type, said.text))
        self.page.on("pageerror", lambda error: self._hear("exception", str(error)))
        self.page.on("dialog", self._dismiss)
        self.page.on("download", lambda download: self.downloads.append(download))
        self.page.on("crash", lambda _: journal.note("page-crashed"))
        context.on("page", self._close_window)
        session = browser.new_browser_cdp_session()
        self.user_agent: str = session.send("Browser.getVersion")["userAgent"]
        self.arguments: tuple[str, ...] = _read_arguments(_find_process(session))

    def _hear(self, kind: str, text: str) -> None:
        if len(self.console) < _MAX_CONSOLE:
            self.console.append({"type": kind, "text": text})
        if _BLOCKED_WORKER in text:
            self._journal.miss(self.page.url, Message("capture-missing-worker"))

    def _dismiss(self, dialog: Dialog) -> None:
        self._journal.note("dialog-dismissed", type=dialog.type, message=clean_text(dialog.message))
        dialog.dismiss()

    def _close_window(self, page: Page) -> None:
        if page != self.page:
            self._journal.miss(page.url, Message("capture-missing-window"))
            page.close()

    def start_film(self, reel: FilmReel) -> None:
        """Put a frame into ``reel`` whenever the page is drawn anew, until the film is ended."""
        self._reel = reel
        width, height = self._options.viewports[0]
        self._cdp.send(
            "Page.startScreencast",
            {"format": "jpeg", "quality": 80, "maxWidth": width, "maxHeight": height},
        )
        self._journal.note("film-started")

    def end_film(self) -> None:
        """Take no further frames."""
        self._cdp.send("Page.stopScreencast")

    def _take_frame(self, frame: dict[str, Any]) -> None:
        with suppress(Error):  # the browser has ended
            self._cdp.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})
        shown_at = frame["metadata"].get("timestamp")
        if self._reel is not None and shown_at is not None:
            self._reel.take(shown_at, base64.b64decode(frame["data"]))

    def open(self, url: str) -> None:
        """Load a page until everything in it is there, or its time is over."""
        self._watchdog.restart()
        self._journal.note("navigation-started", url=url)
        downloads = len(self.downloads)
        try:
            self.page.goto(url, wait_until="load", timeout=self._options.timeout * 1000)
        except TimeoutError:
            self._journal.miss(
                url, Message("capture-missing-load", seconds=round(self._options.timeout))
            )
        except Error as error:
            self.wait(_PULSE)  # a download is reported after the error
            if len(self.downloads) == downloads:
                raise _explain(url, error) from error
        if not any(each.response for each in self.network.list_exchanges()):
            raise CannotCheckError(Message("capture-unanswered", url=url))
        self._journal.note("navigation-ended", url=self.page.url)

    def settle(self) -> None:
        """Wait as the options say, and until the network is quiet, but no longer than allowed."""
        options = self._options
        if options.wait_for is not None:
            self.attempt(options.wait_for, self._wait_for)
        self.wait(options.wait_seconds)
        end = time.monotonic() + min(5.0, options.timeout)
        while self.network.unended and time.monotonic() < end:
            self.wait(_PULSE)
        self._journal.note("settled", unended_requests=self.network.unended)

    def _wait_for(self) -> None:
        selector = self._options.wait_for or ""
        self.page.wait_for_selector(selector, timeout=self._options.timeout * 1000)

    def run_script(self) -> bool:
        """Run the script of the options in the page, and wait for what it promises.

        Return False if its time was over; a page that it keeps busy even then is ended.
        """
        seconds = self._options.timeout
        end = time.monotonic() + seconds
        self._watchdog.restart(seconds + _SCRIPT_GRACE)
        try:
            has_ended = self._evaluate_script(seconds, end)
        except Error:
            if time.monotonic() < end - _PULSE:
                raise
            has_ended = False
        finally:
            self._watchdog.restart()
        if has_ended:
            self._journal.note("script-ran", sha256=self._options.script_sha256)
        return has_ended

    def _evaluate_script(self, seconds: float, end: float) -> bool:
        source = (self._options.script or b"").decode("utf-8", "replace")
        asked = {"expression": source, "userGesture": True, "timeout": seconds * 1000}
        answer = self._cdp.send("Runtime.evaluate", asked)
        _check_script(answer.get("exceptionDetails"), answer["result"])
        promise = answer["result"]
        while promise.get("subtype") == "promise":
            told = self._cdp.send("Runtime.getProperties", {"objectId": promise["objectId"]})
            inner = {each["name"]: each["value"] for each in told["internalProperties"]}
            state = inner["[[PromiseState]]"]["value"]
            if state != "pending":
                _check_script({"text": state} if state == "rejected" else None, inner[_PROMISED])
                return True
            if time.monotonic() > end:
                return False
            self.wait(_PULSE)
        return True

    def list_links(self) -> list[str]:
        """Return the addresses of the links of the page."""
        links: list[str] = self.page.evaluate(_LINKS)
        return links

    def scroll(self) -> None:
        """Scroll to the end, so that what is loaded late is loaded, and back to the start."""
        screens = 0
        while screens < _MAX_SCREENS and not self.page.evaluate(_SCROLL):
            screens += 1
            self.wait(_PULSE)
        if screens == _MAX_SCREENS:
            self._journal.miss(self.page.url, Message("capture-missing-growing", count=screens))
        self.page.evaluate("() => window.scrollTo(0, 0)")
        self._journal.note("scrolled", screens=screens)

    def wait(self, seconds: float) -> None:
        """Wait while the page runs, and read every body that has arrived."""
        end = time.monotonic() + seconds
        while True:
            self.drain()
            left = end - time.monotonic()
            if left <= 0:
                return
            try:
                self.page.wait_for_timeout(min(left, 5 * _PULSE) * 1000)
            except Error:
                return  # it is closed

    def wait_for_downloads(self, folder: Path) -> tuple[int, bool]:
        """Wait until the files in ``folder`` are whole, too large together, or out of time.

        Return their size, and whether they are whole.
        """
        end = time.monotonic() + self._options.timeout
        while True:
            size, whole = _list_downloads(folder)
            is_whole = whole >= len(self.downloads)
            if is_whole or size > self._options.max_bytes or time.monotonic() > end:
                return size, is_whole
            self.wait(_PULSE)

    def drain(self) -> None:
        """Read the bodies that the browser holds."""
        for request_id in list(self.network.list_due()):
            try:
                answer = self._cdp.send("Network.getResponseBody", {"requestId": request_id})
            except Error as error:
                self.network.set_problem(request_id, _shorten(error))
            else:
                self.network.set_body(request_id, answer)

    def read_text(self) -> str:
        """Return the text of the page as it is shown."""
        text: str = self.page.evaluate(_TEXT)
        return text

    def read_dom(self) -> str:
        """Return the document that scripts have made of the page."""
        return self.page.content()

    def read_snapshot(self) -> bytes:
        """Return the page with its resources as MHTML."""
        snapshot = self._cdp.send("Page.captureSnapshot", {"format": "mhtml"})
        data: str = snapshot["data"]
        return data.encode("utf-8")

    def print_pdf(self) -> bytes:
        """Return the page as it prints."""
        return self.page.pdf(print_background=True)

    def take_picture(self, viewport: Viewport) -> bytes:
        """Return the whole page as PNG, as it is in a window of this size."""
        width, height = viewport
        if self.page.viewport_size != {"width": width, "height": height}:
            self.page.set_viewport_size({"width": width, "height": height})
            self.wait(2 * _PULSE)
        whole: tuple[int, int] = self.page.evaluate(_SIZE)
        if whole[1] <= _MAX_HEIGHT:
            return self.page.screenshot(full_page=True)
        self._journal.miss(
            f"screenshot-{width}x{height}.png",
            Message("capture-missing-height", height=whole[1], limit=_MAX_HEIGHT),
        )
        return self.page.screenshot(
            full_page=True, clip={"x": 0, "y": 0, "width": width, "height": _MAX_HEIGHT}
        )

    def read_chain(self, origin: str) -> list[str]:
        """Return the certificates that an origin presented, each DER in base64."""
        answer = self._cdp.send("Network.getCertificate", {"origin": origin})
        names: list[str] = answer["tableNames"]
        return names

    def attempt(self, subject: str, make: Callable[[], Any]) -> Any:
        """Return what ``make`` returns; None, and an entry in the journal, if the browser fails."""
        try:
            return make()
        except Error as error:
            reason = _shorten(error)
            if isinstance(error, TimeoutError):
                reason = Message("capture-not-in-time", seconds=round(self._options.timeout))
            self._journal.miss(subject, Message("capture-missing-artefact", reason=reason))
            return None


@contextmanager
def open_tab(
    program: str,
    options: CaptureOptions,
    journal: CaptureJournal,
    *,
    folder: Path,
    proxy: RecordingProxy | None = None,
) -> Iterator[CaptureTab]:
    """Run Chromium with a new profile or a copy, and end it however the block ends.

    ``folder`` becomes its home, so that no certificate or setting of the user's counts.  If a
    page keeps it busy for longer than allowed, the browser is killed: what was not read until then
    is listed as not captured.  ``proxy`` is the one whose certificates are accepted.
    """
    home = folder / "home"
    home.mkdir()
    profile = folder / "profile"
    if options.login_profile is not None:
        copy_profile(options.login_profile, profile)
    with sync_playwright() as playwright:
        try:
            context = _start(playwright.chromium, program, options, folder, profile, proxy)
        except Error as error:
            raise CannotCheckError(
                Message("chromium-not-started", program=program, reason=_shorten(error))
            ) from error
        browser = context.browser
        assert browser is not None  # of Android alone there is none
        process = _find_process(browser.new_browser_cdp_session())
        watchdog = _Watchdog(process, options.timeout + options.wait_seconds + _GRACE)
        try:
            context.set_default_timeout(options.timeout * 1000)
            yield CaptureTab(browser, context, options, journal, watchdog)
        finally:
            watchdog.cancel()
            with suppress(Error):  # it was killed
                browser.close()


def _start(
    chromium: BrowserType,
    program: str,
    options: CaptureOptions,
    folder: Path,
    profile: Path,
    proxy: RecordingProxy | None,
) -> BrowserContext:
    """Start the browser, with ``profile`` if the options name one."""
    server = options.proxy if proxy is None else proxy.url
    guarding: tuple[str, ...] = ()
    if options.guard is not None:
        server, guarding = options.guard.url, GUARD_ARGUMENTS
    trusting = [] if proxy is None else [*_PROXIED, f"{_TRUSTED_KEY}={proxy.key_digest}"]
    width, height = options.viewports[0]
    environment: dict[str, str | float | bool] = {
        name: value for name, value in os.environ.items() if not name.startswith("XDG_")
    }
    settings: dict[str, Any] = {
        "viewport": {"width": width, "height": height},
        "locale": options.language,
        "ignore_https_errors": options.accepts_bad_certificates,
        "service_workers": "block",
        "accept_downloads": True,
    }
    launching: dict[str, Any] = {
        "executable_path": program,
        "chromium_sandbox": is_sandboxed(),
        "args": [*_ARGUMENTS, *trusting, *guarding],
        "env": {**environment, "HOME": str(folder / "home")},
        "proxy": None if server is None else {"server": server},
        "downloads_path": folder / "downloads",
    }
    if options.login_profile is None:
        return chromium.launch(**launching).new_context(**settings)
    return chromium.launch_persistent_context(profile, **launching, **settings)


def _list_downloads(folder: Path) -> tuple[int, int]:
    """Return the bytes of the downloads in a folder, and the number of those that are whole."""
    size = whole = 0
    with suppress(FileNotFoundError):  # nothing has come yet, or a file was just renamed
        for path in folder.iterdir():
            size += path.stat().st_size
            whole += path.suffix != _PARTIAL
    return size, whole


def _check_script(failure: dict[str, Any] | None, thrown: dict[str, Any]) -> None:
    """Raise Error if a script failed, with what it threw."""
    if failure is not None:
        thrown = failure.get("exception", thrown)
        text = thrown.get("description") or thrown.get("value") or failure["text"]
        raise Error(str(text))


def _find_process(session: CDPSession) -> int:
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    number: int = next(each["id"] for each in processes if each["type"] == "browser")
    return number


def _read_arguments(process: int) -> tuple[str, ...]:
    """Return the browser's command line without the folder of its profile, which says nothing."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return ()  # a system without this folder
    return tuple(word for word in words if word and not word.startswith("--user-data-dir"))


def _explain(url: str, error: Error) -> CannotCheckError:
    match = _NETWORK_ERROR.search(error.message)
    return explain_failure(url, match[1] if match else _shorten(error))


def explain_failure(url: str, reason: str) -> CannotCheckError:
    """Return the error of a page that did not come; ``reason`` is the browser's or the proxy's."""
    is_certificate = reason.startswith(("ERR_CERT", "Certificate verify failed"))
    return CannotCheckError(
        Message("capture-page-failed", url=url, reason=reason),
        hint=Message("capture-certificate-hint") if is_certificate else None,
    )


def _shorten(error: Error) -> str:
    """Return the first line of an error of the browser; its end has a sentence of its own."""
    if _BROWSER_ENDED in error.message:
        return Message("capture-browser-ended")
    return clean_text(error.message.partition("\n")[0])[:200]
