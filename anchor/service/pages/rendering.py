"""Pages as bytes: templates with everything escaped, and what they need of words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from anchor.ethereum.keccak import format_address
from anchor.monitor.timeline import HeadState
from anchor.project.config import Config
from anchor.types import log_number, log_owner
from anchor.units import (
    format_count,
    format_duration,
    format_gas_price,
    format_in_gwei,
    format_timestamp,
    format_wei,
)

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""No script at all, nothing from elsewhere, and no style but the style sheet's."""

_STATES = {
    HeadState.SEALED: "open",
    HeadState.SUBMITTED: "open",
    HeadState.INCLUDED: "half",
    HeadState.COVERED: "half",
    HeadState.ANCHORED: "done",
    HeadState.COVERED_FINALLY: "done",
}


def render(template: str, values: Mapping[str, object]) -> bytes:
    """Return a page."""
    text = _load_environment().get_template(template).render(values, style=style_path())
    return text.encode("utf-8")


def describe_log(config: Config) -> dict[str, Any]:
    """Return what pages say of which log it is."""
    return {
        "id": f"0x{config.log.hex()}",
        "owner": format_address(log_owner(config.log)),
        "number": log_number(config.log),
        "registry": format_address(config.registry),
        "chain_id": config.chain_id,
    }


def mark_code(text: str) -> Markup:
    """Escape a text and set what stands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)  # one of them is no pair's
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def mark_units(text: str) -> Markup:
    """Escape a figure and set its words small: ``12 min 52 s``."""
    return Markup(" ").join(
        Markup("<small>{}</small>").format(word) if word[:1].isalpha() else escape(word)
        for word in text.split(" ")
    )


@cache
def load_static(name: str) -> bytes:
    """Return a file that pages refer to, as the package carries it."""
    return resources.files("anchor.service.pages").joinpath("static", name).read_bytes()


@cache
def style_path() -> str:
    """Return the style sheet's address, another one for each content: it may be kept for ever."""
    digest = hashlib.sha256(load_static("pages.css")).hexdigest()
    return f"/pages-{digest[:16]}.css"


@cache
def _load_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("anchor.service.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": format_duration,
        "moment": format_timestamp,
        "wei": format_wei,
        "gas_price": format_gas_price,
        "gwei": format_in_gwei,
        "count": format_count,
        "code": mark_code,
        "figure": mark_units,
        "state_class": lambda state: _STATES[state],
    }
    return environment
