"""A profile of Chromium in which the operator has signed in; captures use a copy of it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
from pathlib import Path

from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import explain_os_error
from anchor.base.system.programs import run_program

# Which Chromium wrote the profile last, and what each has (chrome/browser, "user data dir").
_VERSION_FILE, _STATE_FILE = "Last Version", "Local State"
_LOCK = "SingletonLock"
# Answers of earlier sessions that would stand in for the server's, and pages that would reopen.
_LEFT_OUT = {
    "Cache", "Code Cache", "GPUCache", "DawnGraphiteCache", "DawnWebGPUCache", "GrShaderCache",
    "ShaderCache", "Service Worker", "Sessions", "Extensions", "Crashpad", "Crash Reports",
}  # fmt: skip
_VERSION = re.compile(r"(\d+)\.\d+\.\d+\.\d+")
_MAX_VERSION_BYTES = 100


def check_profile(profile: Path, program: str) -> None:
    """Check that a browser can use a copy of a profile now.

    Raises:
        UsageError: It is no profile, in use, or of a newer browser.
    """
    try:
        if not (profile / _STATE_FILE).is_file():
            raise UsageError(
                Message("login-profile-none", path=profile), hint=Message("login-profile-hint")
            )
        _check_unlocked(profile)
        written_by = _read_version(profile / _VERSION_FILE)
    except OSError as error:
        raise explain_os_error(
            Message("login-profile-unreadable", path=profile), error, is_named=True
        ) from error
    browser = _VERSION.search(run_program(program, ["--version"], folder=Path("/")).output)
    if browser is None:
        raise CannotCheckError(Message("chromium-version-unknown", program=program))
    if written_by is not None and int(written_by[1]) > int(browser[1]):
        raise UsageError(
            Message("login-profile-newer", path=profile, version=written_by[0], browser=browser[0])
        )


def copy_profile(profile: Path, target: Path) -> None:
    """Copy a profile without caches, service workers, open pages, extensions and links.

    Raises:
        UsageError: It cannot be read, or a browser opened it.
    """
    try:
        for folder, folders, names in os.walk(profile, onerror=_raise):
            source = Path(folder)
            copy = target / source.relative_to(profile)
            copy.mkdir(mode=0o700)
            # Links would lead to the original.
            folders[:] = (
                name
                for name in folders
                if name not in _LEFT_OUT and not (source / name).is_symlink()
            )
            for name in names:
                if name not in _LEFT_OUT and stat.S_ISREG((source / name).lstat().st_mode):
                    shutil.copyfile(source / name, copy / name)
        _check_unlocked(profile)
    except OSError as error:
        raise explain_os_error(
            Message("login-profile-unreadable", path=profile), error, is_named=True
        ) from error


def _raise(error: OSError) -> None:
    raise error


def _check_unlocked(profile: Path) -> None:
    """Refuse a profile that a browser holds: its link names the machine and the process."""
    try:
        host, _, process = os.readlink(profile / _LOCK).rpartition("-")
    except FileNotFoundError:
        return
    if host == socket.gethostname() and not Path(f"/proc/{process}").exists():
        return  # that browser crashed
    raise UsageError(Message("login-profile-locked", path=profile, holder=f"{host}-{process}"))


def _read_version(path: Path) -> re.Match[str] | None:
    try:
        with path.open("rb") as file:
            return _VERSION.match(file.read(_MAX_VERSION_BYTES).decode("ascii", "replace"))
    except FileNotFoundError:
        return None
