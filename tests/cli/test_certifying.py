"""`anchor certify`: what verifies gets three files, always the same; what does not gets none."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.command import Ran, environment, run_anchor
from support.in_process import run_in_process
from support.projects import Site, make_site

from anchor.certificate.model import Certificate
from anchor.chain.devnet import Devnet
from anchor.ethereum.header import parse_header
from anchor.receipt.format import parse_receipt

KINDS = ("json", "html", "pdf")
DETAILS = 'format = "anchor-certificate-details/1"\n'

# No node may be asked, and nothing that could is loaded.
OFFLINE = """
import socket
import sys


def refuse(*_, **__):
    raise AssertionError("a socket was asked for")


socket.socket.connect = socket.socket.connect_ex = socket.create_connection = refuse
socket.getaddrinfo = socket.gethostbyname = refuse
from anchor.cli import main

sys.argv = ["anchor", *sys.argv[1:]]
try:
    main()
finally:
    loaded = {name.partition(".")[0] for name in sys.modules}
    assert not loaded & {"web3", "requests", "sqlalchemy", "eth_account"}, loaded
"""
# A machine that has none.
WITHOUT_FONTS = """
import sys
import typst

real = typst.Fonts
typst.Fonts = lambda **options: real(**options | {"include_system_fonts": False})
from anchor.cli import main

sys.argv = ["anchor", *sys.argv[1:]]
main()
"""

Certify = Callable[..., Ran]


@pytest.fixture(scope="module")
def site(module_anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a project with two stamped files, one of them by an operator's key."""
    site = make_site(tmp_path_factory.mktemp("certifying") / "project", module_anvil, number=0)
    site.write("deed.txt", b"one field, two cows")
    site.write("map.txt", b"the field, drawn")
    site.run("stamp", "deed.txt", "map.txt").expect(0)
    return site


@pytest.fixture
def folder(site: Site, tmp_path: Path) -> Path:
    """Return a folder with both files, their receipts and the trust policy, and no project."""
    away = tmp_path / "away"
    away.mkdir()
    for name in ("deed.txt", "map.txt"):
        shutil.copy(site.folder / name, away)
        shutil.copy(site.folder / f"{name}.anchor.json", away)
    shutil.copy(site.folder / "trust.toml", away)
    return away


def block_hash(folder: Path, name: str = "deed.txt") -> str:
    state = parse_receipt((folder / f"{name}.anchor.json").read_bytes()).anchors[0].state
    assert state is not None
    return "0x" + parse_header(state.header).hash.hex()


def offline(folder: Path) -> tuple[str, ...]:
    return ("--trust", "trust.toml", "--offline", "--block-hash", block_hash(folder))


def written(folder: Path, name: str = "deed.txt") -> dict[str, bytes]:
    files = {kind: folder / f"{name}.certificate.{kind}" for kind in KINDS}
    return {kind: file.read_bytes() for kind, file in files.items() if file.exists()}


def test_three_files_say_what_was_verified(folder: Path) -> None:
    ran = run_anchor("certify", "deed.txt", *offline(folder), cwd=folder).expect(0)
    files = written(folder)
    assert set(files) == set(KINDS)
    certificate = Certificate.model_validate_json(files["json"], strict=True)
    digest = hashlib.sha256(b"one field, two cows").hexdigest()
    assert certificate.evidence.sha256 == digest
    assert certificate.anchors[0].finality == "asserted"
    assert certificate.anchors[0].transaction is None
    policy = hashlib.sha256((folder / "trust.toml").read_bytes()).hexdigest()
    (named,) = certificate.verification.policies
    assert (named.name, named.sha256, named.source) == ("trust.toml", policy, "option")
    assert certificate.clock == "machine"
    for data in files.values():
        assert hashlib.sha256(data).hexdigest() in ran.out
    assert certificate.certificate_no in ran.out
    assert "font: " in ran.out


