"""``anchor add --exclude`` and ``--gitignore``: what is left out of folders, and said to be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.projects import Site
from support.store_contents import count_pieces

from anchor.evidence.ignore_pattern import MAX_BYTES


def make_folder(site: Site) -> Path:
    for name in ("main.py", "notes.tmp", "__pycache__/main.pyc", ".git/config", "logs/a.log"):
        site.write(f"work/{name}", name.encode())
    site.write("work/.gitignore", b"*.log\n")
    return site.folder / "work"


def names(site: Site) -> set[str]:
    listed = site.run("list", "--json").document["evidence"]
    return {each["name"] for each in listed}


def test_everything_is_added_unless_asked(site: Site) -> None:
    document = site.run("add", make_folder(site), "--json").document
    assert document["new"] == 6 and "excluded" not in document


def test_what_is_left_out_is_counted_by_the_pattern_that_did_it(site: Site) -> None:
    folder = make_folder(site)
    words = ("add", folder, "--gitignore", "--exclude", "*.tmp")
    shown = site.run(*words).expect(0, "added 2 new, 0 already known").out
    assert shown.splitlines()[1:] == [
        "left out by patterns: files 2, folders with all below them 2",
        '  by ".git" of --gitignore: files 0, folders 1',
        '  by "__pycache__/" of --gitignore: files 0, folders 1',
        f'  by "*.log" of {folder}/.gitignore: files 1, folders 0',
        '  by "*.tmp" of --exclude: files 1, folders 0',
        f"  read: {folder}/.gitignore",
    ]
    assert names(site) == {"work/main.py", "work/.gitignore"}
    document = site.run(*words, "--json").document
    assert document["excluded"]["patterns"][2] == {
        "pattern": "*.log", "source": f"{folder}/.gitignore", "files": 1, "folders": 0,
    }  # fmt: skip
    assert document["excluded"]["gitignore_files"] == [f"{folder}/.gitignore"]
    assert (document["excluded"]["files"], document["excluded"]["folders"]) == (2, 2)
    assert {Path(each["path"]).name for each in document["skipped"]} == {
        ".git", "__pycache__", "a.log", "notes.tmp",
    }  # fmt: skip


def test_without_the_option_no_gitignore_is_read(site: Site) -> None:
    ran = site.run("add", make_folder(site), "--exclude", "*.tmp", "--exclude", "/main.py")
    ran.expect(0, "added 4 new", "files 2, folders with all below them 0")
    assert " read: " not in ran.out
    assert "work/logs/a.log" in names(site)


def test_what_the_call_names_is_added_whatever_the_patterns(site: Site) -> None:
    folder = make_folder(site)
    paths = (folder, folder / "logs/a.log", folder / "__pycache__", folder / "__pycache__/main.pyc")
    for order in (paths, paths[::-1]):
        site.run("add", *order, "--gitignore", "--again").expect(0, "added 5 new")
    assert {"a.log", "__pycache__/main.pyc"} <= names(site)


@pytest.mark.parametrize("kind", ["large", "link", "dangling link"])
def test_a_gitignore_that_cannot_be_obeyed_is_named_and_nothing_is_left_out(
    site: Site, kind: str
) -> None:
    folder = make_folder(site)
    file = folder / ".gitignore"
    if kind == "large":
        file.write_bytes(b"*.log\n" + b"#" * MAX_BYTES)
    else:
        file.rename(site.folder / "elsewhere")
        file.symlink_to(site.folder / ("elsewhere" if kind == "link" else "nowhere"))
    ran = site.run("add", folder, "--gitignore", "--follow-symlinks", "--exclude", "*.tmp")
    ran.expect(2, "work/.gitignore")
    assert "work/logs/a.log" in names(site) and " read: " not in ran.out
    if kind != "dangling link":
        ran.expect(2, "it was not obeyed: ")


def test_names_of_any_bytes_are_left_out_by_them(site: Site) -> None:
    for name in (b"caf\xe9.txt", b"a\nb.txt", b"with space.txt", b"kept"):
        site.write(os.fsdecode(b"work/" + name), name)
    for pattern, left in (("caf\udce9*", 3), ("a?b.txt", 3), ("with space.txt", 3), ("*.txt", 1)):
        ran = site.run("add", site.folder / "work", "--exclude", pattern, "--again")
        ran.expect(0, f"added {left} new")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("work", "--exclude", ""), "can match nothing"),
        (("work", "--exclude", "[z"), "can match nothing"),
        (("work/main.py", "--exclude", "*.tmp"), "no folder is named"),
        (("--digest", "sm3:" + "ab" * 32, "--gitignore"), "no folder is named"),
    ],
)
def test_options_without_effect_are_refused(
    site: Site, words: tuple[str, ...], reason: str
) -> None:
    make_folder(site)
    site.run("add", *words).refused(2, reason)
    assert count_pieces(site) == 0
