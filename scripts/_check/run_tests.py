"""Run the tests as parallel jobs, the longest first; ``scripts/test`` sets up what they need.

    python scripts/_check/run_tests.py [PYTEST ARGUMENT...]
    python scripts/_check/run_tests.py --release    every job, with all examples
    python scripts/_check/run_tests.py --due        print the environments that the jobs to run need

A job that lists inputs takes long.  It runs in the release lane, and in the ordinary lane unless
tests/recorded.json records that it passed with the same inputs.  A run that passes is recorded
there, and the file has to be committed.  The proofs have a record of their own.  Every other job
always runs.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import prove

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
LOGS = ROOT / ".build" / "jobs"
TIMES = ROOT / ".build" / "job-times.json"
RECORD = TESTS / "recorded.json"

# The number of jobs among which a folder's files are divided; 1 for a folder that is not listed.
# Each costs some eight seconds of a core until its first test runs.
PARTS = {"cli": 3, "faults": 2, "service": 2}
# The same for the tests that are marked `release`.
MARKED_PARTS = {"browser": 2, "capture": 3, "cli": 5, "faults": 3}
# Estimated seconds for a part of a folder, by which jobs are sorted; 60 s if not listed.
SECONDS = {
    "cli": 170,
    "faults": 170,
    "unit": 170,
    "browser": 150,
    "devnet": 150,
    "service": 140,
    "store": 140,
}
# Folders without tests, or whose tests are run in another way.
APART = ("contracts", "ape")

ORDINARY = "not slow and not release"
EVERYTHING = "not slow"


@dataclass(frozen=True, slots=True)
class Job:
    """Commands that run one after the other; ``seconds`` is their estimated duration."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    seconds: float
    inputs: tuple[str, ...] = ()
    # An environment beside .venv: analysis, site, web3-8.
    environment: str = ""

    def hash_inputs(self) -> str:
        """Return the SHA-256 of the names and contents of the inputs."""
        digest, ours = hashlib.sha256(), list_files(ROOT)
        for path in sorted({path for pattern in self.inputs for path in ROOT.glob(pattern)}):
            if path.is_file() and (ours is None or path in ours):
                content = hashlib.sha256(read_content(path)).hexdigest()
                digest.update(f"{content}  {path.relative_to(ROOT).as_posix()}\n".encode())
        return digest.hexdigest()


@cache
def list_files(root: Path) -> frozenset[Path] | None:
    """Return the checkout's files except those that git ignores; None outside a checkout."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return frozenset(root / name for name in done.stdout.split("\0") if name)


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def read_content(path: Path) -> bytes:
    """Return a file's bytes, or for a Python module its code without comments and docstrings."""
    if path.suffix != ".py":
        return path.read_bytes()
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree).encode()


_COVERAGE = """\
forge coverage --no-match-contract Invariant --no-match-coverage '^tests/' >.build/coverage.txt
python scripts/_check/check_coverage.py .build/coverage.txt"""

_CONTRACT = (
    "contracts/**/*.sol",
    "anchor/registry/data/AnchorRegistry.*json",
    "foundry.toml",
    "ape-config.yaml",
    "package-lock.json",
    "requirements/test.txt",
)

_ON_WEB3_8 = ("devnet", "receipt_size", "state_proofs", "successor_proofs")

# Jobs that take long, each with the files that it tests.
LONG = (
    Job(
        "contract",
        (
            ("forge", "fmt", "--check"),
            (".venv-analysis/bin/python", "scripts/_check/check_static.py"),
            ("forge", "test"),
            ("sh", "-ec", _COVERAGE),
            ("pytest", "-q", "-c", "tests/contracts/pytest.ini", "tests/contracts"),
        ),
        170,
        (
            *_CONTRACT,
            "requirements/analysis.txt",
            "tests/contracts/**/*",
            "scripts/_check/check_*.py",
            "scripts/_build/build_artifact.py",
            "scripts/_build/setup_compiler.py",
            "anchor/log/merkle.py",
        ),
        "analysis",
    ),
    Job(
        "ape",
        (("pytest", "-q", "-c", "tests/ape/pytest.ini", "tests/ape"),),
        70,
        (
            *_CONTRACT,
            "tests/ape/*",
            "docs/ape.md",
            "scripts/_ape_*.py",
            "scripts/anchor_evidence.py",
            "scripts/deploy.py",
            "scripts/verify_receipt.py",
            "anchor/__init__.py",
            "anchor/library/*.py",
            "anchor/registry/*.py",
            "anchor/receipt/*.py",
            "anchor/verification/*.py",
        ),
    ),
    Job(
        "web3_8",
        (
            (".venv-web3-8/bin/mypy",),
            (
                *(".venv-web3-8/bin/python", "-m", "pytest", "-q", "-m", EVERYTHING),
                *(f"tests/devnet/test_{name}.py" for name in _ON_WEB3_8),
                "tests/cli/test_journey.py",
            ),
        ),
        150,
        (
            "requirements/web3-8.txt",
            "anchor/chain/json_rpc.py",
            "anchor/chain/tx_decoding.py",
            "anchor/chain/signer/*.py",
            "anchor/registry/calldata.py",
        ),
        "web3-8",
    ),
)

