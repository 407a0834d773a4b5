"""The list of projects that this user made or allowed.

A project is never trusted because of its location: a folder received with evidence may hold an
``anchor.toml`` that names the sender's own policy, nodes and store.  Like git's ``safe.directory``
and direnv, the user's configuration folder therefore lists the user's projects, by real path, log
and registry.  Its trust policy and each other member of its configuration are recorded by their
digests, because evidence that is unpacked in a project may overwrite both files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from anchor.base.errors import (
    AnchorError,
    ConfigError,
    MalformedError,
    NotTrustedError,
    ProjectChangedError,
)
from anchor.base.messages.message import Message, join
from anchor.base.system.file_ownership import find_named_path, read_own_file
from anchor.base.system.toml_text import parse_toml
from anchor.base.system.user_folder import list_files, remove_file, save_file, user_folder
from anchor.base.types import Address, ChainId, LogId, log_number, log_owner, make_log_id, parse_hex
from anchor.ethereum.keccak import format_address, parse_address
from anchor.project.files import CONFIG, TRUST_POLICY

FORMAT = "anchor-project/1"
# Configurations and entries are small; this bounds the read if the path is wrong.
MAX_CONFIG_BYTES = 1 << 20
_Value = TypeVar("_Value", int, str)
_FOLDER = "projects"
_SUFFIX = ".json"
_IDENTITY = {"chain.chain_id", "chain.registry", "log.owner", "log.number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectIdentity:
    """The chain, registry and log of a project; another value means another project."""

    chain_id: ChainId
    registry: Address
    log: LogId


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedProject:
    """A project that the user made or allowed, by the real path of its configuration.

    It has several ``identities`` only while it is moved to another registry. ``members`` are the
    digests of the configuration's other members; None in a note of an earlier release.
    ``policy_sha256`` is the digest of its trust policy, None if it had no policy.
    """

    config: Path
    identities: tuple[ProjectIdentity, ...]
    members: Mapping[str, str] | None
    policy_sha256: str | None


def read_identity(config: Path) -> ProjectIdentity:
    """Return the chain, registry and log that a project's configuration names.

    Raises:
        NotTrustedError: The file or its folder is another user's, or others may write to it.
    """
    return _parse_config(config, _read_members(config, in_shared_folder=False))


def _parse_config(config: Path, members: dict[str, Any]) -> ProjectIdentity:
    owner = _member(config, members, "log", "owner", str)
    number = _member(config, {"log": {"number": 0} | members["log"]}, "log", "number", int)
    if not 0 <= number < 2**96:
        raise ConfigError(Message("config-log-number-range", path=config))
    return ProjectIdentity(
        chain_id=ChainId(_member(config, members, "chain", "chain_id", int)),
        registry=parse_address(
            _member(config, members, "chain", "registry", str), subject="chain.registry"
        ),
        log=make_log_id(parse_address(owner, subject="log.owner"), number),
    )


def find_policy_path(config: Path, *, in_shared_folder: bool = False) -> Path:
    """Return the path of the trust policy that a project's configuration names.

    Only that member is read, so that a verifier needs none of the operator's packages.

    Raises the same errors as ``read_identity``.
    """
    named = _read_members(config, in_shared_folder=in_shared_folder).get("trust", TRUST_POLICY)
    if not isinstance(named, str):
        raise ConfigError(Message("config-trust-not-string", path=config))
    return config.resolve().parent / named


def _read_members(config: Path, *, in_shared_folder: bool) -> dict[str, Any]:
    data = read_own_file(config, MAX_CONFIG_BYTES, in_shared_folder=in_shared_folder)
    try:
        return parse_toml(data)
    except MalformedError as error:
        raise ConfigError(Message("config-not-toml", path=config, reason=error.message)) from error


def _digest_members(members: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each member but those of the identity, by its dotted name."""
    values: dict[str, Any] = {}
    for name, value in members.items():
        if isinstance(value, dict):
            values |= {f"{name}.{inner}": value[inner] for inner in value}
        else:
            values[name] = value
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
        for name, value in values.items()
        if name not in _IDENTITY
    }


def _digest_policy(config: Path) -> str | None:
    path = find_policy_path(config)
    if not path.is_file():
        return None
    with path.open("rb") as file:  # the owner is checked whenever the policy is used
        return hashlib.sha256(file.read(MAX_CONFIG_BYTES + 1)).hexdigest()


def _member(
    config: Path, members: dict[str, Any], section: str, name: str, kind: type[_Value]
) -> _Value:
    part = members.get(section)
    value = part.get(name) if isinstance(part, dict) else None
    if type(value) is not kind:
        raise ConfigError(Message("config-member-invalid", path=config, section=section, name=name))
    return value


def allow_project(config: Path) -> AllowedProject:
    """Allow a project in its present state, and return the entry.

    Raises:
        AnchorError: Others may write the project's files, or the entry cannot be written.
    """
    members = _read_members(config, in_shared_folder=False)
    allowed = AllowedProject(
        config=config.resolve(),
        identities=(_parse_config(config, members),),
        members=_digest_members(members),
        policy_sha256=_digest_policy(config),
    )
    _save(allowed)
    return allowed


def allow_registry(config: Path, registry: Address) -> None:
    """Allow a second registry for a project that is about to be moved to it.

    A later ``allow_project`` keeps only the registry that the project has then.  Nothing is done
    for a project that is not on the list, because its user named it without allowing it.
    """
    allowed = find_allowed(config)
    if allowed is not None:
        moved = [
            ProjectIdentity(chain_id=identity.chain_id, registry=registry, log=identity.log)
            for identity in allowed.identities
        ]
        _save(replace(allowed, identities=tuple(dict.fromkeys((*allowed.identities, *moved)))))


