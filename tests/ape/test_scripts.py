"""The ape scripts do what the command line does, on every kind of network ape connects to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import Done, Run
from support.readme import readme_examples

from anchor.base.errors import NodeRefusedError
from anchor.base.types import ChainId, Hash32, Head, make_log_id
from anchor.chain.devnet import DEV_ADDRESS, PUBLIC_DEV_KEY, AnvilNode
from anchor.chain.devnet.accounts import DEV_ADDRESSES
from anchor.ethereum.keccak import format_address
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.registry.calldata import describe_revert, encode_anchor_call

DEV = ("--account", "TEST::0")
IN_PROCESS = "ethereum:local:test"
PASSPHRASE = "correct horse"
# A key of nobody's, for the keyfile.
KEY = bytes([0x5A]) * 32

DEPLOYED = f"""\
registry     {format_address(registry_address())} on chain {{chain}}
code hash    0x{{code_hash}}
transaction  """


def deployed(chain: int) -> str:
    return DEPLOYED.format(chain=chain, code_hash=expected_code_hash(ChainId(chain)).hex())


@pytest.fixture
def keyfile(ape_home: Path) -> Iterator[str]:
    """An account of ape's with a key of its own; returns its alias."""
    from eth_account import Account

    path = ape_home / "accounts" / "keeper.json"
    path.write_text(json.dumps(Account.encrypt(KEY, PASSPHRASE, kdf="pbkdf2", iterations=1000)))
    yield path.stem
    path.unlink()


def altered(file: Path) -> tuple[str, ...]:
    """Return the arguments that verify a copy of ``file`` with one byte more by its receipt."""
    copy = file.with_name("altered")
    copy.write_bytes(file.read_bytes() + b"\0")
    return (str(copy), "--receipt", f"{file}.anchor.json")


def policy(work: Path, member: str, value: str) -> tuple[str, str]:
    """Return the option for the project's trust policy with one member pinned to another value."""
    text = (work / "project" / "trust.toml").read_text()
    changed, count = re.subn(rf"(?m)^{member} = .*$", f"{member} = {value}", text)
    assert count == 1 and changed != text
    (work / "other.toml").write_text(changed)
    return ("--trust", "other.toml")


def test_only_the_scripts_for_users_are_listed(ape: Run) -> None:
    listed = ape("--help")
    assert listed.code == 0, listed.err
    _, _, commands = listed.out.partition("Commands:\n")
    assert [line.split()[0] for line in commands.splitlines() if line.strip()] == [
        "anchor_evidence",
        "deploy",
        "verify_receipt",
    ]


HEADLINES = {
    **dict.fromkeys((10, 11, 12), "NOT VERIFIED"),
    **dict.fromkeys((20, 22), "CANNOT TELL"),
    21: "NOT FINAL YET",
}
WRONG_PINS = {
    "owner": (f'"{format_address(registry_address())}"', "4. fail"),
    "genesis": (f'"0x{"11" * 32}"', "5. fail"),
    "code_hash": (f'"0x{"11" * 32}"', "6. fail"),
}


def journey(run: Run, work: Path, network: str, *, chain: int, pins: tuple[str, ...]) -> None:
    """Deploy, deploy again, anchor, anchor again, verify, and be refused for each reason."""
    on = ("--network", network, "--project", "project")
    file = work / "evidence" / "a.txt"

    first = run("deploy", *on, *DEV)
    assert first.code == 0, first.err
    assert re.fullmatch(re.escape(deployed(chain)) + r"0x[0-9a-f]{64}, [\d,]+ gas\n", first.out)
    record = work / "project" / "deployments" / str(chain) / "AnchorRegistry.json"
    written = record.read_bytes()
    assert json.loads(written)["transaction"]["hash"] in first.out
    again = run("deploy", *on, *DEV)
    assert record.read_bytes() == written
    assert (again.code, again.out) == (0, deployed(chain) + "already there; nothing was sent\n")

    for _ in range(2):
        anchored = run("anchor_evidence", "evidence", *on, *DEV)
        assert anchored.code == 0, anchored.err
        assert anchored.out.splitlines() == [
            "evidence/a.txt  leaf 0  anchored (counts as final; not confirmed by the nodes)",
            "evidence/sub/b.bin  leaf 1  anchored (counts as final; not confirmed by the nodes)",
        ]
    assert sorted(path.name for path in work.rglob("*.anchor.json")) == [
        "a.txt.anchor.json",
        "b.bin.anchor.json",
    ]
    receipt = json.loads(Path(f"{file}.anchor.json").read_bytes())
    assert [anchor["chain_id"] for anchor in receipt["anchors"]] == [chain]
    assert "state" in receipt["anchors"][0]

    verified = run("verify_receipt", "evidence/a.txt", *on)
    assert verified.code == 0, verified.out
    assert verified.out.startswith("VERIFIED on a ")
    expect(run("verify_receipt", *altered(file), *on), 10, "2. fail")
    for member in pins:
        value, step = WRONG_PINS[member]
        arguments = ("evidence/a.txt", *on, *policy(work, member, value))
        expect(run("verify_receipt", *arguments), 12, step)


