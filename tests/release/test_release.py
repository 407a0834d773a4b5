"""Releases made of two checkouts of one commit, and what is in them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.paths import ROOT
from support.release_checkouts import make_checkout, make_release, run_release
from support.signers import SshSigner
from support.tools import check_program

import anchor
from anchor.base.errors import ExitCode
from anchor.chain.devnet import Devnet, open_devnet
from anchor.cli.command_table import COMMANDS
from anchor.ethereum.keccak import hash_keccak256

sys.path.append(str(ROOT / "scripts/_release"))
import hash_list

pytestmark = pytest.mark.release
NAMESPACE = "anchor-release"
RECEIPT = "SHA256SUMS.anchor.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("releases")


@pytest.fixture(scope="module")
def signer(folder: Path) -> SshSigner:
    return SshSigner(folder, "releaser")


@pytest.fixture(scope="module")
def devnet(folder: Path) -> Iterator[Devnet]:
    """A chain with a project whose log can anchor, in ``folder / "project"``."""
    with open_devnet(anvil=None) as chain:
        with anchor.Project.create_on_devnet(folder / "project", rpc=chain.url) as project:
            project.deploy()
        yield chain


@pytest.fixture(scope="module")
def release(folder: Path, signer: SshSigner, devnet: Devnet) -> Path:
    checkout = make_checkout(folder / "one" / "anchor")
    words = ("--key", signer.key, "--project", folder / "project")
    return make_release(checkout, folder / "release", *words)


def read_files(release: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each file of a release, and each file in its wheels and source archive."""
    for path in sorted(release.iterdir()):
        yield path.name, path.read_bytes()
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as archive:
                yield from (
                    (f"{path.name}:{name}", archive.read(name)) for name in archive.namelist()
                )
        elif path.name.endswith(".tar.gz"):
            with tarfile.open(path) as archive:
                for member in archive:
                    file = archive.extractfile(member)
                    assert file is not None
                    yield f"{path.name}:{member.name}", file.read()


def find(release: Path, pattern: str) -> Path:
    (path,) = release.glob(pattern)
    return path


def test_another_folder_umask_language_and_time_zone_give_the_same_bytes(
    release: Path, folder: Path, signer: SshSigner
) -> None:
    checkout = folder / "another place" / "of quite another name"
    subprocess.run(["git", "clone", "-q", folder / "one" / "anchor", checkout], check=True)
    strange = {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Shanghai", "CFLAGS": "-O0", "HOME": str(folder)}
    again = make_release(
        checkout, folder / "again", "--key", signer.key, environment=strange, umask=0o077
    )
    names = sorted(path.name for path in release.iterdir() if path.name != RECEIPT)
    assert names == sorted(path.name for path in again.iterdir())
    assert [
        name for name in names if (release / name).read_bytes() != (again / name).read_bytes()
    ] == []


def test_a_release_has_a_wheel_for_each_platform_and_what_else_is_needed(release: Path) -> None:
    names = {re.sub(r"\d+\.\d+\.\d+", "V", path.name) for path in release.iterdir()}
    wheels = {name for name in names if name.endswith(".whl")}
    assert {name.split("-", 2)[2] for name in wheels if "manylinux" not in name} == {
        "py3-none-any.whl"
    }
    assert all(
        name.startswith("anchor_evidence-V-cp311-abi3-manylinux")
        for name in wheels
        if "any" not in name
    )
    assert {name.rpartition("linux")[2] for name in wheels if "manylinux" in name} and len(
        wheels
    ) == 3
    assert names - wheels == {
        "SHA256SUMS", "SHA256SUMS.sig", RECEIPT, "THIRD-PARTY-LICENSES.txt",
        "anchor-evidence-V.cdx.json",
        "anchor-test-vectors-V.zip", "anchor-verify-V.html", "anchor-verify-V.py",
        "anchor_evidence-V.tar.gz", "build.json",
    }  # fmt: skip


def test_the_listed_hash_of_the_verifier_page_is_the_one_that_its_documentation_shows(
    release: Path,
) -> None:
    listed = (release / "SHA256SUMS").read_text("utf-8")
    digest = re.search(r"^([0-9a-f]{64})  anchor-verify-[\d.]+\.html$", listed, re.MULTILINE)
    assert digest is not None
    with tarfile.open(find(release, "*.tar.gz")) as archive:
        (name,) = (each for each in archive.getnames() if each.endswith("/docs/verifier-page.md"))
        page = archive.extractfile(name)
        assert page is not None
        assert f"\n{digest[1]}  verify.html\n" in page.read().decode("utf-8")


def test_the_native_wheels_are_for_their_machines_and_the_pure_one_has_no_extension(
    release: Path,
) -> None:
    machines = {"x86_64": 62, "aarch64": 183}  # e_machine of ELF
    for machine, number in machines.items():
        with zipfile.ZipFile(find(release, f"*_{machine}.whl")) as archive:
            (name,) = (each for each in archive.namelist() if each.endswith(".so"))
            assert int.from_bytes(archive.read(name)[18:20], "little") == number
    with zipfile.ZipFile(find(release, "*-none-any.whl")) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".so")]


