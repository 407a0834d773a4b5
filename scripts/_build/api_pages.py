"""The pages python-api.md and http-api.md of the site, from docstrings and the OpenAPI document."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anchor
from anchor.base.messages.message import Message, translate
from anchor.service.pages.api_page import ApiField, ApiOperation, list_groups, list_schemas

_PYTHON = """\
# Python API

For Python developers: signatures and documentation of every name that `import anchor` offers, from
the docstrings. [The library](library.md) says in a line what each is for.
"""
_HTTP = """\
# HTTP API

For developers: every request and document of the service, from [openapi.json](openapi.json).
[The service](service.md) explains keys, states, limits and refusals.
`$SERVICE` is the address of the service, `$KEY` an API key, BODY a file with the request's body.
"""
_SECTION = re.compile(r"^(Args|Raises|Returns|Yields|Attributes):$")
_WIDTH = 88


class _Verbatim:
    """An annotation that is shown as it was written."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def describe_python(library: Path) -> str:
    """Return the page of ``anchor.__all__``, in the order and sections of docs/library.md."""
    parts = [_PYTHON]
    listed: list[str] = []
    for title, rows in _read_sections(library.read_text("utf-8")):
        parts.append(f"## {title}\n")
        for name in rows:
            listed.append(name)
            parts.append("\n".join(_describe_name(name)))
    if sorted(listed) != sorted(anchor.__all__):
        raise SystemExit("docs/library.md does not list every name of anchor.__all__ once")
    return "\n".join(parts)


