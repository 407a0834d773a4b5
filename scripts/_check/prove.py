"""Prove the contract's properties in tests/contracts/symbolic with Halmos.

    python scripts/_check/prove.py           prove everything, and record the proofs
    python scripts/_check/prove.py --deep    with larger bounds
    python scripts/_check/prove.py --unless-recorded
                                             for continuous integration: skip proofs that are
                                             recorded for the present files

The proofs depend only on what `hash_inputs` reads; proven.json holds the SHA-256 of the inputs of
the last complete run.  The modules that this script imports are not part of them.

Runs in .venv-analysis, which contains Halmos, with forge and the compiler from scripts/foundry.sh.

One line is printed per property.  Anything short of a proof is an error: a counterexample, a path
that was cut short, a solver that gave up, a loop that was not unrolled to its end, a warning, or a
function that was not run.  A `reach_` function must have a counterexample, and is an error without.

The code under proof is either the artifact in anchor/registry/data, or the same registry over
AnyVerdict.sol, where a proof of any size and length may verify or not.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from anchor.ethereum.keccak import hash_keccak256

ROOT = Path(__file__).resolve().parents[2]
ARTIFACT = ROOT / "anchor" / "registry" / "data" / "AnchorRegistry.json"

# Everything that a proof depends on: the contract, the properties, the tools and their settings.
INPUTS = (
    "contracts/**/*.sol",
    "tests/contracts/symbolic/*.sol",
    "anchor/registry/data/AnchorRegistry.*json",
    "foundry.toml",
    "package-lock.json",
    "requirements/analysis.txt",
)
RECORD = ROOT / "tests" / "contracts" / "symbolic" / "proven.json"

HALMOS = "0.3.3"
_PATCHED = "--patched-halmos"  # runs Halmos in this process' child

# Halmos takes the number of bytes for the number of bits, and cannot hash nothing (which the
# constructor does).  With this, SHA-256 of n > 0 bytes is an uninterpreted function of 8n bits.
_SHA256_IN_HALMOS = """\
                f_sha256 = Function(
                    f"f_sha256_{arg_size}", BitVecSorts[arg_size], BitVecSort256
                )

                unwrapped = arg.unwrap()
                wrapped = (
                    unwrapped if is_bv(unwrapped) else bytes_to_bv_value(unwrapped)
                )
                ret = ByteVec(f_sha256(wrapped))
"""
_SHA256_CORRECTED = """\
                if arg_size == 0:
                    ret = ByteVec(__import__("hashlib").sha256().digest())
                else:
                    f_sha256 = Function(
                        f"f_sha256_{arg_size}", BitVecSorts[arg_size * 8], BitVecSort256
                    )
                    unwrapped = arg.unwrap()
                    wrapped = (
                        unwrapped if is_bv(unwrapped) else bytes_to_bv_value(unwrapped)
                    )
                    ret = ByteVec(f_sha256(wrapped))
"""

# More turns than any loop has: sizes have 48 bits.
_LOOP = "64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One compilation of the contracts and the proofs."""

    name: str
    out: str
    remappings: str
    verifier: str  # the source that is compiled in for Rfc9162


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The functions of one contract, over one build, with arrays of the given lengths."""

    contract: str
    build: Build
    lengths: str
    branching: str  # how long to ask whether a branch can be taken, before it is followed anyway
    kind: str = "check"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of one function; ``complaint`` is empty if it is what it should be."""

    function: str
    complaint: str
    paths: int = 0
    seconds: float = 0.0


class ProofError(Exception):
    """Halmos or forge could not do its work."""


REAL = Build(
    name="artifact",
    out=".build/symbolic",
    remappings="",
    verifier="contracts/Rfc9162.sol",
)
CUT = Build(
    name="any verdict",
    out=".build/symbolic-cut",
    remappings="contracts/Rfc9162.sol=tests/contracts/symbolic/AnyVerdict.sol",
    verifier="tests/contracts/symbolic/AnyVerdict.sol",
)

# Over AnyVerdict a proof's length matters only in so far as it is none.
_NONE_AND_SOME = "consistencyProof={0,2},proof={0,2}"

_ALWAYS = (
    Run(contract="StorageProofs", build=CUT, lengths=_NONE_AND_SOME, branching="100ms"),
    Run(contract="CallProofs", build=CUT, lengths=_NONE_AND_SOME, branching="1s"),
    Run(contract="CallProofs", build=CUT, lengths="proof=2", branching="1s", kind="reach"),
    Run(contract="OutcomeProofs", build=CUT, lengths=_NONE_AND_SOME, branching="1s"),
    # The artifact as well, but for following anchors: those are among the VerifierProofs.
    Run(
        contract="CombinedStorageProofs",
        build=REAL,
        lengths="consistencyProof=0,proof=0",
        branching="100ms",
    ),
)
QUICK = (
    *_ALWAYS,
    Run(contract="VerifierProofs", build=REAL, lengths="proof={0,1,7}", branching="1s"),
)
DEEP = (
    *_ALWAYS,
    Run(contract="DeepVerifierProofs", build=REAL, lengths="proof={0,1,7,48}", branching="1s"),
)


