"""The font of a certificate, with Chinese and Latin characters: installed, or named by the user.

The PDF must not depend on other installed fonts: one family is chosen, its files are listed with
their SHA-256, and no other installed font is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import typst
from fontTools.ttLib import TTFont, TTLibError

from anchor.base.errors import ConfigError, UsageError
from anchor.base.messages.message import Message, translate
from anchor.base.system.os_errors import describe_os_error
from anchor.certificate.labels import FRAME

# In order of preference; all have Chinese and Latin.  Other fonts are used if they have both.
_PREFERRED = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Noto Serif CJK SC",
    "Source Han Serif SC",
    "SimSun",
)
_REGULAR, _BOLD = 400, 700
# A collection of every weight of Noto CJK has 120 MB.
_MAX_FONT_BYTES = 256 << 20
_TEMPLATE = Path(__file__).parent / "templates" / "certificate.typ"
# The first Chinese code point; symbols before it are in the font that typst includes.
_CHINESE = 0x2E80
# The errors that fontTools raises for broken font files.
_UNREADABLE = (
    TTLibError,
    OSError,
    LookupError,
    ValueError,
    AssertionError,
    NotImplementedError,
    TypeError,
    struct.error,
)
_INSTALL = Message("font-install-hint")


@dataclass(frozen=True, slots=True, kw_only=True)
class FontFile:
    """One face of the family: a file, the face's index in it, and the file's SHA-256."""

    path: Path
    index: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Font:
    """The chosen family, its files, and the code points that all of its faces have."""

    family: str
    files: tuple[FontFile, ...]
    characters: frozenset[int]


def find_font() -> Font:
    """Return the machine's own font for Chinese."""
    book = typst.Fonts(include_system_fonts=True, include_embedded_fonts=False)
    families: dict[str, list[typst.FontInfo]] = {}
    for face in book.fonts():
        if face.path is not None and face.style == "normal":
            families.setdefault(face.family, []).append(face)
    others = sorted(set(families) - set(_PREFERRED))
    for family in (*_PREFERRED, *others):
        if family not in families:
            continue
        with contextlib.suppress(UsageError):  # a broken font is skipped
            font = _choose(family, families[family])
            if _needed() <= font.characters:
                return font
    raise ConfigError(Message("font-chinese-not-found"), hint=_INSTALL)


def read_font(path: Path) -> Font:
    """Return the font in a file that the user names.

    Raises:
        UsageError: The file is not a font, or lacks characters of the labels.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would block
            raise UsageError(Message("font-not-regular-file", path=path))
        if status.st_size > _MAX_FONT_BYTES:
            raise UsageError(Message("font-too-long", path=path, limit=_MAX_FONT_BYTES))
        with path.open("rb"):
            pass
    except OSError as error:
        raise UsageError(
            Message("font-unreadable", path=path, reason=describe_os_error(error))
        ) from error
    with TemporaryDirectory() as folder:
        (Path(folder) / f"font{path.suffix}").symlink_to(path.resolve())
        faces = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder]
        ).fonts()
    if not faces:
        raise UsageError(Message("font-not-opentype", path=path))
    families = sorted({face.family for face in faces})
    family = next((name for name in _PREFERRED if name in families), families[0])
    chosen = [face for face in faces if face.family == family]
    font = _choose(family, chosen, path)
    if not _needed() <= font.characters:
        raise UsageError(
            Message("font-characters-missing", family=family, path=path), hint=_INSTALL
        )
    return font


def _choose(family: str, faces: Iterable[typst.FontInfo], path: Path | None = None) -> Font:
    """Return the family with the faces nearest to regular and to bold."""
    ordered = sorted(faces, key=lambda face: (face.path or "", face.index))
    chosen: dict[tuple[Path, int], None] = {}
    for weight in (_REGULAR, _BOLD):
        face = min(ordered, key=lambda face: (abs(face.weight - weight), abs(face.stretch - 1)))
        chosen[path or Path(face.path or ""), face.index] = None
    return Font(
        family=family,
        files=tuple(FontFile(path=file, index=index, sha256=_hash(file)) for file, index in chosen),
        characters=frozenset.intersection(*(_characters(*face) for face in chosen)),
    )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _needed() -> frozenset[int]:
    """Return the code points of the labels: ASCII, their Chinese, and the mark of statements."""
    words = "".join(translate(message, "zh") for message in FRAME.values())
    printed = map(ord, _TEMPLATE.read_text("utf-8") + words)
    return frozenset({*range(0x20, 0x7F), ord("※"), *(c for c in printed if c >= _CHINESE)})


def _characters(path: Path, index: int) -> frozenset[int]:
    try:
        with TTFont(path, fontNumber=index, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())
    except _UNREADABLE as error:
        raise UsageError(Message("font-unreadable", path=path, reason=f"{error!r:.120}")) from error
