"""The project's key for WACZ files, and what other programs make of its signatures."""

from __future__ import annotations

import base64
import json
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS
from support.foreign_captures import write_warc

from anchor.base.errors import ConfigError
from anchor.capture.wacz_file import WaczPage, write_wacz
from anchor.capture.wacz_signing import KEY_NAME, WaczKey, load_wacz_key
from anchor.foreign_capture.capture_judgement import judge_capture


def write_signed(folder: Path, key: WaczKey | None) -> Path:
    warc = folder / "capture.warc.gz"
    warc.write_bytes(write_warc())
    path = folder / "capture.wacz"
    page = WaczPage(url="https://a/", title="t", text="", captured_at="2026-01-01T00:00:00Z")
    write_wacz(
        path, warc=warc, index=b"", pages=[page], software="anchor-evidence 1", title="t",
        created_at="2026-01-01T00:00:00.000Z", key=key,
    )  # fmt: skip
    return path


def read_signed(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        stated: dict[str, Any] = json.loads(archive.read("datapackage-digest.json"))
    return stated


def test_a_signature_is_verified_by_another_implementation(tmp_path: Path):
    stated = read_signed(write_signed(tmp_path, load_wacz_key(tmp_path)))
    signed = stated["signedData"]
    assert signed["hash"] == stated["hash"]
    assert signed["version"] == "0.1.0"
    public = ECC.import_key(base64.b64decode(signed["publicKey"]))
    # The form of IEEE P1363, which Starling's check of anonymous signatures expects, too.
    verifier = DSS.new(public, "fips-186-3")
    signature = base64.b64decode(signed["signature"])
    verifier.verify(SHA256.new(signed["hash"].encode()), signature)
    with pytest.raises(ValueError):
        verifier.verify(SHA256.new(b"sha256:00"), signature)


def test_the_importer_verifies_a_signed_file_and_names_one_without(tmp_path: Path):
    def judge(path: Path) -> dict[str, str]:
        findings = judge_capture(path, ()).findings
        return {each.id: each.result for each in findings}

    assert judge(write_signed(tmp_path, load_wacz_key(tmp_path)))["wacz-signature"] == "pass"
    (tmp_path / "capture.wacz").unlink()
    assert judge(write_signed(tmp_path, None)).get("wacz-signature") != "pass"


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(load_wacz_key, [tmp_path] * 8))
    keys.append(load_wacz_key(tmp_path))
    assert len({key.sign("x", created_at="", software="")["publicKey"] for key in keys}) == 1
    assert [path.name for path in tmp_path.iterdir()] == [KEY_NAME]
    assert stat.S_IMODE((tmp_path / KEY_NAME).stat().st_mode) == 0o600
    assert "PRIVATE" not in repr(keys[0])


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\n", b"\xff" * 9_000])
def test_a_file_that_is_no_such_key_is_refused_and_kept(tmp_path: Path, content: bytes):
    (tmp_path / KEY_NAME).write_bytes(content)
    with pytest.raises(ConfigError, match="does not hold the key that signs WACZ files"):
        load_wacz_key(tmp_path)
    assert (tmp_path / KEY_NAME).read_bytes() == content