def test_every_wheel_has_page_licences_and_the_manual_of_every_command(release: Path) -> None:
    for path in release.glob("*.whl"):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        pages = {Path(name).name for name in names if name.endswith(".1")}
        assert pages == {"anchor.1", *(f"anchor-{name}.1" for name in COMMANDS)}
        assert all(".data/data/share/man/man1/" in name for name in names if name.endswith(".1"))
        assert "anchor/page/verify.html" in names
        assert {"LICENSE", "THIRD-PARTY-LICENSES.txt"} <= {Path(name).name for name in names}


def test_no_path_key_or_test_of_the_build_is_in_what_is_installed(
    release: Path, folder: Path, signer: SshSigner
) -> None:
    paths = [str(place).encode() for place in (folder, ROOT, Path(sys.prefix), Path.home())]
    paths.append(b"/anchor-release-")  # the folder that a release is built in
    secret = signer.key.read_bytes().splitlines()[2]
    for name, data in read_files(release):
        inside = name.partition(":")[2]
        if inside.startswith("anchor_evidence-"):
            # The sources may name folders of their examples; the build's own they do not.
            paths_here = paths[:1]
        else:
            paths_here = paths
            assert not re.search(r"(^|/)(tests?|conftest|\.git)(/|$)", inside), name
        assert secret not in data, name
        assert [path for path in paths_here if path in data] == [], name


def test_the_source_archive_has_every_file_that_git_has(release: Path, folder: Path) -> None:
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(
        command, cwd=folder / "one" / "anchor", capture_output=True, text=True, check=True
    ).stdout.split("\0")
    path = find(release, "*.tar.gz")
    with tarfile.open(path) as archive:
        names = {member.name.partition("/")[2] for member in archive}
        executable = {member.name.partition("/")[2] for member in archive if member.mode & 0o100}
    left_out = {".ci/run", ".containerignore", ".gitignore"}
    assert set(filter(None, listed)) - names == left_out
    made = {name for name in names if name.startswith("anchor_evidence.egg-info/")}
    assert names - set(listed) - made == {"PKG-INFO", "setup.cfg"}
    assert {"scripts/demo", "scripts/test", "scripts/release"} <= executable


def test_the_components_are_the_pinned_ones_with_their_hashes(release: Path) -> None:
    document = json.loads(find(release, "anchor-evidence-*.cdx.json").read_text())
    pinned = re.findall(
        r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements/deploy.txt").read_text(), re.MULTILINE
    )
    listed = {(each["name"], each["version"]) for each in document["components"]}
    assert listed == set(pinned)
    for each in document["components"]:
        assert each["purl"].startswith(f"pkg:pypi/{each['name'].lower().replace('_', '-')}@")
        assert "SHA-256" in json.dumps(each), each["name"]
    assert "timestamp" not in document["metadata"] and "serialNumber" not in document


def verify(release: Path, signer: SshSigner, name: str = "SHA256SUMS") -> int:
    """Verify the list's signature as docs/installing.md says."""
    allowed = release.parent / "allowed_signers"
    allowed.write_text(signer.allowed)
    command = ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", signer.name, "-n", NAMESPACE]
    with (release / name).open("rb") as file:
        done = subprocess.run(
            [*command, "-s", release / "SHA256SUMS.sig"], stdin=file, capture_output=True
        )
    return done.returncode


def test_the_signed_list_fits_by_the_tools_of_users_and_a_bent_one_does_not(
    release: Path, signer: SshSigner
) -> None:
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=release).returncode == 0
    assert verify(release, signer) == 0
    bent = (release / "SHA256SUMS").read_text().replace("a", "b", 1)
    (release.parent / "bent").write_text(bent)
    assert verify(release, signer, "../bent") != 0


