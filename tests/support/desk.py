"""A person at the verifier page: gives it files and words, presses the button, reads the report."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.accessibility import find_violations

from anchor.base.messages.message import Message, translate

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from anchor.verification.report import Report


# The record's name and the file's are shown; these want to be more than text.
HOSTILE_NAMES = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>.txt",
    "</title></style></script><h1>",
    "evidence\u202egpj.exe",
    "\u2066a\u2069\u200b\u200d\ufeff\x07",
    "{name}$&`${1}",
)


@dataclass
class Desk:
    """One page in one tab; ``requests`` are the URLs that it asked for, ``said`` its console."""

    tab: Page
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.tab.on("dialog", self._refuse_dialog)

    def _refuse_dialog(self, dialog: Any) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    @property
    def network(self) -> list[str]:
        """Everything that was asked of a network, but for the page itself."""
        page = self.tab.url
        return [url for url in self.requests if url.startswith("http") and url != page]

    def open(self, url: str) -> None:
        self.tab.goto(url)
        self.tab.get_by_role("button", name="English").wait_for()

    def give(self, **files: Path) -> None:
        """Choose a file, a receipt or a policy."""
        for kind, path in files.items():
            self.tab.set_input_files(f"#{kind}", path)

    def fill(self, **fields: str) -> None:
        for name, text in fields.items():
            self.tab.fill(f"#{name}", text)

    def press(self, *, seconds: float = 60) -> str:
        """Press the button, and return the exit code's line once there is a report."""
        self.tab.click("#verify")
        self.tab.wait_for_selector("#headline", timeout=seconds * 1000)
        return self.tab.inner_text(".word")

    def verify(self, *, seconds: float = 60) -> dict[str, Any]:
        """Press the button, and return the report as the page saves it."""
        self.press(seconds=seconds)
        with self.tab.expect_download() as download:
            self.tab.get_by_role("button", name="JSON").click()
        document = json.loads(Path(download.value.path()).read_text("utf-8"))
        word = self.tab.inner_text(".word")
        undecided, early = Message("verdict-cannot-tell"), Message("verdict-not-final")
        code = document["exit_code"]
        failure = {
            2: Message("verdict-malformed"),
            10: Message("verdict-mismatch"),
            11: Message("verdict-not-anchored"),
            12: Message("verdict-not-trusted"),
            13: Message("verdict-abandoned"),
            20: undecided,
            21: early,
            22: undecided,
        }.get(code, Message("verdict-not-verified"))
        is_failure = word.lower() == failure or word == translate(failure, "zh")
        # What the operator withdrew is no failure of the evidence.
        assert is_failure == (code not in (0, 14)), word
        return document

    def complaint(self) -> str:
        """Press the button, and return what is wrong with what was filled in."""
        self.tab.click("#verify")
        problems = self.tab.locator(".problem:not(:empty), #status:not(:empty)")
        problems.first.wait_for()
        assert self.tab.is_hidden("#report")
        return " ".join(problems.all_inner_texts())

    def drop(self, **files: bytes) -> None:
        """Drop files on the page, all at once; names by what they are called."""
        self.tab.evaluate(
            """files => {
              const data = new DataTransfer();
              for (const [name, bytes] of files)
                data.items.add(new File([Uint8Array.from(bytes)], name));
              const how = {dataTransfer: data, bubbles: true, cancelable: true};
              document.body.dispatchEvent(new DragEvent("drop", how));
            }""",
            [[name, list(data)] for name, data in files.items()],
        )

    def check_accessible(self) -> None:
        """Check that axe-core finds nothing amiss on the page as it is now."""
        assert find_violations(self.tab) == []

    def check_fits(self) -> None:
        """See that nothing is wider than the window."""
        assert self.tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def open_desk(browser: Browser, **options: Any) -> Desk:
    """Sit down at a page of its own; ``options`` are those of a Playwright context."""
    context = browser.new_context(**{"locale": "en-GB", **options})
    context.set_default_timeout(20_000)
    return Desk(context.new_page())


def compare(page: dict[str, Any], report: Report) -> None:
    """See that the page's document says what the package's verifier says.

    Messages about nodes are the page's own, where a step did not pass.
    """
    from anchor.verification.report_json import describe_report

    (ours,) = page["files"]
    theirs = describe_report(ours["file"], report).model_dump()
    for document in (ours, theirs):
        document["problem"] = document["problem"] is not None
        for step in document["steps"]:
            if step["verdict"] != "pass":
                del step["detail"]
        for claim in document["claims"]:
            if claim["reason"].startswith("step "):
                claim["reason"] = claim["reason"].partition(":")[0]
    assert ours == theirs
