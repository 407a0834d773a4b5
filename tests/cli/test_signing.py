"""`anchor sign`, and signatures in `anchor verify` and `pack`: real ssh-keygen and openssl."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.packing import Desk, make_desk
from support.signers import CertifiedSigner, SshSigner, run_ssh_keygen
from support.terminal import in_terminal
from support.timestamp_authority import run_openssl

from anchor.base.errors import CannotCheckError, ExitCode, NotTrustedError
from anchor.evidence.discovery import Skipped, find_sources
from anchor.operate.receipt_files import skip_receipts
from anchor.receipt.format import parse_receipt
from anchor.signatures.cms_signature import check_cms_chain
from anchor.signatures.ssh_signature import check_ssh_key
from anchor.timestamps.trusted_tsa import parse_roots
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import TrustPolicy

AT_THE_RECORDS_TIME = datetime(2026, 9, 21, 14, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """Whom the policy names (li, wang), and whom it does not, some under wang's subject."""

    li: SshSigner
    mallory: SshSigner
    wang: CertifiedSigner
    rogue: CertifiedSigner
    expired: CertifiedSigner
    future: CertifiedSigner
    cipher: CertifiedSigner
    stranger: CertifiedSigner


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Signers:
    folder = tmp_path_factory.mktemp("signers")
    wang = CertifiedSigner(folder, "wang")
    limited = "keyUsage=critical,keyAgreement\nbasicConstraints=CA:FALSE\n"
    return Signers(
        li=SshSigner(folder, "li"),
        mallory=SshSigner(folder, "mallory"),
        wang=wang,
        rogue=CertifiedSigner(folder, "rogue"),
        expired=CertifiedSigner(
            folder, "expired", below=wang, validity=("20000101000000Z", "20010101000000Z")
        ),
        future=CertifiedSigner(
            folder, "future", below=wang, validity=("20900101000000Z", "20910101000000Z")
        ),
        cipher=CertifiedSigner(folder, "cipher", below=wang, extensions=limited),
        stranger=CertifiedSigner(folder, "stranger", below=wang, subject="/CN=Han Mei"),
    )


@pytest.fixture
def desk(tmp_path: Path, signers: Signers) -> Desk:
    """Return a desk whose policy names an SSH key and a subject below a root."""
    desk = make_desk(tmp_path / "desk")
    policy = desk.folder / "trust.toml"
    policy.write_text(policy.read_text() + signers.li.entry + signers.wang.entry)
    return desk


def record_of(desk: Desk, name: str) -> bytes:
    return parse_receipt((desk.folder / f"{name}.anchor.json").read_bytes()).record


def kept(desk: Desk) -> list[str]:
    return sorted(path.name for path in desk.folder.iterdir() if re.search("sshsig|p7s", path.name))


def shown(desk: Desk, *words: str | Path, code: int = 0) -> list[dict[str, Any]]:
    """Return the signatures in the document of a verification of the first file."""
    ran = desk.run("verify", desk.names[0], *words, *desk.trust, "--json").expect(code)
    signatures: list[dict[str, Any]] = ran.document["files"][0].get("signatures", [])
    return signatures


def test_records_are_signed_in_both_forms_and_signers_named_by_the_policy(
    desk: Desk, signers: Signers
) -> None:
    name, wang = desk.names[0], signers.wang
    assert shown(desk) == []
    desk.run("sign", name, "--ssh-key", signers.li.key).expect(0, "signed the record of")
    certified = ("--certificate", wang.certificate, "--key", wang.key)
    ran = desk.run("sign", f"{name}.anchor.json", *certified, "--json").expect(0)
    (written,) = ran.document["signatures"]
    assert written["kind"] == "cades" and len(written["fingerprint"]) == 64
    desk.run("sign", *desk.names, "--ssh-key", signers.mallory.key).expect(0)
    assert len(kept(desk)) == 5
    by_name = {each["signer"]: each for each in shown(desk)}
    assert {signer: each["verdict"] for signer, each in by_name.items()} == {
        "li": "pass", "wang": "pass", None: "cannot tell",
    }  # fmt: skip
    ran = desk.run("verify", name, *desk.trust).expect(
        0, "li signed this record (SHA256:", "wang signed this record (",
        "signed by a key that your policy does not name (SHA256:", "when is not proven",
    )  # fmt: skip
    assert "mallory" not in ran.out
    # The experts' commands, with the record as the receipt holds it.
    desk.write("record.json", record_of(desk, name))
    desk.write("ALLOWED_SIGNERS", signers.li.allowed.encode())
    desk.write("ROOTS.pem", wang.root.read_bytes())
    for signer in ("li", "wang"):
        command = by_name[signer]["command"].replace("SIGNER ", f"{signer} ")
        subprocess.run(command, shell=True, cwd=desk.folder, check=True, capture_output=True)


