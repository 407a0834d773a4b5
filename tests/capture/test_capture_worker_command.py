"""``anchor capture-worker`` as its operator runs it."""

from __future__ import annotations

import json
from pathlib import Path

from support.command import run_anchor

from anchor.base.system.file_lock import hold_file
from anchor.capture.capture_spool import CaptureOrder, CaptureSpool

ID = "0123456789abcdef" * 2


def put_order(spool: CaptureSpool, url: str) -> None:
    spool.prepare()
    spool.put_order(
        CaptureOrder(id=ID, url=url, viewports=("1280x800",), depth=0, max_bytes=1 << 20)
    )


def test_an_order_gets_its_result_and_the_worker_counts_it(tmp_path: Path) -> None:
    spool = CaptureSpool(tmp_path / "spool")
    spool.folder.mkdir()
    put_order(spool, "http://10.0.0.1/")
    ran = run_anchor("capture-worker", "spool", "--once", "--json", cwd=tmp_path).expect(0)
    assert ran.document == {"format": "anchor-capture-worker/1", "made": 1, "refused": 0}
    assert ID in ran.err
    result = json.loads((spool.folder / "results" / f"{ID}.json").read_text("utf-8"))
    assert "10.0.0.1" in result["refusal"]["en"]
    assert not spool.is_running(ID) and not spool.bag_path(ID).exists()


def test_one_worker_has_a_folder_and_a_folder_has_to_be_there(tmp_path: Path) -> None:
    spool = CaptureSpool(tmp_path / "spool")
    spool.folder.mkdir()
    spool.prepare()
    with hold_file(spool.lock, AssertionError("nobody else has it")):
        run_anchor("capture-worker", "spool", "--once", cwd=tmp_path).refused(32, "spool")
    run_anchor("capture-worker", "nowhere", "--once", cwd=tmp_path).refused(2, "nowhere")
    run_anchor("capture-worker", "spool", "--resolver", "dns", cwd=tmp_path).refused(2, "dns")
