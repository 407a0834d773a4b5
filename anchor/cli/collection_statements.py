"""The profile and the operator's statements of a collection, as options name them."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message, join
from anchor.base.system.details_toml import MAX_DETAILS_BYTES
from anchor.cli.console import Output
from anchor.cli.input_files import read_bounded
from anchor.collection.collection_details import parse_collection_details
from anchor.collection.questions import ask_details
from anchor.evidence.record_groups import PROFILES, ProfileName, RecordGroups


def parse_profile(text: str) -> ProfileName:
    """Parse the name of a profile."""
    for profile in PROFILES:
        if text == profile:
            return profile
    raise UsageError(Message("profile-unknown", actual=text[:80], expected=join(PROFILES)))


def read_details(
    output: Output, profile: ProfileName, path: Path | None, *, may_ask: bool = True
) -> RecordGroups:
    """Return the operator's statements: from the file, or else from a terminal, if there is one."""
    if path is not None:
        return parse_collection_details(read_bounded(path, MAX_DETAILS_BYTES + 1))
    if not may_ask or output.as_json or not sys.stdin.isatty():
        return RecordGroups()

    def ask(question: Message) -> str:
        answer: str = typer.prompt(output.say(question), default="", show_default=False, err=True)
        return answer.strip()

    return ask_details(profile, ask=ask, refuse=output.note)
