"""``anchor verify --notice`` and ``anchor pack --notice``: what a reader with notices is told."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.bent_receipts import named_hashes
from support.notices import OF_A, OF_B, A, B, C, Notices
from support.packing import Desk

import anchor.standalone.verify as standalone
from anchor.receipt.format import encode_receipt
from anchor.verification.pinning import encode_policy
from anchor.verification.report_json import VerificationDocument


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a folder with the originals a, b and c, and the receipts of two notices."""
    made = Notices()
    folder = tmp_path / "desk"
    folder.mkdir()
    receipts = {index: made.receipt(index) for index in (A, B, C, OF_A, OF_B)}
    (block,) = named_hashes([each.anchors[0] for each in receipts.values()])
    desk = Desk(folder=folder, names=("a", "b", "c"), block_hash="0x" + block.hex())
    for name, index in zip(desk.names, (A, B, C), strict=True):
        desk.write(name, made.world.files[index])
        desk.write(f"{name}.anchor.json", encode_receipt(receipts[index]))
    for index in (OF_A, OF_B):
        desk.write(f"notices/{index}.anchor.json", encode_receipt(receipts[index]))
    desk.write("trust.toml", encode_policy([made.world.entry()]))
    return desk


def test_a_notice_is_told_beside_what_is_proven(desk: Desk) -> None:
    plain = desk.run("verify", "a", *desk.trust).expect(0)
    assert "superseded or withdrawn since, which a receipt alone cannot tell" in plain.out
    ran = desk.run("verify", "a", *desk.trust, "--notice", f"notices/{OF_A}.anchor.json")
    said = ran.expect(14).out
    assert said.startswith("superseded by another record; the evidence itself: VERIFIED")
    assert "Li replaced the record" in said and "缺页. Its block states the time" in said
    assert "Time stated by the block, which proves nothing" in said
    assert "which a receipt alone cannot tell" not in said
    brief = desk.run("verify", "a", "b", "c", *desk.trust, "--notice", "notices", "--quiet")
    lines = brief.expect(14).out.splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["replaced", "withdrawn", "verified"]


def test_the_document_names_the_notices(desk: Desk) -> None:
    full = desk.run("verify", "a", "b", "c", *desk.trust, "--notice", "notices").expect(14)
    counts = "3 in all: 1 verified with reservation, 2 superseded or withdrawn"
    assert full.out.splitlines()[-1] == counts
    ran = desk.run("verify", "a", "c", *desk.trust, "--notice", "notices", "--json").expect(14)
    document = VerificationDocument.model_validate(ran.document)
    first, second = document.files
    assert [each.exit_code for each in document.files] == [14, 0]
    notices = ran.document["files"][0]["notices"]
    assert [each["kind"] for each in notices] == ["supersedes", "withdraws"]
    assert [each["of_this_record"] for each in notices] == [True, False]
    assert "notices" not in ran.document["files"][1]
    assert first.problem is not None and second.problem is None


def test_a_notice_about_none_of_the_files_is_pointed_out(desk: Desk) -> None:
    ran = desk.run("verify", "b", *desk.trust, "--notice", "notices").expect(14)
    assert f"{OF_A}.anchor.json is about none of the files verified" in ran.err
    assert f"{OF_B}.anchor.json is about" not in ran.err


def test_what_is_no_notice_is_refused(desk: Desk) -> None:
    run = ("verify", "a", *desk.trust, "--notice")
    desk.run(*run, "c.anchor.json").refused(2, "c.anchor.json is not the receipt of a notice")
    desk.write("x.anchor.json", b'{"format":"anchor-receipt/1"}')
    desk.run(*run, "x.anchor.json").refused(2, "x.anchor.json is not a readable receipt")
    desk.run(*run, "none.anchor.json").refused(2, "none.anchor.json")


def test_a_notice_that_does_not_verify_decides_where_it_was_named(desk: Desk) -> None:
    path = f"notices/{OF_A}.anchor.json"
    data = (desk.folder / path).read_bytes().replace(b'"index":4', b'"index":6')
    desk.write(path, data)
    ran = desk.run("verify", "a", *desk.trust, "--notice", path).expect(10)
    assert "does not count" in ran.out
    assert f"a: {path}: " in desk.run("verify", "a", *desk.trust, "--notice", path, "-q").out


