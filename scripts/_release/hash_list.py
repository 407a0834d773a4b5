"""The list of a release's hashes: written, checked, signed by OpenSSH or minisign, and anchored."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

NAME = "SHA256SUMS"
# What the signature is for, so that no other signature of the key passes for one.
NAMESPACE = "anchor-release"


def write_list(folder: Path) -> Path:
    """Write the SHA-256 of each file in a folder, in the form of ``sha256sum``."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    lines = [f"{hash_file(path)}  {path.name}\n" for path in files]
    made = folder / NAME
    made.write_text("".join(lines), "utf-8")
    return made


def check_list(folder: Path) -> None:
    """Compare each file of a release with the list.

    Raises:
        SystemExit: A file is missing, altered, or not in the list.
    """
    listed = dict(
        reversed(line.split("  ", 1)) for line in (folder / NAME).read_text("utf-8").splitlines()
    )
    present = {path.name for path in folder.iterdir() if not path.name.startswith(NAME)}
    if unlisted := present - listed.keys():
        raise SystemExit(f"{folder / NAME} does not list {', '.join(sorted(unlisted))}")
    for name, expected in listed.items():
        if name not in present or hash_file(folder / name) != expected:
            raise SystemExit(f"{folder / name} is missing, or is not the file that {NAME} lists")


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_signer(key: Path) -> list[str]:
    """Return the command that signs with a key, without the file: minisign's, else OpenSSH's.

    Raises:
        SystemExit: The key cannot be read, or its program is missing.
    """
    try:
        with key.open("rb") as file:
            is_minisign = file.readline(1024).startswith(b"untrusted comment:")
    except OSError as error:
        raise SystemExit(f"the key {key} cannot be read: {error.strerror}") from error
    if is_minisign:
        command = ["minisign", "-S", "-s", str(key), "-t", NAMESPACE, "-m"]
    else:
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE]
    if shutil.which(command[0]) is None:
        package = "minisign" if is_minisign else "openssh-client"
        raise SystemExit(
            f"{command[0]} is missing, which signs with {key}: install it (on Debian: apt install "
            f"{package})"
        )
    return command


def sign(path: Path, key: Path) -> None:
    """Sign a file with the key's program, which asks for the key's password itself."""
    _run([*find_signer(key), str(path.absolute())], f"{path.name} could not be signed with {key}")


def anchor(path: Path, project: Path) -> None:
    """Anchor a file in the log of a project, and leave its receipt beside it."""
    command = [str(Path(sys.executable).with_name("anchor")), "stamp"]
    command += ["--config", str(project / "anchor.toml"), "--", str(path)]
    _run(command, f"{path.name} could not be anchored with the project {project}")


def _run(command: list[str], failure: str) -> None:
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"{failure}: see above")
