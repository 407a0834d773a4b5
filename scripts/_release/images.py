"""The container images, each on a base of the Debian packages that a lock file lists."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import debian_lock

SUITE = "trixie"
PYTHON = "3.13"  # of that suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A container image; ``target`` is its stage in ``deploy/Containerfile``.

    ``packages`` are what it needs of Debian; the lock file has what these depend on as well.
    """

    name: str
    target: str
    lock: Path
    requirements: Path
    packages: tuple[str, ...]


_PACKAGES = ("ca-certificates", "openssl", "python3", "python3-venv", "tzdata")
SERVICE = Image(
    name="anchor",
    target="service",
    lock=Path("deploy/debian-packages.txt"),
    requirements=Path("requirements/deploy.txt"),
    packages=(*_PACKAGES, "fonts-wqy-zenhei"),
)
CAPTURE = Image(
    name="anchor-capture",
    target="capture",
    lock=Path("deploy/debian-packages-capture.txt"),
    requirements=Path("requirements/capture.txt"),
    packages=(*_PACKAGES, "chromium", "fonts-noto-cjk"),
)
IMAGES = (SERVICE, CAPTURE)
# Each program that is needed, and the package of Debian that has it.
_PROGRAMS = {
    "buildah": "buildah netavark",
    "mmdebstrap": "mmdebstrap",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    f"python{PYTHON}": "python3-venv",
}
# The file name of a package, its size and its hash, as apt prints them.
_URI = re.compile(r"^'\S+' (\S+?)_(\S+)_(\w+)\.deb \d+ SHA256:([0-9a-f]{64})$", re.MULTILINE)
_ESSENTIAL = "?and(?essential,?not(?exact-name(apt)))"  # apt is so to itself only
_SOURCES = "/etc/apt/sources.list.d/debian.sources"
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/doc/*")
_LICENCES = "/usr/share/doc/*/copyright"


def check_programs() -> None:
    """Look for what images are built with.

    Raises:
        SystemExit: A program is missing, or this is not root.
    """
    for program, packages in _PROGRAMS.items():
        if shutil.which(program) is None:
            raise SystemExit(
                f"{program} is missing, which images need: install it (on Debian: apt install "
                f"{packages}), or leave images out (--without images)"
            )
    if os.geteuid() != 0:
        raise SystemExit("images are built by root, or left out (--without images)")


def lock(root: Path, work: Path, image: Image) -> None:
    """Write an image's lock file anew, from what Debian has today."""
    (work / "status").write_text("")  # as on a machine on which nothing is installed
    options = {
        "Dir::State::status": str(work / "status"),
        "Dir::Etc::sourcelist": _SOURCES,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Install-Recommends": "false",
        "Acquire::ForceHash": "SHA256",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    printed = _run(
        ["apt-get", *words, "-q", "-y", "--print-uris", "install", _ESSENTIAL, *image.packages]
    )
    lines = [
        " ".join((name, version.replace("%3a", ":"), architecture, sha256))
        for name, version, architecture, sha256 in sorted(_URI.findall(printed))
    ]
    header = f"# Debian {SUITE}, packages of {image.name}: name, version, architecture, SHA-256."
    (root / image.lock).write_text("\n".join((header, *lines, "")), "utf-8")


def build(
    image: Image, source: Path, wheel: Path, out: Path, work: Path, seconds: int
) -> list[debian_lock.Package]:
    """Build an image with a wheel into a file for ``podman load``; return its Debian packages."""
    work.mkdir()
    packages = debian_lock.load(source / image.lock)
    environment = {"SOURCE_DATE_EPOCH": str(seconds)}
    fetch_packages(packages, work / "packages", image.lock)
    base = build_base(image, work / "packages", work / "base.tar", environment)
    installed = {tuple(line.split()) for line in (work / "installed").read_text().splitlines()}
    if installed != {(each.name, each.version) for each in packages}:
        raise SystemExit(
            f"the image's packages are not those of {image.lock}: renew it (--lock-debian)"
        )
    dist = source / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    shutil.copy(wheel, dist)
    _run(
        [
            f"python{PYTHON}", "-m", "pip", "download", "-q", "--require-hashes", "--no-deps",
            "--only-binary", ":all:", "-r", str(source / image.requirements), "-d", str(dist),
        ]
    )  # fmt: skip
    buildah = _Buildah(work)
    name = f"localhost/{image.name}"
    buildah.import_base(base, f"{name}-base", seconds)
    buildah.run(
        "build", "--format", "docker", "--isolation", "chroot", "--pull=never",
        "--timestamp", str(seconds), "--target", image.target,
        "--build-arg", f"BASE={name}-base:latest", "--build-arg", "BY_TAG=yes",
        "--build-arg", f"REQUIREMENTS={image.requirements.name}",
        "--build-arg", "PIP_OPTIONS=--no-index --find-links dist",
        "-f", str(source / "deploy/Containerfile"), "-t", name, str(source),
    )  # fmt: skip
    buildah.run("push", "-q", name, f"docker-archive:{work / 'image.tar'}:{name}:latest")
    normalise_image(work / "image.tar", out)
    return packages


def normalise_image(archive: Path, out: Path) -> None:
    """Write an image's archive anew, without what names the container that it was built in."""
    with tarfile.open(archive) as files, tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as made:

        def add(name: str, size: int, file: IO[bytes]) -> None:
            entry = tarfile.TarInfo(name)
            entry.size = size
            made.addfile(entry, file)

        def read(name: str) -> IO[bytes]:
            file = files.extractfile(name)
            assert file is not None
            return file

        (manifest,) = json.load(read("manifest.json"))
        config = json.load(read(manifest["Config"]))
        del config["container"], config["container_config"], config["config"]["Hostname"]
        encoded = json.dumps(config, separators=(",", ":")).encode()
        manifest["Config"] = f"{hashlib.sha256(encoded).hexdigest()}.json"
        for layer in manifest["Layers"]:
            add(layer, files.getmember(layer).size, read(layer))
        for name, data in (
            (manifest["Config"], encoded),
            ("manifest.json", json.dumps([manifest]).encode()),
        ):
            add(name, len(data), io.BytesIO(data))


def fetch_packages(packages: Iterable[debian_lock.Package], folder: Path, lock_file: Path) -> None:
    """Download packages into a folder, with an index of them for apt.

    Raises:
        SystemExit: One is no longer there in its version, or is not the one that was locked.
    """
    folder.mkdir()
    listed = list(packages)
    names = [f"{each.name}={each.version}" for each in listed]
    _run(["apt-get", "-o", "APT::Sandbox::User=root", "-q", "download", *names], folder)
    files = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in folder.glob("*.deb")}
    entries = []
    for package in listed:
        path = files.get(package.sha256)
        if path is None:
            raise SystemExit(f"{package.name} {package.version} is not the package in {lock_file}")
        fields = _run(["dpkg-deb", "-f", str(path)]).strip()
        size = path.stat().st_size
        entries.append(
            f"{fields}\nFilename: ./{path.name}\nSize: {size}\nSHA256: {package.sha256}\n"
        )
    index = "\n".join(entries).encode()
    (folder / "Packages").write_bytes(index)
    # mmdebstrap looks for the essential ones of a suite by its name.
    digest = hashlib.sha256(index).hexdigest()
    release = f"Suite: {SUITE}\nCodename: {SUITE}\nSHA256:\n {digest} {len(index)} Packages\n"
    (folder / "Release").write_text(release, "utf-8")


