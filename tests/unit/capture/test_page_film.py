"""Which frames of a film are kept, without a browser and without ffmpeg."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from anchor.base.errors import CannotCheckError
from anchor.capture.page_film import FRAMES, FilmReel, make_film


def reel_of(folder: Path, *times: float, **limits: int) -> FilmReel:
    reel = FilmReel(folder, **limits)
    for number, time in enumerate(times):
        reel.take(time, bytes([number]) * 10)
    reel.end()
    return reel


def test_frames_are_kept_as_they_came_with_their_times(tmp_path: Path):
    reel = reel_of(tmp_path, 100.0, 100.5, 102.0)
    listed = reel.describe("ffmpeg 7")["frames"]
    assert [each["at"][17:] for each in listed] == ["40.000Z", "40.500Z", "42.000Z"]
    for number, each in enumerate(listed):
        data = (tmp_path / each["file"]).read_bytes()
        assert data == bytes([number]) * 10
        assert each["sha256"] == hashlib.sha256(data).hexdigest()
        assert each["bytes"] == len(data)
    assert len(list((tmp_path / FRAMES).iterdir())) == 3


def test_a_frame_is_passed_over_only_if_it_was_shown_shortly_after_the_last_kept_one(
    tmp_path: Path,
):
    # The one at 1.04 is replaced within the tenth of a second; the one at 1.05 stays for longer.
    reel = reel_of(tmp_path, 1.0, 1.04, 1.05, 1.3, 1.35)
    assert [each.shown_at for each in reel.frames] == [1.0, 1.05, 1.3, 1.35]
    assert reel.passed_over == 1
    # A page that moves all the time is sampled, not lost.
    moving = reel_of(tmp_path / "moving", *(5 + number / 60 for number in range(61)))
    assert 8 <= len(moving.frames) <= 12
    assert moving.frames[-1].shown_at == 6.0
    assert len(moving.frames) + moving.passed_over == 61


def test_frames_beyond_the_limits_are_counted(tmp_path: Path):
    many = reel_of(tmp_path / "a", 1, 2, 3, 4, max_frames=2)
    assert ([each.shown_at for each in many.frames], many.left_out) == ([1, 2], 2)
    large = reel_of(tmp_path / "b", 1, 2, 3, 4, max_bytes=25)
    assert (len(large.frames), large.left_out) == (2, 2)
    assert large.describe(None)["left_out"] == 2


def test_without_ffmpeg_the_frames_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    reel = reel_of(tmp_path, 1.0, 2.0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotCheckError, match="film not made: ffmpeg is missing"):
        make_film(reel, tmp_path, tmp_path)
    assert len(list((tmp_path / FRAMES).iterdir())) == 2
