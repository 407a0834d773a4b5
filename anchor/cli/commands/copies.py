"""``anchor copies``: the keyset that encrypts the keys of the copies that tenants keep."""

from __future__ import annotations

from anchor.base.messages.message import Message
from anchor.cli.console import Output
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.typer_app import make_group
from anchor.operate.copy_keys import create_keyset, drop_former_keys, rotate_keyset

app = make_group("copies")


@app.command("init")
def init(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Make the keyset that `[copies]` names; keep a copy of it apart from the store's backups."""
    output = Output(as_json=as_json)
    with project_session(config_path) as project:
        keeping = create_keyset(project.config)
    output.line(Message("copies-keyset-made", path=keeping.keyset))
    output.result({"keyset": str(keeping.keyset)})


@app.command("rotate")
def rotate(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Add a key to the keyset, and encrypt the key of every copy by it."""
    output = Output(as_json=as_json)
    with project_session(config_path) as project:
        count = rotate_keyset(project)
    output.line(Message("copies-keyset-rotated", count=count))
    output.result({"copies": count})


@app.command("drop")
def drop(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Drop every key but the newest one: copies in older backups can then not be read any more."""
    output = Output(as_json=as_json)
    with project_session(config_path) as project:
        count = drop_former_keys(project)
    output.line(Message("copies-keys-dropped", count=count))
    output.result({"dropped": count})