def test_without_signers_in_the_policy_nobody_is_named_and_the_command_is_shown(
    tmp_path: Path, signers: Signers
) -> None:
    desk = make_desk(tmp_path / "plain")
    path = desk.write("witness", signers.li.sign(record_of(desk, desk.names[0])))
    desk.run("verify", desk.names[0], "--signature", path, *desk.trust).expect(
        ExitCode.CANNOT_CHECK, "signed by a key that your policy does not name (SHA256:",
        "add a [[signer]] entry", "ssh-keygen -Y verify -f ALLOWED_SIGNERS -I SIGNER",
    )  # fmt: skip


def test_a_signature_of_another_record_is_refused_wherever_it_lies(
    desk: Desk, signers: Signers
) -> None:
    name = desk.names[0]
    record = record_of(desk, name)
    for signer in (signers.li, signers.wang):
        path = desk.write("other", signer.sign(record_of(desk, desk.names[1])))
        desk.run("sign", name, "--import", path).refused(
            ExitCode.MISMATCH, "not one of this record"
        )
        assert kept(desk) == []
        shown(desk, "--signature", path, code=ExitCode.MISMATCH)
        # Its own record, one byte of which differs.
        path.write_bytes(signer.sign(record.replace(b"2026", b"2025")))
        shown(desk, "--signature", path, code=ExitCode.MISMATCH)
    path.rename(desk.folder / f"{name}.anchor.{'0' * 16}.p7s")
    desk.run("verify", name, *desk.trust).expect(ExitCode.MISMATCH, "not one of this record")
    desk.pack("bag").refused(ExitCode.MISMATCH, "not one of this record")
    assert not (desk.folder / "bag").exists()


def test_an_ssh_signature_for_another_purpose_is_refused(desk: Desk, signers: Signers) -> None:
    path = desk.write("git", signers.li.sign(record_of(desk, desk.names[0]), "git"))
    desk.run("sign", desk.names[0], "--import", path).refused(
        ExitCode.MISMATCH, "made for 'git', not for 'anchor-evidence-record'"
    )


@pytest.mark.parametrize(
    ("author", "code", "text"),
    [
        ("rogue", ExitCode.NOT_TRUSTED, "no root that your policy names for its subject"),
        ("expired", ExitCode.NOT_TRUSTED, "is valid from 2000-01-01 00:00:00 UTC to 2001-01-01"),
        ("future", ExitCode.NOT_TRUSTED, "is valid from 2090-01-01 00:00:00 UTC"),
        ("cipher", ExitCode.NOT_TRUSTED, "is not for signatures"),
        ("stranger", ExitCode.CANNOT_CHECK, "signed by a key that your policy does not name"),
        ("mallory", ExitCode.CANNOT_CHECK, "signed by a key that your policy does not name"),
    ],
)
def test_a_signer_whom_the_policy_does_not_vouch_for_is_named_for_what_it_is(
    desk: Desk, signers: Signers, author: str, code: int, text: str
) -> None:
    signature = getattr(signers, author).sign(record_of(desk, desk.names[0]))
    path = desk.write("signature", signature)
    (given,) = shown(desk, "--signature", path, code=code)
    assert text in given["detail"] and given["signer"] is None
    assert given["fingerprint"] in given["detail"]
    # Where it only lies beside the receipt, the anchor is what it was.
    desk.run("sign", desk.names[0], "--import", path).expect(0)
    assert len(shown(desk, "--signature", path, code=code)) == 1  # not judged twice
    (given,) = shown(desk)
    assert given["verdict"] == ("fail" if code == ExitCode.NOT_TRUSTED else "cannot tell")