def test_without_the_file_a_certificate_says_that_only_a_digest_was_compared(folder: Path) -> None:
    (folder / "deed.txt").unlink()
    command = ("certify", "deed.txt.anchor.json", *offline(folder), "--no-pdf")
    digest = hashlib.sha256(b"one field, two cows").hexdigest()
    run_in_process(*command, "--digest", f"sha256:{'0' * 64}", cwd=folder).refused(10, "0000")
    assert written(folder) == {}
    run_in_process(*command, "--digest", f"sha256:{digest}", cwd=folder).expect(0)
    files = written(folder)
    certificate = Certificate.model_validate_json(files["json"], strict=True)
    assert certificate.evidence.compared == "digest"
    assert "file itself was not presented" in certificate.statement.en
    for words in ("未出示文件", "the file was not presented"):
        assert words in files["html"].decode()


def test_the_document_names_every_file_with_its_digest(folder: Path) -> None:
    ran = run_anchor("certify", "deed.txt.anchor.json", *offline(folder), "--json", cwd=folder)
    document = ran.expect(0).document
    (certificate,) = document["certificates"]
    files = written(folder)
    assert {kind: file["sha256"] for kind, file in certificate["files"].items()} == {
        kind: hashlib.sha256(data).hexdigest() for kind, data in files.items()
    }
    assert document["exit_code"] == 0
    for path, sha256 in document["font"]["files"].items():
        assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == sha256


def test_offline_no_socket_is_opened(folder: Path) -> None:
    command = [sys.executable, "-c", OFFLINE, "certify", "deed.txt", *offline(folder)]
    ran = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_nodes_are_asked_and_named_without_their_secrets(folder: Path, site: Site) -> None:
    url = site.url.replace("http://", "http://user:s3cr3t@") + "/?key=h1dd3n"
    run_anchor("certify", "deed.txt", "--trust", "trust.toml", "--rpc", url, cwd=folder).expect(0)
    files = written(folder)
    certificate = Certificate.model_validate_json(files["json"], strict=True)
    assert certificate.verification.nodes == [site.url]
    assert certificate.verification.retrieved_at is not None
    assert certificate.anchors[0].assurance == "rpc"
    hints = parse_receipt((folder / "deed.txt.anchor.json").read_bytes()).anchors[0].hints
    transaction = certificate.anchors[0].transaction
    assert hints is not None and transaction is not None
    assert transaction.hash == "0x" + hints.tx_hash.hex()
    assert transaction.nodes == [site.url]
    assert transaction.hash.encode() in files["html"]
    assert not any(word in data for data in files.values() for word in (b"s3cr3t", b"h1dd3n"))


def test_the_same_inputs_give_the_same_bytes_wherever_and_whenever(folder: Path) -> None:
    found = []
    settings = (
        {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"},
        {"TZ": "Asia/Shanghai", "LC_ALL": "C", "LANG": "zh_CN.UTF-8", "PYTHONHASHSEED": "2"},
        {"TZ": "America/St_Johns", "LANG": "de_DE.UTF-8", "HOME": "/nonexistent"},
    )
    for number, variables in enumerate(settings):
        copy = folder.parent / ("deep/" * number + f"copy {number}")
        shutil.copytree(folder, copy)
        arguments = [
            *offline(folder),
            "--details",
            "details.toml",
            "--issued-at",
            moment_of(folder),
        ]
        (copy / "details.toml").write_text(DETAILS + '[issuer]\nname = "出证人"\n', "utf-8")
        run_anchor("certify", "deed.txt", *arguments, cwd=copy, env=variables).expect(0)
        found.append(written(copy))
    assert set(found[0]) == set(KINDS)
    assert found[0] == found[1] == found[2]


def moment_of(folder: Path) -> str:
    """Return the time of the anchor, which is not later than now."""
    anchor = parse_receipt((folder / "deed.txt.anchor.json").read_bytes()).anchors[0]
    return datetime.fromtimestamp(anchor.timestamp - 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_environment_can_give_the_moment(folder: Path) -> None:
    anchor = parse_receipt((folder / "deed.txt.anchor.json").read_bytes()).anchors[0]
    epoch = str(anchor.timestamp - 60)
    run_anchor(
        "certify", "deed.txt", *offline(folder), "--no-pdf", cwd=folder,
        env={"SOURCE_DATE_EPOCH": epoch},
    ).expect(0)  # fmt: skip
    certificate = Certificate.model_validate_json(written(folder)["json"], strict=True)
    assert (certificate.issued_at, certificate.clock) == (moment_of(folder), "given")


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("2999-01-01T00:00:00Z", "later than now"),
        ("2020-01-01T00:00:00Z", "before the anchoring time that it certifies"),
        ("yesterday", "not a valid time"),
    ],
)
def test_an_impossible_moment_is_bad_usage(named: str, words: str, folder: Path) -> None:
    ran = run_anchor(
        "certify", "deed.txt", *offline(folder), "--no-pdf", "--issued-at", named, cwd=folder
    )
    ran.refused(2, words)
    assert written(folder) == {}


