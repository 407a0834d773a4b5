"""Whose a file is decides whether it counts: `ownership`, `userfolder`, `allowlist`, `policies`."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.policies import ENTRY

from anchor.base.errors import (
    AnchorError,
    ConfigError,
    MalformedError,
    NotTrustedError,
    ProjectChangedError,
    UsageError,
)
from anchor.base.system.file_ownership import read_own_file
from anchor.base.system.user_folder import user_folder
from anchor.base.types import Address, ChainId, Hash32
from anchor.ethereum.keccak import format_address
from anchor.project.allowlist import (
    allow_project,
    allow_registry,
    check_allowed,
    disallow_project,
    discover_config,
    find_allowed,
    find_change,
    find_config,
    list_allowed,
)
from anchor.project.policy_sources import add_policy, choose_policy, list_policies, remove_policy
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import TrustEntry

OTHER = 12_345
OWNER = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
REGISTRY = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder of the test's own, and no project or policy that is named."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    for name in ("ANCHOR_CONFIG", "ANCHOR_TRUST"):
        monkeypatch.delenv(name, raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path / "configuration" / "anchor"


def write_project(folder: Path, *, number: int = 0, chain_id: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "anchor.toml"
    config.write_text(
        f'trust = "trust.toml"\n[chain]\nchain_id = {chain_id}\nregistry = "{REGISTRY}"\n'
        f'[log]\nowner = "{OWNER}"\nnumber = {number}\n'
    )
    (folder / "trust.toml").write_bytes(encode_policy([ENTRY]))
    return config


def refused(function: Callable[[], object], kind: type[AnchorError]) -> AnchorError:
    with pytest.raises(kind) as caught:
        function()
    assert type(caught.value) is kind
    return caught.value


# ------------------------------------------------------------------------------------------------
# A file and its folder


def test_a_file_of_the_callers_own_is_read_within_its_bound(tmp_path: Path) -> None:
    file = tmp_path / "own"
    file.write_bytes(b"0123456789")
    assert read_own_file(file, 4) == b"0123"
    (tmp_path / "link").symlink_to(file)
    assert read_own_file(tmp_path / "link", 99) == b"0123456789"


@pytest.mark.parametrize(
    ("mode", "whose"), [(0o666, "everybody"), (0o646, "everybody"), (0o664, "the group")]
)
@pytest.mark.parametrize("is_folder", [False, True], ids=["file", "folder"])
def test_what_others_may_write_does_not_count(
    tmp_path: Path, mode: int, whose: str, is_folder: bool
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "policy"
    file.write_bytes(b"x")
    for path in (folder, file):
        os.chown(path, -1, OTHER)
    if is_folder:
        folder.chmod(mode | 0o111)
    else:
        file.chmod(mode)
    error = refused(lambda: read_own_file(file, 9), NotTrustedError)
    assert whose in error.message
    assert ("the folder of" in error.message) is is_folder
    assert "chmod go-w" in (error.hint or "")


@pytest.mark.parametrize("is_folder", [False, True], ids=["file", "folder"])
def test_what_is_another_users_does_not_count(tmp_path: Path, is_folder: bool) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "policy"
    file.write_bytes(b"x")
    os.chown(folder if is_folder else file, OTHER, -1)
    error = refused(lambda: read_own_file(file, 9), NotTrustedError)
    assert f"belongs to the user with the id {OTHER}" in error.message


def test_a_link_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"x")
    os.chown(theirs, OTHER, -1)
    (tmp_path / "link").symlink_to(theirs)
    refused(lambda: read_own_file(tmp_path / "link", 9), NotTrustedError)
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    refused(lambda: read_own_file(tmp_path / "one", 9), UsageError)


def test_a_group_may_write_in_the_folder_of_a_project_that_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    os.chown(folder, -1, OTHER)
    folder.chmod(0o770)
    file = folder / "anchor.toml"
    file.write_bytes(b"x")
    refused(lambda: read_own_file(file, 9), NotTrustedError)
    assert read_own_file(file, 9, in_shared_folder=True) == b"x"
    # What another of the group puts there is that one's, and so it does not count.
    os.chown(file, OTHER, -1)
    refused(lambda: read_own_file(file, 9, in_shared_folder=True), NotTrustedError)
    os.chown(file, 0, OTHER)
    file.chmod(0o660)
    refused(lambda: read_own_file(file, 9, in_shared_folder=True), NotTrustedError)


def test_a_file_in_a_folder_like_tmp_counts_by_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    file = folder / "policy"
    file.write_bytes(b"x")
    assert read_own_file(file, 9) == b"x"
    os.chown(file, OTHER, -1)
    refused(lambda: read_own_file(file, 9), NotTrustedError)


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder", "missing"):
        refused(lambda name=name: read_own_file(tmp_path / name, 9), UsageError)


# ------------------------------------------------------------------------------------------------
# Projects


def test_a_project_counts_once_it_is_allowed_and_no_longer_once_disallowed(tmp_path: Path) -> None:
    config = write_project(tmp_path / "project")
    error = refused(lambda: check_allowed(config), NotTrustedError)
    assert "anchor trust allow" in (error.hint or "")
    note = allow_project(config)
    check_allowed(config)
    assert list_allowed() == [note]
    assert note.config == config
    assert disallow_project(config)
    assert not disallow_project(config)
    refused(lambda: check_allowed(config), NotTrustedError)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("number = 0", "number = 1"),
        ("chain_id = 1", "chain_id = 10"),
        (REGISTRY, format_address(Address(bytes(19) + b"\x01"))),
        (OWNER, format_address(Address(bytes(19) + b"\x02"))),
    ],
)
def test_a_project_that_names_another_log_or_registry_is_not_allowed_any_more(
    tmp_path: Path, old: str, new: str
) -> None:
    config = write_project(tmp_path / "project")
    allow_project(config)
    config.write_text(config.read_text().replace(old, new))
    error = refused(lambda: check_allowed(config), ProjectChangedError)
    assert "another log or registry" in error.message
    allow_project(config)
    check_allowed(config)


def test_a_project_is_the_one_at_its_real_path(tmp_path: Path) -> None:
    config = write_project(tmp_path / "project")
    allow_project(config)
    (tmp_path / "link").symlink_to(tmp_path / "project")
    check_allowed(tmp_path / "link" / "anchor.toml")
    (tmp_path / "project").rename(tmp_path / "moved")
    refused(lambda: check_allowed(tmp_path / "moved" / "anchor.toml"), NotTrustedError)
    # Another one at the path of an allowed project is another project.
    write_project(tmp_path / "project", number=5)
    refused(lambda: check_allowed(config), ProjectChangedError)


@pytest.mark.parametrize("name", ["trust.toml", "other.toml"])
def test_a_policy_that_was_unpacked_over_the_projects_own_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    config = write_project(tmp_path / "project")
    allow_project(config)
    monkeypatch.chdir(tmp_path / "project")
    assert [file.source for file in choose_policy(trust=None, config=None).files] == ["project"]
    config.write_text(config.read_text().replace("trust.toml", name))
    (tmp_path / "project" / name).write_bytes(encode_policy([another(logs=(7,))]))
    error = refused(lambda: choose_policy(trust=None, config=None), ProjectChangedError)
    assert ("changed since you allowed the project: trust" in error.message) is (
        name == "other.toml"
    )
    assert str(tmp_path / "project" / name) in error.message or name == "other.toml"
    assert choose_policy(trust=None, config=config).policy is not None
    allow_project(config)
    assert choose_policy(trust=None, config=None).policy is not None


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('rpc = "http://one/"', 'rpc = "http://other/"', "chain.rpc"),
        ('witnesses = ["http://two/"]', "witnesses = []", "chain.witnesses"),
        ("quorum = 2\n", "", "chain.quorum"),
        ("quorum = 2", 'quorum = 2\nfinality = "latest"', "chain.finality"),
        ('store = "anchor.db"', 'store = "theirs.db"', "store"),
        ("[log]", "[publish]\ntarget = 's3://theirs/'\n[log]", "publish.target"),
        ("[log]", "[[tsa]]\nname = 'theirs'\n[log]", "tsa"),
    ],
)
def test_whatever_was_changed_in_an_allowed_configuration_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, named: str
) -> None:
    config = write_project(tmp_path / "project")
    nodes = 'rpc = "http://one/"\nwitnesses = ["http://two/"]\nquorum = 2\n'
    text = 'store = "anchor.db"\n' + config.read_text().replace("[chain]\n", f"[chain]\n{nodes}")
    config.write_text(text)
    allow_project(config)
    config.write_text(text.replace("[chain]", "# a remark, and spaces\n[chain]  "))
    check_allowed(config)
    assert find_change(config) is None
    assert old in text
    config.write_text(text.replace(old, new))
    monkeypatch.chdir(tmp_path / "project")
    for use in (find_config, lambda: choose_policy(trust=None, config=None)):
        error = refused(use, ProjectChangedError)
        assert error.message == f"{config} was changed since you allowed the project: {named}"
        assert f"anchor trust allow {config.parent}" in (error.hint or "")
    assert find_change(config) is not None
    # The user's own policy, named, needs no project.
    policy = choose_policy(trust=tmp_path / "project" / "trust.toml", config=None)
    assert policy.config is None
    allow_project(config)
    check_allowed(config)


def test_a_note_of_an_earlier_release_asks_to_allow_the_project_again(
    tmp_path: Path, own_folder: Path
) -> None:
    config = write_project(tmp_path / "project")
    allow_project(config)
    note = next((own_folder / "projects").iterdir())
    document = json.loads(note.read_text())
    del document["members"]
    note.write_text(json.dumps(document))
    error = refused(lambda: check_allowed(config), ProjectChangedError)
    assert "earlier release" in error.message
    allow_project(config)
    check_allowed(config)


@pytest.mark.parametrize("variable", ["ANCHOR_TRUST", "ANCHOR_CONFIG"])
@pytest.mark.parametrize("value", ["trust.toml", "./anchor.toml", "../work/anchor.toml", "~/x"])
def test_a_variable_that_names_a_file_of_the_working_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    write_project(tmp_path / "work")
    monkeypatch.setenv(variable, value)
    error = refused(lambda: choose_policy(trust=None, config=None), NotTrustedError)
    assert f"{variable} names a relative path, {value}" in error.message
    assert "absolute" in (error.hint or "")
    if variable == "ANCHOR_CONFIG":
        refused(find_config, NotTrustedError)
    monkeypatch.setenv(variable, "")
    assert choose_policy(trust=None, config=None).policy is None


def test_what_others_may_write_cannot_be_allowed(tmp_path: Path) -> None:
    config = write_project(tmp_path / "project")
    config.chmod(0o666)
    refused(lambda: allow_project(config), NotTrustedError)
    config.chmod(0o644)
    allow_project(config)
    config.chmod(0o666)
    refused(lambda: check_allowed(config), NotTrustedError)


def test_an_allowed_project_may_be_moved_to_another_registry(tmp_path: Path) -> None:
    config = write_project(tmp_path / "project")
    registry = Address(bytes(19) + b"\x09")
    allow_registry(config, registry)
    assert find_allowed(config) is None
    allow_project(config)
    allow_registry(config, registry)
    check_allowed(config)
    config.write_text(config.read_text().replace(REGISTRY, format_address(registry)))
    check_allowed(config)
    allow_project(config)
    config.write_text(config.read_text().replace(format_address(registry), REGISTRY))
    refused(lambda: check_allowed(config), ProjectChangedError)


@pytest.mark.parametrize("part", ["", "projects", "note"])
def test_notes_that_others_may_write_do_not_count(
    tmp_path: Path, own_folder: Path, part: str
) -> None:
    config = write_project(tmp_path / "project")
    allow_project(config)
    folder = own_folder / "projects"
    path = {"": folder, "projects": folder, "note": next(folder.iterdir())}[part]
    path.chmod(0o777)
    refused(lambda: check_allowed(config), NotTrustedError)
    path.chmod(0o700)
    check_allowed(config)
    os.chown(path, OTHER, -1)
    refused(lambda: check_allowed(config), NotTrustedError)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "x"}', '{"format": 1e999}', "1" * 9])
def test_a_damaged_note_is_named(tmp_path: Path, own_folder: Path, text: str) -> None:
    config = write_project(tmp_path / "project")
    allow_project(config)
    note = next((own_folder / "projects").iterdir())
    note.write_text(text)
    error = refused(lambda: check_allowed(config), MalformedError)
    assert str(note) in error.message


def test_the_folder_and_what_is_in_it_are_for_the_user_alone(own_folder: Path) -> None:
    before = os.umask(0)
    try:
        allow_project(write_project(Path("project").absolute()))
    except NotTrustedError:  # the project itself was just made for everybody
        os.umask(0o022)
        Path("project").chmod(0o755)
        Path("project/anchor.toml").chmod(0o644)
        os.umask(0)
        allow_project(Path("project/anchor.toml").absolute())
    finally:
        os.umask(before)
    note = next((own_folder / "projects").iterdir())
    assert note.stat().st_mode & 0o777 == 0o600
    for folder in (own_folder.parent, own_folder, own_folder / "projects"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_only_the_nearest_project_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = write_project(tmp_path / "outer")
    inner = write_project(tmp_path / "outer" / "case")
    below = tmp_path / "outer" / "case" / "files"
    below.mkdir()
    allow_project(outer)
    monkeypatch.chdir(below)
    assert discover_config() == inner
    refused(find_config, NotTrustedError)
    allow_project(inner)
    assert find_config() == inner
    assert find_config(outer) == outer
    monkeypatch.setenv("ANCHOR_CONFIG", str(outer))
    assert find_config() == outer


# ------------------------------------------------------------------------------------------------
# Policies


def another(**changes: object) -> TrustEntry:
    return dataclasses.replace(ENTRY, **changes)  # type: ignore[arg-type]


def keep(name: str, *entries: TrustEntry) -> str:
    return add_policy(name, encode_policy(entries)).sha256


def test_kept_policies_count_together() -> None:
    second = another(chain_id=ChainId(10), genesis=Hash32(b"\x09" * 32))
    keep("one", ENTRY)
    keep("two", second)
    choice = choose_policy(trust=None, config=None)
    assert choice.policy is not None
    assert choice.policy.entries == (ENTRY, second)
    assert [(file.name, file.source) for file in choice.files] == [("one", "user"), ("two", "user")]
    remove_policy("one")
    refused(lambda: remove_policy("one"), ConfigError)
    choice = choose_policy(trust=None, config=None)
    assert choice.policy is not None
    assert choice.policy.entries == (second,)


def test_what_is_said_twice_counts_once_and_more_logs_are_more() -> None:
    keep("one", ENTRY)
    keep("same", ENTRY)
    keep("wider", another(logs=(0, 7, 9)))
    choice = choose_policy(trust=None, config=None)
    assert choice.policy is not None
    assert {number for entry in choice.policy.entries for number in entry.logs} == {0, 7, 9}


@pytest.mark.parametrize(
    "change",
    [
        {"genesis": Hash32(b"\x09" * 32)},
        {"code_hash": Hash32(b"\x09" * 32)},
        {"operators": None},
        {"time_slack": 13},
        {"assurance": "rpc"},
        {"logs": (7, 8), "finality": 9},
    ],
    ids=lambda change: next(iter(change)),
)
def test_policies_that_contradict_each_other_are_refused(
    change: dict[str, object], own_folder: Path
) -> None:
    keep("one", ENTRY)
    error = refused(lambda: keep("two", another(**change)), ConfigError)
    assert "contradict each other" in error.message
    assert [file.name for file in list_policies()] == ["one"]
    # However the second came there.
    (own_folder / "trust" / "two.toml").write_bytes(encode_policy([another(**change)]))
    error = refused(lambda: choose_policy(trust=None, config=None), ConfigError)
    assert "two.toml" in error.message
    assert "anchor trust remove" in (error.hint or "")


def test_a_name_is_given_once() -> None:
    keep("one", ENTRY)
    keep("one", ENTRY)
    refused(lambda: keep("one", another(logs=(8,))), ConfigError)
    for name in ("", "../x", "a/b", ".x", "a" * 65, "a\n", "ä"):
        refused(lambda name=name: keep(name, ENTRY), MalformedError)


def test_what_breaks_the_format_is_named_with_its_file(own_folder: Path) -> None:
    refused(lambda: add_policy("x", b"nonsense"), MalformedError)
    keep("one", ENTRY)
    (own_folder / "trust" / "one.toml").write_bytes(b"nonsense")
    error = refused(lambda: choose_policy(trust=None, config=None), MalformedError)
    assert str(own_folder / "trust" / "one.toml") in error.message


def test_the_option_comes_before_the_environment_and_that_before_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {}
    for number, name in enumerate(("option", "environment", "project"), start=20):
        files[name] = tmp_path / f"{name}.toml"
        files[name].write_bytes(encode_policy([another(logs=(number,))]))
    keep("kept", another(logs=(30,)))
    own = write_project(tmp_path / "work")
    (tmp_path / "work" / "trust.toml").write_bytes(files["project"].read_bytes())
    allow_project(own)

    def chosen(**options: Path | None) -> tuple[list[str], list[int], Path | None]:
        choice = choose_policy(**({"trust": None, "config": None} | options))
        assert choice.policy is not None
        logs = [number for entry in choice.policy.entries for number in entry.logs]
        return [file.source for file in choice.files], logs, choice.config

    assert chosen() == (["user", "project"], [30, 22], own)
    assert chosen(config=own) == (["option"], [22], own)
    monkeypatch.setenv("ANCHOR_TRUST", str(files["environment"]))
    assert chosen() == (["environment"], [21], own)
    assert chosen(trust=files["option"]) == (["option"], [20], None)
    assert chosen(trust=files["option"], config=own) == (["option"], [20], own)


def test_a_project_that_is_not_the_users_gives_neither_policy_nor_nodes(tmp_path: Path) -> None:
    config = write_project(tmp_path / "work")
    choice = choose_policy(trust=None, config=None)
    assert (choice.policy, choice.files, choice.config) == (None, (), None)
    assert choice.unused is not None
    assert choice.unused.config == config
    assert str(config) in choice.unused.reason.message
    # With a policy of one's own it is named all the same, and used as little.
    keep("mine", another(logs=(30,)))
    choice = choose_policy(trust=None, config=None)
    assert choice.policy is not None
    assert [entry.logs for entry in choice.policy.entries] == [(30,)]
    assert (choice.config, choice.unused is None) == (None, False)


def test_a_policy_that_is_named_has_to_be_the_callers(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(encode_policy([ENTRY]))
    os.chown(file, OTHER, -1)
    refused(lambda: choose_policy(trust=file, config=None), NotTrustedError)


# ------------------------------------------------------------------------------------------------
# Without a folder of one's own


@pytest.mark.parametrize("value", ["", "relative", "./here"])
def test_a_folder_that_is_not_absolute_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    config = write_project(tmp_path / "work")
    for base in ("relative", "here", ""):
        # What an attacker would put where such a folder would be.
        planted = tmp_path / "work" / base / "anchor" / "trust"
        planted.mkdir(parents=True)
        (planted / "x.toml").write_bytes(encode_policy([ENTRY]))
    monkeypatch.setenv("XDG_CONFIG_HOME", value)
    monkeypatch.setenv("HOME", "relative")
    assert user_folder().is_absolute()
    assert not user_folder().is_relative_to(tmp_path)
    monkeypatch.setattr("platformdirs.user_config_dir", lambda *_, **__: "relative/anchor")
    error = refused(user_folder, ConfigError)
    assert "--trust" in (error.hint or "")
    assert "$ANCHOR_CONFIG" in (error.hint or "")
    assert list_policies() == []
    assert choose_policy(trust=None, config=None).policy is None
    refused(lambda: allow_project(config), ConfigError)
    refused(lambda: add_policy("x", encode_policy([ENTRY])), ConfigError)
    refused(lambda: check_allowed(config), NotTrustedError)


def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_project(tmp_path / "work")
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    error = refused(lambda: allow_project(config), UsageError)
    assert str(tmp_path / "file") in error.message
    assert "--config" in (error.hint or "")
    refused(lambda: check_allowed(config), NotTrustedError)


def test_a_note_holds_what_any_path_may_hold(tmp_path: Path) -> None:
    config = write_project(tmp_path / 'a "quoted"\n\udcff folder')
    allow_project(config)
    check_allowed(config)
    (note,) = list_allowed()
    assert note.config == config
    json.dumps(str(note.config))
