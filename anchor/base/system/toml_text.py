"""TOML documents that people write by hand, and what is wrong with them in our own words."""

from __future__ import annotations

import re
import tomllib
from codecs import BOM_UTF8
from typing import Any

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message

_POSITION = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
# How the parser's messages begin, and what they mean; any other message is quoted unchanged.
_FAULTS = (
    ("Invalid statement|Expected '='|Invalid initial", Message("page-toml-key")),
    ("Expected newline", Message("page-toml-line-goes-on")),
    ("Illegal character|Found invalid", Message("page-toml-control-character")),
    ("Expected '\\]", Message("toml-fault-heading")),
    ("Expected|Unterminated string", Message("toml-fault-string-open")),
    ("Unclosed", Message("toml-fault-list-open")),
    ("Unescaped|Invalid hex|Escaped", Message("toml-fault-backslash")),
    ("Invalid value|Invalid date", Message("toml-fault-value")),
    ("Cannot|Duplicate", Message("toml-fault-twice")),
)


def parse_toml(data: bytes) -> dict[str, Any]:
    """Parse a TOML document; a byte order mark before it is ignored.

    Raises:
        MalformedError: The document is not UTF-8 or not TOML; the message is the reason alone.
    """
    try:
        return tomllib.loads(data.removeprefix(BOM_UTF8).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedError(Message("toml-fault-not-utf8", position=error.start)) from error
    except tomllib.TOMLDecodeError as error:
        raise MalformedError(_explain(str(error))) from error
    except RecursionError as error:
        raise MalformedError(Message("page-toml-list-too-deep")) from error
    except ValueError as error:  # by int(), whose digits are limited
        raise MalformedError(Message("toml-fault-number")) from error


def _explain(text: str) -> Message:
    position = _POSITION.fullmatch(text)
    said = text if position is None else position[1]
    fault = next((fault for begin, fault in _FAULTS if re.match(begin, said)), said)
    if position is None or position[2] is None:
        return Message("toml-fault-at-end", fault=fault)
    return Message("toml-fault-at", line=int(position[2]), column=int(position[3]), fault=fault)
