"""Verify a file and its receipt on the network that ape is connected to.

    ape run verify_receipt FILE --network ethereum:local:foundry

The report and the exit codes are those of `anchor verify`.
"""

from __future__ import annotations

from pathlib import Path

import click
from ape.api import ProviderAPI

from anchor.base.errors import ExitCode, NotFinalError, NotTrustedError
from anchor.chain.chain_reader import ChainReader
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.report_text import print_report
from anchor.project.allowlist import check_allowed
from anchor.project.files import CONFIG
from anchor.verification.verifier import judge
from scripts._ape_project import AnchorCommand, open_network, output, project_option

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(cls=AnchorCommand)
@click.argument("file", type=_FILE)
@click.option("--receipt", type=_FILE, help="By default FILE.anchor.json.")
@click.option("--trust", type=_FILE, help="Trust policy; by default that of your project.")
@click.option("--accept-unpinned", is_flag=True, help="Take the receipt's word for the owner.")
@project_option
def cli(
    provider: ProviderAPI,
    file: Path,
    receipt: Path | None,
    trust: Path | None,
    accept_unpinned: bool,
    folder: Path | None,
) -> ExitCode:
    """Verify that FILE is unchanged since it was anchored.

    Ends with 0 verified, 10 mismatch, 11 not anchored, 12 not trusted, 13 abandoned, 20 cannot
    check, 21 not final yet, or 22 unknown version.
    """
    network = open_network(provider)
    config = folder / CONFIG if folder is not None else _find_own(network.default_folder)
    inputs = VerificationInputs(config_path=config, trust=trust, report=output.note)
    view = ChainReader(network.node)
    ((name, load),) = inputs.list_inputs([file], receipt=receipt, digest=None)
    try:
        data, evidence = load()
    except NotFinalError as error:
        raise NotFinalError(error.message, hint="anchor it with anchor_evidence") from error
    report = judge(
        data,
        evidence,
        policy=inputs.policy,
        connect=lambda _: view,
        chain_ids={network.chain_id},  # the named network's
        accept_unpinned=accept_unpinned,
    )
    print_report(
        output,
        name,
        report,
        policies=inputs.describe_policies(),
        nodes=[network.node.name],
    )
    return report.exit_code


def _find_own(folder: Path) -> Path | None:
    """Return the configuration of the project in ``folder``, if it is the user's own."""
    config = folder / CONFIG
    if not config.is_file():
        return None
    try:
        check_allowed(config)
    except NotTrustedError as error:
        output.note(f"{error.message}: its policy and store are not used")
        return None
    return config
