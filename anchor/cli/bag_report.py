"""What ``anchor verify`` reports of a bag itself, before the reports on the originals in it."""

from __future__ import annotations

from typing import Any

from anchor.base.messages.message import Message
from anchor.cli.bag_inputs import OpenedBag
from anchor.cli.console import Output

# A name; whoever bends a bag may state one of megabytes.
_MOST_OF_PARTY = 200


def print_bag(output: Output, opened: OpenedBag) -> None:
    """Print that a bag is complete, and which of its contents prove nothing."""
    output.line(
        Message(
            "bag-complete",
            path=opened.path,
            originals=len(opened.bag.exhibits),
            identifier=opened.bag.identifier.hex(),
        )
    )
    output.line(Message("bag-enclosures-unverified", count=opened.enclosures), mark="  ")
    if opened.policy is not None:
        party = (opened.party or "")[:_MOST_OF_PARTY] or Message("bag-party-unnamed")
        output.line(
            Message("bag-policy-unused", sha256=opened.policy.hex(), party=party), mark="  "
        )


def describe_bag(opened: OpenedBag) -> dict[str, Any]:
    """Return a bag as members of the JSON document."""
    return {
        "bag": str(opened.path),
        "identifier": opened.bag.identifier.hex(),
        "party": opened.party,
        "policy": None if opened.policy is None else opened.policy.hex(),
        "originals": len(opened.bag.exhibits),
        "enclosures": opened.enclosures,
    }
