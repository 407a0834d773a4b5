"""The operator's keyset for copies: making it, adding a key, and dropping the former ones.

A new key is in the file before any copy's key is encrypted by it.  A crash in between leaves copies
whose keys the former key encrypts, which the file still has; the same command does the rest.
"""

from __future__ import annotations

from itertools import islice

from anchor.base.errors import ConfigError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.keeping.master_keyset import MasterKeyset, check_installed
from anchor.operate.copy_vault import key_place
from anchor.operate.key_audit_trail import record_key_event
from anchor.operate.webhook_secrets import seal_all_secrets
from anchor.project.config import Config
from anchor.project.keeping_config import KeepingConfig
from anchor.project.project import OpenProject
from anchor.store.copy_rows import load_wrapped_keys, replace_wrapped_key

# Keys in one transaction: some milliseconds, in which no upload can begin.
_BATCH = 500


def create_keyset(config: Config) -> KeepingConfig:
    """Make the keyset that the configuration names; return what is configured.

    Raises:
        ConfigError: No copies are configured, or Tink is not installed.
    """
    keeping = _need_keeping(config)
    check_installed()
    if keeping.keyset.exists():
        raise UsageError(Message("copies-keyset-exists", path=keeping.keyset))
    record_key_event(config, "copies-keyset-created", at=utc_now())
    MasterKeyset.create().save(keeping.keyset)
    return keeping


def rotate_keyset(project: OpenProject) -> int:
    """Add a key, and have it encrypt the key of every copy; return how many there are."""
    keeping = _need_keeping(project.config)
    keyset = MasterKeyset.load(keeping.keyset).add_key()
    record_key_event(project.config, "copies-key-added", at=utc_now(), key=keyset.primary)
    keyset.save(keeping.keyset)
    # A crash here: every key can be read, and the next rotation encrypts all of them.
    return _wrap_anew(project, keyset)


def drop_former_keys(project: OpenProject) -> int:
    """Drop every key but the newest one; return how many were dropped.

    What they encrypt is encrypted by the newest one first.
    """
    keeping = _need_keeping(project.config)
    keyset = MasterKeyset.load(keeping.keyset)
    _wrap_anew(project, keyset)
    dropped = len(keyset.key_ids) - 1
    if dropped:
        record_key_event(project.config, "copies-keys-dropped", at=utc_now(), kept=keyset.primary)
        keyset.drop_others().save(keeping.keyset)
    return dropped


def _wrap_anew(project: OpenProject, keyset: MasterKeyset) -> int:
    seal_all_secrets(project.database, keyset)
    with project.database.read() as connection:
        wrapped = list(load_wrapped_keys(connection))
    rest = iter([row for row in wrapped if not keyset.is_wrapped_by_primary(row[2])])
    while part := list(islice(rest, _BATCH)):
        with project.database.write() as connection:
            for tenant, id, old in part:
                place = key_place(tenant, id)
                new = keyset.wrap(keyset.unwrap(old, place), place)
                replace_wrapped_key(connection, id, old, new)
    return len(wrapped)


def _need_keeping(config: Config) -> KeepingConfig:
    if config.keeping is None:
        raise ConfigError(
            Message("copies-not-configured"), hint=Message("copies-not-configured-hint")
        )
    return config.keeping
