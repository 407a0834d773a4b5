"""Deploy the registry on the network that ape is connected to, once.

ape run deploy --network ethereum:local:foundry --account ALIAS
"""

from __future__ import annotations

from pathlib import Path

import click
from ape.api import AccountAPI, ProviderAPI
from ape.cli import account_option

from scripts._ape_project import (
    AnchorCommand,
    ApeAccount,
    autosign_option,
    deploy_registry,
    hold_project,
    open_network,
    project_option,
)


@click.command(cls=AnchorCommand)
@account_option()
@autosign_option
@project_option
def cli(provider: ProviderAPI, account: AccountAPI, autosign: bool, folder: Path | None) -> None:
    """Deploy the registry unless it is on chain; its address is the same on every chain."""
    network = open_network(provider)
    with hold_project(network, folder, account) as project:
        signer = ApeAccount(network=network, account=account, autosign=autosign)
        deploy_registry(network, project, signer)
