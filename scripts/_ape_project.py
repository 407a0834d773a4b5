"""Shared code of the ape scripts: errors as exit codes, ape's account as a signer, the project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from ape.api import AccountAPI, ProviderAPI, TestAccountAPI
from ape.cli import ConnectedProviderCommand
from ape.exceptions import AccountsError, NetworkError, ProviderError, SubprocessError
from ape.utils.testing import DEFAULT_TEST_CHAIN_ID
from ape_ethereum.transactions import DynamicFeeTransaction, StaticFeeTransaction
from ape_node.provider import NodeSoftwareNotInstalledError

import anchor
from anchor.base.errors import AnchorError, CannotCheckError, NodeFaultError, SignerError
from anchor.base.types import Address, ChainId
from anchor.chain.devnet.accounts import DEVNET_CHAIN_ID
from anchor.chain.node import Node
from anchor.chain.signer import UnsignedTransaction
from anchor.cli.console import Output
from anchor.cli.context import note_project
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import find_chain
from anchor.project.allowlist import check_allowed
from anchor.project.config import Config, SignerConfig, load_config
from anchor.project.creation import plan_project
from anchor.project.files import CONFIG
from anchor.project.project import create_project, open_project
from scripts._ape_chain import open_node, provide_create2_proxy

# Errors that ape raises if it finds no node; the last one also for a local URL that does not
# answer.
_NO_CONNECTION = (ProviderError, NetworkError, SubprocessError, NodeSoftwareNotInstalledError)
_DEV_CHAIN_IDS = (ChainId(DEFAULT_TEST_CHAIN_ID), DEVNET_CHAIN_ID)

output = Output(as_json=False)

project_option = click.option(
    "--project",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="The project's folder; by default one for each chain, below .anchor-ape.",
)
autosign_option = click.option(
    "--autosign",
    is_flag=True,
    help="Sign without confirmation; the passphrase is asked for once, or taken from "
    "$APE_ACCOUNTS_<alias>_PASSPHRASE.",
)


class AnchorCommand(ConnectedProviderCommand):
    """A command on a connected network; it exits with a code of ``anchor.base.errors.ExitCode``."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error is printed as one sentence on standard error."""
        try:
            code = super().invoke(ctx)
        except AnchorError as error:
            code = _report(error)
        except _NO_CONNECTION as error:
            # ape's error texts have several lines, of which only the first states the
            # error.
            reason = str(error).partition("\n")[0]
            code = _report(CannotCheckError(f"ape cannot connect to the network: {reason}"))
        if code:
            ctx.exit(int(code))