def test_the_list_is_signed_by_minisign_too_for_this_purpose(release: Path, tmp_path: Path) -> None:
    check_program("minisign")
    key, public = tmp_path / "key", tmp_path / "key.pub"
    subprocess.run(
        ["minisign", "-G", "-W", "-s", key, "-p", public], check=True, capture_output=True
    )
    for name in ("SHA256SUMS", "bent"):
        (tmp_path / name).write_bytes((release / "SHA256SUMS").read_bytes())
    hash_list.sign(tmp_path / "SHA256SUMS", key)
    with (tmp_path / "bent").open("ab") as file:
        file.write(b"\n")
    verify = ["minisign", "-V", "-Q", "-p", public, "-x", "SHA256SUMS.minisig", "-m"]
    done = subprocess.run([*verify, "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, NAMESPACE)
    assert subprocess.run([*verify, "bent"], cwd=tmp_path, capture_output=True).returncode == 1


def test_a_release_that_was_altered_is_not_tried(release: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(release, tmp_path / "copy")
    with find(copy, "*-none-any.whl").open("ab") as file:
        file.write(b"\0")
    done = run_release("--check", copy)
    assert done.returncode == 1
    assert "is not the file that SHA256SUMS lists" in done.stderr


def test_what_is_not_committed_is_not_released(folder: Path, release: Path, tmp_path: Path) -> None:
    checkout = shutil.copytree(folder / "one" / "anchor", tmp_path / "checkout")
    (checkout / "anchor" / "more.py").write_text("")
    for words in ([tmp_path / "out"], ["--cut", "0.1.0"]):
        done = run_release(*words, "--source", checkout)
        assert done.returncode == 1
        assert "has changes that are not committed" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_changelog_is_cut_for_the_version_there_is(
    folder: Path, release: Path, tmp_path: Path
) -> None:
    checkout = shutil.copytree(folder / "one" / "anchor", tmp_path / "checkout")
    version = find(release, "*.tar.gz").name.split("-")[1].removesuffix(".tar.gz")
    done = run_release("--cut", "99.0.0", "--source", checkout)
    assert done.returncode == 1 and f"has the version {version}" in done.stderr
    done = run_release(
        "--cut", version, "--source", checkout, environment={"SOURCE_DATE_EPOCH": "1772600767"}
    )
    assert done.returncode == 0, done.stderr
    assert (
        f"\n## Unreleased\n\n## {version} - 2026-03-04\n" in (checkout / "CHANGELOG.md").read_text()
    )


def test_both_commands_of_the_readme_run_from_the_source_archive(
    release: Path, tmp_path: Path
) -> None:
    with tarfile.open(find(release, "*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "note.txt").write_text("meeting at noon\n")
    done = subprocess.run(
        ["scripts/demo", tmp_path / "evidence", "--embedded"],
        cwd=source, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 file" in done.stdout
    with subprocess.Popen(
        ["scripts/demo", "--site", "--port", "0"],
        cwd=source, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as site:  # fmt: skip
        assert site.stdout is not None
        printed = ""
        try:
            while " processes" not in printed:
                line = site.stdout.readline()
                assert line, printed
                printed += line
        finally:
            site.terminate()
    pages = re.search(r" at (http://127\.0\.0\.1:[1-9]\d*) with", printed)
    assert pages and re.findall(r"http://[0-9.:]+", printed)[0] == pages[1], printed


def test_a_part_of_the_source_archive_that_is_missing_is_named(
    release: Path, tmp_path: Path
) -> None:
    with tarfile.open(find(release, "*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    shutil.rmtree(source / "requirements")
    done = subprocess.run(["scripts/demo"], cwd=source, capture_output=True, text=True)
    assert done.returncode == 2
    assert "requirements/demo.txt is missing" in done.stderr
    assert "registry" not in done.stderr


def test_the_list_is_anchored_and_a_bent_one_does_not_fit_its_receipt(
    release: Path, devnet: Devnet, folder: Path, tmp_path: Path
) -> None:
    command = [Path(sys.executable).with_name("anchor"), "verify", "--json"]
    command += ["--trust", folder / "project" / "trust.toml", "--rpc", devnet.url]
    for name in ("SHA256SUMS", "SHA256SUMS.anchor.json"):
        shutil.copy(release / name, tmp_path)
    codes = []
    for bent in (b"", b"\n"):
        with (tmp_path / "SHA256SUMS").open("ab") as file:
            file.write(bent)
        done = subprocess.run([*command, tmp_path / "SHA256SUMS"], capture_output=True)
        codes.append(done.returncode)
    assert codes == [ExitCode.DONE, ExitCode.MISMATCH]


def test_the_standalone_verifier_of_the_release_verifies_its_list_offline(
    release: Path, devnet: Devnet, tmp_path: Path
) -> None:
    (anchored,) = json.loads((release / RECEIPT).read_text())["anchors"]
    block = hash_keccak256(bytes.fromhex(anchored["state"]["header"].removeprefix("0x"))).hex()
    log = json.loads((release / RECEIPT).read_text())["log"]
    command = [sys.executable, "-I", "-S", find(release, "anchor-verify-*.py"), release / RECEIPT]
    pinned = ["--chain-id", str(anchored["chain_id"]), "--log", log, "--block-hash", f"0x{block}"]
    codes = []
    for bent in (b"", b"\n"):
        (tmp_path / "SHA256SUMS").write_bytes((release / "SHA256SUMS").read_bytes() + bent)
        done = subprocess.run([*command, tmp_path / "SHA256SUMS", *pinned], capture_output=True)
        codes.append(done.returncode)
    assert codes == [ExitCode.DONE, ExitCode.MISMATCH]
