"""The tutorial "My own evidence by the web", done in a browser as its page says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from playwright.sync_api import Download, Locator, Page

from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message, translate

_MILLISECONDS = 300_000
# The file that the reader makes, and what the reader types, by the label's message.
FILES: dict[Language, tuple[str, str]] = {
    "en": ("contract.txt", "delivery on 3 March"),
    "zh": ("合同.txt", "三月三日交货"),
}
TYPED: dict[str, dict[Language, str]] = {
    "submit-origin": {"en": "laptop of the managing director", "zh": "总经理的笔记本电脑"},
    "submit-generation": {
        "en": "typed by the managing director",
        "zh": "由总经理在办公软件中录入",
    },
    "submit-storage": {
        "en": "on that laptop since 3 March, with a password",
        "zh": "自三月三日起存于该电脑，有登录密码",
    },
    "submit-witnesses": {
        "en": "Ms Wang, caretaker of the building, without interest in the matter",
        "zh": "王某，写字楼物业职员，与双方无利害关系",
    },
    "submit-place": {"en": "office, 2 Market Street", "zh": "杭州市某路 2 号办公室"},
    "submit-collectors": {"en": "Ms Li, assistant", "zh": "李某，助理"},
    "submit-method": {
        "en": "copied from the folder Contracts",
        "zh": "自“合同”文件夹复制",
    },
    "case-number": {"en": "2026-117", "zh": "（2026）浙0106民初117号"},
    "case-title": {"en": "Sale of goods", "zh": "买卖合同纠纷"},
    "case-authority": {"en": "District Court", "zh": "某区人民法院"},
    "case-parties": {"en": "Plaintiff: Ann Lee", "zh": "原告：张三"},
    "exhibit-label": {"en": "Exhibit 1", "zh": "证据1"},
    "exhibit-purpose": {"en": "the agreed date of delivery", "zh": "双方约定的交货日期"},
}
# The times that the reader picks, by the field's id and its label's message.
PICKED = {"submit-started": "2026-03-03T10:00", "submit-ended": "2026-03-03T10:05"}
# What the reader looks for on the pages, in this order: the texts in bold of the tutorial.
LABELS = (
    Message("home-record-button"), Message("sample-sign-in-as", role=Message("role-member")),
    Message("submit-choose-files"), Message("submit-stated"), Message("submit-origin"),
    Message("submit-generation"), Message("submit-storage"), Message("submit-collectors"),
    Message("submit-started"), Message("submit-ended"), Message("submit-place"),
    Message("submit-method"), Message("submit-witnesses"), Message("submit-button"),
    Message("submit-receipt"), Message("tenant-cases"), Message("cases-new"),
    Message("case-number"), Message("case-title"), Message("case-authority"),
    Message("case-parties"), Message("cases-create"), Message("exhibit-evidence"),
    Message("exhibit-label"), Message("exhibit-purpose"), Message("exhibit-add-button"),
    Message("submit-tab"), Message("submit-certify"),
    Message("submit-certificate-file", kind="PDF"), Message("tenant-cases"),
    Message("case-package"), Message("site-number"), Message("number-label"),
    Message("number-button"), Message("site-verify"), Message("page-chain"), Message("page-owner"),
    Message("page-nodes"), Message("page-verify"),
)  # fmt: skip
# The demonstration's chain, which is nobody's: its id, and the owner of the log.
CHAIN, OWNER = "31337", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """Where ``anchor serve --demo`` answers, and the node of its chain."""

    url: str
    node: str

    @classmethod
    def read(cls, lines: Iterable[str]) -> Self:
        """Return what the demonstration prints of itself, as soon as it serves."""
        addresses: list[str] = []
        for line in lines:
            found = re.findall(r"http://127\.0\.0\.1:\d+", line)
            addresses += [address for address in found if address not in addresses]
            if len(addresses) == 2:
                return cls(*addresses)
        raise AssertionError("the demonstration ended before it served")


@dataclass(kw_only=True)
class Reader:
    """Somebody who follows the tutorial in one tab.

    ``labels`` are those that the reader looked for, in their order; ``show`` takes each picture's
    name.
    """

    tab: Page
    site: Demonstration
    language: Language
    folder: Path
    show: Callable[[str, str], None]
    labels: list[str] = field(default_factory=list)

    def follow(self) -> str:
        """Go the whole way, and return what the verifier page says of the file."""
        self.tab.set_default_timeout(_MILLISECONDS)
        self._submit()
        number = self._take_receipt()
        self._make_case(number)
        self._take_certificate()
        self._open_case()
        package = self._save(self.tab.get_by_role("link", name=self._label("case-package")))
        return self._verify(package, number)

    def _submit(self) -> None:
        tab = self.tab
        tab.goto(self.site.url)
        tab.get_by_role("main").get_by_role("link", name=self._label("home-record-button")).click()
        self._press("sample-sign-in-as", role=Message("role-member"))
        with tab.expect_file_chooser() as asked:
            tab.get_by_text(self._label("submit-choose-files")).click()
        asked.value.set_files(self._write_file())
        tab.get_by_text(self._label("submit-stated")).click()
        for name in ("origin", "generation", "storage", "collectors"):
            self._type(f"submit-{name}")
        for id, time in PICKED.items():
            tab.get_by_label(self._label(id), exact=True).fill(time)
        for name in ("place", "method", "witnesses"):
            self._type(f"submit-{name}")
        self.show("stated", "#options")
        self._press("submit-button", exact=True)

    def _take_receipt(self) -> str:
        piece = self.tab.locator("#pieces > li").filter(has_text=self._say("submit-state-final"))
        piece.wait_for(timeout=_MILLISECONDS)
        self.show("anchored", "#list")
        self._save(piece.get_by_role("button", name=self._label("submit-receipt")))
        return piece.locator(".hash").inner_text()

    def _take_certificate(self) -> None:
        self.tab.get_by_role("link", name=self._label("submit-tab"), exact=True).click()
        self._press("submit-certify")
        label = self._label("submit-certificate-file", kind="PDF")
        certificate = self._save(self.tab.get_by_role("button", name=label))
        assert certificate.read_bytes().startswith(b"%PDF")

    def _open_case(self) -> None:
        self.tab.get_by_role("link", name=self._label("tenant-cases"), exact=True).click()
        number = TYPED["case-number"][self.language]
        self.tab.get_by_role("link", name=number, exact=True).click()

    def _make_case(self, number: str) -> None:
        self.tab.get_by_role("link", name=self._label("tenant-cases"), exact=True).click()
        self.tab.get_by_role("link", name=self._label("cases-new")).click()
        for id in ("case-number", "case-title", "case-authority", "case-parties"):
            self._type(id)
        self._press("cases-create")
        self._fill("exhibit-evidence", number)
        for id in ("exhibit-label", "exhibit-purpose"):
            self._type(id)
        self._press("exhibit-add-button", exact=True)
        self.tab.locator("tbody tr").first.wait_for()
        self.show("case", "body")

    def _verify(self, package: Path, number: str) -> str:
        tab = self.tab
        tab.get_by_role("link", name=self._label("site-number"), exact=True).click()
        self._fill("number-label", number)
        self._press("number-button")
        tab.get_by_role("heading", name=self._say("number-verdict-final")).wait_for()
        self.show("number", "main")
        tab.get_by_role("link", name=self._label("site-verify"), exact=True).click()
        for path in (package, self.folder / FILES[self.language][0]):
            tab.set_input_files("#file", path)
            tab.locator("#file-chosen").filter(has_text=path.name).wait_for()
        for id, text in {
            "page-chain": CHAIN, "page-owner": OWNER, "page-nodes": self.site.node,
        }.items():  # fmt: skip
            self._fill(id, text)
        self._press("page-verify", exact=True)
        piece = tab.locator("details.original").first
        piece.locator("summary").click(timeout=_MILLISECONDS)
        verdict = piece.locator(".word").first
        verdict.wait_for(timeout=_MILLISECONDS)
        self.show("verified", "#report")
        return verdict.inner_text()

    def _say(self, id: str, **values: object) -> str:
        return translate(Message(id, **values), self.language)

    def _label(self, id: str, **values: object) -> str:
        label = self._say(id, **values)
        self.labels.append(label)
        return label

    def _press(self, id: str, exact: bool = False, **values: object) -> None:
        button = self.tab.get_by_role("button", name=self._label(id, **values), exact=exact)
        button.first.click(timeout=_MILLISECONDS)

    def _type(self, id: str) -> None:
        self._fill(id, TYPED[id][self.language])

    def _fill(self, id: str, text: str) -> None:
        self.tab.get_by_role("textbox", name=self._label(id), exact=True).fill(text)

    def _save(self, place: Locator) -> Path:
        with self.tab.expect_download(timeout=_MILLISECONDS) as asked:
            place.click(timeout=_MILLISECONDS)
        download: Download = asked.value
        path = self.folder / download.suggested_filename
        download.save_as(path)
        return path

    def _write_file(self) -> Path:
        name, text = FILES[self.language]
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path
