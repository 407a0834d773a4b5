"""The messages of pydantic's validation errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anchor.base.messages.message import Message


def describe_fault(fault: Mapping[str, Any]) -> Message:
    """Return the message of one entry of ``ValidationError.errors()``, its context included.

    It never holds the value, which may be a secret.  The English is pydantic's own, but without
    "Value error" before a message of this package.
    """
    kind, context = fault["type"], fault.get("ctx", {})
    message = _PLAIN.get(kind) or _describe_bound(kind, context) or _describe_form(kind, context)
    return message or Message("value-refused", reason=fault["msg"])


_PLAIN = {
    "missing": Message("member-required"),
    "extra_forbidden": Message("member-superfluous"),
    "bool_type": Message("value-not-boolean"),
    "bool_parsing": Message("value-not-boolean-text"),
    "dict_type": Message("value-not-dictionary"),
    "finite_number": Message("value-not-finite"),
    "float_parsing": Message("value-not-number-text"),
    "float_type": Message("value-not-number"),
    "int_from_float": Message("value-not-whole"),
    "int_parsing": Message("value-not-integer-text"),
    "int_parsing_size": Message("value-integer-too-long"),
    "int_type": Message("value-not-integer"),
    "list_type": Message("value-not-list"),
    "model_attributes_type": Message("value-not-document"),
    "none_required": Message("value-not-none"),
    "string_type": Message("value-not-string"),
    "string_unicode": Message("value-not-unicode"),
    "tuple_type": Message("value-not-tuple"),
}
_COLLECTIONS = {
    "Dictionary": Message("value-kind-dictionary"),
    "List": Message("value-kind-list"),
    "Tuple": Message("value-kind-tuple"),
}


def _describe_bound(kind: str, context: Mapping[str, Any]) -> Message | None:
    """Return the message of a value beyond its bound; None if ``kind`` is another kind of fault."""
    match kind:
        case "greater_than":
            return Message("value-not-above", limit=_format(context["gt"]))
        case "greater_than_equal":
            return Message("value-below-limit", limit=_format(context["ge"]))
        case "less_than":
            return Message("value-not-below", limit=_format(context["lt"]))
        case "less_than_equal":
            return Message("value-above-limit", limit=_format(context["le"]))
        case "string_too_long" if context["max_length"] == 1:
            return Message("value-text-too-long-for-one", limit=1)
        case "string_too_long":
            return Message("value-text-too-long", limit=context["max_length"])
        case "string_too_short" if context["min_length"] == 1:
            return Message("value-text-too-short-for-one", limit=1)
        case "string_too_short":
            return Message("value-text-too-short", limit=context["min_length"])
        case "too_long" | "too_short":
            return _describe_count(kind, context)
    return None


def _describe_count(kind: str, context: Mapping[str, Any]) -> Message:
    name, count = context["field_type"], context["actual_length"]
    of = _COLLECTIONS.get(name, name)
    shown = Message("value-items-more") if count is None else count  # pydantic stopped counting
    if kind == "too_short":
        limit = context["min_length"]
        if limit == 1:
            return Message("value-items-too-few-for-one", kind=of, limit=limit, actual=shown)
        return Message("value-items-too-few", kind=of, limit=limit, actual=shown)
    limit = context["max_length"]
    if limit == 1:
        return Message("value-items-too-many-for-one", kind=of, limit=limit, actual=shown)
    return Message("value-items-too-many", kind=of, limit=limit, actual=shown)


def _describe_form(kind: str, context: Mapping[str, Any]) -> Message | None:
    """Return the message of a value of the wrong form; None if ``kind`` has no message here."""
    match kind:
        case "literal_error" | "enum":
            first, _, last = context["expected"].rpartition(" or ")
            choice = Message("choice-or", first=first, last=last) if first else last
            return Message("value-not-among", choice=choice)
        case "string_pattern_mismatch":
            return Message("value-pattern-differs", pattern=context["pattern"])
        case "model_type":
            return Message("value-not-instance", kind=context["class_name"])
        case "json_invalid":
            return Message("value-not-json", reason=context["error"])
        case "value_error":
            reason = next(iter(context["error"].args), None)
            return reason if isinstance(reason, Message) else None
    return None


def _format(limit: float) -> str:
    return str(limit).removesuffix(".0")
