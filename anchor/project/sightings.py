"""Small files beside the configuration in which a process leaves for others what it saw.

They save questions to a node; what cannot be read is as if nobody had seen anything.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from anchor.base.canonical import JsonValue, encode_canonical, parse_strict
from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import private_mode, write_file

_MOST_BYTES = 4_096


def save_sighting(path: Path, members: Mapping[str, JsonValue], *, subject: Message) -> None:
    """Write the file, whole or not at all; not durable, as it is soon rewritten."""
    data = encode_canonical(dict(members), subject=subject) + b"\n"
    write_file(path, data, durable=False, mode=private_mode(path.parent))


def load_sighting(path: Path, *, form: str, subject: Message) -> dict[str, JsonValue] | None:
    """Return the members of the file but ``format``, which is ``form``; None if it has none."""
    try:
        with open(_open_plain(path), "rb") as file:
            members = parse_strict(
                file.read(_MOST_BYTES + 1), subject=subject, max_bytes=_MOST_BYTES
            )
    except (OSError, AnchorError):
        return None
    if not isinstance(members, dict) or members.pop("format", None) != form:
        return None
    return members


def _open_plain(path: Path) -> int:
    """Open a file for reading, without blocking if a pipe without a writer is in its place."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return descriptor