def _report(error: AnchorError) -> int:
    output.error(error)
    return int(error.exit_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The network that ape is connected to.

    ``is_dev``: ape calls the network local *and* its chain id is a devnet's.  Then the latest block
    counts as final, and the test accounts, whose keys are public, may sign.
    """

    provider: ProviderAPI
    node: Node
    chain_id: ChainId
    is_dev: bool

    @property
    def default_folder(self) -> Path:
        """Return the default folder of the project.

        Its name includes a devnet's genesis hash, because many devnets share a chain id.
        """
        name = str(self.chain_id)
        if self.is_dev:
            genesis = self.node.fetch_block(0)
            if genesis is None:
                raise NodeFaultError(f"the node {self.node.name} has no genesis block")
            name += f"-{genesis.hash[:4].hex()}"
        return Path(".anchor-ape", name)


def open_network(provider: ProviderAPI) -> Network:
    """Return the network of ape's connected provider."""
    node = open_node(provider)
    chain_id = node.fetch_chain_id()  # for `local`, ape's own property only guesses it
    is_dev = provider.network.is_dev and chain_id in _DEV_CHAIN_IDS
    return Network(provider=provider, node=node, chain_id=chain_id, is_dev=is_dev)


class AccountSigner:
    """An ``anchor.chain.signer.Signer`` over an ape account, which keeps its key."""

    def __init__(self, account: AccountAPI) -> None:
        self._account = account

    @property
    def address(self) -> Address:
        """Return the account's address."""
        return Address(bytes.fromhex(self._account.address[2:]))

    def sign_transaction(self, transaction: UnsignedTransaction) -> bytes:
        """Return the signed transaction's raw bytes; ape may ask the user before it signs.

        Raises:
            SignerError: The user declined, the passphrase is wrong, or nobody can be asked.
        """
        try:
            signed = self._account.sign_transaction(_encode_transaction(transaction, self._account))
        except (AccountsError, click.Abort) as error:
            # ape's errors may quote their input, so only our own text is shown.
            raise _signer_error(self._account, f"cannot sign ({type(error).__name__})") from None
        if signed is None:
            raise _signer_error(self._account, "was not allowed to sign")
        return bytes(signed.serialize_transaction())


def _encode_transaction(
    transaction: UnsignedTransaction, account: AccountAPI
) -> StaticFeeTransaction | DynamicFeeTransaction:
    fees = transaction.fees
    fields: dict[str, Any] = {
        "sender": account.address,
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "value": 0,
        "data": transaction.data,
        "gas": transaction.gas,
    }
    if transaction.to is not None:
        fields["to"] = format_address(transaction.to)
    if fees.legacy:
        return StaticFeeTransaction(gasPrice=fees.max_fee, **fields)
    return DynamicFeeTransaction(
        maxFeePerGas=fees.max_fee, maxPriorityFeePerGas=fees.priority_fee, **fields
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApeAccount:
    """An ape account for ``anchor.Project``, opened when a transaction must be signed."""

    network: Network
    account: AccountAPI
    autosign: bool = False

    def open(self) -> AccountSigner:
        """Return a signer for the account; with ``autosign``, its passphrase is needed now.

        Raises:
            SignerError: The account is a test account on a real chain, or cannot be opened.
        """
        account = self.account
        if isinstance(account, TestAccountAPI):
            if not self.network.is_dev:
                raise _signer_error(account, f"must not be used on chain {self.network.chain_id}")
        elif self.autosign and hasattr(account, "set_autosign"):
            try:
                account.set_autosign(True)
            except (AccountsError, click.Abort) as error:
                raise _signer_error(account, f"does not open ({type(error).__name__})") from None
        return AccountSigner(account)


def _signer_error(account: AccountAPI, what: str) -> SignerError:
    public = "; its key is public" if isinstance(account, TestAccountAPI) else ""
    return SignerError(f"the ape account {account.alias} {what}{public}", hint="nothing was sent")


@contextmanager
def hold_project(
    network: Network, folder: Path | None, account: AccountAPI
) -> Iterator[anchor.Project]:
    """Open the project in ``folder``, or create it for ``account``'s log, and hold its lease."""
    is_named = folder is not None
    folder = (folder or network.default_folder).resolve()
    if (folder / CONFIG).is_file():
        if not is_named:
            check_allowed(folder / CONFIG)
        opened = open_project(load_config(folder / CONFIG))
    else:
        folder.mkdir(parents=True, exist_ok=True)
        opened = create_project(_plan(network, folder, account))
        note_project(output, opened.config.file)
    with anchor.Project(opened, node=network.node, report=output.note) as project, project.lead():
        yield project


def _plan(network: Network, folder: Path, account: AccountAPI) -> Config:
    config = plan_project(
        folder,
        network.node,
        # Without the path, in which providers expect API keys: the scripts get the URL from
        # ape.
        url=network.node.name,
        signer=SignerConfig(
            keystore=None, ape_account=account.alias or account.address, password_file=None
        ),
        owner=AccountSigner(account).address,
        number=0,
        finality=0 if network.is_dev else "finalized",
        wait="final" if network.is_dev else "included",
    )
    # Whoever runs a devnet sets the times of its blocks.
    if network.is_dev and config.time_slack is None:
        config = replace(config, time_slack=find_chain(DEVNET_CHAIN_ID).time_slack)
    return config


def deploy_registry(network: Network, project: anchor.Project, signer: ApeAccount) -> None:
    """Deploy the registry unless it is on chain already, and print its address."""
    provide_create2_proxy(network.provider)
    done = project.deploy(signer=signer)
    output.line(f"registry     {format_address(done.registry)} on chain {network.chain_id}")
    output.line(f"code hash    0x{done.code_hash.hex()}")
    if done.tx_hash is None:
        output.line("transaction  already there; nothing was sent")
    else:
        gas = "" if done.gas_used is None else f", {done.gas_used:,} gas"
        output.line(f"transaction  0x{done.tx_hash.hex()}{gas}")
