"""The capture of one page: a browser is run, and what it shows and receives is kept."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from anchor.bag.packed_names import assign_names
from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.capture.browser_session import (
    CaptureTab,
    explain_failure,
    is_sandboxed,
    open_tab,
)
from anchor.capture.capture_journal import CaptureJournal
from anchor.capture.capture_options import CaptureOptions
from anchor.capture.egress_guard import EgressGuard
from anchor.capture.name_answers import NameAnswer, ask_resolver, has_answers, list_resolvers
from anchor.capture.network_log import BODY_REASONS
from anchor.capture.page_film import FILM, FRAMES, FilmReel, make_film
from anchor.capture.recorded_exchanges import RecordedExchanges, build_exchanges
from anchor.capture.recording_proxy import RecordingProxy, run_proxy
from anchor.capture.redaction import redact_exchange
from anchor.capture.robots_answer import read_robots
from anchor.capture.served_certificates import is_trusted
from anchor.capture.wacz_file import WaczPage
from anchor.capture.web_exchange import Uncaptured, WebExchange
from anchor.collection.ca_store import find_places, load_store
from anchor.egress.egress_proxy import EgressEvent

DOM, TEXT, SNAPSHOT, PDF = "dom.html", "page.txt", "page.mhtml", "page.pdf"
NETWORK = "network.har"
DOWNLOADS, PAGES, SCRIPT = "downloads/", "pages/", "script.js"
ROBOTS = "robots.txt"
MOST_PAGES = 50
"""Pages of followed links in one capture."""

# Hosts of which resolvers and certificates are asked; pages that load more are rare.
_MOST_HOSTS = 20
_MOST_REFUSALS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedPage:
    """What was captured of a page beside the views, which are files already.

    ``further`` are the pages of links that were followed, whose views are in ``pages/``.
    ``exchanges`` are those of the mode; ``seen`` are those that the browser reported.
    ``chains`` are the certificates (DER) that each origin presented, the server's own first.
    ``film`` lists the frames of the film, if there is one.
    """

    url: str
    final_url: str
    title: str
    text: str
    further: tuple[WaczPage, ...]
    browser: str
    user_agent: str
    arguments: tuple[str, ...]
    started_at: str
    ended_at: str
    exchanges: tuple[WebExchange, ...]
    seen: tuple[WebExchange, ...]
    answers: tuple[NameAnswer, ...]
    chains: Mapping[str, tuple[bytes, ...]]
    console: tuple[Mapping[str, object], ...]
    steps: tuple[Mapping[str, Any], ...]
    uncaptured: tuple[Uncaptured, ...]
    film: Mapping[str, Any] | None = None

    @property
    def main(self) -> WebExchange | None:
        """Return the exchange that the shown document came from; None if there is none."""
        shown = _cut_fragment(self.final_url)
        documents = (each for each in reversed(self.exchanges) if each.kind == "Document")
        return next((each for each in documents if _cut_fragment(each.url) == shown), None)

    @property
    def certificate(self) -> bytes | None:
        """Return the certificate of the shown document's server; None without TLS."""
        return next(iter(self.chains.get(_find_origin(self.final_url), ())), None)