def test_a_receipt_that_proves_no_time_names_no_certificate(desk: Desk, signers: Signers) -> None:
    path = desk.write("signature", signers.wang.sign(record_of(desk, desk.names[0])))
    words = ("--signature", path, "--trust", "trust.toml", "--offline", "--json")
    ran = desk.run("verify", desk.names[0], *words).expect(ExitCode.CANNOT_CHECK)
    (given,) = ran.document["files"][0]["signatures"]
    assert "proves no time" in given["detail"] and given["signer"] is None


def test_programs_are_asked_about_the_policys_key_and_roots_and_no_others(
    desk: Desk, signers: Signers
) -> None:
    record, li, wang = record_of(desk, desk.names[0]), signers.li, signers.wang
    with pytest.raises(CannotCheckError):
        check_ssh_key(signers.mallory.sign(record), record, " ".join(li.public.split()[:2]))
    at = AT_THE_RECORDS_TIME
    check_cms_chain(wang.sign(record), record, parse_roots(wang.root.read_text()), at)
    for signer, then in ((signers.rogue, at), (wang, at.replace(year=1999))):
        with pytest.raises(NotTrustedError):
            check_cms_chain(signer.sign(record), record, parse_roots(wang.root.read_text()), then)


# Files that are no signatures of a record as this program keeps them, or are not one signature.
SSH_BENDS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "long": lambda ssh: ssh + b"\n" * 10_000_000,
    "two blobs": lambda ssh: ssh + ssh,
    "blob after text": lambda ssh: b"text\n" + ssh,
    "cut": lambda ssh: ssh.replace(b"U1NIU0lH", b"U1NIU0l"),
    "version 2": lambda ssh: ssh.replace(b"U1NIU0lHAAAAAQ", b"U1NIU0lHAAAAAg"),
}
CMS_BENDS: dict[str, Callable[[bytes], bytes]] = {
    "twice": lambda cms: cms + cms,
    "bent": lambda cms: cms[:-1] + bytes([cms[-1] ^ 1]),
    "junk": lambda cms: cms[:30] + bytes(len(cms) - 30),
}
CADES = ("-cades", "-md", "sha256")
CMS_OPTIONS = {
    "PEM": (*CADES, "-outform", "PEM"),
    "with content": (*CADES, "-nodetach"),
    "plain CMS": ("-md", "sha256"),
    "without attributes": ("-noattr", "-md", "sha256"),
    "SHA-512": ("-cades", "-md", "sha512"),
    "streamed": (*CADES, "-stream"),
    "no certificate": (*CADES, "-nocerts"),
}


def bend(kind: str, record: bytes, signers: Signers) -> bytes:
    if kind in SSH_BENDS:
        return SSH_BENDS[kind](signers.li.sign(record))
    if kind in CMS_BENDS:
        return CMS_BENDS[kind](signers.wang.sign(record))
    if kind == "two signers":
        other = signers.rogue
        words = (*CADES, "-signer", other.certificate, "-inkey", other.key)
        return signers.wang.sign(record, *map(str, words))
    return signers.wang.sign(record, *CMS_OPTIONS[kind])


@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [
        ("empty", 2, "neither an SSH signature nor a CMS"),
        ("long", 2, "longer than"),
        ("two blobs", 2, "holds more than one"),
        ("blob after text", 2, "neither"),
        ("cut", 2, "damaged"),
        ("version 2", 22, "version is 2"),
        ("twice", 2, "something follows"),
        ("PEM", 2, "neither"),
        ("with content", 2, "content of its own"),
        ("plain CMS", 2, "not CAdES-BES"),
        ("without attributes", 2, "not CAdES-BES"),
        ("SHA-512", 22, "another algorithm"),
        ("streamed", 20, "not in DER"),
        ("two signers", 20, "2 signers"),
        ("no certificate", 20, "does not hold its signer's certificate"),
        ("bent", 10, "not one of this record"),
        ("junk", 20, "not in DER"),
    ],
)
def test_what_is_not_one_signature_in_its_form_is_not_kept(
    desk: Desk, signers: Signers, kind: str, code: int, text: str
) -> None:
    path = desk.write("signature", bend(kind, record_of(desk, desk.names[0]), signers))
    desk.run("sign", desk.names[0], "--import", path).refused(code, text, desk.names[0])
    assert kept(desk) == []
    (given,) = shown(desk, "--signature", path, code=code)
    assert given["fingerprint"] is None and text in given["detail"]


