"""The software that makes a record: its version, and digests of what is installed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions

from anchor.collection.machine_environment import cut_list
from anchor.evidence.group_members import build_group
from anchor.evidence.record_groups import PlatformUse

SOFTWARE = "anchor-evidence"


def observe_software(
    *,
    argv: Sequence[str] | None,
    config: bytes | None,
    chain: str | None,
    registry: str | None,
    code_hash: str | None,
) -> PlatformUse:
    """Return the platform group; ``chain``, ``registry`` and ``code_hash`` are configured values.

    ``argv`` is the command without secrets and without the names of the evidence.
    """
    own = _find_own()
    members = {
        "software": SOFTWARE,
        "version": None if own is None else own.version,
        "installation_sha256": None if own is None else _hash_record(own),
        "distributions_sha256": _hash_distributions(),
        "argv": None if argv is None else cut_list(argv),
        "config_sha256": None if config is None else hashlib.sha256(config).hexdigest(),
        "chain": chain,
        "registry": registry,
        "code_hash": code_hash,
    }
    return build_group(PlatformUse, members)


def _find_own() -> Distribution | None:
    try:
        return distribution(SOFTWARE)
    except PackageNotFoundError:
        return None


def _hash_record(own: Distribution) -> str | None:
    """Return the SHA-256 of the installation's RECORD, which lists the digest of every file."""
    record = own.read_text("RECORD")
    return None if record is None else hashlib.sha256(record.encode()).hexdigest()


def _hash_distributions() -> str:
    """Return the SHA-256 of the sorted lines ``name==version`` of the installed distributions."""
    # An interrupted installation leaves a folder without a name.
    named = (each for each in distributions() if "Name" in each.metadata)
    listed = sorted({f"{each.name.lower()}=={each.version}\n" for each in named})
    return hashlib.sha256("".join(listed).encode()).hexdigest()
