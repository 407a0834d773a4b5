"""Serves a project from one process that ends itself, like kill -9, at one effect.

    python ending_service.py CONFIG DESCRIPTOR [before|after MODULE CLASS METHOD COUNT]

It serves on the listening socket with this descriptor, and no supervisor starts it again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from launcher import end_at

from anchor.project.config import load_config
from anchor.project.project import open_project
from anchor.service.app import create_app


def main() -> None:
    """Patch one function, then serve."""
    config, descriptor, *crash = sys.argv[1:]
    if crash:
        end_at(*crash)
    app = create_app(open_project(load_config(Path(config))))
    uvicorn.run(app, fd=int(descriptor), ws="none", log_config=None)


if __name__ == "__main__":
    main()