def test_a_link_beside_the_receipt_is_not_read_and_not_written_through(
    desk: Desk, signers: Signers
) -> None:
    name = desk.names[0]
    elsewhere = desk.write("elsewhere/signature", signers.li.sign(b"another record"))
    desk.run("sign", name, "--ssh-key", signers.li.key).expect(0)
    (own,) = kept(desk)
    (desk.folder / own).unlink()
    (desk.folder / own).symlink_to(elsewhere)
    assert shown(desk) == []
    before = elsewhere.read_bytes()
    desk.run("sign", name, "--ssh-key", signers.li.key).refused(2, "not a regular file")
    assert elsewhere.read_bytes() == before


def test_signatures_beside_receipts_are_not_taken_for_evidence(
    desk: Desk, signers: Signers
) -> None:
    name = desk.names[0]
    desk.run("sign", name, "--ssh-key", signers.li.key).expect(0)
    (own,) = kept(desk)
    log = parse_receipt((desk.folder / f"{name}.anchor.json").read_bytes()).log
    desk.write(own.replace(name, "other"), b"a file without a receipt beside it")
    sources = skip_receipts(find_sources([desk.folder], follow_symlinks=False), log)
    reasons = {each.path.name: each.reason for each in sources if isinstance(each, Skipped)}
    assert reasons.keys() == {own, *(f"{each}.anchor.json" for each in desk.names)}
    assert name in reasons[own]


def test_bad_usage_is_one_sentence_and_signs_nothing(desk: Desk, signers: Signers) -> None:
    name, wang = desk.names[0], signers.wang
    key = ("--ssh-key", signers.li.key)
    desk.run("sign", name).refused(2, "one way to sign")
    desk.run("sign", name, *key, "--import", "x").refused(2, "one way to sign")
    desk.run("sign", name, "--certificate", wang.certificate).refused(2, "one way to sign")
    desk.run("sign", name, "--key", wang.key).refused(2, "one way to sign")
    desk.run("sign", *desk.names, "--import", "x").refused(2, "exactly one receipt")
    desk.run("sign", name, "--import", "none.sshsig").refused(2, "none.sshsig")
    desk.run("sign", name, "--ssh-key", "none").refused(2, "none")
    desk.run("sign", "none.txt", *key).refused(2, "none.txt")
    pair = ("--certificate", wang.key, "--key", wang.key)
    desk.run("sign", name, *pair).refused(2, "no certificates in PEM")
    pair = ("--certificate", wang.certificate, "--key", signers.rogue.key)
    desk.run("sign", name, *pair).refused(ExitCode.SIGNER, "openssl did not sign")
    desk.run("verify", *desk.names, "--signature", "x", *desk.trust).refused(2, "exactly one file")
    assert kept(desk) == []


def test_the_programs_ask_for_the_passwords_of_keys(
    desk: Desk, signers: Signers, tmp_path: Path
) -> None:
    name, password = desk.names[0], "a long password"
    key = tmp_path / "locked"
    run_ssh_keygen("-q", "-t", "ed25519", "-N", password, "-f", key)
    locked = tmp_path / "locked.pem"
    run_openssl(
        "pkey", "-in", signers.wang.key, "-aes128", "-passout", f"pass:{password}", "-out", locked
    )
    by_key = ("--ssh-key", str(key))
    by_certificate = ("--certificate", str(signers.wang.certificate), "--key", str(locked))
    code, screen = in_terminal(desk.folder, "sign", name, *by_key, answers=("wrong",))
    assert code == ExitCode.SIGNER and "ssh-keygen did not sign" in screen
    for words in (by_key, by_certificate):
        code, screen = in_terminal(desk.folder, "sign", name, *words, answers=(password,))
        assert code == 0 and "signed the record of" in screen
    assert len(kept(desk)) == 2


