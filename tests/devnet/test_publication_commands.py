"""Publishing, reading and auditing on the command line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from support.command import Ran
from support.disasters import sql
from support.projects import Site
from support.publication_reading import Reader, files, flip
from support.publication_reading import devnet as devnet
from support.publication_reading import place as place
from support.publication_reading import server as server
from support.publication_reading import site as site
from support.publications import (
    grow,
    publish,
    refusal,
)

from anchor.base.errors import ExitCode
from anchor.cli.commands import audit, export_log
from anchor.log.publication import (
    CHECKPOINT,
)
from anchor.project.config import load_config
from anchor.verification.log_audit import TITLES


def test_the_commands_publish_read_and_audit(site: Site, place: Path, server: str) -> None:
    grow(site, 3)
    shown = site.run("export-log", place)
    assert shown.code == 0, shown.err
    vkey = shown.out.split("verifier key for readers: ")[1].strip()
    shown = site.run("audit", server, "--key", vkey)
    assert shown.code == 0, shown.err
    steps = [line.split()[:2] for line in shown.out.splitlines()[1:9]]
    assert steps == [[f"{number}.", "pass"] for number in range(1, 9)]
    shown = site.run("audit", "--json")
    assert (shown.code, shown.document["breaches"]) == (0, [])
    flip(place / "tile/0/000.p/3", 0)
    shown = site.run("audit", place)
    assert shown.code == ExitCode.MISMATCH
    assert " 8. fail " in shown.out
    assert shown.out.endswith("NOT VERIFIED (exit code 10)\n")
    shown = site.run("audit", place, "--json")
    assert (shown.code, shown.document["exit_code"]) == (10, 10)
    assert [step["verdict"] for step in shown.document["steps"]] == [
        "pass", "cannot tell", *["pass"] * 5, "fail"
    ]  # fmt: skip
    flip(site.folder / "tiles/tile/0/000.p/3", 0)
    shown = site.run("audit")
    assert shown.code == ExitCode.MISMATCH
    assert "tile/0/000.p/3 was altered" in shown.out
    assert site.run("audit", "--rebuild").code == 0


def test_an_audit_takes_the_readers_own_policy_and_node(
    site: Site, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    grow(site, 3)
    publish(site, place)
    monkeypatch.chdir(tmp_path)  # outside the project
    trust = shutil.copy(site.folder / "trust.toml", tmp_path / "mine.toml")
    trust.write_text(trust.read_text().replace(site.url, "http://127.0.0.1:1"))
    audit.command(str(place), trust=trust, rpc=[site.url], as_json=True)
    shown = json.loads(capsys.readouterr().out)
    (policy,) = shown["policies"]
    assert (policy["file"], policy["source"]) == (str(trust), "option")
    assert shown["nodes"] == [site.url]
    assert [step["number"] for step in shown["steps"]] == list(TITLES)
    trust.write_bytes(trust.read_bytes().replace(b"logs = [", b"logs = [1"))
    with pytest.raises(typer.Exit) as caught:
        audit.command(str(place), trust=trust, rpc=[site.url], as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert caught.value.exit_code == shown["exit_code"] == ExitCode.NOT_TRUSTED
    assert [step["verdict"] for step in shown["steps"]] == ["pass", "cannot tell", "fail"]


def test_a_log_that_somebody_writes_to_is_published_and_not_audited(
    site: Site, place: Path
) -> None:
    grow(site, 1)
    with site.lead():
        error = refusal(audit.command, config_path=site.folder / "anchor.toml")
        assert error.exit_code == ExitCode.CHAIN_GUARD
        assert "another process" in error.message
        export_log.command(str(place), config_path=site.folder / "anchor.toml")
    assert Reader(site).check(place).checkpoint.head.size == 1


def test_where_a_log_is_published_may_stand_in_the_configuration(site: Site, place: Path) -> None:
    grow(site, 1)
    config_path = site.folder / "anchor.toml"
    error = refusal(export_log.command, config_path=config_path)
    assert (error.exit_code, "[publish] target" in (error.hint or "")) == (ExitCode.USAGE, True)
    site.edit('# [publish]\n# target = "published"', '[publish]\ntarget = "../published"')
    assert site.folder.parent == place.parent
    export_log.command(config_path=config_path)
    assert Reader(site).check(place).checkpoint.head.size == 1


@pytest.mark.parametrize(
    "target", ["sftp://canary-user:canary-password@host/log", "s3://bucket/log?key=canary-token"]
)
def test_a_url_with_secrets_is_refused_in_the_file_and_taken_from_the_environment(
    site: Site, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCHOR_PUBLISH__TARGET", target)
    assert load_config(site.folder / "anchor.toml").publish == target
    monkeypatch.delenv("ANCHOR_PUBLISH__TARGET")
    site.edit('# [publish]\n# target = "published"', f'[publish]\ntarget = "{target}"')
    error = refusal(load_config, site.folder / "anchor.toml")
    assert error.exit_code == ExitCode.USAGE
    assert "may hold a password" in error.message
    assert not any(canary in f"{error.message}{error.hint}" for canary in CANARIES)


def test_the_node_is_asked_what_is_final_and_without_one_the_stores_word_counts(
    site: Site, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grow(site, 3)
    sql(site, "UPDATE anchors SET final = 0")
    config_path = site.folder / "anchor.toml"
    export_log.command(str(place / "one"), config_path=config_path)
    site.edit(site.url, "http://127.0.0.1:1")
    export_log.command(str(place / "other"), config_path=config_path)
    assert "using the last state in the store" in capsys.readouterr().err
    assert files(place / "one") == files(place / "other")


def test_a_store_older_than_the_chain_is_not_published(
    site: Site, place: Path, tmp_path: Path
) -> None:
    grow(site, 3)
    shutil.copytree(site.folder, tmp_path / "backup")
    grow(site, 2)
    error = refusal(export_log.command, str(place), config_path=tmp_path / "backup/anchor.toml")
    assert error.exit_code == ExitCode.CHAIN_GUARD
    assert not place.exists()


CANARIES = ("canary-user", "canary-password", "canary-token")


def with_secrets(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://canary-user:canary-password@{rest}/?token=canary-token"


def check_silence(*ran: Ran) -> None:
    for item in ran:
        for canary in CANARIES:
            assert canary not in item.out + item.err, (canary, item)


def test_a_published_logs_url_is_used_with_its_secrets_and_shown_without(
    site: Site, place: Path, server: str
) -> None:
    grow(site, 3)
    publish(site, place)
    url = with_secrets(server)
    ran = [site.run("audit", url).expect(0), site.run("audit", url, "--json").expect(0)]
    for path in [*site.folder.glob("anchor.db*"), site.folder / "tiles/size"]:
        path.unlink()
    shutil.rmtree(site.folder / "tiles/tile")
    ran.append(site.run("restore", url, "--json").expect(0))
    assert ran[-1].document["source"] == server
    (place / CHECKPOINT).rename(place / "away")
    ran.append(site.run("restore", url, "--replace").refused(20, f"no checkpoint in {server}"))
    ran.append(site.run("audit", url).refused(20, "no checkpoint was found"))
    check_silence(*ran)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("http://127.0.0.1:1", "127.0.0.1:1 did not answer|published to a web server's URL"),
        ("http://127.0.0.1:canary-token", "is not a URL|published to a web server's URL"),
        ("http://[127.0.0.1", "is not a URL|published to a web server's URL"),
        ("s3://bucket/log", "the URL holds a password"),
        ("nosuch://host/log", "the scheme nosuch:// is not one"),
        ("simplecache::s3://bucket/log", "does not begin with a scheme"),
        ("zip://log::http://127.0.0.1/x.zip", "the scheme zip:// is not one"),
        ("ftp://127.0.0.1:canary-token/log", "the scheme ftp:// is not one"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused_without_the_secrets_in_it(
    site: Site, place: str, expected: str
) -> None:
    grow(site, 1)
    url = with_secrets(place)
    for command in (["export-log", url], ["audit", url], ["restore", url, "--replace"]):
        ran = site.run(*command), site.run(*command, "--json")
        for shown in ran:
            assert shown.code in (ExitCode.USAGE, ExitCode.CANNOT_CHECK), shown
            assert re.search(expected, shown.err), shown
            assert "Traceback" not in shown.err
        check_silence(*ran)


@pytest.mark.parametrize("option", [{"trust": Path("x")}, {"rpc": "x"}, {"key": "x"}])
def test_each_option_for_a_published_log_needs_one(option: dict[str, Any]) -> None:
    assert "apply to a published log" in refusal(audit.command, **option).message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--key", "x"], "apply to a published log"),
        (["--rebuild", "somewhere"], "--rebuild applies to the project's own"),
        (["--originals", "somewhere"], "--originals applies to the project's own"),
        (["--offline", "somewhere"], "--offline applies to the project's own"),
        (["somewhere"], "no checkpoint was found"),
        (["http://127.0.0.1:1"], "did not answer"),
        (["somewhere", "--key", "x"], "key"),
    ],
)
def test_bad_calls_of_audit_get_one_sentence(
    site: Site, arguments: list[str], expected: str
) -> None:
    shown = site.run("audit", *arguments)
    assert shown.code in (ExitCode.USAGE, ExitCode.CANNOT_CHECK)
    assert expected in shown.err
