"""Record files, anchor them on the network ape is connected to, and write their receipts.

    ape run anchor_evidence PATH… --network ethereum:local:foundry --account ALIAS

Run again on the same paths, it anchors nothing twice and brings the receipts up to date.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click
from ape.api import AccountAPI, ProviderAPI
from ape.cli import account_option

from anchor.errors import ExitCode, UsageError
from anchor.evidence.discovery import find_sources
from anchor.evidence.file_hashing import FileDigest
from anchor.evidence.workers import open_executor
from anchor.operate.file_intake import gather
from anchor.operate.proving import Prover
from anchor.operate.receipt_files import save_receipt
from anchor.operate.single_run import RunState, anchor_round
from anchor.operate.state_proofs import StateProofs
from anchor.project.files import RECEIPT_SUFFIX, sidecar_path
from anchor.project.project import OpenProject
from anchor.store.evidence import find_evidence
from anchor.system.clock import SystemClock
from scripts._ape_project import (
    AnchorCommand,
    autosign_option,
    deploy_registry,
    hold_project,
    open_network,
    open_signer,
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
    """Anchor files and folders, and leave FILE.anchor.json beside each file.

    A chain that ends with this process (ethereum:local:test, or an anvil that ape starts) has no
    registry yet: --deploy puts it there first.
    """
    network = open_network(provider)
    signer = partial(open_signer, network, account, autosign=autosign)
    with hold_project(network, folder, account) as project:
        with open_executor() as executor:
            found = find_sources(paths, follow_symlinks=False)
            # The receipts of an earlier run lie among the files.
            evidence = (item for item in found if not item.path.name.endswith(RECEIPT_SUFFIX))
            gathered = gather(project, evidence, executor=executor, keep_files=True)
        for problem in gathered.problems:
            output.note(f"not anchored: {problem.path}: {problem.reason}")
        if not gathered.files:
            raise UsageError("there is nothing to anchor in there")
        if deploying:
            deploy_registry(network, project, signer)
        done = anchor_round(
            project,
            network.node,
            signer,
            SystemClock(),
            wait_for=project.config.wait,
            report=output.note,
        )
        states = StateProofs(project.config, network.node, output.note)
        _write_sidecars(Prover(project, states), project, gathered.files, done.state)
    if done.state is not RunState.FINAL:
        output.note("included, not final yet: run this again later to complete the receipts")
    if gathered.problems:
        return ExitCode.USAGE
    return ExitCode.NOT_FINAL if done.timed_out else ExitCode.DONE


def _write_sidecars(
    prover: Prover, project: OpenProject, files: tuple[FileDigest, ...], state: RunState
) -> None:
    with project.database.read() as connection:
        for hashed in files:
            file = hashed.source.path
            receipt = prover.prove(find_evidence(connection, file, hashed.digests))
            save_receipt(sidecar_path(file), receipt)
            output.line(f"{file}  leaf {receipt.index}  {state.value}")
