"""The key of ``anchor certify --sign``, and where its password comes from."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from anchor.base.errors import SignerError, UsageError
from anchor.base.messages.message import Message
from anchor.certificate.pdf_signature import (
    MAX_KEY_BYTES,
    load_pdf_signer,
    open_token_signer,
    sign_pdf,
)
from anchor.certificate.token_uri import SCHEME, parse_token_uri
from anchor.cli.console import Output
from anchor.cli.input_files import read_bounded


def open_pdf_key(output: Output, named: str, variable: str | None) -> Callable[[bytes], bytes]:
    """Return the function that signs a PDF with the key in a PKCS#12 file or on a token.

    ``named`` is the file's path or a PKCS#11 URI.  The password or PIN comes from the environment
    variable with this name, or from a prompt.
    """
    if named.startswith(SCHEME):
        key = parse_token_uri(named)
        token = key.token or key.serial or ""
        return partial(
            sign_pdf, signer=open_token_signer(key, _read_password(output, token, variable))
        )
    path = Path(named)
    data = read_bounded(path, MAX_KEY_BYTES)
    return partial(
        sign_pdf, signer=load_pdf_signer(path, data, _read_password(output, named, variable))
    )


def _read_password(output: Output, named: str, variable: str | None) -> str:
    if variable is not None:
        password = os.environ.get(variable)
        if password is None:
            raise UsageError(Message("pdf-key-variable-unset", name=variable[:80]))
        return password
    if not sys.stdin.isatty():
        raise SignerError(
            Message("keystore-password-without-terminal", path=named),
            hint=Message("pdf-key-password-hint"),
        )
    return getpass.getpass(output.say(Message("keystore-password-prompt", path=named)))
