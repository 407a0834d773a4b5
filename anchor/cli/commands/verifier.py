"""``anchor verifier``: the verifier page, for verification in a browser."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from anchor.bag.bag_surroundings import check_outside_bags
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import write_file
from anchor.cli.console import Output
from anchor.cli.options import JsonOption
from anchor.page import load_page


def command(
    sha256: Annotated[
        bool, typer.Option("--sha256", help="Print the page's SHA-256 in the format of sha256sum.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="File for the page."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the verifier page: one HTML file that checks receipts in a browser.

    Without options the page is written to standard output.
    """
    if sha256 and file is not None:
        raise UsageError(Message("option-sha256-with-output"))
    if file is not None and file.is_dir():
        raise UsageError(Message("file-is-folder", path=file), hint=Message("file-is-folder-hint"))
    check_outside_bags(file)
    output = Output(as_json=as_json)
    page = load_page()
    digest = hashlib.sha256(page).hexdigest()
    if file is not None:
        write_file(file, page)
        output.note(Message("file-written", path=file, digest=digest))
    elif sha256:
        output.text(f"{digest}  verify.html")
    elif not as_json:
        # The exact bytes, whose hash is the digest above.
        sys.stdout.buffer.write(page)
        sys.stdout.buffer.flush()
    output.result(
        {"sha256": digest, "bytes": len(page), "file": None if file is None else str(file)}
    )