def _alter(folder: Path) -> tuple[str, ...]:
    (folder / "deed.txt").write_bytes(b"one field, three cows")
    return offline(folder)


def _distrust(folder: Path) -> tuple[str, ...]:
    policy = folder / "trust.toml"
    policy.write_text(policy.read_text("utf-8").replace("logs = [0]", "logs = [7]"), "utf-8")
    return offline(folder)


def _name_no_block(folder: Path) -> tuple[str, ...]:
    return ("--trust", "trust.toml", "--offline")


def _ask_nobody(folder: Path) -> tuple[str, ...]:
    return ("--trust", "trust.toml", "--rpc", "http://127.0.0.1:1")


def _spoil(folder: Path) -> tuple[str, ...]:
    arguments = offline(folder)
    (folder / "deed.txt.anchor.json").write_bytes(b"{}")
    return arguments


@pytest.mark.parametrize("draft", [(), ("--draft",)])
@pytest.mark.parametrize(
    ("spoil", "code"),
    [(_alter, 10), (_distrust, 12), (_name_no_block, 20), (_ask_nobody, 20), (_spoil, 2)],
)
def test_what_does_not_verify_gets_no_certificate_and_verifys_code(
    spoil: Callable[[Path], tuple[str, ...]], code: int, draft: tuple[str, ...], folder: Path
) -> None:
    arguments = spoil(folder)
    if not draft:
        run_anchor("verify", "deed.txt", *arguments, cwd=folder).expect(code)
    run_anchor("certify", "deed.txt", *arguments, *draft, "--no-pdf", cwd=folder).refused(code)
    assert not list(folder.glob("*.certificate.*"))


def test_what_is_not_final_gets_a_draft_only(module_anvil: Devnet, tmp_path: Path) -> None:
    site = make_site(tmp_path / "pending", module_anvil, number=3)
    site.add("later.txt", b"not anchored yet")
    site.run("seal").expect(0)
    site.run("prove", "later.txt").expect(0)
    site.run("certify", "later.txt").refused(21, "--draft")
    assert written(site.folder, "later.txt") == {}
    ran = site.run("certify", "later.txt", "--draft", "--json").expect(0)
    (listed,) = ran.document["certificates"]
    assert listed["draft"]
    files = written(site.folder, "later.txt")
    certificate = Certificate.model_validate_json(files["json"], strict=True)
    assert certificate.draft
    assert certificate.anchors == []
    assert "草稿".encode() in files["html"]


def test_of_several_each_is_for_itself(folder: Path) -> None:
    (folder / "map.txt").write_bytes(b"the field, drawn larger")
    hashes = ("--block-hash", block_hash(folder, "map.txt"))
    ran = run_anchor(
        "certify", "map.txt", "deed.txt", *offline(folder), *hashes, "--no-pdf", "--json",
        cwd=folder,
    ).expect(10, "map.txt: the sha256")  # fmt: skip
    assert [item["file"] for item in ran.document["certificates"]] == ["deed.txt"]
    assert [item["file"] for item in ran.document["refused"]] == ["map.txt"]
    assert set(written(folder)) == {"json", "html"}
    assert written(folder, "map.txt") == {}


