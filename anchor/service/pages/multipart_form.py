"""Forms with a file (``multipart/form-data``, RFC 7578), strictly read and bounded."""

from __future__ import annotations

from email.errors import MessageError
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from email.policy import HTTP

from fastapi import Request

from anchor.errors import MalformedError
from anchor.messages.message import Message
from anchor.service.pages.forms import Form
from anchor.service.problems import Problem
from anchor.service.request_body import check_media_type, read_body
from anchor.service.session_cookies import check_origin
from anchor.service.worker import Service


async def read_file_form(
    request: Request, service: Service, *names: str, file: str
) -> tuple[Form, bytes]:
    """Return the form in the body, and the bytes of its field ``file``; empty without a file.

    Raises:
        Problem: The form comes from another site (403), or is none that these pages have (400).
    """
    check_media_type(request, "multipart/form-data")
    check_origin(request)
    body = await read_body(request, service.settings)
    try:
        return parse_file_form(request.headers["Content-Type"], body, names, file)
    except MalformedError as error:
        raise Problem(400, error.message) from error


def parse_file_form(
    content_type: str, body: bytes, names: tuple[str, ...], file: str
) -> tuple[Form, bytes]:
    """Return the form in a body, and the bytes of its file."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    try:
        whole = BytesParser(EmailMessage, policy=HTTP).parsebytes(head + body)
        parts = list(whole.iter_parts()) if whole.is_multipart() else []
        fields = [_read_part(part) for part in parts]
    except (MessageError, ValueError, LookupError, KeyError) as error:
        raise MalformedError(Message("form-malformed")) from error
    entered = dict(fields)
    if not fields or len(entered) < len(fields) or entered.keys() - {*names, file}:
        raise MalformedError(Message("form-malformed"))
    data = entered.pop(file, b"")
    try:
        return Form({name: (text.decode("utf-8"),) for name, text in entered.items()}), data
    except UnicodeDecodeError as error:
        raise MalformedError(Message("form-malformed")) from error


def _read_part(part: MIMEPart) -> tuple[str, bytes]:
    """Return a part's name and bytes, which browsers never encode."""
    name = part.get_param("name", header="content-disposition")
    payload = part.get_payload(decode=True)
    if part.get_content_disposition() != "form-data" or not isinstance(name, str):
        raise ValueError("a part is no field")
    if part.defects or not isinstance(payload, bytes) or "content-transfer-encoding" in part:
        raise ValueError("a part is malformed")
    return name, payload
