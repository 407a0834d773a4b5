"""A verifier installs little: the extra ``rpc``, no store, no keys, no chain of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from importlib.metadata import distribution
from pathlib import Path

import pytest
from support.command import environment
from support.paths import ROOT
from support.projects import Site
from support.wheels import make_environment

from anchor.base.system.clock import utc_now
from anchor.people.actors import Actor
from anchor.store.case_exhibits import ExhibitFields, add_exhibit
from anchor.store.cases import CaseFields, create_case, place_case_hold
from anchor.store.evidence import load_all
from anchor.store.memberships import ensure_tenant

# What only the extras `operator`, `devnet` and `ape` bring.
OPERATOR_PACKAGES = ("sqlalchemy", "pydantic_settings", "eth", "eth_tester", "ape")
# What no extra but `operator` and those it needs brings, by the names of their imports.
PLATFORM_PACKAGES = (
    "fastapi", "starlette", "uvicorn", "httptools", "h11", "uvloop", "prometheus_client", "jinja2",
    "httpx", "authlib", "joserfc", "webauthn", "tink", "fsspec", "pyarrow", "boto3", "playwright",
    "warcio", "dns", "cryptography", "PIL", "typst", "segno", "fontTools", "pyhanko", "psycopg",
    "rfc3161_client", "distributed", "eth", "eth_tester", "ape",
)  # fmt: skip
CASE_FIELDS = CaseFields(number="1", title="t", authority="", parties=(), is_shared=True)
EXHIBIT = ExhibitFields(label="1", purpose="", note="")

VERIFIER = """
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return None


sys.meta_path.insert(0, Absent())
from anchor.cli import main

sys.argv = ["anchor", *sys.argv[1:]]
main()
"""


def run_verifier(
    *arguments: str | Path, cwd: Path, absent: tuple[str, ...] = OPERATOR_PACKAGES
) -> subprocess.CompletedProcess[str]:
    script = VERIFIER.format(absent=absent)
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=cwd, env=environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_verify_explain_and_the_recomputing_script_need_no_operator_packages(
    site: Site, tmp_path: Path
):
    site.write("deed.txt", b"one field, two cows")
    site.run("stamp", "deed.txt").expect(0)
    away = tmp_path / "away"
    away.mkdir()
    for name in ("deed.txt", "deed.txt.anchor.json", "trust.toml"):
        shutil.copy(site.folder / name, away / name)

    verified = run_verifier("verify", "deed.txt", "--trust", "trust.toml", cwd=away)
    assert verified.returncode == 0, verified
    assert "VERIFIED on a development chain (" in verified.stdout
    assert run_verifier("explain", "deed.txt", cwd=away).returncode == 0
    certified = run_verifier("certify", "deed.txt", "--trust", "trust.toml", cwd=away)
    assert certified.returncode == 0, certified

    script = ROOT / "examples/standard-library/recompute_receipt.py"
    receipt = away / "deed.txt.anchor.json"
    redone = subprocess.run(
        [sys.executable, "-I", str(script), str(receipt), str(away / "deed.txt"), site.url],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "sequence  1\n" in redone.stdout

    (away / "deed.txt").write_text("one field, three cows")
    altered = run_verifier("verify", "deed.txt", cwd=away)
    assert altered.returncode == 10, altered


def test_what_a_verifier_runs_needs_no_operator_packages(tmp_path: Path):
    for words in (("audit", "--help"), ("trust", "list"), ("source", "--json"), ("key", "--help")):
        ran = run_verifier(*words, cwd=tmp_path)
        assert (ran.returncode, ran.stderr) == (0, ""), ran
    refused = run_verifier("audit", cwd=tmp_path)
    assert refused.returncode == 2
    assert "pip install '.[operator]'" in refused.stderr


@pytest.mark.parametrize(
    ("words", "extras"),
    [
        (("stamp", "x"), "operator"),
        (("list",), "operator"),
        (("serve",), "service"),
        (("copies", "init"), "copies"),
        (("capture", "https://example.org"), "capture"),
        (("timestamp",), "operator,timestamps"),
        (("certify", "x"), "certificate"),
        (("demo",), "devnet"),
        (("trust", "pin"), "rpc"),
    ],
)
def test_a_command_names_all_its_extras_at_once(
    words: tuple[str, ...], extras: str, tmp_path: Path
) -> None:
    bare = make_environment(tmp_path / "bare", [])
    [packages] = bare.parent.glob("lib/python*/site-packages")
    ours = packages / "anchor_evidence-0.dist-info" / "METADATA"
    ours.parent.mkdir()
    ours.write_text(distribution("anchor-evidence").read_text("METADATA") or "")
    run = partial(
        subprocess.run, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    refused = run([bare / "python", "-m", "anchor", *words])
    assert refused.returncode == 2, refused
    assert f"pip install '.[{extras}]'" in refused.stderr
    installed = make_environment(tmp_path / "installed", extras.split(","))
    module = f"anchor.cli.commands.{words[0]}"
    assert run([installed / "python", "-c", f"import {module}"]).returncode == 0


def test_a_replay_says_which_extra_it_needs(tmp_path: Path) -> None:
    refused = run_verifier("replay", "bag", cwd=tmp_path, absent=("PIL",))
    assert refused.returncode == 2, refused
    assert "needs the package PIL" in refused.stderr
    assert "name its file with [capture]" in refused.stderr


def test_an_operator_command_says_which_extra_it_needs(site: Site):
    refused = run_verifier("status", cwd=site.folder)
    assert refused.returncode == 2
    assert "pip install '.[operator]'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_with_the_operators_packages_alone_what_a_case_holds_cannot_be_erased(site: Site) -> None:
    piece = site.add("deed.txt", b"one field, two cows")
    with site.open() as project, project.database.write() as connection:
        actor, at = Actor("key", "k"), utc_now()
        ensure_tenant(connection, "acme", actor, at)
        case = create_case(connection, "acme", CASE_FIELDS, actor, at)
        (stored,) = load_all(connection)
        add_exhibit(connection, case, stored, EXHIBIT, actor, at)
        place_case_hold(connection, case, "the court asked", actor, at)
    words = ("erase", piece, "--basis", "other", "--reason", "asked for", "--yes")
    refused = run_verifier(*words, cwd=site.folder, absent=PLATFORM_PACKAGES)
    assert refused.returncode == 2, refused
    assert "case:" in refused.stderr
    assert site.rows("SELECT count(*) FROM erasures") == [(0,)]
