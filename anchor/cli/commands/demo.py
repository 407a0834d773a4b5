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
from anchor.base.errors import MismatchError, UsageError
from anchor.base.messages.message import Message
from anchor.base.units import format_moment
from anchor.chain.devnet import Devnet, find_anvil, open_devnet
from anchor.cli.console import Colour, Output
from anchor.cli.options import EmbeddedOption
from anchor.cli.progress_bar import show_hashing
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import KIND_SENTENCES
from anchor.evidence.discovery import IntakeProblem, Skipped, SourceFile
from anchor.operate.receipt_files import ReceiptFolder
from anchor.operate.single_run import run_state_message
from anchor.project.files import find_checkout


def command(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder to anchor; default: this program's own files."),
    ] = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Anchor a folder on a temporary chain, verify it, and refuse an altered copy."""
    output = Output(as_json=False)
    started = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="anchor-demo-"))
    checkout = find_checkout()
    anvil = None if embedded else find_anvil(checkout)
    with open_devnet(anvil=anvil) as chain:
        output.line(
            Message("demo-chain-started", kind=chain.kind, chain=chain.chain_id, url=chain.url)
        )
        if not chain.has_finality:
            output.line(Message("demo-chain-without-finality"))
        with _create(output, scratch / "project", chain) as project:
            receipts = _anchor(output, project, _sources(folder, checkout))
        output.line(Message("demo-receipts-verified", url=chain.url))
        output.line(Message("demo-chain-kind", kind=KIND_SENTENCES["development"]))
        policy = anchor.TrustPolicy.load(project.config.trust)
        with anchor.Verifier(policy=policy, rpc=[chain.url]) as verifier:
            refused = _verify_all(output, verifier, receipts)
            _tamper(output, verifier, scratch, *receipts[0])
    if refused:
        raise MismatchError(Message("demo-files-refused", refused=refused, total=len(receipts)))
    seconds = time.monotonic() - started
    output.text()
    output.line(Message("demo-done", count=len(receipts), seconds=seconds))
    _print_next_steps(output, project.config.receipts, receipts[0][1])


def _print_next_steps(output: Output, folder: Path, receipt: Path) -> None:
    output.line(Message("demo-receipts-folder", folder=folder))
    output.line(Message("demo-next-steps"))
    activate = Path(sys.executable).with_name("activate")
    if shutil.which("anchor") is None and activate.is_file():
        output.line(Message("demo-activate-step", path=activate))
    output.text(f"  anchor explain {receipt}")
    output.line(Message("demo-devnet-step"))
    output.text("  anchor init --devnet my-project && cd my-project && anchor deploy")
    output.text("  anchor stamp FILE && anchor verify FILE")


def _create(output: Output, folder: Path, chain: Devnet) -> anchor.Project:
    project = anchor.Project.create_on_devnet(folder, rpc=chain.url)
    deployed = project.deploy()
    output.line(
        Message(
            "demo-registry-deployed",
            registry=format_address(deployed.registry),
            gas=deployed.gas_used,
        )
    )
    return project


def _anchor(
    output: Output, project: anchor.Project, files: Sequence[Path | SourceFile]
) -> list[tuple[Path, Path]]:
    """Record, seal, anchor and write the receipts; return each file with its receipt."""

    def note_left_out(path: IntakeProblem | Skipped) -> None:
        if isinstance(path, IntakeProblem):
            output.note(
                Message("with-reason", failure=path.path, reason=path.reason),
                mark=Message("evidence-not-added-mark"),
                colour=Colour.RED,
            )

    with show_hashing(output) as count:
        added = project.add(files, on_left_out=note_left_out, on_progress=count)
    if not added:
        raise UsageError(Message("demo-files-not-found"))
    size = sum(piece.digests.size or 0 for piece in added)
    output.line(Message("demo-files-recorded", count=len(added), size=size))
    result = project.run_once(wait="final")
    assert result.anchored is not None
    head = result.anchored.head
    output.line(Message("demo-leaves-sealed", leaves=result.sealed, root=head.root.hex()))
    output.line(
        Message(
            "demo-head-anchored",
            sequence=result.anchored.sequence,
            block=result.anchored.block_number,
            state=run_state_message(
                result.state, is_by_depth=project.config.final_after is not None
            ),
        )
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
        time = format_moment(report.proven[0].block_time)
        output.line(
            Message("demo-file-verified", name=name, time=time),
            mark=Message("demo-verified-mark"),
            colour=Colour.YELLOW,
        )
    else:
        output.line(
            Message(
                "demo-file-refused", name=name, reason=error.message, code=int(error.exit_code)
            ),
            mark=Message("demo-refused-mark"),
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
    output.line(Message("demo-altered-copy"))
    report = verifier.judge(altered, anchor.Receipt.load(receipt))
    _show(output, altered.name, report)
    if report.error is None:
        raise MismatchError(Message("demo-altered-copy-verified"))


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
