"""Pack the test vectors into one ZIP file, and write its SHA-256 beside it.

    python scripts/_build/pack_vectors.py FILE.zip

The file has the folders that docs/spec/README.md lists, and the same bytes wherever it is made.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

VECTORS = Path(__file__).resolve().parents[2] / "tests" / "vectors"
# What only this project's own tests read: what each release wrote.
OWN = ("golden",)


def pack_vectors(vectors: Path, path: Path) -> Path:
    """Write the archive to ``path`` and its SHA-256 to ``path`` with ``.sha256``; return that."""
    files = sorted(
        file
        for file in vectors.rglob("*")
        if file.is_file() and file.relative_to(vectors).parts[0] not in OWN
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in files:
            name = f"test-vectors/{file.relative_to(vectors).as_posix()}"
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    beside = path.with_name(f"{path.name}.sha256")
    beside.write_text(f"{digest}  {path.name}\n", "utf-8")
    return beside


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python scripts/_build/pack_vectors.py FILE.zip")
    print(pack_vectors(VECTORS, Path(sys.argv[1])).read_text("utf-8"), end="")


if __name__ == "__main__":
    main()
