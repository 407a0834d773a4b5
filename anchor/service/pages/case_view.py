"""The page of one case: what it shows, and to whom it offers which forms."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi.responses import Response

from anchor.base.system.clock import utc_now
from anchor.evidence.preservation_number import number_record
from anchor.evidence.record import parse_record
from anchor.people.actors import Actor
from anchor.people.lifetimes import LINK_DAYS
from anchor.service.caller import Caller
from anchor.service.pages.forms import Form
from anchor.service.pages.language import Reader
from anchor.service.pages.list_page import load_list_page
from anchor.service.pages.people_labels import (
    CASE_STATE_LABELS,
    LINK_STATE_LABELS,
    describe_actor,
)
from anchor.service.pages.rendering import answer_page
from anchor.service.worker import Service
from anchor.store.case_exhibits import ExhibitRow, load_exhibit_pieces
from anchor.store.case_links import load_case_links
from anchor.store.case_members import load_case_members
from anchor.store.case_notes import load_case_notes
from anchor.store.cases import CaseRow
from anchor.store.evidence import StoredEvidence
from anchor.store.memberships import load_members
from anchor.store.persons import find_persons

_NOTES = 20


@dataclass(frozen=True, slots=True)
class ShownExhibit:
    """An exhibit as pages show it; ``name`` and ``number`` are None once it is erased."""

    row: ExhibitRow
    name: str | None
    number: str | None


def show_exhibit(row: ExhibitRow, piece: StoredEvidence | None) -> ShownExhibit:
    """Return what pages show of an exhibit."""
    if piece is None or piece.record is None:
        return ShownExhibit(row, None, None)
    return ShownExhibit(row, parse_record(piece.record).name, number_record(piece.record))


async def answer_case(
    service: Service,
    reader: Reader,
    caller: Caller,
    case: CaseRow,
    form: Form,
    before: int | None = None,
    link: str | None = None,
) -> Response:
    """Return the page of a case, with what is wrong with a form that was sent from it.

    ``link`` is one that was just made, which is shown once.
    """
    at = utc_now()
    notes = await service.query(load_case_notes, case.id, _NOTES + 1, before=before)
    shown = notes[:_NOTES]
    members = await load_list_page(
        service, reader, "members", lambda row: (row.since, row.person.id),
        load_case_members, case.id,
    )  # fmt: skip
    actors = {case.created_by, *(note.author for note in shown)}
    actors |= {case.hold.placed_by} if case.hold is not None else set()
    persons = await service.query(find_persons, {Actor.decode(actor).id for actor in actors})
    pairs = await service.query(load_exhibit_pieces, case.id)
    manages = "manage" in caller.permissions
    others = None
    if manages:
        others = await load_list_page(
            service, reader, "others", lambda row: (row.since, row.person.id),
            load_members, caller.tenant, outside=case.id,
        )  # fmt: skip
    links = await service.query(load_case_links, case.id, at) if manages else []
    values = {
        "here": "account",
        "tenant": caller.tenant,
        "permissions": caller.permissions,
        "case": case,
        "names": {actor: describe_actor(actor, persons) for actor in actors},
        "states": CASE_STATE_LABELS,
        "exhibits": [show_exhibit(row, piece) for row, piece in pairs],
        "notes": shown,
        "before": before is not None,
        "next_before": shown[-1].id if len(notes) > _NOTES else None,
        "members": members,
        "others": others,
        "links": [(each, each.state_at(at)) for each in links],
        "link": link,
        "link_states": LINK_STATE_LABELS,
        "days": LINK_DAYS,
        "manages": manages,
        "writes": "submit" in caller.permissions,
        "form": form,
    }
    return answer_page("case.html", values, reader, status=422 if form.errors else 200)
