"""The manifest ``backup.json`` of a backup, which lists its files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from anchor.base.canonical import parse_strict
from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.base.types import Address, ChainId, Hash32, Head, LogId, parse_hex
from anchor.ethereum.keccak import format_address, parse_address

FORMAT = "anchor-backup/1"
MANIFEST = "backup.json"
STORE = "store.db"
TILES = "tiles"
LOG_KEY = "keys/log-key.pub"
OPERATOR = "keys/operator.json"

# An entry takes some 130 bytes: enough for the tiles of more than 400 million leaves.
MAX_MANIFEST_BYTES = 256 << 20
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """The expected size and hash of a file in a backup."""

    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The contents of ``backup.json``; ``head`` is None for a log without leaves."""

    made_at: str
    chain_id: ChainId
    registry: Address
    log: LogId
    head: Head | None
    schema: str
    files: Mapping[str, FileEntry]

    @property
    def size(self) -> int:
        """Return the total size of all files in bytes."""
        return sum(entry.size for entry in self.files.values())


def encode_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as the bytes of ``backup.json``."""
    head = manifest.head
    document = {
        "format": FORMAT,
        "made_at": manifest.made_at,
        "chain_id": manifest.chain_id,
        "registry": format_address(manifest.registry),
        "log": "0x" + manifest.log.hex(),
        "head": None if head is None else {"size": head.size, "root": head.root.hex()},
        "schema": manifest.schema,
        "files": {
            path: {"size": entry.size, "sha256": entry.sha256.hex()}
            for path, entry in sorted(manifest.files.items())
        },
    }
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def parse_manifest(data: bytes, subject: str) -> Manifest:
    """Parse ``backup.json``."""
    document = parse_strict(data, subject=subject, max_bytes=MAX_MANIFEST_BYTES)
    if not isinstance(document, dict):
        raise MalformedError(Message("backup-manifest-not-object", subject=subject))
    if document.get("format") != FORMAT:
        raise UnknownVersionError(
            Message(
                "backup-manifest-format-unknown",
                subject=subject,
                actual=str(document.get("format"))[:80],
                expected=FORMAT,
            )
        )
    try:
        head, files = document["head"], _expect(document["files"], dict)
        return Manifest(
            made_at=_expect(document["made_at"], str),
            chain_id=ChainId(_expect(document["chain_id"], int)),
            registry=parse_address(_expect(document["registry"], str), subject="registry"),
            log=LogId(
                parse_hex(_expect(document["log"], str), length=32, subject="log", prefix=True)
            ),
            head=None if head is None else _parse_head(_expect(head, dict)),
            schema=_expect(document["schema"], str),
            files={path: _parse_entry(path, _expect(files[path], dict)) for path in files},
        )
    except KeyError as error:
        raise MalformedError(
            Message("backup-member-missing", subject=subject, member=error)
        ) from error
    except TypeError as error:
        raise MalformedError(Message("with-reason", failure=subject, reason=error)) from error


def is_name(path: str) -> bool:
    """Return whether a file in a backup may have this path."""
    return _NAME.fullmatch(path) is not None


def _parse_head(members: dict[str, object]) -> Head:
    root = _parse_hash(members["root"], "head.root")
    return Head(root=root, size=_expect(members["size"], int))


def _parse_entry(path: str, members: dict[str, object]) -> FileEntry:
    if not is_name(path):
        raise MalformedError(Message("backup-file-name-invalid", path=path[:80]))
    sha256 = _parse_hash(members["sha256"], Message("backup-file-hash-subject", path=path))
    return FileEntry(size=_expect(members["size"], int), sha256=sha256)


def _parse_hash(value: object, subject: str) -> Hash32:
    return Hash32(parse_hex(_expect(value, str), length=32, subject=subject, prefix=False))


def _expect(value: object, kind: type[T]) -> T:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(
            Message("backup-member-type-wrong", actual=str(value)[:80], expected=kind.__name__)
        )
    return value