def disallow_project(config: Path) -> bool:
    """Remove a project from the list; return whether it was listed."""
    path = user_folder() / _FOLDER / _file_name(config.resolve())
    was_there = path.exists()
    remove_file(path)
    return was_there


def list_allowed() -> list[AllowedProject]:
    """Return every project that this user made or allowed."""
    return sorted((_read(path) for path in list_files(_FOLDER, _SUFFIX)), key=lambda n: n.config)


def find_allowed(config: Path) -> AllowedProject | None:
    """Return the allowed project with that configuration; None if it is not allowed."""
    name = _file_name(config.resolve())
    path = next((path for path in list_files(_FOLDER, _SUFFIX) if path.name == name), None)
    return None if path is None else _read(path)


def check_allowed(config: Path) -> None:
    """Check that the user made or allowed the project of that configuration, in its present state.

    Raises:
        NotTrustedError: The project is not allowed, or others may write the configuration.
    """
    allowed = find_allowed(config)
    if allowed is None:
        raise NotTrustedError(Message("project-not-allowed", path=config), hint=_hint(config))
    members = _read_members(config, in_shared_folder=False)
    if _parse_config(config, members) not in allowed.identities:
        raise _changed(config, Message("project-identity-changed", path=config))
    if allowed.members is None:
        raise _changed(config, Message("project-members-unknown", path=config))
    # A member that was added or removed differs, too.
    odd = {name for name, _ in allowed.members.items() ^ _digest_members(members).items()}
    if odd:
        raise _changed(
            config, Message("project-members-changed", path=config, members=join(sorted(odd)))
        )


def check_policy_allowed(config: Path, sha256: str | None) -> None:
    """Check that an allowed project's trust policy has not changed."""
    allowed = find_allowed(config)
    if allowed is None or allowed.policy_sha256 != sha256:
        raise _changed(
            config,
            Message("project-policy-changed", path=config, policy=find_policy_path(config)),
        )


def find_change(config: Path) -> ProjectChangedError | None:
    """Return how a listed project differs from what its user allowed.

    None: it does not, or it is not on the list, or neither can be told.
    """
    try:
        if find_allowed(config) is not None:
            check_allowed(config)
            check_policy_allowed(config, _digest_policy(config))
    except ProjectChangedError as error:
        return error
    except AnchorError:
        pass
    return None


def _changed(config: Path, message: Message) -> ProjectChangedError:
    return ProjectChangedError(
        message,
        hint=Message("project-changed-hint", folder=shlex.quote(str(config.parent))),
        config=config,
    )


def _hint(config: Path) -> Message:
    return Message(
        "project-not-allowed-hint",
        folder=shlex.quote(str(config.parent)),
        path=shlex.quote(str(config)),
    )


def named_config(option: Path | None) -> Path | None:
    """Return the configuration that the option names, or else the environment variable."""
    return option if option is not None else find_named_path("ANCHOR_CONFIG")


def discover_config() -> Path | None:
    """Return the nearest configuration from the working directory upwards, of any owner.

    It counts only if ``check_allowed`` accepts it.
    """
    try:
        folder = Path.cwd().resolve()
    except OSError:  # a working directory that was removed
        return None
    for candidate in (folder, *folder.parents):
        try:
            if (candidate / CONFIG).is_file():
                return candidate / CONFIG
        except OSError:
            continue
    return None


def find_config(option: Path | None = None) -> Path:
    """Return the configuration of the named project, or else of the nearest allowed one.

    Raises:
        NotTrustedError: The nearest project is not one that the user made or allowed.
    """
    named = named_config(option)
    if named is not None:
        return named
    config = discover_config()
    if config is None:
        raise ConfigError(
            Message("config-not-found", name=CONFIG),
            hint=Message("config-not-found-hint"),
        )
    check_allowed(config)
    return config


def _file_name(config: Path) -> str:
    # A hash, because the path may have any length and any characters.
    return hashlib.sha256(os.fsencode(config)).hexdigest() + _SUFFIX


def _save(allowed: AllowedProject) -> None:
    document = {
        "format": FORMAT,
        "config": str(allowed.config),
        "policy_sha256": allowed.policy_sha256,
        "members": allowed.members,
        "pins": [
            {
                "chain_id": identity.chain_id,
                "registry": format_address(identity.registry),
                "log": "0x" + identity.log.hex(),
            }
            for identity in allowed.identities
        ],
    }
    save_file(_FOLDER, _file_name(allowed.config), json.dumps(document, indent=1).encode("ascii"))


def _read(path: Path) -> AllowedProject:
    data = read_own_file(path, MAX_CONFIG_BYTES)
    try:
        document: dict[str, Any] = json.loads(data)
        if document["format"] != FORMAT:
            raise MalformedError(Message("allowlist-format-unknown", path=path, format=FORMAT))
        return AllowedProject(
            config=Path(document["config"]),
            identities=tuple(_parse_identity(identity) for identity in document["pins"]),
            members=None if document.get("members") is None else dict(document["members"]),
            policy_sha256=document.get("policy_sha256"),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MalformedError(
            Message("allowlist-entry-damaged", path=path),
            hint=Message("allowlist-entry-damaged-hint"),
        ) from error


def _parse_identity(document: dict[str, Any]) -> ProjectIdentity:
    return ProjectIdentity(
        chain_id=ChainId(int(document["chain_id"])),
        registry=parse_address(document["registry"], subject="registry"),
        log=LogId(parse_hex(document["log"], length=32, subject="log", prefix=True)),
    )


def format_identity(identity: ProjectIdentity) -> Message:
    """Format the log, registry and chain of a project."""
    return Message(
        "project-identity",
        number=log_number(identity.log),
        owner=format_address(log_owner(identity.log)),
        registry=format_address(identity.registry),
        chain=identity.chain_id,
    )
