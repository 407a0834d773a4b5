"""``/batch``: what has each number of a list, for everybody; a script there verifies ZIP files."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from anchor.errors import MalformedError
from anchor.ethereum.known_chains import find_chain
from anchor.evidence.number_list import MAX_NUMBERS, read_number_file, read_pasted
from anchor.messages.message import Message
from anchor.service.number_batch import NumberBatch, look_up_all
from anchor.service.number_lookup import limit_guesses
from anchor.service.pages.forms import Form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.multipart_form import read_file_form
from anchor.service.pages.number_facts import explain_latest, label_latest
from anchor.service.pages.number_table import list_lines, make_download, write_csv
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import LOCAL_SCRIPT_POLICY, answer_page, static_path
from anchor.service.problems import Problem
from anchor.service.routes.lookup import describe_batch
from anchor.service.worker import CurrentService, Service

router = APIRouter(include_in_schema=False, route_class=PageRoute)

# What web/src/batch/archive.ts takes, as the page says it.
_ZIP_LIMITS: Final = {"zip_megabytes": 50, "zip_entries": 2_000}


@router.get("/batch")
async def batch_page(service: CurrentService, reader: CurrentReader) -> Response:
    """Show the form for a list of numbers."""
    return _answer(service, reader, Form())


@router.post("/batch", dependencies=[Depends(limit_guesses)])
async def batch(request: Request, service: CurrentService, reader: CurrentReader) -> Response:
    """Show what has each number of the list, with the same as files."""
    form, data = await read_file_form(request, service, "numbers", file="file")
    pasted = form.text("numbers")
    try:
        if pasted and data:
            raise MalformedError(Message("batch-both"))
        texts = read_number_file(data) if data else read_pasted(pasted)
        if not texts:
            raise MalformedError(Message("batch-empty"))
    except MalformedError as error:
        place = "file" if data and not pasted else "numbers"
        return _answer(service, reader, form.refuse(**{place: error.message}), status=422)
    try:
        answers = await look_up_all(request, service, texts)
    except Problem as problem:
        if problem.status not in (422, 429):
            raise
        page = _answer(service, reader, form.refuse(numbers=problem.detail), status=problem.status)
        page.headers.update(problem.headers)
        return page
    return _answer(service, reader, form, answers)


def _answer(
    service: Service,
    reader: Reader,
    form: Form,
    answers: NumberBatch | None = None,
    *,
    status: int = 200,
) -> Response:
    values: dict[str, object] = {"here": "number", "form": form, "most": MAX_NUMBERS}
    values |= {"lines": None, "left": None, "files": (), "script": static_path("batch.js")}
    if answers is not None:
        lines = list_lines(answers.rows, service.project.config)
        document = describe_batch(answers, service.project.config)
        chain = find_chain(service.project.config.chain_id)
        values |= {
            "lines": lines,
            "left": answers.left,
            "latest_label": label_latest(chain),
            "latest_basis": explain_latest(chain.time_slack),
            "files": [
                ("csv", make_download("text/csv", write_csv(lines, reader.language))),
                ("json", make_download("application/json", document.model_dump_json().encode())),
            ],
        }
    values |= _ZIP_LIMITS
    return answer_page("batch.html", values, reader, status=status, policy=LOCAL_SCRIPT_POLICY)
