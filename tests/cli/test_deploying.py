"""Deploying: the record beside the project, chains without the proxy, and crashes half-way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rlp
from support.bent_nodes import anvil_with
from support.command import run_anchor, snapshot
from support.crashes import crashing
from support.nodes import ask, nonce, stop_the_clock, wait_until
from support.projects import Site, make_site, reading

from anchor.base.errors import AnchorError, ExitCode
from anchor.base.system.clock import SystemClock, utc_now
from anchor.base.types import Address, ChainId
from anchor.chain.call_simulation import Intent
from anchor.chain.devnet import DEV_ADDRESS, Devnet, open_devnet
from anchor.chain.devnet.accounts import CREATE2_PROXY_CODE
from anchor.chain.fees import Fees
from anchor.chain.signer import Signer, UnsignedTransaction
from anchor.chain.signer.keystore import open_keystore, write_keystore
from anchor.cli.context import open_signer
from anchor.ethereum.keccak import format_address
from anchor.operate import deployment
from anchor.operate.anchoring import make_manager
from anchor.operate.deployment import Deployment, deploy, deploy_plainly
from anchor.project import relocation
from anchor.project.config import load_config
from anchor.project.project import open_project, pin_registry
from anchor.project.relocation import open_moved_project
from anchor.registry.artifact import (
    CREATE2_PROXY,
    create_address,
    expected_code_hash,
    load_artifact,
    registry_address,
)
from anchor.registry.calldata import encode_deployment
from anchor.store.sealing import seal

CODE_HASH = "0x" + expected_code_hash(ChainId(31337)).hex()

PROXY = "0x" + CREATE2_PROXY.hex()

# What `anchor init` writes, and another registry's.
LINE = f'registry = "{format_address(registry_address())}"'
OTHER_LINE = f'registry = "{format_address(Address(bytes([9]) * 20))}"'

MakeSite = Callable[..., Site]


def record_path(site: Site) -> Path:
    return site.folder / "deployments" / "31337" / "AnchorRegistry.json"


def record(site: Site) -> dict[str, Any]:
    document = json.loads(record_path(site).read_bytes())
    assert isinstance(document, dict)
    return document


def registry_lines(site: Site) -> set[str]:
    return {
        line.partition("#")[0].strip()
        for name in ("anchor.toml", "trust.toml")
        for line in (site.folder / name).read_text("utf-8").splitlines()
        if line.strip().startswith("registry =")
    }


def pinned(site: Site) -> bytes:
    return bytes(site.rows("SELECT registry FROM project")[0][0])


def deploy_here(site: Site, *, plain: bool, key: bool = True) -> Deployment:
    """Do what ``anchor deploy`` does, in this process; without ``key`` it may not be opened."""

    def open_key() -> Signer:
        assert key, "there is nothing to sign"
        return open_signer(config)

    config = load_config(site.folder / "anchor.toml")
    project = open_moved_project(config) if plain else open_project(config)
    work = deploy_plainly if plain else deploy
    try:
        with project.database.hold_lease(), reading(site.url) as node:
            return work(project, node, open_key, SystemClock(), lambda _: None)
    finally:
        project.database.close()


def refusal(action: Callable[[], object]) -> AnchorError:
    with pytest.raises(AnchorError) as caught:
        action()
    return caught.value


def crash_after(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, count: int = 1) -> None:
    """End the process, as it were, right after that call of the function."""
    original, left = getattr(module, name), count

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        result = original(*arguments, **named)
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(module, name, dying)


# The record


def test_deploy_leaves_a_record_and_a_second_run_changes_nothing(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil, deployed=False)
    first = site.run("deploy", "--json").expect(0).document
    assert first["record"] == str(record_path(site))
    assert first["standard_address"] is True
    document = record(site)
    receipt = ask(site.url, "eth_getTransactionReceipt", first["tx_hash"])
    assert document["transaction"] == {
        "hash": first["tx_hash"],
        "block_number": int(receipt["blockNumber"], 16),
        "block_hash": receipt["blockHash"],
        "deployer": format_address(DEV_ADDRESS),
        "gas_used": first["gas_used"],
    }
    assert document["address"] == format_address(registry_address())
    assert document["code_hash"] == CODE_HASH
    before, sent = snapshot(site.folder), nonce(site.url)
    again = site.run("deploy", "--json").expect(0).document
    assert (again["tx_hash"], again["record"]) == (None, first["record"])
    # --plain has nothing to do where the registry is.
    site.run("deploy", "--plain").expect(0, "nothing was sent")
    assert (snapshot(site.folder), nonce(site.url)) == (before, sent)


def test_whoever_did_not_send_the_deployment_records_what_can_be_known(
    site: Site, new_site: MakeSite, anvil: Devnet
) -> None:
    other = new_site(anvil, "other")
    assert record(other)["transaction"] is None
    assert {name: record(other)[name] for name in ("address", "code_hash", "genesis")} == {
        "address": format_address(registry_address()),
        "code_hash": CODE_HASH,
        "genesis": ask(anvil.url, "eth_getBlockByNumber", "0x0", False)["hash"],
    }


def test_another_transaction_of_the_journal_is_not_taken_for_the_deployment(
    site: Site,
) -> None:
    site.authorise(Address(b"\x77" * 20), 1)
    record_path(site).unlink(missing_ok=True)
    with site.open() as project, project.database.write() as connection:
        # Whoever deployed on the shared chain: this journal shall not know.
        connection.exec_driver_sql("DELETE FROM attempts WHERE length(raw) > 2000")
    deploy_here(site, plain=False)
    assert record(site)["transaction"] is None


def test_a_record_lost_with_its_transaction_known_comes_back_byte_for_byte(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil)
    written = record_path(site).read_bytes()
    record_path(site).unlink()
    assert deploy_here(site, plain=False).tx_hash is None
    assert record_path(site).read_bytes() == written
    assert record(site)["transaction"] is not None


@pytest.mark.parametrize(
    ("deployed", "member", "value", "code"),
    [
        (False, "address", format_address(Address(b"\x11" * 20)), 32),
        (False, "chain_id", 1, 32),
        (False, "genesis", "0x" + "11" * 32, 32),
        (False, "code_hash", "0x" + "11" * 32, 32),
        (False, "format", "anchor-deployment/9", 22),
        (False, "transaction", 5, 2),
        (True, "address", format_address(Address(b"\x11" * 20)), 32),
        (True, "transaction", 5, 2),
    ],
)
def test_a_record_that_contradicts_stops_everything_and_is_never_overwritten(
    new_site: MakeSite, own_anvil: Devnet, deployed: bool, member: str, value: Any, code: int
) -> None:
    site = new_site(own_anvil)
    document = record(site) | {member: value}
    bare = site if deployed else new_site(own_anvil, "bare", deployed=False)
    if not deployed:
        ask(site.url, "anvil_setCode", format_address(registry_address()), "0x")
    path = record_path(bare)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    before, sent = snapshot(bare.folder), nonce(bare.url)
    error = refusal(lambda: deploy_here(bare, plain=False))
    assert int(error.exit_code) == code
    assert str(path) in error.message
    assert (snapshot(bare.folder), nonce(bare.url)) == (before, sent)


def test_a_deployment_that_a_reorganisation_took_back_is_recorded_where_it_is_now(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil)
    before = record(site)["transaction"]
    height = int(ask(site.url, "eth_blockNumber"), 16) - before["block_number"] + 1
    ask(site.url, "anvil_reorg", height, [])
    assert deploy_here(site, plain=False).tx_hash is not None
    after = record(site)["transaction"]
    # The same bytes were sent again; only the block is another.
    assert after["hash"] == before["hash"]
    assert after["block_hash"] != before["block_hash"]


# Chains without the proxy


def test_without_the_proxy_deploy_names_both_ways_out(
    new_site: MakeSite, bare_anvil: Devnet
) -> None:
    site = new_site(bare_anvil, deployed=False)
    before, sent = snapshot(site.folder), nonce(site.url)
    ran = site.run("deploy").refused(32, "has no CREATE2 proxy", "EIP-155", "deploy --plain")
    assert "trust policy" in ran.err
    assert (snapshot(site.folder), nonce(site.url)) == (before, sent)


def test_a_plain_deployment_points_the_project_at_its_registry(
    new_site: MakeSite, bare_anvil: Devnet
) -> None:
    site = new_site(bare_anvil, deployed=False)
    policy = site.folder / "trust.toml"
    policy.chmod(0o640)
    policy.write_text(policy.read_text("utf-8").replace(LINE, f"  {LINE.lower()}  # ours"), "utf-8")
    site.run("trust", "allow").expect(0)
    number = nonce(site.url)
    # What is accepted, but not sealed, names no registry yet.
    file = site.add("a.txt", b"a")
    done = site.run("deploy", "--plain", "--json").expect(0).document
    receipt = ask(site.url, "eth_getTransactionReceipt", done["tx_hash"])
    assert receipt["to"] is None
    created = create_address(DEV_ADDRESS, number)
    assert receipt["contractAddress"] == "0x" + created.hex()
    assert done["registry"] == format_address(created)
    assert done["standard_address"] is False
    # EIP-1559, and so bound to the chain (EIP-155 says the same of older transactions).
    transaction = ask(site.url, "eth_getTransactionByHash", done["tx_hash"])
    assert (transaction["type"], transaction["chainId"]) == ("0x2", hex(31337))
    assert registry_lines(site) == {f'registry = "{done["registry"]}"'}
    assert policy.stat().st_mode & 0o777 == 0o640
    assert f'\n  registry = "{done["registry"]}"  # ours\n' in policy.read_text("utf-8")
    assert pinned(site) == created
    assert record(site)["create2"] is None
    assert record(site)["transaction"]["hash"] == done["tx_hash"]
    before, sent = snapshot(site.folder), nonce(site.url)
    site.run("deploy", "--plain").expect(0, "nothing was sent")
    deploy_here(site, plain=False)
    assert (snapshot(site.folder), nonce(site.url)) == (before, sent)
    # The project works, and a verifier needs the policy.
    site.run("stamp", file).expect(0)
    site.run("verify", file).expect(0, "VERIFIED on a development chain (")
    bare = site.folder.parent / "verifier"
    bare.mkdir()
    (bare / "a.txt").write_bytes(b"a")
    sidecar = file.with_name("a.txt.anchor.json").read_bytes()
    (bare / "a.txt.anchor.json").write_bytes(sidecar)
    run_anchor("verify", "a.txt", "--rpc", site.url, cwd=bare).expect(12, "4. fail")


def test_a_plain_deployments_address_is_the_receipts_own_wherever_it_is(
    new_site: MakeSite, embedded: Devnet
) -> None:
    """On py-evm, too: the node says where the contract went, and we say the same."""
    site = new_site(embedded, deployed=False)
    number = nonce(site.url)
    with site.lead() as project, reading(site.url) as node:
        signer = open_signer(project.config)
        manager = make_manager(project, node, signer, SystemClock(), lambda _: None)
        intent = Intent(to=None, data=load_artifact().init_code, head_size=None)
        done = manager.send(intent)
        created = create_address(DEV_ADDRESS, number)
        assert "0x" + node.fetch_code_hash(created, "latest").hex() == CODE_HASH
    receipt = ask(site.url, "eth_getTransactionReceipt", "0x" + done.tx_hash.hex())
    assert receipt["contractAddress"] == "0x" + created.hex()


def test_a_creation_is_bound_to_its_chain_where_there_is_no_base_fee_too(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    write_keystore(path, bytes([0x5C]) * 32, "pw", iterations=1)
    raw = open_keystore(path, lambda: "pw").sign_transaction(
        UnsignedTransaction(
            chain_id=ChainId(5),
            nonce=3,
            to=None,
            data=b"\x60\x00",
            gas=100_000,
            fees=Fees(max_fee=7, priority_fee=7, legacy=True),
        )
    )
    number, price, _, to, value, data, v, *_ = rlp.decode(raw)
    assert (number, price, to, value, data) == (b"\x03", b"\x07", b"", b"", b"\x60\x00")
    # EIP-155: 2 · chain id + 35, or one more.
    assert int.from_bytes(v, "big") in (45, 46)


def test_where_the_proxy_is_a_plain_deployment_is_refused(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil, deployed=False)
    before = snapshot(site.folder)
    error = refusal(lambda: deploy_here(site, plain=True))
    assert (error.exit_code, nonce(site.url)) == (ExitCode.USAGE, 0)
    assert "leave --plain out" in (error.hint or "")
    assert snapshot(site.folder) == before


def test_with_sealed_heads_the_registry_is_not_exchanged(
    new_site: MakeSite, bare_anvil: Devnet
) -> None:
    site = new_site(bare_anvil, deployed=False)
    site.add("a", b"a")
    with site.lead() as project:
        seal(project.database, utc_now())
    before, sent = snapshot(site.folder), nonce(site.url)
    error = refusal(lambda: deploy_here(site, plain=True))
    assert error.exit_code is ExitCode.CHAIN_GUARD
    assert "1 sealed leaves" in error.message
    assert (snapshot(site.folder), nonce(site.url)) == (before, sent)


def test_a_pin_does_not_move_under_sealed_heads(site: Site) -> None:
    """Whatever came between the check and the pin."""
    site.add("a", b"a")
    with site.lead() as project:
        seal(project.database, utc_now())
        before = pinned(site)
        error = refusal(lambda: pin_registry(project.database, Address(b"\x11" * 20)))
    assert error.exit_code is ExitCode.CHAIN_GUARD
    assert pinned(site) == before


def test_other_code_at_the_standard_address_is_refused_either_way(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil, deployed=False)
    ask(site.url, "anvil_setCode", format_address(registry_address()), "0x6000")
    before = snapshot(site.folder)
    for plain in (True, False):
        error = refusal(lambda plain=plain: deploy_here(site, plain=plain))
        assert error.exit_code is ExitCode.CHAIN_GUARD
        assert "not our registry's" in error.message
    assert (snapshot(site.folder), nonce(site.url)) == (before, 0)


@pytest.mark.parametrize(
    "change",
    [
        OTHER_LINE,
        f"{LINE}\n{LINE}",
        f"{LINE}\n[[trust]]\n{LINE}",
        "",
    ],
    ids=["another", "twice", "two entries", "missing"],
)
def test_a_policy_that_does_not_name_the_registry_once_stops_before_anything_is_sent(
    new_site: MakeSite, bare_anvil: Devnet, change: str
) -> None:
    site = new_site(bare_anvil, deployed=False)
    path = site.folder / "trust.toml"
    path.write_text(path.read_text("utf-8").replace(LINE, change), "utf-8")
    before, sent = snapshot(site.folder), nonce(site.url)
    error = refusal(lambda: deploy_here(site, plain=True))
    assert error.exit_code is ExitCode.USAGE
    assert str(path) in error.message
    assert (snapshot(site.folder), nonce(site.url)) == (before, sent)


def test_a_file_changed_in_between_is_left_alone_and_the_line_is_told(
    new_site: MakeSite, bare_anvil: Devnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = new_site(bare_anvil, deployed=False)
    with monkeypatch.context() as patch:
        crash_after(patch, relocation, "pin_registry")
        with pytest.raises(KeyboardInterrupt):
            deploy_here(site, plain=True)
    policy = site.folder / "trust.toml"
    text = policy.read_text("utf-8")
    policy.write_text(text.replace(LINE, OTHER_LINE), "utf-8")
    before, sent = snapshot(site.folder), nonce(site.url)
    error = refusal(lambda: deploy_here(site, plain=True))
    assert error.exit_code is ExitCode.USAGE
    line = f'registry = "{format_address(Address(pinned(site)))}"'
    assert line in (error.hint or "")
    assert snapshot(site.folder) == before
    # Written by hand in both files, everything is as it should be.
    site.edit(LINE, line)
    policy.write_text(text.replace(LINE, line), "utf-8")
    deploy_here(site, plain=True)
    site.run("status").expect(0, line[12:-1])
    assert nonce(site.url) == sent


NODE = ("anchor.chain.node", "Node")
EFFECTS = [
    (relocation, "pin_registry", 1),
    (relocation, "write_file", 1),
    (relocation, "write_file", 2),
    (deployment, "write_file", 1),
]


@pytest.mark.parametrize(
    ("module", "name", "count"), EFFECTS, ids=["pin", "policy", "configuration", "record"]
)
def test_after_a_crash_at_any_effect_the_next_run_finishes_without_another_transaction(
    new_site: MakeSite,
    bare_anvil: Devnet,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    count: int,
) -> None:
    site = new_site(bare_anvil, deployed=False)
    sent = nonce(site.url)
    with monkeypatch.context() as patch:
        crash_after(patch, module, name, count)
        with pytest.raises(KeyboardInterrupt):
            deploy_here(site, plain=True)
    assert nonce(site.url) == sent + 1
    if len(registry_lines(site)) == 2 or f'"{format_address(registry_address())}"' in str(
        registry_lines(site)
    ):
        # Until it is finished, nothing else takes the project, and it says what to do.
        config = load_config(site.folder / "anchor.toml")
        error = refusal(lambda: open_project(config))
        assert error.exit_code is ExitCode.CHAIN_GUARD
        assert "deploy --plain" in (error.hint or "")
    assert deploy_here(site, plain=True, key=False).tx_hash is None
    assert nonce(site.url) == sent + 1
    created = format_address(create_address(DEV_ADDRESS, sent))
    assert registry_lines(site) == {f'registry = "{created}"'}
    assert record(site)["address"] == created
    assert record(site)["transaction"] is not None


@pytest.mark.parametrize(
    "words",
    [
        ("after", "anchor.store.tx_journal", "StoredJournal", "save_attempt", "1"),
        ("after", *NODE, "send_raw_transaction", "1"),
        ("before", "anchor.project.relocation", "-", "pin_registry", "1"),
        ("after", "anchor.project.relocation", "-", "pin_registry", "1"),
    ],
    ids=lambda words: f"{words[0]} {words[3]}",
)
def test_a_kill_while_deploying_plainly_deploys_once(
    new_site: MakeSite, bare_anvil: Devnet, words: tuple[str, ...]
) -> None:
    site = new_site(bare_anvil, deployed=False)
    sent = nonce(site.url)
    command = crashing(*words)
    site.run("deploy", "--plain", command=command, killed=True)
    if words[3] != "pin_registry":
        deploy_here(site, plain=True)
    elif words[0] == "before":
        deploy_here(site, plain=True, key=False)
    else:
        site.run("status").refused(32, "deploy --plain")
        site.run("deploy", "--plain").expect(0, "nothing was sent")
    assert nonce(site.url) == sent + 1
    created = format_address(create_address(DEV_ADDRESS, sent))
    assert registry_lines(site) == {f'registry = "{created}"'}
    # The journal goes on from there.
    site.add("a", b"a")
    site.anchor()
    assert [size for size, _ in site.anchors_on_chain()] == [1]
    assert site.rows("SELECT count(*) FROM slots WHERE outcome IS NULL") == [(0,)]


def test_a_store_pinned_elsewhere_by_anyone_else_is_not_taken_for_a_move(
    new_site: MakeSite, bare_anvil: Devnet
) -> None:
    site = new_site(bare_anvil, deployed=False)
    site.edit(format_address(registry_address()), format_address(Address(b"\x11" * 20)))
    error = refusal(lambda: deploy_here(site, plain=True))
    assert error.exit_code is ExitCode.CHAIN_GUARD


def test_a_plain_deployment_taken_back_by_a_reorganisation_is_sent_again_to_the_same_place(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil, deployed=False)
    ask(site.url, "anvil_setCode", PROXY, "0x")
    ask(site.url, "evm_mine")
    done = deploy_here(site, plain=True)
    block = record(site)["transaction"]["block_number"]
    ask(site.url, "anvil_reorg", int(ask(site.url, "eth_blockNumber"), 16) - block + 1, [])
    # Somebody put the proxy there meanwhile.  Without --plain nothing is sent all the same: the
    # project's registry is no CREATE2 deployment.
    ask(site.url, "anvil_setCode", PROXY, "0x" + CREATE2_PROXY_CODE.hex())
    error = refusal(lambda: deploy_here(site, plain=False))
    assert "deploy --plain" in (error.hint or "")
    assert nonce(site.url) == 0
    again = deploy_here(site, plain=True)
    assert again.registry == done.registry
    assert again.tx_hash == done.tx_hash
    assert nonce(site.url) == 1


# A second project on a plainly deployed registry


def test_init_takes_a_plain_registry_by_its_code(
    new_site: MakeSite, bare_anvil: Devnet, tmp_path: Path
) -> None:
    site = new_site(bare_anvil, deployed=False)
    created = format_address(deploy_here(site, plain=True).registry)
    init = ("init", "--devnet", "--rpc", site.url, "--number", "801", "second")
    ran = run_anchor(*init, "--registry", created, "--json", cwd=tmp_path).expect(0)
    assert ran.document["registry"] == created
    assert "check the transaction that deployed it" in ran.err
    second = Site(folder=tmp_path / "second", url=site.url, number=801)
    deploy_here(second, plain=False)
    assert record(second)["transaction"] is None
    second.add("a", b"a")
    second.anchor()
    assert [size for size, _ in second.anchors_on_chain()] == [1]


def test_init_refuses_a_registry_whose_code_is_not_ours(own_anvil: Devnet, tmp_path: Path) -> None:
    other = format_address(Address(b"\x22" * 20))
    init = ("init", "--devnet", "--rpc", own_anvil.url, "p", "--registry")
    run_anchor(*init, other, cwd=tmp_path).refused(32, "no code", "nothing was created")
    ask(own_anvil.url, "anvil_setCode", other, "0x6000")
    run_anchor(*init, other, cwd=tmp_path).refused(32, "code with the hash")
    assert not (tmp_path / "p").exists()
    # The standard address needs no deployment yet.
    run_anchor(*init, format_address(registry_address()), cwd=tmp_path).expect(0)


# Others on the chain


@pytest.mark.fault(
    "B6",
    how="somebody deploys the registry while the deployment of the project is pending",
    then="ours reverts in a final block; the registry is found, and the command ends with 0",
)
def test_a_deployment_that_was_overtaken_finds_the_registry(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil, deployed=False)
    stop_the_clock(site.url)
    ask(site.url, "evm_setAutomine", False)
    stranger = ask(site.url, "eth_accounts")[1]

    def overtake() -> None:
        wait_until(lambda: ask(site.url, "txpool_status")["pending"] != "0x0")
        call = {
            "from": stranger,
            "to": PROXY,
            "data": "0x" + encode_deployment().hex(),
            "gas": hex(2_000_000),
            "maxPriorityFeePerGas": hex(10**11),
            "maxFeePerGas": hex(10**12),
        }
        ask(site.url, "eth_sendTransaction", call)
        ask(site.url, "anvil_mine", "0x10")

    thread = threading.Thread(target=overtake)
    thread.start()
    ran = site.run("deploy", "--json").expect(0)
    thread.join()
    assert ran.document["tx_hash"] is None
    assert "deployed it first" in ran.err
    assert record(site)["transaction"] is None
    assert site.rows("SELECT outcome FROM slots") == [("reverted",)]
    site.run("deploy").expect(0, "nothing was sent")


@pytest.mark.parametrize("words", [(), ("--plain",)])
def test_a_chain_before_shanghai_is_named_as_such(
    tmp_path: Path, anvil_path: Path, words: tuple[str, ...]
) -> None:
    program = anvil_with(tmp_path, anvil_path, hardfork="paris")
    with open_devnet(anvil=program) as chain:
        site = make_site(tmp_path / "project", chain, number=1, deployed=False)
        if words:
            ask(site.url, "anvil_setCode", PROXY, "0x")
        site.run("deploy", *words).refused(32, "has no PUSH0")
        assert site.rows("SELECT count(*) FROM attempts") == [(0,)]
