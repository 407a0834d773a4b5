"""``--json`` of every command is one document that names its format, and so is every error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from support.command import Ran, start_anchor
from support.command_list import list_commands
from support.fixtures import MakeSite
from support.in_process import run_in_process
from support.json_documents import check_document, load_schemas
from support.nodes import DEV
from support.projects import Site
from support.service import make_key
from support.signers import SshSigner

from anchor.chain.devnet import Devnet

# Measured values are typed; text is for names, reasons and what people are to read.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
# Commands without JSON, and those whose documents other tests hold to the same.
WITHOUT = {"demo"}
ELSEWHERE = {
    "devnet": "tests/cli/test_devnet_command.py",
    "capture": "tests/capture/test_capture_command.py",
    "capture-worker": "tests/capture/test_capture_worker_command.py",
    "replay": "tests/capture/test_replay.py",
    "run": "tests/cli/test_standard_output.py",
    "serve": "test_the_document_of_the_service",
    "deploy": "tests/cli/test_journey.py",
    "init": "tests/cli/test_journey.py",
}
# What the state of that log does not allow: its document is the error's.
REFUSED = {"operator remove", "restore", "succeed", "timestamp", "transactions give-up"}
COPIES = """
[copies]
url = "file://copies"
keyset = "keyset.json"
tenant_bytes = 1000
"""


@pytest.fixture
def anchored(new_site: MakeSite, embedded: Devnet) -> Site:
    site = new_site(embedded)
    site.add("a.txt", b"a")
    site.anchor()
    site.add("b.txt", b"b")
    return site


def test_every_command_has_a_schema() -> None:
    names = {name.replace(" ", "-") for name, has_json in list_commands().items() if has_json}
    schemas = load_schemas()
    # `anchor backup` prints what `anchor backup --check` prints.
    assert {name for name in names if name not in schemas} == {"backup"}
    assert "backup-check" in schemas


def test_a_schema_refuses_a_document_that_lost_a_member_or_changed_its_type() -> None:
    document = {"format": "anchor-seal/1", "sealed": 1, "size": 3, "root": "00"}
    check_document(document)
    for broken in (
        {**document, "sealed": "1"},
        {name: value for name, value in document.items() if name != "sealed"},
    ):
        with pytest.raises(jsonschema_rs.ValidationError):
            check_document(broken)


def test_every_command_has_json_but_for_those_that_show_something() -> None:
    assert {name for name, has_json in list_commands().items() if not has_json} == WITHOUT


def test_the_document_of_each_command_names_its_format(anchored: Site, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a long password\n")
    (tmp_path / "password").chmod(0o600)
    make_key(anchored.folder)
    with (anchored.folder / "anchor.toml").open("a", encoding="utf-8") as config:
        config.write(COPIES)
    anchored.run("trust", "allow").expect(0)
    key = anchored.run("api-key", "list", "--json").expect(0).document["keys"][0]["id"]
    policy = anchored.folder / "trust.toml"
    words: dict[str, tuple[str | Path, ...]] = {
        "source": (),
        "networks": (),
        "doctor": (),
        "add": ("b.txt",),
        "supersede": ("b.txt", "a.txt", "--reason", "a page was missing"),
        "collect": ("b.txt", "--profile", "plain"),
        "custody add": ("a.txt", "--event", "copy"),
        "custody show": ("a.txt",),
        "seal": (),
        "stamp": ("a.txt",),
        "status": (),
        "list": (),
        "search": ("a.txt",),
        "estimate": ("10",),
        "log": (),
        "prove": ("a.txt",),
        "upgrade": ("a.txt",),
        "verify": ("a.txt",),
        "verifier": ("-o", "page.html"),
        "certify": ("a.txt", "--no-pdf", "--draft"),
        "timestamp": (),
        "sign": ("a.txt", "--ssh-key", SshSigner(tmp_path, "ssh").key),
        "pack": ("a.txt", "-o", "bag"),
        "explain": ("a.txt",),
        "export": ("a.txt", "--format", "case"),
        "export-log": ("published",),
        "audit": (),
        "trust pin": (
            "--rpc",
            anchored.url,
            "--owner",
            DEV,
            "--output",
            "pinned.toml",
        ),
        "trust add": ("them", policy),
        "trust list": (),
        "trust show": ("them",),
        "trust remove": ("them",),
        "trust allow": (anchored.folder,),
        "key new": (tmp_path / "key.json", "--password-file", tmp_path / "password"),
        "key show": (tmp_path / "key.json",),
        "operator list": (),
        "operator add": ("0x" + "12" * 20, "--show-call"),
        "operator remove": (DEV, "--show-call"),
        "transactions list": (),
        "transactions give-up": ("1",),
        "api-key create": ("acme",),
        "api-key list": (),
        "api-key revoke": (str(key),),
        "tenant invite": ("acme", "--role", "owner", "--email", "li@example.org"),
        "tenant list": (),
        "copies init": (),
        "copies rotate": (),
        "copies drop": (),
        "hold add": ("case", "a.txt", "--reason", "a dispute"),
        "hold list": (),
        "hold remove": ("case",),
        "backup": (tmp_path / "backup",),
        "withdraw": ("a.txt", "--reason", "recorded by mistake"),
        "erase": ("a.txt", "--basis", "other", "--reason", "asked for", "--by", "us", "--yes"),
        "restore": (),
        "succeed": ("--into", "../next", "--show-call"),
        "trust disallow": (anchored.folder,),  # after this the project no longer counts
    }
    known = {name for name, has_json in list_commands().items() if has_json}
    assert known == set(words) | set(ELSEWHERE)
    refused = set()
    for name, arguments in words.items():
        ran = anchored.run(*name.split(), *arguments, "--json")
        if not is_document(ran, name):
            refused.add(name)
        # And where it cannot do it, too: an option that there is not.
        wrong = run_in_process(*name.split(), "--no-such-option", "--json", cwd=anchored.folder)
        assert wrong.expect(2).document["format"] == "anchor-error/1"
        assert wrong.document["exit_code"] == 2
    assert refused <= REFUSED, refused - REFUSED


def is_document(ran: Ran, name: str) -> bool:
    """Check what a command printed; return whether it was its own document and no error's."""
    document = ran.document
    stem = name.replace(" ", "-")
    if ran.code and document["format"] == "anchor-error/1":
        assert set(document) == {"format", "error", "id", "operands", "hint", "exit_code"}, ran
        assert document["id"] is not None, ran
        assert document["exit_code"] == ran.code, ran
        return False
    assert re.fullmatch(
        f"anchor-{stem}(-(call|check|leaf|extension|published))?/1", document["format"]
    )
    assert next(iter(document)) == "format", ran
    return True


