"""Encryption of copies with Tink: a key of its own for each, encrypted by the operator's keyset.

The operator's keyset is a file outside of the store and the bucket, in Tink's own JSON.  The store
has each copy's key only as Tink's encrypted keyset; once that is gone, nobody can read the copy.
What a key or a part belongs to is its associated data, so that neither can be put elsewhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anchor.base.errors import ConfigError, MismatchError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import write_file
from anchor.base.system.os_errors import describe_os_error
from anchor.base.system.regular_files import open_regular_file

try:
    import tink
    from tink import aead, proto_keyset_format, secret_key_access
    from tink.proto import tink_pb2
except ImportError:
    HAS_TINK = False
else:
    HAS_TINK = True
    aead.register()

# A keyset of a hundred keys.
_MAX_BYTES = 64 * 1024
# Tink's prefix of a ciphertext: a version, and the id of the key.
_PREFIX = 5


class CopyKey:
    """The key of one copy, which encrypts its parts."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self._aead = handle.primitive(aead.Aead)

    def encrypt(self, data: bytes, place: bytes) -> bytes:
        """Return ``data`` encrypted for a place, which ``place_of`` returns."""
        encrypted: bytes = self._aead.encrypt(data, place)
        return encrypted

    def decrypt(self, data: bytes, place: bytes) -> bytes:
        """Return what was encrypted for this place."""
        try:
            decrypted: bytes = self._aead.decrypt(data, place)
        except tink.TinkError as error:
            raise MismatchError(Message("copy-part-changed")) from error
        return decrypted


class MasterKeyset:
    """The operator's keys: the primary one encrypts, each of them decrypts."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._aead = handle.primitive(aead.Aead)
        self.primary: int = handle.keyset_info().primary_key_id

    @classmethod
    def create(cls) -> MasterKeyset:
        """Return a new keyset of one key."""
        return cls(tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM))

    @classmethod
    def load(cls, path: Path) -> MasterKeyset:
        """Read the keyset from its file.

        Raises:
            ConfigError: The file is missing, readable by other users, or not a keyset, or the
                extra ``copies`` is not installed.
        """
        check_installed()
        try:
            return cls(tink.json_proto_keyset_format.parse(_read(path), secret_key_access.TOKEN))
        except (tink.TinkError, UnicodeDecodeError) as error:
            raise ConfigError(Message("copies-keyset-damaged", path=path)) from error

    def save(self, path: Path) -> None:
        """Replace the file by this keyset, durably."""
        text = tink.json_proto_keyset_format.serialize(self._handle, secret_key_access.TOKEN)
        write_file(path, text.encode("utf-8"), mode=0o600)

    @property
    def key_ids(self) -> tuple[int, ...]:
        """Return the ids of the keys, the oldest first."""
        return tuple(info.key_id for info in self._handle.keyset_info().key_info)

    def add_key(self) -> MasterKeyset:
        """Return the keyset with a new key, which is the primary one."""
        keyset, added = self._keys(), MasterKeyset.create()._keys()
        if added.primary_key_id in self.key_ids:  # one in four billion
            return self.add_key()
        keyset.key.extend(added.key)
        keyset.primary_key_id = added.primary_key_id
        return _parse(keyset)

    def drop_others(self) -> MasterKeyset:
        """Return the keyset with the primary key alone."""
        keyset = self._keys()
        primary = [key for key in keyset.key if key.key_id == keyset.primary_key_id]
        del keyset.key[:]
        keyset.key.extend(primary)
        return _parse(keyset)

    def new_key(self) -> CopyKey:
        """Return a new key for a copy."""
        return CopyKey(tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM))

    def wrap(self, key: CopyKey, place: bytes) -> bytes:
        """Return the key encrypted by the primary key."""
        wrapped: bytes = proto_keyset_format.serialize_encrypted(key.handle, self._aead, place)
        return wrapped

    def unwrap(self, wrapped: bytes, place: bytes) -> CopyKey:
        """Return the key that ``wrap`` encrypted for this place.

        Raises:
            ConfigError: None of the keys fits, or it was changed.
        """
        try:
            return CopyKey(proto_keyset_format.parse_encrypted(wrapped, self._aead, place))
        except (tink.TinkError, ValueError) as error:
            raise ConfigError(
                Message("copies-key-not-readable"), hint=Message("copies-key-not-readable-hint")
            ) from error

    def seal(self, data: bytes, place: bytes) -> bytes:
        """Return a few bytes encrypted by the primary key for a place."""
        sealed: bytes = self._aead.encrypt(data, place)
        return sealed

    def open_sealed(self, sealed: bytes, place: bytes) -> bytes:
        """Return what ``seal`` encrypted for this place.

        Raises:
            ConfigError: None of the keys fits, or it was changed.
        """
        try:
            data: bytes = self._aead.decrypt(sealed, place)
        except tink.TinkError as error:
            raise ConfigError(
                Message("copies-key-not-readable"), hint=Message("copies-key-not-readable-hint")
            ) from error
        return data

    def is_sealed_by_primary(self, sealed: bytes) -> bool:
        """Return whether the primary key encrypted what ``seal`` returned."""
        return int.from_bytes(sealed[1:_PREFIX], "big") == self.primary

    def is_wrapped_by_primary(self, wrapped: bytes) -> bool:
        """Return whether the primary key encrypted this."""
        encrypted = tink_pb2.EncryptedKeyset.FromString(wrapped).encrypted_keyset
        return self.is_sealed_by_primary(encrypted)

    def _keys(self) -> Any:
        data = proto_keyset_format.serialize(self._handle, secret_key_access.TOKEN)
        return tink_pb2.Keyset.FromString(data)


def place_of(**members: str | int) -> bytes:
    """Return the associated data of what belongs to a copy, or to a part of one."""
    named: Mapping[str, str | int] = members
    return b"anchor kept copy\0" + "\0".join(f"{name}={named[name]}" for name in named).encode()


def check_installed() -> None:
    """Check that Tink is there."""
    if not HAS_TINK:
        raise ConfigError(
            Message("copies-extra-missing"), hint=Message("copies-extra-missing-hint")
        )


def _parse(keyset: Any) -> MasterKeyset:
    data = keyset.SerializeToString()
    return MasterKeyset(proto_keyset_format.parse(data, secret_key_access.TOKEN))


def _read(path: Path) -> str:
    try:
        descriptor = open_regular_file(path)
    except OSError as error:
        raise ConfigError(
            Message("copies-keyset-unreadable", path=path, reason=describe_os_error(error)),
            hint=Message("copies-keyset-hint"),
        ) from error
    except UsageError as error:
        raise ConfigError(
            Message("copies-keyset-unreadable", path=path, reason=error.message)
        ) from error
    with open(descriptor, "rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise ConfigError(
                Message("copies-keyset-readable-by-others", path=path),
                hint=Message("password-file-mode-hint", path=path),
            )
        return file.read(_MAX_BYTES).decode("utf-8")
