"""Error answers: what a problem document says in English, and its id, by which programs know it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from anchor.base.errors import AnchorError, ConfigError, MalformedError, StoreBusyError
from anchor.base.messages.message import Message, translate
from anchor.service import problems
from anchor.service.problems import FieldError, Problem, explain
from anchor.service.request_body import check_media_type
from anchor.service.schemas import ProblemDocument, WaitSeconds

HEADERS = [(b"content-type", b"text/plain")]
HERE = Request({"type": "http", "headers": HEADERS, "app": FastAPI()})


def read(answer: Any) -> dict[str, Any]:
    """Return an answer's document, which has the published form."""
    members = json.loads(answer.body)
    ProblemDocument.model_validate(members, strict=True)
    assert answer.status_code == members["status"]
    return members


def test_a_problem_names_its_message_beside_the_english_text() -> None:
    errors = [FieldError("/size", Message("submission-size-invalid"))]
    problem = Problem(422, Message("submission-invalid"), errors=errors)
    assert read(problem.response()) == {
        "type": "/problems/submission-invalid",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "the submission is invalid",
        "id": "submission-invalid",
        "errors": [{"pointer": "/size", "message": "not a number of bytes"}],
    }


def test_a_hint_follows_the_message_and_leaves_its_id() -> None:
    error = MalformedError(
        Message("proxy-malformed", actual="x"), hint=Message("proxy-malformed-hint")
    )
    problem = explain(error)
    assert read(problem.response())["id"] == "proxy-malformed"
    assert problem.detail == f"{error.message}; {error.hint}"
    assert translate(problem.detail, "zh") == (
        f"{translate(error.message, 'zh')}；{translate(error.hint, 'zh')}"
    )


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ConfigError(Message("config-signer-missing")), "service-needs-operator"),
        (StoreBusyError(Message("config-signer-missing")), "service-store-busy"),
        (AnchorError(Message("config-signer-missing")), "service-internal-error"),
        (OSError("/a/path"), "service-machine-failed"),
    ],
)
def test_what_is_for_the_operator_only_is_neither_told_nor_named(
    error: AnchorError | OSError, name: str
) -> None:
    members = read(explain(error).response())
    assert members["id"] == name
    assert "signer" not in members["detail"]
    assert "/a/path" not in members["detail"]


@pytest.mark.parametrize(
    ("status", "name", "detail"),
    [
        (404, "address-not-found", "there is nothing at this URL"),
        (405, "address-method-not-allowed", "this URL does not support that HTTP method"),
        (418, "request-refused", "the request was refused with status 418: I'm a Teapot"),
    ],
)
def test_a_refusal_by_the_framework_is_a_problem_of_this_service(
    status: int, name: str, detail: str
) -> None:
    members = read(problems._explain_http(HERE, HTTPException(status)).response())
    assert (members["id"], members["detail"]) == (name, detail)


def test_a_wrong_parameter_is_named_with_what_is_wrong() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(WaitSeconds).validate_python("61")
    (fault,) = caught.value.errors()
    error = RequestValidationError([{**fault, "loc": ("query", "wait")}])
    members = read(problems._answer_invalid(HERE, error))
    assert members["id"] == "request-parameter-invalid"
    assert members["errors"] == [{"pointer": "wait", "message": fault["msg"]}]


def test_the_media_types_that_a_body_may_have_are_named_in_every_language() -> None:
    with pytest.raises(Problem) as caught:
        check_media_type(HERE, "application/x-ndjson", "application/jsonl")
    detail = caught.value.detail
    assert detail == ("the body must be application/x-ndjson or application/jsonl (Content-Type)")
    assert translate(detail, "zh") == (
        "请求体须为 application/x-ndjson 或 application/jsonl（Content-Type）"
    )
