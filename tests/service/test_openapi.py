"""The service does what its OpenAPI document says, whatever it is sent (schemathesis)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
)
from support.paths import ROOT
from support.projects import make_site
from support.route_places import find_places
from support.service import Served, bearer, digest, make_key, serve

from anchor.chain.devnet import open_devnet
from anchor.service.app import make_app

# Other tests do without it: it takes half a second to load.
pytest_plugins = ["schemathesis.pytest.plugin"]
CONFIG = {"suppress_health_check": list(HealthCheck), "deadline": None, "derandomize": True}

OF_NO_TENANT = {
    "/v1/lookup/{number}", "/v1/notices/{record}", "/tile/{path}", "/anchors/{number}",
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    folder = tmp_path_factory.mktemp("openapi")
    with open_devnet(anvil=None) as node:
        site = make_site(folder / "project", node, number=950)
    key = make_key(site.folder, "acme", "submit", "read", "audit", "manage", "admin")
    # All the wrong keys come from one address.
    with serve(site.folder, "--quiet", "--anonymous-rate", "1000000", workers=1) as running:
        assert running.http.get("/openapi.json").is_success  # the worker has started
        yield running, key


@pytest.fixture
def document(served: tuple[Served, str]) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{served[0].url}/openapi.json")


schema = schemathesis.pytest.from_fixture("document")


@schemathesis.serializer(
    "application/x-ndjson",
    "application/offset+octet-stream",
)
def serialize_lines(_context: object, value: object) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


def check(case: Case, key: str, *others: Any) -> None:
    # That a record is canonical, no JSON schema can say.
    left_out = [positive_data_acceptance, *others]
    if case.path == "/v1/bulk":
        # Each line that is wrong is answered in its place, and the whole with 200.
        left_out.append(negative_data_rejection)
    if case.path.startswith("/v1/uploads"):
        # Another version of the protocol is answered as such, whatever else is asked.
        left_out.append(negative_data_rejection)
    if any(value in ([], {}) for value in (case.query or {}).values()):
        # A parameter without a value is not sent, so that nobody can refuse it.
        left_out.append(negative_data_rejection)
    case.call_and_validate(headers=bearer(key), timeout=30, excluded_checks=left_out)


@schema.parametrize()
@settings(max_examples=10, **CONFIG)
def test_every_answer_is_as_the_document_says(case: Case, served: tuple[Served, str]):
    check(case, served[1])


@pytest.fixture(scope="module")
def ids(served: tuple[Served, str]) -> dict[str, str]:
    """The id of one of everything that a key can make, by kind."""

    def make(path: str, body: object = None) -> dict[str, Any]:
        content = {} if body is None else {"json": body}
        answer = served[0].http.post(f"/v1{path}", headers=bearer(served[1]), **content)
        assert answer.is_success, (path, answer.text)
        made: dict[str, Any] = answer.json()
        return made

    hook = {"url": "https://receiver.example/", "events": ["key.created"]}
    case = make("/cases", {"number": "1", "title": "one"})["id"]
    evidence = make("/evidence", {"sha256": digest(1)})["id"]
    make("/invitations", {"role": "reader"})
    make(f"/cases/{case}/links", {"label": "court"})
    listed = [
        served[0].http.get(f"/v1/{path}", headers=bearer(served[1])).json()[name][0]["id"]
        for path, name in ((f"cases/{case}/links", "links"), ("invitations", "invitations"))
    ]
    return {
        "case": case,
        "evidence": evidence,
        "exhibit": make(f"/cases/{case}/exhibits", {"evidence": evidence})["id"],
        "certificate": make(f"/evidence/{evidence}/certificates")["id"],
        "webhook": make("/webhooks", hook)["id"],
        "key": make("/keys", {"scopes": ["read"]})["id"],
        "link": listed[0],
        "invitation": listed[1],
    }


@pytest.mark.release
@schema.parametrize()
@settings(max_examples=10, **CONFIG)
def test_every_answer_about_what_is_there_is_as_the_document_says(
    case: Case, served: tuple[Served, str], ids: dict[str, str]
):
    # A stream of events lasts until the evidence is anchored.
    if case.path in OF_NO_TENANT or case.path.endswith("/events"):
        return
    named = {name: ids[kind] for name, kind in find_places(case.path).items() if kind in ids}
    case.path_parameters = {**(case.path_parameters or {}), **named}
    if "wait" in (case.query or {}):
        case.query = {**case.query, "wait": 0}
    # What was malformed may have been replaced.
    check(case, served[1], negative_data_rejection, ignored_auth)


@pytest.mark.release
@schema.parametrize()
@settings(max_examples=5, **CONFIG)
def test_every_answer_to_a_stranger_is_as_the_document_says(case: Case):
    answer = case.call(timeout=30)
    case.validate_response(
        answer, excluded_checks=[positive_data_acceptance, negative_data_rejection, ignored_auth]
    )
    if case.operation.definition.raw.get("security"):
        assert answer.status_code in (400, 401, 404, 405, 413, 415, 422), answer.status_code


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=1_000, **CONFIG)
def test_every_answer_is_as_the_document_says_at_length(case: Case, served: tuple[Served, str]):
    # Thousands of wrong keys from one address are answered with 429, as test_strangers.py wants.
    check(case, served[1], ignored_auth)


def test_the_document_that_is_published_is_the_one_that_is_served(served: tuple[Served, str]):
    page = ROOT / "docs" / "openapi.json"
    assert served[0].http.get("/openapi.json").json() == json.loads(page.read_text("utf-8"))


def find_refs(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from find_refs(value)
    elif isinstance(part, list):
        for value in part:
            yield from find_refs(value)


def test_the_document_refers_to_nothing_that_it_lacks():
    page = make_app().openapi()
    refs = set(find_refs(page))
    assert refs
    for ref in refs:
        assert ref.removeprefix("#/components/schemas/") in page["components"]["schemas"], ref


def test_no_member_of_a_submission_is_said_to_be_null():
    schemas = make_app().openapi()["components"]["schemas"]
    for name in ("DigestSubmission", "RecordSubmission"):
        assert '"null"' not in json.dumps(schemas[name])
        assert "default" not in json.dumps(schemas[name])
    assert schemas["DigestSubmission"]["anyOf"] == [{"required": ["sha256"]}, {"required": ["sm3"]}]


@pytest.mark.parametrize(("path", "status"), [("/healthz", "alive"), ("/readyz", "ready")])
def test_health_checks_say_what_they_answer(path: str, status: str):
    page = make_app().openapi()
    (ref,) = find_refs(page["paths"][path]["get"]["responses"]["200"])
    (member,) = page["components"]["schemas"][ref.rpartition("/")[2]]["properties"].items()
    assert member[0] == "status" and member[1]["const"] == status


# Lists that come whole, and what keeps each short.
WHOLE = {
    "/v1/cases/{case}/exhibits": "at most 1,000",
    "/v1/cases/{case}/links": "at most 100",
    "/v1/operator/addresses": "at most 1,000 blocked, a hundred that were limited",
    "/v1/operator/jobs": "by kind, and a hundred that fail",
    "/v1/operator/outbox": "a hundred that failed",
    "/v1/webhooks": "at most 20",
    "/v1/webhooks/{id}/deliveries": "the newest hundred",
}
# What has arrays and is no list, but one thing or the answer to one question.
SINGLE = (
    "/v1/captures/{capture}",
    "/v1/cases/{case}",
    "/v1/evidence/{id}/receipt",
    "/v1/lookup/{number}",
    "/v1/notices/{record}",
    "/v1/webhooks/{id}",
)
FILES = {
    "/v1/audit-trail/{day}",
    "/v1/cases/{case}/package",
    "/v1/certificates/{certificate}/files/{kind}",
    "/v1/evidence/{id}/copy",
    "/v1/evidence/{id}/package",
    "/v1/evidence/{id}/receipt",
    "/v1/notices/{record}",
}
# What programs follow and people do not save: events, the log's tiles and checkpoints.
STREAMS = {"/v1/evidence/{id}/events", "/checkpoint", "/tile/{path}", "/anchors/{number}"}


def list_answers() -> Iterator[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Yield the address, the request, the answer and its form of every GET."""
    page = make_app().openapi()
    for path, operations in page["paths"].items():
        if request := operations.get("get"):
            answer = request["responses"]["200"]
            form = answer["content"].get("application/json", {}).get("schema", {})
            name = form.get("$ref", "").rpartition("/")[2]
            yield path, request, answer, page["components"]["schemas"].get(name, form)


def test_every_list_comes_in_pages_or_is_known_to_be_short():
    whole = set()
    for path, request, answer, form in list_answers():
        members = form.get("properties", {})
        parameters = {each["name"] for each in request.get("parameters", ())}
        is_list = form.get("type") == "array" or "array" in [
            member.get("type") for member in members.values()
        ]
        if "next" in members:
            assert "limit" in parameters and parameters & {"before", "after", "cursor"}, path
            assert "Link" in answer["headers"], path
        elif is_list and path not in SINGLE:
            whole.add(path)
    assert whole == set(WHOLE)


def test_every_file_is_named_and_everything_else_is_a_document_or_a_stream():
    named = {
        path
        for path, _, answer, _ in list_answers()
        if "Content-Disposition" in answer.get("headers", {})
    }
    assert named == FILES
    others = {path for path, _, answer, form in list_answers() if not form and path not in named}
    assert others == STREAMS
