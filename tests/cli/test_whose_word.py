"""Only what the verifier chose counts: an attacker's folders, and the user's own."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from support.command import Ran, run_anchor
from support.projects import Site, make_site
from support.terminal import in_terminal

from anchor.chain.devnet import Devnet

STRANGER = 12_345
NUMBERS = count(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """Who was given ``folder``, and has a configuration folder of their own."""

    folder: Path
    own: Path
    url: str

    def run(self, *words: str | Path, cwd: Path | None = None, **env: str) -> Ran:
        return run_anchor(
            *words, cwd=cwd or self.folder, env={"XDG_CONFIG_HOME": str(self.own)} | env
        )


@pytest.fixture(scope="module")
def evil(module_anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The attacker's project: with its own policy and nodes, its evidence verifies."""
    site = make_site(tmp_path_factory.mktemp("evil") / "project", module_anvil, number=7)
    site.write("deed.txt", b"one field, two cows")
    site.run("stamp", "deed.txt", "--wait", "final").expect(0)
    site.run("verify", "deed.txt").expect(0)
    site.run("export-log", "published").expect(0)
    # Whatever a program might read from a folder that it works in.
    for name in (".env", "anchor.env", ".anchor"):
        site.write(
            name,
            f"ANCHOR_TRUST={site.folder}/trust.toml\nANCHOR_CONFIG={site.folder}/anchor.toml\n"
            f"XDG_CONFIG_HOME={site.folder}\nHOME={site.folder}\n".encode(),
        )
    for kept in ("anchor/trust", ".config/anchor/trust", "trust"):
        site.write(f"{kept}/evil.toml", (site.folder / "trust.toml").read_bytes())
    return site


@pytest.fixture
def victim(evil: Site, tmp_path: Path) -> Victim:
    return Victim(folder=tmp_path / "case", own=tmp_path / "own", url=evil.url)


def _whole(evil: Site, case: Path) -> Path:
    shutil.copytree(evil.folder, case)
    return case


def _policy_alone(evil: Site, case: Path) -> Path:
    _whole(evil, case)
    (case / "anchor.toml").unlink()
    return case


def _above(evil: Site, case: Path) -> Path:
    below = _whole(evil, case) / "one" / "two"
    below.mkdir(parents=True)
    for name in ("deed.txt", "deed.txt.anchor.json"):
        shutil.move(case / name, below / name)
    return below


def _links(evil: Site, case: Path) -> Path:
    case.mkdir()
    for path in _whole(evil, case.with_name("target")).iterdir():
        (case / path.name).symlink_to(path)
    return case


def _linked_folder(evil: Site, case: Path) -> Path:
    case.symlink_to(_whole(evil, case.with_name("target")))
    return case


def _strangers(evil: Site, case: Path) -> Path:
    _whole(evil, case)
    for path in (case, *case.rglob("*")):
        os.chown(path, STRANGER, STRANGER)
    return case


def _open_to_all(evil: Site, case: Path) -> Path:
    _whole(evil, case)
    for path in (case, *case.rglob("*")):
        path.chmod(0o777)
    return case


PLACES = (
    _whole, _policy_alone, _above, _links, _linked_folder, _strangers, _open_to_all,
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__[1:])
def test_in_a_folder_full_of_an_attackers_files_nothing_verifies_itself(
    place: Callable[[Site, Path], Path], evil: Site, victim: Victim
) -> None:
    cwd = place(evil, victim.folder)
    for words in (
        ("verify", "deed.txt"),
        ("verify", "deed.txt", "-q", "--rpc", victim.url),
        ("verify", "deed.txt", "--rpc", victim.url, "--chain-id", "31337"),
        ("certify", "deed.txt", "--no-pdf", "--rpc", victim.url, "--chain-id", "31337"),
        ("certify", "deed.txt", "--no-pdf", "--draft"),
    ):
        ran = victim.run(*words, cwd=cwd).expect(20)
        assert "Trust policy" not in ran.out
        assert ("--rpc" in words) or victim.url not in ran.out + ran.err
    document = victim.run("verify", "deed.txt", "--json", cwd=cwd).expect(20).document
    assert (document["policies"], document["nodes"]) == ([], [])
    unused = document["unused_project"]
    assert (unused is None) is (place is _policy_alone)
    assert unused is None or "neither created nor allowed" in unused["reason"]
    assert not list(cwd.rglob("*.certificate.*"))
    assert not victim.own.exists()


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__[1:])
def test_no_operators_command_works_in_a_project_of_somebody_elses(
    place: Callable[[Site, Path], Path], evil: Site, victim: Victim
) -> None:
    cwd = place(evil, victim.folder)
    (cwd / "mine.txt").write_bytes(b"mine")
    if place is _policy_alone:
        victim.run("add", "mine.txt", cwd=cwd).refused(2, "no anchor.toml in")
        return
    store = (victim.folder / "anchor.db").read_bytes()
    for words in (
        ("add", "mine.txt"), ("status",), ("audit",), ("stamp", "mine.txt"), ("prove", "deed.txt"),
        ("run", "--once"), ("doctor",), ("export-log", "out"), ("deploy",), ("seal",),
    ):  # fmt: skip
        victim.run(*words, cwd=cwd).refused(12, "neither created nor allowed", "trust allow")
    assert (victim.folder / "anchor.db").read_bytes() == store
    assert not (cwd / "out").exists()


