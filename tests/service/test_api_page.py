"""`/docs`: every request and document of the API, for people, and nothing of another site."""

from __future__ import annotations

import html

from support.page_service import PageService

from anchor.base.messages.message import Message
from anchor.service.app import make_app
from anchor.service.pages.api_page import list_groups, list_schemas, spell_type


def test_every_request_and_document_is_there_and_nothing_is_fetched(served: PageService) -> None:
    answer = served.ask("/docs")
    assert (
        answer.status_code == 200 and "script-src" not in answer.headers["Content-Security-Policy"]
    )
    assert "<script" not in answer.text and "http://" not in answer.text.replace("https://", "")
    text = html.unescape(answer.text)
    document = make_app().openapi()
    for path, operations in document["paths"].items():
        for method in operations:
            assert f"<code>{method.upper()} {path}</code>" in text
            assert f'"$SERVICE{path}"' in text
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in text
    members = {name: fields for name, _, fields in list_schemas(document)}["NumberMatches"]
    assert [(each.name, each.kind, each.is_required) for each in members] == [
        ("matches", "array of NumberMatchDocument", True),
        ("more", "boolean", True),
    ]


def test_headings_are_in_the_readers_language_and_linked_from_every_page(
    served: PageService,
) -> None:
    assert "接口文档" in served.ask("/docs?lang=zh").text
    assert 'href="/docs?lang=zh"' in served.ask("/about?lang=zh").text


def test_every_subject_has_a_heading_in_both_languages() -> None:
    assert all(isinstance(title, Message) for title, _ in list_groups(make_app().openapi()))


def test_a_type_is_spelt_in_a_few_words() -> None:
    listed = {"type": "array", "items": {"$ref": "#/components/schemas/Head"}}
    assert spell_type({"anyOf": [listed, {"type": "null"}]}) == "array of Head | null"
    assert spell_type({"enum": ["a", 1]}) == '"a" | 1'
    assert spell_type({}) == "any"