def test_a_bag_holds_notices_and_three_programs_see_them(desk: Desk) -> None:
    ran = desk.pack("bag", "--notice", "notices").expect(0)
    assert ran.out
    names = [path.name for path in (desk.folder / "bag" / "notices").iterdir()]
    assert len(names) == 2 and all(len(name) == 64 + len(".anchor.json") for name in names)
    readme = (desk.folder / "bag" / "README.en.md").read_text("utf-8")
    assert "`notices/`" in readme
    document = desk.run("verify", "bag", *desk.trust, "--json").expect(14).document
    assert [each["exit_code"] for each in document["files"]] == [14, 14, 0]
    (command,) = (line for line in readme.splitlines() if line.startswith("python3 "))
    program = str(desk.folder / "bag" / "verify" / "verify.py")
    alone = subprocess.run(
        [sys.executable, program, *command.split()[2:]],
        cwd=desk.folder / "bag",
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.returncode == 14
    assert alone.stdout.count("SUPERSEDED OR WITHDRAWN by the log's operator") == 2
    assert "'Li' withdrew the record" in alone.stdout
    desk.pack("other", "--notice", "c.anchor.json").refused(2, "is not the receipt of a notice")
    data = (desk.folder / f"notices/{OF_A}.anchor.json").read_bytes()
    desk.write("bent.anchor.json", data.replace(b'"index":4', b'"index":6'))
    assert desk.pack("other", "--notice", "bent.anchor.json").code == 10
    assert not (desk.folder / "other").exists()


def test_the_standalone_verifier_takes_the_same_notices(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk.folder)
    log = "0x" + Notices().world.log.hex()
    pins = ("--chain-id", "31337", "--log", log, "--block-hash", desk.block_hash)
    given = ("a.anchor.json", "a", *pins)
    assert standalone.main(given) == 0
    assert "a receipt alone cannot tell" in capsys.readouterr().out
    notice = ("--notice", f"notices/{OF_A}.anchor.json")
    assert standalone.main((*given, *notice, "--notice", f"notices/{OF_B}.anchor.json")) == 14
    said = capsys.readouterr().out
    assert "'Li' replaced the record" in said and "'Li' withdrew the record" in said
    assert "a receipt alone cannot tell" not in said
    assert standalone.main((*given, "--notice", "c.anchor.json")) == 2
    assert standalone.main((*given, "--notice", "none")) == 2


def test_a_certificate_shows_the_notice_that_was_named(desk: Desk) -> None:
    ran = desk.run(
        "certify", "a.anchor.json", *desk.trust, "--no-pdf", "--notice", "notices",
        "--issued-at", "2026-11-01T00:00:00Z",
    )  # fmt: skip
    ran.expect(0)
    document = json.loads((desk.folder / "a.certificate.json").read_bytes())
    assert [each["kind"] for each in document["notices"]] == ["supersedes", "withdraws"]


@contextmanager
def serve_answers(answers: dict[str, tuple[int, bytes]]) -> Iterator[str]:
    """Serve these statuses and bodies by path, as a service does; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path, (404, b""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_service_is_asked_by_the_record_and_believed_as_far_as_its_receipt_goes(
    desk: Desk,
) -> None:
    # Nodes may be asked, but none is needed: the policy names the block.
    entry = replace(
        Notices().world.entry(), block_hashes=(bytes.fromhex(desk.block_hash[2:]),), rpc=()
    )
    desk.write("trust.toml", encode_policy([entry]))
    made = Notices()
    paths = {
        index: f"/v1/notices/{hashlib.sha256(made.world.records[index]).hexdigest()}"
        for index in (A, B, C)
    }
    receipts = {index: encode_receipt(made.receipt(index)) for index in (OF_A, OF_B, C)}
    answers = {paths[A]: (200, receipts[OF_A]), paths[B]: (200, receipts[OF_B])}
    with serve_answers(answers) as url:
        run = ("verify", "a", "--trust", "trust.toml", "--notice", url, "--json")
        document = desk.run(*run).expect(14).document
        notices = document["files"][0]["notices"]
        assert [(each["file"], each["kind"]) for each in notices] == [
            (url, "supersedes"), (url, "withdraws"),
        ]  # fmt: skip
        document = desk.run(*run[:1], "c", *run[2:]).expect(0).document
        assert any("which only its operator vouches for" in each for each in
                   document["files"][0]["notes"])  # fmt: skip
        assert any("receipt alone" in each for each in document["files"][0]["not_proven"])
        for answer in ((500, b""), (200, b"<html>"), (409, b"{}"), (302, b"")):
            answers[paths[A]] = answer
            ran = desk.run(*run).expect(20)
            assert ran.document["files"][0]["steps"][-1]["verdict"] == "pass"
        for other in (C, OF_B):  # of no notice, and of one about another record
            answers[paths[A]] = (200, receipts[other])
            desk.run(*run).expect(20)
        desk.run(*run, "--offline").refused(2, "--offline asks no service")
    text = desk.run(*run[:-1]).expect(20).out
    assert "whether it was superseded or withdrawn since cannot be told" in text
