"""``AnchorRegistry.tree`` and the tests say the same: every leaf is a test, every test a leaf."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE / "AnchorRegistry.tree"


def read_leaves() -> list[str]:
    """Return the name of the test that each ``it …`` line asks for: test_<function>_<sentence>."""
    names = []
    for block in TREE.read_text("utf-8").strip().split("\n\n"):
        function, *lines = block.splitlines()
        sentences = [line.lstrip("│├└─ ") for line in lines]
        names += [f"{function} {text[3:]}" for text in sentences if text.startswith("it ")]
    return ["test_" + re.sub(r"\W+", "_", name.replace("'", "")) for name in names]


def read_tests() -> list[str]:
    modules = [ast.parse(path.read_text("utf-8")) for path in HERE.glob("test_registry_*.py")]
    return [
        node.name
        for module in modules
        for node in module.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def test_every_leaf_of_the_tree_is_a_test_and_every_test_a_leaf() -> None:
    assert Counter(read_leaves()) == Counter(read_tests())
    assert len(read_leaves()) > 50


def test_every_branch_of_the_tree_bears_a_leaf() -> None:
    lines = [line for line in TREE.read_text("utf-8").splitlines() if line]
    depths = [len(line) - len(line.lstrip("│├└─ ")) for line in lines]
    bare = [
        line
        for line, depth, following in zip(lines, depths, [*depths[1:], 0], strict=True)
        if not line.lstrip("│├└─ ").startswith("it ") and following <= depth
    ]
    assert bare == []
