"""Faces D1: a development chain must not get the words of a real one.

A file is stamped on a devnet, whose owner's key is public, and verified under a policy that pins
that chain.  Every form of the result has to say what such a chain is worth.

Ends with 0 where nothing of it reproduces.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from support.command import run_anchor
from support.paths import ROOT

from anchor.chain.devnet import find_anvil, open_devnet

ENGLISH = "whoever runs it chooses its blocks and their times"
HEADLINE = "development chain (proves nothing about real time)"
CHINESE = "开发链"


def main() -> int:
    """Return how many forms say less than they have to."""
    anvil = find_anvil(ROOT)
    assert anvil is not None, "no working anvil: npm install"
    with tempfile.TemporaryDirectory() as name, open_devnet(anvil=anvil) as chain:
        work = Path(name)
        env = {"XDG_CONFIG_HOME": str(work / "user")}
        project = work / "project"
        run_anchor("init", "--devnet", "--rpc", chain.url, project, cwd=work, env=env).expect(0)
        run_anchor("deploy", cwd=project, env=env).expect(0)
        (project / "note.txt").write_text("meeting at noon\n")
        run_anchor("stamp", "note.txt", "--wait", "final", cwd=project, env=env).expect(0)
        verify = ("verify", "note.txt", "--trust", "trust.toml")

        def read(*words: str) -> str:
            return run_anchor(*words, cwd=project, env=env).expect(0).out

        long, chinese = read(*verify), read(*verify, "--lang", "zh")
        document = json.loads(read(*verify, "--json"))
        run_anchor("certify", "note.txt", "--no-pdf", cwd=project, env=env).expect(0)
        certificate = (project / "note.txt.certificate.json").read_text()
        missing = {
            "report": ENGLISH in long and HEADLINE in long,
            "plain headline": not long.startswith("VERIFIED  "),
            "Chinese report": CHINESE in chinese,
            "-q": HEADLINE in read(*verify, "-q"),
            "JSON": "development" in {
                anchor["chain"]["kind"] for anchor in document["files"][0]["anchors"]
            },
            "certificate": ENGLISH in certificate,
        }  # fmt: skip
        wrong = [form for form, is_said in missing.items() if not is_said]
        if wrong:
            print(f"does not say what a development chain is worth: {', '.join(wrong)}")
        return len(wrong)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