def expect(done: Done, code: int, step: str) -> None:
    assert done.code == code, done.err
    assert step in done.out, done.out
    assert done.out.startswith(HEADLINES[code]), done.out


def test_on_an_anvil_reached_by_its_url(ape: Run, work: Path, anvil: AnvilNode) -> None:
    network = f"ethereum:local:{anvil.url}"
    journey(ape, work, network, chain=31337, pins=("genesis",))
    anvil.close()
    gone = ape("verify_receipt", "evidence/a.txt", "--network", network, "--project", "project")
    assert gone.code == 20
    assert gone.err.startswith("error: ape cannot connect to the network: ")


def test_on_a_running_anvil_through_ape_foundry(
    ape: Run, work: Path, anvil: AnvilNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APE_FOUNDRY_HOST", anvil.url)
    journey(ape, work, "ethereum:local:foundry", chain=31337, pins=("owner",))


@pytest.mark.parametrize(
    ("network", "chain"), [(IN_PROCESS, 1337), ("ethereum:local:foundry", 31337)]
)
def test_on_a_chain_that_ends_with_the_command(
    ape: Run, work: Path, network: str, chain: int
) -> None:
    on = ("--network", network)
    done = ape("deploy", *on, *DEV)
    assert done.code == 0, done.err
    assert done.out.startswith(deployed(chain))
    # The next command's chain is a new one, with a project of its own: no registry there.
    bare = ape("anchor_evidence", "evidence", *on, *DEV)
    assert bare.code == 32
    assert bare.err.splitlines()[-2].startswith("error: there is no registry at ")
    assert not list(work.rglob("*.anchor.json"))

    anchored = ape("anchor_evidence", "evidence", "--deploy", *on, *DEV)
    assert anchored.code == 0, anchored.err
    assert anchored.out.startswith(deployed(chain))
    assert anchored.out.endswith(
        "evidence/sub/b.bin  leaf 1  anchored (counts as final; not confirmed by the nodes)\n"
    )
    trusts = sorted(work.glob(f".anchor-ape/{chain}-*/trust.toml"))
    assert len(trusts) == 3
    # Same chain id, another genesis block: whatever the receipt is worth, not here.
    trust = ("--trust", str(trusts[0]))
    expect(ape("verify_receipt", "evidence/a.txt", *trust, *on), 12, "5. fail")


def test_on_apes_in_process_chain(work: Path) -> None:
    """Several commands in one process, through ape's own command line, on one chain."""
    from ape import networks
    from ape._cli import cli

    def run(*arguments: str) -> Done:
        result = CliRunner(mix_stderr=False).invoke(cli, ["run", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return Done(code=result.exit_code, out=result.stdout, err=result.stderr)

    with networks.parse_network_choice(IN_PROCESS) as provider:
        untouched = provider.snapshot()
        # Ahead of the clock, so that the second chain is behind the first; no more than a clock may
        # be off by which records are made.
        later = provider.get_block("latest").timestamp + 280
        provider.set_timestamp(later)
        journey(run, work, IN_PROCESS, chain=1337, pins=tuple(WRONG_PINS))
        verify = ("verify_receipt", "evidence/a.txt", "--network", IN_PROCESS)
        verify += ("--project", "project")
        height = provider.get_block("latest").number
        receipt = Path("evidence/a.txt.anchor.json").read_text()
        bare = json.loads(receipt)
        del bare["anchors"][0]["state"]
        Path("bare.json").write_text(json.dumps(bare))
        # That many blocks on top: the genesis block is the only final one.
        waiting = policy(work, "finality", str(height))
        expect(run(*verify, *waiting), 21, "5. cannot tell")
        verify += ("--receipt", "bare.json")
        expect(run(*verify, *waiting), 21, "6. cannot tell")
        Path("newer.json").write_text(receipt.replace("anchor-receipt/1", "anchor-receipt/9"))
        expect(run(*verify, "--receipt", "newer.json"), 22, "1. cannot tell")
        provider.restore(untouched)
        assert run("deploy", "--network", IN_PROCESS, "--project", "second", *DEV).code == 0
        # A node that has not come to the anchor's block cannot tell; one that has, can.
        expect(run(*verify), 20, "7. cannot tell")
        provider.set_timestamp(later + 86_400)
        provider.mine(height)
        expect(run(*verify), 11, "7. fail")


def test_the_readmes_example_runs(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import ape
    from ape._cli import cli

    import anchor

    on = ("--network", IN_PROCESS, "--project", "project", *DEV)
    with ape.networks.parse_network_choice(IN_PROCESS):
        for command in ("deploy",), ("anchor_evidence", "evidence"):
            assert CliRunner().invoke(cli, ["run", *command, *on]).exit_code == 0
        receipt = anchor.Receipt.load(Path("evidence/a.txt.anchor.json"))
        capsys.readouterr()
        example = readme_examples()["ape"].replace("ethereum:local:foundry", IN_PROCESS)
        exec(example, {"ape": ape, "anchor": anchor, "receipt": receipt})
    assert receipt.anchors[0].head.root.hex() in capsys.readouterr().out


def test_apes_in_process_chain_refuses_as_a_node_does(work: Path) -> None:
    from ape import networks
    from ape._cli import cli

    from scripts._ape_chain import open_node

    with networks.parse_network_choice(IN_PROCESS) as provider:
        deploying = ["run", "deploy", "--network", IN_PROCESS, "--project", "project", *DEV]
        assert CliRunner().invoke(cli, deploying).exit_code == 0
        node = open_node(provider)
        with pytest.raises(NodeRefusedError) as unknown:
            node.fetch_nonce(DEV_ADDRESS, Hash32(bytes(32)))
        assert (unknown.value.code, unknown.value.reason) == (-32000, "header not found")
        with pytest.raises(NodeRefusedError) as absent:
            node.rpc.call("eth_sendTransaction", [])
        assert absent.value.code == -32601
        # The caller is neither the owner of this log nor one of its operators.
        call = encode_anchor_call(make_log_id(DEV_ADDRESS, 0), Head(root=Hash32(KEY), size=1), [])
        with pytest.raises(NodeRefusedError) as reverted:
            node.call(sender=DEV_ADDRESSES[1], to=registry_address(), data=call)
        assert reverted.value.code == 3
        assert reverted.value.data is not None
        assert "NotAuthorised" in describe_revert(bytes.fromhex(reverted.value.data[2:]))


def test_a_keyfile_account_signs_when_asked(
    ape: Run, work: Path, anvil: AnvilNode, keyfile: str
) -> None:
    from eth_account import Account

    from anchor.chain.json_rpc import Rpc

    address = Account.from_key(KEY).address
    Rpc(anvil.url).call("anvil_setBalance", [address, hex(10**18)])
    on = ("--network", f"ethereum:local:{anvil.url}", "--account", keyfile)

    refusals = {
        "declined": {"stdin": "n\n"},
        "a wrong passphrase": {"stdin": "y\nwrong\n"},
        "nobody there": {"stdin": ""},
    }
    said = []
    for why, how in refusals.items():
        refused = ape("deploy", *on, **how)
        assert refused.code == 31, why
        assert "error: the ape account keeper " in refused.err
        said.append(refused)
    autosign = {"APE_ACCOUNTS_keeper_PASSPHRASE": "wrong"}
    said.append(ape("deploy", *on, "--autosign", **autosign))
    assert said[-1].code == 31

    said.append(ape("deploy", *on, stdin=f"y\n{PASSPHRASE}\nn\n"))
    assert said[-1].code == 0, said[-1].err
    autosign = {"APE_ACCOUNTS_keeper_PASSPHRASE": PASSPHRASE}
    said.append(ape("anchor_evidence", "evidence", *on, "--autosign", **autosign))
    assert said[-1].code == 0, said[-1].err
    said.append(ape("verify_receipt", "evidence/a.txt", *on[:2]))
    assert said[-1].code == 0, said[-1].err
    assert f"anchored by {address} " in said[-1].out
    for done in said:
        for secret in (KEY.hex(), PASSPHRASE, PUBLIC_DEV_KEY[2:]):
            assert secret not in done.out + done.err


def test_a_test_account_is_refused_on_a_real_network(
    ape: Run, work: Path, anvil: AnvilNode
) -> None:
    # ape is told that it is a devnet, but the node is on a chain that has no devnet's id.
    from anchor.chain.json_rpc import Rpc

    Rpc(anvil.url).call("anvil_setChainId", [700700])
    done = ape("deploy", "--network", f"ethereum:local:{anvil.url}", *DEV)
    assert done.code == 31
    assert "TEST::0 must not be used on chain 700700; its key is public" in done.err
