"""Static pages about captures: every text escaped, nothing fetched, and no script."""

from __future__ import annotations

import base64
import hashlib
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import translate

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_page(
    template: str, language: Language, *, folder: Path = TEMPLATES, **values: Any
) -> bytes:
    """Return a page in a language by a template of ``folder``; its digest allows its style."""
    style = (TEMPLATES / "capture_pages.css").read_text("utf-8")
    say = partial(translate, language=language)
    text = (
        _environment(folder)
        .get_template(template)
        .render(
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii"),
            language="zh-CN" if language == "zh" else "en",
            say=say,
            **values,
        )
    )
    return text.encode("utf-8", "replace")


def embed_png(picture: bytes) -> str:
    """Return a picture as the URL of an image."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"
