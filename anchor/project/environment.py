"""Finding the ``ANCHOR_*`` variable that sets a member of the configuration, for error messages."""

from __future__ import annotations

import os

from anchor.base.messages.message import Message

PREFIX = "ANCHOR_"
DELIMITER = "__"

# This variable names the verifier's policy, and not the configuration's member of this name.
_NO_MEMBER = "ANCHOR_TRUST"


def find_variable(member: str) -> str | None:
    """Return the variable that is set for ``member`` or for a section that holds it, or None.

    ``chain.witnesses.1`` may come from ANCHOR_CHAIN__WITNESSES or from ANCHOR_CHAIN.
    """
    set_now = {name.upper(): name for name in os.environ if name.upper() != _NO_MEMBER}
    parts = member.upper().split(".")
    while parts:
        name = PREFIX + DELIMITER.join(parts)
        if name in set_now:
            return set_now[name]
        parts.pop()
    return None


def format_member(member: str, otherwise: str | None = None) -> str:
    """Return the source of a member's value: the environment, or else the file."""
    variable = find_variable(member)
    if variable is not None:
        return Message("config-variable", name=variable)
    return otherwise or member


def list_variables(section: str) -> list[str]:
    """Return the variables that are set for a section or for members of it."""
    whole = PREFIX + section.upper()
    return sorted(
        name
        for name in os.environ
        if name.upper() == whole or name.upper().startswith(whole + DELIMITER)
    )