def test_an_audit_takes_no_policy_and_no_nodes_from_the_folder(evil: Site, victim: Victim) -> None:
    _whole(evil, victim.folder)
    victim.run("audit", "published").expect(20, "counts only if", "anchor.toml")
    named = ("--rpc", victim.url, "--chain-id", "31337")
    ran = victim.run("audit", "published", *named).expect(20, "own claim", "anchor.toml")
    assert "Trust policy" not in ran.out
    document = victim.run("audit", "published", *named, "--json").expect(20).document
    assert document["policies"] == []
    assert document["unused_project"] is not None
    assert len(document["unpinned"]) == 1
    victim.run("audit", "published", *named, "--accept-unpinned").expect(
        0, "VERIFIED on a development chain (proves nothing about real time): the published log"
    )
    accepted = victim.run("audit", "published", *named, "--accept-unpinned", "--json").expect(0)
    assert accepted.document["chain"]["kind"] == "development"
    victim.run("audit", "published", *named[:2], "--chain-id", "1").expect(12, "is on chain 31337")


def test_explaining_a_receipt_uses_nothing_of_the_folder(evil: Site, victim: Victim) -> None:
    _strangers(evil, victim.folder)
    ran = victim.run("explain", "deed.txt").expect(0)
    assert ran.err == ""


def test_without_a_receipt_no_store_of_somebody_elses_is_opened(evil: Site, victim: Victim) -> None:
    _whole(evil, victim.folder)
    (victim.folder / "deed.txt.anchor.json").unlink()
    victim.run("verify", "deed.txt").refused(2, "there is no receipt for deed.txt")


def test_what_is_accepted_unpinned_is_said_on_every_form(evil: Site, victim: Victim) -> None:
    _policy_alone(evil, victim.folder)
    options = ("--rpc", victim.url, "--chain-id", "31337", "--accept-unpinned")
    owner = "the log's owner 0xf39F"
    victim.run("verify", "deed.txt", *options).expect(0, "No trust policy was given", owner)
    victim.run("verify", "-q", "deed.txt", *options).expect(0, "unpinned", owner)
    document = victim.run("verify", "--json", "deed.txt", *options).expect(0).document
    assert owner in document["files"][0]["unpinned"][0]
    victim.run("certify", "deed.txt", "--no-pdf", *options).expect(0)
    certificate = (victim.folder / "deed.txt.certificate.json").read_text()
    assert owner in certificate
    assert '"policies":[]' in certificate


# ------------------------------------------------------------------------------------------------
# What the user keeps


