"""The verifier page's own script, run in Node without the page."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tempfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from support.bent_receipts import Given, world

from anchor.base.digests import Digests
from anchor.page import load_page
from anchor.verification.pinning import encode_policy


class Refused(NamedTuple):
    """What the script refused, why (also in Chinese), and with which exit code."""

    code: int
    message: str
    chinese: str


def as_on_the_page(document: dict[str, Any]) -> dict[str, Any]:
    """Return the package's document as the page says it: chains are named in a field there."""
    text = json.dumps(document).replace("policy or --chain-id names it", "policy or you name it")
    said: dict[str, Any] = json.loads(text)
    return said


def without_advice(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out of one file's report what the page says otherwise: a problem's id and hint."""
    if document.get("problem"):
        del document["problem"]["hint"], document["problem"]["id"]
    return document


def unpack(page: bytes) -> tuple[str, str, str]:
    """Return the style, the markup and the script that are packed in the page."""
    packed = re.search(rb'id="packed">([^<]+)<', page)
    assert packed is not None
    data = base64.a85decode(packed[1].replace(b"v", b"<"))
    style, markup, script = zlib.decompress(data[data[0] :], wbits=-15).split(b"\0")
    return style.decode("utf-8"), markup.decode("utf-8"), script.decode("utf-8")


class PageScript:
    """A running script; ``ask`` puts one question to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, what: str, **members: Any) -> Any:
        """Return the answer, or `Refused`; a bug of the script fails the test."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"ask": what, **members}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "bug" not in answer, answer["bug"]
        return answer["answer"] if "answer" in answer else Refused(**answer)

    def judge(self, receipt: bytes, given: Given) -> dict[str, Any]:
        """Return the report, as ``anchor verify --json`` prints it, of leaf ``given.leaf``."""
        return self.ask("judge", **_describe(receipt, given))

    def list_shown(self, receipt: bytes, given: Given) -> dict[str, str]:
        """Return the verdict of each claim as the page shows it, by the claim's id."""
        shown: dict[str, str] = self.ask("shown", **_describe(receipt, given))
        return shown

    def list_sentences(self, receipt: bytes, given: Given) -> list[tuple[str, str]]:
        """Return what the report says, each sentence in English and in Chinese."""
        pairs: list[list[str]] = self.ask("sentences", **_describe(receipt, given))
        return [(english, chinese) for english, chinese in pairs]

    def exit_codes(self, cases: Sequence[tuple[bytes, Given]]) -> list[int]:
        """Return the exit code of each receipt with what is given beside it, in one question."""
        codes: list[int] = self.ask("codes", cases=[_describe(*case) for case in cases])
        return codes

    def ask_bags(
        self,
        archives: Sequence[bytes],
        *,
        policy: str | None,
        blocks: Sequence[str],
        accept_unpinned: bool = False,
    ) -> list[Any]:
        """Return the code of each ZIP file, and those of its originals, each with its claim C7."""
        bags = [base64.b64encode(data).decode("ascii") for data in archives]
        given = {"policy": policy, "block_hashes": list(blocks), "accept_unpinned": accept_unpinned}
        answers: list[Any] = self.ask("bags", bags=bags, **given)
        return answers

    def judge_evidence(
        self,
        receipt: bytes,
        evidence: Digests,
        *,
        policy: str | None,
        block_hashes: list[str],
        rpc: list[str] | None = None,
        quorum: int | None = None,
        chain_ids: Collection[int] = (),
        accept_unpinned: bool = False,
    ) -> dict[str, Any]:
        """Return the report for digests of any evidence; without ``rpc`` no node is asked."""
        return self.ask(
            "judge",
            receipt=base64.b64encode(receipt).decode("ascii"),
            evidence=_spell(evidence),
            policy=policy,
            block_hashes=block_hashes,
            chain_ids=list(chain_ids),
            accept_unpinned=accept_unpinned,
            rpc=rpc,
            quorum=quorum,
        )


def _describe(receipt: bytes, given: Given) -> dict[str, Any]:
    policy = given.policy and encode_policy(given.policy.entries).decode("utf-8")
    return {
        "receipt": base64.b64encode(receipt).decode("ascii"),
        "evidence": _spell(world().evidence(given.leaf)),
        "policy": policy,
        "block_hashes": sorted("0x" + named.hex() for named in given.block_hashes),
        "chain_ids": list(given.chain_ids),
        "accept_unpinned": given.accept_unpinned,
        "rpc": None,
        "quorum": None,
    }


def _spell(evidence: Digests) -> dict[str, Any]:
    digests = {"sha256": evidence.sha256, "sm3": evidence.sm3}
    spelled = {name: value and value.hex() for name, value in digests.items()}
    return {**spelled, "size": evidence.size}


@contextmanager
def run_page_script() -> Iterator[PageScript]:
    """Run the script of the page in the package."""
    with _run_script(unpack(load_page())[2], "page_driver.mjs") as running:
        yield running


@contextmanager
def run_submit_script() -> Iterator[PageScript]:
    """Run the script of the service's page for submitting."""
    with _run_script(_read_static("submit.js"), "submit_driver.mjs") as running:
        yield running


def _read_static(name: str) -> str:
    static = resources.files("anchor.service.pages").joinpath("static")
    return static.joinpath(name).read_text("utf-8")


@contextmanager
def _run_script(text: str, driver: str) -> Iterator[PageScript]:
    with tempfile.TemporaryDirectory(prefix="anchor-page-") as folder:
        script = Path(folder) / "script.js"
        script.write_text(text, "utf-8")
        process = subprocess.Popen(
            ["node", str(Path(__file__).with_name(driver)), str(script)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip
        with process:
            yield PageScript(process)
            assert process.stdin is not None
            process.stdin.close()
        assert process.returncode == 0
