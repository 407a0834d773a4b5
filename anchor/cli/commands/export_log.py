"""``anchor export-log``: publish the log as static files."""

from __future__ import annotations

from typing import Annotated

import typer

from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.log.publication import open_writer
from anchor.operate.anchoring import record_anchors
from anchor.operate.finality import update_anchors
from anchor.operate.preconditions import check_standing
from anchor.operate.publishing import publish_log
from anchor.project.nodes import open_chain


def command(
    location: Annotated[
        str | None,
        typer.Argument(
            metavar="DIR|URL",
            help="Folder, or s3://, gs:// or az://BUCKET/PREFIX; default: [publish] in the "
            "configuration.",
        ),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the log as static files: C2SP tiles and a signed checkpoint.

    Writes only what is new; publishes only hashes, no records. It can be used while `anchor run`
    runs, which can also publish the log itself (--publish).
    """
    output = Output(as_json=as_json)
    with project_session(config_path) as project:
        location = location or project.config.publish
        if location is None:
            raise UsageError(
                Message("publication-target-missing"),
                hint=Message("publication-target-missing-hint"),
            )
        target = open_writer(location)
        try:
            node = open_chain(project.config, output.note)
            check_standing(project, node)
            record_anchors(project, node)  # the published list must have no gap
            update_anchors(project, node)
        except CannotCheckError as error:
            output.note(Message("node-unread-store-used", reason=error.message))
        published = publish_log(project, target)
    head = published.head
    output.line(Message("head-summary", size=head.size, root=head.root.hex()))
    output.line(Message("publication-written", count=published.tiles_written))
    output.line(Message("publication-verifier-key", key=published.verifier_key))
    output.result(
        {
            "size": head.size,
            "root": head.root.hex(),
            "origin": published.origin,
            "verifier_key": published.verifier_key,
            "tiles_written": published.tiles_written,
        }
    )