def test_a_kept_policy_counts_and_says_where_it_came_from(evil: Site, victim: Victim) -> None:
    _policy_alone(evil, victim.folder)
    (victim.folder / "trust.toml").rename(victim.folder / "policy.toml")
    data = (victim.folder / "policy.toml").read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    added = victim.run("trust", "add", "them", "policy.toml").expect(0, sha256, "chain 31337")
    path = victim.own / "anchor" / "trust" / "them.toml"
    assert str(path) in added.out
    assert path.read_bytes() == data
    (victim.folder / "policy.toml").unlink()
    said = f"Trust policy: {path} (SHA-256 {sha256}, kept in your configuration folder)"
    victim.run("verify", "deed.txt").expect(0, said)
    victim.run("verify", "-q", "deed.txt").expect(0, said)
    document = victim.run("verify", "--json", "deed.txt").expect(0).document
    assert document["policies"] == [{"file": str(path), "sha256": sha256, "source": "user"}]
    victim.run("certify", "deed.txt", "--no-pdf").expect(0, said)
    html = (victim.folder / "deed.txt.certificate.html").read_text()
    assert sha256 in html.replace("<wbr>", "").replace("\n", "")
    assert "kept by the issuer" in html
    victim.run("audit", "published").expect(0, said)
    shown = victim.run("trust", "show", "them").expect(0)
    assert shown.out == data.decode()
    assert victim.run("trust", "show", "them", "--json").document["text"] == data.decode()
    listed = victim.run("trust", "list", "--json").expect(0).document
    assert [policy["name"] for policy in listed["policies"]] == ["them"]
    victim.run("trust", "list").expect(0, "policy   them", sha256)
    victim.run("trust", "remove", "them").expect(0, str(path))
    victim.run("trust", "remove", "them").refused(2, "no policy under the name 'them'")
    victim.run("verify", "deed.txt").expect(20)
    victim.run("trust", "list").expect(0, "holds no policy and no project")


def test_a_policy_can_be_named_in_the_environment(evil: Site, victim: Victim) -> None:
    _policy_alone(evil, victim.folder)
    policy = victim.folder / "trust.toml"
    ran = victim.run("verify", "deed.txt", ANCHOR_TRUST=str(policy))
    ran.expect(0, "named in the environment")
    victim.run("verify", "deed.txt", ANCHOR_TRUST="").expect(20)
    os.chown(policy, STRANGER, -1)
    ran = victim.run("verify", "deed.txt", ANCHOR_TRUST=str(policy))
    ran.refused(12, f"belongs to the user with the id {STRANGER}")
    victim.run("verify", "deed.txt", "--trust", policy).refused(12, "belongs to the user")
    os.chown(policy, 0, -1)
    policy.chmod(0o666)
    victim.run("verify", "deed.txt", "--trust", policy).refused(12, "written by everybody")


def test_a_project_is_allowed_by_hand_and_disallowed_again(evil: Site, victim: Victim) -> None:
    _whole(evil, victim.folder)
    listed = victim.run("trust", "allow").expect(0, "log 7 of 0xf39F", "chain 31337")
    assert str(victim.folder / "anchor.toml") in listed.out
    victim.run("verify", "deed.txt").expect(0, "from your own project")
    victim.run("status").expect(0)
    victim.run("trust", "list").expect(0, f"project  {victim.folder / 'anchor.toml'}")
    config = victim.folder / "anchor.toml"
    text = config.read_text()
    config.write_text(text.replace("number = 7", "number = 8"))
    victim.run("verify", "deed.txt").refused(12, "another log or registry", "trust allow")
    victim.run("status").refused(12, "another log or registry", "trust allow")
    config.write_text(text)
    victim.run("status").expect(0)
    config.chmod(0o666)
    victim.run("verify", "deed.txt").expect(20, "written by everybody")
    victim.run("status").refused(12, "written by everybody")
    victim.run("trust", "allow", victim.folder).refused(12, "written by everybody")
    config.chmod(0o644)
    victim.run("trust", "disallow", victim.folder).expect(0)
    victim.run("trust", "disallow", victim.folder).refused(2, "was not allowed")
    victim.run("status").refused(12)
    victim.run("trust", "allow", victim.own).refused(2, "no anchor.toml in")


def test_a_project_that_is_named_needs_no_allowance(evil: Site, victim: Victim) -> None:
    _whole(evil, victim.folder)
    config = victim.folder / "anchor.toml"
    victim.run("status", "--config", config).expect(0)
    victim.run("status", ANCHOR_CONFIG=str(config)).expect(0)
    victim.run("verify", "deed.txt", "--config", config).expect(0, "named on the command line")
    victim.run("verify", "deed.txt", ANCHOR_CONFIG=str(config)).expect(0, "in the environment")
    ran = victim.run("verify", "deed.txt", "--config", config).expect(0)
    assert f"{victim.folder / 'trust.toml'} lies in the folder of the evidence" in ran.out
    ran = victim.run("verify", "deed.txt", ANCHOR_CONFIG=str(config)).expect(0)
    assert f"{victim.folder / 'trust.toml'} lies in the folder of the evidence" in ran.out
    for name in ("ANCHOR_CONFIG", "ANCHOR_TRUST"):
        relative = {name: "anchor.toml" if name == "ANCHOR_CONFIG" else "trust.toml"}
        victim.run("verify", "deed.txt", **relative).refused(12, f"{name} names a relative path")
    victim.run("status", ANCHOR_CONFIG="anchor.toml").refused(12, "names a relative path")
    os.chown(config, STRANGER, -1)
    victim.run("status", "--config", config).refused(12, "belongs to the user")
    victim.run("verify", "deed.txt", "--config", config).refused(12, "belongs to the user")