def test_an_agent_signs_for_a_public_key(desk: Desk, signers: Signers, tmp_path: Path) -> None:
    public = tmp_path / "li.pub"
    public.write_text(signers.li.public)
    with tempfile.TemporaryDirectory() as folder:  # a socket's path is short
        place = {"SSH_AUTH_SOCK": f"{folder}/agent"}
        with subprocess.Popen(["ssh-agent", "-D", "-a", place["SSH_AUTH_SOCK"]]) as agent:
            try:
                while not Path(place["SSH_AUTH_SOCK"]).exists():
                    time.sleep(0.01)
                subprocess.run(
                    ["ssh-add", "-q", signers.li.key], env={**os.environ, **place}, check=True
                )
                desk.run("sign", desk.names[0], "--ssh-key", public, **place).expect(0)
            finally:
                agent.terminate()
    desk.run("sign", desk.names[0], "--ssh-key", public).refused(ExitCode.SIGNER, "did not sign")
    assert [each["signer"] for each in shown(desk)] == ["li"]


def test_a_missing_program_is_named_and_decides_nothing(
    desk: Desk, signers: Signers, tmp_path: Path
) -> None:
    record, bare = record_of(desk, desk.names[0]), {"PATH": str(tmp_path)}
    for signer, program in ((signers.li, "openssh-client"), (signers.wang, "OpenSSL 3")):
        path = desk.write("signature", signer.sign(record))
        words = ("--signature", path, *desk.trust)
        desk.run("verify", desk.names[0], *words, **bare).expect(ExitCode.CANNOT_CHECK, program)
    desk.run("sign", desk.names[0], "--ssh-key", signers.li.key, **bare).refused(
        ExitCode.SIGNER, "install OpenSSH"
    )
    assert kept(desk) == []


def test_a_record_that_a_cms_signature_is_not_of_is_told_without_openssl(
    desk: Desk, signers: Signers, tmp_path: Path
) -> None:
    path = desk.write("signature", signers.wang.sign(record_of(desk, desk.names[1])))
    words = ("--signature", path, *desk.trust)
    desk.run("verify", desk.names[0], *words, PATH=str(tmp_path)).expect(ExitCode.MISMATCH)


def test_a_certificate_that_was_put_in_the_place_of_the_signers_is_refused(
    desk: Desk, signers: Signers, tmp_path: Path
) -> None:
    # Of the same key, issuer and number, and for another subject: that of the policy's signer.
    signer, other = signers.stranger, tmp_path / "other.pem"
    root = signer.root
    run_openssl(
        "x509", "-in", signer.certificate, "-CA", root, "-CAkey", root.with_suffix(".key"),
        "-set_subject", "/C=CN/O=Acme/CN=Li Lei", "-set_serial", "7", "-out", other,
    )  # fmt: skip
    record = record_of(desk, desk.names[0])
    swapped = signer.sign(record, *CADES, "-nocerts", "-certfile", str(other))
    path = desk.write("signature", swapped)
    desk.run("sign", desk.names[0], "--import", path).refused(
        ExitCode.MISMATCH, "another certificate than the one that was signed"
    )


def test_a_chain_of_certificates_is_signed_along_and_reaches_the_root(
    desk: Desk, signers: Signers, tmp_path: Path
) -> None:
    authority = CertifiedSigner(
        tmp_path, "authority", below=signers.wang, subject="/CN=Issuing",
        extensions="keyUsage=critical,keyCertSign\nbasicConstraints=critical,CA:TRUE\n",
    )  # fmt: skip
    issuer = tmp_path / "issuer.pem"
    issuer.write_bytes(authority.certificate.read_bytes())
    issuer.with_suffix(".key").write_bytes(authority.key.read_bytes())
    authority.root = issuer
    issued = CertifiedSigner(tmp_path, "issued", below=authority)
    chain = desk.write("chain.pem", issued.certificate.read_bytes() + issuer.read_bytes())
    desk.run("sign", desk.names[0], "--certificate", chain, "--key", issued.key).expect(0)
    (given,) = shown(desk)
    assert (given["signer"], given["verdict"]) == ("wang", "pass")


