"""``anchor demo``: recording, anchoring and verifying a folder's files, on an embedded chain."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import anchor
from anchor.chain.devnet import Devnet, find_anvil, open_devnet
from anchor.cli.console import Colour, Output
from anchor.cli.options import EmbeddedOption
from anchor.cli.progress_bar import show_hashing
from anchor.errors import MismatchError, UsageError
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import KIND_SENTENCES
from anchor.evidence.discovery import IntakeProblem, Skipped, SourceFile
from anchor.operate.receipt_files import ReceiptFolder
from anchor.project.files import find_checkout


def command(
    folder: Annotated[
        Path | None,
        typer.Argument(help="What to anchor; by default this program's own files."),
    ] = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Anchor a folder on an embedded chain, verify it, and refuse an altered copy."""
    output = Output(as_json=False)
    started = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="anchor-demo-"))
    checkout = find_checkout()
    anvil = None if embedded else find_anvil(checkout)
    with open_devnet(anvil=anvil) as chain:
        output.line(f"1. a chain of its own: {chain.kind}, chain {chain.chain_id}, at {chain.url}")
        if not chain.has_finality:
            output.line("   (its blocks never become final; the latest one counts as final here)")
        with _create(output, scratch / "project", chain) as project:
            receipts = _anchor(output, project, _sources(folder, checkout))
        output.line(f"6. verified from the receipts alone, against {chain.url}")
        output.line(f"   ({KIND_SENTENCES['development']}):")
        policy = anchor.TrustPolicy.load(project.config.trust)
        with anchor.Verifier(policy=policy, rpc=[chain.url]) as verifier:
            refused = _verify_all(output, verifier, receipts)
            _tamper(output, verifier, scratch, *receipts[0])
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


def _create(output: Output, folder: Path, chain: Devnet) -> anchor.Project:
    project = anchor.Project.create_on_devnet(folder, rpc=chain.url)
    deployed = project.deploy()
    output.line(
        f"2. registry deployed at {format_address(deployed.registry)} ({deployed.gas_used:,} gas)"
    )
    return project


def _anchor(
    output: Output, project: anchor.Project, files: Sequence[Path | SourceFile]
) -> list[tuple[Path, Path]]:
    """Record, seal, anchor and write the receipts; return each file with its receipt."""

    def note_left_out(path: IntakeProblem | Skipped) -> None:
        if isinstance(path, IntakeProblem):
            output.note(f"{path.path}: {path.reason}", mark="not added ", colour=Colour.RED)

    with show_hashing(output) as count:
        added = project.add(files, on_left_out=note_left_out, on_progress=count)
    if not added:
        raise UsageError("there are no files in there to anchor")
    size = sum(piece.digests.size or 0 for piece in added)
    output.line(f"3. recorded {len(added):,} files, {size:,} bytes")
    result = project.run_once(wait="final")
    assert result.anchored is not None
    head = result.anchored.head
    output.line(f"4. sealed {result.sealed:,} leaves under root {head.root.hex()}")
    output.line(
        f"5. anchor {result.anchored.sequence} in block {result.anchored.block_number}: "
        f"{result.state.value}"
    )
    folder = ReceiptFolder(project.config.receipts)
    receipts = []
    for piece, receipt in project.receipts(added):
        assert piece.path is not None, "files alone are added"
        path, _ = folder.save(receipt, durable=False)
        receipts.append((piece.path, path))
    return receipts


def _verify_all(
    output: Output, verifier: anchor.Verifier, receipts: list[tuple[Path, Path]]
) -> int:
    """Verify each file by its receipt; return how many did not pass."""
    refused = 0
    for file, receipt in receipts:
        report = verifier.judge(file, anchor.Receipt.load(receipt))
        refused += report.error is not None
        _show(output, report.record.name if report.record else str(file), report)
    return refused


def _show(output: Output, name: str, report: anchor.Report) -> None:
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


def _tamper(
    output: Output, verifier: anchor.Verifier, scratch: Path, file: Path, receipt: Path
) -> None:
    """Alter a copy of ``file`` and show that its receipt does not verify it."""
    altered = scratch / f"altered-{file.name}"
    shutil.copyfile(file, altered)
    with altered.open("ab") as copy:
        copy.write(b"\0")
    output.line("7. the same receipt, with a copy that has one byte more:")
    report = verifier.judge(altered, anchor.Receipt.load(receipt))
    _show(output, altered.name, report)
    if report.error is None:
        raise MismatchError("the altered copy was verified: this program is broken")


def _sources(folder: Path | None, checkout: Path | None) -> Sequence[Path | SourceFile]:
    """Return the files to anchor: a folder, or the files git tracks in this checkout."""
    if folder is not None:
        return [folder]
    if checkout is not None and (checkout / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(
            ["git", "-C", str(checkout), "ls-files", "-z"], capture_output=True, check=False
        )
        names = [name.decode("utf-8") for name in listed.stdout.split(b"\0") if name]
        if listed.returncode == 0 and names:
            return [SourceFile(path=checkout / name, name=name) for name in sorted(names)]
    return [Path(__file__).resolve().parents[2]]
