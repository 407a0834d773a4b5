"""Watching pages: each is captured, compared with its last recorded capture, and recorded if new.

The order of effects is the crash design; ``PageWatcher.check`` begins with what a crash left.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from secrets import token_hex

from anchor.bag.bag_format import MANIFEST
from anchor.capture.capture_recording import CaptureRecorder, MadeBag, enter_capture
from anchor.comparison.capture_bag import CaptureBag, open_capture
from anchor.comparison.capture_comparison import MAX_PICTURE_BYTES, compare_captures
from anchor.comparison.comparison_labels import show_share
from anchor.comparison.comparison_page import render_comparison
from anchor.comparison.picture_difference import make_thumbnail
from anchor.errors import AnchorError, MalformedError, StoreBusyError, UsageError
from anchor.evidence.group_reading import parse_groups
from anchor.evidence.not_before import NotBefore
from anchor.messages.catalogue import Language
from anchor.messages.message import Message
from anchor.page_watch.changes_page import COMPARISON_SUFFIX, render_changes
from anchor.page_watch.watch_decision import list_changes
from anchor.page_watch.watch_plan import WatchedPage, WatchPlan
from anchor.page_watch.watch_state import (
    MAX_STATE_BYTES,
    PageState,
    PendingCapture,
    RecordedChange,
    WatchState,
    encode_state,
    parse_state,
)
from anchor.project.project import OpenProject
from anchor.system.clock import utc_now
from anchor.system.durable_files import is_temporary, sync_folder, write_file
from anchor.system.file_lock import hold_file
from anchor.system.os_errors import explain_os_error
from anchor.system.regular_files import read_regular_file

INDEX = "changes.html"
_THUMBNAIL = (320, 240)

MakeRecorder = Callable[[WatchedPage], CaptureRecorder]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCheck:
    """The result of a check: the change that was recorded, or None, and why."""

    url: str
    change: RecordedChange | None
    reasons: tuple[Message, ...]


class PageWatcher:
    """Watches the pages of a plan for one project; one process at a time."""

    def __init__(
        self,
        project: OpenProject,
        plan: WatchPlan,
        make_recorder: MakeRecorder,
        language: Language,
    ) -> None:
        """Prepare; ``open_watcher`` holds the lock."""
        self._project = project
        self._plan = plan
        self._make_recorder = make_recorder
        self._language = language
        self._path = locate_state(project, plan)
        self.state = _load_state(self._path)

    def check(self, page: WatchedPage) -> PageCheck:
        """Capture a page, and record it if it differs from its last recorded capture.

        Raises:
            AnchorError: The page could not be captured, compared or recorded.  What was captured
                and is a change stays pending, and is recorded by the next call.
        """
        self.recover(page.url)
        folder = self._plan.folder
        # A crash here leaves a temporary folder, which the next start deletes.
        scratch = folder / f".anchor-{token_hex(8)}.tmp"
        try:
            taken = self._make_recorder(page).take(page.url, scratch)
            change, reasons = self._judge(page, taken)
            checked = replace(self.state.page(page.url), checked_at=change.at)
            if not reasons:
                self._save(self.state.with_page(page.url, checked))
                return PageCheck(url=page.url, change=None, reasons=())
            pending = PendingCapture(
                taken=taken.bag.relative_to(folder).as_posix(),
                manifest_sha256=_hash_manifest(taken.bag),
                groups=taken.groups.members(),
                not_before=None if taken.block is None else taken.block.encode(),
                change=change,
            )
            self._save(self.state.with_page(page.url, replace(checked, pending=pending)))
            # From here on a crash leaves the bag and its record's contents, and the next call
            # records it.
            self.recover(page.url)
        finally:
            if self.state.page(page.url).pending is None:
                shutil.rmtree(scratch, ignore_errors=True)
        return PageCheck(url=page.url, change=change, reasons=reasons)

    def recover(self, url: str) -> RecordedChange | None:
        """Record the capture of a page that is pending, and return it; None if there is none.

        Raises:
            UsageError: Somebody has deleted or changed the capture; it is no longer pending.
            AnchorError: It could not be recorded, and stays pending.
        """
        page = self.state.page(url)
        if page.pending is None:
            return None
        folder, pending = self._plan.folder, page.pending
        target, taken = folder / pending.change.bag, folder / pending.taken
        with _explained(target):
            if taken.exists() and not target.exists():
                taken.rename(target)
                # A crash here leaves the bag in its place, and it is still pending.
                sync_folder(folder)
                sync_folder(taken.parent)
        if _hash_manifest(target) != pending.manifest_sha256:
            self._save(self.state.with_page(url, replace(page, pending=None)))
            raise UsageError(Message("watch-pending-changed", path=target), path=target)
        block = None if pending.not_before is None else NotBefore.decode(pending.not_before)
        # Repeated after a crash, it records nothing more: path, digests and groups are the same.
        enter_capture(self._project, target, parse_groups(pending.groups), block)
        done = replace(
            page, bag=pending.change.bag, manifest_sha256=pending.manifest_sha256, pending=None
        )
        self._save(self.state.with_page(url, done).with_change(pending.change))
        # A crash here leaves the pages of the folder as they were; the next start writes them.
        self._write_comparison(pending.change)
        self.write_index()
        shutil.rmtree(taken.parent, ignore_errors=True)
        return pending.change

    def clean(self) -> None:
        """Delete what crashes left in the folder, except captures that are pending."""
        pending = {
            Path(page.pending.taken).parts[0]
            for page in self.state.pages.values()
            if page.pending is not None
        }
        with suppress(FileNotFoundError), _explained(self._plan.folder):
            for path in self._plan.folder.iterdir():
                if is_temporary(path.name) and path.name not in pending:
                    (shutil.rmtree if path.is_dir() else os.unlink)(path)

    def write_index(self) -> None:
        """Write the page that lists the changes.

        Raises:
            StorageError: The disk is full or fails.
        """
        page = render_changes(self.state.changes, self._plan.folder, self._language)
        write_file(self._plan.folder / INDEX, page)

    def _judge(
        self, page: WatchedPage, taken: MadeBag
    ) -> tuple[RecordedChange, tuple[Message, ...]]:
        """Return the change that a capture would be, and why it is one; no reason if it is not."""
        state = self.state.page(page.url)
        capture = open_capture(taken.bag)
        change = RecordedChange(
            url=page.url,
            at=utc_now(),
            bag=_name_free(taken.bag.name, self._plan.folder),
            previous=state.bag,
            reasons=(),
        )
        try:
            previous = self._open_previous(state)
        except AnchorError as error:
            reasons: tuple[Message, ...] = (
                Message("watch-previous-unusable", reason=error.message),
            )
            return replace(change, previous=None, reasons=tuple(map(str, reasons))), reasons
        if previous is None:
            reasons = (Message("watch-first-capture"),)
            pictures = _shrink(capture)
            return replace(change, reasons=tuple(map(str, reasons)), pictures=pictures), reasons
        difference = compare_captures(previous, capture)
        reasons = tuple(
            list_changes(difference, text_share=page.text_share, picture_share=page.picture_share)
        )
        if not reasons:
            return change, ()
        return (
            replace(
                change,
                reasons=tuple(map(str, reasons)),
                text_share=show_share(difference.text_share),
                picture_share=show_share(difference.picture_share),
                pictures=(*_shrink(previous), *_shrink(capture)),
            ),
            reasons,
        )

    def _open_previous(self, state: PageState) -> CaptureBag | None:
        """Return the capture that was recorded last, which is still the one that was."""
        if state.bag is None:
            return None
        previous = open_capture(self._plan.folder / state.bag)
        if (previous.bag.manifest.sha256 or b"").hex() != state.manifest_sha256:
            raise MalformedError(Message("watch-previous-changed", path=previous.path))
        return previous

    def _write_comparison(self, change: RecordedChange) -> None:
        """Write the page beside a bag that compares it with the one before, if both are intact."""
        if change.previous is None:
            return
        folder = self._plan.folder
        try:
            bags = open_capture(folder / change.previous), open_capture(folder / change.bag)
            difference = compare_captures(*bags, is_marked=True)
            page = render_comparison(*bags, difference, self._language)
        except (UsageError, MalformedError):
            return
        write_file(folder / f"{change.bag}{COMPARISON_SUFFIX}", page)

    def _save(self, state: WatchState) -> None:
        write_file(self._path, encode_state(state))
        self.state = state


@contextmanager
def open_watcher(
    project: OpenProject, plan: WatchPlan, make_recorder: MakeRecorder, language: Language
) -> Iterator[PageWatcher]:
    """Yield the watcher of a plan; what crashes left was cleaned or is pending.

    Raises:
        StoreBusyError: Another process watches the same folder for this project.
        MalformedError: The state of an earlier run is damaged.
    """
    path = locate_state(project, plan)
    held = StoreBusyError(Message("watch-running", path=plan.folder))
    with hold_file(path.with_suffix(".lock"), held):
        with _explained(plan.folder):
            plan.folder.mkdir(parents=True, exist_ok=True)
        watcher = PageWatcher(project, plan, make_recorder, language)
        watcher.clean()
        watcher.write_index()
        yield watcher


def locate_state(project: OpenProject, plan: WatchPlan) -> Path:
    """Return the file beside the project's configuration that keeps a folder's state."""
    digest = hashlib.sha256(os.fsencode(plan.folder.resolve())).hexdigest()[:16]
    return project.config.file.with_name(f"page-watch-{digest}.json")


def _load_state(path: Path) -> WatchState:
    try:
        data = read_regular_file(path, MAX_STATE_BYTES + 1)
    except FileNotFoundError:
        return WatchState()
    except OSError as error:
        raise explain_os_error(
            Message("file-unreadable", path=path), error, is_named=False
        ) from error
    return parse_state(data, subject=str(path))


def _hash_manifest(bag: Path) -> str:
    """Return the SHA-256 of a bag's manifest in hex; nothing if it is missing."""
    with suppress(FileNotFoundError), _explained(bag):
        return hashlib.sha256((bag / MANIFEST).read_bytes()).hexdigest()
    return ""


def _name_free(name: str, folder: Path) -> str:
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(each for each in names if not os.path.lexists(folder / each))


def _shrink(capture: CaptureBag) -> tuple[bytes, ...]:
    """Return a thumbnail of the first screenshot; nothing if there is none that can be read."""
    names = capture.list_pictures("")
    picture = capture.read(names[0], MAX_PICTURE_BYTES) if names else None
    if picture is None:
        return ()
    with suppress(MalformedError):
        return (make_thumbnail(picture, *_THUMBNAIL),)
    return ()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        explain = partial(explain_os_error, Message("file-unwritable", path=path))
        raise explain(error, is_named=False) from error
