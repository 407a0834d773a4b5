"""Make a release, check one, or cut the changelog; ``scripts/release`` sets up what this needs.

    scripts/release OUT [--without aarch64] [--without images] [--key FILE] [--project DIR]
    scripts/release --check OUT [--python 3.12]... [--installer pip]...
    scripts/release --cut VERSION
    scripts/release --lock-debian

One commit gives the same bytes in whatever folder it is checked out.  With --key the list of hashes
is signed by ssh-keygen or minisign, with --project it is anchored in that project's log.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path

import bill_of_materials
import changelog
import checkout
import distributions
import hash_list
import images
import install_matrix

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("aarch64", "images")
_TOOLS = ("setuptools", "build", "auditwheel", "cyclonedx-bom")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", nargs="?", type=Path, help="new folder for the release")
    parser.add_argument("--without", action="append", choices=PARTS, default=[])
    parser.add_argument("--source", type=Path, default=ROOT, help="checkout to release")
    parser.add_argument("--key", type=Path, help="key of OpenSSH or minisign that signs the list")
    parser.add_argument("--project", type=Path, help="project whose log anchors the list")
    parser.add_argument("--check", type=Path, metavar="OUT")
    parser.add_argument("--python", action="append", choices=install_matrix.PYTHONS)
    parser.add_argument("--installer", action="append", choices=tuple(install_matrix.INSTALLERS))
    parser.add_argument("--cut", metavar="VERSION", help="give the unreleased changes a version")
    parser.add_argument(
        "--lock-debian", action="store_true", help="renew the images' lists of packages"
    )
    options = parser.parse_args()
    os.umask(0o022)
    if options.lock_debian:
        for image in images.IMAGES:
            with tempfile.TemporaryDirectory() as name:
                images.lock(options.source, Path(name), image)
    elif options.cut:
        cut_changelog(options.source, options.cut)
    elif options.check:
        hash_list.check_list(options.check)
        pythons = options.python or install_matrix.PYTHONS
        install_matrix.run_matrix(
            options.check, pythons, options.installer or install_matrix.INSTALLERS
        )
    elif options.out:
        if options.key:
            hash_list.find_signer(options.key)
        make_release(options.source, options.out, options.without)
        made = hash_list.write_list(options.out)
        if options.key:
            hash_list.sign(made, options.key)
        if options.project:
            hash_list.anchor(made, options.project)
        print(made.read_text("utf-8"), end="")
    else:
        parser.error("name a folder for the release")


def make_release(root: Path, out: Path, without: Collection[str]) -> None:
    """Make every file of a release of the commit that is checked out, but its list of hashes."""
    commit = checkout.read_commit(root)
    if out.exists() and any(out.iterdir()):
        raise SystemExit(f"{out} is not empty: name a new folder")
    out.mkdir(parents=True, exist_ok=True)
    number = checkout.read_version(root)
    if "images" not in without:
        images.check_programs()
    with tempfile.TemporaryDirectory(prefix="anchor-release-") as name:
        source = Path(name) / "source"
        checkout.export(root, commit, source)
        _note("source archive")
        distributions.build_archive(source, out, commit.time)
        for machine in distributions.MACHINES:
            if machine not in without:
                _note(f"wheel for {machine}")
                distributions.build_wheel(source, out, machine, commit.time)
        (native,) = out.glob("*_x86_64.whl")
        _note("wheel for other platforms")
        distributions.build_pure_wheel(source, out, commit.time)
        shutil.copy(source / "anchor/page/verify.html", out / f"anchor-verify-{number}.html")
        shutil.copy(source / "anchor/standalone/verify.py", out / f"anchor-verify-{number}.py")
        shutil.copy(source / "THIRD-PARTY-LICENSES.txt", out)
        _note("test vectors")
        pack_vectors(source, out / f"anchor-test-vectors-{number}.zip")
        _note("list of components")
        bill_of_materials.write_python(source, out / f"anchor-evidence-{number}.cdx.json")
        if "images" not in without:
            for image in images.IMAGES:
                _note(f"image {image.name}")
                made = out / f"{image.name}-{number}-image-amd64.tar"
                work = Path(name) / image.name
                packages = images.build(image, source, native, made, work, commit.time)
                bill_of_materials.write_debian(packages, made.with_suffix(".cdx.json"))
    (out / "build.json").write_text(describe_build(commit, number, without), "utf-8")


def pack_vectors(source: Path, path: Path) -> None:
    """Pack the test vectors of an exported commit, as its own script does."""
    script = source / "scripts" / "_build" / "pack_vectors.py"
    subprocess.run([sys.executable, script, path.resolve()], check=True, stdout=subprocess.DEVNULL)
    path.with_name(f"{path.name}.sha256").unlink()  # the release's own list has it


def describe_build(commit: checkout.Commit, number: str, without: Collection[str]) -> str:
    """Return what another needs to make the same files, as JSON."""
    machines = {key: each for key, each in distributions.MACHINES.items() if key not in without}
    described = {
        "commit": commit.id,
        "version": number,
        "source_date_epoch": commit.time,
        "python": platform.python_version(),
        "compilers": {machine: _ask_version(each) for machine, each in machines.items()},
        "packages": {name: version(name) for name in _TOOLS},
    }
    return json.dumps(described, indent=1) + "\n"


def cut_changelog(root: Path, number: str) -> None:
    """Give the changelog's unreleased part a version and today's date."""
    checkout.read_commit(root)
    if (named := checkout.read_version(root)) != number:
        raise SystemExit(f"pyproject.toml has the version {named}: set {number} there first")
    program = [sys.executable, "-m", "anchor", "--version"]
    printed = subprocess.run(program, capture_output=True, text=True, check=True).stdout.split()[-1]
    if printed != number:
        raise SystemExit(f"`anchor --version` prints {printed}: install this checkout again")
    path = root / "CHANGELOG.md"
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    date = time.strftime("%Y-%m-%d", time.gmtime(seconds))
    path.write_text(changelog.cut(path.read_text("utf-8"), number, date), "utf-8")
    print(f"{path.name}: {number} - {date}; now commit it and tag the commit v{number}")


def _ask_version(program: str) -> str:
    words = [program, "-dumpfullversion"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _note(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
