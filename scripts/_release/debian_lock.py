"""The Debian packages of an image's base, each with its version and SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """A Debian package as a lock file lists it."""

    name: str
    version: str
    architecture: str
    sha256: str


def parse(text: str) -> list[Package]:
    """Return the packages of a lock file: name, version, architecture and SHA-256 a line."""
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return [Package(*fields) for fields in lines]


def load(path: Path) -> list[Package]:
    """Return the packages of a lock file."""
    return parse(path.read_text("utf-8"))
