"""``anchor capture --sign-wacz``, and what the importer of captures makes of the file."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from support.fixtures import MakeSite
from support.web_site import WebSite

from anchor.chain.devnet import Devnet

pytestmark = pytest.mark.release


def read_key(wacz: Path) -> str:
    with zipfile.ZipFile(wacz) as archive:
        stated = json.loads(archive.read("datapackage-digest.json"))
    return str(stated["signedData"]["publicKey"])


def test_captures_of_a_project_are_signed_by_one_key_that_the_importer_verifies(
    new_site: MakeSite, embedded: Devnet, web: WebSite, ffmpeg: str
):
    site = new_site(embedded)
    words = ("capture", "--json", web.url("/login"), web.url("/one"), "--wait", "0.1")
    captures = site.run(*words, "--sign-wacz", "--film").expect(0).document["captures"]
    assert [each["not_captured"] for each in captures] == [[], []]
    archives = [site.folder / each["bag"] / "data" / "capture.wacz" for each in captures]
    assert archives[0].with_name("film").joinpath("film.mp4").stat().st_size > 1_000
    assert read_key(archives[0]) == read_key(archives[1])
    account = json.loads(archives[0].with_name("capture.json").read_bytes())
    assert account["options"]["wacz_signed"] is True
    collected = (
        site.run("collect", "--json", "--profile", "plain", archives[0], "--web-capture")
        .expect(0)
        .document
    )
    (foreign,) = collected["captures"]
    assert {each["id"]: each["result"] for each in foreign["findings"]}["wacz-signature"] == "pass"
    for path in archives[0].parents[2].rglob("*"):
        assert not path.is_file() or b"PRIVATE KEY" not in path.read_bytes()
