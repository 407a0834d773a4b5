"""The commands that write to a bucket and read from it, on a real chain."""

from __future__ import annotations

from pathlib import Path

from support.bucket_publications import make_bucket
from support.command import Ran, run_anchor
from support.projects import make_site
from support.s3_server import S3Server

from anchor.chain.devnet import Devnet


def test_the_command_line_publishes_audits_proves_and_packs(
    s3: S3Server, tmp_path: Path, own_anvil: Devnet
) -> None:
    site = make_site(tmp_path / "project", own_anvil, number=2)
    bucket = make_bucket(s3)

    def run(*words: str | Path) -> Ran:
        return run_anchor(*words, cwd=site.folder)

    evidence = site.add("a.txt", b"a")
    run("run", "--once", "--wait", "final").expect(0)
    published = run("export-log", bucket.url, "--json").expect(0).document
    assert published["tiles_written"] == 1
    audit = ("--trust", site.folder / "trust.toml", "--rpc", site.url)
    run("audit", bucket.url, *audit, "--key", published["verifier_key"]).expect(0, "VERIFIED")
    bucket.s3.client.delete_object(Bucket=bucket.name, Key="log/tile/0/000.p/1")
    run("audit", bucket.url, *audit).expect(20, "tile/0/000.p/1 is missing")
    run("audit", "s3://no-such-bucket/log", *audit).refused(20, "NoSuchBucket")
    run("export-log", "s3://no-such-bucket/log").refused(20, "NoSuchBucket")
    run("export-log", "https://bucket/log").refused(2, "web server")

    below = f"s3://{bucket.name}/log/receipts"
    proven = run("prove", "--all", "-o", below, "--json").expect(0).document
    assert [each["receipt"] for each in proven["written"]] == [f"{below}/a.txt.anchor.json"]
    again = run("prove", "--all", "-o", below, "--json").expect(0).document
    assert (again["written"], again["left"]) == ([], 1)
    run("prove", evidence, "-o", below).expect(0, f"{below}/a.txt.anchor.json")
    bundle = f"s3://{bucket.name}/log/all.anchor.jsonl"
    for _ in range(2):
        proven = run("prove", "--all", "--bundle", "-o", bundle, "--json").expect(0).document
        assert proven["bundle"] == bundle
    run("prove", evidence).expect(0)
    bag = f"s3://{bucket.name}/log/bag.zip"
    run("pack", evidence, "-o", bag).expect(0, bag)
    stored = bucket.files()
    (tmp_path / "bag.zip").write_bytes(stored["bag.zip"])
    run("verify", tmp_path / "bag.zip", "--rpc", site.url).expect(0)
    (tmp_path / "a.txt").write_bytes(b"a")
    (tmp_path / "a.txt.anchor.json").write_bytes(stored["receipts/a.txt.anchor.json"])
    run("verify", tmp_path / "a.txt", "--rpc", site.url).expect(0)

    bucket.put("receipts/a.txt.anchor.json", b"another's")
    bucket.put("all.anchor.jsonl", b"another's")
    run("prove", "--all", "-o", below).refused(2, "exists already, with other bytes")
    run("prove", "--all", "--bundle", "-o", bundle).refused(2, "exists already")
    assert bucket.files()["all.anchor.jsonl"] == b"another's"
    run("pack", evidence, "-o", f"s3://{bucket.name}/bag").refused(2, ".zip")
    run("prove", "--all", "--bundle", "-o", f"s3://{bucket.name}/").refused(2, "does not name")