# The files tested by each folder's tests that are marked `release`; their own files are added.
MARKED = {
    "capture": (
        "anchor/capture/*.py",
        "anchor/bag/*.py",
        "anchor/collection/*.py",
        "anchor/comparison/**/*",
        "anchor/page_watch/**/*",
        "anchor/replay/**/*",
    ),
    "browser": (
        "tests/firefox/*",
        "web/src/**/*",
        "web/package-lock.json",
        "anchor/page/*",
        "anchor/service/pages/static/*",
        "anchor/standalone/*.py",
        "anchor/ethereum/*.py",
        "anchor/evidence/*.py",
        "anchor/log/*.py",
        "anchor/receipt/*.py",
        "anchor/verification/*",
        "docs/schemas/receipt.json",
    ),
    "cli": (
        "anchor/system/*.py",
        "anchor/evidence/*.py",
        "anchor/chain/**/*.py",
        "anchor/project/*.py",
        "anchor/store/**/*.py",
        "anchor/operate/*.py",
        "anchor/recovery/*.py",
        "anchor/service/*.py",
        "deploy/nginx.conf",
        "docs/operating.md",
        "scripts/stack",
        "scripts/_stack.py",
    ),
    "devnet": (
        "anchor/system/*.py",
        "anchor/ethereum/*.py",
        "anchor/log/*.py",
        "anchor/registry/**/*",
        "anchor/chain/**/*.py",
        "anchor/store/**/*.py",
        "anchor/operate/*.py",
        "anchor/monitor/*.py",
        "anchor/recovery/*.py",
        "anchor/verification/*.py",
    ),
    "faults": (
        "anchor/system/*.py",
        "anchor/ethereum/*.py",
        "anchor/registry/**/*",
        "anchor/chain/**/*.py",
        "anchor/store/**/*.py",
        "anchor/operate/*.py",
        "anchor/recovery/*.py",
        "deploy/*.service",
    ),
    "kit": (
        ".pre-commit-hooks.yaml",
        "action.yml",
        "anchor/chain/devnet/*.py",
        "anchor/cli/commands/devnet.py",
        "anchor/library/*.py",
        "anchor/system/forwarded_command.py",
        "anchor/testing/*.py",
        "examples/**/*",
        "pyproject.toml",
    ),
    "repository": (
        "docs/spec/*",
        "tests/foreign_verifier/*",
        "tests/vectors/**/*",
        "anchor/ethereum/*.py",
        "anchor/evidence/*.py",
        "anchor/receipt/*.py",
        "anchor/verification/*.py",
    ),
    "objects": (
        "anchor/system/*.py",
        "anchor/evidence/*.py",
        "anchor/log/publication.py",
        "anchor/objects/*.py",
        "anchor/operate/object_intake.py",
        "anchor/operate/publishing.py",
    ),
    "release": (
        "MANIFEST.in",
        "pyproject.toml",
        ".containerignore",
        "deploy/Containerfile",
        "deploy/debian-packages*.txt",
        "requirements/capture.txt",
        "requirements/deploy.txt",
        "requirements/release.txt",
        "scripts/demo",
        "scripts/environment.sh",
        "scripts/release",
        "scripts/_release/*.py",
        "anchor/native/*",
    ),
    "service": (
        "anchor/capture/*.py",
        "anchor/egress/*.py",
        "anchor/system/*.py",
        "anchor/project/*.py",
        "anchor/store/**/*.py",
        "anchor/operate/*.py",
        "anchor/service/**/*",
        "deploy/*",
    ),
    "site": (
        "*.md",
        "docs/**/*",
        "deploy/*",
        "mkdocs.yml",
        "requirements/site.txt",
        "scripts/_build/build_site.py",
        "tests/support/web_tutorial.py",
        "anchor/cli/*.py",
        "anchor/messages/*.po",
        "anchor/verification/*.py",
        "anchor/client/*.py",
        "anchor/page/*",
        "anchor/service/pages/**/*",
    ),
}
# Environments beside .venv that marked tests need, by folder.
MARKED_ENVIRONMENTS = {"site": "site"}
_MARK = re.compile(r"\bmark\.release\b")


