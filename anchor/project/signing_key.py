"""The key that a project's configuration names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anchor.base.errors import ConfigError
from anchor.base.messages.message import Message
from anchor.chain.signer import Signer
from anchor.chain.signer.keystore import find_ape_keyfile, open_keystore, read_password_file
from anchor.project.config import Config


def find_keyfile(config: Config) -> Path:
    """Return the path of the project's key file.

    Raises:
        ConfigError: The configuration names no key.
    """
    signer = config.signer
    if signer.ape_account is not None:
        return find_ape_keyfile(signer.ape_account)
    if signer.keystore is None:
        raise ConfigError(Message("config-signer-missing"))
    return signer.keystore


def open_signer(config: Config, ask_password: Callable[[Path], str]) -> Signer:
    """Decrypt the project's key; ``ask_password`` is called if no file holds its password.

    Raises:
        ConfigError: The configuration names no key.
    """
    path, password_file = find_keyfile(config), config.signer.password_file

    def read_password() -> str:
        return ask_password(path) if password_file is None else read_password_file(password_file)

    return open_keystore(path, read_password)
