"""``anchor seal``: append accepted evidence to the log."""

from __future__ import annotations

from anchor.base.messages.message import Message
from anchor.base.system.clock import unix_now, utc_now
from anchor.base.units import format_leaves
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.operate.anchor_watch import find_seal_limit
from anchor.operate.clock_check import describe_held
from anchor.operate.preconditions import check_standing
from anchor.project.nodes import open_chain
from anchor.store.sealing import seal


def command(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Append recorded evidence to the log, without anchoring it."""
    output = Output(as_json=as_json)
    with project_session(config_path) as project, project.database.hold_lease():
        # A store older than the chain would grow a fork that can never be anchored.
        node = open_chain(project.config, output.note)
        check_standing(project, node)
        latest, held = find_seal_limit(project, node, unix_now(), lambda: False)
        sealed = seal(project.database, utc_now(), latest=latest)
    if held is not None:
        output.note(describe_held(held), mark=Message("warning-mark"))
        output.note(Message("evidence-held-back-hint"))
    if sealed is None:
        output.line(Message("seal-nothing-waiting"))
        output.result({"sealed": 0})
        return
    head, count = sealed
    output.line(
        Message(
            "seal-leaves-sealed",
            leaves=format_leaves(count),
            size=head.size,
            root=head.root.hex(),
        )
    )
    output.result({"sealed": count, "size": head.size, "root": head.root.hex()})