def build_base(image: Image, packages: Path, made: Path, environment: Mapping[str, str]) -> Path:
    """Unpack and configure the packages of a folder, without anything that names the time."""
    excludes = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    form, listed = "${Package} ${Version}\\n", made.with_name("installed")
    hooks = (
        f"""chroot "$1" dpkg-query -W -f '{form}' >{shlex.quote(str(listed))}""",
        'find "$1/usr" -name __pycache__ -prune -exec rm -r {} +',
        'rm -rf "$1/var/cache"/* "$1/var/log"/* "$1/etc/apt/sources.list"',
    )
    _run(
        [
            "mmdebstrap", "--variant=essential", "--mode=root",
            f"--include={','.join(image.packages)}",
            "--dpkgopt=force-unsafe-io", *excludes, f"--dpkgopt=path-include={_LICENCES}",
            *(f"--customize-hook={hook}" for hook in hooks),
            SUITE, str(made), f"deb [trusted=yes] copy:{quote(str(packages.resolve()))} ./",
        ],
        environment=environment,
    )  # fmt: skip
    return made


class _Buildah:
    """``buildah`` with storage below a folder, so that nothing of the machine's own is used."""

    def __init__(self, work: Path) -> None:
        self._options = ["--root", str(work / "storage"), "--runroot", str(work / "run")]
        settings = work / "containers.conf"
        # The limits that it sets otherwise may be above those of the one who calls it.
        settings.write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n', "utf-8"
        )
        self._environment = {"CONTAINERS_CONF": str(settings), "BUILDAH_ISOLATION": "chroot"}

    def run(self, *words: str) -> str:
        return _run(
            ["buildah", *self._options, *words],
            environment={**self._environment, "TMPDIR": self._options[1].rpartition("/")[0]},
        )

    def import_base(self, archive: Path, name: str, seconds: int) -> None:
        """Make an image with one layer from an archive of files."""
        container = self.run("from", "scratch").strip()
        self.run("add", "-q", container, str(archive), "/")
        self.run("commit", "-q", "--format", "docker", "--timestamp", str(seconds), container, name)
        self.run("rm", container)


def _run(
    command: list[str], folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Run a program, and return its standard output.

    Raises:
        SystemExit: It failed; what it said is shown.
    """
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.stderr.write(done.stdout[-2000:] + done.stderr[-4000:])
        raise SystemExit(f"{command[0]} failed with exit code {done.returncode}: see above")
    return done.stdout
