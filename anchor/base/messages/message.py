"""Messages: an id of the catalogues with operands, and the English text made from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, Self

from anchor.base.messages.catalogue import Language, load_catalogue


class Message(str):
    """A sentence for people: the English text, with the id and operands to translate it.

    An operand is a name, a number or text that is the same in every language, another message, or
    an exception, which stands for its own message.
    """

    id: str
    operands: dict[str, object]

    def __new__(cls, id: str, /, **operands: object) -> Self:
        """Return the message ``id`` with the operands that its template names.

        Raises:
            KeyError: The English catalogue has no such id, or its template names an operand that
                is missing.
        """
        read = {name: _unwrap(value) for name, value in operands.items()}
        message = super().__new__(cls, load_catalogue("en")[id].format_map(read))
        message.id, message.operands = id, read
        return message

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        return (self.id,), self.operands


def translate(text: str, language: Language) -> str:
    """Return a message in another language; text that is not a message is returned unchanged."""
    if not isinstance(text, Message):
        return text
    if language == "en":
        return str(text)
    operands = {
        name: translate(value, language) if isinstance(value, str) else value
        for name, value in text.operands.items()
    }
    return load_catalogue(language)[text.id].format_map(operands)


def join(
    texts: Iterable[str], by: Literal["comma", "clause", "semicolon", "and"] = "comma"
) -> Message:
    """Join ``texts`` into one message, which is empty if there are none."""
    return _join(tuple(texts), by)


def _join(texts: Sequence[str], by: str) -> Message:
    # Joined by halves, so that n texts nest only log2(n) deep.
    if len(texts) < 2:
        return _to_message(texts[0] if texts else "")
    first, rest = _join(texts[: len(texts) // 2], by), _join(texts[len(texts) // 2 :], by)
    match by:
        case "clause":
            return Message("list-clauses", first=first, rest=rest)
        case "semicolon":
            return Message("list-semicolon", first=first, rest=rest)
        case "and":
            return Message("list-and", first=first, rest=rest)
        case _:
            return Message("list-comma", first=first, rest=rest)


def _to_message(text: str) -> Message:
    return text if isinstance(text, Message) else Message("list-single", text=text)


def _unwrap(value: object) -> object:
    """Return text, numbers and times as they are, and the text of any other value."""
    if isinstance(value, BaseException):
        stated = value.args[0] if value.args else ""
        return stated if isinstance(stated, Message) else str(value)
    # Any other object is not kept: it could hold a secret that its text omits.
    return value if isinstance(value, str | int | float | datetime) else str(value)
