"""The rules of a release: the cut of the changelog, the list of hashes, the order in archives."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.paths import ROOT

sys.path.append(str(ROOT / "scripts/_release"))
import changelog
import debian_lock
import hash_list
import images
from distributions import make_environment, normalise_archive, normalise_wheel

_CHANGES = "# Changelog\n\n## Unreleased\n\n### Added\n\n- A.\n\n## 0.1.0 - 2026-01-02\n\n- B.\n"
_SECONDS = 1_772_600_767


def test_the_unreleased_part_gets_version_and_date_and_a_new_one_is_begun() -> None:
    made = changelog.cut(_CHANGES, "0.2.0", "2026-03-04")
    assert made == _CHANGES.replace(
        "## Unreleased\n\n", "## Unreleased\n\n## 0.2.0 - 2026-03-04\n\n"
    )


@pytest.mark.parametrize(
    ("text", "version", "reason"),
    [
        (_CHANGES, "0.1.0", "already"),
        (_CHANGES.replace("### Added\n\n- A.\n\n", ""), "0.2.0", "nothing unreleased"),
        ("# Changelog\n", "0.2.0", "no part"),
    ],
)
def test_a_cut_that_would_lie_is_refused(text: str, version: str, reason: str) -> None:
    with pytest.raises(SystemExit, match=reason):
        changelog.cut(text, version, "2026-03-04")


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    (tmp_path / "a.whl").write_bytes(b"wheel")
    (tmp_path / "b.tar.gz").write_bytes(b"archive")
    hash_list.write_list(tmp_path)
    return tmp_path


def test_a_list_fits_its_files_and_signature_and_receipt_are_not_in_it(listed: Path) -> None:
    (listed / "SHA256SUMS.sig").write_text("signature")
    (listed / "SHA256SUMS.anchor.json").write_text("receipt")
    hash_list.check_list(listed)
    assert (listed / "SHA256SUMS").read_text().count("\n") == 2


@pytest.mark.parametrize("bend", ["altered", "missing", "unlisted"])
def test_a_list_that_does_not_fit_its_files_is_refused(listed: Path, bend: str) -> None:
    if bend == "missing":
        (listed / "a.whl").unlink()
    else:
        (listed / ("a.whl" if bend == "altered" else "c.whl")).write_bytes(b"other")
    with pytest.raises(SystemExit, match=r"[ac]\.whl"):
        hash_list.check_list(listed)


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("untrusted comment: minisign encrypted secret key", "minisign"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-keygen"),
        ("ssh-ed25519 AAAA releases", "ssh-keygen"),  # of an agent
    ],
)
def test_a_key_is_used_by_its_program_and_a_missing_program_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, program: str
) -> None:
    key = tmp_path / "key"
    key.write_text(f"{line}\nsecret\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=f"{program} is missing"):
        hash_list.find_signer(key)
    (tmp_path / program).touch(mode=0o755)
    command = hash_list.find_signer(key)
    assert command[0] == program and str(key) in command
    assert "secret" not in " ".join(command)


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"key .*missing cannot be read: No such file"):
        hash_list.find_signer(tmp_path / "missing")


def test_one_wheel_comes_of_files_in_whatever_order_time_and_mode(tmp_path: Path) -> None:
    made = []
    for number, names in enumerate(
        (["p/b.py", "p-1.dist-info/RECORD"], ["p-1.dist-info/RECORD", "p/b.py"])
    ):
        path = tmp_path / f"{number}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                entry = zipfile.ZipInfo(name, (2020 + number, 1, 1, 0, 0, 0))
                entry.external_attr = (0o100600 + number) << 16
                archive.writestr(entry, name)
        normalise_wheel(path, _SECONDS)
        made.append(path.read_bytes())
    assert made[0] == made[1]
    with zipfile.ZipFile(io.BytesIO(made[0])) as archive:
        assert archive.namelist() == ["p/b.py", "p-1.dist-info/RECORD"]
        assert archive.infolist()[0].date_time == (2026, 3, 4, 5, 6, 6)  # ZIP counts two seconds


def test_one_archive_comes_of_files_in_whatever_order_and_of_whomever(tmp_path: Path) -> None:
    made = []
    for number, names in enumerate((["p/b", "p/a"], ["p/a", "p/b"])):
        path = tmp_path / f"{number}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name in names:
                entry = tarfile.TarInfo(name)
                entry.size, entry.uid, entry.uname, entry.mtime = 3, number, "me", number
                entry.mode = 0o700 if name == "p/a" else 0o600
                archive.addfile(entry, io.BytesIO(name.encode()))
        normalise_archive(path, _SECONDS)
        made.append(path.read_bytes())
    assert made[0] == made[1]
    with tarfile.open(fileobj=io.BytesIO(made[0])) as archive:
        modes = {each.name: each.mode for each in archive}
        assert modes == {"p/a": 0o755, "p/b": 0o644}
        assert {(each.uid, each.uname, each.mtime) for each in archive} == {(0, "", _SECONDS)}


def test_what_builds_sees_no_variable_of_its_caller_but_what_finds_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANCHOR_CHAIN__RPC", "https://secret@node")
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    made = make_environment(_SECONDS)
    assert "ANCHOR_CHAIN__RPC" not in made
    assert (made["LC_ALL"], made["SOURCE_DATE_EPOCH"]) == ("C.UTF-8", str(_SECONDS))


@pytest.mark.parametrize("image", images.IMAGES, ids=lambda image: image.name)
def test_the_images_packages_are_listed_with_their_hashes(image: images.Image) -> None:
    packages = debian_lock.load(ROOT / image.lock)
    names = [each.name for each in packages]
    assert names == sorted(set(names))
    assert {"libc6", *image.packages} <= set(names)
    assert (ROOT / image.requirements).is_file()
    assert all(len(bytes.fromhex(each.sha256)) == 32 for each in packages)
