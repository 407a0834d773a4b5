"""Containers by podman, with storage of their own, as a rootful podman of Debian runs them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

# crun runs nothing beside cgroups of both versions: podman sees those of version 2 alone.
_SEPARATE = (
    "if [ -d /sys/fs/cgroup/unified ]; then umount -R /sys/fs/cgroup && "
    'mount -t cgroup2 none /sys/fs/cgroup; fi; exec "$@"'
)
_SETTINGS = """
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
# As docs/deploying.md runs every container.
CONFINED = ("--read-only", "--tmpfs", "/tmp")


class Podman:
    """``podman`` with images, containers and volumes in a folder."""

    def __init__(self, folder: Path) -> None:
        self._options = ["--root", folder / "storage", "--runroot", folder / "run"]
        self._settings = folder / "containers.conf"
        folder.mkdir()
        self._settings.write_text(_SETTINGS)

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", _SEPARATE, "sh", "podman", *self._options, *words],
            env=os.environ | {"CONTAINERS_CONF": str(self._settings)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def ask(self, *words: str | Path) -> str:
        """Return what a command prints, which must not fail."""
        done = self.run(*words)
        if done.returncode:
            pytest.fail(f"podman {words}: {done.stdout}{done.stderr}", pytrace=False)
        return done.stdout.strip()

    def is_healthy(self, name: str) -> bool:
        """Run a container's health check once."""
        return self.run("healthcheck", "run", name).returncode == 0

    def find_volume(self, name: str) -> Path:
        return Path(self.ask("volume", "inspect", "--format", "{{.Mountpoint}}", name))

    def close(self) -> None:
        """End every container, and delete all that there is."""
        self.run("rm", "--all", "--force", "--time", "5")
        self.run("system", "reset", "--force")
