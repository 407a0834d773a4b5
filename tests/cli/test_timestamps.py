"""`anchor verify --timestamp`: a second clock beside the chain's bound, which it never replaces."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import subprocess
import sys
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.packing import Desk, make_desk
from support.timestamp_authority import TimestampAuthority

from anchor.base.errors import ExitCode
from anchor.base.types import Hash32, Head, LogId
from anchor.log.checkpoint import Checkpoint, log_origin, sign_checkpoint
from anchor.log.signed_note import generate_key
from anchor.receipt.format import parse_receipt
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import TrustPolicy


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> list[TimestampAuthority]:
    folder = tmp_path_factory.mktemp("authorities")
    return [TimestampAuthority(folder / name, name) for name in ("alpha", "beta", "rogue")]


@pytest.fixture
def desk(tmp_path: Path, authorities: list[TimestampAuthority]) -> Desk:
    """Return a desk with a policy that names alpha and beta, and tokens over its heads."""
    desk = make_desk(tmp_path / "desk")
    for authority in authorities[:2]:
        name_authority(desk, authority)
    for authority in authorities:
        for name in desk.names:
            stamp(desk, name, authority)
    return desk


def name_authority(desk: Desk, authority: TimestampAuthority) -> None:
    policy = desk.folder / "trust.toml"
    entry = f'\n[[tsa]]\nname = "{authority.name}"\nroots = """\n{authority.root_pem}"""\n'
    policy.write_text(policy.read_text() + entry)


def checkpoint_of(
    desk: Desk, name: str, *, root: Hash32 | None = None, log: LogId | None = None
) -> bytes:
    receipt = parse_receipt((desk.folder / f"{name}.anchor.json").read_bytes())
    (anchor,) = receipt.anchors
    origin = log_origin(anchor.chain_id, anchor.registry, log or receipt.log)
    head = Head(root=root or anchor.head.root, size=anchor.head.size)
    return sign_checkpoint(Checkpoint(origin=origin, head=head), generate_key(origin))


def stamp(desk: Desk, name: str, authority: TimestampAuthority, **of: Any) -> str:
    checkpoint = checkpoint_of(desk, name, **of)
    stem = f"stamps/{name}-{authority.name}"
    desk.write(stem + ".checkpoint", checkpoint)
    desk.write(stem + ".tst", authority.stamp(checkpoint))
    return stem + ".tst"


def test_a_timestamp_of_the_receipts_head_is_a_second_clock(desk: Desk) -> None:
    name = desk.names[0]
    given = [f"stamps/{name}-{each}.tst" for each in ("alpha", "beta")]
    words = [word for path in given for word in ("--timestamp", path)]
    ran = desk.run("verify", name, *words, *desk.trust).expect(
        0, "alpha stamped the head in this receipt", "beta stamped the head in this receipt"
    )
    assert "stamped no later than" in next(line for line in ran.out.splitlines() if "C4" in line)
    plain = desk.run("verify", name, *desk.trust, "--json").expect(0).document["files"][0]
    ran = desk.run("verify", name, *words, *desk.trust, "--json").expect(0)
    shown = ran.document["files"][0]
    assert [each["verdict"] for each in shown["timestamps"]] == ["pass", "pass"]
    assert all(each["of_this_receipt"] for each in shown["timestamps"])
    # The chain's bound stays what it is.
    assert shown["anchors"] == plain["anchors"]
    assert "timestamps" not in plain


def test_a_timestamp_by_an_unknown_authority_is_not_trusted(desk: Desk) -> None:
    name = desk.names[0]
    ran = desk.run("verify", name, "--timestamp", f"stamps/{name}-rogue.tst", *desk.trust).expect(
        ExitCode.NOT_TRUSTED, "by none of the timestamping authorities that you trust"
    )
    c4 = [line for line in ran.out.splitlines() if "C4" in line]
    assert not any("stamped" in line for line in c4)


def test_a_policy_without_authorities_cannot_tell_and_shows_the_command(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "plain")
    authority = TimestampAuthority(tmp_path / "alpha", "alpha")
    path = stamp(desk, desk.names[0], authority)
    desk.run("verify", desk.names[0], "--timestamp", path, *desk.trust).expect(
        ExitCode.CANNOT_CHECK, "no trust policy names a timestamping authority",
        "openssl ts -verify -data stamps/", "-token_in -attime",
    )  # fmt: skip


def test_a_timestamp_of_another_head_says_so_and_nothing_about_the_evidence(
    desk: Desk, authorities: list[TimestampAuthority]
) -> None:
    name = desk.names[0]
    path = stamp(desk, name, authorities[0], root=Hash32(bytes(31) + b"\1"))
    ran = desk.run("verify", name, "--timestamp", path, *desk.trust, "--json").expect(0)
    shown = ran.document["files"][0]
    assert not shown["timestamps"][0]["of_this_receipt"]
    assert "a head other than the one" in shown["timestamps"][0]["detail"]
    assert all("stamped" not in claim["reason"] for claim in shown["claims"])


def test_a_token_over_another_checkpoint_is_a_mismatch(desk: Desk) -> None:
    name = desk.names[0]
    desk.write("other.checkpoint", checkpoint_of(desk, name))  # another key signed it
    desk.run(
        "verify", name, "--timestamp", f"stamps/{name}-alpha.tst", "--checkpoint",
        "other.checkpoint", *desk.trust,
    ).expect(ExitCode.MISMATCH, "of other bytes than this checkpoint")  # fmt: skip


def test_bad_inputs_are_one_sentence_and_verify_nothing(desk: Desk) -> None:
    name = desk.names[0]
    desk.run("verify", name, "--checkpoint", "x", *desk.trust).refused(2, "--timestamp")
    desk.run("verify", name, "--timestamp", "none.tst", *desk.trust).refused(2, "none.tst")
    desk.write("empty.tst", b"")
    desk.write("empty.checkpoint", b"")
    desk.run("verify", name, "--timestamp", "empty.tst", *desk.trust).expect(2)
    stem = f"stamps/{name}-alpha"
    desk.write("text.checkpoint", b"text")
    shutil.copy(desk.folder / f"{stem}.tst", desk.folder / "text.tst")
    desk.run("verify", name, "--timestamp", "text.tst", *desk.trust).expect(2)


def test_a_timestamp_of_the_same_root_in_another_log_is_of_another_head(
    desk: Desk, authorities: list[TimestampAuthority]
) -> None:
    name = desk.names[0]
    path = stamp(desk, name, authorities[0], log=LogId(bytes(31) + b"\7"))
    ran = desk.run("verify", name, "--timestamp", path, *desk.trust, "--json").expect(0)
    assert not ran.document["files"][0]["timestamps"][0]["of_this_receipt"]


def lay_beside(desk: Desk, authority: TimestampAuthority, **of: Any) -> bytes:
    """Keep a token of the first receipt's head where a project keeps it; return it."""
    name = desk.names[0]
    receipt = parse_receipt((desk.folder / f"{name}.anchor.json").read_bytes())
    stem = f"timestamps/{receipt.anchors[0].head.size}-{authority.name}"
    source = desk.folder / stamp(desk, name, authority, **of)
    desk.write(f"{stem}.checkpoint", source.with_suffix(".checkpoint").read_bytes())
    return desk.write(f"{stem}.tst", source.read_bytes()).read_bytes()


