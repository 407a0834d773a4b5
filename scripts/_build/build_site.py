"""Build the documentation as a static site.

    python scripts/_build/build_site.py [SITE]    default: .build/site

The site holds the pages of docs/ in English and Chinese, the references that build_references.py
wrote to .build/references, the repository's own pages, and every file of the repository that one of
them links to, so that it is complete without a network.  MkDocs renders it (requirements/site.txt).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pack_vectors import pack_vectors

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".build" / "site"
REFERENCES = ROOT / ".build" / "references"
# Where the site keeps pages and files that lie outside docs/.
REPOSITORY = PurePosixPath("repository")
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
# The page of the specification that offers the test vectors, and their archive beside it.
VECTORS_PAGE = PurePosixPath("spec/README.md")
VECTORS = "test-vectors.zip"
UNTRANSLATED = "> 本页尚无中文版，以下为英文原文。\n\n"
_LINK = re.compile(r"(?<=\]\()([^)#\s]+)(?=[)#])")
_HEADING_LINK = re.compile(r"(?<=\]\()([^)#:\s]+\.md)#[^)\s]+(?=\))")
_SEARCH_OPTIONS = re.compile(r'<nav class="md-search__options"[^>]*>')
_CONTENTS = re.compile(r'<nav class="md-nav" aria-label="[^"]*">')
_EMPTY_HEADER = re.compile(r"<th[^>]*></th>")
_ALTERNATE = re.compile(r'<link rel="alternate"[^>]* hreflang=[^>]*>\s*')
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# HTML files of the theme that depend on the time of the build or serve only published addresses.
_UNUSED = ("sitemap.xml", "sitemap.xml.gz")


def main() -> None:
    """Write the sources with links that stay inside the site, and let MkDocs build them."""
    site = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SITE
    source = site.with_name(f"{site.name}-source")
    stage(ROOT, REFERENCES, source)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(site)]
    environment = {**os.environ, "SITE_SOURCE": str(source), "SOURCE_DATE_EPOCH": "0"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.splitlines()
        sys.exit("\n".join(line for line in lines if not line.startswith(("INFO", "  - "))))
    for name in _UNUSED:
        (site / name).unlink(missing_ok=True)
    for page in site.rglob("*.html"):
        page.write_text(finish_page(page.read_text("utf-8")), "utf-8")


def finish_page(page: str) -> str:
    """Return a page as the theme should have written it (WCAG 2.2, 1.3.1 and 4.1.2).

    Its dialog for searching has a name; the parts of its table of contents are no landmarks of
    their own; an empty cell heads no column.  Links to the other language are those in its header
    alone, because for others the theme asks for the site maps of published addresses.
    """
    name = "搜索" if '<html lang="zh"' in page else "Search"
    page = page.replace('role="dialog">', f'role="dialog" aria-label="{name}">')
    page = _SEARCH_OPTIONS.sub('<nav class="md-search__options" role="none">', page)
    page = _CONTENTS.sub('<nav class="md-nav" role="none">', page)
    page = _EMPTY_HEADER.sub("<td></td>", page)
    return _ALTERNATE.sub("", page)


def stage(root: Path, references: Path, target: Path) -> None:
    """Write every page and every file that the site needs to ``target``."""
    shutil.rmtree(target, ignore_errors=True)
    docs = root / "docs"
    shutil.copytree(docs, target, ignore=shutil.ignore_patterns("*.md"))
    shutil.copytree(references / "schemas", target / "schemas", dirs_exist_ok=True)
    # Their links are those of pages in docs/.
    built = {docs / page.name: page for page in references.glob("*.md")}
    waiting = [*sorted([*docs.rglob("*.md"), *built]), *(root / name for name in PAGES)]
    known = set(waiting)
    while waiting:
        page = waiting.pop()
        path = target / place(page.relative_to(root))
        path.parent.mkdir(parents=True, exist_ok=True)
        if page.is_dir():
            path.mkdir(exist_ok=True)
            path /= "index.md"
            text = list_folder(page)
        elif page.suffix != ".md":
            shutil.copyfile(page, path)
            continue
        else:
            text = built.get(page, page).read_text("utf-8")
        for linked in find_files(text, page, root):
            if linked not in known and (linked.is_dir() or docs not in linked.parents):
                known.add(linked)
                waiting.append(linked)
        if place(page.relative_to(root)) == VECTORS_PAGE:
            pack_vectors(root / "tests" / "vectors", path.with_name(VECTORS))
            text = link_vectors(text)
        path.write_text(move_links(text, page, root), "utf-8")
        chinese = path.with_suffix(".zh.md")
        if not path.name.endswith(".zh.md") and not page.with_suffix(".zh.md").exists():
            text = mark_untranslated(shorten_links(text, page))
            chinese.write_text(move_links(text, page, root), "utf-8")


def link_vectors(text: str) -> str:
    """Return a page whose names of the archive and of its hash are links to them."""
    for name in (VECTORS, f"{VECTORS}.sha256"):
        text = text.replace(f"`{name}`", f"[`{name}`]({name})")
    return text


def place(path: Path) -> PurePosixPath:
    """Return where the site keeps a file of the repository, both relative."""
    posix = PurePosixPath(path.as_posix())
    return posix.relative_to("docs") if posix.parts[0] == "docs" else REPOSITORY / posix


def list_folder(folder: Path) -> str:
    """Return a page that lists the files of a folder, and links to those that are no pages."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    rows = [f"- `{name}`" if name.endswith(".html") else f"- [`{name}`]({name})" for name in names]
    return f"# {folder.name}/\n\n" + "\n".join(rows) + "\n"


def split_fences(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a page, and whether each is a fenced block."""
    end = 0
    for fence in _FENCE.finditer(text):
        yield text[end : fence.start()], False
        yield fence[0], True
        end = fence.end()
    yield text[end:], False


def find_files(text: str, page: Path, root: Path) -> Iterator[Path]:
    """Yield the files and folders of the repository to which a page links."""
    folder = page if page.is_dir() else page.parent
    for part, is_fence in split_fences(text):
        for target in [] if is_fence else _LINK.findall(part):
            path = Path(os.path.normpath(folder / target))
            if "://" not in target and path.exists() and root in path.parents:
                yield path


def move_links(text: str, page: Path, root: Path) -> str:
    """Return a page with links to where the site keeps their targets."""
    own = place(page.relative_to(root))
    here = own if page.is_dir() else own.parent
    folder = page if page.is_dir() else page.parent

    def move(match: re.Match[str]) -> str:
        target = match[0]
        path = Path(os.path.normpath(folder / target))
        if "://" in target or not path.exists() or root not in path.parents:
            return target
        moved = place(path.relative_to(root)) / ("index.md" if path.is_dir() else "")
        return os.path.relpath(moved, here)

    return "".join(
        part if is_fence else _LINK.sub(move, part) for part, is_fence in split_fences(text)
    )


def shorten_links(text: str, page: Path) -> str:
    """Return an English page whose links to Chinese pages name no heading: theirs are Chinese."""

    def shorten(match: re.Match[str]) -> str:
        chinese = (page.parent / match[1]).with_suffix(".zh.md")
        return match[1] if chinese.exists() else match[0]

    return _HEADING_LINK.sub(shorten, text)


def mark_untranslated(text: str) -> str:
    """Return an English page for Chinese readers: with a line that says so below its title."""
    title, separator, rest = text.partition("\n\n")
    return f"{title}{separator}{UNTRANSLATED}{rest}" if title.startswith("# ") else text


if __name__ == "__main__":
    main()