def main() -> int:
    if sys.argv[1:2] == [_PATCHED]:
        return run_patched_halmos(sys.argv[2:])
    if sys.argv[1:] not in ([], ["--deep"], ["--unless-recorded"]):
        print(__doc__, file=sys.stderr)
        return 2
    inputs = hash_inputs()
    record = read_json(RECORD) if RECORD.is_file() else {}
    if sys.argv[1:] == ["--unless-recorded"] and record.get("inputs") == inputs:
        print(f"recorded as proven: {record['proved']} properties of inputs {inputs}")
        return 0
    runs = DEEP if sys.argv[1:] == ["--deep"] else QUICK
    started = time.monotonic()
    failed = proved = 0
    try:
        for build in (REAL, CUT):
            compile_proofs(build)
        for run in runs:
            for verdict in prove(run):
                print(describe(run, verdict), flush=True)
                failed += verdict.complaint != ""
                proved += verdict.complaint == ""
    except ProofError as error:
        print(f"prove: {error}", file=sys.stderr)
        return 1
    print(f"{proved} proved, {failed} failed, {time.monotonic() - started:.0f} s")
    if failed or not proved:
        return 1
    if runs is QUICK:
        record = {"inputs": inputs, "halmos": HALMOS, "proved": proved}
        RECORD.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return 0


def hash_inputs() -> str:
    """Return the SHA-256 of all files that the proofs depend on, and of this script's method."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in INPUTS for path in ROOT.glob(pattern)}):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{content}  {path.relative_to(ROOT).as_posix()}\n".encode())
    digest.update(cut_method(Path(__file__).read_text("utf-8")).encode())
    return digest.hexdigest()


def cut_method(source: str) -> str:
    """Return the part of this script that decides what is proven and how."""
    method = source[source.index("\nHALMOS = ") :]
    before, _, rest = method.partition("\ndef hash_inputs()")
    return before + rest[rest.index("\ndef describe(") :]


def describe(run: Run, verdict: Verdict) -> str:
    if verdict.complaint:
        return f"FAILED  {run.contract}.{verdict.function} ({run.build.name})\n{verdict.complaint}"
    word = "proved" if run.kind == "check" else "reached"
    figures = f"{verdict.paths} paths, {verdict.seconds:.0f} s"
    return f"{word:7} {run.contract}.{verdict.function} ({run.build.name}; {figures})"


def compile_proofs(build: Build) -> None:
    """Compile from scratch, and see that the build is what it says it is.

    Raises:
        ProofError: it does not compile, or the registry in it is another one.
    """
    for stale in (build.out, f"{build.out}-cache"):
        shutil.rmtree(ROOT / stale, ignore_errors=True)
    try:
        answer = subprocess.run(
            ["forge", "build", "--ast"],
            cwd=ROOT,
            env=make_environment(build),
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise ProofError("no forge on the PATH: see scripts/foundry.sh") from None
    if answer.returncode:
        raise ProofError(f"forge build failed:\n{answer.stdout}{answer.stderr}")
    registry = read_json(ROOT / build.out / "AnchorRegistry.sol" / "AnchorRegistry.json")
    sources = set(registry["metadata"]["sources"])
    if {name for name in sources if name.endswith(("Rfc9162.sol", "AnyVerdict.sol"))} != {
        build.verifier
    }:
        raise ProofError(f"{build.out} is not built over {build.verifier} but over {sources}")
    # The events' topics, the empty tree's root and the place of CHAIN_ID.
    known = {*hash_events(registry["abi"]), hashlib.sha256().digest(), bytes(32)}
    for code in ("bytecode", "deployedBytecode"):
        strange = find_wide_constants(bytes.fromhex(registry[code]["object"][2:])) - known
        if strange:
            listed = ", ".join(sorted(constant.hex() for constant in strange))
            raise ProofError(
                f"{code} of {build.out} names {listed}: perhaps the slot of a literal key, which "
                "Halmos does not recognise as the mapping's"
            )
    if build is REAL:
        artifact = read_json(ARTIFACT)
        for code in ("bytecode", "deployedBytecode"):
            if registry[code]["object"] != artifact[code]:
                raise ProofError(f"{code} of the build is not that of {ARTIFACT.name}")


def hash_events(abi: list[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the topic of every event."""
    for entry in abi:
        if entry["type"] == "event":
            types = ",".join(parameter["type"] for parameter in entry["inputs"])
            yield bytes(hash_keccak256(f"{entry['name']}({types})".encode()))


def find_wide_constants(code: bytes) -> set[bytes]:
    """Return what the code pushes that is as wide as a hash could be: PUSH21 … PUSH32.

    The optimizer hashes a mapping's literal key by itself, and what is stored there would escape
    every proof.  The contract has no such key.
    """
    found: set[bytes] = set()
    at = 0
    while at < len(code):
        width = code[at] - 0x5F if 0x60 <= code[at] <= 0x7F else 0
        if width > 20:
            found.add(code[at + 1 : at + 1 + width])
        at += 1 + width
    return found


