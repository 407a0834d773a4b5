"""A font is found or named, and a machine without one is told what to do."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
import typst
from fontTools import subset
from fontTools.ttLib import TTFont
from support.certificates import Issued, page_texts
from support.paths import ROOT

from anchor.base.errors import ConfigError, UsageError
from anchor.certificate.fonts import Font, find_font, read_font
from anchor.certificate.labels import describe_frame
from anchor.certificate.pdf import render_pdf


def test_the_font_found_is_named_with_its_files(font: Font) -> None:
    assert font.files
    for file in font.files:
        assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256
    assert {ord("证"), *range(0x20, 0x7F)} <= font.characters
    assert 0x1F600 not in font.characters


def test_a_machine_without_fonts_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False)
    monkeypatch.setattr(typst, "Fonts", lambda **_: empty)
    with pytest.raises(ConfigError, match="no font with Chinese") as caught:
        find_font()
    assert "fonts-noto-cjk" in (caught.value.hint or "")
    assert "--font" in (caught.value.hint or "")


def test_a_broken_font_is_in_nobodys_way(
    font: Font, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one that is looked at is cut off, after what names it."""
    real = typst.Fonts(include_system_fonts=True, include_embedded_fonts=False)
    broken = tmp_path / "broken.ttc"
    broken.write_bytes(font.files[0].path.read_bytes()[:5_000])

    class Face:
        family, style, weight, stretch = "Noto Sans SC", "normal", 400, 1.0
        path, index = str(broken), 0

    class Book:
        def fonts(self) -> list[object]:
            mine = [face for face in real.fonts() if face.family == font.family]
            return [Face(), *(Renamed(face) for face in mine)]

    class Renamed:
        """Under a name that comes later."""

        def __init__(self, face: typst.FontInfo) -> None:
            self.family, self.style, self.weight = "Source Han Sans SC", face.style, face.weight
            self.stretch, self.path, self.index = face.stretch, face.path, face.index

    monkeypatch.setattr(typst, "Fonts", lambda **_: Book())
    assert find_font().family == "Source Han Sans SC"


def test_a_named_font_is_the_one_used(font: Font, tmp_path: Path) -> None:
    copy = tmp_path / f"mine{font.files[0].path.suffix}"
    shutil.copy(font.files[0].path, copy)
    found = read_font(copy)
    assert found.family == font.family
    assert {file.path for file in found.files} == {copy}


def cut_down(font: Font, path: Path, characters: Iterable[int]) -> Path:
    """Write a font that has these characters of another one alone."""
    file = font.files[0]
    with TTFont(file.path, fontNumber=file.index, lazy=True) as whole:
        part = subset.Subsetter(subset.Options(layout_features=[]))
        part.populate(unicodes=list(characters))
        part.subset(whole)
        whole.save(path)
    return path


LATIN = [*range(0x20, 0x7F), ord("※"), ord("…")]


def test_a_font_without_chinese_is_refused(font: Font, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lacks Chinese"):
        read_font(cut_down(font, tmp_path / "latin.otf", LATIN))


def least() -> set[int]:
    """Return the characters without which there is no certificate."""
    template = ROOT / "anchor" / "certificate" / "templates" / "certificate.typ"
    printed = template.read_text("utf-8") + "".join(pair.zh for pair in describe_frame().values())
    return {*LATIN, *(ord(c) for c in printed if ord(c) >= 0x2E80)}


def test_what_a_font_lacks_is_spelled_out(issued: Issued, font: Font, tmp_path: Path) -> None:
    small = read_font(cut_down(font, tmp_path / "small.otf", least()))
    assert ord("锚") not in small.characters
    text = "".join(page_texts(render_pdf(issued.certificate, small)))
    assert "\\u{951a}" in text
    assert "电子数据存证证书" in text


def test_a_font_that_breaks_while_it_is_used_is_named(
    issued: Issued, font: Font, tmp_path: Path
) -> None:
    # Not the characters of the test before: typst keeps fonts by the checksum that they name.
    path = cut_down(font, tmp_path / "broken.otf", least() | {ord("锚")})
    found = read_font(path)
    with TTFont(path) as whole:
        offset = whole.reader.tables["CFF "].offset
    data = bytearray(path.read_bytes())
    data[offset + 64 : offset + 4_096] = bytes(4_032)
    path.write_bytes(bytes(data))
    with pytest.raises(UsageError, match="cannot be typeset in") as caught:
        render_pdf(issued.certificate, found)
    assert "--font" in (caught.value.hint or "")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "font.ttf")
    for path in (tmp_path / "font.ttf", tmp_path):
        with pytest.raises(UsageError, match="not a regular file"):
            read_font(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.ttf", None, "No such file"),
        ("text.ttf", b"not a font", "not a TrueType"),
        ("empty.otf", b"", "not a TrueType"),
    ],
)
def test_what_is_no_font_is_refused(
    name: str, content: bytes | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        read_font(path)
