"""The frames of a page while it loads and is scrolled, and the film that ffmpeg makes of them.

The frames are the evidence; the film is a view of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_unix_time
from anchor.base.system.programs import find_program, run_program

FILM_FORMAT: Final = "anchor-capture-film/1"
FILM, FRAMES, FRAME_LIST = "film/film.mp4", "film/frames/", "film/frames.json"
SAMPLING_SECONDS: Final = 0.1
"""A frame that was shown for less, this soon after the last kept one, is passed over."""

# A film of a minute and a half, in which something moves all the time.
MAX_FRAMES: Final = 1_000
MAX_FILM_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """A frame that was kept: its file, when it was shown (Unix seconds), size and SHA-256."""

    name: str
    shown_at: float
    size: int
    sha256: str


class FilmReel:
    """Writes the frames (JPEG) into a folder, within limits of number and size."""

    def __init__(
        self, folder: Path, *, max_frames: int = MAX_FRAMES, max_bytes: int = MAX_FILM_BYTES
    ) -> None:
        """Make the folder of the frames below ``folder``."""
        self.frames: list[FilmFrame] = []
        self.passed_over = 0
        self.left_out = 0
        self._folder = folder
        self._max_frames = max_frames
        self._left = max_bytes
        self._pending: tuple[float, bytes] | None = None
        (folder / FRAMES).mkdir(parents=True)

    def take(self, shown_at: float, data: bytes) -> None:
        """Take the next frame; the one before it is kept if it was shown for long enough."""
        if self._pending is not None:
            since = self._pending[0] - self.frames[-1].shown_at if self.frames else shown_at
            if max(shown_at - self._pending[0], since) >= SAMPLING_SECONDS:
                self._keep(*self._pending)
            else:
                self.passed_over += 1
        self._pending = (shown_at, data)

    def end(self) -> None:
        """Keep the last frame."""
        if self._pending is not None:
            self._keep(*self._pending)
            self._pending = None

    def _keep(self, shown_at: float, data: bytes) -> None:
        if len(self.frames) >= self._max_frames or len(data) > self._left:
            self.left_out += 1
            self._left = 0  # nothing after a frame that is missing
            return
        self._left -= len(data)
        name = f"{FRAMES}{len(self.frames) + 1:05}.jpg"
        (self._folder / name).write_bytes(data)
        self.frames.append(FilmFrame(name, shown_at, len(data), hashlib.sha256(data).hexdigest()))

    def describe(self, program: str | None) -> dict[str, Any]:
        """Return the list of the frames; ``program`` made the film of them, if there is one."""
        return {
            "format": FILM_FORMAT,
            "film": None if program is None else {"file": FILM, "made_by": program},
            "passed_over": self.passed_over,
            "left_out": self.left_out,
            "frames": [
                {
                    "file": each.name,
                    "at": format_unix_time(each.shown_at),
                    "bytes": each.size,
                    "sha256": each.sha256,
                }
                for each in self.frames
            ],
        }


def make_film(reel: FilmReel, folder: Path, scratch: Path) -> str:
    """Make a film of the frames with their times; return the name of the program that did.

    Raises:
        CannotCheckError: ffmpeg is missing, or fails; the frames are as before.
    """
    ffmpeg = find_program("ffmpeg")
    if ffmpeg is None:
        raise CannotCheckError(Message("film-program-missing"))
    script = scratch.resolve() / "frames.ffconcat"
    script.write_text(_list_for_ffmpeg(reel.frames, folder), "utf-8")
    words = [
        "-hide_banner", "-nostats", "-nostdin", "-loglevel", "error",
        "-protocol_whitelist", "file", "-f", "concat", "-safe", "0", "-i", str(script),
        "-map", "0:v", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-fps_mode", "passthrough",
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-bf", "0", "-pix_fmt", "yuv420p",
        "-video_track_timescale", "1000", "-movflags", "+faststart", str((folder / FILM).resolve()),
    ]  # fmt: skip
    try:
        version = run_program(ffmpeg, ["-version"], folder=scratch).output.partition(" Copyright")
        ran = run_program(ffmpeg, words, folder=scratch)
        if ran.code != 0:
            lines = ran.complaint.strip().splitlines() or ["?"]
            raise CannotCheckError(Message("film-not-made", reason=lines[-1][:200]))
    except CannotCheckError:
        (folder / FILM).unlink(missing_ok=True)
        raise
    return version[0].partition("\n")[0]


def _list_for_ffmpeg(frames: list[FilmFrame], folder: Path) -> str:
    """Return the script of ffmpeg's demuxer ``concat``: each frame until the next one is shown."""
    lines = ["ffconcat version 1.0"]
    ends = [each.shown_at for each in frames[1:]]
    for frame, end in zip(frames, [*ends, 0.0], strict=True):
        path = str((folder / frame.name).resolve()).replace("'", "'\\''")
        # In thousandths of a second, where its own default is twenty-five frames a second.
        lines += [f"file '{path}'", "option framerate 1000"]
        lines += [f"duration {max(0.001, end - frame.shown_at):.3f}"]
    return "\n".join(lines) + "\n"