def certify(desk: Desk, *words: str) -> dict[str, Any]:
    desk.run("certify", desk.names[0], *desk.trust, "--no-pdf", "--replace", *words).expect(0)
    made: dict[str, Any] = json.loads(
        (desk.folder / f"{desk.names[0]}.certificate.json").read_bytes()
    )
    return made


def test_a_revocation_list_beside_a_token_is_judged_by_verify_and_certify(
    desk: Desk, authorities: list[TimestampAuthority]
) -> None:
    name, alpha = desk.names[0], authorities[0]
    receipt = parse_receipt((desk.folder / f"{name}.anchor.json").read_bytes())
    lay_beside(desk, alpha)
    stem = f"timestamps/{receipt.anchors[0].head.size}-alpha"
    words = ("verify", name, "--timestamp", f"{stem}.tst", *desk.trust)
    desk.run(*words).expect(0, "whether its certificates were revoked is not judged")
    desk.write(f"{stem}.crl", alpha.revocation_list())
    ran = desk.run(*words, "--json").expect(0)
    (shown,) = ran.document["files"][0]["timestamps"]
    assert "its certificates were not revoked then" in shown["revocation"]
    (entry,) = certify(desk)["trusted_timestamp"]
    assert "its certificates were not revoked then" in entry["revocation"]["en"]
    desk.write(f"{stem}.crl", alpha.revocation_list("07 260101000000Z,keyCompromise"))
    refused = desk.run(*words).expect(ExitCode.NOT_TRUSTED, "was revoked on 2026-01-01")
    assert not any("stamped" in line for line in refused.out.splitlines() if "C4" in line)
    (entry,) = certify(desk)["trusted_timestamp"]
    assert (entry["result"], entry["time"], entry["revocation"]) == ("not trusted", None, None)
    assert "keyCompromise" in entry["reason"]["en"]
    page = (desk.folder / f"{name}.certificate.html").read_text("utf-8")
    assert "已于 2026-01-01" in page
    # In a bag nobody named it: it is shown, and no claim rests on it.
    desk.pack("bag", "--timestamp", f"{stem}.tst").expect(0)
    ran = desk.run("verify", "bag", *desk.trust, "--json").expect(0)
    listed = [each for file in ran.document["files"] for each in file.get("timestamps", ())]
    assert {each["verdict"] for each in listed} == {"fail"}
    assert all("keyCompromise" in each["detail"] for each in listed)


