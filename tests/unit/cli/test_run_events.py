"""`anchor run` has a word in each language for every event that it can report."""

from __future__ import annotations

import ast

from support.paths import PACKAGE

from anchor.cli.commands.run import _EVENT_NAMES


def test_every_event_has_a_name() -> None:
    reported = set()
    for folder in ("operate", "cli/commands"):
        for path in sorted((PACKAGE / folder).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.keyword) and node.arg == "event":
                    words = [
                        leaf for leaf in ast.walk(node.value) if isinstance(leaf, ast.Constant)
                    ]
                    reported |= {word.value for word in words if isinstance(word.value, str)}
    assert reported == _EVENT_NAMES.keys()