def capture_page(
    url: str,
    folder: Path,
    options: CaptureOptions,
    *,
    program: str,
    dns_servers: Sequence[str] | None,
    scratch: Path,
) -> CapturedPage:
    """Capture a page, with its views as files of ``folder``; ``scratch`` is the browser's own."""
    journal = CaptureJournal()
    started_at = utc_now()
    guard = options.guard
    # The guard's own resolver answers to the guard, for each connection.
    resolvers = list_resolvers(None if guard else dns_servers, options.resolvers)
    journal.note("names-asked", resolvers=len(resolvers))
    asked = [host for host in (urlsplit(url).hostname or "",) if has_answers(host)]
    answers = [ask_resolver(each, host) for host in asked for each in resolvers]
    with (
        _open_proxy(options, scratch) as proxy,
        open_tab(program, options, journal, folder=scratch, proxy=proxy) as tab,
    ):
        journal.note("browser-started", version=tab.version, sandbox=is_sandboxed())
        reel = FilmReel(folder) if options.films else None
        if reel is not None:
            tab.attempt(FILM, partial(tab.start_film, reel))
        _open_page(tab, proxy, guard, url)
        shown = "" if tab.page.url == "about:blank" else tab.page.url
        title, text = _save_views(tab, folder, options, journal, reel) if shown else ("", "")
        further = (
            _follow_links(tab, proxy, folder, options, journal) if shown and options.depth else []
        )
        saved = _save_downloads(tab, folder / DOWNLOADS, scratch, options, journal)
        tab.drain()
        chains = {} if proxy is not None else _read_chains(tab)
    seen = exchanges = tab.network.list_exchanges()
    others = [host for host in list_hosts(exchanges) if host not in asked and has_answers(host)]
    answers += [ask_resolver(each, host) for host in others[:_MOST_HOSTS] for each in resolvers]
    film = None if reel is None else _save_film(reel, folder, scratch, journal)
    if guard is not None:
        met = _list_met(url, exchanges)
        answers = [*guard.list_answers(met), *answers]
        seen = exchanges = tuple(_name_server(each, guard) for each in exchanges)
        _note_guard(url, folder, guard.list_refusals(met), guard, journal)
    missing = [each for each in tab.network.list_uncaptured() if each.subject not in saved]
    if proxy is not None:
        recorded = _read_proxy(proxy, seen, options)
        journal.note("proxy-read", other_requests=list(recorded.others))
        exchanges, chains = recorded.exchanges, recorded.chains
        missing = _merge_missing(missing, recorded.uncaptured)
        # The browser's connections were those to the proxy.
        seen = tuple(map(_forget_server, seen))
    journal.note("ended")
    if not options.keeps_cookies:
        exchanges = tuple(map(redact_exchange, exchanges))
        seen = tuple(map(redact_exchange, seen))
    return CapturedPage(
        url=url,
        final_url=shown or url,
        title=title,
        text=text,
        further=tuple(further),
        browser=f"Chromium {tab.version}",
        user_agent=tab.user_agent,
        arguments=tab.arguments,
        started_at=started_at,
        ended_at=utc_now(),
        exchanges=exchanges,
        seen=seen,
        answers=tuple(answers),
        chains=chains,
        console=tuple(tab.console),
        steps=tuple(journal.steps),
        uncaptured=(*missing, *journal.uncaptured),
        film=film,
    )


@contextmanager
def _open_proxy(options: CaptureOptions, scratch: Path) -> Iterator[RecordingProxy | None]:
    if options.recorder is None:
        yield None
        return
    with run_proxy(
        options.recorder,
        scratch / "proxy",
        max_bytes=options.max_bytes,
        accepts_bad_certificates=options.accepts_bad_certificates,
    ) as proxy:
        yield proxy


def _open_page(
    tab: CaptureTab, proxy: RecordingProxy | None, guard: EgressGuard | None, url: str
) -> None:
    """Load a page; what a proxy answered for a server is no page."""
    failure: CannotCheckError | None = None
    try:
        tab.open(url)
    except CannotCheckError as error:
        failure = error
    if proxy is not None:
        documents = [each.url for each in tab.network.list_exchanges() if each.kind == "Document"]
        asked = documents[-1] if documents else url
        reason = proxy.find_failure(asked)
        if reason is not None:
            raise explain_failure(asked, reason) from failure
    if failure is None:
        return
    met = _list_met(url, tab.network.list_exchanges())
    refused = None if guard is None else guard.explain_refusal(url, met)
    raise failure if refused is None else CannotCheckError(refused) from failure


def _read_proxy(
    proxy: RecordingProxy, seen: Iterable[WebExchange], options: CaptureOptions
) -> RecordedExchanges:
    """Return what passed the proxy; chains that it accepted unseen are judged here."""
    trusts = None
    if options.accepts_bad_certificates:
        store = load_store(find_places())
        trusts = partial(is_trusted, roots=[] if store is None else list(store.trusted.values()))
    return build_exchanges(proxy.list_flows(), seen, max_bytes=options.max_bytes, trusts=trusts)


