"""Files of a project that no store holds, and how to get each of them back."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from anchor.base.messages.message import Message
from anchor.base.types import log_number, log_owner
from anchor.ethereum.keccak import format_address
from anchor.project.config import Config


def describe_missing_policy(config: Config) -> tuple[Message, Message]:
    """Return that the project's trust policy is missing, and the command that writes it."""
    hint = Message(
        "policy-file-missing-hint",
        owner=format_address(log_owner(config.log)),
        number=log_number(config.log),
        registry=format_address(config.registry),
        path=shlex.quote(str(config.trust)),
        folder=shlex.quote(str(config.folder)),
    )
    return Message("policy-file-missing", path=config.trust), hint


def list_missing_files(config: Config) -> Iterator[tuple[Message, Message]]:
    """Yield each file that the configuration names and that is missing, with advice."""
    if not config.trust.exists():
        yield describe_missing_policy(config)
    if not config.log_key.exists():
        yield Message("log-key-missing", path=config.log_key), Message("log-key-missing-hint")
    signer = config.signer
    if signer.keystore is not None and not signer.keystore.exists():
        yield Message("keystore-file-missing", path=signer.keystore), Message("file-restore-hint")
    if signer.password_file is not None and not signer.password_file.exists():
        hint = Message("password-file-missing-hint")
        yield Message("password-file-missing", path=signer.password_file), hint
    if config.keeping is not None and not config.keeping.keyset.exists():
        hint = Message("keyset-file-missing-hint")
        yield Message("keyset-file-missing", path=config.keeping.keyset), hint
    for path in _list_secrets(config):
        if not path.exists():
            yield Message("secret-file-missing", path=path), Message("secret-file-missing-hint")


def _list_secrets(config: Config) -> Iterator[Path]:
    """Yield the files with the secrets of sign-in providers and of the mail server."""
    for provider in config.platform.providers:
        if provider.secret_file is not None:
            yield provider.secret_file
    if config.mail is not None and config.mail.password_file is not None:
        yield config.mail.password_file
