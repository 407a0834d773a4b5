"""Names that others chose decide nothing, wherever we hand them to a program or print them.

The hook, the action and the pipeline run as they stand, and what they used is read from
``--json``: a run that ends as it should may all the same have used another's policy.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.command import environment
from support.paths import ROOT
from support.projects import Site, dev_log, make_site

from anchor.chain.devnet import DEV_ADDRESS, Devnet
from anchor.signatures.record_signature import format_verification
from anchor.timestamps.timestamp_token import format_command

NAMES = ("--trust=evil.toml", "--config=evil.toml", "-delete", "@x", "=x", "two\nlines")
# Passes everything on, with --json, and keeps what is printed.
PROGRAM = """\
#!/bin/bash
set -o pipefail
case $1 in
    stamp | verify) {python} -m anchor "$1" --json "${{@:2}}" | tee -a "$ANCHOR_SAID" ;;
    *) exec {python} -m anchor "$@" ;;
esac
"""


@pytest.fixture(scope="module")
def stamped(module_anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a project with the folder ``named``: files of such names, each with its receipt."""
    site = make_site(tmp_path_factory.mktemp("names") / "project", module_anvil, number=1)
    for name in NAMES:
        site.write(f"named/{name}", name.encode())
    site.run("stamp", "named", "--wait", "final").expect(0)
    return site


Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script in a folder; return the documents that ``anchor`` printed."""
    programs, said = tmp_path / "programs", tmp_path / "said.jsonl"
    programs.mkdir()
    (programs / "anchor").write_text(PROGRAM.format(python=shlex.quote(sys.executable)))
    (programs / "anchor").chmod(0o755)

    def run(
        script: str, folder: Path, code: int | None = 0, **variables: str
    ) -> list[dict[str, Any]]:
        said.unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=folder,
            env=environment(
                **variables,
                PATH=f"{programs}:{os.environ['PATH']}",
                ANCHOR_SAID=str(said),
                XDG_CONFIG_HOME=str(tmp_path / "own"),
                RUNNER_TEMP=str(tmp_path),
                CI_PROJECT_DIR=str(folder),
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert code in (None, done.returncode), done.stdout
        text, documents = said.read_text(), []
        while text := text.lstrip():
            document, end = json.JSONDecoder().raw_decode(text)
            documents.append(document)
            text = text[end:]
        return documents

    return run


def make_policies(site: Site, folder: Path) -> tuple[Path, bytes]:
    """Write the user's own policy; return its path, and the bytes of another's."""
    own = folder / "own.toml"
    own.write_bytes((site.folder / "trust.toml").read_bytes())
    return own, own.read_bytes() + b"# another's\n"


# With the first ones alone, the names that the hook was given were a whole command of another's.
@pytest.mark.parametrize("names", [[each for each in NAMES if each[0] != "-"], NAMES])
def test_the_hook_uses_the_users_policy_and_none_that_a_name_brings(
    stamped: Site, run: Run, tmp_path: Path, names: list[str]
) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    for name in names:
        for copied in (name, f"{name}.anchor.json"):
            shutil.copy(stamped.folder / "named" / copied, repository / copied)
    own, evil = make_policies(stamped, tmp_path)
    # The receipt's name as an option leads through the link to a policy named like a receipt.
    (repository / "--trust=sub").mkdir()
    (repository / "--trust=sub" / "p.anchor.json").write_bytes(evil)
    (repository / "sub").symlink_to("--trust=sub")
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    # As pre-commit puts it together.
    entry = shlex.join([*shlex.split(hook["entry"]), "--trust", str(own), "--rpc", stamped.url])
    [document] = run(f"git init -q . && git add -A -- . && {entry}", repository, None)
    assert [each["sha256"] for each in document["policies"]] == [
        sha256(own.read_bytes()).hexdigest()
    ]
    verified = {each["file"] for each in document["files"] if each["exit_code"] == 0}
    assert verified == {f"{name}.anchor.json" for name in names}


def action_step(command: str, files: list[str], number: int, site: Site) -> dict[str, str]:
    """Return the variables that the action gives its step."""
    return {
        "COMMAND": command,
        "FILES": "\n".join(files),
        "RPC": site.url,
        "LOG": str(number),
        "FINALITY": "finalized",
        "KEYSTORE": (site.folder / "devnet-key.json").read_text(),
        "PASSWORD": (site.folder / "devnet-password").read_text().strip(),
        "OWNER": "0x" + DEV_ADDRESS.hex(),
    }


# What one line of the action's input can hold; the folder has the name with a newline.
LINES = [*(name for name in NAMES if "\n" not in name), "dist"]


def test_the_action_stamps_in_its_own_log_and_verifies_by_its_own_policy(
    stamped: Site, run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text(name)
        (folder / "dist").mkdir(exist_ok=True)
        (folder / "dist" / name).write_text(f"in dist: {name}")
    _, evil = make_policies(stamped, tmp_path)
    (folder / "evil.toml").write_bytes(evil)
    script = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"][-1]["run"]
    run(script, folder, **action_step("stamp", LINES, 2, stamped))
    receipts = list(folder.rglob("*.anchor.json"))
    assert len(receipts) == len(LINES) - 1 + len(NAMES)
    assert {json.loads(each.read_bytes())["log"] for each in receipts} == {f"0x{dev_log(2)}"}
    [document] = run(script, folder, **action_step("verify", LINES, 2, stamped))
    [policy] = document["policies"]
    assert policy["source"] == "option" and policy["sha256"] != sha256(evil).hexdigest()
    assert Path(policy["file"]).is_relative_to(tmp_path)
    assert [each["exit_code"] for each in document["files"]] == [0] * len(receipts)
    assert all((folder / name).exists() for name in NAMES)


def test_the_pipeline_stamps_in_its_own_log_and_verifies_by_its_own_policy(
    stamped: Site, run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    (folder / "src").mkdir(parents=True)
    _, evil = make_policies(stamped, tmp_path)
    for name in NAMES:
        (folder / name).write_text(name)
        (folder / "src" / name).write_text(name)
    (folder / "evil.toml").write_bytes(evil)
    jobs = yaml.safe_load((ROOT / "examples/gitlab-ci/.gitlab-ci.yml").read_text())
    given = {
        "EVIDENCE_RPC": stamped.url,
        "EVIDENCE_OWNER": "0x" + DEV_ADDRESS.hex(),
        "EVIDENCE_KEYSTORE": str(stamped.folder / "devnet-key.json"),
        "EVIDENCE_PASSWORD": str(stamped.folder / "devnet-password"),
        "CI_PIPELINE_ID": "3",
    }
    run("\n".join(jobs["stamp"]["script"]), folder, **given)
    [receipt] = (folder / "dist").glob("*.anchor.json")
    assert json.loads(receipt.read_bytes())["log"] == f"0x{dev_log(3)}"
    for job in ("verify", "deploy"):
        [document] = run("\n".join(jobs[job]["script"]), folder, **given)
        [policy] = document["policies"]
        assert policy["sha256"] == sha256((folder / ".trust.toml").read_bytes()).hexdigest()
        (folder / ".trust.toml").unlink()  # each job begins in a folder of its own


@pytest.mark.parametrize("name", NAMES)
def test_a_printed_command_gives_programs_a_name_as_a_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no signature")
    (tmp_path / "record").write_bytes(b"{}")
    (tmp_path / "ROOTS.pem").write_bytes(b"")
    (tmp_path / "ALLOWED_SIGNERS").write_bytes(b"")
    commands = {
        format_verification("sshsig", name, "record"): "ouldn't parse signature",
        format_verification("cades", name, "record"): "asn1_d2i_read_bio",
        format_command(name, "record", None): "asn1_d2i_read_bio",
    }
    for command, complaint in commands.items():
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert complaint in done.stdout + done.stderr, (command, done)
