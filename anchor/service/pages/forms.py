"""Forms of the pages: strictly read, bounded, and accepted from this site's pages only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from fastapi import Request

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.service.problems import Problem
from anchor.service.request_body import check_media_type, read_body
from anchor.service.session_cookies import check_origin
from anchor.service.worker import Service

_FORM = "application/x-www-form-urlencoded"
# Each check box is a field of its own.
_MAX_FIELDS = 20


@dataclass(frozen=True, slots=True)
class Form:
    """What was entered, and what is wrong with it by field: shown again beside each."""

    entered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    errors: Mapping[str, Message] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """Return a field's text without the spaces around it."""
        return next(iter(self.entered.get(name, ())), default).strip()

    def has(self, name: str, value: str) -> bool:
        """Return whether a check box with this value was ticked."""
        return value in self.entered.get(name, ())

    def refuse(self, **errors: Message) -> Form:
        """Return the form with errors beside fields."""
        return Form(self.entered, {**self.errors, **errors})


async def read_form(
    request: Request, service: Service, *names: str, several: tuple[str, ...] = ()
) -> Form:
    """Return the form in the body; ``several`` are fields that may be there more than once.

    Raises:
        Problem: The form comes from another site (403), or is none that these pages have (400).
    """
    check_media_type(request, _FORM)
    check_origin(request)
    body = await read_body(request, service.settings)
    try:
        return parse_form(body, names, several)
    except MalformedError as error:
        raise Problem(400, error.message) from error


def parse_form(body: bytes, names: tuple[str, ...], several: tuple[str, ...] = ()) -> Form:
    """Return the form in a body."""
    if not body:
        return Form()
    try:
        fields = parse_qs(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=_MAX_FIELDS,
            errors="strict",
        )
    except ValueError as error:
        raise MalformedError(Message("form-malformed")) from error
    for name, values in fields.items():
        if name not in (*names, *several) or (len(values) > 1 and name not in several):
            raise MalformedError(Message("form-malformed"))
        if any("\0" in value for value in values):
            raise MalformedError(Message("form-malformed"))
    return Form({name: tuple(values) for name, values in fields.items()})


def read_days(form: Form, default: int, most: int) -> int | None:
    """Return the number of days in the field ``days``; None if it is not between 1 and ``most``."""
    text = form.text("days", str(default))
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(most)):
        return None
    return int(text) if 1 <= int(text) <= most else None
