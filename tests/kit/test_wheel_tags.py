"""What a wheel's name says of the systems that it is for, as the machine that built it allows."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
from support.tools import check_program
from support.wheels import build_wheel, make_environment

# One of the wheels has its extension compiled.
pytestmark = pytest.mark.release

_ASK = "import anchor; from anchor.log import batch_sha256; print(batch_sha256.IMPLEMENTATION)"


def read_tags(wheel: Path) -> tuple[str, list[str]]:
    """Return what the wheel states of itself, and its extensions."""
    with zipfile.ZipFile(wheel) as archive:
        (stated,) = (name for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
        extensions = [name for name in archive.namelist() if name.endswith(".so")]
        return archive.read(stated).decode("ascii"), extensions


def test_a_wheel_built_without_a_compiler_is_for_every_system(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, CC="false")
    assert wheel.name.endswith("-py3-none-any.whl")
    stated, extensions = read_tags(wheel)
    assert "Root-Is-Purelib: true\n" in stated and "Tag: py3-none-any\n" in stated
    assert not extensions
    programs = make_environment(tmp_path / "user", ())
    install = (programs / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    subprocess.run((*install, wheel), check=True)
    asked = subprocess.run(
        [programs / "python", "-c", _ASK], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert asked.stdout == "hashlib\n"


def test_a_wheel_built_with_a_compiler_is_for_its_own(tmp_path: Path) -> None:
    check_program("cc")
    wheel = build_wheel(tmp_path)
    assert "-cp311-abi3-" in wheel.name and not wheel.name.endswith("-any.whl")
    stated, extensions = read_tags(wheel)
    assert "Root-Is-Purelib: false\n" in stated
    assert extensions == ["anchor/_sha256.abi3.so"]