def test_a_bag_holds_signatures_and_the_record_and_the_commands_of_its_readme_work(
    desk: Desk, signers: Signers
) -> None:
    name, wang = desk.names[0], signers.wang
    desk.run("sign", name, "--ssh-key", signers.li.key).expect(0)
    desk.run("sign", name, "--certificate", wang.certificate, "--key", wang.key).expect(0)
    desk.pack("bag").expect(0)
    bag = desk.folder / "bag"
    assert (bag / f"signatures/{name}.record.json").read_bytes() == record_of(desk, name)
    ran = desk.run("verify", "bag", *desk.trust, "--json").expect(0)
    by_file = [each.get("signatures", []) for each in ran.document["files"]]
    assert sorted(each["signer"] for each in by_file[0]) == ["li", "wang"]
    assert by_file[1:] == [[], []]
    # The policy in the bag names both, and vouches for neither.
    assert b"[[signer]]" in (bag / "policy/trust.toml").read_bytes()
    words = ("verify", "bag", "--offline", "--block-hash", desk.block_hash, "--json")
    ran = desk.run(*words, "--accept-unpinned", "--chain-id", "31337").expect(0)
    assert {each["signer"] for each in ran.document["files"][0]["signatures"]} == {None}
    desk.write("bag/ALLOWED_SIGNERS", signers.li.allowed.replace("li ", "SIGNER ", 1).encode())
    desk.write("bag/ROOTS.pem", wang.root.read_bytes())
    for language in ("en", "zh"):
        readme = (bag / f"README.{language}.md").read_text("utf-8")
        commands = [line for line in readme.splitlines() if "signatures/" in line and " -" in line]
        programs = sorted(shlex.split(command)[0] for command in commands if command[0] in "osj")
        assert programs == ["jq", "openssl", "ssh-keygen"]
        for command in commands:
            if command[0] in "os":
                subprocess.run(command, shell=True, cwd=bag, check=True, capture_output=True)


def test_the_standalone_verifier_cannot_tell_and_says_how_to(desk: Desk, signers: Signers) -> None:
    name, wang = desk.names[0], signers.wang
    desk.run("sign", name, "--ssh-key", signers.li.key).expect(0)
    desk.run("sign", name, "--certificate", wang.certificate, "--key", wang.key).expect(0)
    desk.pack("bag").expect(0)
    ran = subprocess.run(
        [sys.executable, "-I", "verify/verify.py", ".", "--accept-unpinned", "--block-hash",
         desk.block_hash],
        cwd=desk.folder / "bag", capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in ran.stdout.splitlines() if "signature" in line]
    assert [("cannot tell" in line, name in line) for line in lines] == [(True, True)] * 2
    desk.write("bag/ALLOWED_SIGNERS", signers.li.allowed.replace("li ", "SIGNER ", 1).encode())
    desk.write("bag/ROOTS.pem", wang.root.read_bytes())
    for line in lines:
        command = line.partition("root: ")[2]
        subprocess.run(command, shell=True, cwd=desk.folder / "bag", check=True)


def test_a_signature_in_a_bag_that_is_of_another_record_fails(desk: Desk, signers: Signers) -> None:
    desk.run("sign", desk.names[0], "--ssh-key", signers.li.key).expect(0)
    desk.pack("bag").expect(0)
    (path,) = (desk.folder / "bag/signatures").glob("*.sshsig")
    path.write_bytes(signers.li.sign(record_of(desk, desk.names[1])))
    listed = desk.folder / "bag/tagmanifest-sha256.txt"
    digest = subprocess.run(["sha256sum", path], check=True, capture_output=True).stdout[:64]
    line = re.compile(rf"^[0-9a-f]{{64}}(?=  signatures/{re.escape(path.name)}$)", re.M)
    listed.write_text(line.sub(digest.decode(), listed.read_text()))
    counts = "3 in all: 2 verified with reservation, 1 not verified"
    desk.run("verify", "bag", *desk.trust).expect(ExitCode.MISMATCH, counts)


def test_a_certificate_shows_the_signatures_and_a_wrong_one_gets_none(
    desk: Desk, signers: Signers
) -> None:
    name = desk.names[0]
    certify = ("certify", name, "--no-pdf", "--replace", *desk.trust)
    desk.run(*certify).expect(0)
    without = json.loads((desk.folder / f"{name}.certificate.json").read_bytes())
    assert without["signatures"] is None
    for signer in (signers.li, signers.mallory):
        desk.run("sign", name, "--ssh-key", signer.key).expect(0)
    desk.run(*certify).expect(0)
    document = json.loads((desk.folder / f"{name}.certificate.json").read_bytes())
    given = {each["signer"]: each for each in document["signatures"]}
    assert (given["li"]["verdict"], given[None]["verdict"]) == ("pass", "cannot tell")
    assert given["li"]["file"] in kept(desk)
    page = (desk.folder / f"{name}.certificate.html").read_text("utf-8")
    for each in given.values():
        assert all(html.escape(each["detail"][language]) in page for language in ("en", "zh"))
    assert "neither when it was signed nor that the content is true" in page
    (desk.folder / given["li"]["file"]).write_bytes(signers.li.sign(b"another record"))
    desk.run(*certify).refused(ExitCode.MISMATCH, "not one of this record")


