"""Write the references that git does not keep, for the documentation's site.

    python scripts/_build/build_references.py [FOLDER]    default: .build/references

These are the pages of the Python and the HTTP API, and the schemas of the commands' JSON.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from api_pages import describe_http, describe_python
from command_documents import describe_commands

ROOT = Path(__file__).resolve().parents[2]
REFERENCES = ROOT / ".build" / "references"


def write_references(folder: Path) -> None:
    """Write every reference into ``folder``, which has nothing else afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    service = json.loads((ROOT / "docs" / "openapi.json").read_bytes())
    schemas = json.dumps(describe_commands(), indent=1, sort_keys=True) + "\n"
    texts = {
        "http-api.md": describe_http(service),
        "python-api.md": describe_python(ROOT / "docs" / "library.md"),
        "schemas/commands.json": schemas,
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    write_references(Path(sys.argv[1]) if len(sys.argv) > 1 else REFERENCES)
