"""The names of the files this program looks for."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from anchor.errors import ConfigError
from anchor.types import ChainId

CONFIG = "anchor.toml"
TRUST_POLICY = "trust.toml"
RECEIPT_SUFFIX = ".anchor.json"


def find_config(start: Path | None = None) -> Path:
    """Return the configuration file: ``ANCHOR_CONFIG``, else the nearest one upwards.

    Raises:
        ConfigError: there is none.
    """
    named = os.environ.get("ANCHOR_CONFIG")
    if named:
        return Path(named)
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / CONFIG).is_file():
            return candidate / CONFIG
    raise ConfigError(
        f"no {CONFIG} in {folder} or above it",
        hint="create a project here with `anchor init`, or name one with --config",
    )


def policy_of(config: Path) -> Path:
    """Return the trust policy that a project's configuration names.

    Only that one member is read: a verifier has no need for what reads the others.

    Raises:
        ConfigError: the file is missing or no TOML.
    """
    try:
        members = tomllib.loads(config.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{config} cannot be read: {error}") from error
    named = members.get("trust", TRUST_POLICY)
    if not isinstance(named, str):
        raise ConfigError(f"{config}, member trust: not a string")
    return config.parent / named


def deployment_record_path(folder: Path, chain_id: ChainId) -> Path:
    """Return where a project keeps the record of the registry's deployment on ``chain_id``."""
    return folder / "deployments" / str(chain_id) / "AnchorRegistry.json"


def find_checkout() -> Path | None:
    """Return the folder of the checkout this program runs from, if it does."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "pyproject.toml").is_file() else None


def sidecar_path(file: Path) -> Path:
    """Return where the receipt for ``file`` lies beside it."""
    return file.with_name(file.name + RECEIPT_SUFFIX)
