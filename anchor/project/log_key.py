"""The key that signs the log's checkpoints.

It identifies the publisher to readers who know its public half; anchors do not depend on it.
"""

from __future__ import annotations

from pathlib import Path

from anchor.base.errors import AnchorError, ConfigError, MismatchError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import private_mode, write_file
from anchor.base.system.os_errors import explain_os_error
from anchor.log.checkpoint import log_origin
from anchor.log.signed_note import NoteKey, encode_private_key, generate_key, parse_private_key
from anchor.project.config import Config

_MAX_KEY_BYTES = 4_096


def checkpoint_origin(config: Config) -> str:
    """Return the origin line of the log's checkpoints, which is also the name of its key."""
    return log_origin(config.chain_id, config.registry, config.log)


def create_log_key(config: Config) -> None:
    """Create the log's key file, for its owner alone or the group of a shared folder."""
    key = generate_key(checkpoint_origin(config))
    mode = private_mode(config.log_key.parent)
    write_file(config.log_key, encode_private_key(key).encode("ascii"), mode=mode)
    keep_verifier(config, key.verifier().encode())


def public_path(config: Config) -> Path:
    """Return the path of the file with the log key's public half, which is no secret."""
    return config.log_key.with_suffix(".pub")


def keep_verifier(config: Config, verifier: str) -> None:
    """Write down the public half of the log key, with which the key is compared, unless it is."""
    path = public_path(config)
    if not path.exists():
        write_file(path, verifier.encode("ascii") + b"\n")


def load_log_key(config: Config) -> NoteKey:
    """Return the key that signs the log's checkpoints.

    Raises:
        MismatchError: It is another key than the one whose public half was written down.
    """
    path = config.log_key
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_KEY_BYTES + 1)
        key = parse_private_key(data.decode("ascii"), name=checkpoint_origin(config))
    except FileNotFoundError:
        raise ConfigError(
            Message("log-key-missing", path=path),
            hint=Message("log-key-missing-hint"),
        ) from None
    except OSError as error:
        failure = Message("log-key-unreadable", path=path)
        raise explain_os_error(failure, error, is_named=False) from error
    except UnicodeDecodeError:
        raise ConfigError(Message("log-key-not-pem", path=path)) from None
    except AnchorError as error:
        raise ConfigError(
            Message("log-key-invalid", path=path, reason=error.message), hint=error.hint
        ) from None
    public = public_path(config)
    try:
        known = public.read_bytes()[:_MAX_KEY_BYTES].strip()
    except FileNotFoundError:
        return key
    except OSError as error:
        failure = Message("log-key-unreadable", path=public)
        raise explain_os_error(failure, error, is_named=False) from error
    # The name before the key changes with the registry: `anchor deploy --plain`.
    if known.split(b"+", 2)[2:] != key.verifier().encode().encode("ascii").split(b"+", 2)[2:]:
        raise MismatchError(
            Message("log-key-differs", path=path, public=public),
            hint=Message("log-key-differs-hint", public=public),
        )
    return key
