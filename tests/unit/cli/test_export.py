"""What ``anchor export`` prints or writes is JSON, whatever characters the record's name has."""

from __future__ import annotations

import json
from pathlib import Path

from support.certificates import named
from support.in_process import run_in_process
from support.world import INDEX, SIZE

from anchor.receipt.format import encode_receipt

NAME = "合\x9f\u202e\U000e0001.pdf"


def test_an_export_is_json_on_standard_output_as_in_a_file(tmp_path: Path) -> None:
    world = named(NAME, INDEX)
    receipt = tmp_path / "a.anchor.json"
    receipt.write_bytes(encode_receipt(world.receipt(INDEX, world.anchor(INDEX, SIZE))))
    words = ("export", receipt.name, "--format", "case")
    printed = json.loads(run_in_process(*words, cwd=tmp_path).expect(0).out)
    run_in_process(*words, "-o", "out.json", cwd=tmp_path).expect(0)
    written = (tmp_path / "out.json").read_text("utf-8")
    assert json.loads(written) == printed
    assert NAME in json.dumps(printed, ensure_ascii=False)
    assert "\u202e" not in written and "合" in written
