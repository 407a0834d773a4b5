"""The certificate as one HTML file: no script, nothing fetched, for the screen and for paper."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from anchor.certificate.detail_pages import build_sheets
from anchor.certificate.labels import describe_frame
from anchor.certificate.model import Certificate, encode_certificate

_TEMPLATES = Path(__file__).parent / "templates"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("certificate.html")


def render_html(certificate: Certificate) -> bytes:
    """Return the certificate as HTML; the same certificate always gives the same bytes."""
    style = (_TEMPLATES / "certificate.css").read_text("utf-8")
    text = _template().render(
        certificate=certificate,
        sheets=build_sheets(certificate),
        words=describe_frame(),
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii"),
        json_sha256=hashlib.sha256(encode_certificate(certificate)).hexdigest(),
    )
    return text.encode("utf-8")
