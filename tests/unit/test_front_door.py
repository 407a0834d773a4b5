"""What `import anchor` offers: each name is there, documented, and known to type checkers."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from support.paths import ROOT
from support.readme import readme_examples

import anchor

STUB = ROOT / "anchor" / "__init__.pyi"
PAGE = ROOT / "docs" / "library.md"


@pytest.mark.parametrize("name", anchor.__all__)
def test_each_name_is_there_with_a_docstring(name: str):
    value = getattr(anchor, name)
    assert value.__name__ == name
    assert value.__doc__ and len(value.__doc__) > 20
    assert name in dir(anchor)


def test_the_page_has_a_row_for_each_name_and_no_others():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(anchor.__all__)


def test_the_page_names_the_operands_that_errors_have():
    for name, operands in re.findall(
        r"^\| `(\w+Error)` \|[^|]*\| *([^|]*?) *\|$", PAGE.read_text("utf-8"), re.MULTILINE
    ):
        error = getattr(anchor, name)("what is wrong")
        stated = set(re.findall(r"`(\w+)`", operands))
        assert set(vars(error)) - {"message", "hint"} == stated, name
        assert all(getattr(error, operand) is None for operand in stated)


def test_the_page_shows_the_sentence_of_an_error_as_it_is(capsys: pytest.CaptureFixture[str]):
    line, expected = re.findall(
        r"^(print\(error.*)  # (.*)$", PAGE.read_text("utf-8"), re.MULTILINE
    )[0]
    with pytest.raises(anchor.UsageError) as caught:
        anchor.Verifier(policy=None, quorum=0)
    exec(line, {"error": caught.value})
    assert capsys.readouterr().out == f"{expected}\n"


def test_the_stub_says_of_each_name_where_it_comes_from():
    tree = ast.parse(STUB.read_text("utf-8"))
    homes = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert homes == anchor._HOMES


def test_a_name_that_is_not_there_is_an_attribute_error():
    misspelt = "veryfi"
    with pytest.raises(AttributeError, match="no attribute 'veryfi'"):
        getattr(anchor, misspelt)


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("verify", {"sqlalchemy", "web3", "httpx", "eth_account"}),
        ("Receipt", {"sqlalchemy", "web3", "httpx", "requests"}),
        ("TrustPolicy", {"sqlalchemy", "web3", "httpx", "requests"}),
        ("Client", {"sqlalchemy", "web3", "pydantic"}),
        ("MismatchError", {"sqlalchemy", "web3", "pydantic", "httpx"}),
    ],
)
def test_a_name_loads_no_more_than_it_needs(name: str, absent: set[str]):
    script = f"import sys, anchor\nanchor.{name}\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not absent & set(loaded)


@pytest.mark.parametrize(
    ("name", "missing", "extra"),
    [("Project", "sqlalchemy", "operator"), ("Client", "httpx", "client"),
     ("registry_contract", "web3", "rpc"), ("Project", "web3", "operator"),
     ("Project", "requests", "operator"),
     ("Project", "eth_account", "operator"), ("Keystore", "eth_account", "operator")],
)  # fmt: skip
def test_what_is_not_installed_is_said_to_be_in_its_extra(name: str, missing: str, extra: str):
    script = f"import sys, anchor\nsys.modules[{missing!r}] = None\nanchor.{name}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], check=False, capture_output=True, text=True
    )
    assert f"pip install '.[{extra}]'" in done.stderr.splitlines()[-1]


PRELUDE = """\
from web3 import Web3
from typing import Any
ape: Any
password: str
"""
# Each of these lines is a mistake, which a type checker that sees the types reports.
MISTAKES = """\
anchor.verify(Path("a"), receipt)
anchor.verify(Path("a"), b"", policy=policy)
anchor.Project.open(Path()).run_once(wait="soon")
anchor.AsyncClient("https://service.example", "key").submit(1)
report.existed
"""


def test_a_type_checker_sees_the_types_of_the_examples_and_of_mistakes(tmp_path: Path):
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    examples = PRELUDE + "".join(readme_examples().values())
    good.write_text(examples)
    bad.write_text(examples + MISTAKES)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ROOT / ".mypy_cache", good, bad],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    lines = len(examples.splitlines())
    at = [int(number) for number in re.findall(r"bad\.py:(\d+): error", done.stdout)]
    assert sorted(set(at)) == [lines + number for number in range(1, 6)], done.stdout
    assert "good.py" not in done.stdout


def named_in(hint: object) -> set[str]:
    """Return the names of the package's own types in a type."""
    if getattr(hint, "__module__", "").startswith("anchor."):
        return {getattr(hint, "__name__", "")}
    parts = [*hint] if isinstance(hint, list) else get_args(hint)
    return {name for part in parts for name in named_in(part)}


def public_types() -> Iterator[tuple[str, object]]:
    """Yield the type of each thing that a caller gets."""
    for name in anchor.__all__:
        value = getattr(anchor, name)
        members = vars(value) if isinstance(value, type) else {name: value}
        for member, thing in members.items():
            function = getattr(thing, "fget", None) or getattr(thing, "__func__", thing)
            if not member.startswith("_") and inspect.isfunction(function):
                yield f"{name}.{member}", get_type_hints(function)["return"]
    for values in (anchor.Report, anchor.Receipt, anchor.TrustPolicy, anchor.Added):
        for member, hint in get_type_hints(values).items():
            yield f"{values.__name__}.{member}", hint
    for parameter in ("evidence", "on_left_out"):
        yield f"Project.add({parameter})", get_type_hints(anchor.Project.add)[parameter]


# What nobody names: a receipt without anchors is told by `promise`, its log by bytes, and messages
# are text.
UNNAMED = {"KeystoreSigner", "Message", "Promise", "LogId"}


def test_what_a_caller_gets_can_be_named():
    for place, hint in public_types():
        missing = named_in(hint) - UNNAMED - set(anchor.__all__)
        assert not missing, f"{place} is of types that cannot be imported from anchor: {missing}"
