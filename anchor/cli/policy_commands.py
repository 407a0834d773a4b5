"""The part of ``anchor trust`` that manages policies and projects in the user's own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from anchor.base.errors import ConfigError
from anchor.base.messages.message import Message, join
from anchor.base.system.user_folder import user_folder
from anchor.cli.console import Output
from anchor.cli.input_files import read_bounded
from anchor.cli.options import JsonOption
from anchor.cli.typer_app import make_group
from anchor.ethereum.keccak import format_address
from anchor.project.allowlist import (
    AllowedProject,
    allow_project,
    disallow_project,
    format_identity,
    list_allowed,
)
from anchor.project.files import CONFIG
from anchor.project.policy_sources import (
    PolicyFile,
    add_policy,
    find_owners_elsewhere,
    find_policy,
    list_policies,
    remove_policy,
)
from anchor.verification.policy import MAX_POLICY_BYTES, TrustEntry

app = make_group("trust")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the policy.")]
_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the project.")]


@app.command("add")
def add(
    name: _Name,
    file: Annotated[Path, typer.Argument(help="Policy file that you checked.")],
    as_json: JsonOption = False,
) -> None:
    """Keep a trust policy under a name, so that it applies without --trust.

    All kept policies apply together. Before you keep one, check each value as
    docs/trust-policy.md describes.
    """
    output = Output(as_json=as_json)
    policy = add_policy(name, read_bounded(file, MAX_POLICY_BYTES + 1))
    _print_policy(output, policy)
    known = {format_address(owner): names for owner, names in find_owners_elsewhere(policy).items()}
    for owner, names in known.items():
        output.note(Message("policy-owner-kept-elsewhere", names=join(names, "and"), owner=owner))
    output.result({**_describe_policy(policy), "owners_kept_elsewhere": known})


@app.command("list")
def list_all(as_json: JsonOption = False) -> None:
    """List the policies that you keep, and the projects that you created or allowed."""
    output = Output(as_json=as_json)
    policies, notes = list_policies(), list_allowed()
    for policy in policies:
        _print_policy(output, policy)
    for note in notes:
        _print_note(output, note)
    if not policies and not notes:
        output.line(Message("policy-folder-empty", folder=user_folder()))
    output.result(
        {
            "policies": [_describe_policy(policy) for policy in policies],
            "projects": [_describe_note(note) for note in notes],
        }
    )


@app.command("show")
def show(name: _Name, as_json: JsonOption = False) -> None:
    """Print a policy that you keep."""
    output = Output(as_json=as_json)
    policy = find_policy(name)
    for line in policy.data.decode("utf-8").splitlines():
        output.text(line)
    output.result({**_describe_policy(policy), "text": policy.data.decode("utf-8")})


@app.command("remove")
def remove(name: _Name, as_json: JsonOption = False) -> None:
    """Remove a policy that you keep."""
    output = Output(as_json=as_json)
    path = remove_policy(name)
    output.line(Message("file-removed", path=path))
    output.result({"removed": str(path)})


@app.command("allow")
def allow(folder: _Folder = Path(), as_json: JsonOption = False) -> None:
    """Allow commands to use a project that was created elsewhere.

    Read its anchor.toml first: commands in its folder then use its policy, nodes, store and key.
    Allow it again if it is moved, or after you changed its anchor.toml or its policy.
    """
    output = Output(as_json=as_json)
    note = allow_project(_config_in(folder))
    _print_note(output, note)
    output.result(_describe_note(note))


@app.command("disallow")
def disallow(folder: _Folder = Path(), as_json: JsonOption = False) -> None:
    """Forbid commands to use a project; its folder is not changed."""
    output = Output(as_json=as_json)
    config = folder if folder.name == CONFIG else folder / CONFIG
    if not disallow_project(config):
        raise ConfigError(
            Message("project-not-allowed-before", path=config.resolve()),
            hint=Message("policy-unknown-hint"),
        )
    output.line(Message("project-disallowed", path=config.resolve()))
    output.result({"disallowed": str(config.resolve())})


def _config_in(folder: Path) -> Path:
    config = folder if folder.name == CONFIG else folder / CONFIG
    if not config.is_file():
        raise ConfigError(
            Message("project-config-missing", name=CONFIG, folder=folder.resolve()),
            hint=Message("project-config-missing-hint"),
        )
    return config


def _print_policy(output: Output, policy: PolicyFile) -> None:
    output.line(Message("policy-line", name=policy.name, path=policy.path, sha256=policy.sha256))
    for entry in policy.policy.entries:
        output.line(_describe_entry(entry), mark="  ")


def _print_note(output: Output, note: AllowedProject) -> None:
    output.line(Message("policy-project-line", path=note.config))
    for pins in note.identities:
        output.line(format_identity(pins), mark="  ")


def _describe_entry(entry: TrustEntry) -> Message:
    return Message(
        "policy-entry",
        numbers=join(map(str, entry.logs)),
        owner=format_address(entry.owner),
        registry=format_address(entry.registry),
        chain=entry.chain_id,
    )


def _describe_policy(policy: PolicyFile) -> dict[str, Any]:
    return {
        "name": policy.name,
        "file": str(policy.path),
        "sha256": policy.sha256,
        "trust": [_describe_entry(entry) for entry in policy.policy.entries],
    }


def _describe_note(note: AllowedProject) -> dict[str, Any]:
    return {
        "config": str(note.config),
        "pins": [
            {
                "chain_id": pins.chain_id,
                "registry": format_address(pins.registry),
                "log": "0x" + pins.log.hex(),
            }
            for pins in note.identities
        ],
    }
