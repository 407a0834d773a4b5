"""The key that a project's configuration names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anchor.chain.signer import Signer
from anchor.chain.signer.keystore import find_ape_keyfile, open_keystore, read_password_file
from anchor.errors import ConfigError
from anchor.project.config import Config


def open_signer(config: Config, ask_password: Callable[[Path], str]) -> Signer:
    """Decrypt the project's key; ``ask_password`` is asked where no file holds its password.

    Raises:
        ConfigError: The configuration names no key.
        SignerError: The key cannot be read, or the password is wrong.
    """
    signer = config.signer
    if signer.ape_account is not None:
        path = find_ape_keyfile(signer.ape_account)
    elif signer.keystore is not None:
        path = signer.keystore
    else:
        raise ConfigError("the [signer] section names no key")

    def read_password() -> str:
        if signer.password_file is not None:
            return read_password_file(signer.password_file)
        return ask_password(path)

    return open_keystore(path, read_password)
