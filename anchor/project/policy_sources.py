"""The choice of the trust policy to verify by, and the source of each part of it.

In this order: the option ``--trust`` (or the project of ``--config``); ``$ANCHOR_TRUST``; all named
policies of the user's configuration folder, together with that of the user's own project around the
working directory.  A policy never counts because of its location.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from anchor.base.errors import ConfigError, MalformedError, NotTrustedError, ProjectChangedError
from anchor.base.messages.message import Message
from anchor.base.system.file_ownership import find_named_path
from anchor.base.system.user_folder import list_files, remove_file, save_file
from anchor.base.types import Address
from anchor.ethereum.keccak import format_address
from anchor.project.allowlist import (
    check_allowed,
    check_policy_allowed,
    discover_config,
    find_policy_path,
    named_config,
)
from anchor.verification.policy import (
    TrustEntry,
    TrustPolicy,
    parse_named_policy,
    read_policy,
)

PolicySource = Literal["option", "environment", "user", "project"]
"""Who chose a policy: the command line or the environment names it or its project; or it is in
the user's folder, or in the user's own project around the working directory."""

_FOLDER = "trust"
_SUFFIX = ".toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """A trust policy with the bytes that were read."""

    path: Path
    data: bytes
    source: PolicySource
    policy: TrustPolicy

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of its bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def name(self) -> str:
        """Return the name of a policy in the user's folder."""
        return self.path.name.removesuffix(_SUFFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedProject:
    """A project around the working directory that is not allowed, and the reason."""

    config: Path
    reason: NotTrustedError


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChoice:
    """The policy to verify by, and a project whose nodes and store may be used.

    ``policy`` is None if no policy was chosen; ``files`` are the files it was read from.
    """

    policy: TrustPolicy | None
    files: tuple[PolicyFile, ...]
    config: Path | None
    unused: UnusedProject | None


def choose_policy(*, trust: Path | None, config: Path | None) -> PolicyChoice:
    """Return the policy that the options or the environment name, or else the user's policies.

    With ``trust``, a project is used only if ``config`` names it as well.

    Raises:
        NotTrustedError: Users other than the caller and root may write a named file, or a variable
            names a relative path.
        UsageError: A policy cannot be read or breaks its format, or two contradict each other.
    """
    if trust is not None:
        return _choice([load_policy(trust, "option")], config, None)
    if config is not None:
        return _choice([_load_project_policy(config, "option")], config, None)
    own, unused = _find_own_project()
    named = find_named_path("ANCHOR_TRUST")
    if named is not None:
        return _choice([load_policy(named, "environment")], own, unused)
    files = list_policies()
    if own is not None:
        source: PolicySource = "project" if named_config(None) is None else "environment"
        file = _load_project_policy(own, source)
        if source == "project":
            check_policy_allowed(own, file.sha256)
        files.append(file)
    return _choice(files, own, unused)


def load_policy(path: Path, source: PolicySource, *, in_shared_folder: bool = False) -> PolicyFile:
    """Read a trust policy that belongs to the caller or root."""
    data, policy = read_policy(path, in_shared_folder=in_shared_folder)
    return PolicyFile(path=path, data=data, source=source, policy=policy)


def list_policies() -> list[PolicyFile]:
    """Return the policies of the user's configuration folder, sorted by name."""
    return [load_policy(path, "user") for path in list_files(_FOLDER, _SUFFIX)]


def add_policy(name: str, data: bytes) -> PolicyFile:
    """Store a policy under a name in the user's configuration folder.

    Raises:
        ConfigError: Another policy has that name, or contradicts this one about the same log.
    """
    if not _NAME.fullmatch(name):
        raise MalformedError(
            Message("policy-name-invalid", name=name[:80]),
            hint=Message("policy-name-invalid-hint"),
        )
    kept = list_policies()
    path = Path(name + _SUFFIX)
    policy = parse_named_policy(path, data)
    added = PolicyFile(path=path, data=data, source="user", policy=policy)
    for other in kept:
        if other.name == name and other.sha256 != added.sha256:
            raise ConfigError(
                Message("policy-name-taken", name=name),
                hint=Message("policy-name-taken-hint", name=name),
            )
    merge_policies([*(other for other in kept if other.name != name), added])
    return replace(added, path=save_file(_FOLDER, added.path.name, data))


def find_owners_elsewhere(policy: PolicyFile) -> dict[Address, list[str]]:
    """Return those owners in a stored policy that other policies name too, with their names."""
    owners: dict[Address, list[str]] = {}
    for other in list_policies():
        if other.name == policy.name:
            continue
        named = {entry.owner for entry in other.policy.entries}
        for owner in dict.fromkeys(entry.owner for entry in policy.policy.entries):
            if owner in named:
                owners.setdefault(owner, []).append(other.name)
    return owners


def find_policy(name: str) -> PolicyFile:
    """Return the policy of that name."""
    return load_policy(_find(name), "user")


def remove_policy(name: str) -> Path:
    """Remove the policy of that name, even an unreadable one; return the path of its file."""
    path = _find(name)
    remove_file(path)
    return path


def merge_policies(files: Iterable[PolicyFile]) -> TrustPolicy:
    """Return one policy with the entries of all ``files``.

    Raises:
        ConfigError: Two policies differ about the same log in the same registry.
    """
    merged: list[tuple[TrustEntry, PolicyFile]] = []
    for file in files:
        for entry in file.policy.entries:
            if not _is_said_already(entry, file, merged):
                merged.append((entry, file))
    return TrustPolicy(
        entries=tuple(entry for entry, _ in merged),
        tsas=tuple(dict.fromkeys(tsa for file in files for tsa in file.policy.tsas)),
        signers=tuple(dict.fromkeys(each for file in files for each in file.policy.signers)),
    )


def _is_said_already(
    entry: TrustEntry, file: PolicyFile, merged: Sequence[tuple[TrustEntry, PolicyFile]]
) -> bool:
    """Return whether an entry adds nothing to those of other files."""
    for known, origin in merged:
        subject = (known.chain_id, known.registry, known.owner)
        # Within one file, all entries apply as they are written.
        if origin is file or subject != (entry.chain_id, entry.registry, entry.owner):
            continue
        if replace(known, logs=entry.logs) == entry:
            if set(entry.logs) <= set(known.logs):
                return True
        elif set(known.logs) & set(entry.logs):
            raise ConfigError(
                Message(
                    "policies-contradict",
                    path=origin.path,
                    other=file.path,
                    owner=format_address(entry.owner),
                    registry=format_address(entry.registry),
                    chain=entry.chain_id,
                ),
                hint=Message("policies-contradict-hint"),
            )
    return False


def _find(name: str) -> Path:
    for path in list_files(_FOLDER, _SUFFIX):
        if path.name == name + _SUFFIX:
            return path
    raise ConfigError(
        Message("policy-name-unknown", name=name[:80]), hint=Message("policy-unknown-hint")
    )


def _choice(
    files: Sequence[PolicyFile], config: Path | None, unused: UnusedProject | None
) -> PolicyChoice:
    policy = merge_policies(files) if files else None
    return PolicyChoice(policy=policy, files=tuple(files), config=config, unused=unused)


def _find_own_project() -> tuple[Path | None, UnusedProject | None]:
    """Return the named or allowed project; or the nearest one, which is not allowed."""
    config = named_config(None)
    if config is not None:
        return config, None
    config = discover_config()
    if config is None:
        return None, None
    try:
        check_allowed(config)
    except ProjectChangedError:
        raise
    except NotTrustedError as error:
        return None, UnusedProject(config=config, reason=error)
    return config, None


def _load_project_policy(config: Path, source: PolicySource) -> PolicyFile:
    """Return the trust policy that a project's configuration names."""
    is_named = source != "project"
    path = find_policy_path(config, in_shared_folder=is_named)
    return load_policy(path, source, in_shared_folder=is_named)