def list_jobs(*, release: bool, arguments: Sequence[str] = ()) -> list[Job]:
    """Return every job of the lane, whether or not its inputs changed."""
    run = ("coverage", "run", "-m", "pytest") if os.environ.get("COVERAGE") else ("pytest",)
    pytest = (*run, "-q", "-m", EVERYTHING if release else ORDINARY)
    jobs = [
        Job("checks", (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)), 40),
        Job(
            "built",
            (
                ("python", "scripts/_build/build_artifact.py", "--check"),
                ("web/node_modules/.bin/tsc", "--project", "web"),
                ("python", "scripts/_build/build_page.py", "--check"),
            ),
            20,
        ),
    ]
    if read_json(prove.RECORD).get("inputs") != prove.hash_inputs():
        command = (".venv-analysis/bin/python", "scripts/_check/prove.py")
        jobs.append(Job("proofs", (command,), 520, environment="analysis"))
    tests = sorted(path.relative_to(TESTS) for path in TESTS.glob("*/**/test_*.py"))
    for folder in sorted({path.parts[0] for path in tests}.difference(APART)):
        files = [f"tests/{path.as_posix()}" for path in tests if path.parts[0] == folder]
        for name, part in deal(folder, files, PARTS.get(folder, 1)):
            jobs.append(Job(name, ((*pytest, *part, *arguments),), SECONDS.get(folder, 60)))
    return [*jobs, *LONG, *([] if release else list_marked())]


def list_marked() -> list[Job]:
    """Return the jobs of each folder's tests that are marked `release`."""
    jobs = []
    for folder, inputs in MARKED.items():
        files = sorted((TESTS / folder).glob("**/test_*.py"))
        has_marks = {path: bool(_MARK.search(path.read_text("utf-8"))) for path in files}
        conftest = TESTS / folder / "conftest.py"
        # Marks of a fixture concern whichever files use it.
        is_everywhere = conftest.exists() and _MARK.search(conftest.read_text("utf-8"))
        marked = [path for path in files if is_everywhere or has_marks[path]]
        names = [path.relative_to(ROOT).as_posix() for path in marked]
        own = [conftest] if conftest.exists() else []
        for name, part in deal(f"long_{folder}", names, MARKED_PARTS.get(folder, 1)):
            command = ("pytest", "-q", "-m", "release and not slow", *part)
            environment = MARKED_ENVIRONMENTS.get(folder, "")
            shared = (*own, *find_support([TESTS / "conftest.py", *own, *map(Path, part)]))
            used = (path.relative_to(ROOT).as_posix() for path in shared)
            jobs.append(Job(name, (command,), 150, (*inputs, *used, *part), environment))
    return jobs


def find_support(modules: Iterable[Path]) -> list[Path]:
    """Return the modules of ``tests/support`` that ``modules`` import, directly or through others.

    Those that no test imports, which may be run as programs, are among them.
    """
    paths = {path.stem: path for path in (TESTS / "support").glob("*.py")}
    used = paths.keys() - {name for test in TESTS.rglob("*.py") for name in list_imports(test)}
    pending = [*modules, *(paths[name] for name in used)]
    while pending:
        new = (list_imports(ROOT / pending.pop()) & paths.keys()) - used
        used |= new
        pending += (paths[name] for name in new)
    return sorted(paths[name] for name in used)


@cache
def list_imports(path: Path) -> frozenset[str]:
    """Return the names of the modules of ``tests/support`` that a module imports itself."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module == "support":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").removeprefix("support."))
        elif isinstance(node, ast.Import):
            names |= {alias.name.removeprefix("support.") for alias in node.names}
    return frozenset(names)


def deal(name: str, files: Sequence[str], parts: int) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the name and the files of each job among which a folder's files are divided."""
    for part in range(parts):
        yield (name if parts == 1 else f"{name}_{part + 1}"), files[part::parts]


def find_due(jobs: Iterable[Job], *, release: bool, record: Mapping[str, str]) -> list[Job]:
    """Return the jobs to run: all in the release lane, otherwise those without a current record."""
    return [
        job
        for job in jobs
        if release or not job.inputs or record.get(job.name) != job.hash_inputs()
    ]