def test_a_certificate_shows_what_the_policy_verified_and_what_it_did_not(
    desk: Desk, authorities: list[TimestampAuthority]
) -> None:
    token = lay_beside(desk, authorities[0])
    lay_beside(desk, authorities[2])
    lay_beside(desk, authorities[1], root=Hash32(bytes(31) + b"\1"))  # of another head
    given = [f"stamps/{desk.names[0]}-{each}.tst" for each in ("alpha", "beta")]
    made = certify(desk, *(word for path in given for word in ("--timestamp", path)))
    entries = {each["authority"]: each for each in made["trusted_timestamp"]}
    assert set(entries) == {"alpha", None} and len(made["trusted_timestamp"]) == 2
    shown = entries["alpha"]
    assert (shown["result"], entries[None]["result"]) == ("verified", "not trusted")
    assert (entries[None]["time"], entries[None]["root_certificates"]) == (None, [])
    (root,) = authorities[0].trusted.roots
    assert shown["root_certificates"] == [hashlib.sha256(root).hexdigest()]
    assert shown["token_sha256"] == hashlib.sha256(token).hexdigest()
    assert (shown["root"], shown["size"]) == (made["path"]["root"], made["path"]["size"])
    # The stated accuracy of 1.5 s, rounded up.
    stated, by = (datetime.fromisoformat(shown[name]) for name in ("time", "existed_no_later_than"))
    assert by - stated == timedelta(seconds=2)
    page = (desk.folder / f"{desk.names[0]}.certificate.html").read_text("utf-8")
    for text in (shown["serial"], shown["checkpoint_sha256"], "可信时间戳 2", "未通过核验"):
        assert text in page


def test_a_certificate_without_authorities_checks_no_timestamp(
    tmp_path: Path, authorities: list[TimestampAuthority]
) -> None:
    desk = make_desk(tmp_path / "plain")
    lay_beside(desk, authorities[0])
    (entry,) = certify(desk)["trusted_timestamp"]
    assert (entry["result"], entry["authority"], entry["serial"]) == ("not checked", None, None)
    assert "no trust policy names a timestamping authority" in entry["reason"]["en"]
    # The times of a token that nothing verified are nowhere.
    page = (desk.folder / f"{desk.names[0]}.certificate.html").read_text("utf-8")
    assert "未核验" in page and "alpha" not in page


