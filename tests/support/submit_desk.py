"""A member at the page for submitting: chooses files, presses the button, reads the list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.sign_in_providers import Platform
from support.visitors import Visitor

from anchor.store.evidence import load_all

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request

SECONDS = 60


@dataclass
class SubmitDesk:
    """One tab; ``requests`` are what it asked, ``said`` its console."""

    platform: Platform
    tab: Page
    tenant: str
    requests: list[Request] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tab.on("request", lambda request: self.requests.append(request))
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(f"error: {error}"))

    def sent(self) -> tuple[bytes, int]:
        """Return what was sent, if the browser shows it, and how many bytes its headers name."""
        bodies = [request.post_data_buffer or b"" for request in self.requests]
        lengths = [request.all_headers().get("content-length", "0") for request in self.requests]
        return b"".join(bodies), sum(map(int, lengths))

    def hosts(self) -> set[str]:
        """Return the hosts that were asked; what the browser made itself has none."""
        urls = [request.url for request in self.requests]
        return {url.split("/")[2] for url in urls if url.startswith("http")}

    def open(self) -> None:
        """Open the page, or open it anew."""
        self.tab.goto(f"/tenants/{self.tenant}/submit")
        self.tab.locator("#tool").wait_for()

    def choose(self, *files: Path) -> None:
        self.tab.set_input_files("#files", files)

    def drop(self, **sizes_by_name: int) -> None:
        """Drop files of these names and sizes."""
        self.drop_named(list(sizes_by_name.items()))

    def drop_named(self, files: list[tuple[str, int]]) -> None:
        self.tab.evaluate(
            """files => {
              const data = new DataTransfer();
              for (const [name, size] of files)
                data.items.add(new File([new Uint8Array(size)], name, {lastModified: 1}));
              const how = {dataTransfer: data, bubbles: true, cancelable: true};
              document.body.dispatchEvent(new DragEvent("drop", how));
            }""",
            files,
        )

    def submit(self) -> None:
        self.tab.locator("#submit").click()

    def row(self, name: str) -> Locator:
        return self.tab.locator(
            "#pieces > li", has=self.tab.locator(f"bdi:text-is({json.dumps(name)})")
        )

    def wait_for(self, name: str, text: str, seconds: float = SECONDS) -> None:
        """Wait until a piece's row says this."""
        self.row(name).filter(has_text=text).wait_for(timeout=1_000 * seconds)

    def wait_for_counts(self, seconds: float = SECONDS, **counts: int) -> None:
        """Wait until the summary counts so many."""
        for label, count in counts.items():
            text = f"{label.title()}: {count:,}."
            summary = self.tab.locator("#summary").filter(has_text=text)
            summary.wait_for(timeout=1_000 * seconds)

    def kept(self) -> list[dict[str, Any]]:
        """Return the list as the browser keeps it."""
        entries: list[dict[str, Any]] = self.tab.evaluate(
            """async name => {
              const asked = request => new Promise(done => {
                request.onsuccess = () => done(request.result);
              });
              const list = `anchor-submit/${name}/${tool.dataset.person}`;
              const database = await asked(indexedDB.open(list));
              return asked(database.transaction("entries").objectStore("entries").getAll());
            }""",
            self.tenant,
        )
        return entries

    def records(self) -> list[dict[str, Any]]:
        """Return the records of this tenant's evidence in the store, in its order."""
        with self.platform.project.database.read() as connection:
            return [
                json.loads(stored.record)
                for stored in load_all(connection)
                if stored.record is not None and stored.source.startswith(f"tenant:{self.tenant}/")
            ]

    def recorded(self) -> list[str]:
        """Return the names of this tenant's evidence in the store, in its order."""
        return [record["name"] for record in self.records()]


@contextmanager
def open_submit_desk(
    browser: Browser, platform: Platform, visitor: Visitor, tenant: str,
    *, theme: str = "light", width: int = 1280, locale: str = "en-GB",
) -> Iterator[SubmitDesk]:  # fmt: skip
    """Sit down at the page, signed in, in a browser without a list."""
    context = browser.new_context(
        base_url=platform.url,
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": width, "height": 900},
        locale=locale,
        accept_downloads=True,
    )
    context.set_default_timeout(1_000 * SECONDS)
    sign_in(context, platform, visitor.token)
    desk = SubmitDesk(platform, context.new_page(), tenant)
    try:
        desk.open()
        yield desk
    finally:
        context.close()


def sign_in(context: BrowserContext, platform: Platform, token: str) -> None:
    """Give the browser a session."""
    context.add_cookies([{"name": "anchor_session", "value": token, "url": platform.url}])
