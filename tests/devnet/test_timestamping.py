"""Heads of a real log, stamped by two real authorities: by the command, and by the daemon."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from support import fixtures
from support.clocks import FastClock
from support.operators import Operator
from support.projects import Site, make_site
from support.publications import NUMBERS, publish
from support.timestamp_authority import TimestampAuthority, TsaServer, serve_timestamps

from anchor.base.errors import ExitCode
from anchor.chain.devnet import Devnet
from anchor.log.publication import CHECKPOINT, PublicationFolder
from anchor.timestamps.timestamp_token import verify_timestamp

devnet = fixtures.devnet


class PatientClock(FastClock):
    """A fast clock that lets a request end before time goes on."""

    def sleep(self, seconds: float) -> None:
        while any(thread.name == "anchor-timestamper" for thread in threading.enumerate()):
            time.sleep(0.002)
        super().sleep(seconds)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> list[TimestampAuthority]:
    folder = tmp_path_factory.mktemp("authorities")
    return [TimestampAuthority(folder / name, name) for name in ("alpha", "beta")]


@pytest.fixture
def servers(authorities: list[TimestampAuthority]) -> Iterator[list[TsaServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serve_timestamps(each)) for each in authorities]


@pytest.fixture
def site(tmp_path: Path, devnet: Devnet, servers: list[TsaServer]) -> Site:
    site = make_site(tmp_path / "project", devnet, number=next(NUMBERS))
    configure(site, {"alpha": servers[0].url, "beta": servers[1].url})
    return site


def configure(site: Site, urls: dict[str, str]) -> None:
    sections = "".join(f'[[tsa]]\nname = "{name}"\nurl = "{url}"\n' for name, url in urls.items())
    config = site.folder / "anchor.toml"
    text = config.read_text().partition("[[tsa]]\nname = ")[0]
    config.write_text(text + "\n" + sections)
    site.run("trust", "allow").expect(0)


def trust(site: Site, *authorities: TimestampAuthority) -> None:
    policy = site.folder / "trust.toml"
    for each in authorities:
        entry = f'[[tsa]]\nname = "{each.name}"\nroots = """\n{each.root_pem}"""\n'
        policy.write_text(policy.read_text() + "\n" + entry)


def kept(site: Site) -> list[str]:
    return sorted(path.name for path in (site.folder / "timestamps").glob("*.tst"))


def test_the_newest_final_head_is_stamped_by_each_authority(
    site: Site, authorities: list[TimestampAuthority], tmp_path: Path
) -> None:
    trust(site, *authorities)
    refused = site.run("timestamp").expect(ExitCode.NOT_FINAL)
    assert "no head of this log is final" in refused.err
    site.add("a", b"a")
    site.anchor()
    done = site.run("timestamp", "--json").expect(0).document
    assert [each["verified"] for each in done["timestamps"]] == [True, True]
    assert kept(site) == ["1-alpha.tst", "1-beta.tst"]
    publish(site, tmp_path / "published")
    published = PublicationFolder(tmp_path / "published").read(CHECKPOINT)
    for name, authority in zip(("1-alpha", "1-beta"), authorities, strict=True):
        stem = site.folder / "timestamps" / name
        checkpoint = stem.with_suffix(".checkpoint").read_bytes()
        assert checkpoint == published
        verify_timestamp(stem.with_suffix(".tst").read_bytes(), checkpoint, [authority.trusted])
        subprocess.run(
            ["openssl", "ts", "-verify", "-data", f"{stem}.checkpoint", "-in", f"{stem}.tst",
             "-token_in", "-CAfile", str(authority.folder / "root.pem")],
            check=True, capture_output=True,
        )  # fmt: skip
        assert stem.with_suffix(".pem").read_bytes().startswith(b"-----BEGIN CERTIFICATE")
        assert stem.with_suffix(".crl").exists()


def test_a_head_is_stamped_once_and_all_heads_on_demand(
    site: Site, servers: list[TsaServer]
) -> None:
    for name in ("a", "b"):
        site.add(name, name.encode())
        site.anchor()
    first = site.run("timestamp").expect(0)
    assert "its signature not verified: trust.toml names no [[tsa]]" in first.out
    assert kept(site) == ["2-alpha.tst", "2-beta.tst"]
    assert "no timestamp is missing" in site.run("timestamp").expect(0).out
    site.run("timestamp", "--all").expect(0)
    assert kept(site) == ["1-alpha.tst", "1-beta.tst", "2-alpha.tst", "2-beta.tst"]
    assert [len(each.requests) for each in servers] == [2, 2]


def test_an_authority_that_fails_is_named_and_the_other_one_stamps(
    site: Site, authorities: list[TimestampAuthority], servers: list[TsaServer]
) -> None:
    trust(site, *authorities)
    site.add("a", b"a")
    site.anchor()
    # An answer that the trust policy's roots do not stand behind is not kept.
    servers[0].authority = TimestampAuthority(site.folder / "rogue", "rogue")
    failed = site.run("timestamp").expect(ExitCode.CANNOT_CHECK)
    assert "alpha: the timestamping authority's answer cannot be used" in failed.err
    assert kept(site) == ["1-beta.tst"]
    assert not list((site.folder / "timestamps").glob("1-alpha*"))


def test_a_token_of_a_revoked_certificate_is_not_kept(site: Site, servers: list[TsaServer]) -> None:
    url = f"{servers[0].url}/list.crl"
    listed = TimestampAuthority(site.folder / "listed", "alpha", crl_url=url)
    servers[0].authority = listed
    configure(site, {"alpha": servers[0].url})
    trust(site, listed)
    site.add("a", b"a")
    site.anchor()
    for revoked, code in (("07 260101000000Z,superseded",), 20), ((), 0):
        crl = x509.load_pem_x509_crl(listed.revocation_list(*revoked))
        servers[0].revocation_list = crl.public_bytes(Encoding.DER)
        ran = site.run("timestamp").expect(code)
        assert ("was revoked on 2026-01-01" in ran.err) == bool(revoked)
    assert kept(site) == ["1-alpha.tst"]


def test_without_authorities_nothing_is_asked_and_with_one_there_is_a_warning(
    tmp_path: Path, devnet: Devnet, servers: list[TsaServer]
) -> None:
    site = make_site(tmp_path / "project", devnet, number=next(NUMBERS))
    site.add("a", b"a")
    site.anchor()
    assert "names no timestamping authority" in site.run("timestamp").expect(2).err
    configure(site, {"alpha": servers[0].url})
    assert "one timestamping authority" in site.run("timestamp").expect(0).err


@pytest.mark.parametrize(
    "urls",
    [{"A b": "http://127.0.0.1/"}, {"../x": "http://127.0.0.1/"}, {"a": "file:///etc/passwd"}],
)
def test_a_bad_section_is_refused_before_anything_is_asked(
    site: Site, urls: dict[str, str]
) -> None:
    configure(site, urls)
    assert "tsa" in site.run("timestamp").expect(2).err


def test_the_daemon_stamps_each_newly_final_head(site: Site) -> None:
    operator = Operator(site, clock=PatientClock())
    operator.clock.at = {10.0: operator.add("a"), 400.0: operator.add("b")}
    operator.run(until=1_000)
    assert kept(site) == ["1-alpha.tst", "1-beta.tst", "2-alpha.tst", "2-beta.tst"]
    assert operator.events().count("timestamped") == 4


def test_an_authority_that_does_not_answer_is_retried_and_stops_nothing(
    site: Site, servers: list[TsaServer]
) -> None:
    operator = Operator(site, clock=PatientClock())
    servers[0].status = 503

    def mend() -> None:
        servers[0].status = 200

    operator.clock.at = {10.0: operator.add("a"), 300.0: operator.add("b"), 600.0: mend}
    operator.run(until=2_000)
    assert operator.sizes() == [1, 2]
    assert kept(site) == ["1-alpha.tst", "1-beta.tst", "2-alpha.tst", "2-beta.tst"]
    failures = [each for each in operator.happened if each.event == "unstamped"]
    assert failures and "HTTP status 503" in failures[0].text
    assert 2 <= len(failures) < 12


def test_a_crash_before_the_token_leaves_a_head_that_is_stamped_again(site: Site) -> None:
    site.add("a", b"a")
    site.anchor()
    folder = site.folder / "timestamps"
    folder.mkdir()
    (folder / "1-alpha.checkpoint").write_bytes(b"half")
    site.run("timestamp").expect(0)
    assert (folder / "1-alpha.checkpoint").read_bytes() == (
        folder / "1-beta.checkpoint"
    ).read_bytes()


def test_a_backup_and_a_bag_take_the_timestamps_along(
    site: Site, authorities: list[TimestampAuthority], tmp_path: Path
) -> None:
    trust(site, authorities[0])
    site.add("a", b"a")
    site.anchor()
    site.run("timestamp").expect(ExitCode.CANNOT_CHECK)  # beta's root is not in the policy
    site.run("backup", tmp_path / "backup").expect(0)
    copied = sorted(path.name for path in (tmp_path / "backup" / "timestamps").iterdir())
    assert copied == ["1-alpha.checkpoint", "1-alpha.crl", "1-alpha.pem", "1-alpha.tst"]
    site.run("backup", "--check", tmp_path / "backup").expect(0)
    # A token of another head stays where it is.
    for ending in (".tst", ".checkpoint"):
        (site.folder / f"timestamps/1-other{ending}").write_bytes(b"x")
    site.run("prove", "a").expect(0)
    config = site.folder / "anchor.toml"
    site.run("pack", "a", "-o", tmp_path / "bag", "--config", config).expect(0)
    packed = sorted(path.name for path in (tmp_path / "bag" / "timestamps").iterdir())
    assert packed == copied
    checked = site.run("verify", tmp_path / "bag", "--config", config, "--json").document
    (shown,) = checked["files"][0]["timestamps"]
    assert (shown["verdict"], shown["of_this_receipt"], shown["tsa"]) == ("pass", True, "alpha")
