"""Chinese texts of the product use the terms of CONTRIBUTING.md, one for each notion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.paths import PACKAGE, ROOT

from anchor.base.messages.catalogue import load_catalogue

TABLE = "## Chinese terms"


def read_terms() -> Iterator[tuple[str, frozenset[str], frozenset[str]]]:
    """Yield each notion with the words that nothing may have, and the phrases excepted."""
    section = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split(TABLE)[1].split("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("|") and not line.startswith(("|---", "| notion")):
            notion, _, never, but_for = (cell.strip() for cell in line.strip("|").split("|"))
            yield notion, _split(never), _split(but_for)


def _split(cell: str) -> frozenset[str]:
    return frozenset(word for word in cell.split("、") if word)


NEVER = frozenset[str]().union(*(never for _, never, _ in read_terms()))
EXCEPTED = frozenset[str]().union(*(but_for for _, _, but_for in read_terms()))


def find_misnomers(text: str) -> list[str]:
    """Return the words of a text that the table forbids, without the phrases excepted."""
    for phrase in sorted(EXCEPTED, key=len, reverse=True):
        text = text.replace(phrase, "")
    return sorted(word for word in NEVER if word in text)


# Labels on certificates and pages of where evidence comes from.
ORIGINS = (
    "certificate-collection-title", "certificate-evidence-origin",
    "certificate-source-sheet-title", "certificate-statement-agrees",
    "certificate-statement-digest-unchanged", "certificate-statement-unchanged",
    "conformance-before", "conformance-before-answer", "group-source", "group-source-origin",
    "submit-origin",
)  # fmt: skip


def test_where_evidence_comes_from_has_one_name() -> None:
    texts = load_catalogue("zh")
    assert [id for id in ORIGINS if texts[id].count("来源") != texts[id].count("具体来源")] == []
    assert [id for id in ORIGINS if "具体来源" not in texts[id]] == []


def list_files() -> list[Path]:
    """Return the files with Chinese texts beside the catalogue."""
    folders = (PACKAGE, ROOT / "web", ROOT / "examples")
    files = [
        path
        for folder in folders
        for kind in ("*.html", "*.py", "*.ts")
        for path in folder.rglob(kind)
        if "node_modules" not in path.parts
    ]
    return sorted([*files, *(ROOT / "docs").rglob("*.md"), ROOT / "mkdocs.yml", ROOT / "README.md"])


def test_messages_have_one_term_for_each_notion() -> None:
    faults = {key: find_misnomers(text) for key, text in load_catalogue("zh").items()}
    assert {key: words for key, words in faults.items() if words} == {}


def test_templates_and_pages_have_one_term_for_each_notion() -> None:
    faults = {str(path): find_misnomers(path.read_text("utf-8")) for path in list_files()}
    assert {path: words for path, words in faults.items() if words} == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("请出示收据", ["收据"]),
        ("存证回执与交易回执", []),
        ("请核对回执", ["回执"]),
        ("自上链时间起未经篡改", ["未经篡改"]),
        ("人民法院可以认定该电子数据上链后未经篡改", []),
        ("区块已终局，系由您认定", ["您认定", "终局"]),
        ("记录的摘要，哈希 0x00", ["哈希", "摘要"]),
        ("内容摘要与哈希值", []),
        ("来源、证明对象和内容", []),
        ("证明对象：付款", ["证明对象"]),
        ("步骤 2 不通过", ["不通过"]),
        ("具体来源与取证", []),
        ("来源与取证", ["来源与取证"]),
    ],
)
def test_a_word_counts_unless_its_phrase_is_excepted(text: str, words: list[str]) -> None:
    assert find_misnomers(text) == words
