"""The instructions in a bag, in Chinese and English: the page first, then every command."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from anchor.bag.bag_format import MANIFEST, POLICY, SM3_SUMS, TAG_MANIFEST
from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message, join, translate
from anchor.base.types import ChainId
from anchor.ethereum.known_chains import HEADLINES, find_chain, proves_time
from anchor.signatures.record_signature import SignatureKind, format_verification

VERIFIER = "verify/verify.py"
PAGE = "verify/verifier.html"
README: dict[Language, str] = {"zh": "README.zh.md", "en": "README.en.md"}

# Beyond these, the list of exhibits has the others.
_MOST_LISTED = 20
_FOLDERS = {
    "data/originals/": Message("bag-readme-originals"),
    "captures/": Message("bag-readme-captures"),
    "receipts/": Message("bag-readme-receipts"),
    "exhibits/": Message("bag-readme-exhibits"),
    "certificate/": Message("bag-readme-certificates"),
    "custody/": Message("bag-readme-custody"),
    "signatures/": Message("bag-readme-signed"),
    "notices/": Message("bag-readme-notices"),
    "statements/": Message("bag-readme-statements"),
    "timestamps/": Message("bag-readme-timestamps"),
    "verify/": Message("bag-readme-verifiers"),
}

_NO_TIME = Message("bag-readme-see-no-time")
# What the page may show for an original, and what it means.
_RESULTS = {
    HEADLINES["main"]: Message("bag-readme-see-verified"),
    HEADLINES["development"]: _NO_TIME,
    HEADLINES["test"]: _NO_TIME,
    HEADLINES["unlisted"]: Message("bag-readme-see-unlisted"),
    Message("verdict-mismatch"): Message("bag-readme-see-mismatch"),
    Message("verdict-not-trusted"): Message("bag-readme-see-not-trusted"),
    Message("verdict-not-anchored"): Message("bag-readme-see-not-anchored"),
    Message("verdict-not-final"): Message("bag-readme-see-not-final"),
    Message("verdict-cannot-tell"): Message("bag-readme-see-unknown"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBlock:
    """A block on which receipts in the bag rest, as they state it."""

    chain_id: ChainId
    log: str
    number: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """What the instructions state: who packed what, with which program and verifiers.

    ``signed`` is the time by which the record of each signed original existed, by its name.
    """

    program: str
    party: Message | str
    originals: int
    has_policy: bool
    blocks: Sequence[PackedBlock]
    verifier_sha256: str
    page_sha256: str
    not_proven: Sequence[Message]
    signed: Mapping[str, datetime] = field(default_factory=dict)


def write_readme(packing: Packing, names: Sequence[str], language: Language) -> bytes:
    """Return the instructions for a bag with the files ``names``, as Markdown."""

    def say(text: Message | str) -> str:
        return translate(text, language)

    lines = [
        f"# {say(Message('bag-readme-title'))}",
        say(_describe_bag(packing)),
        say(Message("bag-readme-packed", program=packing.program, party=packing.party)),
        f"## {say(Message('bag-readme-contents'))}",
        "\n".join(_list_folders(packing, names, language)),
        *explain_page(Message("bag-readme-page-drop"), packing.page_sha256, language),
        f"## {say(Message('bag-readme-complete'))}",
        say(Message("bag-readme-complete-how", list=TAG_MANIFEST)),
        _code(f"sha256sum {TAG_MANIFEST}", f"sha256sum -c {TAG_MANIFEST} {MANIFEST}"),
        say(Message("bag-readme-complete-limit")),
        say(Message("bag-readme-sm3", list=SM3_SUMS)),
        _code("openssl dgst -sm3 < FILE"),
        f"## {say(Message('bag-readme-verify'))}",
        *_explain_standalone(packing, language),
        say(Message("bag-readme-anchor")),
        _code("anchor verify . --trust POLICY.toml --rpc https://NODE --rpc https://ANOTHER"),
        *_explain_signatures(packing, names, language),
        f"## {say(Message('bag-readme-limits'))}",
        say(Message("report-not-proven", items=join(packing.not_proven, "semicolon"))),
    ]
    return ("\n\n".join(lines) + "\n").encode("utf-8")


def _describe_bag(packing: Packing) -> Message:
    """Return what the bag holds; where no chain of its blocks proves a time, without a promise."""
    kinds = [find_chain(block.chain_id).kind for block in packing.blocks]
    if kinds and not any(map(proves_time, kinds)):
        return Message("bag-readme-about-no-time", count=packing.originals)
    return Message("bag-readme-about", count=packing.originals)


def explain_page(drop: Message, page_sha256: str, language: Language) -> Iterable[str]:
    """Yield the sections on the verifier page; ``drop`` says what belongs on it."""
    steps = (
        Message("bag-readme-page-open", file=PAGE),
        drop,
        Message(
            "bag-readme-page-rely",
            chain=Message("page-chain"),
            owner=Message("page-owner"),
            hash=Message("page-block-hash"),
            nodes=Message("page-nodes"),
            verify=Message("page-verify"),
        ),
        Message("bag-readme-page-see"),
    )
    windows = f"certutil -hashfile {PAGE} SHA256".replace("/", "\\")
    commands = (
        Message("bag-readme-page-windows", command=windows),
        Message("bag-readme-page-unix", macos=f"shasum -a 256 {PAGE}", linux=f"sha256sum {PAGE}"),
    )
    yield f"## {translate(Message('bag-readme-browser'), language)}"
    results = (
        Message("bag-readme-see-line", result=result, meaning=meaning)
        for result, meaning in _RESULTS.items()
    )
    yield "\n".join(
        (
            *(f"{n}. {translate(step, language)}" for n, step in enumerate(steps, 1)),
            *(f"   - {translate(result, language)}" for result in results),
        )
    )
    yield translate(Message("bag-readme-see-other"), language)
    yield f"## {translate(Message('bag-readme-page-check'), language)}"
    yield translate(Message("bag-readme-page-why", sha256=page_sha256), language)
    yield "\n".join(f"- {translate(command, language)}" for command in commands)


def _explain_standalone(packing: Packing, language: Language) -> Iterable[str]:
    """Yield how to verify offline, by the blocks that the receipts are proven in."""
    if not packing.blocks:
        yield translate(Message("bag-readme-unproven"), language)
        return
    listed = packing.blocks[:_MOST_LISTED]
    standalone = Message("bag-readme-standalone", file=VERIFIER, sha256=packing.verifier_sha256)
    yield translate(Message("bag-readme-verify-how"), language)
    yield "\n".join(f"- {translate(_describe(block), language)}" for block in listed)
    yield translate(standalone, language)
    yield _code(*_list_commands(packing.blocks, language))


def _list_folders(packing: Packing, names: Sequence[str], language: Language) -> Iterable[str]:
    for folder, text in _FOLDERS.items():
        if any(name.startswith(folder) for name in names):
            yield f"- `{folder}`: {translate(text, language)}"
    if packing.has_policy:
        text = Message("bag-readme-policy", party=packing.party)
        yield f"- `{POLICY}`: {translate(text, language)}"


def _describe(block: PackedBlock) -> Message:
    return Message(
        "bag-readme-block",
        chain=block.chain_id,
        number=block.number,
        hash=block.hash,
        log=block.log,
    )


def _list_commands(blocks: Sequence[PackedBlock], language: Language) -> Iterable[str]:
    """Yield a command for each log, as the standalone verifier pins one."""
    for log in list(dict.fromkeys(block.log for block in blocks))[:_MOST_LISTED]:
        own = [block for block in blocks if block.log == log]
        chains = "".join(
            f" --chain-id {chain}" for chain in sorted({block.chain_id for block in own})
        )
        hashes = "".join(f" --block-hash {block.hash}" for block in own[:_MOST_LISTED])
        yield f"python3 {VERIFIER} .{chains} --log {log}{hashes} --lang {language}"


def _explain_signatures(
    packing: Packing, names: Sequence[str], language: Language
) -> Iterable[str]:
    """Yield how to verify the signatures and timestamps in the bag, if it has some."""
    signed = [name for name in names if name.startswith("signatures/")]
    commands = [command for name in signed for command in _commands_for_record(name, packing)]
    commands += [command for name in names for command in _command_for(name, frozenset(names))]
    if commands:
        yield f"## {translate(Message('bag-readme-signatures'), language)}"
        yield translate(Message("bag-readme-signatures-how"), language)
        if signed:
            yield translate(Message("bag-readme-signatures-record"), language)
        yield _code(*commands)


def _commands_for_record(name: str, packing: Packing) -> Iterable[str]:
    """Yield the commands about a file in the folder of signatures of records."""
    place = name.removeprefix("signatures/")
    if place.endswith(".record.json"):
        receipt = f"receipts/{place.removesuffix('.record.json')}.anchor.json"
        yield f"jq -j .record {shlex.quote(receipt)} | cmp - {shlex.quote(name)}"
        return
    stem, _, suffix = name.rpartition(".")
    original = stem.rpartition(".")[0].removeprefix("signatures/")
    kind: SignatureKind = "sshsig" if suffix == "sshsig" else "cades"
    record = f"signatures/{original}.record.json"
    yield format_verification(kind, name, record, packing.signed.get(original))


def _command_for(name: str, names: frozenset[str]) -> Iterable[str]:
    """Yield the command that verifies a signature or a timestamp, told by its suffix."""
    content, _, suffix = name.rpartition(".")
    if not name.startswith(("statements/", "timestamps/", "custody/", "certificate/")):
        return
    beside = [each for each in (content, f"{content}.checkpoint") if each in names]
    signed = shlex.quote(beside[0]) if beside else "SIGNED_FILE"
    file = shlex.quote(name)
    match suffix:
        case "sig" | "sshsig":
            yield (
                f"ssh-keygen -Y verify -f ALLOWED_SIGNERS -I SIGNER -n NAMESPACE -s {file}"
                f" < {signed}"
            )
        case "p7s" | "cms":
            yield (
                f"openssl cms -verify -binary -inform DER -in {file} -content {signed}"
                " -CAfile ROOTS.pem -out /dev/null"
            )
        case "tst":
            yield f"openssl ts -verify -data {signed} -in {file} -token_in -CAfile ROOTS.pem"
        case "tsr":
            yield f"openssl ts -verify -data {signed} -in {file} -CAfile ROOTS.pem"


def _code(*commands: str) -> str:
    return "\n".join(("```sh", *commands, "```"))
