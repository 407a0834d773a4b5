"""The certificate, and the papers drafted from it, as PDF/A-3b, typeset by typst.

The templates are part of this package and read no other files: the content is passed as data
through ``sys.inputs``, and typst gets a folder with nothing but a screenshot as its root, no
packages and one font.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import typst

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.certificate.detail_pages import build_sheets
from anchor.certificate.fonts import Font
from anchor.certificate.foreign_text import escape
from anchor.certificate.labels import describe_frame
from anchor.certificate.layout import describe
from anchor.certificate.model import Certificate, encode_certificate

_TEMPLATES = Path(__file__).parent / "templates"
_STANDARD: Literal["a-3b"] = "a-3b"


def render_pdf(certificate: Certificate, font: Font) -> bytes:
    """Return the certificate as PDF/A-3b, with its JSON attached.

    The same certificate and font files always give the same bytes.

    Characters that the font lacks are shown as code points, as PDF/A forbids text without glyphs.

    Raises:
        UsageError: The font is broken, which is only detected during typesetting.
    """
    encoded = encode_certificate(certificate)

    def spell(text: str) -> str:
        return _spell(text, font)

    data = {
        "certificate_no": spell(certificate.certificate_no),
        "draft": certificate.draft,
        "issued_at": certificate.issued_at,
        "json_sha256": hashlib.sha256(encoded).hexdigest(),
        "font": font.family,
        "sheets": describe(build_sheets(certificate), spell),
        "words": {name: describe(words, spell) for name, words in describe_frame().items()},
    }
    inputs = {
        "data": json.dumps(data, ensure_ascii=False),
        "certificate": encoded.decode("utf-8"),
    }
    picture = None if certificate.capture is None else certificate.capture.picture
    files = {} if picture is None else {"screenshot.png": base64.b64decode(picture.png)}
    return _compile("certificate.typ", inputs, font, certificate, files)


def reduce_picture(data: bytes, *, width: int, height: int, whole_height: int) -> bytes:
    """Return as PNG the top ``height`` rows of a picture scaled to ``width`` × ``whole_height``."""
    page = (
        f"#set page(width: {width}pt, height: {height}pt, margin: 0pt)\n"
        f'#place(top, image("/screenshot", width: {width}pt, height: {whole_height}pt))'
    )
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "screenshot").write_bytes(data)
        compiler = typst.Compiler(
            input=page.encode(),
            root=root,
            font_paths=typst.Fonts(include_system_fonts=False, font_paths=[]),
            package_path=root,
            package_cache_path=root,
        )
        try:
            compiled = compiler.compile(format="png", ppi=72.0)
        except typst.TypstError as error:
            raise ValueError(error.message[:200]) from error
    assert isinstance(compiled, bytes)
    return compiled


def render_paper_pdf(paper: bytes, certificate: Certificate, font: Font) -> bytes:
    """Return a paper that ``render_paper`` drafted from the certificate as PDF/A-3b.

    The same paper and font files always give the same bytes.

    Raises:
        UsageError: The font is broken, which is only detected during typesetting.
    """
    text = paper.decode("utf-8")
    # The document type is HTML's; what follows is XML as well.
    inputs = {"paper": _spell(text[text.index("<html") :], font), "font": font.family}
    return _compile("paper.typ", inputs, font, certificate)


def _spell(text: str, font: Font) -> str:
    known = font.characters
    return "".join(
        character if ord(character) in known or character == "\n" else escape(character)
        for character in text
    )


def _compile(
    template: str,
    inputs: dict[str, str],
    font: Font,
    certificate: Certificate,
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    moment = datetime.fromisoformat(certificate.issued_at)
    with TemporaryDirectory() as folder:
        root, fonts = Path(folder) / "root", Path(folder) / "fonts"
        root.mkdir()
        fonts.mkdir()
        for name, content in (files or {}).items():
            (root / name).write_bytes(content)
        for number, path in enumerate(dict.fromkeys(file.path for file in font.files)):
            (fonts / f"{number}{path.suffix}").symlink_to(path.resolve())
        compiler = typst.Compiler(
            input=(_TEMPLATES / template).read_bytes(),
            root=root,
            font_paths=typst.Fonts(include_system_fonts=False, font_paths=[fonts]),
            sys_inputs=inputs,
            package_path=root,
            package_cache_path=root,
        )
        try:
            compiled = compiler.compile(
                format="pdf", pdf_standards=[_STANDARD], timestamp=int(moment.timestamp())
            )
        except typst.TypstError as error:
            raise UsageError(
                Message("certificate-pdf-not-set", family=font.family, reason=error.message[:200]),
                hint=Message("certificate-pdf-font-hint"),
            ) from error
    assert isinstance(compiled, bytes)
    return compiled