def prove(run: Run) -> Iterator[Verdict]:
    """Have Halmos judge every function of the run.

    Raises:
        ProofError: Halmos did not get as far as judging, or warned.
    """
    compiled = read_json(ROOT / run.build.out / find_proof(run) / f"{run.contract}.json")
    expected = {name for name in compiled["methodIdentifiers"] if name.startswith(f"{run.kind}_")}
    if not expected:
        raise ProofError(f"{run.contract} has no {run.kind}_ function")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        said = run_halmos(run, report)
        if not report.exists():
            raise ProofError(f"Halmos gave no report:\n{said}")
        results = [
            result
            for of_contract in read_json(report)["test_results"].values()
            for result in of_contract
        ]
    if {result["name"] for result in results} != expected or len(results) != len(expected):
        raise ProofError(f"Halmos did not run {run.contract}'s functions, each once:\n{said}")
    yield from (judge(result, run.kind, said) for result in results)
    if re.search(r"^\s*(WARNING|ERROR|CRITICAL)\b", said, re.MULTILINE):
        raise ProofError(f"Halmos warned:\n{said}")


def judge(result: dict[str, Any], kind: str, said: str) -> Verdict:
    """Tell whether a result is a proof or, of a `reach_` function, a true counterexample."""
    exit_code, models = result["exitcode"], result["models"] or []
    paths, ended, stuck = result["num_paths"] or (0, 0, 0)
    right = 0 if kind == "check" else 1
    complaint = ""
    if exit_code != right:
        complaint = f"exit code {exit_code} instead of {right}\n{said}"
    elif result["num_bounded_loops"] != 0 or stuck != 0:
        complaint = f"not every path was followed to its end\n{said}"
    elif ended == 0:
        complaint = f"no path ended well\n{said}"
    elif (kind == "check") != (len(models) == 0) or not all(m["is_valid"] for m in models):
        complaint = f"{len(models)} counterexamples, or untrue ones\n{said}"
    seconds = (result["time"] or [0.0])[0]
    return Verdict(
        function=result["name"].partition("(")[0],
        complaint=complaint,
        paths=paths,
        seconds=seconds,
    )


def run_halmos(run: Run, report: Path) -> str:
    """Run it in a process of its own, and return all that it says."""
    command = [sys.executable, str(Path(__file__).resolve()), _PATCHED]
    command += ["--root", str(ROOT), "--forge-build-out", run.build.out]
    command += ["--contract", run.contract, "--function", f"{run.kind}_"]
    command += ["--array-lengths", run.lengths, "--loop", _LOOP]
    # Every panic is a failure, so that no proof hides in an overflow of its own.
    command += ["--panic-error-codes", "*"]
    command += ["--solver-timeout-branching", run.branching, "--solver-threads", "2"]
    command += ["--solver-timeout-assertion", "180s"]
    command += ["--json-output", str(report), "--no-status"]
    answer = subprocess.run(
        command,
        cwd=ROOT,
        env=make_environment(run.build),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return answer.stdout


def make_environment(build: Build) -> dict[str, str]:
    own = Path(sys.executable).parent  # has the solver
    return {
        **os.environ,
        "PATH": f"{own}{os.pathsep}{os.environ['PATH']}",
        "FOUNDRY_PROFILE": "symbolic",
        "FOUNDRY_OUT": build.out,
        "FOUNDRY_CACHE_PATH": f"{build.out}-cache",
        "FOUNDRY_REMAPPINGS": build.remappings,
    }


def find_proof(run: Run) -> str:
    """Return the name of the source that has the run's contract: the build's folders bear it."""
    found = [path.parent.name for path in (ROOT / run.build.out).glob(f"*/{run.contract}.json")]
    if len(found) != 1:
        raise ProofError(f"{len(found)} contracts are called {run.contract}")
    return found[0]


def read_json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value


def run_patched_halmos(arguments: list[str]) -> int:
    """Run Halmos with its SHA-256 put right.

    Raises:
        SystemExit: it is not the release that we know.
    """
    try:
        version = metadata.version("halmos")
    except metadata.PackageNotFoundError:
        sys.exit("Halmos is not installed here: see scripts/foundry.sh")
    if version != HALMOS:
        sys.exit(f"Halmos {version} is not {HALMOS}, whose SHA-256 this script corrects")
    load_corrected("halmos.sevm", _SHA256_IN_HALMOS, _SHA256_CORRECTED)
    sys.argv = ["halmos", *arguments]
    from halmos.__main__ import main as run

    return int(run())


def load_corrected(name: str, wrong: str, right: str) -> ModuleType:
    """Import a module with one passage of its source replaced.

    Raises:
        SystemExit: the passage is not there exactly once.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        sys.exit(f"{name} has no source")
    source = Path(spec.origin).read_text("utf-8")
    if source.count(wrong) != 1:
        sys.exit(f"{name} is not as it was in Halmos {HALMOS}: look at its SHA-256 again")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    exec(compile(source.replace(wrong, right), spec.origin, "exec"), module.__dict__)  # noqa: S102
    return module


if __name__ == "__main__":
    sys.exit(main())
