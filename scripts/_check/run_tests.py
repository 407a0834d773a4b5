"""Run the tests as parallel jobs, the longest first; ``scripts/test`` sets up what they need.

    python scripts/_check/run_tests.py [PYTEST ARGUMENT...]    what guards a landing
    python scripts/_check/run_tests.py --all           also what is marked `release`, more examples
    python scripts/_check/run_tests.py --list          print the jobs
    python scripts/_check/run_tests.py --environments  print the environments that the jobs need

Neither runs what is marked `slow`.  The proofs run where what they prove changed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import prove

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
LOGS = ROOT / ".build" / "jobs"

# The number of jobs among which a folder's files are divided; 1 for a folder that is not listed.
# Each costs some eight seconds of a core until its first test runs.
PARTS = {"capture": 2, "cli": 3, "faults": 2, "service": 2}
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

# What pytest says of tests that tests/support/tools.py did not run.
_NOT_RUN = re.compile(r"^SKIPPED \[(\d+)\] .*?: not run: no (\S+)", re.M)

LANDING = "not slow and not release"
EVERYTHING = "not slow"


@dataclass(frozen=True, slots=True)
class Job:
    """Commands that run one after the other; ``seconds`` is their estimated duration."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    seconds: float
    # An environment beside .venv: analysis, ape, site, web3-8.
    environment: str = ""
    # Whether it runs what npm installs.
    needs_npm: bool = False

    def find_missing(self) -> str | None:
        """Return what this job cannot run without and is not here, if anything."""
        if self.needs_npm and not (ROOT / "node_modules" / ".package-lock.installed").is_file():
            return "npm"
        if self.environment == "ape" and not (ROOT / ".venv-ape").is_dir():
            return "Python 3.11 or 3.12"
        return None


_COVERAGE = """\
forge coverage --no-match-contract Invariant --no-match-coverage '^tests/' >.build/coverage.txt
python scripts/_check/check_coverage.py .build/coverage.txt"""

_ON_WEB3_8 = ("devnet", "receipt_size", "state_proofs", "successor_proofs")

CONTRACT = Job(
    "contract",
    (
        ("forge", "fmt", "--check"),
        (".venv-analysis/bin/python", "scripts/_check/check_static.py"),
        ("forge", "test"),
        ("sh", "-ec", _COVERAGE),
    ),
    170,
    "analysis",
    needs_npm=True,
)
_IN_APE = (".venv-ape/bin/python", "-m", "pytest", "-q", "-c")
CONTRACT_APE = Job(
    "contract_ape",
    ((*_IN_APE, "tests/contracts/pytest.ini", "tests/contracts"),),
    120,
    "ape",
    needs_npm=True,
)

# Jobs of the second lane only.
FURTHER = (
    Job("ape", ((*_IN_APE, "tests/ape/pytest.ini", "tests/ape"),), 70, "ape", needs_npm=True),
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
        "web3-8",
    ),
)
# Environments beside .venv that tests marked `release` need, by folder.
MARKED_ENVIRONMENTS = {"site": "site"}


def list_jobs(*, everything: bool, arguments: Sequence[str] = ()) -> list[Job]:
    """Return the jobs of a lane."""
    run = ("coverage", "run", "-m", "pytest") if os.environ.get("COVERAGE") else ("pytest",)
    pytest = (*run, "-q", "-m", EVERYTHING if everything else LANDING)
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
            needs_npm=True,
        ),
        CONTRACT,
        CONTRACT_APE,
    ]
    if read_record(prove.RECORD).get("inputs") != prove.hash_inputs():
        command = (".venv-analysis/bin/python", "scripts/_check/prove.py")
        jobs.append(Job("proofs", (command,), 520, "analysis", needs_npm=True))
    tests = sorted(path.relative_to(TESTS) for path in TESTS.glob("*/**/test_*.py"))
    for folder in sorted({path.parts[0] for path in tests}.difference(APART)):
        files = [f"tests/{path.as_posix()}" for path in tests if path.parts[0] == folder]
        environment = MARKED_ENVIRONMENTS.get(folder, "") if everything else ""
        for name, part in deal(folder, files, PARTS.get(folder, 1)):
            command = (*pytest, *part, *arguments)
            jobs.append(Job(name, (command,), SECONDS.get(folder, 60), environment))
    return [*jobs, *FURTHER] if everything else jobs


def deal(name: str, files: Sequence[str], parts: int) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the name and the files of each job among which a folder's files are divided."""
    for part in range(parts):
        yield (name if parts == 1 else f"{name}_{part + 1}"), files[part::parts]


class Runner:
    """A runner of parallel jobs, each with its own log in .build/jobs."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.failed: list[str] = []
        # How many tests of a job were not run, by the tool that they need.
        self.not_run: Counter[tuple[str, str]] = Counter()
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
            for count, tool in _NOT_RUN.findall("\n".join(said)):
                self.not_run[job.name, tool] += int(count)
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


def read_record(path: Path) -> dict[str, object]:
    """Return the JSON object in a file, or an empty one if there is no file."""
    value: dict[str, object] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return value


def main() -> int:
    arguments = sys.argv[1:]
    options = {"--all", "--list", "--environments"}.intersection(arguments)
    arguments = [word for word in arguments if word not in options]
    everything = "--all" in options
    jobs = list_jobs(everything=everything, arguments=arguments)
    jobs.sort(key=lambda job: -job.seconds)
    if "--environments" in options:
        print(" ".join(sorted({job.environment for job in jobs if job.environment})))
        return 0
    if "--list" in options:
        for job in jobs:
            tool = job.find_missing()
            print(job.name, *([f"(not run, without {tool})"] if tool else []))
        return 0
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    runner = Runner({**os.environ, **({"HYPOTHESIS_PROFILE": "release"} if everything else {})})
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, runner.stop)
    started = time.monotonic()
    # More than the number of cores, because tests mostly wait for chains, daemons and clocks.
    missing = {job.name: tool for job in jobs if (tool := job.find_missing())}
    runner.run([job for job in jobs if job.name not in missing], 2 * (os.cpu_count() or 1) + 1)
    subprocess.run([sys.executable, "scripts/_build/build_faults.py"], cwd=ROOT, check=True)
    for name, seconds in sorted(runner.seconds.items(), key=lambda pair: -pair[1]):
        cpu = runner.cpu.get(name, 0.0)
        failed = "  FAILED" if name in runner.failed else ""
        print(f"{seconds:7.0f} s  {cpu:7.0f} s CPU  {name}{failed}")
    cpu = sum(runner.cpu.values())
    print(f"{time.monotonic() - started:7.0f} s  {cpu:7.0f} s CPU  together")
    for name, tool in missing.items():
        print(f"NOT RUN: {name}, all of it, without {tool}")
    for (name, tool), count in sorted(runner.not_run.items()):
        print(f"NOT RUN: {name}, {count} tests, without {tool}")
    is_whole = not missing and not runner.not_run
    return 0 if not runner.failed and (is_whole or not os.environ.get("CI")) else 1


if __name__ == "__main__":
    sys.exit(main())
