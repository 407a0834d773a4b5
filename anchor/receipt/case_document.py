"""A record as CASE 1.5 (JSON-LD): the file, its hashes, tool, action and provenance.

Source: CASE 1.5.0 on UCO 1.4, https://caseontology.org.  The graph repeats what the record says and
where the receipt places it; nothing of it is verified here.
"""

from __future__ import annotations

import hashlib
from uuid import NAMESPACE_URL, uuid5

from anchor.base.canonical import JsonValue
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time
from anchor.ethereum.keccak import format_address
from anchor.evidence.group_reading import read_groups
from anchor.evidence.record import parse_record
from anchor.evidence.record_groups import RecordGroups
from anchor.receipt.format import Receipt

_UCO = "https://ontology.unifiedcyberontology.org/uco"
_CONTEXT: dict[str, JsonValue] = {
    "kb": "urn:anchor-evidence:case:",
    "case-investigation": "https://ontology.caseontology.org/case/investigation/",
    "uco-action": f"{_UCO}/action/",
    "uco-core": f"{_UCO}/core/",
    "uco-observable": f"{_UCO}/observable/",
    "uco-tool": f"{_UCO}/tool/",
    "uco-types": f"{_UCO}/types/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
# A plain string since UCO 1.4, whose open vocabulary has the first: case_validate notes the other.
_METHODS = {"sha256": "SHA256", "sm3": "SM3"}

Node = dict[str, JsonValue]


def build_case(receipt: Receipt) -> dict[str, JsonValue]:
    """Return the graph; the same receipt gives the same one."""
    digest = hashlib.sha256(receipt.record).hexdigest()
    file, groups = _build_file(receipt, digest), read_groups(receipt.record).groups
    tool = _build_tool(groups, digest)
    action = _build_action(receipt, groups, digest, (file, tool))
    provenance: Node = {
        "@id": _name("provenance-record", digest),
        "@type": "case-investigation:ProvenanceRecord",
        "uco-core:description": Message(
            "case-provenance", digest=digest, places=_describe(receipt)
        ),
        "uco-core:object": [_refer(file)],
    }
    action["uco-action:result"] = [_refer(file), _refer(provenance)]
    return {"@context": _CONTEXT, "@graph": [file, tool, action, provenance]}


def _name(kind: str, digest: str) -> str:
    # CASE asks for a UUID at the end; this one is the record's, whoever exports it.
    return f"kb:{kind}-{uuid5(NAMESPACE_URL, f'{kind}:{digest}')}"


def _refer(node: Node) -> Node:
    return {"@id": node["@id"]}


def _build_file(receipt: Receipt, digest: str) -> Node:
    record = parse_record(receipt.record)
    digests = {"sha256": record.digests.sha256, "sm3": record.digests.sm3}
    content: Node = {
        "@id": _name("content-data-facet", digest),
        "@type": "uco-observable:ContentDataFacet",
        "uco-observable:hash": [
            {
                "@id": _name(f"hash-{algorithm}", digest),
                "@type": "uco-types:Hash",
                "uco-types:hashMethod": _METHODS[algorithm],
                "uco-types:hashValue": {"@type": "xsd:hexBinary", "@value": value.hex()},
            }
            for algorithm, value in digests.items()
            if value is not None
        ],
    }
    facet: Node = {
        "@id": _name("file-facet", digest),
        "@type": "uco-observable:FileFacet",
        "uco-observable:fileName": record.name,
    }
    if record.media_type is not None:
        content["uco-observable:mimeType"] = record.media_type
    if record.digests.size is not None:
        size: JsonValue = {"@type": "xsd:integer", "@value": str(record.digests.size)}
        content["uco-observable:sizeInBytes"] = facet["uco-observable:sizeInBytes"] = size
    return {
        "@id": _name("file", digest),
        "@type": "uco-observable:File",
        "uco-core:hasFacet": [facet, content],
    }


def _build_tool(groups: RecordGroups, digest: str) -> Node:
    """Return the program that made the record, if the record names it."""
    platform = groups.platform
    tool: Node = {
        "@id": _name("tool", digest),
        "@type": "uco-tool:Tool",
        "uco-core:name": (platform and platform.software) or Message("case-tool-unnamed"),
    }
    if platform is not None and platform.version is not None:
        tool["uco-tool:version"] = platform.version
    return tool


def _build_action(
    receipt: Receipt, groups: RecordGroups, digest: str, parts: tuple[Node, Node]
) -> Node:
    file, tool = parts
    collection = groups.collection
    started = None if collection is None else collection.started_at
    ended = None if collection is None else collection.ended_at
    times = {
        "uco-action:startTime": started,
        "uco-action:endTime": ended or format_time(parse_record(receipt.record).recorded_at),
    }
    action: Node = {
        "@id": _name("investigative-action", digest),
        "@type": "case-investigation:InvestigativeAction",
        "uco-core:name": Message("case-action"),
        "uco-action:instrument": [_refer(tool)],
        "uco-action:object": [_refer(file)],
    }
    action |= {
        name: {"@type": "xsd:dateTime", "@value": time} for name, time in times.items() if time
    }
    if collection is not None and collection.method is not None:
        action["uco-core:description"] = collection.method
    return action


def _describe(receipt: Receipt) -> str:
    """Return where the receipt places the record: its log and leaf, and each anchor."""
    places = [f"log 0x{receipt.log.hex()} leaf {receipt.index}"]
    places += [
        f"eip155:{anchor.chain_id}:{format_address(anchor.registry)} block {anchor.block_number} "
        f"root {anchor.head.root.hex()}"
        for anchor in receipt.anchors
    ]
    return "; ".join(places)
