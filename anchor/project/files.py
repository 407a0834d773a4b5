"""The names of the files that this program uses."""

from __future__ import annotations

from pathlib import Path

from anchor.types import ChainId

CONFIG = "anchor.toml"
TRUST_POLICY = "trust.toml"
ERASURES = "erasures"
SIDE_FILE = "acknowledged.log"
RECEIPT_SUFFIX = ".anchor.json"
BEFORE_UPGRADE = "before-upgrade"
"""The folder of backups that `anchor upgrade-store` makes."""


def deployment_record_path(folder: Path, chain_id: ChainId) -> Path:
    """Return the path of the record of the registry's deployment on ``chain_id``."""
    return folder / "deployments" / str(chain_id) / "AnchorRegistry.json"


def find_checkout() -> Path | None:
    """Return the folder of the source checkout that this program runs from, or None."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() else None


def sidecar_path(file: Path) -> Path:
    """Return the path of the receipt beside ``file``."""
    return file.with_name(file.name + RECEIPT_SUFFIX)
