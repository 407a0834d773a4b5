"""Keystores are made and read: nothing is written over, and no password is shown or taken twice."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from support.command import run_anchor
from support.in_process import run_in_process
from support.nodes import ask
from support.projects import Site
from support.terminal import in_terminal

from anchor.chain.devnet import Devnet
from anchor.chain.signer.keystore import open_keystore
from anchor.ethereum.keccak import format_address

PASSWORD = "canary-password-0c8e"
# A key of its own would take eth-account a second each time.
KEYSTORE = "made.json"


def password_file(folder: Path, text: str = PASSWORD + "\n") -> Path:
    path = folder / "password"
    path.touch(0o600)
    path.write_text(text, "utf-8")
    return path


def test_a_new_key_opens_with_its_password_and_shows_its_address(tmp_path: Path) -> None:
    password_file(tmp_path)
    made = run_anchor("key", "new", KEYSTORE, "--password-file", "password", cwd=tmp_path).expect(0)
    address = made.out.strip()
    path = tmp_path / KEYSTORE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    members = json.loads(path.read_text("utf-8"))
    assert members["crypto"]["kdf"] == "scrypt"
    assert members["crypto"]["kdfparams"]["n"] == 2**18
    assert format_address(open_keystore(path, lambda: PASSWORD).address) == address
    shown = run_anchor("key", "show", KEYSTORE, cwd=tmp_path).expect(0)
    assert shown.out.strip() == address
    document = run_anchor("key", "show", KEYSTORE, "--json", cwd=tmp_path).expect(0).document
    assert document == {
        "format": "anchor-key-show/1",
        "address": address,
        "keystore": str(path),
    }
    assert PASSWORD not in made.out + made.err + path.read_text("utf-8")
    before = path.read_bytes()
    again = run_anchor("key", "new", KEYSTORE, "--password-file", "password", cwd=tmp_path)
    again.refused(2, "already exists", "never overwritten")
    assert path.read_bytes() == before


def test_two_new_keys_differ_and_json_says_where_they_are(tmp_path: Path) -> None:
    words = ("--password-file", password_file(tmp_path), "--json")
    first, second = (
        run_anchor("key", "new", name, *words, cwd=tmp_path).expect(0).document for name in "ab"
    )
    assert first["address"] != second["address"]
    assert first["keystore"] == str(tmp_path / "a")
    assert set(first) == {"format", "address", "keystore"}


@pytest.mark.parametrize(
    ("answers", "code", "text"),
    [
        ((PASSWORD, PASSWORD), 0, "0x"),
        ((PASSWORD, PASSWORD + "x"), 31, "the two passwords differ"),
        (("", ""), 31, "the password is empty"),
    ],
)
def test_a_password_is_asked_for_twice_and_not_shown(
    tmp_path: Path, answers: tuple[str, ...], code: int, text: str
) -> None:
    ended, screen = in_terminal(tmp_path, "key", "new", KEYSTORE, answers=answers)
    assert (ended, text in screen) == (code, True), screen
    assert PASSWORD not in screen
    assert (tmp_path / KEYSTORE).exists() is (code == 0)
    if code == 0:
        open_keystore(tmp_path / KEYSTORE, lambda: PASSWORD)


def test_nothing_is_asked_where_no_key_could_be_written(tmp_path: Path) -> None:
    (tmp_path / KEYSTORE).symlink_to(tmp_path / "nowhere")
    ended, screen = in_terminal(tmp_path, "key", "new", KEYSTORE, answers=())
    assert (ended, "already exists" in screen, "assword" in screen) == (2, True, False), screen
    assert not (tmp_path / "nowhere").exists()


def test_without_a_terminal_or_a_usable_password_file_no_key_is_made(tmp_path: Path) -> None:
    new = ("key", "new", KEYSTORE)
    run_anchor(*new, cwd=tmp_path).refused(31, "there is no terminal", "--password-file")
    given = (*new, "--password-file", "password")
    run_anchor(*given, cwd=tmp_path).refused(31, "cannot be read")
    path = password_file(tmp_path, "\nsecond line\n")
    run_anchor(*given, cwd=tmp_path).refused(31, "the password is empty")
    path.chmod(0o640)
    run_anchor(*given, cwd=tmp_path).refused(31, "can be read by other users")
    path.chmod(0o600)
    path.write_text(PASSWORD)
    missing = ("key", "new", "none/made.json", "--password-file", "password")
    run_anchor(*missing, cwd=tmp_path).refused(2, "cannot be written")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["password"]


def test_what_is_no_keystore_or_states_no_address_is_said(tmp_path: Path) -> None:
    show = ("key", "show", KEYSTORE)
    run_anchor(*show, cwd=tmp_path).refused(31, "cannot be read")
    (tmp_path / KEYSTORE).write_text("[]")
    run_anchor(*show, cwd=tmp_path).refused(31, "is not a keystore file")
    (tmp_path / KEYSTORE).write_text('{"crypto": {}}')
    run_anchor(*show, cwd=tmp_path).refused(31, "does not state its address")
    (tmp_path / KEYSTORE).write_text('{"crypto": {}, "address": "\\u001b[2J"}')
    ran = run_anchor(*show, cwd=tmp_path).refused(2, "address in made.json")
    assert "\x1b" not in ran.err


# What `init` is given is looked at there


def test_init_refuses_key_files_that_no_run_could_use(anvil: Devnet, tmp_path: Path) -> None:
    owner = "0x" + "12" * 20
    init = ("init", "project", "--rpc", anvil.url, "--owner", owner)
    run_anchor(*init, "--keystore", "none.json", cwd=tmp_path).refused(31, "none.json")
    (tmp_path / KEYSTORE).write_text('{"crypto": {}, "address": "' + "34" * 20 + '"}')
    given = (*init, "--keystore", KEYSTORE, "--password-file", "password")
    run_anchor(*given, cwd=tmp_path).refused(31, "password cannot be read")
    path = password_file(tmp_path)
    path.chmod(0o644)
    run_anchor(*given, cwd=tmp_path).refused(31, "can be read by other users")
    none = run_anchor(*init, "--ape-account", "nobody-here", cwd=tmp_path)
    none.refused(31, "ape has no account")
    assert not (tmp_path / "project").exists()
    path.chmod(0o600)
    run_anchor(*given, cwd=tmp_path).expect(0)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--owner", "0x123"),
        ("--owner", "0x" + "12" * 20),
        ("--keystore", "/x"),
        ("--ape-account", "x"),
        ("--password-file", "/x"),
        ("--finality", "soon"),
        ("--finality", "3"),
        ("--finality", "finalized"),
    ],
)
def test_init_for_a_devnet_refuses_what_it_would_not_use(
    anvil: Devnet, tmp_path: Path, option: str, value: str
) -> None:
    ran = run_in_process("init", "--devnet", "--rpc", anvil.url, option, value, cwd=tmp_path)
    ran.refused(2, f"{option} would have no effect with --devnet")
    assert list(tmp_path.iterdir()) == []


def test_a_project_is_run_with_a_key_made_here(anvil: Devnet, tmp_path: Path) -> None:
    password_file(tmp_path)
    words = ("--password-file", "password")
    made = run_anchor("key", "new", KEYSTORE, *words, cwd=tmp_path).expect(0)
    ask(anvil.url, "anvil_setBalance", made.out.strip(), hex(10**19))
    init = ("init", "--rpc", anvil.url, "--keystore", KEYSTORE, *words)
    run_anchor(*init, cwd=tmp_path).expect(0, made.out.strip())
    site = Site(folder=tmp_path, url=anvil.url, number=0)
    site.run("deploy").expect(0)
    site.write("a", b"a")
    site.run("stamp", "a", "--wait", "included").expect(0)
