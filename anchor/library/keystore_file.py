"""A key for ``Project.run_once``, in an encrypted keystore file."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from anchor.base.errors import SignerError, UsageError
from anchor.base.messages.message import Message
from anchor.base.types import Address
from anchor.chain.signer.keystore import (
    KeystoreSigner,
    create_keystore,
    keystore_address,
    open_keystore,
    read_password_file,
)


class Keystore:
    """An encrypted keystore file (of geth, eth-account or ape), and its password or password file.

    The file is decrypted when a transaction must be signed; this object does not keep the key.
    """

    def __init__(
        self, path: Path, password: str | None = None, *, password_file: Path | None = None
    ) -> None:
        """Refer to a keystore file, without reading it yet.

        Raises:
            SignerError: Not exactly one of the password and the password file is given.
        """
        if (password is None) == (password_file is None):
            raise SignerError(Message("keystore-password-not-given", path=path))
        self.path = path
        self.password_file = password_file
        self._password = password

    @classmethod
    def create(cls, path: Path, password: str) -> Keystore:
        """Generate a key, encrypt it into a file that must not exist yet, and return the keystore.

        Raises:
            SignerError: The password is empty.
        """
        create_keystore(path, password)
        return cls(path, password)

    def __repr__(self) -> str:
        return f"Keystore({str(self.path)!r})"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied, because the password would be included."""
        raise UsageError(
            Message("keystore-not-copyable", keystore=repr(self)),
            hint=Message("keystore-make-another-hint"),
        )

    @property
    def address(self) -> Address:
        """Return the address that the file states, without decrypting it."""
        return keystore_address(self.path)

    def open(self) -> KeystoreSigner:
        """Decrypt the key."""
        return open_keystore(self.path, self._read_password)

    def _read_password(self) -> str:
        if self._password is not None:
            return self._password
        assert self.password_file is not None
        return read_password_file(self.password_file)
