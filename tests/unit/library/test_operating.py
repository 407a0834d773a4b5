"""What a project refuses before it does anything: calls that make no sense."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template

import anchor
from anchor.chain.node import Node
from anchor.library import operating
from anchor.project import creation
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
    """Let a chain in memory be what each node answers for."""
    chain = Node(MemoryChain())
    monkeypatch.setattr(chain, "close", lambda: None)
    monkeypatch.setattr(operating, "open_node", lambda _: chain)
    monkeypatch.setattr(creation, "size_allowance", lambda *_: Allowance(fee_cap=1, budget=None))


@pytest.mark.parametrize("wait", ["finalized", "soon", "", 0])
def test_a_word_that_is_no_end_of_waiting_is_refused(project: anchor.Project, wait: Any):
    with pytest.raises(anchor.UsageError, match="wait is to be"):
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
    with pytest.raises(anchor.UsageError, match="is to be a Path, a SourceFile or Digests"):
        project.add([file, wrong])
    with pytest.raises(anchor.UsageError, match="is to be"):
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
