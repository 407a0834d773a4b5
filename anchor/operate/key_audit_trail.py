"""The audit trail of API keys and legal holds: one line of JSON per event, in ``audit.jsonl``.

The line is on disk before the change is made: a change that cannot be recorded is not made.  If the
change then fails, the trail lists more than was done, never less.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import suppress

from anchor.base.errors import StorageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import open_private
from anchor.base.system.os_errors import describe_os_error
from anchor.project.config import Config

NAME = "audit.jsonl"


def record_key_event(config: Config, event: str, *, at: str, **members: object) -> None:
    """Append an event with the time and the user's name to the trail; no key is ever written."""
    user = {"user": find_user(), "login": os.environ.get("SUDO_USER")}
    document = {"at": at, "event": event, **user, **members}
    line = json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n"
    path = config.folder / NAME
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    try:
        descriptor = open_private(path, flags)
        try:
            os.write(descriptor, line.encode("ascii"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError(
            Message("file-unwritable-because", path=path, reason=describe_os_error(error)),
            hint=Message("key-audit-unwritable-hint"),
        ) from error


def find_noted_holds(config: Config) -> dict[str, str]:
    """Return the legal holds that were placed and not ended, with their times, from the trail."""
    return _find_noted(config, "hold", "hold-added", "hold-removed")


def find_noted_keys(config: Config) -> dict[str, str]:
    """Return the ids of the API keys that were made and not revoked, with their times."""
    return _find_noted(config, "key", "key-created", "key-revoked")


def find_noted_tenants(config: Config) -> set[str]:
    """Return the tenants that an event of the trail names."""
    return {str(event["tenant"]) for event in _read_events(config) if event.get("tenant")}


def _find_noted(config: Config, member: str, begun: str, ended: str) -> dict[str, str]:
    noted: dict[str, str] = {}
    for event in _read_events(config):
        name, at, kind = (str(event.get(key)) for key in (member, "at", "event"))
        if kind == begun:
            noted.setdefault(name, at)
        elif kind == ended:
            noted.pop(name, None)
    return noted


def _read_events(config: Config) -> Iterator[dict[str, object]]:
    """Yield the events of the trail; malformed lines are skipped."""
    try:
        lines = (config.folder / NAME).read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        with suppress(ValueError, RecursionError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event


def find_user() -> str:
    """Return the name of the user that runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
