"""Recording a display by ffmpeg's ``x11grab``, and the time of each frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Final, Literal

from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.guarded_process import end_guarded, start_guarded
from anchor.base.system.programs import find_program, run_program

FRAMES_A_SECOND: Final = 10
MAX_SECONDS: Final = 4 * 3_600
VIDEO: Final = "screen.mkv"
LOG: Final = "ffmpeg.log"

# Seconds in which ffmpeg ends a file that it was told to end.
_PATIENCE: Final = 30.0
_START: Final = re.compile(r"Input #0, x11grab.*?start: (\d+)\.(\d{6})", re.DOTALL)
_SIZE: Final = re.compile(r"Stream #0:0: Video: rawvideo.*?, (\d+x\d+)")
_PTS: Final = re.compile(r"(\d+)\.(\d{6})")

EndedBy = Literal["duration", "signal", "recorder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenRecording:
    """A recording: how it ended, and the time of each frame by this machine's clock."""

    program: str
    display: str
    size: str
    ended_by: EndedBy
    frames: Sequence[datetime]

    @property
    def longest_gap_ms(self) -> int:
        """Return the longest time between two frames, in milliseconds."""
        pairs = zip(self.frames, self.frames[1:], strict=False)
        return max(
            (round((after - before) / timedelta(milliseconds=1)) for before, after in pairs),
            default=0,
        )


def record_screen(display: str, folder: Path, seconds: int, stopping: Event) -> ScreenRecording:
    """Record a display until the time is over, or ``stopping`` is set.

    A crash of this process ends ffmpeg too.
    """
    ffmpeg, ffprobe = _find("ffmpeg"), _find("ffprobe")
    banner = run_program(ffmpeg, ["-version"], folder=folder).output.partition("\n")[0]
    command = [
        ffmpeg, "-hide_banner", "-nostats", "-nostdin", "-loglevel", "info",
        "-f", "x11grab", "-framerate", str(FRAMES_A_SECOND), "-draw_mouse", "1", "-i", display,
        "-map", "0:v", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-fps_mode", "passthrough",
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-bf", "0", "-pix_fmt", "yuv420p",
        "-t", str(seconds), str((folder / VIDEO).absolute()),
    ]  # fmt: skip
    scratch = folder / "scratch"
    with (folder / LOG).open("wb") as log:
        process = start_guarded(command, scratch, stderr=log)
        try:
            while process.poll() is None and not stopping.is_set():
                stopping.wait(0.1)
            is_stopped = process.poll() is None
        finally:
            end_guarded(process, _PATIENCE)
    text = (folder / LOG).read_text("utf-8", "replace")
    start, size = _START.search(text), _SIZE.search(text)
    times = _list_times(ffprobe, folder) if start and size else []
    if start is None or size is None or not times:
        raise UsageError(Message("screen-not-recorded", display=display, reason=_last_line(text)))
    first = _read_time(start[1], start[2])
    frames = [first + timedelta(microseconds=offset) for offset in times]
    is_whole = times[-1] >= (seconds - 1) * 1_000_000
    return ScreenRecording(
        program=banner,
        display=display,
        size=size[1],
        ended_by="signal" if is_stopped else "duration" if is_whole else "recorder",
        frames=frames,
    )


def _find(name: str) -> str:
    program = find_program(name)
    if program is None:
        raise UsageError(
            Message("screen-program-missing", program=name),
            hint=Message("screen-program-missing-hint"),
        )
    return program


def _list_times(ffprobe: str, folder: Path) -> list[int]:
    """Return the time of each frame after the first one's, in microseconds."""
    words = [
        "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time",
        "-of", "csv=p=0", VIDEO,
    ]  # fmt: skip
    probed = run_program(ffprobe, words, folder=folder)
    if probed.code != 0:
        raise CannotCheckError(
            Message("program-not-run", program=ffprobe, reason=_last_line(probed.complaint))
        )
    matches = filter(None, map(_PTS.match, probed.output.splitlines()))
    return [int(match[1]) * 1_000_000 + int(match[2]) for match in matches]


def _read_time(seconds: str, microseconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=int(microseconds))


def _last_line(text: str) -> str:
    return ([line for line in text.splitlines() if line.strip()] or ["?"])[-1].strip()[:300]