class Runner:
    """A runner of parallel jobs, each with its own log in .build/jobs."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.failed: list[str] = []
        self.seconds: dict[str, float] = {}
        # CPU seconds used by each job and by all processes that it started and waited for.
        self.cpu: dict[str, float] = {}
        self._environment = environment
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, jobs: Sequence[Job], width: int) -> None:
        """Run all jobs in this order, ``width`` at a time."""
        with ThreadPoolExecutor(width) as pool:
            list(pool.map(self._run_job, jobs))

    def stop(self, *_: object) -> None:
        """Interrupt the running jobs and all their processes; tests then stop their servers."""
        self._stopped = True
        for process in tuple(self._running):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)

    def _run_job(self, job: Job) -> None:
        started = time.monotonic()
        log = LOGS / f"{job.name}.log"
        with log.open("wb") as output:
            done = all(self._run_command(job.name, command, output) for command in job.commands)
        seconds = time.monotonic() - started
        with self._lock:
            self.seconds[job.name] = seconds
            if not done:
                self.failed.append(job.name)
            said = log.read_text("utf-8", "replace").splitlines()
            print(f"== {job.name}: {'passed' if done else 'FAILED'}, {seconds:.0f} s")
            print("\n".join(said if not done else said[-1:]), flush=True)

    def _run_command(self, job: str, command: Sequence[str], output: IO[bytes]) -> bool:
        if self._stopped:
            return False
        try:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            output.write(f"{command[0]}: {error.strerror}\n".encode())
            return False
        self._running.add(process)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            self._running.discard(process)
        process.returncode = os.waitstatus_to_exitcode(status)
        with self._lock:
            self.cpu[job] = self.cpu.get(job, 0.0) + usage.ru_utime + usage.ru_stime
        return process.returncode == 0


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, or an empty one if there is no file."""
    value: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", "utf-8")


def main() -> int:
    arguments = sys.argv[1:]
    release, only_list = "--release" in arguments, "--due" in arguments
    arguments = [word for word in arguments if word not in ("--release", "--due")]
    record, times = read_json(RECORD), read_json(TIMES)
    listed = list_jobs(release=release, arguments=arguments)
    due = find_due(listed, release=release, record=record)
    due.sort(key=lambda job: -times.get(job.name, job.seconds))
    if only_list:
        print(" ".join(sorted({job.environment for job in due if job.environment})))
        return 0
    for job in listed:
        if job not in due:
            print(f"== {job.name}: recorded as passed with these inputs")
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    keyed = [*due, *list_marked()] if release else due
    keys = {job.name: job.hash_inputs() for job in keyed if job.inputs}
    runner = Runner({**os.environ, **({"HYPOTHESIS_PROFILE": "release"} if release else {})})
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, runner.stop)
    started = time.monotonic()
    # More than the number of cores, because tests mostly wait for chains, daemons and clocks.
    runner.run(due, 2 * (os.cpu_count() or 1) + 1)
    passed = {name: time for name, time in runner.seconds.items() if name not in runner.failed}
    write_json(TIMES, {**times, **passed})
    if not arguments:
        note_passed(keys, runner.seconds, runner.failed, record)
    subprocess.run([sys.executable, "scripts/_build/build_faults.py"], cwd=ROOT, check=True)
    for name, seconds in sorted(runner.seconds.items(), key=lambda pair: -pair[1]):
        cpu = runner.cpu.get(name, 0.0)
        failed = "  FAILED" if name in runner.failed else ""
        print(f"{seconds:7.0f} s  {cpu:7.0f} s CPU  {name}{failed}")
    cpu = sum(runner.cpu.values())
    print(f"{time.monotonic() - started:7.0f} s  {cpu:7.0f} s CPU  together")
    return 1 if runner.failed else 0


def note_passed(
    keys: Mapping[str, str],
    ran: Collection[str],
    failed: Collection[str],
    record: Mapping[str, str],
) -> None:
    """Record the long jobs that passed, with the hash of their inputs.

    In the release lane a folder's marked tests do not run apart: they are part of its jobs.
    """
    folders = {name.rstrip("_0123456789") for name in failed}
    passed = {
        name: key
        for name, key in keys.items()
        if name not in failed
        and (name in ran or name.removeprefix("long_").rstrip("_0123456789") not in folders)
    }
    if not passed.items() <= record.items():
        write_json(RECORD, {**record, **passed})


if __name__ == "__main__":
    sys.exit(main())
