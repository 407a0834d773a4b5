"""The names of the files that this program uses."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from anchor.base.types import ChainId

CONFIG = "anchor.toml"
TRUST_POLICY = "trust.toml"
ERASURES = "erasures"
TIMESTAMPS = "timestamps"
SIDE_FILE = "acknowledged.log"
RECEIPT_SUFFIX = ".anchor.json"
SIGNATURE_NAME = re.compile(r"(.+)\.anchor(\.[0-9a-f]{16}\.(?:sshsig|p7s))", re.DOTALL)
"""The name of a signature beside a receipt: the file's, and a key's or certificate's digest."""
BUNDLE_SUFFIX = ".anchor.jsonl"
BEFORE_UPGRADE = "before-upgrade"
"""The folder of backups that upgrades of the store made before 0.1.0."""

# File systems accept names of 255 bytes; the suffix and a counter need some of them.
_MAX_PART_BYTES = 200


def deployment_record_path(folder: Path, chain_id: ChainId) -> Path:
    """Return the path of the record of the registry's deployment on ``chain_id``."""
    return folder / "deployments" / str(chain_id) / "AnchorRegistry.json"


def find_checkout() -> Path | None:
    """Return the folder of the source checkout that this program runs from, or None."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() else None


def evidence_path(folder: Path, name: str) -> Path:
    """Return the path below ``folder`` of the evidence called ``name``.

    Names come from the party that recorded the evidence: parts that would lead out of the folder
    become plain names.
    """
    parts = [_safe_part(part) for part in name.split("/") if part not in ("", ".")]
    return folder.joinpath(*parts or ["unnamed"])


def _safe_part(part: str) -> str:
    cleaned = "".join("_" if character in "\0\\" else character for character in part)
    if cleaned == "..":
        return "__"
    while len(cleaned.encode("utf-8")) > _MAX_PART_BYTES:
        cleaned = cleaned[:-1]
    return cleaned


def signature_path(file: Path, key: str, suffix: str) -> Path:
    """Return the path of a signature beside ``file``; ``key`` is the signer's, as text."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return file.with_name(f"{file.name}.anchor.{digest}{suffix}")


def sidecar_path(file: Path) -> Path:
    """Return the path of the receipt beside ``file``."""
    if file.name in ("", ".."):  # a folder named by its place, such as the bag "."
        file = file.resolve()
    return file.parent / f"{file.name}{RECEIPT_SUFFIX}"


def receipts_file(path: Path) -> Path | None:
    """Return the file that a receipt with this path is for; None if it is no receipt's path."""
    name = path.name.removesuffix(RECEIPT_SUFFIX)
    return None if name in ("", path.name) else path.with_name(name)
