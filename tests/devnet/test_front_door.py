"""Projects through the library, on an anvil: the README's examples, and what is not in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.readme import readme_examples
from web3 import Web3

import anchor
from anchor.base.digests import digest_bytes
from anchor.chain.devnet import Devnet
from anchor.operate.single_run import RunState
from anchor.registry.artifact import registry_address

PASSWORD = "devnet"


@pytest.fixture
def project(module_anvil: Devnet, tmp_path: Path) -> Iterator[anchor.Project]:
    """A project with the registry deployed."""
    # Every test's log is another one: they share a chain.
    number = abs(hash(tmp_path)) % 2**40
    folder = tmp_path / "my-project"
    with anchor.Project.create_on_devnet(folder, rpc=module_anvil.url, number=number) as made:
        made.deploy()
        yield made


@pytest.fixture
def key(project: anchor.Project) -> anchor.Keystore:
    return anchor.Keystore(project.config.folder / "devnet-key.json", PASSWORD)


@pytest.fixture
def file(tmp_path: Path, project: anchor.Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file to anchor, in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "contract.pdf"
    path.write_bytes(b"signed")
    return path


def test_the_readmes_examples_run(
    project: anchor.Project, file: Path, module_anvil: Devnet, capsys: pytest.CaptureFixture[str]
):
    shutil.copy(project.config.folder / "devnet-key.json", "key.json")
    shutil.copy(project.config.trust, "trust.toml")
    project.close()
    examples = readme_examples()
    names = {"anchor": anchor, "Path": Path, "Web3": Web3, "password": PASSWORD}
    exec(examples["operate"], names)
    exec(examples["verify"], names)
    printed = capsys.readouterr().out.split()
    assert printed[-1] == "rpc"
    web3 = examples["web3"].replace("http://127.0.0.1:8545", module_anvil.url)
    exec(web3, names)
    receipt = anchor.Receipt.load(Path("contract.pdf.anchor.json"))
    root = receipt.anchors[0].head.root
    assert names["root"] == root
    assert capsys.readouterr().out == f"1 {root.hex()}\n"


def without_state(receipt: anchor.Receipt) -> anchor.Receipt:
    """Return a receipt without what a node proved, in whatever block was final then."""
    anchors = tuple(replace(anchored, state=None) for anchored in receipt.anchors)
    return replace(receipt, anchors=anchors)


def test_what_is_added_has_an_id_by_which_its_receipt_is_found(
    project: anchor.Project, key: anchor.Keystore, file: Path, tmp_path: Path
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "b").write_bytes(b"b")
    bare = digest_bytes(b"elsewhere", ("sha256",))
    added = project.add([file, tmp_path / "folder", bare])
    assert [piece.name for piece in added] == [
        "contract.pdf", "folder/b", f"sha256:{bare.sha256 and bare.sha256.hex()}",
    ]  # fmt: skip
    assert [piece.path for piece in added] == [file, tmp_path / "folder" / "b", None]
    assert all(piece.is_new for piece in added)
    assert added[0].digests == anchor.digest_file(file)
    again = project.add([bare, file])
    assert [piece.id for piece in again] == [added[0].id, added[2].id]
    assert [piece.leaf for piece in again] == [added[0].leaf, added[2].leaf]
    assert not any(piece.is_new for piece in again)
    with pytest.raises(anchor.NotFinalError):
        project.receipt(added[2].id)
    assert project.status().queue.waiting == 3
    done = project.run_once(signer=key, wait="final")
    assert (done.sealed, done.state) == (3, RunState.FINAL)
    receipts = dict(project.receipts(added))
    assert [receipt.index for receipt in receipts.values()] == [0, 1, 2]
    assert without_state(project.receipt(file)) == without_state(receipts[added[0]])
    assert without_state(project.receipt(added[2].id)) == without_state(receipts[added[2]])
    assert project.status().queue.waiting == 0
    policy = anchor.TrustPolicy.load(project.config.trust)
    with anchor.Verifier(policy=policy) as verifier:
        for piece, receipt in receipts.items():
            report = verifier.verify(piece.digests, receipt)
            assert report.existed_by is not None
        with pytest.raises(anchor.MismatchError) as caught:
            verifier.verify(file, receipts[added[1]])
        assert caught.value.actual == added[0].digests.sha256


def test_what_cannot_be_added_is_raised_after_the_rest_was_added(
    project: anchor.Project, file: Path, tmp_path: Path
):
    bad = tmp_path / "missing"
    with pytest.raises(anchor.UsageError, match="missing was not added") as caught:
        project.add([bad, file])
    assert caught.value.path == bad
    (piece,) = project.add([file])
    assert not piece.is_new
    left_out = []
    os.mkfifo(tmp_path / "pipe")
    assert project.add([bad, tmp_path / "pipe"], on_left_out=left_out.append) == []
    assert [path.path.name for path in left_out] == ["missing", "pipe"]


def test_receipts_beside_files_are_no_evidence_and_what_lies_in_their_place_is_kept(
    project: anchor.Project, key: anchor.Keystore, file: Path, tmp_path: Path
):
    project.add([file], beside=True)
    project.run_once(signer=key)
    project.receipt(file).save(tmp_path / "contract.pdf.anchor.json")
    taken = tmp_path / "taken"
    taken.write_bytes(b"x")
    (tmp_path / "taken.anchor.json").write_bytes(b"mine")
    left_out = []
    everything = [file, tmp_path / "contract.pdf.anchor.json", taken]
    added = project.add(everything, beside=True, on_left_out=left_out.append)
    assert [piece.path for piece in added] == [file]
    assert {path.path.name for path in left_out} == {"contract.pdf.anchor.json", "taken"}


def test_an_unknown_id_is_told_from_a_path(project: anchor.Project, file: Path):
    with pytest.raises(anchor.UsageError, match="holds no evidence with the id") as unknown:
        project.receipt("ab" * 32)
    assert unknown.value.hint is None
    with pytest.raises(anchor.UsageError, match="an id must be 64") as path:
        project.receipt("contract.pdf")
    assert path.value.hint == "name a file by a Path"
    with pytest.raises(anchor.UsageError, match="is not in this project's log"):
        project.receipt(file)


def test_one_process_leads_at_a_time(project: anchor.Project):
    with anchor.Project.open(project.config.folder) as other, project.lead():
        with pytest.raises(anchor.ChainGuardError):
            other.run_once()
        project.run_once()
    with anchor.Project.open(project.config.file) as again:
        assert again.config == project.config


def test_a_project_is_created_with_a_key_of_ones_own(module_anvil: Devnet, tmp_path: Path):
    made = anchor.Keystore.create(tmp_path / "key.json", "correct horse")
    assert "correct" not in repr(made) + repr(vars(made).keys())
    password_file = tmp_path / "password"
    password_file.write_text("correct horse\n")
    password_file.chmod(0o600)
    key = anchor.Keystore(tmp_path / "key.json", password_file=password_file)
    assert key.open().address == made.address == made.open().address
    with anchor.Project.create(tmp_path / "p", rpc=module_anvil.url, signer=key) as project:
        assert project.config.log[12:] == key.address
        assert project.config.signer.password_file == password_file
        with pytest.raises(anchor.FundsError):
            project.add([digest_bytes(b"x", ("sha256",))])
            project.run_once()
    with pytest.raises(anchor.ConfigError, match="already exists"):
        anchor.Project.create(tmp_path / "p", rpc=module_anvil.url, signer=key)
    with pytest.raises(anchor.SignerError, match="either the password"):
        anchor.Keystore(tmp_path / "key.json")
    with pytest.raises(anchor.SignerError, match="does not open"):
        anchor.Keystore(tmp_path / "key.json", "wrong").open()
    with pytest.raises(anchor.ConfigError):
        anchor.Project.open(tmp_path)


def test_the_registry_is_web3s_own_contract(project: anchor.Project, module_anvil: Devnet):
    w3 = Web3(Web3.HTTPProvider(module_anvil.url))
    registry = anchor.registry_contract(w3)
    assert bytes.fromhex(registry.address[2:]) == registry_address()
    assert registry.functions.CHAIN_ID().call() == module_anvil.chain_id
    other = anchor.registry_contract(w3, project.config.log[12:])
    assert bytes.fromhex(other.address[2:]) == project.config.log[12:]
