"""Screen recordings on a real display: frames with their times, an end by signal, and no half."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import MakeSite
from support.projects import Site
from support.screens import run_display
from support.stopping import start
from support.tools import check_program

from anchor.chain.devnet import Devnet

ASK = ("collect", "--profile", "plain", "-o", "screen", "--screen")


@pytest.fixture
def site(new_site: MakeSite, embedded: Devnet) -> Site:
    return new_site(embedded)


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with run_display() as name:
        monkeypatch.setenv("DISPLAY", name)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
        yield name


def describe(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "recording.json").read_bytes())
    return document


def count_runs(site: Site) -> int:
    ((count,),) = site.rows("SELECT count(*) FROM runs")
    return int(count)


def wait_for_video(site: Site) -> None:
    logs = ".anchor-*/ffmpeg.log"
    while not any(b"Output #0" in path.read_bytes() for path in site.folder.glob(logs)):
        time.sleep(0.05)


@pytest.mark.release
def test_a_recording_has_the_time_of_each_frame_and_is_evidence(site: Site, display: str) -> None:
    site.run(*ASK, "2").expect(0)
    folder = site.folder / "screen"
    document = describe(folder)
    assert (document["size"], document["display"]) == ("321x241", display)
    assert document["ended_by"] == "duration"
    assert "sound" in document["not_captured"]
    rows = list(csv.reader((folder / "frames.csv").read_text().splitlines()))
    assert rows[0] == ["frame", "time"]
    times = [time for _, time in rows[1:]]
    assert times == sorted(set(times))
    assert len(times) == document["frames"] >= 2
    assert document["started_at"][:19] <= times[0][:19] <= times[-1][:19] <= document["ended_at"]
    probed = subprocess.run(
        [Path(check_program("ffmpeg")).with_name("ffprobe"), "-v", "error", "-count_frames",
         "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", folder / "screen.mkv"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert int(probed.stdout) == len(times)
    site.anchor()
    site.run("prove", "screen/manifest-sha256.txt").expect(0)
    receipt = json.loads((folder / "manifest-sha256.txt.anchor.json").read_bytes())
    record = json.loads(receipt["record"])
    assert record["kind"] == "screen-recording"
    assert [each["path"] for each in record["items"]] == [
        "ffmpeg.log", "frames.csv", "recording.json", "screen.mkv",
    ]  # fmt: skip
    assert record["cleanliness"]["checks"]
    site.run("verify", "screen/manifest-sha256.txt").expect(0)


@pytest.mark.release
@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_recording_and_keeps_it(
    site: Site, display: str, tmp_path: Path, told: signal.Signals
) -> None:
    with start(site.folder, (*ASK, "3600"), tmp_path / "out") as process:
        wait_for_video(site)
        process.send_signal(told)
        assert process.wait(120) == 0, (tmp_path / "out").read_text()
    assert describe(site.folder / "screen")["ended_by"] == "signal"
    assert count_runs(site) == 1


@pytest.mark.release
def test_a_recording_that_is_killed_records_nothing_and_leaves_no_recorder(
    site: Site, display: str, tmp_path: Path
) -> None:
    with start(site.folder, (*ASK, "3600"), tmp_path / "out") as process:
        wait_for_video(site)
        process.kill()
        process.wait()
    assert not (site.folder / "screen").exists()
    assert count_runs(site) == 0
    while list(list_recorders(site.folder)):
        time.sleep(0.05)


def list_recorders(folder: Path) -> Iterator[int]:
    for number in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):
            command = Path(f"/proc/{number}/cmdline").read_bytes()
            if b"screen.mkv" in command and os.readlink(f"/proc/{number}/cwd") == str(folder):
                yield int(number)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, "Wayland shows no program"),
        ({"XDG_SESSION_TYPE": "wayland", "DISPLAY": ":0"}, "Wayland shows no program"),
        ({"DISPLAY": ""}, "DISPLAY is not set"),
        ({"DISPLAY": ":4711"}, "nothing was recorded of the display :4711"),
    ],
)
def test_a_display_that_cannot_be_recorded_is_one_sentence(
    site: Site, environment: dict[str, str], said: str
) -> None:
    ran = site.run(*ASK, "1", env={"WAYLAND_DISPLAY": "", "XDG_SESSION_TYPE": "", **environment})
    assert said in ran.expect(2).err
    assert "Traceback" not in ran.err
    assert not (site.folder / "screen").exists()
    assert not list(site.folder.glob(".anchor-*"))
    assert count_runs(site) == 0