# ------------------------------------------------------------------------------------------------
# Evidence unpacked over one's own project


@pytest.fixture
def own(module_anvil: Devnet, tmp_path: Path) -> Victim:
    """A project whose policy names no nodes, because its URL holds a key."""
    victim = Victim(folder=tmp_path / "project", own=tmp_path / "own", url=module_anvil.url)
    url = f"{victim.url}/?key=abc"
    init = ("init", "--devnet", "--rpc", url, "--number", str(next(NUMBERS)), "project")
    victim.run(*init, cwd=tmp_path).expect(0)
    assert "rpc = []" in (victim.folder / "trust.toml").read_text()
    config = victim.folder / "anchor.toml"
    config.write_text(config.read_text().replace(f'"{victim.url}"', f'"{url}"'))
    victim.run("trust", "allow").expect(0)
    victim.run("deploy").expect(0)
    (victim.folder / "a.txt").write_bytes(b"a")
    victim.run("stamp", "a.txt", "--wait", "final").expect(0)
    victim.run("verify", "a.txt").expect(0, "from your own project")
    return victim


def test_evidence_unpacked_over_an_allowed_project_does_not_choose_the_nodes(
    module_anvil: Devnet, own: Victim
) -> None:
    config = own.folder / "anchor.toml"
    mine = config.read_text()
    theirs = mine.replace("?key=abc", "?key=theirs")
    assert theirs != mine
    config.write_text(theirs)
    named = (str(config), "was changed since you allowed the project: chain.rpc", "trust allow")
    for words in (
        ("verify", "a.txt"), ("verify", "a.txt", "--offline"), ("certify", "a.txt", "--no-pdf"),
        ("status",), ("run", "--once"), ("add", "a.txt"), ("doctor",), ("estimate", "5"),
    ):  # fmt: skip
        own.run(*words).refused(12, *named)
    # What was named all the same is used, and the change is told.
    ran = own.run("verify", "a.txt", "--config", config).expect(0)
    assert "was changed since you allowed the project: chain.rpc" in ran.err
    own.run("restore").refused(12, *named)
    config.write_text(mine)
    own.run("verify", "a.txt").expect(0)
    policy = own.folder / "trust.toml"
    policy.write_text(policy.read_text() + "# theirs\n")
    own.run("verify", "a.txt").refused(12, f"the trust policy {policy}", "trust allow")
    own.run("trust", "allow").expect(0)
    own.run("verify", "a.txt").expect(0)


def test_a_change_of_ones_own_project_is_asked_about_at_a_terminal(
    own: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(own.own))
    config = own.folder / "anchor.toml"
    config.write_text(config.read_text().replace("wait_seconds = 600", "wait_seconds = 500"))
    code, screen = in_terminal(own.folder, "verify", "a.txt", answers=("n",))
    assert (code, "chain.wait_seconds" in screen) == (12, True)
    code, screen = in_terminal(own.folder, "verify", "a.txt", answers=("y",))
    assert (code, "Is this change yours" in screen) == (0, True)
    own.run("verify", "a.txt").expect(0, "from your own project")


# ------------------------------------------------------------------------------------------------
# Making a project


