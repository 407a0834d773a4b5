"""The verifier page's own script, run in Node without the page."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from support.bent_receipts import Given, world

from anchor.digest import Digests
from anchor.trust import encode_policy
from anchor.web import load_page

DRIVER = Path(__file__).with_name("page_driver.mjs")


class Refused(NamedTuple):
    """What the script refused, and with which exit code."""

    code: int
    message: str


def unpack(page: bytes) -> tuple[str, str, str]:
    """Return the style, the markup and the script that are packed in the page."""
    packed = re.search(rb'id="packed">([^<]+)<', page)
    assert packed is not None
    style, markup, script = zlib.decompress(base64.b64decode(packed[1]), wbits=-15).split(b"\0")
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
        return self.judge_evidence(
            receipt,
            world().evidence(given.leaf),
            policy=given.policy and encode_policy(given.policy.entries).decode("utf-8"),
            block_hashes=sorted("0x" + named.hex() for named in given.block_hashes),
        )

    def judge_evidence(
        self,
        receipt: bytes,
        evidence: Digests,
        *,
        policy: str | None,
        block_hashes: list[str],
        rpc: list[str] | None = None,
        quorum: int | None = None,
    ) -> dict[str, Any]:
        """Return the report for digests of any evidence; without ``rpc`` no node is asked."""
        digests = {"sha256": evidence.sha256, "sm3": evidence.sm3}
        return self.ask(
            "judge",
            receipt=base64.b64encode(receipt).decode("ascii"),
            evidence={name: value and value.hex() for name, value in digests.items()}
            | {"size": evidence.size},
            policy=policy,
            block_hashes=block_hashes,
            rpc=rpc,
            quorum=quorum,
        )


@contextmanager
def run_page_script() -> Iterator[PageScript]:
    """Run the script of the page in the package."""
    with tempfile.TemporaryDirectory(prefix="anchor-page-") as folder:
        script = Path(folder) / "script.js"
        script.write_text(unpack(load_page())[2], "utf-8")
        process = subprocess.Popen(
            ["node", str(DRIVER), str(script)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip
        with process:
            yield PageScript(process)
            assert process.stdin is not None
            process.stdin.close()
        assert process.returncode == 0
