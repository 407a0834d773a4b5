"""One captured page as one bag and one record: observed, captured, written, recorded.

The bag appears under its name when it is complete, and only then is it recorded.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from importlib.metadata import version
from itertools import count
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

from anchor.bag.bag_contents import BagPart, OriginalFile, complete_bag
from anchor.bag.bag_format import EVIDENCE_FORMAT, MANIFEST, PAYLOAD
from anchor.bag.bag_writer import write_bag
from anchor.base.canonical import JsonValue
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import explain_os_error
from anchor.capture.browser_session import is_sandboxed
from anchor.capture.capture_checks import judge_capture
from anchor.capture.capture_files import CLEANLINESS, save_json, write_capture_files
from anchor.capture.capture_options import CaptureOptions
from anchor.capture.page_capture import CapturedPage, capture_page, name_picture
from anchor.capture.served_certificates import describe_chain
from anchor.collection.cleanliness import add_findings
from anchor.collection.installation import SOFTWARE
from anchor.collection.machine import MachinePlaces
from anchor.collection.machine_environment import clean_text
from anchor.evidence.bundle_manifest import describe_contents
from anchor.evidence.discovery import SourceFile
from anchor.evidence.file_hashing import FileDigest, digest_file
from anchor.evidence.group_members import Group, build_group, dump_group
from anchor.evidence.hashing_pool import open_executor
from anchor.evidence.not_before import NotBefore
from anchor.evidence.observed_groups import Environment, WebCapture
from anchor.evidence.record_groups import ProfileName, RecordGroups
from anchor.operate.evidence_collection import (
    CollectionResult,
    check_record_size,
    observe_collection,
)
from anchor.operate.file_intake import gather
from anchor.operate.recent_block import NameBlock
from anchor.project.project import OpenProject

_UNSAFE = re.compile(r"[^a-z0-9.-]")
_MAX_HOST = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCapture:
    """A captured page, its bag, and the record of it in the store."""

    bag: Path
    page: CapturedPage
    collection: CollectionResult


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBag:
    """A bag on the disk that nobody has recorded yet, and the record to be made of its manifest.

    The record is to name ``block``, if there is one.
    """

    bag: Path
    name: str
    page: CapturedPage
    groups: RecordGroups
    block: NotBefore | None = None


def discard_capture(bag: Path) -> None:
    """Delete a bag that nobody recorded."""
    rest = bag.with_name(f".anchor-{token_hex(8)}.tmp")
    try:
        bag.rename(rest)
        # A crash here leaves the rest of it, under a name that says what it is.
        shutil.rmtree(rest)
    except OSError as error:
        raise explain_os_error(
            Message("file-unwritable", path=bag), error, is_named=True
        ) from error


def _name_manifest(bag: Path) -> str:
    return f"{bag.name}/{MANIFEST}"


class CaptureMaker:
    """Captures pages as bags, each with the same options; ``observe`` observes the machine."""

    def __init__(
        self,
        options: CaptureOptions,
        observe: Callable[[], RecordGroups],
        *,
        program: str,
        places: MachinePlaces,
    ) -> None:
        """Prepare; ``program`` is the browser."""
        self._options = options
        self._observe = observe
        self._program = program
        self._places = places

    def make(
        self,
        url: str,
        parent: Path,
        check: Callable[[str, RecordGroups], None],
        *,
        suffix: str = "",
    ) -> MadeBag:
        """Capture a page as a new bag in ``parent``: a folder, or a file with a ``suffix``.

        ``check`` is called with the record's name and groups before the bag appears.
        """
        before = self._observe()
        environment = before.environment
        with _work_folder(parent) as (folder, scratch):
            page = capture_page(
                url,
                folder,
                self._options,
                program=self._program,
                dns_servers=None if environment is None else environment.dns_servers,
                scratch=scratch,
            )
            write_capture_files(page, folder, self._options, scratch=scratch)
            after = self._observe()
            judged = self._judge(page, before, after)
            save_json(folder / CLEANLINESS, _describe_checks(judged, before, after))
            files = _hash_files(folder)
            bag = _complete(page, files)
            manifest = bag[MANIFEST]
            assert isinstance(manifest, bytes), "it is made in memory"
            described = _describe_record(page, self._options, judged, files, manifest)
            target = _name_bag(page, parent)
            name = _name_manifest(target)
            check(name, described)
            target = target.with_name(target.name + suffix)
            write_bag(target, bag)
        return MadeBag(bag=target, name=name, page=page, groups=described)

    def _judge(self, page: CapturedPage, before: RecordGroups, after: RecordGroups) -> RecordGroups:
        """Return the groups observed before, with the checks of the capture among the others."""
        assert before.cleanliness is not None and after.cleanliness is not None
        assert before.environment is not None and after.environment is not None
        findings = judge_capture(
            sandboxed=is_sandboxed(),
            proxy=self._options.proxy,
            guarded=self._options.guard is not None,
            script_sha256=self._options.script_sha256,
            has_profile=self._options.login_profile is not None,
            root=self._places.root,
            answers=page.answers,
            exchanges=page.exchanges,
            before=(before.cleanliness, before.environment),
            after=(after.cleanliness, after.environment),
        )
        seen = {
            **dump_group(before.environment),
            "browser": page.browser,
            "extensions": [],
            "not_observed": [
                name
                for name in before.environment.not_observed or []
                if name not in ("browser", "extensions")
            ],
        }
        return before.model_copy(
            update={
                "cleanliness": add_findings(before.cleanliness, findings),
                "environment": Environment.model_validate(seen),
            }
        )


class CaptureRecorder:
    """Captures pages for one project, each with the same details and options."""

    def __init__(
        self,
        project: OpenProject,
        options: CaptureOptions,
        *,
        profile: ProfileName,
        details: RecordGroups,
        program: str,
        name_block: NameBlock,
        argv: Sequence[str] | None = None,
        places: MachinePlaces | None = None,
    ) -> None:
        """Prepare; ``program`` is the browser, ``argv`` the command without secrets."""
        self._project = project
        self._name_block = name_block
        places = places or MachinePlaces.of_this_machine()
        observe = partial(
            observe_collection, project.config, profile, details, argv=argv, places=places
        )
        self._maker = CaptureMaker(options, observe, program=program, places=places)

    def take(self, url: str, parent: Path) -> MadeBag:
        """Capture a page as a new bag in the folder ``parent``, and record nothing.

        Raises:
            CannotCheckError: The browser cannot be run, the page does not answer, or the record is
                to name a block and no node tells the final one.
        """
        # Before the first request, so that the record says the page was captured after it.
        block = self._name_block()
        return replace(self._maker.make(url, parent, self._check), block=block)

    def enter(self, made: MadeBag) -> RecordedCapture:
        """Record the manifest of a bag that ``take`` has made."""
        with open_executor() as executor:
            intake = gather(
                self._project,
                [SourceFile(path=made.bag / MANIFEST, name=made.name)],
                executor=executor,
                keep_files=True,
                groups=made.groups,
                name_block=lambda: made.block,
            )
        for problem in intake.problems:  # somebody changed the bag within this moment
            raise UsageError(
                Message("bundle-file-unread", path=problem.path, reason=problem.reason),
                path=problem.path,
            )
        collection = CollectionResult(groups=made.groups, intake=intake)
        return RecordedCapture(bag=made.bag, page=made.page, collection=collection)

    def _check(self, name: str, groups: RecordGroups) -> None:
        named = SourceFile(path=Path(name), name=name)
        check_record_size([named], groups, self._project.config.log)


@contextmanager
def _work_folder(parent: Path) -> Iterator[tuple[Path, Path]]:
    """Make a folder beside the bag to be, with one for its files and one for all else.

    A crash leaves it, under a name that says what it is.
    """
    work = parent / f".anchor-{token_hex(8)}.tmp"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for name in ("data", "scratch"):
            (work / name).mkdir(parents=True)
        yield work / "data", work / "scratch"
    except OSError as error:
        raise explain_os_error(
            Message("file-unwritable", path=parent), error, is_named=True
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _describe_checks(
    judged: RecordGroups, before: RecordGroups, after: RecordGroups
) -> dict[str, JsonValue]:
    groups: list[tuple[str, Group | None]] = [
        ("cleanliness", judged.cleanliness),
        ("environment_before", before.environment),
        ("environment_after", after.environment),
        ("cleanliness_after", after.cleanliness),
        ("clock_before", before.clock),
        ("clock_after", after.clock),
    ]
    return {name: dump_group(group) for name, group in groups if group is not None}


def _hash_files(folder: Path) -> list[FileDigest]:
    """Return every file below ``folder`` with the name that it has in the bag, and its digests."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        FileDigest(
            source=SourceFile(path=path, name=PAYLOAD + path.relative_to(folder).as_posix()),
            digests=digest_file(path),
        )
        for path in paths
    ]