def _merge_missing(seen: Iterable[Uncaptured], recorded: Sequence[Uncaptured]) -> list[Uncaptured]:
    """Return what the proxy did not keep, and what else the browser did not get or keep."""
    named = {each.subject for each in recorded}
    others = (
        replace(each, subject=f"{NETWORK} {each.subject}")
        if each.reason.id in BODY_REASONS
        else each
        for each in seen
        if each.subject not in named
    )
    return [*recorded, *others]


def _forget_server(exchange: WebExchange) -> WebExchange:
    response = exchange.response
    known = None if response is None else replace(response, address="", port=0)
    return replace(exchange, response=known)


def _list_met(url: str, exchanges: Iterable[WebExchange]) -> set[str]:
    """Return the hosts that a page asked for; the browser asks for others of its own."""
    return {urlsplit(url).hostname or "", *list_hosts(exchanges)}


def _name_server(exchange: WebExchange, guard: EgressGuard) -> WebExchange:
    """Return an exchange with the server's address; the browser saw the guard's."""
    if exchange.response is None:
        return exchange
    address, port = guard.find_address(exchange.url)
    return replace(exchange, response=replace(exchange.response, address=address, port=port))


def _note_guard(
    url: str,
    folder: Path,
    refusals: Sequence[EgressEvent],
    guard: EgressGuard,
    journal: CaptureJournal,
) -> None:
    """Keep the site's robots.txt and what it says, and list what the guard refused."""
    robots = read_robots(url, guard.url)
    if robots.body is not None:
        (folder / ROBOTS).write_bytes(robots.body)
    journal.note("robots-read", url=robots.url, state=robots.state)
    for event in refusals[:_MOST_REFUSALS]:
        assert event.reason is not None, "it was refused"
        journal.miss(event.target, Message("capture-missing-refused", reason=event.reason))
    if len(refusals) > _MOST_REFUSALS:
        rest = len(refusals) - _MOST_REFUSALS
        journal.miss(url, Message("capture-missing-refused-more", count=rest))


def name_picture(width: int, height: int) -> str:
    """Return the name of the picture of a page in a window of this size."""
    return f"screenshot-{width}x{height}.png"


def _save_views(
    tab: CaptureTab,
    folder: Path,
    options: CaptureOptions,
    journal: CaptureJournal,
    reel: FilmReel | None = None,
) -> tuple[str, str]:
    """Write the page in every form; return its title and its text."""
    tab.settle()
    if options.script is not None:
        if tab.attempt(SCRIPT, tab.run_script) is False:
            seconds = round(options.timeout)
            journal.miss(SCRIPT, Message("capture-missing-script", seconds=seconds))
        tab.settle()
    tab.attempt("scroll", tab.scroll)
    tab.wait(0)
    if reel is not None:
        tab.attempt(FILM, tab.end_film)
    title = tab.attempt("title", tab.page.title) or ""
    text = tab.attempt(TEXT, tab.read_text) or ""
    dom = tab.attempt(DOM, tab.read_dom)
    views: list[tuple[str, Any]] = [
        (TEXT, text.encode("utf-8", "replace")),
        (DOM, None if dom is None else dom.encode("utf-8", "replace")),
    ]
    for viewport in options.viewports:
        name = name_picture(*viewport)
        views.append((name, tab.attempt(name, partial(tab.take_picture, viewport))))
    views.append((SNAPSHOT, tab.attempt(SNAPSHOT, tab.read_snapshot)))
    # Last, because a page may change when it is printed.
    views.append((PDF, tab.attempt(PDF, tab.print_pdf)))
    for name, data in views:
        if data is not None:
            (folder / name).write_bytes(data)
            journal.note("view-saved", name=name, size=len(data))
    return title, text


