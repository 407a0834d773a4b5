"""A font is found or named, and a machine without one is told what to do."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import typst
from fontTools import subset
from fontTools.ttLib import TTFont

from anchor.certificate.fonts import Font, choose_font, find_font, read_font
from anchor.errors import ConfigError, UsageError


def test_the_font_found_is_named_with_its_files(font: Font) -> None:
    assert font.files
    for file in font.files:
        assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256
    assert {ord("证"), ord("A"), ord("0")} <= font.characters
    assert 0x1F600 not in font.characters


def test_a_machine_without_fonts_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False)
    monkeypatch.setattr(typst, "Fonts", lambda **_: empty)
    with pytest.raises(ConfigError, match="no font with Chinese") as caught:
        find_font()
    assert "fonts-noto-cjk" in (caught.value.hint or "")
    assert "--font" in (caught.value.hint or "")


def test_a_named_font_is_the_one_used(font: Font, tmp_path: Path) -> None:
    copy = tmp_path / f"mine{font.files[0].path.suffix}"
    shutil.copy(font.files[0].path, copy)
    found = choose_font(copy)
    assert found.family == font.family
    assert {file.path for file in found.files} == {copy}


def test_a_font_without_chinese_is_refused(font: Font, tmp_path: Path) -> None:
    file = font.files[0]
    path = tmp_path / f"latin{file.path.suffix}"
    with TTFont(file.path, fontNumber=file.index, lazy=True) as whole:
        options = subset.Options(layout_features=[])
        latin = subset.Subsetter(options)
        latin.populate(text="ABCabc0123456789※Certificate")
        latin.subset(whole)
        whole.save(path)
    with pytest.raises(UsageError, match="lacks Chinese"):
        read_font(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.ttf", None, "No such file"),
        ("text.ttf", b"not a font", "no TrueType"),
        ("empty.otf", b"", "no TrueType"),
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
