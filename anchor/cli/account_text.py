"""What a record says about the collection of its evidence, as text: stated and observed apart."""

from __future__ import annotations

from anchor.canonical import JsonValue
from anchor.cli.console import Colour, Output
from anchor.evidence.collection_profiles import list_lacking
from anchor.evidence.group_lines import list_lines
from anchor.evidence.group_members import list_members
from anchor.evidence.group_reading import CollectionAccount
from anchor.evidence.record_groups import RecordGroups
from anchor.messages.message import Message, join

_INDENT = "  "


def print_account(output: Output, account: CollectionAccount, *, in_full: bool) -> None:
    """Print what the operator states and what the program observed, neither of them verified.

    Without ``in_full`` only the groups are named.  Checks that did not pass, and what the profile
    lacks, are always printed.
    """
    members = account.list_values("stated")
    if members:
        _print_part(output, Message("account-stated"), members, in_full=in_full)
    members = account.list_values("observed")
    if members:
        _print_part(output, Message("account-observed"), members, in_full=in_full)
    cleanliness = account.groups.cleanliness
    for check in [] if cleanliness is None else cleanliness.checks:
        if check.result != "pass":
            output.line(
                check.describe(output.language),
                mark=_INDENT * 2
                + output.say(
                    Message("check-fail-mark")
                    if check.result == "fail"
                    else Message("check-none-mark")
                ),
                colour=Colour.YELLOW,
            )
    for demand in list_lacking(account.groups):
        mark = _INDENT * 2 + output.say(Message("profile-lacks-mark"))
        output.line(demand.describe(), mark=mark, colour=Colour.YELLOW)
    if account.uninterpreted:
        names = join(account.uninterpreted)
        output.line(Message("account-uninterpreted", names=names), mark=_INDENT)


def _print_part(
    output: Output, title: Message, members: dict[str, JsonValue], *, in_full: bool
) -> None:
    if not in_full:
        labels = join([list_members(RecordGroups)[name].label for name in members])
        output.line(Message("account-part", title=title, groups=labels), mark=_INDENT)
        return
    output.line(title, mark=_INDENT)
    for line in list_lines(members):
        value = line.value or Message("check-nothing-found")
        text = Message("account-line", label=line.label, member=line.path, value=value)
        output.line(text, mark=_INDENT * 2)