def test_a_timestamp_that_contradicts_its_checkpoint_gets_no_certificate(
    desk: Desk, authorities: list[TimestampAuthority]
) -> None:
    lay_beside(desk, authorities[0])
    (token,) = (desk.folder / "timestamps").glob("*.tst")
    token.write_bytes(authorities[0].stamp(b"something else"))
    command = ("certify", desk.names[0], *desk.trust, "--no-pdf")
    desk.run(*command).refused(ExitCode.MISMATCH)
    token.unlink()
    rogue = ("--timestamp", f"stamps/{desk.names[0]}-rogue.tst")
    desk.run(*command, *rogue).refused(ExitCode.NOT_TRUSTED)
    assert not list(desk.folder.glob("*.certificate.*"))


@pytest.mark.parametrize(
    "entry",
    [
        '[[tsa]]\nname = "a"\n',
        '[[tsa]]\nname = "a"\nroots = "x"\n',
        '[[tsa]]\nname = "a"\nroots = "x"\nurl = "http://127.0.0.1"\n',
        '[[tsa]]\nname = ""\nroots = "x"\n',
    ],
)
def test_a_policy_with_a_bad_authority_is_refused(desk: Desk, entry: str) -> None:
    policy = desk.folder / "trust.toml"
    policy.write_text(policy.read_text() + entry)
    desk.run("verify", desk.names[0], *desk.trust).refused(2)


def test_timestamps_in_a_bag_are_judged_by_the_verifiers_policy_only(desk: Desk) -> None:
    words: list[str] = []
    for name in desk.names:
        for author in ("alpha", "rogue"):
            for ending in (".tst", ".checkpoint"):
                words += ["--timestamp", f"stamps/{name}-{author}{ending}"]
    desk.pack("bag", *words).expect(0)
    ran = desk.run("verify", "bag", *desk.trust, "--json").expect(0)
    for shown in ran.document["files"]:
        verdicts = {each["file"]: each["verdict"] for each in shown["timestamps"]}
        assert {path[-9:]: verdict for path, verdict in verdicts.items()} == {
            "alpha.tst": "pass", "rogue.tst": "fail",
        }  # fmt: skip


def test_a_token_in_a_bag_that_contradicts_its_checkpoint_fails(
    desk: Desk, authorities: list[TimestampAuthority]
) -> None:
    name = desk.names[0]
    stem = f"stamps/{name}-alpha"
    desk.write(f"{stem}.tst", authorities[0].stamp(b"something else"))
    words = ["--timestamp", f"{stem}.tst", "--timestamp", f"{stem}.checkpoint"]
    desk.pack("bag", *words).expect(0)
    desk.run("verify", "bag", *desk.trust).expect(ExitCode.MISMATCH)


def test_the_standalone_verifier_cannot_tell_and_says_how_to(desk: Desk) -> None:
    name = desk.names[0]
    stem = f"stamps/{name}-alpha"
    words = ["--timestamp", f"{stem}.tst", "--timestamp", f"{stem}.checkpoint"]
    desk.pack("bag", *words).expect(0)
    ran = subprocess.run(
        [sys.executable, "-I", "verify/verify.py", ".", "--accept-unpinned", "--block-hash",
         desk.block_hash],
        cwd=desk.folder / "bag", capture_output=True, text=True, check=False,
    )  # fmt: skip
    (line,) = [each for each in ran.stdout.splitlines() if "timestamp" in each]
    assert "cannot tell" in line
    command = line.partition("root: ")[2].replace("ROOTS.pem", "../ROOTS.pem")
    policy = tomllib.loads((desk.folder / "bag/policy/trust.toml").read_text())
    # The policy in the bag has the authorities too, as its party gave them.
    assert [each["name"] for each in policy["tsa"]] == ["alpha", "beta"]
    desk.write("ROOTS.pem", policy["tsa"][0]["roots"].encode())
    subprocess.run(shlex.split(command), cwd=desk.folder / "bag", check=True, capture_output=True)
    readme = (desk.folder / "bag/README.en.md").read_text()
    assert f"-data timestamps/{name}-alpha.checkpoint" in readme


def test_a_policy_is_written_with_its_authorities_as_it_was_read(desk: Desk) -> None:
    policy = TrustPolicy.parse((desk.folder / "trust.toml").read_bytes())
    assert [each.name for each in policy.tsas] == ["alpha", "beta"]
    written = encode_policy(policy.entries, policy.tsas)
    assert TrustPolicy.parse(written) == policy