def test_a_policy_is_written_with_its_signers_as_it_was_read(desk: Desk) -> None:
    policy = TrustPolicy.parse((desk.folder / "trust.toml").read_bytes())
    assert [each.name for each in policy.signers] == ["li", "wang"]
    assert TrustPolicy.parse(encode_policy(policy.entries, (), policy.signers)) == policy


def test_a_subject_in_chinese_is_written_as_openssl_prints_it(
    desk: Desk, tmp_path: Path, signers: Signers
) -> None:
    signer = CertifiedSigner(tmp_path, "王芳", subject="/C=CN/O=某律师事务所, 北京/CN=王芳")
    policy = desk.folder / "trust.toml"
    policy.write_text(policy.read_text("utf-8") + signer.entry.replace("\\", "\\\\"), "utf-8")
    path = desk.write("signature", signer.sign(record_of(desk, desk.names[0])))
    (given,) = shown(desk, "--signature", path)
    assert given["signer"] == "王芳"


def test_signatures_by_an_rsa_key_are_verified_too(desk: Desk, tmp_path: Path) -> None:
    key = tmp_path / "rsa"
    run_ssh_keygen("-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", key)
    policy = desk.folder / "trust.toml"
    public = key.with_suffix(".pub").read_text().strip()
    policy.write_text(policy.read_text() + f'\n[[signer]]\nname = "rsa"\nssh_key = "{public}"\n')
    desk.run("sign", desk.names[0], "--ssh-key", key).expect(0)
    assert [each["signer"] for each in shown(desk)] == ["rsa"]


@pytest.mark.parametrize(
    "members",
    [
        'name = "a"',
        'name = "a"\nssh_key = "x"',
        'name = "a"\nssh_key = "ssh-ed25519 AAAA"',
        'name = "a"\nsubject = "CN=a"',
        'name = "a"\nroots = "x"\nsubject = "CN=a"',
        'name = ""\nssh_key = "{key}"',
        'name = "a"\nssh_key = "{key}"\nsubject = "CN=a"',
        'name = "a"\nssh_key = "{key}"\nurl = "https://127.0.0.1"',
        'name = "a"\nssh_key = "cert-authority {key}"',
    ],
)
def test_a_policy_with_a_bad_signer_is_refused(desk: Desk, signers: Signers, members: str) -> None:
    policy = desk.folder / "trust.toml"
    entry = members.replace("{key}", signers.li.public)
    policy.write_text(f"{policy.read_text()}\n[[signer]]\n{entry}\n")
    desk.run("verify", desk.names[0], *desk.trust).refused(2)


def check_chain(signer: CertifiedSigner) -> None:
    roots = parse_roots(signer.root.read_text())
    check_cms_chain(signer.sign(b"{}"), b"{}", roots, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("bits", [None, 2048])
def test_a_chain_of_112_bits_of_security_ends_at_the_root(tmp_path: Path, bits: int | None) -> None:
    check_chain(CertifiedSigner(tmp_path, "strong", rsa_bits=bits))


@pytest.mark.parametrize(
    ("bits", "digest", "reason"),
    [
        (512, "sha256", "key too weak"),
        (1024, "sha256", "key too weak"),
        (None, "sha1", "digest algorithm too weak"),
    ],
)
def test_a_chain_with_a_weak_key_or_digest_is_not_trusted(
    tmp_path: Path, bits: int | None, digest: str, reason: str
) -> None:
    with pytest.raises(NotTrustedError) as caught:
        check_chain(CertifiedSigner(tmp_path, "weak", rsa_bits=bits, digest=digest))
    assert reason in caught.value.message
