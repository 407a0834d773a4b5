"""``anchor seal``: give accepted evidence its place in the log."""

from __future__ import annotations

from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.output import Output
from anchor.cli.session import open_chain, project_session

NAME = "seal"


def command(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Append what was added to the log, without anchoring it yet."""
    from anchor.log import seal
    from anchor.pipeline.anchoring import check_standing
    from anchor.pipeline.project import utc_now
    from anchor.pipeline.wording import spell_leaves

    output = Output(as_json=as_json)
    with project_session(config_path) as project, project.database.hold_lease():
        # A store older than the chain would grow a fork that no anchor can ever take.
        check_standing(project, open_chain(project.config, output.note))
        sealed = seal(project.database, utc_now())
    if sealed is None:
        output.line("nothing was waiting")
        output.result({"sealed": 0})
        return
    head, count = sealed
    output.line(f"sealed {spell_leaves(count)}; the log has {head.size:,}, root {head.root.hex()}")
    output.result({"sealed": count, "size": head.size, "root": head.root.hex()})
