"""Record files, anchor them on the network that ape is connected to, and write their receipts.

    ape run anchor_evidence PATH… --network ethereum:local:foundry --account ALIAS

A second run on the same paths anchors nothing again, and completes the receipts.
"""

from __future__ import annotations

from pathlib import Path

import click
from ape.api import AccountAPI, ProviderAPI
from ape.cli import account_option

from anchor.base.errors import ExitCode, UsageError
from anchor.evidence.discovery import IntakeProblem, Skipped
from anchor.operate.single_run import RunState, run_state_message
from anchor.project.files import sidecar_path
from scripts._ape_project import (
    AnchorCommand,
    ApeAccount,
    autosign_option,
    deploy_registry,
    hold_project,
    open_network,
    output,
    project_option,
)


@click.command(cls=AnchorCommand)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@account_option()
@autosign_option
@project_option
@click.option("--deploy", "deploying", is_flag=True, help="Deploy the registry unless it is there.")
def cli(
    provider: ProviderAPI,
    paths: tuple[Path, ...],
    account: AccountAPI,
    autosign: bool,
    folder: Path | None,
    deploying: bool,
) -> ExitCode:
    """Anchor files and folders, and write FILE.anchor.json beside each file.

    A chain that ends with this process (ethereum:local:test, or an anvil started by ape) has no
    registry yet: --deploy deploys it first.
    """
    network = open_network(provider)
    signer = ApeAccount(network=network, account=account, autosign=autosign)
    problems: list[IntakeProblem] = []

    def note_left_out(path: IntakeProblem | Skipped) -> None:
        if isinstance(path, IntakeProblem):
            problems.append(path)
            output.note(f"not anchored: {path.path}: {path.reason}")

    with hold_project(network, folder, account) as project:
        added = project.add(paths, beside=True, on_left_out=note_left_out)
        if not added:
            raise UsageError("there is nothing to anchor in there")
        if deploying:
            deploy_registry(network, project, signer)
        done = project.run_once(signer=signer)
        is_by_depth = project.config.final_after is not None
        state = run_state_message(done.state, is_by_depth=is_by_depth)
        for piece, receipt in project.receipts(added):
            assert piece.path is not None, "files alone are named"
            receipt.save(sidecar_path(piece.path))
            output.line(f"{piece.path}  leaf {receipt.index}  {state}")
    if done.state is not RunState.FINAL:
        output.note("included, not final yet: run this again later to complete the receipts")
    if problems:
        return ExitCode.USAGE
    return ExitCode.NOT_FINAL if done.timed_out else ExitCode.DONE
