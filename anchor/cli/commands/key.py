"""``anchor key``: keystore files for signing transactions."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from anchor.base.errors import SignerError
from anchor.base.messages.message import Message
from anchor.chain.signer.keystore import (
    check_absent,
    create_keystore,
    keystore_address,
    read_password_file,
)
from anchor.cli.console import Output
from anchor.cli.options import JsonOption
from anchor.cli.typer_app import make_group
from anchor.ethereum.keccak import format_address

app = make_group("key")

_FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Keystore file.")]


@app.command("new")
def new(
    file: _FileArgument,
    password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the password on its first line, readable only by you; default: ask for "
            "it twice.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key, store it encrypted in FILE and print its address.

    FILE must not exist yet, and will be readable only by you. Whoever has FILE and its password has
    the key: keep copies of both in two places.
    """
    output = Output(as_json=as_json)
    file = file.absolute()
    password = _choose_password(output, file, password_file)
    address = format_address(create_keystore(file, password))
    output.text(address)
    output.note(Message("keystore-created", path=file))
    output.result({"address": address, "keystore": str(file)})


@app.command("show")
def show(file: _FileArgument, as_json: JsonOption = False) -> None:
    """Print the address stated in a keystore; no password is needed."""
    output = Output(as_json=as_json)
    address = format_address(keystore_address(file))
    output.text(address)
    output.result({"address": address, "keystore": str(file.absolute())})


def _choose_password(output: Output, file: Path, password_file: Path | None) -> str:
    # Before the user is asked for a password.
    check_absent(file)
    if password_file is not None:
        return read_password_file(password_file)
    if not sys.stdin.isatty():
        raise SignerError(
            Message("keystore-new-password-without-terminal"),
            hint=Message("keystore-new-password-file-hint"),
        )
    password = getpass.getpass(output.say(Message("keystore-new-password-prompt", path=file)))
    if getpass.getpass(output.say(Message("keystore-password-again-prompt"))) != password:
        raise SignerError(
            Message("keystore-passwords-differ"), hint=Message("keystore-passwords-differ-hint")
        )
    return password
