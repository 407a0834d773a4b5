"""``anchor export-log``: publish the log as static files."""

from __future__ import annotations

from typing import Annotated

import typer

from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.output import Output
from anchor.cli.session import open_chain, project_session
from anchor.errors import CannotCheckError

NAME = "export-log"


def command(
    place: Annotated[
        str,
        typer.Argument(
            metavar="DIR|URL", help="A folder, or an object store's URL (s3://…, through fsspec)."
        ),
    ],
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the log's tiles and its newest final head as a signed checkpoint (C2SP tlog-tiles).

    Only what is new is written. No records are published, only hashes.
    """
    from anchor.pipeline.anchoring import check_standing, refresh_anchors
    from anchor.pipeline.publishing import publish_log
    from anchor.pipeline.restoring import record_anchors
    from anchor.published import open_target

    output = Output(as_json=as_json)
    target = open_target(place)
    with project_session(config_path) as project, project.database.hold_lease():
        try:
            node = open_chain(project.config, output.note)
            check_standing(project, node)
            record_anchors(project, node)  # the published list has to be whole
            refresh_anchors(project, node)
        except CannotCheckError as error:
            output.note(f"{error.message}; going by what the store knew last")
        published = publish_log(project, target)
    head = published.head
    output.line(f"{head.size:,} leaves, root {head.root.hex()}")
    output.line(f"wrote {published.tiles_written:,} tiles; the checkpoint is of this head")
    output.line(f"readers' verifier key: {published.verifier_key}")
    output.result(
        {
            "size": head.size,
            "root": head.root.hex(),
            "origin": published.origin,
            "verifier_key": published.verifier_key,
            "tiles_written": published.tiles_written,
        }
    )
