"""Objects of a bucket become evidence: each once, whatever ends in between, with a manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.command import Ran, run_anchor
from support.memory_projects import MemorySite
from support.projects import make_site
from support.s3_server import S3Server
from support.store_contents import load_pieces

from anchor.base.digests import digest_bytes
from anchor.base.errors import CannotCheckError, MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_url import UrlList, parse_object_url
from anchor.chain.devnet import Devnet
from anchor.evidence.hashing_pool import HashingWorkers, open_executor, open_workers
from anchor.objects import hashing_job
from anchor.objects.hashing_job import list_ahead, open_job
from anchor.objects.object_audit import ObjectAudit, audit_objects
from anchor.objects.object_hashing import HashingRules, ObjectRow
from anchor.objects.object_manifest import encode_rows, read_rows
from anchor.operate.object_intake import ObjectIntake, take_objects
from anchor.operate.recent_block import name_no_block

BOTH = ("sha256", "sm3")
# Names that file systems, URLs or libraries would alter.
ODD = (
    "/lead",
    "a//b",
    "pct%41",
    "%zz",
    "../up",
    "a/./b",
    "sp ace",
    "+plus",
    "中文",
    "folder/",
    "tab\tx",
    "line\nfeed",
    "q?versionId=1",
    "#h",
    "\\back",
    "a\x01b",
    "e\u0301",
)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing_job, "PART_ROWS", 20)


def test_the_total_is_what_has_no_manifest_yet(
    site: MemorySite, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = open_job(tmp_path / "job", [parse_object_url(f"s3://{bucket}")], BOTH)
    totals: list[tuple[int, int]] = []

    def count(files: int, size: int) -> None:
        totals.append((files, size))

    assert list(list_ahead(job, count)) == [0, 1, 2]
    with ending(monkeypatch, "write_part", 2), pytest.raises(KeyboardInterrupt):
        take(site, tmp_path / "job")
    assert list(list_ahead(job, count)) == [0, 1, 2]
    sizes = [len(content(number)) for number in range(50)]
    assert totals == [(50, sum(sizes)), (30, sum(sizes[20:]))]


@pytest.fixture
def bucket(s3: S3Server, request: pytest.FixtureRequest) -> str:
    """A bucket with fifty objects."""
    name = f"b-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20]}"
    s3.make_bucket(name, {f"k/{number:03}": content(number) for number in range(50)})
    return name


def content(number: int) -> bytes:
    return b"%d" % number * (number % 7)


def take(
    site: MemorySite,
    folder: Path,
    *texts: str,
    urls: UrlList | None = None,
    workers: HashingWorkers | None = None,
    **rules: float,
) -> ObjectIntake:
    project = site.open()
    try:
        with open_executor(2) as threads:
            return take_objects(
                project,
                open_job(folder, urls or [parse_object_url(text) for text in texts] or None, BOTH),
                HashingRules(algorithms=BOTH, **rules),
                workers=workers or HashingWorkers(threads, 1, 2),
                name_block=name_no_block,
                on_done=lambda *_: None,
                on_total=lambda *_: None,
            )
    finally:
        project.database.close()


def recorded(site: MemorySite) -> dict[str, bytes]:
    """Return the SHA-256 of each object in the store; each is there once."""
    project = site.open()
    with project.database.read() as connection:
        pieces = load_pieces(connection)
    project.database.close()
    sources = [piece.source for piece in pieces]
    assert len(sources) == len(set(sources))
    return {piece.source: piece.sha256 for piece in pieces if piece.source.startswith("s3:")}


def manifests(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("part-*"))}


def rows_of(folder: Path) -> list[ObjectRow]:
    return [row for path in sorted(folder.glob("part-*")) for row in read_rows(path)]


def test_every_object_is_evidence_and_has_a_row(
    site: MemorySite, bucket: str, tmp_path: Path
) -> None:
    intake = take(site, tmp_path / "job", f"s3://{bucket}")
    # The manifests of the three parts are evidence too.
    assert (intake.new, intake.known, intake.unread) == (53, 0, 0)
    assert intake.size == sum(len(content(number)) for number in range(50))
    expected = {
        f"s3://{bucket}/k/{number:03}": hashlib.sha256(content(number)).digest()
        for number in range(50)
    }
    assert recorded(site) == expected
    rows = rows_of(tmp_path / "job")
    assert {row.url: row.digests and row.digests.sha256 for row in rows} == expected
    assert all(row.revision and row.revision.startswith("etag:") for row in rows)
    again = take(site, tmp_path / "another", f"s3://{bucket}")
    assert (again.new, again.known) == (3, 50)


def test_a_key_names_an_object_and_what_lies_below_it(
    site: MemorySite, s3: S3Server, tmp_path: Path
) -> None:
    names = ("case", "case/a", "case/b/c", "case2", "cas")
    s3.make_bucket("below-it", dict.fromkeys(names, b""))
    take(site, tmp_path / "job", "s3://below-it/case")
    assert sorted(recorded(site)) == [f"s3://below-it/{name}" for name in names[:3]]


def test_names_stay_as_they_are(site: MemorySite, s3: S3Server, tmp_path: Path) -> None:
    taken = {}
    s3.make_bucket("odd-names", {})
    for name in ODD:
        try:
            s3.client.put_object(Bucket="odd-names", Key=name, Body=name.encode())
        except s3.client.exceptions.ClientError:
            continue  # this server cannot store it
        taken[f"s3://odd-names/{name}"] = hashlib.sha256(name.encode()).digest()
    assert len(taken) >= len(ODD) - 1
    assert take(site, tmp_path / "job", "s3://odd-names").unread == 0
    assert recorded(site) == taken


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_other_workers_write_the_same_manifests(
    site: MemorySite, bucket: str, tmp_path: Path, name: str
) -> None:
    take(site, tmp_path / "threads", f"s3://{bucket}")
    reports: list[Message] = []
    with open_workers(name, 2, reports.append) as workers:
        take(site, tmp_path / name, f"s3://{bucket}", workers=workers)
    assert manifests(tmp_path / name) == manifests(tmp_path / "threads")
    assert [report.id for report in reports] == ["executor-dask-dashboard"] * (name == "dask")


@pytest.mark.fault(
    "J17",
    how="one object in five changes, or is deleted, between the listing and the reading",
    then="each is named; nothing is recorded of it, and everything else is",
)
def test_what_changes_after_it_was_listed_is_named(
    site: MemorySite, s3: S3Server, bucket: str, tmp_path: Path
) -> None:
    job = open_job(tmp_path / "job", [parse_object_url(f"s3://{bucket}")], BOTH)
    assert sum(map(len, job.list_objects())) == 50
    for number in range(0, 50, 5):
        key = f"k/{number:03}"
        if number % 2:
            s3.client.delete_object(Bucket=bucket, Key=key)
        else:
            # Of the same length, as a change is that only the entity tag tells.
            s3.client.put_object(Bucket=bucket, Key=key, Body=bytes(len(content(number))))
    changed = {f"s3://{bucket}/k/{number:03}" for number in range(0, 50, 5) if content(number)}
    intake = take(site, tmp_path / "job", f"s3://{bucket}")
    unread = {problem.url for problem in intake.problems}
    assert unread >= changed and len(unread) == intake.unread
    assert {problem.reason for problem in intake.problems} == {
        Message("object-changed"),
        Message("object-gone"),
    }
    stored = recorded(site)
    assert set(stored) == {f"s3://{bucket}/k/{number:03}" for number in range(50)} - unread
    for number in range(50):
        url = f"s3://{bucket}/k/{number:03}"
        assert stored.get(url) in (None, hashlib.sha256(content(number)).digest())


@contextmanager
def ending(monkeypatch: pytest.MonkeyPatch, name: str, after: int) -> Iterator[None]:
    """End the run at the ``after``-th call of a function, as if its process were killed."""
    module = hashing_job if name == "write_file" else hashing_job.HashingJob
    original: Callable[..., object] = getattr(module, name)
    calls = 0

    def end(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == after:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, end)
        yield


@pytest.mark.fault(
    "A19",
    how="the run is killed before each file of its folder is written",
    then="the next run continues; manifests and evidence are as without the end",
)
def test_a_run_that_was_ended_is_continued(
    site: MemorySite, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(site, tmp_path / "whole", f"s3://{bucket}")
    expected, folder = recorded(site), tmp_path / "job"
    ends = 0
    # The job, three listings and their end, three parts.
    for after in range(1, 4):
        for name in ("write_file", "write_part"):
            with ending(monkeypatch, name, after):
                try:
                    take(site, folder, f"s3://{bucket}")
                except KeyboardInterrupt:
                    ends += 1
    assert ends >= 4
    take(site, folder)
    assert manifests(folder) == manifests(tmp_path / "whole")
    assert recorded(site) == expected
    assert (folder / "listing.json").exists()


def test_a_store_that_is_away_makes_no_object_unreadable(
    site: MemorySite, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = open_job(tmp_path / "job", [parse_object_url(f"s3://{bucket}")], BOTH)
    list(job.list_objects())
    from anchor.base.objects.store_choice import open_object_store

    open_object_store.cache_clear()
    with monkeypatch.context() as patch, pytest.raises(CannotCheckError, match="cannot be read"):
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        take(site, tmp_path / "job", f"s3://{bucket}", patience=0.0)
    open_object_store.cache_clear()
    assert (recorded(site), manifests(tmp_path / "job")) == ({}, {})
    assert take(site, tmp_path / "job").unread == 0
    assert len(recorded(site)) == 50


def test_a_folder_continues_its_own_job_only(site: MemorySite, bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    take(site, folder, f"s3://{bucket}")
    with pytest.raises(UsageError, match="other URLs or digests"):
        open_job(folder, [parse_object_url(f"s3://{bucket}/k")], BOTH)
    with pytest.raises(UsageError, match="other URLs or digests"):
        open_job(folder, [parse_object_url(f"s3://{bucket}")], ("sha256",))
    (folder / "job.json").rename(tmp_path / "kept")
    with pytest.raises(UsageError, match="holds other files"):
        open_job(folder, [parse_object_url(f"s3://{bucket}")], BOTH)
    (tmp_path / "kept").rename(folder / "job.json")
    last = folder / "listing-00002.parquet"
    last.rename(tmp_path / "kept")
    with pytest.raises(MalformedError, match=r"listing-00002\.parquet is damaged"):
        list(open_job(folder, None, BOTH).list_objects())
    (tmp_path / "kept").rename(last)
    (folder / "listing.json").write_bytes(b"{}")
    with pytest.raises(MalformedError, match=r"listing\.json is damaged"):
        list(open_job(folder, None, BOTH).list_objects())
    with (folder / "urls.jsonl").open("a") as file:
        file.write(f'"s3://{bucket}/k/007"\n')
    for urls in (None, [parse_object_url(f"s3://{bucket}")]):
        with pytest.raises(MalformedError, match=r"urls\.jsonl is damaged"):
            open_job(folder, urls, BOTH)
    (folder / "urls.jsonl").unlink()
    with pytest.raises(MalformedError, match=r"urls\.jsonl is damaged"):
        open_job(folder, None, BOTH)
    (folder / "job.json").write_bytes(b"[]")
    with pytest.raises(MalformedError, match=r"job\.json is damaged"):
        open_job(folder, None, BOTH)


def test_a_folder_without_a_run_is_not_continued(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run to continue"):
        open_job(tmp_path / "job", None, BOTH)
    assert not (tmp_path / "job").exists()


def test_a_part_of_another_listing_is_refused(
    site: MemorySite, bucket: str, tmp_path: Path
) -> None:
    folder = tmp_path / "job"
    take(site, folder, f"s3://{bucket}")
    (folder / "part-00001.parquet").write_bytes((folder / "part-00000.parquet").read_bytes())
    with pytest.raises(MalformedError, match="does not have the objects of its listing"):
        take(site, folder)


def test_urls_come_from_a_file_too(
    site: MemorySite, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"s3://{bucket}/k/{number:03}" for number in range(50)]
    text = "\ufeff" + "\n".join(lines)
    path = tmp_path / "urls"
    path.write_text("# all of them\r\n\n" + "\r\n".join(lines), "utf-8", newline="")
    with ending(monkeypatch, "write_part", 2), pytest.raises(KeyboardInterrupt):
        take(site, tmp_path / "job", urls=UrlList(path))
    assert take(site, tmp_path / "job", urls=UrlList(path)).unread == 0
    assert sorted(recorded(site)) == lines
    path.write_text(text, "utf-8")
    assert [str(url) for url in UrlList(path)] == lines
    path.write_text(f"{lines[0]}\n/etc/passwd\n", "utf-8")
    with pytest.raises(UsageError, match="line 2: it is not the URL of an object store"):
        list(UrlList(path))
    path.write_bytes(b"s3://b/\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        list(UrlList(path))
    path.write_text("# none\n", "utf-8")
    with pytest.raises(UsageError, match="list of URLs is empty"):
        take(site, tmp_path / "empty", urls=UrlList(path))
    with pytest.raises(UsageError, match="cannot be read"):
        list(UrlList(tmp_path / "none"))


@pytest.mark.parametrize(
    ("url", "message"),
    [("s3://no-such-bucket", "no bucket"), ("s3://{bucket}/nothing", "no object at")],
)
def test_what_is_not_there_is_said(
    site: MemorySite, bucket: str, tmp_path: Path, url: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        take(site, tmp_path / "job", url.format(bucket=bucket))


def audit_paths(below: str, *paths: Path) -> ObjectAudit:
    rows = (row for path in paths for row in read_rows(path))
    with open_executor(2) as executor:
        return audit_objects(
            rows,
            parse_object_url(below),
            HashingRules(algorithms=BOTH),
            workers=HashingWorkers(executor, 1, 2),
            on_done=lambda *_: None,
        )


def test_an_audit_tells_what_is_no_longer_as_in_the_manifests(
    site: MemorySite, s3: S3Server, bucket: str, tmp_path: Path
) -> None:
    folder = tmp_path / "job"
    take(site, folder, f"s3://{bucket}")
    parts = sorted(folder.glob("part-*"))
    assert audit_paths(f"s3://{bucket}", *parts) == ObjectAudit(equal=50)
    # What lies elsewhere is not asked for, whatever the manifest says.
    for other in ("s3://another-bucket", f"s3://{bucket}/k/00", f"https://{bucket}/k"):
        audit = audit_paths(other, *parts)
        assert (audit.equal, audit.unread) == (0, 50)
        assert "not below" in audit.messages[0]
    assert audit_paths(f"s3://{bucket}/k", *parts).equal == 50
    # Put again with the same bytes, it has the same digest.
    s3.client.put_object(Bucket=bucket, Key="k/001", Body=content(1))
    s3.client.put_object(Bucket=bucket, Key="k/002", Body=b"other")
    s3.client.delete_object(Bucket=bucket, Key="k/003")
    audit = audit_paths(f"s3://{bucket}", *parts)
    assert (audit.equal, audit.changed, audit.unread, audit.unknown) == (48, 1, 1, 0)
    assert [message.id for message in audit.messages] == ["audit-original-changed", "with-reason"]
    again = take(site, tmp_path / "after", f"s3://{bucket}/k/002")
    assert again.unread == 0
    gone = [ObjectRow(url="s3://b/x", revision=None, size=None, digests=None, error="gone")]
    path = tmp_path / "gone.parquet"
    path.write_bytes(encode_rows(gone))
    assert audit_paths("s3://b", path) == ObjectAudit(unknown=1)


def test_the_command_line_does_all_of_it(
    s3: S3Server, bucket: str, tmp_path: Path, own_anvil: Devnet
) -> None:
    folder = make_site(tmp_path / "project", own_anvil, number=1, deployed=False).folder
    job, below = tmp_path / "job", f"s3://{bucket}/k"

    def run(*words: str | Path) -> Ran:
        return run_anchor(*words, cwd=folder)

    added = run("add", f"s3://{bucket}", "--job", job, "--json").expect(0).document
    assert (added["new"], added["known"], added["manifests"]) == (51, 0, str(job))
    for name in ("processes", "dask"):
        again = run("add", f"s3://{bucket}", "--executor", name, "--workers", "1").expect(0)
        assert "1 new, 50 already known" in again.out
    assert run("audit", below, "--manifest", job, "--json").expect(0).document["equal"] == 50
    s3.client.delete_object(Bucket=bucket, Key="k/004")
    run("audit", below, "--manifest", job / "part-00000.parquet").expect(20, "1 could not be read")
    s3.client.put_object(Bucket=bucket, Key="k/005", Body=b"other")
    run("audit", below, "--manifest", job).expect(10, "k/005 differs")
    run("audit", below, "--manifest", job, "--rebuild").refused(2, "--manifest")
    run("audit", "--manifest", job).refused(2, "name the URL")
    run("audit", below, "--manifest", tmp_path).refused(2, "has no manifest")
    run("add", f"s3://{bucket}", "--again").refused(2, "not for objects")
    run("add", "s3://no-such-bucket").refused(2, "no bucket or folder no-such-bucket")
    run("add", "https://user:hidden@host/x").refused(2, "password")
    made = tmp_path / "made.parquet"
    made.write_bytes((job / "part-00000.parquet").read_bytes())
    run("add", "--manifest", made).expect(0, "1 new, 50 already known")
    made.write_bytes(b"PAR1")
    run("add", "--manifest", made).refused(2, "made.parquet", "no Parquet file")
    run("add", f"s3://{bucket}", "--limit-bandwidth", "fast").refused(2, "bytes a second")
    ledger = run("export", "--ledger", tmp_path / "ledger", "--json").expect(0).document
    assert ledger["rows"] == {"evidence": 54, "anchors": 0, "transactions": 0, "exhibits": 0}
    run("export", "x", "--ledger", tmp_path / "ledger").refused(2, "--ledger")
    run("export").refused(2, "--format")
    run("export", "--ledger", made).refused(2, "made.parquet", "cannot be used")
    # Of what is refused, nothing is recorded: neither the files nor the good manifest beside it.
    kept, taken = tmp_path / "kept.txt", tmp_path / "taken"
    kept.write_text("beside")
    taken.mkdir()
    rows = [
        ObjectRow(
            url="s3://b/x",
            revision=None,
            size=6,
            digests=digest_bytes(b"unread", BOTH),
            error=None,
        )
    ]
    (taken / "part-00000-a.snappy.parquet").write_bytes(encode_rows(rows))
    run("add", kept, "--manifest", taken, "--manifest", made).refused(2, "no Parquet file")
    run("add", kept, "--job", tmp_path / "none").refused(2, "no run to continue")
    run("add", kept).expect(0, "1 new")
    run("add", "--manifest", taken).expect(0, "2 new, 0 already known (0 B read)")
    denied = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_CONFIG_FILE": "none"}
    run_anchor("add", f"s3://{bucket}", cwd=folder, env=denied).refused(20, "NoCredentials")
