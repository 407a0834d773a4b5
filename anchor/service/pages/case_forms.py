"""Forms of cases and exhibits: reading them, and filling them in with what is stored."""

from __future__ import annotations

from typing import Final

from anchor.base.messages.message import Message
from anchor.people.case_rules import (
    CASE_TEXTS,
    EXHIBIT_TEXTS,
    MAX_EXHIBITS,
    read_parties,
    write_parties,
)
from anchor.people.plain_text import clean_text, find_text_faults
from anchor.service.pages.forms import Form
from anchor.store.case_exhibits import ExhibitFields, ExhibitRow
from anchor.store.cases import CaseFields

CASE_FORM: Final = ("number", "title", "authority", "parties", "shared")
EXHIBIT_FORM: Final = ("label", "purpose", "note")


def fill_case_form(fields: CaseFields) -> Form:
    """Return the form with a case's fields."""
    return Form(
        {
            "number": (fields.number,),
            "title": (fields.title,),
            "authority": (fields.authority,),
            "parties": (write_parties(fields.parties),),
            **({"shared": ("yes",)} if fields.is_shared else {}),
        }
    )


def read_case_form(form: Form) -> tuple[CaseFields, Form]:
    """Return the fields in a form, and the form with what is wrong beside each."""
    texts = {name: clean_text(form.text(name)) for name in CASE_TEXTS}
    parties, fault = read_parties(form.text("parties"))
    faults = find_text_faults(texts, CASE_TEXTS)
    if fault is not None:
        faults["parties"] = fault
    fields = CaseFields(**texts, parties=tuple(parties), is_shared=form.has("shared", "yes"))
    return fields, form.refuse(**faults)


def fill_exhibit_form(exhibit: ExhibitRow) -> Form:
    """Return the form with an exhibit's words and position."""
    entered = {name: (getattr(exhibit, name),) for name in EXHIBIT_FORM}
    return Form({**entered, "position": (str(exhibit.position),)})


def read_exhibit_form(form: Form) -> tuple[ExhibitFields, Form]:
    """Return an exhibit's words in a form, and the form with what is wrong beside each."""
    texts = {name: clean_text(form.text(name)) for name in EXHIBIT_FORM}
    return ExhibitFields(**texts), form.refuse(**find_text_faults(texts, EXHIBIT_TEXTS))


def read_position(form: Form) -> int | None:
    """Return the position in a form; None if it is none that a case has."""
    text = form.text("position")
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(MAX_EXHIBITS)):
        return None
    return int(text) if 1 <= int(text) <= MAX_EXHIBITS else None


def refuse_position(form: Form) -> Form:
    """Return the form with what is wrong with its position."""
    return form.refuse(position=Message("form-position-invalid", limit=MAX_EXHIBITS))