def test_where_nothing_can_be_noted_a_project_is_made_all_the_same(
    module_anvil: Devnet, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    victim = Victim(folder=tmp_path / "project", own=blocked, url=module_anvil.url)
    init = ("init", "--devnet", "--rpc", victim.url, "--number", "8", "project")
    ran = victim.run(*init, cwd=tmp_path).expect(0)
    config = victim.folder / "anchor.toml"
    assert "warning: the project could not be added to your allowed projects: " in ran.err
    assert f"--config {config}, or $ANCHOR_CONFIG" in ran.err
    (victim.folder / "a.txt").write_bytes(b"a")
    victim.run("add", "a.txt").refused(12, "--config", "anchor trust allow")
    victim.run("deploy", "--config", config).expect(0)
    victim.run("stamp", "a.txt", ANCHOR_CONFIG=str(config)).expect(0)
    victim.run("verify", "a.txt", "--config", config).expect(0)
    victim.run("verify", "a.txt").expect(20)
    victim.run("trust", "allow").refused(2, str(blocked), "--config")
    victim.run("trust", "add", "x", "trust.toml").refused(2, str(blocked), "--trust")


def test_ones_own_project_takes_one_word_each(module_anvil: Devnet, tmp_path: Path) -> None:
    victim = Victim(folder=tmp_path / "project", own=tmp_path / "own", url=module_anvil.url)
    init = ("init", "--devnet", "--rpc", victim.url, "--number", "9", "project")
    made = victim.run(*init, cwd=tmp_path).expect(0)
    assert made.err == ""
    victim.run("deploy").expect(0)
    (victim.folder / "a.txt").write_bytes(b"a")
    victim.run("stamp", "a.txt").expect(0)
    victim.run("verify", "a.txt").expect(0, "from your own project")
    # A policy about others that one keeps beside it takes nothing away.
    victim.run("trust", "add", "mine", "trust.toml").expect(0)
    other = (victim.folder / "trust.toml").read_text().replace("logs = [9]", "logs = [5]")
    (victim.folder / "other.toml").write_text(other)
    told = victim.run("trust", "add", "other", "other.toml").expect(0)
    assert "you also keep mine for the owner 0x" in told.err
    victim.run("verify", "a.txt").expect(0, "from your own project")
    victim.run("verify", "a.txt", cwd=tmp_path).refused(2, "is missing")
    victim.run("verify", "project/a.txt", cwd=tmp_path).expect(0)
    # Where it contradicts the project's, neither counts.
    old = "time_slack = 12"
    assert old in other
    (victim.folder / "other.toml").write_text(
        (victim.folder / "trust.toml").read_text().replace(old, "time_slack = 99")
    )
    refused = victim.run("trust", "add", "odd", "other.toml")
    refused.refused(2, "contradict each other", "anchor trust remove")
    victim.run("trust", "remove", "mine").expect(0)
    victim.run("trust", "add", "odd", "other.toml").expect(0)
    victim.run("verify", "a.txt").refused(2, "contradict each other", "odd.toml")
    victim.run("verify", "a.txt", "--trust", "trust.toml").expect(0)


def test_a_project_that_is_restored_is_its_users_again(
    evil: Site, victim: Victim, tmp_path: Path
) -> None:
    _whole(evil, victim.folder)
    (victim.folder / "anchor.db").unlink()
    below = victim.folder / "below"
    below.mkdir()
    # From below it is a project that was found, and from its own folder the one that is meant.
    victim.run("restore", "../published", cwd=below).refused(12, "neither created nor allowed")
    victim.run("status").refused(12)
    victim.run("restore", "published").expect(0)
    victim.run("status").expect(0)
    victim.run("restore", "--replace", "../published", cwd=below).expect(0)


def test_a_successor_is_its_makers(module_anvil: Devnet, tmp_path: Path) -> None:
    own = Victim(folder=tmp_path / "project", own=tmp_path / "own", url=module_anvil.url)
    site = make_site(own.folder, module_anvil, number=21)
    own.run("trust", "allow").expect(0)
    site.write("a.txt", b"a")
    own.run("stamp", "a.txt").expect(0)
    own.run("succeed", "--yes", "--into", "../next").expect(0)
    own.run("status", cwd=tmp_path / "next").expect(0)
    listed = own.run("trust", "list", "--json").expect(0).document["projects"]
    assert [Path(project["config"]).parent.name for project in listed] == ["next", "project"]


@pytest.mark.release
def test_no_env_file_is_read(module_anvil: Devnet, tmp_path: Path) -> None:
    own = Victim(folder=tmp_path / "project", own=tmp_path / "own", url=module_anvil.url)
    site = make_site(own.folder, module_anvil, number=31)
    own.run("trust", "allow").expect(0)
    for folder in (own.folder, tmp_path):
        (folder / ".env").write_text("ANCHOR_CHAIN__RPC=http://127.0.0.1:1\nANCHOR_STORE=x.db\n")
    site.write("a.txt", b"a")
    own.run("stamp", "a.txt").expect(0)
    own.run("verify", "a.txt").expect(0, module_anvil.url)
    below = tmp_path / "project" / "below"
    below.mkdir()
    shutil.copy(own.folder / ".env", below / ".env")
    own.run("status", cwd=below).expect(0)
