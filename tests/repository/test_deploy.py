"""The systemd units as systemd reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.paths import DEPLOY
from support.tools import check_program

SERVICES = ("anchor-run.service", "anchor-serve.service")
UNITS = (*SERVICES, "anchor-backup.service")
# In tenths: `systemd-analyze security` counts exposure from 0 to 10, and 1.5 is "OK".
THRESHOLD = "15"


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze."""
    check_program("systemd-analyze")
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with a program and users that every machine has."""
    for name in UNITS:
        text = (DEPLOY / name).read_text("utf-8")
        text = re.sub(r"/opt/anchor/bin/anchor", "/usr/bin/env", text)
        text = re.sub(r"^(User|Group)=.*$", r"\1=daemon", text, flags=re.MULTILINE)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def settings(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / name).read_text("utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_line_of_a_unit(name: str, units: Path):
    done = analyze("verify", "--man=no", units / name)
    assert done.returncode == 0, done.stderr
    # It warns of what it does not know, and goes on.
    assert name not in done.stderr, done.stderr


def test_systemd_understands_the_timer_and_finds_its_service(units: Path):
    shutil.copy(DEPLOY / "anchor-backup.timer", units)
    done = analyze("verify", "--man=no", units / "anchor-backup.timer")
    assert done.returncode == 0, done.stderr
    assert "anchor-backup" not in done.stderr, done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_exposed_as_little_as_it_can_be(name: str, units: Path):
    done = analyze("security", "--offline=true", f"--threshold={THRESHOLD}", units / name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_service_and_the_signer_are_two_users_of_one_group():
    run, serve = (settings(name) for name in SERVICES)
    assert run["User"] != serve["User"]
    assert run["Group"] == serve["Group"]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_bounded_and_reads_no_other_process(name: str):
    found = settings(name)
    assert found["LimitCORE"] == ["0"]
    assert found["MemoryMax"] and found["TasksMax"]
    filters = " ".join(item for item in found["SystemCallFilter"] if item.startswith("~"))
    for call in ("process_vm_readv", "process_vm_writev", "ptrace"):
        assert call in filters
    assert "/srv/anchor/anchor.toml" in " ".join(found["ReadOnlyPaths"])


def test_the_service_sees_no_signing_key_and_changes_no_key_of_the_log():
    found = settings("anchor-serve.service")
    assert "-/etc/anchor/key" in found["InaccessiblePaths"]
    assert "-/srv/anchor/log-key.pem" in " ".join(found["ReadOnlyPaths"])
