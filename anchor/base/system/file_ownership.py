"""Reading files that count only if no user but the caller and root can have written them.

A configuration or a trust policy decides what a verification rests on and where evidence goes, so
its owner matters as much as its content (CVE-2022-24765: git accepted other users' configuration).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from anchor.base.errors import NotTrustedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import explain_os_error

# A folder is opened only to check it and its entries, which needs no permission to list it.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: opening a pipe would wait for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_own_file(path: Path, most: int, *, in_shared_folder: bool = False) -> bytes:
    """Return at most ``most`` bytes of a file that belongs to the caller or root.

    Links are followed first.  The file and its folder are checked on the descriptors that are read,
    so that neither can be replaced in between.  With ``in_shared_folder`` a group may write to the
    folder; files that belong to its other members are refused all the same.
    """
    try:
        with open(_open_own(path, in_shared_folder), "rb") as file:
            return file.read(most)
    except OSError as error:
        raise explain_os_error(
            Message("file-unreadable", path=path), error, is_named=True
        ) from error
    except RuntimeError as error:  # a loop of links, before Python 3.13
        raise UsageError(Message("file-link-loop", path=path)) from error


def find_named_path(variable: str) -> Path | None:
    """Return the path that an environment variable names; None if it is not set.

    Raises:
        NotTrustedError: It is relative: in the working directory lies what came with the evidence.
    """
    value = os.environ.get(variable)
    if not value:
        return None
    if not os.path.isabs(value):
        raise NotTrustedError(
            Message("variable-path-relative", name=variable, path=value),
            hint=Message("variable-path-relative-hint", name=variable),
        )
    return Path(value)


def check_own_folder(path: Path) -> None:
    """Check that a folder belongs to the caller or root, and that no others may write to it."""
    descriptor = os.open(path.resolve(strict=True), _FOLDER)
    try:
        _check(os.fstat(descriptor), Message("folder-named", path=path), is_shared=False)
    finally:
        os.close(descriptor)


def _open_own(path: Path, in_shared_folder: bool) -> int:
    real = path.resolve(strict=True)
    folder = os.open(real.parent, _FOLDER)
    try:
        descriptor = os.open(real.name, _FILE, dir_fd=folder)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UsageError(Message("file-not-regular", path=path))
            _check(status, str(path), is_shared=False)
            _check(
                os.fstat(folder), Message("folder-of-file", path=path), is_shared=in_shared_folder
            )
        except BaseException:
            os.close(descriptor)
            raise
    finally:
        os.close(folder)
    return descriptor


def _check(status: os.stat_result, name: str, *, is_shared: bool) -> None:
    caller = os.geteuid()
    if status.st_uid not in (caller, 0):
        raise NotTrustedError(
            Message("file-owner-foreign", name=name, user=status.st_uid),
            hint=Message("file-owner-foreign-hint"),
        )
    # In a folder like /tmp everybody may write, but only a file's owner may replace it.
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return
    writers = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if writers & stat.S_IWGRP and (is_shared or _is_private_group(caller, status.st_gid)):
        writers &= ~stat.S_IWGRP
    if writers:
        whose = (
            Message("everybody")
            if writers & stat.S_IWOTH
            else Message("group-named", group=status.st_gid)
        )
        raise NotTrustedError(
            Message("file-writable-by-others", name=name, whose=whose),
            hint=Message("file-writable-by-others-hint"),
        )


def _is_private_group(user: int, group: int) -> bool:
    """Return whether the group is the user's own, without other members.

    Many systems give each user such a group, and make new files writable for it (umask 002).
    """
    import grp
    import pwd

    try:
        account, members = pwd.getpwuid(user), grp.getgrgid(group)
    except KeyError:
        return False
    return (
        account.pw_gid == group
        and members.gr_name == account.pw_name
        and set(members.gr_mem) <= {account.pw_name}
    )
