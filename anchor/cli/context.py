"""The project and its key, which most commands open."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from anchor.base.errors import (
    AnchorError,
    SignerError,
    StorageError,
    StoreBusyError,
    UsageError,
)
from anchor.base.messages.message import Message
from anchor.chain.signer import Signer
from anchor.cli.confirmation import choose_config
from anchor.cli.console import Colour, Output
from anchor.operate.erasure_cleanup import clean_up
from anchor.project import signing_key
from anchor.project.allowlist import allow_project
from anchor.project.config import Config, WaitFor, load_config
from anchor.project.project import OpenProject, open_project
from anchor.project.relocation import open_moved_project
from anchor.verification.policy import read_policy


@contextmanager
def project_session(
    config_path: Path | None, *, moved: bool = False, only_reads: bool = False
) -> Iterator[OpenProject]:
    """Open the project named by ``--config``, the environment or the current folder.

    ``moved`` also accepts a project whose plain deployment was interrupted, at its new registry;
    ``only_reads`` also accepts one on read-only media, and prints how it is read.
    """
    config = load_config(choose_config(config_path))
    project = open_moved_project(config) if moved else open_project(config, only_reads=only_reads)
    try:
        if project.database.read_only_note is not None:
            Output(as_json=False).note(project.database.read_only_note)
        yield project
    finally:
        project.database.close()


def finish_erasures(output: Output, project: OpenProject) -> None:
    """Finish an interrupted `anchor erase`; a failure does not stop the command."""
    try:
        cleaned = clean_up(project)
    except (StorageError, StoreBusyError) as error:
        output.note(
            Message("erasure-unfinished", reason=error.message), mark=Message("warning-mark")
        )
        output.note(Message("erasure-unfinished-hint"))
        return
    if cleaned is not None:
        output.note(Message("erasure-finished", count=cleaned.leaves))
        for text in cleaned.remains:
            output.note(text, mark=Message("erasure-remains-mark"))


def note_project(output: Output, config: Path) -> None:
    """Register a project as the user's, so that commands in its folder use it.

    If it cannot be registered, such as in a container without a home folder, this only prints a
    warning.
    """
    try:
        allow_project(config)
    except AnchorError as error:
        output.note(
            Message("project-not-noted", reason=error.message), mark=Message("warning-mark")
        )
        output.note(Message("project-not-noted-hint", path=config))


def note_time_slack(output: Output, config: Config) -> None:
    """Warn if nobody could verify receipts by the project's policy, for want of a time slack."""
    with suppress(AnchorError):  # a policy that cannot be read is for `anchor doctor`
        for entry in read_policy(config.trust)[1].entries:
            if entry.chain_id == config.chain_id and entry.lacks_time_slack:
                output.note(
                    Message("policy-time-slack-missing", path=config.trust, chain=config.chain_id),
                    mark=Message("warning-mark"),
                    colour=Colour.YELLOW,
                )
                output.note(Message("policy-time-slack-missing-hint"), mark="  ")
                return


def open_signer(config: Config) -> Signer:
    """Decrypt the project's key; ask for its password if it is not in a file."""
    return signing_key.open_signer(config, _ask_password)


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """The project's key, whose password is requested when a transaction must be signed."""

    config: Config

    def open(self) -> Signer:
        """Decrypt the key."""
        return open_signer(self.config)


def _ask_password(path: Path) -> str:
    if not sys.stdin.isatty():
        raise SignerError(
            Message("keystore-password-without-terminal", path=path),
            hint=Message("keystore-password-file-hint"),
        )
    return getpass.getpass(
        Output(as_json=False).say(Message("keystore-password-prompt", path=path))
    )


def choose_wait(config: Config, option: str | None) -> WaitFor:
    """Return the stage to wait for: the option, or the configuration's setting."""
    if option is None:
        return config.wait
    if option == "included":
        return "included"
    if option == "final":
        return "final"
    raise UsageError(Message("option-wait-unknown", actual=option))
