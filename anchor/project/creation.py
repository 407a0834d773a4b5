"""The configuration of a new project, from facts of the chain and the operator's choices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from anchor.base.digests import SHA256, SM3
from anchor.base.errors import (
    ChainGuardError,
    ConfigError,
    UsageError,
)
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import write_file
from anchor.base.system.os_errors import explain_os_error
from anchor.base.types import Address, ChainId, Hash32, make_log_id
from anchor.chain.devnet.accounts import DEV_ADDRESS, DEVNET_CHAIN_ID, PUBLIC_DEV_KEY
from anchor.chain.node import Node
from anchor.chain.registry_reader import RegistryReader
from anchor.chain.signer.keystore import write_keystore
from anchor.ethereum.keccak import EMPTY_CODE_HASH, format_address
from anchor.ethereum.known_chains import Chain, check_genesis, find_chain
from anchor.project.config import Config, SignerConfig, WaitFor, check_config, resolve_quorum
from anchor.project.fee_limits import HIGHEST_FEE_CAP, Allowance, size_allowance
from anchor.project.files import CONFIG, TRUST_POLICY
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.store.location import SqliteFile, StoreLocation
from anchor.verification.pinning import find_devnet_finality
from anchor.verification.policy import FinalityRule


def plan_project(
    folder: Path,
    node: Node,
    *,
    url: str,
    signer: SignerConfig,
    owner: Address,
    number: int,
    finality: FinalityRule,
    wait: WaitFor,
    registry: Address | None = None,
    store: StoreLocation | None = None,
    witnesses: Mapping[str, Node] = MappingProxyType({}),
    quorum: int | None = None,
    allowance: Allowance | None = None,
    chain_id: ChainId | None = None,
    network: Chain | None = None,
    time_slack: int | None = None,
) -> Config:
    """Return the configuration of a project in ``folder``, pinned to the chain ``node`` is on.

    ``registry`` None is the standard address, deployed or not; any other must be deployed already.
    ``store`` None is a SQLite file in the folder.
    ``witnesses`` are further nodes by their URLs; ``quorum`` None is more than half of all.
    ``allowance`` None is derived from the present gas price; ``chain_id`` None from the node;
    ``network`` None is any chain; ``time_slack`` None is this release's rule for the chain, if any.

    Raises:
        ChainGuardError: The node is on another chain than ``network``, or has another genesis block
            than the listed chain of its id; the code at ``registry`` is not this release's
            registry; or a witness is on another chain.
        ConfigError: There are fewer nodes than ``quorum``, a node is named twice, or a value is not
            allowed.
    """
    needed = resolve_quorum(url, tuple(witnesses), quorum)
    chain_id = node.fetch_chain_id() if chain_id is None else chain_id
    genesis = node.known(node.fetch_block(0), Message("block-genesis"))
    _check_network(node, network or find_chain(chain_id), chain_id, genesis.hash)
    if registry is not None and registry != registry_address():
        _check_code(node, registry, chain_id)
    for witness in witnesses.values():
        start = witness.known(witness.fetch_block(0), Message("block-genesis"))
        if witness.fetch_chain_id() != chain_id or start.hash != genesis.hash:
            raise ChainGuardError(
                Message("witness-on-other-chain", witness=witness.name, node=node.name),
                hint=Message("witness-on-other-chain-hint"),
            )
    if allowance is None:
        allowance = size_allowance([node, *witnesses.values()], needed)
    config = Config(
        folder=folder,
        file=folder / CONFIG,
        store=store or SqliteFile(folder / "anchor.db"),
        tiles=folder / "tiles",
        log_key=folder / "log-key.pem",
        receipts=folder / "receipts",
        trust=folder / TRUST_POLICY,
        digests=(SHA256, SM3),
        rpc=url,
        witnesses=tuple(witnesses),
        quorum=needed,
        chain_id=chain_id,
        genesis=genesis.hash,
        registry=registry or registry_address(),
        code_hash=expected_code_hash(chain_id),
        finality=finality,
        wait=wait,
        wait_seconds=600,
        time_slack=find_chain(chain_id).time_slack if time_slack is None else time_slack,
        fee_cap=allowance.fee_cap,
        legacy_fees=False,
        budget=allowance.budget,
        log=make_log_id(owner, number),
        signer=signer,
    )
    check_config(config)
    return config


def _check_network(node: Node, network: Chain, chain_id: ChainId, genesis: Hash32) -> None:
    if chain_id != network.id:
        raise ChainGuardError(
            Message(
                "node-not-on-network",
                name=node.name,
                chain=chain_id,
                actual=find_chain(chain_id).name,
                expected=network.name,
                expected_chain=network.id,
            ),
            hint=Message("node-of-right-chain-hint"),
        )
    check_genesis(network, genesis)


def _check_code(node: Node, registry: Address, chain_id: ChainId) -> None:
    code_hash = node.fetch_code_hash(registry, "latest")
    if code_hash == expected_code_hash(chain_id):
        return
    deployed = (
        Message("registry-code-none")
        if code_hash == EMPTY_CODE_HASH
        else Message("registry-code-found", code_hash=code_hash.hex())
    )
    raise ChainGuardError(
        Message(
            "registry-code-unexpected",
            actual=deployed,
            address=format_address(registry),
            chain=chain_id,
            expected=expected_code_hash(chain_id).hex(),
        ),
        hint=Message("registry-code-unexpected-hint"),
    )


def plan_dev_project(
    folder: Path,
    node: Node,
    *,
    url: str,
    number: int,
    registry: Address | None = None,
    store: StoreLocation | None = None,
    finality: FinalityRule | None = None,
    network: Chain | None = None,
) -> Config:
    """Return the configuration of a project on a devnet, with its public test key.

    Without ``finality``, the devnet's own counts; if it has none (py-evm), its latest block is
    final: no other node could cause a reorganisation.

    Raises:
        UsageError: The node is on another chain than the devnets', where that key must not be used.
        ConfigError: One of the key's two files exists already.
    """
    chain_id = node.fetch_chain_id()
    if chain_id != DEVNET_CHAIN_ID:
        raise UsageError(
            Message("node-not-on-devnet", name=node.name, chain=chain_id, expected=DEVNET_CHAIN_ID),
            hint=Message("node-not-on-devnet-hint"),
        )
    keystore, password_file = folder / "devnet-key.json", folder / "devnet-password"
    for path in (keystore, password_file):
        if path.exists():
            raise ConfigError(
                Message("file-exists", path=path), hint=Message("project-file-exists-hint")
            )
    if finality is None:
        finality = find_devnet_finality(node)
    return plan_project(
        folder,
        node,
        url=url,
        signer=SignerConfig(keystore=keystore, ape_account=None, password_file=password_file),
        owner=DEV_ADDRESS,
        number=number,
        finality=finality,
        wait="final",
        registry=registry,
        store=store,
        allowance=Allowance(fee_cap=HIGHEST_FEE_CAP, budget=None),  # a devnet's ether is free
        chain_id=chain_id,
        network=network,
    )


def is_log_used(config: Config, node: Node) -> bool:
    """Return whether the registry holds an anchor of the project's log already."""
    newest = RegistryReader(config.registry, config.log).newest_root(node, "latest")
    return newest.is_closed or newest.root is not None


def make_folder(folder: Path) -> None:
    """Create a project's folder and its parents, unless they exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = Message("project-folder-not-created", path=folder)
        raise explain_os_error(message, error, is_named=True) from error


def write_dev_key(config: Config) -> None:
    """Write the public test key and its password to the paths in ``config``."""
    signer = config.signer
    assert signer.keystore is not None and signer.password_file is not None
    password = "devnet"
    # The key is public and the password is beside it: a costly derivation would protect nothing.
    key = bytes.fromhex(PUBLIC_DEV_KEY[2:])
    write_keystore(signer.keystore, key, password, iterations=1_000)
    write_file(signer.password_file, password.encode() + b"\n", mode=0o600)
