"""The certificate as PDF/A-3b, typeset by typst, with the JSON attached.

The template is part of this package and reads no files: the certificate's content is passed as data
through ``sys.inputs``, and typst gets an empty folder as its root, no packages and one font.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import typst

from anchor.certificate.detail_pages import build_sheets
from anchor.certificate.fonts import Font
from anchor.certificate.foreign_text import escape
from anchor.certificate.labels import describe_frame
from anchor.certificate.layout import describe
from anchor.certificate.model import Certificate, encode_certificate
from anchor.errors import UsageError
from anchor.messages.message import Message

_TEMPLATE = Path(__file__).parent / "templates" / "certificate.typ"
_STANDARD: Literal["a-3b"] = "a-3b"


def render_pdf(certificate: Certificate, font: Font) -> bytes:
    """Return the certificate as PDF/A-3b: the same bytes for the same certificate and font files.

    Characters that the font lacks are shown as code points, as PDF/A forbids text without glyphs.

    Raises:
        UsageError: The font is broken, which is only detected during typesetting.
    """
    encoded = encode_certificate(certificate)
    known = font.characters

    def spell(text: str) -> str:
        return "".join(
            character if ord(character) in known or character == "\n" else escape(character)
            for character in text
        )

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
    return _compile(inputs, font, datetime.fromisoformat(certificate.issued_at))


def _compile(inputs: dict[str, str], font: Font, moment: datetime) -> bytes:
    with TemporaryDirectory() as folder:
        root, fonts = Path(folder) / "root", Path(folder) / "fonts"
        root.mkdir()
        fonts.mkdir()
        for number, path in enumerate(dict.fromkeys(file.path for file in font.files)):
            (fonts / f"{number}{path.suffix}").symlink_to(path.resolve())
        compiler = typst.Compiler(
            input=_TEMPLATE.read_bytes(),
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
