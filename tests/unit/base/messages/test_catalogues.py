"""The catalogues hold what the sources use, and nothing else; every template takes its operands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from string import Formatter

import pytest
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes
from support.paths import PACKAGE, ROOT

from anchor.base.messages.catalogue import Language, load_catalogue

FOLDER = PACKAGE / "base" / "messages"
LANGUAGES: tuple[Language, ...] = ("en", "zh")
# A call in the page's sources, message("id", { name: value, other }), and a label in its markup.
PAGE_CALL = re.compile(r'\bmessage\(\s*"([a-z0-9-]+)"(?:,\s*\{([^{}]*)\})?')
PAGE_LABEL = re.compile(r'\bdata-t="([^"]+)"')
WORD = re.compile("[A-Za-z]{2,}")
# Their words are names, or Chinese leaves them out.
WITHOUT_CHINESE = {"column-gas", "path-complaint"}
# What only Chinese readers are told: times in Beijing beside UTC.
ONLY_CHINESE = {"day-in-utc": {"beijing"}, "moment-in-utc": {"beijing"}}
CHARACTER = re.compile("[\u4e00-\u9fff]")


@cache
def list_uses() -> tuple[tuple[str, str, frozenset[str]], ...]:
    """Return each use of a message: where it stands, its id and the names of its operands."""
    return (*_read_package(), *_read_templates(), *_read_page())


def _read_package() -> Iterator[tuple[str, str, frozenset[str]]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) != "Message":
                continue
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            (first,) = node.args
            if path.parent == FOLDER and isinstance(first, ast.Name):
                continue  # join() takes the id as an argument
            assert isinstance(first, ast.Constant), f"{where} computes an id"
            names = [keyword.arg for keyword in node.keywords]
            assert None not in names, f"{where} hides its operands behind **"
            yield where, first.value, frozenset(name for name in names if name)


def _read_templates() -> Iterator[tuple[str, str, frozenset[str]]]:
    for path in sorted((PACKAGE / "service" / "pages" / "templates").iterdir()):
        tree = Environment().parse(path.read_text("utf-8"))
        for call in tree.find_all(nodes.Call):
            if not isinstance(call.node, nodes.Name) or call.node.name != "message":
                continue
            where = f"{path.relative_to(ROOT)}:{call.lineno}"
            (first,) = call.args
            assert isinstance(first, nodes.Const), f"{where} computes an id"
            assert call.dyn_kwargs is None, f"{where} hides its operands behind **"
            yield where, first.value, frozenset(keyword.key for keyword in call.kwargs)


def _read_page() -> Iterator[tuple[str, str, frozenset[str]]]:
    for path in sorted((ROOT / "web" / "src").rglob("*.ts")):
        for key, operands in PAGE_CALL.findall(path.read_text("utf-8")):
            names = (part.split(":")[0].strip() for part in operands.split(","))
            yield path.name, key, frozenset(name for name in names if name)
    markup = ROOT / "web" / "body.html"
    for key in PAGE_LABEL.findall(markup.read_text("utf-8")):
        yield markup.name, key, frozenset()


def list_fields(template: str) -> Mapping[str, str]:
    """Return the operands that a template names, each with its conversion and format."""
    return {
        name: f"{conversion or ''}:{spec}"
        for _, name, spec, conversion in Formatter().parse(template)
        if name is not None
    }


def test_every_message_that_is_used_is_in_the_catalogue_with_its_operands() -> None:
    english = load_catalogue("en")
    for where, key, operands in list_uses():
        assert key in english, f"{where} uses the message {key}, which en.po does not hold"
        named = list_fields(english[key]).keys() | ONLY_CHINESE.get(key, set())
        assert operands == named, f"{where}: the operands of {key}"


def test_every_message_of_the_catalogue_is_used() -> None:
    used = {key for _, key, _ in list_uses()}
    assert load_catalogue("en").keys() - used == set()


def test_the_catalogues_hold_the_same_messages_with_the_same_operands() -> None:
    english, chinese = load_catalogue("en"), load_catalogue("zh")
    assert english.keys() == chinese.keys()
    for key, template in english.items():
        fields = dict(list_fields(chinese[key]))
        assert all(fields.pop(name) for name in ONLY_CHINESE.get(key, ())), key
        assert fields == list_fields(template), key
        assert all(name.isidentifier() for name in list_fields(template)), key
        has_words = WORD.search("".join(text for text, *_ in Formatter().parse(template)))
        assert CHARACTER.search(chinese[key]) or not has_words or key in WITHOUT_CHINESE, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_what_gettext_reads_in_it(language: Language) -> None:
    with (FOLDER / f"{language}.po").open("rb") as file:
        read = {str(entry.id): str(entry.string) for entry in read_po(file) if entry.id}
    assert read == load_catalogue(language)
    assert list(read) == sorted(read)
    assert len(re.findall("^msgid ", (FOLDER / f"{language}.po").read_text(), re.M)) == 1 + len(
        read
    )
