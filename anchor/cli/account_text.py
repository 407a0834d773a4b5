"""What a record says about the collection of its evidence, as text: stated and observed apart."""

from __future__ import annotations

from anchor.base.canonical import JsonValue
from anchor.base.messages.message import Message, join
from anchor.cli.console import Colour, Output
from anchor.evidence.collection_profiles import list_lacking
from anchor.evidence.group_lines import list_lines, without_checks
from anchor.evidence.group_members import list_members
from anchor.evidence.group_reading import CollectionAccount
from anchor.evidence.observed_groups import CheckResult
from anchor.evidence.record_groups import RecordGroups

_INDENT = "  "
MARKS: dict[CheckResult, Message] = {
    "pass": Message("check-pass-mark"),
    "fail": Message("check-fail-mark"),
    "not_checked": Message("check-none-mark"),
}


def print_account(output: Output, account: CollectionAccount, *, in_full: bool) -> None:
    """Print what the operator states and what the program observed, neither of them verified.

    Without ``in_full`` only the groups are named, and of the checks those that did not pass.  What
    the profile lacks is always printed.
    """
    members = account.list_values("stated")
    if members:
        _print_part(output, Message("account-stated"), members, in_full=in_full)
    members = account.list_values("observed")
    if members:
        _print_part(output, Message("account-observed"), members, in_full=in_full)
    cleanliness, capture = account.groups.cleanliness, account.groups.foreign_capture
    checks = [] if cleanliness is None else cleanliness.checks
    for check in checks + ([] if capture is None else capture.findings):
        if check.result != "pass" or in_full:
            mark = _INDENT * 2 + output.say(MARKS[check.result])
            colour = None if check.result == "pass" else Colour.YELLOW
            output.line(check.describe(output.language), mark=mark, colour=colour)
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
    for line in list_lines(without_checks(members)):
        value = line.value or Message("check-nothing-found")
        text = Message("account-line", label=line.label, member=line.path, value=value)
        output.line(text, mark=_INDENT * 2)
