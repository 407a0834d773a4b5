"""Collect the licences of what the verifier page and the service's scripts hold, or --check them.

    python scripts/_build/build_licences.py [--check]

Other packages bring their licences along when they are installed.  Needs Node 20 or later, and the
packages that ``npm ci`` installs in web/.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LICENCES = ROOT / "THIRD-PARTY-LICENSES.txt"
_PACKAGES = ROOT / "web" / "node_modules"
_HEADER = """\
The verifier page (anchor/page/verify.html) and the scripts of the service's pages
(anchor/service/pages/static) hold code of the packages below, which scripts/_build/build_licences.py
lists.  Everything else here is under the Apache License 2.0 (LICENSE).
"""


def list_entries() -> list[str]:
    """Return the scripts that web/build.mjs bundles, relative to web/."""
    return re.findall(r'bundle\("(src/\w+\.ts)"', (ROOT / "web" / "build.mjs").read_text("utf-8"))


def list_bundled() -> list[str]:
    """Return the names of the npm packages whose code is in the bundles."""
    with tempfile.TemporaryDirectory() as name:
        meta = Path(name) / "meta.json"
        command = [_PACKAGES / ".bin/esbuild", *list_entries(), "--bundle", "--format=esm"]
        command += [f"--metafile={meta}", f"--outdir={name}/out", "--log-level=error"]
        subprocess.run(command, cwd=ROOT / "web", check=True)
        inputs = json.loads(meta.read_text("utf-8"))["inputs"]
    paths = [path.split("node_modules/")[-1] for path in inputs if "node_modules/" in path]
    return sorted({"/".join(path.split("/")[: 2 if path[0] == "@" else 1]) for path in paths})


def read_package(name: str) -> dict[str, Any]:
    """Return the package.json of an installed npm package."""
    package: dict[str, Any] = json.loads((_PACKAGES / name / "package.json").read_text("utf-8"))
    return package


def find_licence(name: str) -> Path:
    """Return the file with a package's licence.

    Raises:
        SystemExit: The package has none.
    """
    for path in sorted((_PACKAGES / name).iterdir()):
        if re.fullmatch(r"licen[cs]e(\.\w+)?", path.name, re.IGNORECASE):
            return path
    raise SystemExit(f"web/node_modules/{name} has no file with its licence")


def render() -> str:
    """Return the licences of all packages in the bundles."""
    parts = [_HEADER]
    for name in list_bundled():
        package = read_package(name)
        title = f"{name} {package['version']} ({package['license']})"
        text = find_licence(name).read_text("utf-8").replace("\r\n", "\n").strip()
        parts.append(f"{'-' * 78}\n{title}\n\n{text}\n")
    return "\n".join(parts)


def main() -> None:
    text = render()
    if "--check" not in sys.argv:
        LICENCES.write_text(text, "utf-8")
    elif LICENCES.read_text("utf-8") != text:
        sys.exit(f"{LICENCES.name} is out of date: run `python scripts/_build/build_licences.py`")


if __name__ == "__main__":
    main()