def _save_film(
    reel: FilmReel, folder: Path, scratch: Path, journal: CaptureJournal
) -> dict[str, Any]:
    """Make the film of the frames where ffmpeg does; return the list of the frames."""
    reel.end()
    program = None
    try:
        program = make_film(reel, folder, scratch)
    except CannotCheckError as error:
        journal.miss(FILM, error.message)
    if reel.left_out:
        kept = len(reel.frames)
        journal.miss(FRAMES, Message("capture-missing-frames", count=reel.left_out, kept=kept))
    journal.note("film-saved", frames=len(reel.frames), film=program is not None)
    return reel.describe(program)


def _follow_links(
    tab: CaptureTab,
    proxy: RecordingProxy | None,
    folder: Path,
    options: CaptureOptions,
    journal: CaptureJournal,
) -> list[WaczPage]:
    """Capture the pages that links within the page's origin lead to, nearest first."""
    origin = _find_origin(tab.page.url)
    met = {_cut_fragment(tab.page.url)}
    due = deque((link, 1) for link in tab.attempt("links", tab.list_links) or [])
    pages: list[WaczPage] = []
    while due:
        link, depth = due.popleft()
        url = _cut_fragment(link)
        if url in met or _find_origin(url) != origin:
            continue
        met.add(url)
        if len(pages) == MOST_PAGES:
            journal.miss(url, Message("capture-missing-pages", limit=MOST_PAGES))
            continue
        try:
            _open_page(tab, proxy, options.guard, url)
        except CannotCheckError as error:
            journal.miss(url, error.message)
            continue
        started_at = utc_now()
        place = folder / PAGES / f"{len(pages) + 1:03}"
        place.mkdir(parents=True)
        title, text = _save_views(tab, place, options, journal)
        pages.append(WaczPage(url=tab.page.url, title=title, text=text, captured_at=started_at))
        met.add(_cut_fragment(tab.page.url))
        if depth < options.depth:
            links = tab.attempt("links", tab.list_links) or []
            due.extend((each, depth + 1) for each in links)
    return pages


def _cut_fragment(url: str) -> str:
    return url.partition("#")[0]


def _save_downloads(
    tab: CaptureTab,
    target: Path,
    scratch: Path,
    options: CaptureOptions,
    journal: CaptureJournal,
) -> set[str]:
    """Keep the files that the page had the browser save; return the URLs of those kept."""
    kept: set[str] = set()
    if not tab.downloads:
        return kept
    size, is_ended = tab.wait_for_downloads(scratch / DOWNLOADS)
    if size > options.max_bytes or not is_ended:
        for download in tab.downloads:
            tab.attempt(download.url, download.cancel)
            journal.miss(
                download.url,
                Message("capture-missing-too-large", size=size, limit=options.max_bytes)
                if is_ended or size > options.max_bytes
                else Message("capture-missing-unended"),
            )
        return {download.url for download in tab.downloads}
    target.mkdir()
    names = assign_names([download.suggested_filename for download in tab.downloads])
    for name, download in zip(names, tab.downloads, strict=True):
        tab.attempt(download.url, partial(download.save_as, target / name))
        if (target / name).exists():
            kept.add(download.url)
            journal.note("download-saved", url=download.url, name=f"{DOWNLOADS}{name}")
    return kept


def _read_chains(tab: CaptureTab) -> dict[str, tuple[bytes, ...]]:
    """Return the certificates of every origin that was reached by TLS."""
    exchanges = tab.network.list_exchanges()
    origins = dict.fromkeys(
        _find_origin(each.url)
        for each in exchanges
        if each.url.startswith("https:") and each.response is not None
    )
    chains: dict[str, tuple[bytes, ...]] = {}
    for origin in list(origins)[:_MOST_HOSTS]:
        chain = tab.attempt(f"tls {origin}", partial(tab.read_chain, origin)) or []
        chains[origin] = tuple(map(base64.b64decode, chain))
    return chains


def list_hosts(exchanges: Iterable[WebExchange]) -> Iterator[str]:
    """Yield every host once; those of documents, redirects among them, come first."""
    ordered = sorted(exchanges, key=lambda each: each.kind != "Document")
    yield from dict.fromkeys(urlsplit(each.url).hostname or "" for each in ordered)


def _find_origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
