"""Security D1 on the verifier page: files that came together must not verify themselves.

A forged contract, its receipt and a policy that calls the forger's own block final are dropped on
the page together, the policy under its own name and as a read-me, and the button is pressed without
a word of the person's own.  Once that gave exit code 0, and no node was asked.

Ends with 0 where nothing of it reproduces.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from support.bent_receipts import honest_receipts, world
from support.browser import open_browser
from support.desk import open_desk

import anchor.page
from anchor.types import Hash32
from anchor.verification.pinning import encode_policy

PAGE = (Path(anchor.page.__file__).parent / "verify.html").as_uri()


def main() -> int:
    """Return in how many ways the files verified themselves."""
    honest = honest_receipts()[0]
    (block,) = honest.given.block_hashes
    entry = dataclasses.replace(world().entry(), rpc=(), block_hashes=(Hash32(block),))
    receipt, wrong = json.dumps(honest.document).encode(), []
    with open_browser() as browser:
        for name in ("trust.toml", "readme.txt", "a.toml"):
            for answer in ("Leave it out", "Escape"):
                desk = open_desk(browser)
                desk.open(PAGE)
                files = {"contract.txt": world().files[6], "contract.txt.anchor.json": receipt}
                desk.drop(**{name: encode_policy([entry]), **files})
                desk.tab.wait_for_timeout(500)
                if answer == "Escape":
                    desk.tab.keyboard.press("Escape")
                else:
                    desk.tab.get_by_role("button", name=answer).click()
                page = desk.verify()
                if page["exit_code"] == 0 or page["policies"]:
                    wrong.append(f"{name}, {answer}: exit code {page['exit_code']}")
                desk.tab.context.close()
    print("\n".join(wrong), end="")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
