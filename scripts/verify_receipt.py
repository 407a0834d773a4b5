"""Verify a file and its receipt against the network ape is connected to.

    ape run verify_receipt FILE --network ethereum:local:foundry

The report and the exit codes are those of `anchor verify`.
"""

from __future__ import annotations

from pathlib import Path

import click
from ape.api import ProviderAPI

from anchor.chain.views import ChainReader
from anchor.cli.evidence import Bench
from anchor.cli.report import print_report
from anchor.errors import ExitCode
from anchor.filenames import CONFIG, TRUST_POLICY
from anchor.verify import judge
from scripts._ape_project import AnchorCommand, open_network, output, project_option

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(cls=AnchorCommand)
@click.argument("file", type=_FILE)
@click.option("--receipt", type=_FILE, help="By default FILE.anchor.json.")
@click.option("--trust", type=_FILE, help="Trust policy; by default the project's trust.toml.")
@project_option
def cli(
    provider: ProviderAPI,
    file: Path,
    receipt: Path | None,
    trust: Path | None,
    folder: Path | None,
) -> ExitCode:
    """Verify that FILE is unchanged since it was anchored.

    Ends with 0 verified, 10 mismatch, 11 not anchored, 12 not trusted, 20 cannot check, 21 not
    final yet, or 22 unknown version.
    """
    network = open_network(provider)
    folder = folder or network.default_folder
    if trust is None and (folder / TRUST_POLICY).is_file():
        trust = folder / TRUST_POLICY
    config = folder / CONFIG
    bench = Bench(config_path=config if config.is_file() else None, trust=trust)
    view = ChainReader(network.node)
    ((name, load),) = bench.items([file], receipt=receipt, digest=None)
    data, evidence = load()
    report = judge(data, evidence, policy=bench.policy, connect=lambda _: view)
    print_report(
        output, name, report, policy=bench.policy_name, nodes=[network.node.name], brief=False
    )
    return report.exit_code
