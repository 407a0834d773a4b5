"""The page as it is shipped: small, alone, in the wheel, and what the command says of it."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from setuptools import Distribution
from support.command import run_anchor
from support.page_script import unpack
from support.paths import ROOT

from anchor.page import load_page

pytestmark = pytest.mark.release

PAGE = load_page()
TEXT = PAGE.decode("utf-8")


def policy() -> dict[str, list[str]]:
    found = re.search('<meta http-equiv="Content-Security-Policy" content="([^"]+)">', TEXT)
    assert found is not None
    parts = [part.split() for part in found[1].split(";")]
    return {name: values for name, *values in parts}


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_it_is_small_and_refers_to_nothing() -> None:
    assert len(PAGE) <= 108_000
    style, markup, _ = unpack(PAGE)
    refers = re.compile(
        r"""\b(src|href|action|srcset|poster|data)=|@import|url\(|style=|\son\w+="""
    )
    assert not [refers.findall(text) for text in (TEXT, style, markup) if refers.search(text)]
    assert "<script" not in markup


def test_its_policy_lets_its_own_script_and_style_run_and_nothing_else() -> None:
    style, _, script = unpack(PAGE)
    scripts = re.findall(r"<script>(.+?)</script>", TEXT, re.DOTALL)
    assert len(scripts) == 1
    assert policy() == {
        "default-src": ["'none'"],
        "script-src": [hash_of(scripts[0].rstrip("\n")), hash_of(script)],
        "style-src": [hash_of(style)],
        "connect-src": ["https:", "http://127.0.0.1:*", "http://localhost:*"],
        "worker-src": ["blob:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["loader", "worker"],
    }
    # Before it nothing stands that it would not govern.
    assert TEXT.index("Content-Security-Policy") < TEXT.index("<script")


def test_a_build_elsewhere_gives_the_same_bytes() -> None:
    command = [sys.executable, "scripts/_build/build_page.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(PAGE).hexdigest() in done.stdout


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{name} of {count:,}, {name!r}: {time:%Y-%m-%d %H:%M:%S} {name!a:.80}", None),
        ("{seconds:.0f} s", "seconds"),
        ("{name!s}", "name"),
        ("{name!r:.80}", "name"),
        ("{{name}}", "{"),
    ],
)
def test_a_format_that_the_page_does_not_spell_is_found(template: str, found: str | None) -> None:
    path = ROOT / "scripts/_build/build_page.py"
    specification = importlib.util.spec_from_file_location("build_page", path)
    assert specification is not None
    assert specification.loader is not None
    builder = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(builder)
    assert builder.find_unknown_format(template) == found


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('message("no-such-message");', "does not have the message no-such-message"),
        ('named("verdict-pass");', "names the message verdict-pass otherwise"),
    ],
)
def test_a_message_that_is_unknown_or_not_named_by_a_literal_stops_the_build(
    tmp_path: Path, line: str, told: str
) -> None:
    web = tmp_path / "web"
    shutil.copytree(ROOT / "web", web, ignore=shutil.ignore_patterns("node_modules"))
    (web / "node_modules").symlink_to((ROOT / "web" / "node_modules").resolve())
    with (web / "src" / "main.ts").open("a") as file:
        file.write(f'import {{ message, named }} from "./messages.ts";\n{line}\n')
    command = ["node", "build.mjs", str(tmp_path / "verify.html")]
    done = subprocess.run(command, cwd=web, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert told in done.stderr


def test_the_command_prints_it_writes_it_and_names_its_hash(tmp_path: Path) -> None:
    digest = hashlib.sha256(PAGE).hexdigest()
    assert run_anchor("verifier", "--sha256", cwd=tmp_path).expect(0).out.split()[0] == digest
    done = subprocess.run(
        [sys.executable, "-m", "anchor", "verifier"], cwd=tmp_path, capture_output=True, check=True
    )
    assert done.stdout == PAGE
    ran = run_anchor("verifier", "-o", "page.html", "--json", cwd=tmp_path).expect(0)
    written = {"sha256": digest, "bytes": len(PAGE), "file": "page.html"}
    assert json.loads(ran.out) == {"format": "anchor-verifier/1", **written}
    assert (tmp_path / "page.html").read_bytes() == PAGE


@pytest.mark.parametrize("arguments", [("--sha256", "-o", "page.html"), ("-o", ".")])
def test_what_cannot_be_is_bad_usage(arguments: tuple[str, ...], tmp_path: Path) -> None:
    ran = run_anchor("verifier", *arguments, cwd=tmp_path).expect(2)
    assert "Traceback" not in ran.err


@pytest.mark.filterwarnings("ignore")
def test_a_wheel_takes_it_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    distribution = Distribution()
    distribution.parse_config_files()
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    files = {package: names for package, _, _, names in command.data_files}
    assert files["anchor.page"] == ["verify.html"]
