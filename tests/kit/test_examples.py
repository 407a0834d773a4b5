"""The examples, each as its users have it: a repository of its own, and the wheel.

Every command that the examples ship is run as it stands there.  Of GitHub's and GitLab's own work
only an imitation is (``support.pipelines.IMITATED``).
"""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from support.paths import ROOT
from support.pipelines import IMITATED, OUR_ACTION, Ended, Pipeline, user_environment
from support.wheels import build_wheel, make_environment

from anchor.chain.devnet import DEV_ADDRESS, Devnet, open_devnet

# A pipeline starts two dozen commands, which take long beside other jobs.
pytestmark = pytest.mark.release

EXAMPLES = ROOT / "examples"
INSTALL = """\
pip install --quiet "anchor-evidence[devnet] @ $ANCHOR_WHEEL#sha256=$ANCHOR_WHEEL_SHA256"
"""
WORKFLOW = Path(".github/workflows/evidence.yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A built wheel as users get it: a URL and a hash; and an environment that lacks only it."""

    wheel: Path
    programs: Path

    @property
    def variables(self) -> dict[str, str]:
        digest = hashlib.sha256(self.wheel.read_bytes()).hexdigest()
        return {"ANCHOR_WHEEL": self.wheel.as_uri(), "ANCHOR_WHEEL_SHA256": digest}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def release(built: Path, tmp_path: Path) -> Release:
    programs = make_environment(tmp_path / "environment", ["devnet"], ["pytest"])
    return Release(wheel=built, programs=programs)


@pytest.fixture
def user(release: Release, tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has the wheel installed."""
    home = tmp_path / "home"
    home.mkdir()
    environment = user_environment(release.programs, home, **release.variables)
    run(INSTALL, tmp_path, environment)
    return environment


def run(script: str, folder: Path, environment: dict[str, str], code: int = 0) -> str:
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    return done.stdout


def copy(name: str, tmp_path: Path) -> Path:
    """Return a copy of an example, which is a repository of its own."""
    return Path(shutil.copytree(EXAMPLES / name, tmp_path / "repository"))


def test_what_runs_is_the_wheel_and_not_the_checkout(
    user: dict[str, str], release: Release, tmp_path: Path
) -> None:
    place = run('python -c "import anchor; print(anchor.__file__)"', tmp_path, user).strip()
    assert Path(place).is_relative_to(release.programs.parent)
    listed = run('python -c "import sys; print(*sys.path, *sys.modules)"', tmp_path, user)
    assert str(ROOT / "anchor") not in listed and "__editable__" not in listed


def test_a_wheel_with_another_hash_is_not_installed(release: Release, tmp_path: Path) -> None:
    environment = user_environment(release.programs, tmp_path, **release.variables)
    environment["ANCHOR_WHEEL_SHA256"] = "00" * 32
    install = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"][0]["run"]
    environment |= {name: environment[f"ANCHOR_{name}"] for name in ("WHEEL", "WHEEL_SHA256")}
    environment["GITHUB_ACTION_PATH"] = str(ROOT)
    assert "HASH" in run(install, tmp_path, environment, code=1)


@pytest.mark.parametrize("chain", ["py-evm", "anvil"])
def test_the_tests_of_the_pytest_example_pass(
    user: dict[str, str], tmp_path: Path, anvil_path: Path, chain: str
) -> None:
    folder = copy("pytest", tmp_path)
    user["ANCHOR_ANVIL"] = str(anvil_path)
    assert "1 passed" in run(f"pytest -q --anchor-chain={chain}", folder, user)


def test_the_web3py_example_reads_the_registry(user: dict[str, str], tmp_path: Path) -> None:
    folder = copy("web3py", tmp_path)
    command = "anchor devnet --port 0 --exec python read_registry.py"
    assert re.fullmatch(r"1 leaves, root [0-9a-f]{64}, block \d+\n", run(command, folder, user))


def test_the_pre_commit_example_refuses_a_changed_file(
    user: dict[str, str], tmp_path: Path
) -> None:
    folder = copy("pre-commit", tmp_path)
    (folder / "contract.txt").write_text("signed\n")
    script = """
    anchor init --devnet ../log --rpc "$ANCHOR_DEVNET_URL"
    export ANCHOR_CONFIG=$PWD/../log/anchor.toml
    anchor deploy
    anchor stamp contract.txt
    python - <<'END'
import json, urllib.request, os
body = b'{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest",false]}'
request = urllib.request.Request(
    os.environ["ANCHOR_DEVNET_URL"], body, {"Content-Type": "application/json"})
print(json.load(urllib.request.urlopen(request))["result"]["hash"], file=open("hash", "w"))
END
    cp ../log/trust.toml . && echo "block_hashes = [\\"$(cat hash)\\"]" >>trust.toml && rm hash
    """
    user["SCRIPT"] = script
    run('anchor devnet --embedded --port 0 --exec bash -euc "$SCRIPT"', folder, user)
    run("git init -q . && git add -A", folder, user)
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    [used] = yaml.safe_load((folder / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert used["id"] == hook["id"] and hook["pass_filenames"] is False
    # As pre-commit puts it together.
    entry = shlex.join([*shlex.split(hook["entry"]), *used["args"]])
    assert "verified" in run(entry, folder, user).lower()
    (folder / "contract.txt").write_text("Signed\n")
    assert "contract.txt" in run(entry, folder, user, code=123)


# Pipelines


@pytest.fixture
def network(anvil_path: Path) -> Iterator[Devnet]:
    """A chain that outlives the jobs, as a public one does."""
    with open_devnet(anvil=anvil_path) as node:
        yield node


@pytest.fixture
def secrets(network: Devnet, user: dict[str, str], tmp_path: Path) -> dict[str, Path]:
    """The key's files, as a user put them into the settings; the registry is on the chain."""
    user["URL"] = network.url
    run('anchor init --devnet --rpc "$URL" owner && cd owner && anchor deploy', tmp_path, user)
    owner = tmp_path / "owner"
    return {"keystore": owner / "devnet-key.json", "password": owner / "devnet-password"}


def without_wheel(user: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Return the environment before the wheel was installed: pipelines install it themselves."""
    run("pip uninstall --quiet --yes anchor-evidence", tmp_path, user)
    return {name: value for name, value in user.items() if name != "URL"}


def alter(job: str, folder: Path) -> None:
    if job == "deploy":
        (folder / "dist" / "program.tar").write_bytes(b"another program")


def steps(ended: list[Ended]) -> list[tuple[str, str, int]]:
    return [(one.job, one.step, one.code) for one in ended]


def test_the_github_workflow_stamps_and_verifies_by_our_action(
    user: dict[str, str], network: Devnet, secrets: dict[str, Path], tmp_path: Path
) -> None:
    repository = copy("github-actions", tmp_path)
    workflow = repository / WORKFLOW
    used = set(re.findall(r"uses: (\S+)", workflow.read_text()))
    assert used == IMITATED | {OUR_ACTION}
    contexts = {
        "github": {"run_id": "12345678901", "run_attempt": "1"},
        "vars": {
            "EVIDENCE_RPC": network.url,
            "EVIDENCE_OWNER": "0x" + DEV_ADDRESS.hex(),
            **{name: user[name] for name in ("ANCHOR_WHEEL", "ANCHOR_WHEEL_SHA256")},
        },
        "secrets": {
            "EVIDENCE_KEYSTORE": secrets["keystore"].read_text(),
            "EVIDENCE_PASSWORD": secrets["password"].read_text().strip(),
        },
    }
    bare = without_wheel(user, tmp_path)
    for attempt, between in enumerate((lambda *_: None, alter), 1):
        work = tmp_path / f"run-{attempt}"
        work.mkdir()
        shutil.copy(ROOT / "action.yml", work)
        (work / "requirements").symlink_to(ROOT / "requirements")
        contexts["github"]["run_attempt"] = str(attempt)
        pipeline = Pipeline(repository=repository, work=work, environment=bare, between=between)
        pipeline.run_github(workflow, contexts)
        *passed, last = pipeline.ended
        assert not any(one.code for one in passed), passed
        assert not list((work / "scratch").glob("*/anchor-*"))
        if between is alter:
            assert (last.job, last.step, last.code) == ("deploy", "Stamp or verify", 10), last
        else:
            assert (last.job, last.step, last.code) == ("deploy", "Deploy", 0), last
            assert len(list((work / "artifacts" / "dist").iterdir())) == 2


def test_the_gitlab_pipeline_stamps_and_verifies(
    user: dict[str, str], network: Devnet, secrets: dict[str, Path], tmp_path: Path
) -> None:
    repository = copy("gitlab-ci", tmp_path)
    (repository / "requirements").mkdir()
    shutil.copy(ROOT / "requirements/operator.txt", repository / "requirements")
    for path in secrets.values():
        path.chmod(0o644)  # as GitLab writes variables of the type File
    environment = without_wheel(user, tmp_path) | {
        "EVIDENCE_RPC": network.url,
        "EVIDENCE_OWNER": "0x" + DEV_ADDRESS.hex(),
        "EVIDENCE_KEYSTORE": str(secrets["keystore"]),
        "EVIDENCE_PASSWORD": str(secrets["password"]),
    }
    for number, between in enumerate((lambda *_: None, alter), 1):
        work = tmp_path / f"run-{number}"
        pipeline = Pipeline(
            repository=repository,
            work=work,
            environment=environment | {"CI_PIPELINE_ID": str(1_000 + number)},
            between=between,
        )
        pipeline.run_gitlab(repository / ".gitlab-ci.yml")
        codes = [one.code for one in pipeline.ended]
        if between is alter:
            assert codes == [0, 0, 0, 0, 10, 0], pipeline.ended
        else:
            assert codes == [0] * 6, pipeline.ended
        assert not list((work / "jobs" / "stamp").glob(".[pl]*"))