def test_files_elsewhere_and_a_folder_for_the_certificates(folder: Path) -> None:
    (folder / "files").mkdir()
    for name in ("deed.txt", "map.txt"):
        (folder / name).rename(folder / "files" / f"moved-{name}")
    hashes = ("--block-hash", block_hash(folder, "map.txt"))
    receipts = ("deed.txt.anchor.json", "map.txt.anchor.json")
    files = ("--file", "files/moved-deed.txt", "--file", "files/moved-map.txt")
    common = (*offline(folder), *hashes, "--no-pdf", "-o", "out/there")
    run_anchor("certify", *receipts, *files, *common, cwd=folder).expect(0)
    assert set(written(folder / "out" / "there")) == {"json", "html"}
    assert set(written(folder / "out" / "there", "map.txt")) == {"json", "html"}
    run_anchor("certify", *receipts, *files[:2], *common, cwd=folder).refused(2, "1 files for 2")
    swapped = (*receipts, *reversed_files(files), *common, "--replace")
    run_anchor("certify", *swapped, cwd=folder).expect(10)


def reversed_files(files: tuple[str, ...]) -> tuple[str, ...]:
    return (*files[2:], *files[:2])


def test_two_certificates_never_go_to_one_place(folder: Path) -> None:
    (folder / "sub").mkdir()
    for name in ("deed.txt", "deed.txt.anchor.json"):
        shutil.copy(folder / name, folder / "sub" / name)
    both = ("deed.txt", "sub/deed.txt")
    run_anchor("certify", *both, *offline(folder), "-o", "out", cwd=folder).refused(2, "deed.txt")
    assert not (folder / "out").exists()
    run_anchor("certify", *both, *offline(folder), "--no-pdf", cwd=folder).expect(0)
    assert written(folder)["json"][:30] == written(folder / "sub")["json"][:30]


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_that_exists_is_replaced_only_on_request(kind: str, folder: Path) -> None:
    existing = folder / f"deed.txt.certificate.{kind}"
    existing.write_bytes(b"handed in last year")
    command = ("certify", "map.txt", "deed.txt", *offline(folder), "--no-pdf")
    hashes = ("--block-hash", block_hash(folder, "map.txt"))
    run_anchor(*command, *hashes, cwd=folder).refused(2, str(existing.name), "--replace")
    assert (written(folder), written(folder, "map.txt")) == ({kind: b"handed in last year"}, {})
    run_anchor(*command, *hashes, "--replace", cwd=folder).expect(0)
    assert {"json", "html"} <= set(written(folder))


def test_details_are_printed_and_an_exhibit_of_no_receipt_is_refused(folder: Path) -> None:
    digest = hashlib.sha256(b"one field, two cows").hexdigest()
    exhibit = f'[[exhibits]]\ndigest = "sha256:{digest}"\ntitle = "田契"\n'
    (folder / "details.toml").write_text(DETAILS + exhibit, "utf-8")
    common = ("deed.txt", *offline(folder), "--no-pdf")
    run_anchor("certify", *common, "--details", "details.toml", cwd=folder).expect(0)
    files = written(folder)
    assert json.loads(files["json"])["stated"]["exhibit"]["title"] == "田契"
    assert "田契".encode() in files["html"]
    for file in folder.glob("*.certificate.*"):
        file.unlink()
    (folder / "details.toml").write_text(DETAILS + exhibit.replace(digest, "0" * 64), "utf-8")
    ran = run_anchor("certify", *common, "--details", "details.toml", cwd=folder)
    ran.refused(2, "none of the receipts given is for it")
    (folder / "details.json").write_text('{"format":"x"}')
    run_anchor("certify", *common, "--details", "details.json", cwd=folder).refused(22, "'x'")
    assert written(folder) == {}


def test_without_a_font_it_says_what_to_install_before_anything_is_asked(folder: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_FONTS, "certify", "deed.txt"]
    ran = subprocess.run(
        [*command, "--trust", "trust.toml", "--rpc", "http://127.0.0.1:1"],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2, ran
    assert "no font with Chinese characters" in ran.stderr
    for words in ("fonts-noto-cjk", "--font", "--no-pdf"):
        assert words in ran.stderr
    done = subprocess.run(
        [*command, *offline(folder), "--no-pdf"], cwd=folder, env=environment(), check=False
    )
    assert done.returncode == 0
    assert set(written(folder)) == {"json", "html"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--offline", "--rpc", "http://127.0.0.1:1"), "--offline asks no node"),
        (("--no-pdf", "--font", "x.ttf"), "--font is for the PDF"),
        (("--font", "x.ttf"), "x.ttf cannot be read"),
        (("--details", "none.toml"), "none.toml cannot be read"),
        (("--block-hash", "0x00"), "--block-hash"),
        (("--digest", "sha256:" + "0" * 64, "--file", "deed.txt"), "--digest stands for the file"),
        (("--digest", "sha256:" + "0" * 64, "--papers", "zh"), "--digest stands for the file"),
        (("--digest", "sha256:" + "0" * 64, "map.txt"), "--digest stands for the file"),
        (("--digest", "00"), "00"),
    ],
)
def test_bad_usage_is_told(arguments: tuple[str, ...], words: str, folder: Path) -> None:
    run_in_process("certify", "deed.txt", *arguments, cwd=folder).refused(2, words)
    assert written(folder) == {}


