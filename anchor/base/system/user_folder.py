"""The folder of the user's own configuration, which a project or evidence cannot replace."""

from __future__ import annotations

import os
from pathlib import Path

from anchor.base.errors import ConfigError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.file_ownership import check_own_folder
from anchor.base.system.os_errors import explain_os_error

_INSTEAD = Message("user-folder-hint")


def user_folder() -> Path:
    """Return the path of the folder, whether it exists or not.

    Raises:
        ConfigError: The environment does not give an absolute path.
    """
    from platformdirs import user_config_dir

    folder = Path(user_config_dir("anchor", appauthor=False))
    # Relative to the working directory, it could be a folder that came with the evidence.
    if not folder.is_absolute():
        raise ConfigError(
            Message("user-folder-missing"),
            hint=_INSTEAD,
        )
    return folder


def list_files(name: str, suffix: str) -> list[Path]:
    """Return the files with that suffix in the user's folder ``name``, sorted by name.

    The list is empty if the user has no configuration folder.

    Raises:
        NotTrustedError: The folder is another user's, or others may write there.
    """
    try:
        folder = user_folder() / name
    except ConfigError:
        return []
    try:
        check_own_folder(folder)
        return sorted(path for path in folder.iterdir() if path.name.endswith(suffix))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        failure = Message("user-folder-unreadable", path=folder)
        raise explain_os_error(failure, error, is_named=True, hint=_INSTEAD) from error


def save_file(name: str, file: str, data: bytes) -> Path:
    """Write a file in the user's folder ``name``, readable by the user alone."""
    from anchor.base.system.durable_files import write_file

    folder = user_folder() / name
    try:
        _make_folder(folder)
    except OSError as error:
        failure = Message("user-folder-not-made", path=folder)
        raise explain_os_error(failure, error, is_named=True, hint=_INSTEAD) from error
    path = folder / file
    try:
        write_file(path, data, mode=0o600)
    except UsageError as error:
        raise UsageError(error.message, hint=_INSTEAD) from error
    return path


def remove_file(path: Path) -> None:
    """Remove a file from the user's folder; a missing file is not an error."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise explain_os_error(
            Message("file-removal-failed", path=path), error, is_named=True
        ) from error


def _make_folder(folder: Path) -> None:
    """Create the folder and its parents, for the user alone, whatever the umask is."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for part in reversed(missing):
        try:
            os.mkdir(part, 0o700)
        except FileExistsError:
            continue
