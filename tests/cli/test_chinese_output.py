"""With a Chinese locale every command prints Chinese on both streams, and no English sentence."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chinese_text import what_is_english
from support.command import Ran, start_anchor
from support.command_list import list_commands
from support.fixtures import MakeSite
from support.in_process import run_in_process
from support.nodes import DEV
from support.signers import SshSigner

from anchor.chain.devnet import Devnet, open_devnet

CHINESE = {"LANGUAGE": "", "LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8"}
# Commands that need no project, go on until they are ended, or are in tests/capture.
ELSEWHERE = {"capture", "capture-worker", "demo", "devnet", "replay", "serve"}
# Commands that print a document as it is stored.
DOCUMENTS = ("source", "trust show")

# Lines of a policy, a call or an API key; what is to be typed or put into a formula; and what
# SQLite and the parser of TOML say; fingerprints of keys.
QUOTED = re.compile(
    r"^(\[\[|[a-z_]+ = |(value|data|call)  |anchor_[0-9a-f_]+$|/join\?token=[0-9a-f]+$|用法：).*"
    r"|^  (anchor |\(printf|keccak256\().*|（(sha256sum|openssl) [^）]*）|eth_getStorageAt\(.*?\)"
    r"|(?<=不是 TOML：).*|(?<=文件已损坏：).*"
    r"|SHA256:[A-Za-z0-9+/]{43}|jq -j \.record RECEIPT > record\.json|(?<=record\.json）：).*"
    r"|(?<=信任其他证书、时间的设置：).*|(?<=仅含本机及回环条目：).*|(?<=certifi 清单之内：).*"
)
# Paths, commands, and the names of things.
NAMES = re.compile(
    r"^[a-z-]+ +\d+  |python3 -c .*|eip155:\S+|[\w.:~-]*[/.][\w./-]+|anchor [a-z-]+"
    r"|\b(SHA-256|sha-ni|py-evm|gas|gwei|ether|acme|them|submit|read|audit|manage|admin|owner|member|reader|auditor|MY-PROJECT"
    r"|Base|Hoodi|(OP |Base |Arbitrum )?Sepolia|Arbitrum One|Gnosis Chain)\b"
)

# What is run on one project, in this order, with the code that it ends with.
STEPS = {
    "at first": """
        0 networks
        0 init --devnet --rpc {url}
        0 list
        0 search a
        0 log
        0 api-key list
        0 tenant list
        0 hold list
        0 transactions list
        32 status
        32 run --once
        32 doctor
        0 deploy
        0 deploy
        0 seal
    """,
    "anchoring": """
        0 add a.txt folder
        2 add none.txt
        0 status
        0 run --once --json
        0 run --once
        0 add a.txt b.txt
        21 prove b.txt
        0 list
        0 list --limit 1
        0 search nothing-like-it
        2 search BZPE-PSQZ-S1QK-HPAJ-1
        0 search AC-20261128-0123456789ABCDEF
        0 seal
        0 status
        0 log
        0 stamp b.txt folder
        0 log 0
        0 log --from 1 --to 2
        0 doctor
        0 estimate 1000 --heads 10
    """,
    "verification": """
        0 prove a.txt
        0 prove --all
        0 upgrade a.txt
        0 verify a.txt
        0 verify a.txt --steps
        0 verify a.txt --quiet
        0 supersede b.txt a.txt --reason 缺页
        2 withdraw b.txt --reason 缺页
        0 collect --profile criminal-zh a.txt
        0 custody add b.txt --event copy --actor 王
        0 custody show b.txt
        0 explain a.txt
        0 certify a.txt --no-pdf
        2 certify a.txt --no-pdf --draft
        0 certify a.txt --no-pdf --draft --replace
        0 pack a.txt -o bag
        0 verify bag
        0 verify bag --steps
        2 pack a.txt -o bag
        2 pack a.txt -o missing/bag
        2 pack bag -o other
        2 pack - -o other
        2 pack changed.txt --out other
        0 sign a.txt --ssh-key ssh
        2 sign a.txt
        2 sign a.txt --import password
        0 verify a.txt
        2 timestamp
        0 audit
        0 audit --rebuild --originals
        0 export-log published
        0 audit published
        0 verifier --output page.html
        0 verifier --sha256
        0 source
        0 trust pin --rpc {url} --owner {owner} --finality 0 --output pinned.toml
        0 trust pin --rpc {url} --owner {owner} --log 7 --finality 0 --output other.toml
        0 trust add them pinned.toml
        0 trust add others pinned.toml
        0 trust list
        0 trust show them
        0 trust remove them
        0 trust remove others
        0 trust disallow .
        0 trust allow .
    """,
    "keys": """
        0 key new key.json --password-file password
        0 key show key.json
        0 operator add {stranger} --show-call
        0 operator add {stranger}
        0 operator add {stranger}
        0 operator list
        0 operator remove 1
        0 operator list
        0 api-key create acme --never-expires
        0 api-key create acme --json
        0 api-key list
        0 api-key revoke {id}
        0 api-key list
        0 tenant invite acme --role owner
        0 tenant invite acme --email li@example.org --json
        0 tenant list
        2 copies init
        2 copies rotate
        2 copies drop
        2 transactions give-up 1
    """,
    "retention": """
        0 hold add case b.txt --reason 因诉讼
        0 hold list
        2 erase b.txt --basis other --reason 应请求 --by 本所 --yes
        0 hold remove case
        0 erase b.txt --basis other --reason 应请求 --by 本所 --dry-run
        2 erase b.txt --basis other --reason 应请求 --by 本所
        0 erase b.txt --basis other --reason 应请求 --by 本所 --yes
        0 list
        0 run --once
    """,
    "errors": """
        10 verify changed.txt --receipt a.txt.anchor.json
        10 verify changed.txt --receipt a.txt.anchor.json --quiet
        2 verify
        2 verify a.txt none.txt
        2 verify none.txt
        2 verify password
        2 verify a.txt --lang de
        2 verify a.txt --receipt password
        2 verify a.txt --trust password
        2 verify --digest sha256:00
        12 verify a.txt --trust other.toml
        20 verify a.txt --trust pinned.toml --rpc http://127.0.0.1:1
        22 verify a.txt --receipt future.json
        2 explain password
        20 audit nowhere
        2 audit published --offline
        2 certify a.txt --replace --details password
        31 key show password
        2 key new a.txt --password-file none
        2 trust show nobody
        2 trust pin --owner 0x12
        2 search " "
        2 list --limit many
        2 list --limit 0
        2 verify a.txt --chain-id 0
        2 verify a.txt --chain-id x
        2 lst
        2 list --limt 1
        2 list --nothing
        2 list more
        2 list --limit
        2 list --json=1
        2 trust pin
        2 key show
        2 api-key create acme --never-expires --days 1
        2 api-key create Acme
        2 api-key create acme --scope all
        2 tenant invite Acme
        2 tenant invite acme --role king
        2 tenant invite acme --email nobody
        2 hold remove none
        2 init . --devnet --keystore key.json --owner 0x12
        2 init elsewhere
        2 restore --without-store --salvage
        2 log 77
    """,
    "recovery": """
        0 stamp d.txt
        0 backup ../backup
        0 backup --check ../backup
        0 backup --keep 1 ../backups
        0 backup --keep 1 ../backups
        32 restore
        0 restore --replace --backup ../backup
        0 succeed --into ../next --from-root {root} --show-call
        2 succeed --into ../next
        0 succeed --into ../next --yes
        13 verify d.txt --trust ../next/trust.toml
    """,
}

# Errors of a project whose configuration is changed in the environment.
FAULTS = {
    2: {"ANCHOR_CHAIN__FINALITY": "soon"},
    20: {"ANCHOR_CHAIN__RPC": "http://127.0.0.1:1"},
    30: {"ANCHOR_CHAIN__MAX_FEE_GWEI": "0.000001"},
    31: {"ANCHOR_SIGNER__PASSWORD_FILE": "none"},
    32: {"ANCHOR_CHAIN__GENESIS": "0x" + "12" * 32},
}


def list_steps(name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the commands of a stage, each with its exit code."""
    for line in filter(None, map(str.strip, STEPS[name].splitlines())):
        code, *words = shlex.split(line)
        yield int(code), words


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with evidence, for a project."""
    folder = tmp_path_factory.mktemp("chinese") / "project"
    (folder / "folder").mkdir(parents=True)
    (folder / "folder" / "link").symlink_to("../a.txt")
    for name in ("a.txt", "b.txt", "d.txt", "changed.txt"):
        (folder / name).write_text(name)
    (folder / "future.json").write_text('{"format": "anchor-receipt/9"}')
    (folder / "password").write_text("a long password\n")
    (folder / "password").chmod(0o600)
    SshSigner(folder, "ssh")
    return folder


def test_every_command_is_among_the_steps() -> None:
    words = [" ".join(words) for name in STEPS for _, words in list_steps(name)]
    left = {name for name in list_commands() if not any(line.startswith(name) for line in words)}
    assert left == ELSEWHERE


def test_all_that_commands_print_is_chinese(project: Path) -> None:
    values = {"owner": DEV, "stranger": "0x" + "12" * 20}
    with open_devnet(anvil=None) as node:
        values["url"] = node.url
        for name in STEPS:
            for code, words in list_steps(name):
                arguments = [word.format_map(values) for word in words]
                ran = run_in_process(*arguments, cwd=project, env=CHINESE).expect(code)
                check_chinese(ran, project)
                if "--json" in words:
                    values |= json.loads(ran.out)
            if name == "at first":
                (project / "c.txt").write_text("c")
                run_in_process("add", "c.txt", cwd=project).expect(0)
                for code, env in FAULTS.items():
                    ran = run_in_process("run", "--once", cwd=project, env=CHINESE | env)
                    check_chinese(ran.expect(code), project)
        with (project / "anchor.db").open("r+b") as store:
            store.seek(-6_000, os.SEEK_END)
            store.write(b"damaged" * 300)
        check_chinese(run_in_process("status", cwd=project, env=CHINESE).expect(33), project)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("run --every 1", "已锚定"),
        ("serve --port 0", "Ctrl-C"),
        ("devnet --embedded --port 0", "Ctrl-C"),
    ],
)
def test_what_goes_on_until_it_is_ended_is_told_in_chinese(
    words: str, shown: str, new_site: MakeSite, embedded: Devnet, tmp_path: Path
) -> None:
    site = new_site(embedded)
    site.add("a.txt", b"a")
    with start_anchor(
        *words.split(), cwd=site.folder, log=tmp_path / "log", env=CHINESE
    ) as running:
        check_lines(running.printed(shown), site.folder)


def test_the_demonstration_is_in_chinese(project: Path) -> None:
    folder = project / "folder"
    (folder / "a.txt").write_text("a")
    ran = run_in_process("demo", folder, "--embedded", cwd=project, env=CHINESE).expect(0)
    check_chinese(ran, project)


def test_a_report_may_be_asked_for_in_another_language(tmp_path: Path) -> None:
    asked = run_in_process("verify", "none.txt", "--lang", "zh", cwd=tmp_path).expect(2)
    assert asked.err.startswith("错误：")
    asked = run_in_process("verify", "none.txt", "--lang", "en", cwd=tmp_path, env=CHINESE)
    assert asked.expect(2).err.startswith("error: ")


def check_chinese(ran: Ran, project: Path) -> None:
    """Check both streams of a command, but for a document that it printed."""
    is_document = "--json" in ran.arguments or " ".join(ran.arguments).startswith(DOCUMENTS)
    check_lines(ran.err if is_document else ran.out + ran.err, project)


def check_lines(printed: str, project: Path) -> None:
    """Check each line; a project's folder may be named in it.

    The projects are on the embedded chain, whose nodes confirm that no block is final.
    """
    for line in printed.splitlines():
        assert "已最终确定" not in line or "视为" in line or "未通过" in line, line
        shown = QUOTED.sub("", line.replace(str(project.parent), ""))
        assert what_is_english(NAMES.sub("", shown)) is None, line
