"""Install the Solidity compiler where py-solc-x, ape and forge find it.

    python scripts/_build/setup_compiler.py          native if it can be downloaded, otherwise npm's
    python scripts/_build/setup_compiler.py --npm    npm's (after `npm ci`), even over a native one

The native compiler comes from binaries.soliditylang.org through py-solc-x.  If that host cannot be
reached, an executable wrapper around npm's solc takes its place (scripts/_build/solc_front.js).  Both are
the same release and give the same bytes, as ``build_artifact.py --check`` shows.  The path is
printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import solcx

VERSION = "0.8.37"
ROOT = Path(__file__).resolve().parents[2]
NPM_PACKAGE = ROOT / "node_modules" / "solc"
FRONT = Path(__file__).parent / "solc_front.js"

# py-solc-x has no time-out, so the host is queried first and the download is a separate process.
_DOWNLOADS = "https://binaries.soliditylang.org/linux-amd64/list.json"
_PROBE_SECONDS = 5.0
_DOWNLOAD_SECONDS = 180.0
_ANSWER_SECONDS = 30.0


class SetupError(Exception):
    """The compiler cannot be set up; the message states what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Set up the Solidity compiler.")
    parser.add_argument("--npm", action="store_true", help="use npm's solc")
    try:
        print(setup_compiler(from_npm=parser.parse_args().npm))
    except SetupError as error:
        print(f"setup_compiler: {error}", file=sys.stderr)
        return 1
    return 0


def setup_compiler(*, from_npm: bool = False) -> Path:
    """Install the compiler unless it is installed, and return its path.

    Raises:
        SetupError: The compiler can neither be downloaded nor taken from npm.
    """
    target = solcx.get_solcx_install_folder() / f"solc-v{VERSION}"
    if from_npm:
        write_front(target)
    elif not is_working(target):
        target.unlink(missing_ok=True)
        if not (is_host_reachable() and download(target)):
            write_front(target)
    if not is_working(target):
        raise SetupError(f"{target} does not run as solc {VERSION}")
    return target


def is_working(compiler: Path) -> bool:
    """Return whether ``compiler`` runs and is the pinned release."""
    try:
        answer = subprocess.run(
            [compiler, "--version"], capture_output=True, text=True, timeout=_ANSWER_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and f"Version: {VERSION}+" in answer.stdout


def is_host_reachable() -> bool:
    """Return whether the compiler's host answers within seconds."""
    request = urllib.request.Request(_DOWNLOADS, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_PROBE_SECONDS):
            return True
    except OSError:  # includes HTTPError: a proxy that refuses counts as unreachable
        return False


def download(target: Path) -> bool:
    """Download the native compiler through py-solc-x; return whether it runs on this machine."""
    try:
        subprocess.run(
            [sys.executable, "-m", "solcx.install", VERSION],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_DOWNLOAD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        pass  # an incomplete file, or none
    return is_working(target)


def write_front(target: Path) -> None:
    """Install the wrapper around npm's solc at ``target``.

    Raises:
        SetupError: Node or npm's solc is missing, or npm's solc is another release.
    """
    node = shutil.which("node")
    if node is None or not NPM_PACKAGE.is_dir():
        raise SetupError(
            f"solc {VERSION} cannot be downloaded: install Node.js 20 and run `npm ci`"
        )
    script = "process.stdout.write(JSON.stringify(require(process.argv[1]).version()))"
    asked = subprocess.run(
        [node, "-e", script, str(NPM_PACKAGE)], capture_output=True, text=True, check=True
    )
    long_version = json.loads(asked.stdout)
    if not long_version.startswith(f"{VERSION}+"):
        raise SetupError(f"npm's solc is {long_version}, not {VERSION}: run `npm ci`")
    text = FRONT.read_text("utf-8")
    text = text.replace('"@LONG_VERSION@"', json.dumps(long_version))
    text = text.replace('"@PACKAGE@"', json.dumps(str(NPM_PACKAGE)))
    # Replaced atomically, because another process may be starting it.
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    draft.write_text(f"#!{node}\n{text}", "utf-8")
    draft.chmod(0o755)
    draft.replace(target)


if __name__ == "__main__":
    sys.exit(main())