def test_the_other_documents_of_a_command_name_their_kind(anchored: Site) -> None:
    anchored.run("export-log", "published").expect(0)
    for name, words in {
        "collect-template": ("collect", "--profile", "plain", "--template"),
        "prove-bundle": ("prove", "--all", "--bundle"),
        "audit-published": ("audit", "published"),
    }.items():
        document = anchored.run(*words, "--json").expect(0).document
        assert document["format"] == f"anchor-{name}/1"


def test_the_document_of_the_service(new_site: MakeSite, embedded: Devnet) -> None:
    site = new_site(embedded)
    words = ("serve", "--port", "0", "--workers", "1", "--json")
    with start_anchor(*words, cwd=site.folder, log=site.folder.parent / "log") as running:
        running.printed("}")
        document = running.interrupt().expect(0).document
    assert (document["format"], document["workers"]) == ("anchor-serve/1", 1)


@pytest.mark.parametrize("is_away", [False, True])
def test_status_is_typed_by_its_schema(anchored: Site, is_away: bool) -> None:
    env = {"ANCHOR_CHAIN__RPC": "http://127.0.0.1:1"} if is_away else {}
    ran = anchored.run("status", "--json", env=env).expect(20 if is_away else 0)
    document = ran.document
    assert document["exit_code"] == ran.code
    assert (document["chain"] is None) == (document["error"] is not None) == is_away
    assert (document["accepted"], document["waiting"]) == (2, 1)
    assert document["head"] == {"size": 1, "root": anchored.heads()[0][1].hex()}
    if not is_away:
        final = document["chain"]["final"]
        assert (final["size"], final["sequence"]) == (1, 1)
        assert document["chain"]["unanchored"] == 0
    for name, value in leaves(document):
        if name.endswith(("_at", "time")) and value is not None:
            assert TIME.fullmatch(value), (name, value)
        assert " " not in name


def test_verify_names_its_format_and_fits_its_schema(anchored: Site) -> None:
    anchored.run("prove", "a.txt").expect(0)
    assert anchored.run("verify", "a.txt", "--json").document["format"] == "anchor-verify/1"


def leaves(document: Any, name: str = "") -> list[tuple[str, Any]]:
    """Return every value of a document that has no members, by its member's name."""
    if isinstance(document, dict):
        return [each for key, value in document.items() for each in leaves(value, key)]
    if isinstance(document, list):
        return [each for value in document for each in leaves(value, name)]
    return [(name, document)]
