"""What a project refuses before it does anything: calls that make no sense."""

from __future__ import annotations

import copy
import json
import os
import pickle
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template

import anchor
from anchor.chain.node import Node
from anchor.library import operating
from anchor.project import config, creation
from anchor.project.config import load_config
from anchor.project.fee_limits import Allowance


@pytest.fixture
def project(tmp_path: Path) -> Iterator[anchor.Project]:
    chain = MemoryChain()
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    with anchor.Project(site.open(), node=Node(chain)) as opened:
        yield opened


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> anchor.Keystore:
    return anchor.Keystore.create(tmp_path_factory.mktemp("key") / "key.json", "password")


def connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every node answer from one chain in memory."""
    chain = Node(MemoryChain())
    monkeypatch.setattr(chain, "close", lambda: None)
    monkeypatch.setattr(operating, "open_node", lambda _: chain)
    monkeypatch.setattr(creation, "size_allowance", lambda *_: Allowance(fee_cap=1, budget=None))


@pytest.mark.parametrize("wait", ["finalized", "soon", "", 0])
def test_a_word_that_is_no_end_of_waiting_is_refused(project: anchor.Project, wait: Any):
    with pytest.raises(anchor.UsageError, match="wait must be"):
        project.run_once(wait=wait)


@pytest.mark.parametrize(
    "given",
    [
        {"wait": "soon"},
        {"wait": None},
        {"finality": -1},
        {"finality": 10**9},
        {"finality": "latest"},
        {"finality": None},
        {"finality": Path("a")},
        {"quorum": 0},
        {"quorum": -1},
    ],
)
def test_nothing_is_written_of_a_project_that_no_configuration_allows(
    key: anchor.Keystore, given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    connect(monkeypatch)
    folder = tmp_path / "project"
    create: Any = anchor.Project.create
    with pytest.raises(anchor.ConfigError):
        create(folder, rpc="http://localhost:8545", signer=key, **given)
    assert not folder.exists()
    create(folder, rpc="http://localhost:8545", signer=key).close()


@pytest.mark.parametrize("wrong", ["b.txt", b"b", None, 7, [Path("b")]])
def test_nothing_is_added_where_one_piece_is_no_evidence(
    project: anchor.Project, tmp_path: Path, wrong: Any
):
    file = tmp_path / "a.txt"
    file.write_bytes(b"a")
    with pytest.raises(anchor.UsageError, match="must be a Path, a SourceFile or Digests"):
        project.add([file, wrong])
    with pytest.raises(anchor.UsageError, match="must be"):
        project.add(wrong if not isinstance(wrong, list) else wrong[0])
    assert project.status().queue.waiting == 0


def test_a_pipe_in_the_place_of_a_key_or_its_password_is_not_waited_for(
    key: anchor.Keystore, tmp_path: Path
):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for keystore in (
        anchor.Keystore(pipe, "password"),
        anchor.Keystore(key.path, password_file=pipe),
        anchor.Keystore(tmp_path, "password"),
    ):
        with pytest.raises(anchor.SignerError, match="is not a regular file"):
            keystore.open()
    with pytest.raises(anchor.SignerError, match="is not a regular file"):
        _ = anchor.Keystore(pipe, "password").address


@pytest.mark.parametrize("below", [(), ("project",)])
def test_a_file_in_the_place_of_a_projects_folder_is_said(
    key: anchor.Keystore, below: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    connect(monkeypatch)
    file = tmp_path / "file"
    file.write_bytes(b"mine")
    with pytest.raises(anchor.UsageError, match=r"the folder .* cannot be created"):
        anchor.Project.create(file.joinpath(*below), rpc="http://localhost:8545", signer=key)
    assert file.read_bytes() == b"mine"


SECRET = "s3cret"


def test_a_configuration_is_shown_without_what_may_hold_a_key(
    project: anchor.Project, monkeypatch: pytest.MonkeyPatch
):
    url = f"https://node.example/v3/{SECRET}"
    monkeypatch.setenv("ANCHOR_SIGNER__KEYSTORE", "key.json")
    monkeypatch.setenv("ANCHOR_CHAIN__RPC", url)
    monkeypatch.setenv("ANCHOR_CHAIN__WITNESSES", json.dumps([f"https://other.example/{SECRET}"]))
    monkeypatch.setenv("ANCHOR_PUBLISH__TARGET", f"s3://key:{SECRET}@bucket/log")
    monkeypatch.setenv("ANCHOR_STORE", f"postgresql://me:{SECRET}@store.example/log")
    read = load_config(project.config.file)
    document = config._load_document(
        tomllib.loads(project.config.file.read_text("utf-8")), with_environment=True
    )
    assert read.rpc == document.chain.rpc == url
    for shown in (repr(read), repr(document)):
        assert SECRET not in shown and "chain_id=" in shown
    assert "store.example" in repr(read)


def test_a_key_is_neither_pickled_nor_copied_nor_shown(key: anchor.Keystore):
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(anchor.UsageError, match="can be neither pickled nor copied") as caught:
            take(key)
        assert str(key.path) in caught.value.message and "password'" not in caught.value.message
        assert caught.value.message.operands == {"keystore": repr(key)}
    assert repr(key) == f"Keystore({str(key.path)!r})"


def test_a_store_whose_driver_is_not_installed_is_said_to_need_its_extra(
    project: anchor.Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delitem(sys.modules, "anchor.store.postgresql", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setenv("ANCHOR_SIGNER__KEYSTORE", "key.json")
    monkeypatch.setenv("ANCHOR_STORE", "postgresql://store.example/log")
    with pytest.raises(ImportError, match=r"pip install '\.\[postgresql\]'"):
        anchor.Project.open(project.config.folder)