def describe_http(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    parts = [_HTTP]
    for tag, operations in list_groups(document):
        title = translate(tag, "en") if isinstance(tag, Message) else tag
        parts.append(f"## {title}\n")
        parts += ["\n".join(_describe_operation(operation)) for operation in operations]
    parts.append("## Documents\n")
    for name, description, members in list_schemas(document):
        parts.append(f"### {name}\n")
        if description:
            parts.append(_convert(description))
        if members:
            parts.append("\n".join(_write_fields(members, "member")))
    return "\n".join(parts)


def _read_sections(text: str) -> Iterator[tuple[str, list[str]]]:
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        names = re.findall(r"^\| `(\w+)`(?: and `\w+`)? \|", body, re.MULTILINE)
        if names := [name for name in names if name in anchor.__all__]:
            yield title, names


def _describe_name(name: str) -> Iterator[str]:
    home = anchor._HOMES[name]
    value = getattr(importlib.import_module(home), name)
    yield f"### {name}\n"
    if isinstance(value, type) and issubclass(value, enum.Enum):
        yield _convert(inspect.getdoc(value) or "")
        yield "| member | value |\n|---|---|"
        for member in value:
            yield f"| `{member.name}` | `{member.value!r}` |"
        yield ""
    elif inspect.isclass(value):
        yield _fence(_sign(f"class {name}", value) if _has_signature(value) else f"class {name}")
        yield _convert(inspect.getdoc(value) or "")
        for own, member in _list_members(value):
            yield from _describe_member(name, own, member)
    elif inspect.isfunction(value):
        yield _fence(_sign(name, value))
        yield _convert(inspect.getdoc(value) or "")
    else:
        supertype = getattr(value, "__supertype__", None)
        shown = f'{name} = NewType("{name}", {supertype.__name__})' if supertype else name
        yield _fence(shown)


def _has_signature(value: type) -> bool:
    return not issubclass(value, BaseException) and (
        dataclasses.is_dataclass(value) or "__init__" in vars(value)
    )


def _list_members(value: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties that a class or a base of ours defines."""
    seen: set[str] = set()
    for base in value.__mro__:
        if not base.__module__.startswith("anchor"):
            continue
        for name, member in vars(base).items():
            if name.startswith("_") or name in seen:
                continue
            seen.add(name)
            if isinstance(member, (property, classmethod, staticmethod)) or inspect.isfunction(
                member
            ):
                yield name, member


def _describe_member(owner: str, name: str, member: Any) -> Iterator[str]:
    yield f"#### {owner}.{name}\n"
    if isinstance(member, property):
        returned = (member.fget.__annotations__ if member.fget else {}).get("return", "")
        yield _fence(f"{name}: {returned}" if returned else name)
    else:
        function = getattr(member, "__func__", member)
        yield _fence(_sign(name, function))
    yield _convert(inspect.getdoc(member) or "")


def _sign(name: str, value: Callable[..., Any] | type) -> str:
    """Return a definition as it would be written, on several lines if it is long."""
    signature = inspect.signature(value)
    parameters = [
        each.replace(annotation=_show(each.annotation), default=_shorten(each.default))
        for each in signature.parameters.values()
        if each.name not in ("self", "cls")
    ]
    returned = (
        inspect.Signature.empty if inspect.isclass(value) else _show(signature.return_annotation)
    )
    prefix = "" if name.startswith("class ") else "def "
    short = f"{prefix}{name}{signature.replace(parameters=parameters, return_annotation=returned)}"
    if len(short) <= _WIDTH:
        return short
    ending = "" if returned is inspect.Signature.empty else f" -> {returned!r}"
    lines = "".join(f"    {line},\n" for line in _list_parameters(parameters))
    return f"{prefix}{name}(\n{lines}){ending}"


def _list_parameters(parameters: Iterable[inspect.Parameter]) -> Iterator[str]:
    has_star = False
    for each in parameters:
        has_star = has_star or each.kind is inspect.Parameter.VAR_POSITIONAL
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not has_star:
            has_star = True
            yield "*"
        yield str(each)


def _show(annotation: Any) -> Any:
    return _Verbatim(annotation) if isinstance(annotation, str) else annotation


def _shorten(default: Any) -> Any:
    """Return a default as it is shown: one that has no literal, such as a function, as ``...``."""
    is_literal = default is inspect.Parameter.empty or not repr(default).startswith("<")
    return default if is_literal else _Verbatim("...")


def _convert(docstring: str) -> str:
    """Return a docstring as Markdown: sections as lists, examples as blocks of code."""
    lines: list[str] = []
    in_section = False
    for paragraph in docstring.strip().split("\n\n"):
        rows = paragraph.splitlines()
        if rows[0].startswith(">>>"):
            lines += ["```python", *rows, "```", ""]
            continue
        for row in rows:
            text = re.sub(r"``(.+?)``", r"`\1`", row.strip())
            if match := _SECTION.match(row):
                in_section = True
                lines += [f"*{match[1]}*", ""]
            elif in_section and re.match(r" {4}\S", row):
                lines.append(f"- {text}")
            elif in_section and row.startswith(" "):
                lines.append(f"  {text}")
            else:
                in_section = False
                lines.append(text)
        lines.append("")
    return "\n".join(lines)


def _describe_operation(operation: ApiOperation) -> Iterator[str]:
    yield f"### {operation.method} {operation.path}\n"
    yield f"{operation.summary}.\n"
    if operation.description:
        yield _convert(operation.description)
    if operation.fields:
        yield from _write_fields(operation.fields, "parameter")
    if operation.body:
        yield f"- Body: {_code(operation.body)}"
    yield f"- Answer: {_code(operation.answer)}"
    yield f"- Problems: {', '.join(operation.problems) or '–'}\n"
    yield _fence(operation.example, "text")


def _write_fields(fields: Iterable[ApiField], kind: str) -> Iterator[str]:
    yield f"| {kind} | type | meaning |"
    yield "|---|---|---|"
    for each in fields:
        place = f" ({each.place})" if each.place else ""
        required = ", required" if each.is_required else ""
        meaning = " ".join(each.description.split()).replace("|", "\\|")
        yield f"| `{each.name}`{place} | {_code(each.kind)}{required} | {meaning} |"
    yield ""


def _code(text: str) -> str:
    return f"`{text.replace(' | ', ' or ')}`"


def _fence(text: str, language: str = "python") -> str:
    return f"```{language}\n{text}\n```\n"
