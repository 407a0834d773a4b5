"""Columns of an extract: how values keep their type in Parquet, and how they are spelt in CSV.

A column has its own type in Parquet only if that holds every value exactly; otherwise the column is
text, as the database spells the values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from anchor.base.canonical import JsonValue

Value: TypeAlias = str | int | float | bytes | None

_DECIMAL = re.compile(r"numeric\((\d+),(\d+)\)")
# Digits of the widest decimal number of Parquet that its readers share.
_MOST_DIGITS = 76


class ExtractColumn(Protocol):
    """A column whose values are kept as text until all of them have been seen."""

    name: str

    def spool(self, values: Sequence[Value]) -> Any:
        """Return values as an Arrow array of text, from which they can be restored."""
        ...

    def restore(self, spooled: Any) -> tuple[Any, Any]:
        """Return the arrays for Parquet and, as text, for CSV; call it after the last `spool`."""
        ...

    def describe(self) -> dict[str, JsonValue]:
        """Return the types of the column in the database and in Parquet."""
        ...


class TypedColumn:
    """A column of PostgreSQL, whose values are the server's own text."""

    def __init__(self, name: str, declared: str) -> None:
        self.name = name
        self._declared = declared
        self._type = _choose_type(declared)
        self._fits = True

    def spool(self, values: Sequence[Value]) -> Any:
        """Return the values; one that Parquet's type cannot hold makes the column text."""
        import pyarrow as pa

        texts = pa.array(values, pa.string())
        if self._fits:
            try:
                _read_text(texts, self._type)
            except pa.ArrowInvalid:
                self._fits = False
        return texts

    def restore(self, spooled: Any) -> tuple[Any, Any]:
        """Return the arrays for Parquet and for CSV."""
        return (_read_text(spooled, self._type) if self._fits else spooled), spooled

    def describe(self) -> dict[str, JsonValue]:
        """Return the types of the column."""
        kept = str(self._type) if self._fits else "string"
        return {"name": self.name, "type": self._declared, "parquet": kept}


def _choose_type(declared: str) -> Any:
    """Return the Arrow type for a type of PostgreSQL, as ``format_type`` spells it."""
    import pyarrow as pa

    if match := _DECIMAL.fullmatch(declared):
        precision, scale = map(int, match.groups())
        if scale <= precision <= _MOST_DIGITS:
            return (
                pa.decimal128(precision, scale)
                if precision <= 38
                else pa.decimal256(precision, scale)
            )
    base = re.sub(r"\(\d+\)", "", declared)
    return {
        "boolean": pa.bool_(),
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "oid": pa.uint32(),
        "real": pa.float32(),
        "double precision": pa.float64(),
        "date": pa.date32(),
        "timestamp without time zone": pa.timestamp("us"),
        "timestamp with time zone": pa.timestamp("us", tz="UTC"),
        "bytea": pa.binary(),
    }.get(base, pa.string())


def _read_text(texts: Any, kind: Any) -> Any:
    """Return texts of PostgreSQL as values of an Arrow type."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(kind):
        return pc.equal(texts, "t")
    if pa.types.is_binary(kind):
        return pa.array([_read_hex(text) for text in texts.to_pylist()], kind)
    return texts.cast(kind)


def _read_hex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text.removeprefix("\\x"))


# A value of SQLite has a type of its own: the first character of its spooled text.
_SPELLINGS: dict[type, tuple[str, Callable[[Any], str]]] = {
    int: ("i", str),
    float: ("r", repr),
    str: ("t", str),
    bytes: ("b", bytes.hex),
}


class DynamicColumn:
    """A column of SQLite, in which each value has its own type.

    Values of several types make the column text, in which each is an SQL literal.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._kinds: set[str] = set()

    def spool(self, values: Sequence[Value]) -> Any:
        """Return the values as text, after the letter of its type."""
        import pyarrow as pa

        texts = [None if value is None else _spell(value) for value in values]
        self._kinds.update(text[0] for text in texts if text)
        return pa.array(texts, pa.string())

    def restore(self, spooled: Any) -> tuple[Any, Any]:
        """Return the arrays for Parquet and for CSV."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if len(self._kinds) > 1:
            literals = [_spell_literal(text) for text in spooled.to_pylist()]
            return (pa.array(literals, pa.string()),) * 2
        texts = pc.utf8_slice_codeunits(spooled, start=1)
        if self._kinds == {"b"}:
            texts = pc.binary_join_element_wise("\\x", texts, "")
        return _read_text(texts, self._type()), texts

    def describe(self) -> dict[str, JsonValue]:
        """Return the types of the column's values, and the type in Parquet."""
        names = {"i": "integer", "r": "real", "t": "text", "b": "blob"}
        declared = ", ".join(names[kind] for kind in "irtb" if kind in self._kinds)
        return {"name": self.name, "type": declared or "null", "parquet": str(self._type())}

    def _type(self) -> Any:
        import pyarrow as pa

        types = {"i": pa.int64(), "r": pa.float64(), "t": pa.string(), "b": pa.binary()}
        return types[next(iter(self._kinds))] if len(self._kinds) == 1 else pa.string()


def _spell(value: str | int | float | bytes) -> str:
    letter, spell = _SPELLINGS[type(value)]
    return letter + spell(value)


def _spell_literal(spooled: str | None) -> str | None:
    """Return a value as SQLite's ``quote`` spells it."""
    if spooled is None:
        return None
    letter, text = spooled[0], spooled[1:]
    if letter == "t":
        return "'" + text.replace("'", "''") + "'"
    if letter == "b":
        return f"X'{text.upper()}'"
    return text.replace("inf", "9.0e+999")
