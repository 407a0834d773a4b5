"""Screen recordings: the video, the time of each frame and the settings become one record."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from threading import Event

from anchor.base.canonical import JsonValue, encode_canonical
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.system.new_folder import create_folder
from anchor.evidence.discovery import SourceFile
from anchor.evidence.record_groups import RecordGroups
from anchor.operate.evidence_collection import CollectionResult, collect_bundle
from anchor.operate.recent_block import NameBlock, name_no_block
from anchor.project.project import OpenProject
from anchor.recording.screen_display import choose_display
from anchor.recording.screen_recorder import FRAMES_A_SECOND, ScreenRecording, record_screen

SCHEMA = "anchor-screen-recording/1"
DESCRIPTION = "recording.json"
FRAMES = "frames.csv"
MANIFEST = "manifest-sha256.txt"


def collect_recording(
    project: OpenProject,
    groups: RecordGroups,
    *,
    folder: Path,
    seconds: int,
    stopping: Event,
    executor: Executor,
    name_block: NameBlock = name_no_block,
    on_done: Callable[[int, int], None] | None = None,
) -> CollectionResult:
    """Record the screen into a new folder, and record its manifest as evidence.

    Raises:
        UsageError: The display cannot be recorded, or the folder exists; nothing was written.
        StorageError: The disk is full or fails; nothing was written.
    """
    name_block()  # so that a node that does not tell leaves nothing behind
    names = write_recording(folder, seconds, stopping)
    # A crash here leaves a complete folder without a record; `anchor collect --bundle` makes one.
    return collect_bundle(
        project,
        [SourceFile(path=folder / name, name=name) for name in names],
        groups,
        manifest=folder / MANIFEST,
        executor=executor,
        kind="screen-recording",
        name_block=name_block,
        on_done=on_done,
    )


def write_recording(folder: Path, seconds: int, stopping: Event) -> list[str]:
    """Record the screen to a new folder, all of it or nothing; return the names of its files."""
    display = choose_display(os.environ)
    with create_folder(folder) as partial_folder:
        started_at = utc_now()
        recording = record_screen(display, partial_folder, seconds, stopping)
        description = {"started_at": started_at, "ended_at": utc_now(), **_describe(recording)}
        encoded = encode_canonical(description, subject=DESCRIPTION)
        (partial_folder / DESCRIPTION).write_bytes(encoded)
        rows = (f"{number},{_spell(frame)}\n" for number, frame in enumerate(recording.frames))
        (partial_folder / FRAMES).write_text("".join(chain(("frame,time\n",), rows)))
        return sorted(path.name for path in partial_folder.iterdir())


def _describe(recording: ScreenRecording) -> dict[str, JsonValue]:
    return {
        "schema": SCHEMA,
        "program": recording.program,
        "display": recording.display,
        "size": recording.size,
        "frames": len(recording.frames),
        "frames_a_second": FRAMES_A_SECOND,
        "first_frame_at": _spell(recording.frames[0]),
        "last_frame_at": _spell(recording.frames[-1]),
        "longest_gap_ms": recording.longest_gap_ms,
        "ended_by": recording.ended_by,
        "not_captured": [
            Message("screen-lacks-sound"),
            Message("screen-lacks-input"),
            Message("screen-lacks-displays", display=recording.display),
            Message("screen-lacks-exactness"),
        ],
        "software": {"anchor-evidence": version("anchor-evidence")},
    }


def _spell(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
