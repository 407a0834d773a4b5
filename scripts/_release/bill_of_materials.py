"""Lists of a release's components as CycloneDX 1.6 (JSON), the same bytes each time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import debian_lock
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL


def write_python(source: Path, path: Path) -> None:
    """Write the Python packages of an installation: the pinned versions and their hashes."""
    command = [
        sys.executable, "-m", "cyclonedx_py", "requirements", "requirements/deploy.txt",
        "--pyproject", "pyproject.toml", "--mc-type", "application", "--output-reproducible",
        "--spec-version", "1.6", "--output-format", "JSON", "--output-file", str(path.resolve()),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{path.name} could not be made: {done.stderr[-2000:]}")
    check(path)


def write_debian(packages: Iterable[debian_lock.Package], path: Path) -> None:
    """Write the Debian packages of an image."""
    components = [
        Component(
            name=each.name,
            version=each.version,
            type=ComponentType.LIBRARY,
            bom_ref=f"{each.name}={each.version}",
            purl=PackageURL("deb", "debian", each.name, each.version, {"arch": each.architecture}),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each.sha256)],
        )
        for each in packages
    ]
    names = " ".join(sorted(f"{each.bom_ref}" for each in components))
    made = Bom(components=components, serial_number=uuid5(NAMESPACE_URL, names))
    made.metadata.timestamp = None
    path.write_text(JsonV1Dot6(made).output_as_string(indent=1) + "\n", "utf-8")
    check(path)


def check(path: Path) -> None:
    """Compare a list with CycloneDX's schema.

    Raises:
        SystemExit: It does not fit.
    """
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text("utf-8"))
    if problem is not None:
        raise SystemExit(f"{path} does not fit CycloneDX's schema: {problem}")
