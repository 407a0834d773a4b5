"""Keys in encrypted keystore files (Web3 Secret Storage), the format of geth and ape.

The password comes from a callback, is used once and is not kept; neither the password nor the key
appears in a message, a log or a representation.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anchor.base.canonical import parse_strict
from anchor.base.errors import MalformedError, SignerError, StorageError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import sync_folder
from anchor.base.system.file_ownership import find_named_path
from anchor.base.system.os_errors import describe_os_error, explain_os_error
from anchor.base.system.regular_files import open_regular_file, read_regular_file
from anchor.base.types import Address
from anchor.chain.signer import UnsignedTransaction
from anchor.chain.signer.memory import protect_memory
from anchor.ethereum.keccak import format_address, parse_address

# A keystore is well under 2 KiB; this prevents reading a large file named by mistake.
_MAX_KEYSTORE_BYTES = 64 << 10
_MAX_PASSWORD_BYTES = 4096


class KeystoreSigner:
    """A signer with a key decrypted from a keystore file; built by ``open_keystore``."""

    def __init__(self, account: Any) -> None:
        self._account = account
        self._address = Address(bytes.fromhex(account.address[2:]))

    def __repr__(self) -> str:
        return f"KeystoreSigner({format_address(self._address)})"

    @property
    def address(self) -> Address:
        """Return the key's address."""
        return self._address

    def sign_transaction(self, transaction: UnsignedTransaction) -> bytes:
        """Return the signed transaction's raw bytes (type 2, or legacy with EIP-155)."""
        fees = transaction.fees
        fields: dict[str, Any] = {
            "chainId": transaction.chain_id,
            "nonce": transaction.nonce,
            "value": 0,
            "data": "0x" + transaction.data.hex(),
            "gas": transaction.gas,
        }
        if transaction.to is not None:
            fields["to"] = format_address(transaction.to)
        if fees.legacy:
            fields["gasPrice"] = fees.max_fee
        else:
            fields["type"] = 2
            fields["maxFeePerGas"] = fees.max_fee
            fields["maxPriorityFeePerGas"] = fees.priority_fee
        return bytes(self._account.sign_transaction(fields).raw_transaction)


def keystore_address(path: Path) -> Address:
    """Return the address that a keystore file states; no password is needed."""
    address = find_keystore_address(path)
    if address is None:
        raise SignerError(Message("keystore-address-missing", path=path))
    return address


def find_keystore_address(path: Path) -> Address | None:
    """Return the address that a keystore file states; None if it omits the optional address."""
    address = _read_keystore(path).get("address")
    if not isinstance(address, str):
        return None
    return parse_address(
        "0x" + address.removeprefix("0x").lower(), subject=Message("keystore-address", path=path)
    )


def open_keystore(path: Path, ask_password: Callable[[], str]) -> KeystoreSigner:
    """Decrypt the key in ``path`` and return a signer with it."""
    from eth_account import Account

    members = _read_keystore(path)
    protect_memory()
    password = ask_password()
    try:
        account = Account.from_key(Account.decrypt(members, password))
    except Exception:  # noqa: BLE001
        # Any error of eth-account may quote its input; only our own message is shown.
        raise SignerError(
            Message("keystore-password-wrong", path=path),
            hint=Message("keystore-password-wrong-hint"),
        ) from None
    return KeystoreSigner(account)


def check_absent(path: Path) -> None:
    """Check that the path for a new keystore is free."""
    if os.path.lexists(path):
        raise _exists(path)


def create_keystore(path: Path, password: str) -> Address:
    """Generate a key, encrypt it into ``path`` and return its address.

    When this returns, the file is durable and has been decrypted with the password, so that the
    key of an address that may then receive ether is usable.

    Raises:
        SignerError: The password is empty, or the written file cannot be opened with it.
    """
    from eth_account import Account

    if not password:
        raise SignerError(
            Message("keystore-password-empty"), hint=Message("keystore-password-empty-hint")
        )
    protect_memory()
    private_key = secrets.token_bytes(32)
    # eth-account's default: scrypt with n = 2^18.
    _write_new(path, Account.encrypt(private_key, password))
    # A crash before this line leaves a keystore whose address was never printed.
    return open_keystore(path, lambda: password).address


def write_keystore(path: Path, private_key: bytes, password: str, *, iterations: int) -> None:
    """Encrypt a key into a new keystore file that only this user can read."""
    from eth_account import Account

    _write_new(path, Account.encrypt(private_key, password, kdf="pbkdf2", iterations=iterations))


def _write_new(path: Path, members: dict[str, Any]) -> None:
    """Write a new keystore file, readable by this user alone, and make it durable."""
    # O_EXCL: an existing key is never overwritten, and a planted symbolic link is never followed.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise explain_os_error(
            Message("file-unwritable", path=path), error, is_named=True
        ) from error
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(members, file)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageError(
            Message("file-unwritable-because", path=path, reason=describe_os_error(error)),
            hint=Message("keystore-unwritable-hint"),
        ) from error


def _exists(path: Path) -> UsageError:
    return UsageError(
        Message("file-exists", path=path),
        hint=Message("keystore-exists-hint"),
    )


def find_ape_keyfile(alias: str) -> Path:
    """Return the keyfile of the ape account ``alias``."""
    folder = (find_named_path("APE_DATA_FOLDER") or Path.home() / ".ape") / "accounts"
    path = folder / f"{alias}.json"
    if Path(alias).name != alias or not path.is_file():
        raise SignerError(
            Message("ape-account-missing", alias=alias, folder=folder),
            hint=Message("ape-account-missing-hint"),
        )
    return path


def read_password_file(path: Path) -> str:
    """Return a password file's first line.

    Raises:
        SignerError: The file is missing, not a regular file (a pipe, for example), readable by
            other users, too long, or not UTF-8 text.
    """
    try:
        descriptor = open_regular_file(path)
    except OSError as error:
        raise SignerError(
            Message("password-file-unreadable", path=path, reason=describe_os_error(error))
        ) from error
    except UsageError as error:
        raise SignerError(Message("password-file-wrong", reason=error.message)) from error
    with open(descriptor, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_IMODE(mode) & 0o077:
            raise SignerError(
                Message("password-file-readable-by-others", path=path),
                hint=Message("password-file-mode-hint", path=path),
            )
        data = file.read(_MAX_PASSWORD_BYTES + 1)
    if len(data) > _MAX_PASSWORD_BYTES:
        raise SignerError(Message("password-file-too-long", path=path, limit=_MAX_PASSWORD_BYTES))
    try:
        return data.decode("utf-8").split("\n", 1)[0].removesuffix("\r")
    except UnicodeDecodeError:
        raise SignerError(Message("password-file-not-utf8", path=path)) from None


def _read_keystore(path: Path) -> dict[str, Any]:
    try:
        data = read_regular_file(path, _MAX_KEYSTORE_BYTES + 1)
    except OSError as error:
        raise SignerError(
            Message("keystore-unreadable", path=path, reason=describe_os_error(error))
        ) from error
    except UsageError as error:
        raise SignerError(Message("keystore-wrong", reason=error.message)) from error
    members: object
    try:
        # Not json.loads: deeply nested brackets would crash the process (anchor.base.canonical).
        members = parse_strict(data, subject=str(path), max_bytes=_MAX_KEYSTORE_BYTES)
    except MalformedError:
        members = None
    if not isinstance(members, dict) or "crypto" not in {name.lower() for name in members}:
        raise SignerError(Message("keystore-malformed", path=path))
    return members
