"""The commands that a certificate prints are run by a shell, and print what it says."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest
from support.paths import ROOT
from support.projects import Site, make_site

from anchor.certificate.model import Certificate, Checks
from anchor.chain.devnet import Devnet


@pytest.fixture(scope="module")
def site(module_anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a project whose log has some leaves, and a name that a shell could trip over."""
    site = make_site(tmp_path_factory.mktemp("commands") / "project", module_anvil, number=0)
    for number in range(6):
        site.add(f"{number}.txt", b"filler %d" % number)
    site.write(HARD, b"one field, two cows\0\xff")
    site.run("stamp", HARD).expect(0)
    run = site.run("certify", HARD, "--json")
    run.expect(0)
    return site


HARD = "a 'b' \"c\" $(touch owned) \n é.txt"


@pytest.fixture(scope="module")
def checks(site: Site) -> Checks:
    data = (site.folder / f"{HARD}.certificate.json").read_bytes()
    return Certificate.model_validate_json(data, strict=True).checks


def run(checks: Checks, site: Site, folder: Path, shell: str) -> list[str]:
    """Run the commands as a reader would, and return what each prints."""
    shutil.copy(ROOT / "anchor" / "standalone" / "verify.py", folder)
    shutil.copy(site.folder / HARD, folder / HARD)
    shutil.copy(site.folder / f"{HARD}.anchor.json", folder / "receipt.json")
    definitions = "\n".join(
        line for line in checks.set_up.splitlines() if not line.startswith(("FILE", "REC", "NODE"))
    )
    script = definitions
    for number, check in enumerate(checks.commands):
        script += f"\n{{\n{check.command}\n}} >out.{number} 2>&1\n"
    done = subprocess.run(
        [*shell.split(), "-c", script],
        cwd=folder,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "FILE": HARD,
            "RECEIPT": "receipt.json",
            "NODE": site.url,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    assert not (folder / "owned").exists()
    return [
        (folder / f"out.{number}").read_text().removesuffix("\n")
        for number in range(len(checks.commands))
    ]


@pytest.mark.parametrize("shell", ["sh -eu", "bash -eu"])
def test_every_command_prints_what_the_certificate_says(
    shell: str, checks: Checks, site: Site, tmp_path: Path
) -> None:
    printed = run(checks, site, tmp_path, shell)
    assert printed == [check.prints for check in checks.commands]
    assert len(printed) == 12


def test_with_another_file_or_receipt_they_print_something_else(
    checks: Checks, site: Site, tmp_path: Path
) -> None:
    other = dataclasses.replace(site, folder=tmp_path / "other")
    other.folder.mkdir()
    (other.folder / HARD).write_bytes(b"one field, two cows")
    receipt = (site.folder / f"{HARD}.anchor.json").read_text("utf-8")
    (other.folder / f"{HARD}.anchor.json").write_text(receipt.replace("media_type", "media_typo"))
    work = tmp_path / "work"
    work.mkdir()
    printed = run(checks, other, work, "sh -u")
    same = [
        number for number, check in enumerate(checks.commands) if printed[number] == check.prints
    ]
    # What the record says of the file and what the chain says have not changed.
    assert same == [1, 3, 6, 7, 8, 9, 10]


def test_no_command_holds_a_name_and_each_fits_on_a_line_of_paper(checks: Checks) -> None:
    for check in checks.commands:
        assert "touch" not in check.command
        assert all(len(line) <= 110 for line in check.command.splitlines()), check.command
