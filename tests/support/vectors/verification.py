"""verification/index.json and the receipts that it names: offline verifications from end to end."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from support.vectors.cases import Case
from support.vectors.offline_world import (
    CODE_HASHES,
    DEVELOPMENT,
    GENESIS,
    MAIN,
    REGISTRY,
    Given,
)
from support.vectors.receipt_bends import (
    list_bounds,
    list_left_aside,
    list_order,
    list_record_bends,
    list_spellings,
)
from support.vectors.receipt_forms import list_members, list_records, list_texts
from support.vectors.receipt_nodes import list_headers, list_nodes
from support.vectors.receipt_pins import list_files, list_pins
from support.vectors.receipt_proofs import list_blocks, list_stated, list_states
from support.vectors.receipt_rows import Row
from support.vectors.receipt_senders import list_senders, list_successors
from support.vectors.receipt_times import list_beacons, list_several, list_times

RULES = {
    "strict-json": "the receipt's bytes are strict JSON of at most 1,048,576 bytes",
    "version": "format and schema are of version 1: of another nothing can be told",
    "members": "every member of the receipt is there, known and in its form",
    "record": "the record is canonical, and every member in its form",
    "algorithm": "the record has a digest of a known algorithm: else nothing can be told",
    "file": "step 2: the file has the record's digests and size",
    "path": "step 3: the path leads from the record's leaf to the root",
    "owner": "step 3: the log that the record names has the same owner",
    "pinned": "step 4: something pins the log, and it is what is pinned",
    "named": "step 4: an anchor is on a chain that is named",
    "genesis": "step 4: the policy's genesis block is the listed one",
    "release-registry": "step 4: without a policy, the registry is the release's own",
    "listed": "step 4: without a policy, the chain is listed",
    "kind": "step 4: without a policy, a chain that is no main chain is named",
    "promise": "step 4: a promise needs a policy",
    "block": "step 5: the proof's block is named, in the way that the policy requires",
    "header": "step 5 or 11: the header is one (state/headers.json)",
    "fork": "step 5 or 11: the header has as many items as a fork gives it",
    "account-proof": "step 6 or 11: the account proof holds (state/trie.json)",
    "account": "step 6 or 11: there is an account at the address",
    "account-form": "step 6: an account has its form",
    "code": "step 6 or 11: the account has the code",
    "storage-proof": "step 7 or 11: the storage proof holds",
    "anchored": "step 7: the registry holds the root",
    "value-form": "steps 7 and 9: a slot's value is an integer in RLP, not zero",
    "word": "step 7: the registry writes no such anchor",
    "stated": "step 8: the receipt states what the registry holds",
    "operator": "step 9: the policy accepts the sender",
    "unproven": "step 9: an operator's key is proven",
    "needless": "step 9: nothing is proven that there is not",
    "operator-proof": "step 9: the operator proof holds",
    "key": "step 9: there is a key, of at most 20 bytes",
    "successor-proof": "step 9: the successor's proofs hold",
    "takeover": "step 9: the successor begins with the root that is shown",
    "abandoned": "step 9: the owner has not abandoned the anchor",
    "slack": "step 10: a slack is known",
    "date": "step 10: the bound is a date",
    "late": "step 10: the record does not claim a later time",
    "chain": "step 11: the named block is of the anchor's chain",
    "number": "step 11: the beacon has the number",
    "hash": "step 11: the beacon has the hash",
    "order": "step 11: the named block is before the proof's",
    "window": "step 11: it is at most 8,191 blocks before",
    "kept": "step 11: the slot holds the named block's hash",
    "later": "step 11: the named block is not of a later time than the anchor",
    "early": "step 11: the record does not claim an earlier time",
}
LISTS = (
    list_files, list_pins, list_blocks, list_states, list_stated, list_senders, list_successors,
    list_times, list_beacons, list_several, list_texts, list_members, list_records,
    list_nodes, list_headers, list_spellings, list_record_bends, list_order, list_left_aside,
    list_bounds,
)  # fmt: skip
RESULTS = {0: "valid", 20: "unknown", 21: "unknown", 22: "unknown"}


def build_verification() -> tuple[dict[str, object], dict[str, bytes]]:
    """Return index.json, and the receipts by their paths beside it."""
    cases: list[Case] = []
    files: dict[str, bytes] = {}
    names: dict[bytes, str] = {}
    for name, rule, code, steps, given in list_rows():
        digest = hashlib.sha256(given.receipt).digest()
        path = names.setdefault(digest, f"receipts/{name_file(name)}.json")
        assert files.setdefault(path, given.receipt) == given.receipt, path
        cases.append(make_case(name, rule, code, steps, given, path))
    document: dict[str, object] = {
        "about": "Is this receipt worth what it says (docs/spec/verification.md), offline? receipt "
        "is a file beside this one; the others are the inputs. exit_code is the result, "
        "failing_steps are those with another result than 0.",
        "rules": RULES,
        "release": describe_release(),
        "verifications": cases,
    }
    return document, files


def describe_release() -> dict[str, object]:
    """Return the constants of the release that results depend on (docs/spec/verification.md)."""
    chains = (
        (MAIN, "main", f"0x{GENESIS[MAIN]}", 13 * 3_600),
        (DEVELOPMENT, "development", None, 12),
    )
    return {
        "registry": f"0x{REGISTRY.hex()}",
        "chains": [
            {
                "chain_id": chain_id,
                "kind": kind,
                "genesis": genesis,
                "time_slack": slack,
                "code_hash": f"0x{CODE_HASHES[chain_id]}",
            }
            for chain_id, kind, genesis, slack in chains
        ],
    }


def list_rows() -> Iterator[Row]:
    for listing in LISTS:
        yield from listing()


def make_case(name: str, rule: str, code: int, steps: list[int], given: Given, path: str) -> Case:
    broken = {"rule": rule} if rule else {}
    return {
        "name": name,
        "result": RESULTS.get(code, "invalid"),
        **broken,
        "receipt": path,
        **given.fields(),
        "exit_code": code,
        "failing_steps": steps,
    }


def name_file(name: str) -> str:
    """A file name of letters, digits and hyphens that tells the case."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-")
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