def _complete(page: CapturedPage, files: Sequence[FileDigest]) -> dict[str, BagPart]:
    parts: dict[str, BagPart] = {
        file.source.name: OriginalFile(path=file.source.path, digests=file.digests)
        for file in files
    }
    info = {
        "Bagging-Date": page.ended_at[:10],
        "External-Description": clean_text(page.url),
        "Bag-Software-Agent": f"{SOFTWARE} {version(SOFTWARE)}",
    }
    return complete_bag(parts, info, form=EVIDENCE_FORMAT)


def _describe_record(
    page: CapturedPage,
    options: CaptureOptions,
    judged: RecordGroups,
    files: Sequence[FileDigest],
    manifest: bytes,
) -> RecordGroups:
    """Return the groups of the record: what the operator states, and what was observed."""
    picture = PAYLOAD + name_picture(*options.viewports[0])
    digests = {file.source.name: file.digests.sha256 for file in files}
    screenshot = digests.get(picture)
    main = page.main
    response = None if main is None else main.response
    certificate = page.certificate
    issuer = None if certificate is None else describe_chain([certificate])[0].get("issuer")
    capture = {
        "mode": options.mode,
        "url": clean_text(page.url),
        "final_url": clean_text(page.final_url),
        "started_at": page.started_at,
        "ended_at": page.ended_at,
        "title": clean_text(page.title) if page.title.strip() else None,
        "status": None if response is None else response.status,
        "address": None if response is None else response.address or None,
        "certificate_sha256": None
        if certificate is None
        else hashlib.sha256(certificate).hexdigest(),
        "certificate_issuer": issuer,
        "screenshot_sha256": None if screenshot is None else screenshot.hex(),
        "requests": len(page.exchanges),
        "not_captured": len(page.uncaptured),
        "cookies": "kept" if options.keeps_cookies else "redacted",
    }
    members = {
        **judged.members(),
        "kind": "web-capture",
        "capture": build_group(WebCapture, capture),
        **describe_contents(files, manifest),
    }
    return RecordGroups.model_validate(members)


def name_host(url: str) -> str:
    """Return what the names of a page's bags begin with: its host, as file systems take it."""
    return _UNSAFE.sub("_", (urlsplit(url).hostname or "").lower())[:_MAX_HOST]


def _name_bag(page: CapturedPage, parent: Path) -> Path:
    """Return a path that is not taken, after the host and the start of the capture."""
    at = datetime.fromisoformat(page.started_at)
    stem = f"{name_host(page.url)}-{at:%Y%m%dT%H%M%SZ}"
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(parent / name for name in names if not os.path.lexists(parent / name))
