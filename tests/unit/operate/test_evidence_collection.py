"""A collection on a staged machine: what is wrong there shows in record, report and certificate."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.certificates import issue, recorded
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.ntp_server import off_by, serve
from support.staged_machine import HOSTS, make_ca, make_clean_machine
from support.store_contents import load_pieces
from support.world import INDEX, SIZE

import anchor
from anchor.base.errors import UsageError
from anchor.base.types import LogId
from anchor.certificate.detail_pages import build_sheets
from anchor.certificate.layout import Fields
from anchor.cli.account_text import print_account
from anchor.cli.collection_inputs import (
    parse_database_input,
    parse_file_input,
    parse_screen_input,
)
from anchor.cli.console import Output
from anchor.collection.machine import MachinePlaces
from anchor.evidence.discovery import SourceFile, find_sources
from anchor.evidence.group_reading import GroupsError, parse_groups, read_groups
from anchor.evidence.hashing_pool import open_executor
from anchor.evidence.record_groups import RecordGroups
from anchor.extraction.extract_tables import ExtractLimits
from anchor.operate import evidence_collection
from anchor.operate.evidence_collection import (
    CollectionResult,
    check_record_size,
    collect_bundle,
    collect_files,
    observe_collection,
)
from anchor.project.project import OpenProject

DETAILS = parse_groups({"source": {"origin": "the server"}, "modifications": "none-declared"})


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    chain = MemoryChain(recover=read_sender, interval=1, lag=1)
    return MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)


@pytest.fixture
def project(site: MemorySite) -> Iterator[OpenProject]:
    opened = site.open()
    yield opened
    opened.database.close()


@pytest.fixture
def machine(tmp_path: Path) -> MachinePlaces:
    return make_clean_machine(tmp_path / "machine")


def collect(
    project: OpenProject,
    machine: MachinePlaces,
    *files: Path,
    servers: tuple[str, ...] = (),
    details: RecordGroups = DETAILS,
) -> CollectionResult:
    config = replace(project.config, ntp=servers)
    groups = observe_collection(config, "civil-zh", details, argv=["anchor"], places=machine)
    sources = find_sources(list(files), follow_symlinks=False)
    with open_executor() as executor:
        return collect_files(project, sources, groups, executor=executor)


def records(site: MemorySite) -> list[dict[str, Any]]:
    return [json.loads(piece.record or b"") for piece in load_pieces(site.config.store)]


def test_each_file_gets_a_record_with_the_same_groups(
    project: OpenProject, site: MemorySite, machine: MachinePlaces, tmp_path: Path
):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    result = collect(project, machine, tmp_path / "a", tmp_path / "b")
    assert (result.intake.new, result.intake.known) == (2, 0)
    members = result.groups.members()
    made = records(site)
    assert [{name: record[name] for name in members} for record in made] == [members] * 2
    assert members["source"] == {"origin": "the server"}
    assert members["platform"]["registry"].startswith("0x")
    assert members["clock"] == {"state": "not_asked", "checked_at": members["clock"]["checked_at"]}
    assert len({record["salt"] for record in made}) == 2
    # Later collections of the same file are records of their own.
    assert collect(project, machine, tmp_path / "a").intake.new == 1


@pytest.fixture
def staged(machine: MachinePlaces, monkeypatch: pytest.MonkeyPatch) -> MachinePlaces:
    """A staged hosts file, a proxy and an extra CA."""
    (machine.root / "etc/hosts").write_text(HOSTS + "192.0.2.7 www.court.example\n")
    with machine.ca.bundles[0].open("ab") as bundle:
        bundle.write(make_ca("Intercepting Proxy"))
    monkeypatch.setenv("https_proxy", "http://me:hush@proxy.example:3128")
    return machine


STAGED = {
    "hosts-file": "192.0.2.7 www.court.example",
    "proxy": "https_proxy=http://proxy.example:3128",
    "ca-store": "commonName=Intercepting Proxy sha256:",
}


def test_what_is_staged_fails_in_the_record_the_report_and_the_certificate(
    project: OpenProject,
    site: MemorySite,
    staged: MachinePlaces,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    (tmp_path / "a").write_text("a")
    with serve(off_by(3_600)) as first, serve(off_by(3_600)) as second:
        result = collect(project, staged, tmp_path / "a", servers=(first, second))
    (record,) = records(site)
    assert "hush" not in json.dumps(record)
    failed = {
        check["id"]: check["observed"]
        for check in record["cleanliness"]["checks"]
        if check["result"] == "fail"
    }
    assert record["cleanliness"]["result"] == "fail"
    assert set(STAGED) <= set(failed)
    assert {check.id for check in result.checks} == set(failed)
    members = result.groups.members()
    print_account(
        Output(as_json=False, language="en"),
        read_groups(json.dumps(members).encode()),
        in_full=False,
    )
    report = capsys.readouterr().out
    world = recorded(INDEX, statements=members)
    made = issue(world, world.receipt(INDEX, world.prove(world.anchor(INDEX, SIZE))))
    certificate = [
        row.value.lines
        for block in build_sheets(made.certificate)[2].blocks
        if isinstance(block, Fields)
        for row in block.rows
    ]
    offsets = [server["offset_ms"] for server in record["clock"]["servers"]]
    for name, words in {**STAGED, "clock": f"{offsets[0]} ms; {offsets[1]} ms"}.items():
        assert words in failed[name]
        assert f"FAIL  {titles(record)[name]}: {failed[name]}" in report
        assert any(lines[0] == "未通过 / FAILED" and failed[name] in lines for lines in certificate)


def titles(record: dict[str, Any]) -> dict[str, str]:
    return {check["id"]: check["en"] for check in record["cleanliness"]["checks"]}


def test_details_that_do_not_fit_leave_nothing_recorded(
    project: OpenProject, site: MemorySite, machine: MachinePlaces, tmp_path: Path
):
    (tmp_path / "a").write_text("a")
    long = parse_groups({"collection": {"steps": ["x" * 1_000] * 64}})
    with pytest.raises(UsageError, match="do not fit into a record"):
        collect(project, machine, tmp_path / "a", details=long)
    assert records(site) == []


def test_the_longest_name_counts_towards_the_bound():
    long = parse_groups({"collection": {"steps": ["x" * 1_000] * 62}})
    short, longest = (SourceFile(path=Path("x"), name=name) for name in ("x", "x" * 4_000))
    check_record_size([short], long, LogId(bytes(32)))
    with pytest.raises(UsageError, match="do not fit"):
        check_record_size([short, longest, short], long, LogId(bytes(32)))


def bundle(project: OpenProject, machine: MachinePlaces, manifest: Path, *files: Path) -> Any:
    groups = observe_collection(project.config, "civil-zh", DETAILS, places=machine)
    sources = find_sources(list(files), follow_symlinks=False)
    with open_executor() as executor:
        return collect_bundle(project, sources, groups, manifest=manifest, executor=executor)


def test_a_bundle_is_one_record_of_its_manifest(
    project: OpenProject, site: MemorySite, machine: MachinePlaces, tmp_path: Path
):
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}%\n.txt").write_text(str(number))
    manifest = tmp_path / "manifest-sha256.txt"
    result = bundle(project, machine, manifest, folder)
    (record,) = records(site)
    assert record["kind"] == "bundle"
    assert [item["size"] for item in record["items"]] == [1, 1, 1]
    assert record["digests"]["sha256"] == hashlib.sha256(manifest.read_bytes()).hexdigest()
    lines = manifest.read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == [
        f"{record['items'][number]['path'].split('/')[0]}/{number}%25%0A.txt" for number in range(3)
    ]
    assert [line.split("  ")[0] for line in lines] == [
        item["digests"]["sha256"] for item in record["items"]
    ]
    assert result.intake.files[0].path == manifest


def test_more_files_than_a_record_lists_are_counted(
    project: OpenProject, site: MemorySite, machine: MachinePlaces, tmp_path: Path
):
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(201):
        (folder / f"{number}.txt").write_text("ab")
    manifest = tmp_path / "manifest-sha256.txt"
    bundle(project, machine, manifest, folder)
    (record,) = records(site)
    assert "items" not in record
    assert record["manifest"] == {
        "format": "bagit-1.0",
        "sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
        "files": 201,
        "bytes": 402,
    }


def test_a_bundle_that_cannot_be_whole_is_not_recorded(
    project: OpenProject, site: MemorySite, machine: MachinePlaces, tmp_path: Path
):
    (tmp_path / "a").write_text("a")
    other = tmp_path / "other"
    other.mkdir()
    (other / "a").write_text("b")
    manifest = tmp_path / "manifest-sha256.txt"
    with pytest.raises(UsageError, match="missing"):
        bundle(project, machine, manifest, tmp_path / "a", tmp_path / "missing")
    assert not manifest.exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no files"):
        bundle(project, machine, manifest, tmp_path / "empty")
    manifest.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        bundle(project, machine, manifest, tmp_path / "a")
    assert manifest.read_text() == "mine"
    assert records(site) == []


def test_a_manifest_is_written_only_where_its_paths_lead_to_the_files(
    project: OpenProject, site: MemorySite, machine: MachinePlaces, tmp_path: Path
):
    folder = tmp_path / "files"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a").write_text("a")
    for manifest in (folder / "m.txt", folder / "inner" / "m.txt", tmp_path / "new" / "m.txt"):
        with pytest.raises(UsageError, match=re.escape(f"write the manifest to {tmp_path},")):
            bundle(project, machine, manifest, folder)
        assert not manifest.exists()
    for manifest, given in ((tmp_path / "m.txt", folder), (folder / "m.txt", folder / "inner")):
        bundle(project, machine, manifest, given)
        done = subprocess.run(["sha256sum", "-c", manifest.name], cwd=manifest.parent, check=False)
        assert done.returncode == 0
    assert len(records(site)) == 2


def test_nothing_is_collected_into_a_bag(site: MemorySite, tmp_path: Path):
    (tmp_path / "bag" / "data").mkdir(parents=True)
    (tmp_path / "bag" / "bagit.txt").write_text("BagIt-Version: 1.0\n")
    piece = tmp_path / "bag" / "data" / "a"
    piece.write_text("a")
    limits = ExtractLimits(1, 1)
    refused = pytest.raises(UsageError, match="lies in the bag")
    for path in (tmp_path / "bag" / "new", tmp_path / "bag" / "data" / "new"):
        with refused:
            parse_file_input([piece], path, is_capture=False, roots=None, is_other=False)
        with refused:
            parse_database_input("sqlite:///no.db", [], path, limits)
        with refused:
            parse_screen_input(1, path)
        with anchor.Project(site.open()) as project, refused:
            project.collect([piece], profile="plain", details={}, manifest=path)
        assert not path.exists()
    assert records(site) == []


def test_a_file_that_came_while_the_others_were_hashed_is_not_overwritten(
    project: OpenProject, site: MemorySite, machine: MachinePlaces, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    (tmp_path / "a").write_text("a")
    manifest, original = tmp_path / "manifest-sha256.txt", evidence_collection.hash_sources

    def hash_slowly(*arguments: Any, **options: Any) -> Any:
        yield from original(*arguments, **options)
        manifest.write_text("mine")

    monkeypatch.setattr(evidence_collection, "hash_sources", hash_slowly)
    with pytest.raises(UsageError, match="exists already"):
        bundle(project, machine, manifest, tmp_path / "a")
    assert manifest.read_text() == "mine"
    assert records(site) == []


class TestLibrary:
    """``Project.collect``."""

    def test_it_records_and_says_what_is_missing(self, site: MemorySite, tmp_path: Path):
        (tmp_path / "a").write_text("a")
        with anchor.Project(site.open()) as project:
            done = project.collect(
                [tmp_path / "a"],
                profile="us-902",
                details={"collection": {"operators": [{"name": "Ann"}]}},
            )
        assert [piece.is_new for piece in done.added] == [True]
        assert done.groups["collection"] == {"operators": [{"name": "Ann"}]}
        assert "source.origin" in done.lacking
        assert "collection.operators" not in done.lacking
        assert "clock" in done.not_checked

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"profile": "court"}, "unknown profile 'court'"),
            ({"details": {"environment": {}}}, "observed by the program"),
            ({"details": {"sauce": 1}}, "sauce"),
        ],
    )
    def test_bad_input_is_refused_before_anything_is_hashed(
        self, site: MemorySite, tmp_path: Path, changes: Any, error: str
    ):
        with anchor.Project(site.open()) as project, pytest.raises(UsageError, match=error):
            project.collect([tmp_path / "missing"], **({"profile": "plain"} | changes))
        assert records(site) == []

    def test_a_missing_file_is_an_error_and_the_others_are_recorded(
        self, site: MemorySite, tmp_path: Path
    ):
        (tmp_path / "a").write_text("a")
        with anchor.Project(site.open()) as project, pytest.raises(UsageError, match="missing"):
            project.collect([tmp_path / "missing", tmp_path / "a"], profile="plain")
        assert len(records(site)) == 1

    def test_faults_are_operands(self, site: MemorySite):
        with anchor.Project(site.open()) as project, pytest.raises(GroupsError) as error:
            project.collect([], profile="plain", details={"source": {"origin": 1, "b": 2}})
        assert [fault.path for fault in error.value.faults] == [
            ("source", "origin"),
            ("source", "b"),
        ]
