"""Small disks of the tests' own: ext4 on loop devices, and folders that turn read-only.

Both need root, and the first a free loop device; `check_loop_devices` says so.
"""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.tools import miss


def mount(*words: str | Path) -> None:
    """Run mount(8)."""
    _run("mount", *words)


def unmount(folder: Path) -> None:
    """Unmount, lazily where somebody still has files open there."""
    _run("umount", "-l", folder)


def check_root() -> None:
    """Skip where this is not root, who alone may mount."""
    if os.geteuid() != 0:
        miss("root", "who alone may mount a file system")


def check_loop_devices(folder: Path) -> None:
    """Skip where this is not root, or has no loop device for an ext4 of its own."""
    check_root()
    try:
        with loop_disk(folder / "probe", megabytes=8):
            pass
    except subprocess.CalledProcessError as error:
        pytest.skip(f"an ext4 on a loop device is needed, and cannot be made here: {error}")


@dataclass(frozen=True)
class LoopDisk:
    """An ext4 that turns read-only at its first error, on a file in a small tmpfs."""

    path: Path
    below: Path
    """The tmpfs.  Once it is full, what is new on the ext4 cannot be written down: EIO."""

    def fail(self) -> None:
        """Let it meet an error, which turns it read-only, with no room left below."""
        self._fill_below()
        source = subprocess.run(
            ["findmnt", "-no", "SOURCE", self.path], capture_output=True, check=True, text=True
        ).stdout.strip()
        trigger = Path("/sys/fs/ext4", Path(source).name, "trigger_fs_error")
        trigger.write_text("an error of the tests' own")
        assert self.is_read_only()

    def _fill_below(self) -> None:
        with (self.below / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 16))

    def empty_below(self) -> None:
        """Give the disk its room back; the file system needs `repair` all the same."""
        (self.below / "filler").unlink()

    def is_read_only(self) -> bool:
        """Say whether the kernel has made it read-only, which statvfs does not always show."""
        try:
            (self.path / "probe").touch()
        except OSError as error:
            return error.errno == errno.EROFS
        return False

    def repair(self) -> None:
        """Do what an administrator does, with nothing running on it: e2fsck, and mount it again."""
        _run("umount", self.path)
        done = subprocess.run(
            ["e2fsck", "-f", "-y", self.below / "image"], capture_output=True, check=False
        )
        assert done.returncode in (0, 1), done.stdout
        self.mount()

    def remount(self, options: str) -> None:
        """Unmount it, and mount it with these options."""
        _run("umount", self.path)
        self.mount(options)

    def mount(self, options: str = "errors=remount-ro") -> None:
        """Mount it."""
        mount("-o", f"loop,{options}", self.below / "image", self.path)


@contextmanager
def loop_disk(folder: Path, *, megabytes: int = 200, room: int = 70) -> Iterator[LoopDisk]:
    """Make an ext4 of so many megabytes, of which the first ``room`` can be written."""
    disk = LoopDisk(folder / "disk", folder / "below")
    disk.path.mkdir(parents=True)
    disk.below.mkdir()
    mount("-t", "tmpfs", "-o", f"size={room}m", "none", disk.below)
    try:
        image = disk.below / "image"
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,nodiscard", image)
        disk.mount()
        try:
            yield disk
        finally:
            unmount(disk.path)
    finally:
        unmount(disk.below)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let the folder be read-only for everybody, by a mount over it, to the end of the block.

    Files that are open for writing stay so, as mounts go; whatever is opened meanwhile is not.
    """
    _bind_read_only(folder)
    try:
        yield
    finally:
        unmount(folder)


def _bind_read_only(folder: Path) -> None:
    # A mount turns read-only while nobody writes through it, and what works there may be quicker.
    for tries_left in reversed(range(50)):
        mount("--bind", folder, folder)
        try:
            mount("-o", "remount,bind,ro", folder)
            return
        except subprocess.CalledProcessError:
            unmount(folder)
            if not tries_left:
                raise
            time.sleep(0.05)


def _run(*words: str | Path) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=240)


@contextmanager
def small_disk(folder: Path, *, kib: int) -> Iterator[Path]:
    """Mount a tmpfs of so many KiB at ``folder``, which takes root, until the block ends."""
    check_root()
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={kib}k,mode=0700", "none", folder)
    try:
        yield folder
    finally:
        unmount(folder)
