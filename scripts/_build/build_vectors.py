"""Write the test vectors in tests/vectors; with --check, compare instead.

The cases are in tests/support/vectors.  They do not use the anchor package: trees, proofs and the
expected results of altered proofs follow the recursive definitions in tests/support, notes are
signed with the package cryptography, and state tries come from the package trie.  The keys are made
from public seeds, so nobody may ever trust them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))

from support.vectors.bag_records import build_records
from support.vectors.bags import build_bags
from support.vectors.beacons import build_beacons
from support.vectors.bundle_beacons import build_bundle_beacons
from support.vectors.bundles import build_bundles
from support.vectors.cases import Case
from support.vectors.checkpoints import build_checkpoints
from support.vectors.choices import build_choices
from support.vectors.consistency import build_consistency
from support.vectors.evidence import build_evidence
from support.vectors.headers import build_headers
from support.vectors.inclusion import build_inclusion
from support.vectors.judged_bundles import build_judged_bundles
from support.vectors.kept_receipts import build_kept_receipts
from support.vectors.numbers import build_numbers
from support.vectors.policies import build_policies
from support.vectors.states import build_states
from support.vectors.submitters import build_submitters
from support.vectors.tiles import build_tiles
from support.vectors.tries import build_tries
from support.vectors.verification import build_verification
from support.vectors.zips import build_zips

# Receipts and bundles as they were first released, which nothing writes.
KEPT = ("anchor-receipt-1", "anchor-receipts-1")
FOLDER = Path(__file__).resolve().parents[2] / "tests" / "vectors"


def render() -> dict[str, bytes]:
    """Return the bytes of each file by its path below tests/vectors."""
    index, receipts = build_verification()
    texts = {
        "log/inclusion.json": dump(build_inclusion()),
        "log/consistency.json": dump(build_consistency()),
        "log/tiles.json": dump(build_tiles()),
        "log/checkpoints.json": dump(build_checkpoints()),
        "state/trie.json": dump(build_tries()),
        "state/headers.json": dump(build_headers()),
        "state/states.json": dump(build_states()),
        "state/submitters.json": dump(build_submitters()),
        "state/beacons.json": dump(build_beacons()),
        "bags/bags.json": dump(build_bags()),
        "bags/records.json": dump(build_records()),
        "bags/evidence.json": dump(build_evidence()),
        "bags/zip.json": dump(build_zips()),
        "bundles/bundles.json": dump(build_bundles()),
        "bundles/beacons.json": dump(build_bundle_beacons()),
        "bundles/choices.json": dump(build_choices()),
        "bundles/judged.json": dump(build_judged_bundles()),
        "numbers/numbers.json": dump(build_numbers()),
        "policies/policies.json": dump(build_policies()),
        "receipts/index.json": dump(build_kept_receipts()),
        "verification/index.json": dump(index),
    }
    files = {f"verification/{path}": data for path, data in receipts.items()}
    return {**{path: text.encode("ascii") for path, text in texts.items()}, **files}


def dump(document: dict[str, object]) -> str:
    """Return ASCII JSON with each case, rule or tile on a line of its own."""
    members = [f"{json.dumps(name)}: {dump_value(value)}" for name, value in document.items()]
    return "{\n" + ",\n".join(members) + "\n}\n"


def dump_value(value: object) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(dump_case, value)) + "\n]"
    if isinstance(value, dict):
        return json.dumps(value, indent=1).replace("\n}", "\n }")
    return json.dumps(value)


def dump_case(case: Case) -> str:
    fields = ", ".join(f"{json.dumps(name)}: {dump_value_of(case[name])}" for name in case)
    return f" {{{fields}}}"


def dump_value_of(field: object) -> str:
    return dump_value(field) if isinstance(field, dict) else json.dumps(field)


def find_stale() -> list[str]:
    """Return the names of the files that are not what this script writes."""
    rendered = render()
    there = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for folder in {Path(name).parent for name in rendered}
        for path in (FOLDER / folder).iterdir()
        if path.is_file() and not path.name.startswith(KEPT)
    }
    return sorted(
        name for name in rendered.keys() | there.keys() if rendered.get(name) != there.get(name)
    )


def main() -> None:
    """Write the files, or with --check report which are out of date."""
    if "--check" not in sys.argv:
        for name, data in render().items():
            (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_bytes(data)
    elif stale := find_stale():
        sys.exit(
            f"{', '.join(stale)} in tests/vectors: out of date, run "
            "`python scripts/_build/build_vectors.py`"
        )


if __name__ == "__main__":
    main()
