"""The export as CASE repeats the record's own values."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from support.certificates import recorded
from support.group_examples import FULL
from support.world import INDEX, SIZE, World

from anchor.evidence.group_reading import parse_groups
from anchor.evidence.record import parse_record
from anchor.receipt.case_document import build_case
from anchor.receipt.format import Receipt


def receipt_of(world: World) -> Receipt:
    return world.receipt(INDEX, world.anchor(INDEX, SIZE))


def documented() -> Receipt:
    return receipt_of(recorded(INDEX, statements=parse_groups(FULL).members()))


def graph(receipt: Receipt) -> dict[str, Any]:
    document: Any = json.loads(json.dumps(build_case(receipt)))
    return {node["@type"].partition(":")[2]: node for node in document["@graph"]}


def test_case_holds_file_hashes_tool_action_and_provenance():
    receipt = documented()
    record = parse_record(receipt.record)
    nodes = graph(receipt)
    assert list(nodes) == ["File", "Tool", "InvestigativeAction", "ProvenanceRecord"]
    facet, content = nodes["File"]["uco-core:hasFacet"]
    assert facet["uco-observable:fileName"] == record.name
    assert facet["uco-observable:sizeInBytes"]["@value"] == str(record.digests.size)
    hashes = {
        each["uco-types:hashMethod"]: each["uco-types:hashValue"]["@value"]
        for each in content["uco-observable:hash"]
    }
    assert hashes == {
        "SHA256": (record.digests.sha256 or b"").hex(),
        "SM3": (record.digests.sm3 or b"").hex(),
    }
    assert nodes["Tool"]["uco-core:name"] == "anchor-evidence"
    action = nodes["InvestigativeAction"]
    assert action["uco-action:startTime"]["@value"] == FULL["collection"]["started_at"]
    assert action["uco-action:endTime"]["@value"] == FULL["collection"]["ended_at"]
    assert [part["@id"] for part in action["uco-action:result"]] == [
        nodes["File"]["@id"],
        nodes["ProvenanceRecord"]["@id"],
    ]
    described = nodes["ProvenanceRecord"]["uco-core:description"]
    assert hashlib.sha256(receipt.record).hexdigest() in described
    assert "not verified by this export" in described


def test_case_of_a_plain_record_names_no_tool_and_ends_when_it_was_recorded():
    nodes = graph(receipt_of(World()))
    assert nodes["Tool"]["uco-core:name"] == "not named in the record"
    action = nodes["InvestigativeAction"]
    assert "uco-action:startTime" not in action
    assert action["uco-action:endTime"]["@value"] == "2026-09-21T14:00:06.000Z"


def test_the_same_receipt_gives_the_same_graph_and_another_other_names():
    assert build_case(documented()) == build_case(documented())
    one, other = graph(documented()), graph(receipt_of(World()))
    assert not {node["@id"] for node in one.values()} & {node["@id"] for node in other.values()}
