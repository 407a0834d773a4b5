"""``anchor demo``: the whole way of a folder's files, on a chain of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from anchor.chain.chain_reader import ChainReader
from anchor.chain.connect import open_node
from anchor.chain.devnet import Devnet, find_anvil, open_devnet
from anchor.cli.console import Colour, Output
from anchor.cli.context import open_signer
from anchor.cli.input_files import digest_file, read_receipt
from anchor.cli.progress_bar import show_hashing
from anchor.errors import MismatchError, UsageError
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import KIND_SENTENCES
from anchor.evidence.discovery import Discovered, SourceFile, find_sources
from anchor.evidence.workers import open_executor
from anchor.operate.deployment import deploy
from anchor.operate.file_intake import gather
from anchor.operate.proving import Prover
from anchor.operate.receipt_files import ReceiptFolder
from anchor.operate.single_run import anchor_round
from anchor.operate.state_proofs import StateProofs
from anchor.project.creation import plan_dev_project, write_dev_key
from anchor.project.files import find_checkout
from anchor.project.policy_sources import load_policy
from anchor.project.project import OpenProject, create_project
from anchor.receipt.format import encode_receipt
from anchor.store.evidence import find_evidence
from anchor.system.clock import SystemClock
from anchor.system.durable_files import write_file
from anchor.verification.report import Report
from anchor.verification.verifier import judge


def command(
    folder: Annotated[
        Path | None,
        typer.Argument(help="What to anchor; by default this program's own files."),
    ] = None,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Use py-evm even where anvil is installed.")
    ] = False,
) -> None:
    """Anchor a folder on an embedded chain, verify every file, and show an altered one refused."""
    output = Output(as_json=False)
    started = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="anchor-demo-"))
    checkout = find_checkout()
    anvil = None if embedded else find_anvil(checkout)
    with open_devnet(anvil=anvil) as chain:
        output.line(f"1. a chain of its own: {chain.kind}, chain {chain.chain_id}, at {chain.url}")
        if not chain.has_finality:
            output.line("   (its blocks never become final; the latest one counts as final here)")
        project = _create(output, scratch / "project", chain)
        receipts = _anchor(output, project, chain, _sources(folder, checkout))
        output.line(f"6. verified from the receipts alone, against {chain.url}")
        output.line(f"   ({KIND_SENTENCES['development']}):")
        verifier = _Verifier(project, chain.url)
        refused = 0
        for file, receipt in receipts:
            report = verifier.judge(file, receipt)
            refused += report.error is not None
            _show(output, report.record.name if report.record else str(file), report)
        _tamper(output, verifier, scratch, *receipts[0])
        project.database.close()
    if refused:
        raise MismatchError(f"{refused} of {len(receipts)} files did not verify")
    seconds = time.monotonic() - started
    output.line()
    output.line(f"{len(receipts):,} files recorded, anchored and verified in {seconds:.1f} s.")
    _print_next_steps(output, project.config.receipts, receipts[0][1])


def _print_next_steps(output: Output, folder: Path, receipt: Path) -> None:
    output.line(f"The receipts are below {folder}")
    output.line("Next:")
    activate = Path(sys.executable).with_name("activate")
    if shutil.which("anchor") is None and activate.is_file():
        output.line(f"  . {activate}      # puts `anchor` on your path")
    output.line(f"  anchor explain {receipt}")
    output.line("  anchor devnet                      # a chain that stays, in a shell of its own")
    output.line("  anchor init --devnet my-project && cd my-project && anchor deploy")
    output.line("  anchor stamp FILE && anchor verify FILE")


def _create(output: Output, folder: Path, chain: Devnet) -> OpenProject:
    node = open_node(chain.url)
    config = plan_dev_project(folder, node, url=chain.url, number=0)
    folder.mkdir()
    project = create_project(config)
    write_dev_key(config)
    with project.database.hold_lease():
        deployed = deploy(project, node, lambda: open_signer(config), SystemClock(), _quiet)
    output.line(
        f"2. registry deployed at {format_address(deployed.registry)} ({deployed.gas_used:,} gas)"
    )
    return project


def _anchor(
    output: Output, project: OpenProject, chain: Devnet, sources: Iterator[Discovered]
) -> list[tuple[Path, Path]]:
    """Record, seal, anchor and write the receipts; return each file with its receipt."""
    with open_executor() as executor, show_hashing(output) as count:
        gathered = gather(project, sources, executor=executor, keep_files=True, on_done=count)
    for problem in gathered.problems:
        output.note(f"{problem.path}: {problem.reason}", mark="not added ", colour=Colour.RED)
    if not gathered.files:
        raise UsageError("there are no files in there to anchor")
    output.line(f"3. recorded {len(gathered.files):,} files, {gathered.size:,} bytes")
    config = project.config
    node = open_node(chain.url)
    proofs = StateProofs(config, node, _quiet)
    with project.database.hold_lease():
        result = anchor_round(
            project,
            node,
            lambda: open_signer(config),
            SystemClock(),
            wait_for="final",
            report=_quiet,
            proofs=proofs,
        )
    assert result.anchored is not None
    head = result.anchored.head
    output.line(f"4. sealed {result.sealed:,} leaves under root {head.root.hex()}")
    output.line(
        f"5. anchor {result.anchored.sequence} in block {result.anchored.block_number}: "
        f"{result.state.value}"
    )
    prover, folder = Prover(project, proofs), ReceiptFolder(config.receipts)
    receipts = []
    with project.database.read() as connection:
        for hashed in gathered.files:
            evidence = find_evidence(connection, hashed.source.path, hashed.digests)
            receipt = prover.prove(evidence)
            path = folder.place(hashed.source.name, receipt)
            write_file(path, encode_receipt(receipt), durable=False)
            receipts.append((hashed.source.path, path))
    return receipts


class _Verifier:
    """What a stranger has: the trust policy, the receipts, the files, and a node to ask."""

    def __init__(self, project: OpenProject, url: str) -> None:
        self._policy = load_policy(project.config.trust, "option").policy
        self._view = ChainReader(open_node(url))

    def judge(self, file: Path, receipt: Path) -> Report:
        """Verify one file."""
        return judge(
            read_receipt(receipt),
            digest_file(file),
            policy=self._policy,
            connect=lambda _: self._view,
        )


def _show(output: Output, name: str, report: Report) -> None:
    error = report.error
    if error is None:
        time = report.proven[0].existed_by
        output.line(
            f"{name}  existed no later than {time:%Y-%m-%d %H:%M:%S} UTC",
            mark="   verified  ",
            colour=Colour.YELLOW,
        )
    else:
        output.line(
            f"{name}  {error.message} (exit code {int(error.exit_code)})",
            mark="   refused   ",
            colour=Colour.RED,
        )


def _tamper(output: Output, verifier: _Verifier, scratch: Path, file: Path, receipt: Path) -> None:
    """Alter a copy of ``file`` and show that its receipt does not verify it."""
    altered = scratch / f"altered-{file.name}"
    shutil.copyfile(file, altered)
    with altered.open("ab") as copy:
        copy.write(b"\0")
    output.line("7. the same receipt, with a copy that has one byte more:")
    report = verifier.judge(altered, receipt)
    _show(output, altered.name, report)
    if report.error is None:
        raise MismatchError("the altered copy was verified: this program is broken")


def _sources(folder: Path | None, checkout: Path | None) -> Iterator[Discovered]:
    """Return what to anchor: a folder's files, or the files git tracks in this checkout."""
    if folder is not None:
        return find_sources([folder], follow_symlinks=False)
    if checkout is not None and (checkout / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(
            ["git", "-C", str(checkout), "ls-files", "-z"], capture_output=True, check=False
        )
        names = [name.decode("utf-8") for name in listed.stdout.split(b"\0") if name]
        if listed.returncode == 0 and names:
            return iter([SourceFile(path=checkout / name, name=name) for name in sorted(names)])
    return find_sources([Path(__file__).resolve().parents[1]], follow_symlinks=False)


def _quiet(_text: str) -> None:
    """Say nothing: the demo tells its own story."""