def test_papers_are_drafted_beside_the_certificate_and_never_over_others(folder: Path) -> None:
    (folder / "details.toml").write_text(DETAILS + '[declarant]\nname = "Dana Doe"\n', "utf-8")
    arguments = ("certify", "deed.txt", *offline(folder), "--details", "details.toml")
    papers = ("--papers", "us-902", "--papers", "vermont", "--papers", "zh")
    ran = run_anchor(*arguments, *papers, "--json", cwd=folder).expect(0)
    (written,) = ran.document["certificates"]
    for name in ("us-902", "vermont", "zh"):
        path = folder / f"deed.txt.draft-{name}.html"
        assert written["files"][name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert b"Dana Doe" in path.read_bytes()
        pdf = path.with_suffix(".pdf").read_bytes()
        assert written["files"][f"{name}-pdf"]["sha256"] == hashlib.sha256(pdf).hexdigest()
    for path in folder.glob("deed.txt.certificate.*"):
        path.unlink()
    run_anchor(*arguments, *papers, cwd=folder).expect(2, "deed.txt.draft-us-902.html")
    for path in folder.glob("deed.txt.draft-*.html"):
        path.unlink()
    run_anchor(*arguments, *papers, cwd=folder).expect(2, "deed.txt.draft-us-902.pdf")
    assert not (folder / "deed.txt.certificate.json").exists()


def test_an_unknown_paper_is_bad_usage_and_writes_nothing(folder: Path) -> None:
    ran = run_anchor("certify", "deed.txt", *offline(folder), "--papers", "us-901", cwd=folder)
    ran.expect(2, "unknown paper 'us-901'")
    assert written(folder) == {}


def test_the_pdf_is_signed_with_the_key_of_a_file_and_the_password_stays_hidden(
    folder: Path,
) -> None:
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=Dana -days 9",
        "pkcs12 -export -inkey k.pem -in c.pem -out key.p12 -passout pass:s3cr3t",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    arguments = ("certify", "deed.txt", *offline(folder), "--sign", "key.p12")
    named = ("--sign-password-env", "PDF_PASSWORD")
    run_anchor(*arguments, cwd=folder).refused(31, "there is no terminal")
    run_anchor(*arguments, *named, cwd=folder).refused(2, "PDF_PASSWORD is not set")
    run_anchor(*arguments, *named, cwd=folder, env={"PDF_PASSWORD": "no"}).refused(31, "key.p12")
    run_anchor(*arguments, *named, "--draft", cwd=folder).refused(2, "--draft")
    run_anchor("certify", "deed.txt", *named, cwd=folder).refused(2, "needs --sign")
    assert written(folder) == {}
    ran = run_anchor(*arguments, *named, cwd=folder, env={"PDF_PASSWORD": "s3cr3t"}).expect(0)
    assert b"/ETSI.CAdES.detached" in written(folder)["pdf"]
    assert "s3cr3t" not in ran.out + ran.err


def test_what_is_no_custody_event_or_is_for_several_files_gets_no_certificate(
    folder: Path,
) -> None:
    arguments = (*offline(folder), "--no-pdf", "--custody", "map.txt.anchor.json")
    run_anchor("certify", "deed.txt", *arguments, cwd=folder).refused(2, "not the receipt of a")
    ran = run_anchor("certify", "deed.txt", "map.txt", *arguments, cwd=folder)
    ran.refused(2, "--custody needs exactly one file")
    assert written(folder) == {}
