"""``anchor key``: keystore files for signing transactions."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from anchor.chain.signer.keystore import (
    check_absent,
    create_keystore,
    keystore_address,
    read_password_file,
)
from anchor.cli.console import Output
from anchor.cli.options import JsonOption
from anchor.cli.typer_app import make_group
from anchor.errors import SignerError
from anchor.ethereum.keccak import format_address

app = make_group("key")

_FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The keystore file.")]


@app.command("new")
def new(
    file: _FileArgument,
    password_file: Annotated[
        Path | None,
        typer.Option(
            help="File whose first line is the password, readable by you alone; without it, it is "
            "asked for twice."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key, encrypt it into FILE and print its address.

    FILE must not exist yet; only you can read it. Who has FILE and password has the key: keep a
    copy of both, in two places.
    """
    output = Output(as_json=as_json)
    file = file.absolute()
    address = format_address(create_keystore(file, _choose_password(file, password_file)))
    output.line(address)
    output.note(f"the key is in {file}; without its password nobody can open it, including you")
    output.result({"address": address, "keystore": str(file)})


@app.command("show")
def show(file: _FileArgument, as_json: JsonOption = False) -> None:
    """Print the address that a keystore states; no password is needed."""
    output = Output(as_json=as_json)
    address = format_address(keystore_address(file))
    output.line(address)
    output.result({"address": address, "keystore": str(file.absolute())})


def _choose_password(file: Path, password_file: Path | None) -> str:
    # Before the user is asked for a password.
    check_absent(file)
    if password_file is not None:
        return read_password_file(password_file)
    if not sys.stdin.isatty():
        raise SignerError(
            "a password for the new key cannot be asked for: there is no terminal",
            hint="name a file that holds one with --password-file, readable by you alone",
        )
    password = getpass.getpass(f"New password for {file}: ")
    if getpass.getpass("The same again: ") != password:
        raise SignerError("the two passwords differ", hint="run the same again")
    return password
