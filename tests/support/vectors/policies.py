"""policies.json: trust policies in TOML, and what they pin, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from support.vectors.cases import Case, invalid, unknown, valid
from support.vectors.offline_world import Json, entry_of, policy_of

RULES = {
    "toml": "it is TOML 1.0, in UTF-8",
    "version": "its format is anchor-trust/1: of another nothing can be told",
    "members": "every member is there where it is required, known, and in its form",
    "address": "an address is 20 bytes in hex, in one case or with the capitals of EIP-55",
    "assurance": "the assurance is one that is known: of another nothing can be told",
    "url": "each URL is http:// or https://, a host, and perhaps a port from 1 to 65535",
    "nodes": "no two URLs are one node, and there are as many as have to agree",
}
DEFAULTS: Json = {
    "operators": None,
    "time_slack": None,
    "recorded_at_tolerance": 300,
    "exclusive_logs": False,
    "finality": "finalized",
    "rpc": [],
    "quorum": 1,
    "assurance": "rpc",
    "block_hashes": [],
}
# A reader may refuse it, and has to read it in this way if it does not.
MAY_REFUSE = {"may_refuse": True}
MIXED = "0xF525060e7F0b222B6c7A0A7445eF1c5aD1aa8069"

NODE_URLS = (
    "http://one.example", "HTTPS://ONE.example.:65535/x?y=z#w", "https://user:word@one.example/",
    "http://[::1]:8545", "http://[::ffff:127.0.0.1]", "https://\u00e4.example/",
)  # fmt: skip
NO_URLS = (
    "", "one.example", "ftp://one.example/", "https:one.example", "https://", "https:///x",
    "https://one.example:0/", "https://one.example:65536/", "https://one.example:/",
    "https://one.example:+1/", "https://one example/", "https://one.example/ ",
    "https://one.example/\t", "https://one.example\\x", "https://[::1/", "https://[::1::]/",
    "https://[one.example]/", "https://user@/", " https://one.example/",
)  # fmt: skip
# docs/spec/policy.md has a row for each.
ONE_NODE = (
    ("https://one.example/", "HTTPS://ONE.EXAMPLE"),
    ("https://one.example/", "https://one.example./"),
    ("https://one.example/", "https://user:word@one.example/"),
    ("https://one.example/", "https://one.example:443/"),
    ("https://one.example/", "http://one.example:80/"),
    ("https://one.example/x", "https://one.example/x/"),
    ("https://one.example/x", "https://one.example/%78"),
    ("https://one.example/x", "https://one.example//x"),
    ("https://one.example/x", "https://one.example/./y/../x"),
    ("https://one.example/x", "https://one.example/x#y"),
    ("https://\u00e4.example/", "https://xn--4ca.example/"),
    ("https://\uff41.example/", "https://a.example/"),
    ("https://a%2eexample/", "https://a.example/"),
    ("http://192.0.2.1/", "http://[::ffff:192.0.2.1]/"),
    ("http://192.0.2.1/", "http://0xc0.0.513/"),
    ("http://[2001:db8::1]/", "http://[2001:0db8:0:0::1]/"),
    ("http://127.0.0.1:8545/x", "http://localhost:8545/y"),
    ("http://127.0.0.1:8545/", "http://[::1]:8545/"),
    ("http://127.0.0.1:8545/", "http://127.9.9.9:8545/"),
    ("http://127.0.0.1:8545/", "http://0.0.0.0:8545/"),
    ("http://localhost:8545/", "http://node.localhost:8545/"),
)
TWO_NODES = (
    ("https://one.example/", "https://two.example/"),
    ("https://one.example/", "https://one.example:8443/"),
    ("https://one.example/x", "https://one.example/y"),
    ("https://one.example/x", "https://one.example/X"),
    ("https://one.example/?x", "https://one.example/?X"),
    ("https://one.example/?x", "https://one.example/"),
    ("http://127.0.0.1:8545/", "http://127.0.0.1:8546/"),
)


def to_toml(policy: Json) -> str:
    """Write a policy as people write it: a table for each entry and each operator."""
    lines = [f"format = {json.dumps(policy['format'])}\n"]
    for entry in policy["trust"]:
        lines.append("\n[[trust]]\n")
        operators = entry.get("operators")
        for name, value in entry.items():
            if name != "operators" or not value:
                lines.append(f"{name} = {json.dumps(value)}\n")
        for operator in operators or ():
            lines.append("\n[[trust.operators]]\n")
            lines += [f"{name} = {json.dumps(value)}\n" for name, value in operator.items()]
    return "".join(lines)


def say(entry: Json) -> Json:
    """An entry with the defaults of members that are not there, and addresses in lower case."""
    said = {**DEFAULTS, **entry}
    if said["operators"] is not None:
        said["operators"] = [
            {"from_block": 0, "until_block": None, **operator} for operator in said["operators"]
        ]
    if "quorum" not in entry:
        said["quorum"] = max(1, min(2, len(said["rpc"])))
    return {**said, "registry": said["registry"].lower(), "owner": said["owner"].lower()}


def build_policies() -> dict[str, object]:
    """Return policies.json."""
    return {
        "about": "What does this trust policy pin (docs/spec/policy.md)? trust has its entries, "
        "with every default; null where a member is not there and has none.",
        "rules": RULES,
        "policies": [*list_valid(), *list_invalid()],
    }


def holds(name: str, *entries: Json, toml: str | None = None) -> Case:
    policy = policy_of(*entries)
    return valid(name, toml=toml or to_toml(policy), trust=[say(each) for each in entries])


def list_valid() -> Iterator[Case]:
    plain = entry_of(operators=None, time_slack=None)
    urls = ["https://one.example/", "https://two.example/", "https://three.example/"]
    yield holds("required members alone", plain)
    yield holds("every member", entry_of(
        recorded_at_tolerance=60, exclusive_logs=True, finality=64, rpc=urls, quorum=3,
        assurance="proof", block_hashes=["0x" + "ab" * 32],
        operators=[{"id": 0}, {"id": 1, "from_block": 7, "until_block": 9}],
    ))  # fmt: skip
    yield holds("no operator", {**plain, "operators": []})
    yield holds("several entries", plain, {**plain, "logs": [1, 2**53 - 1]}, entry_of(10))
    yield {**holds("a log of a larger number", {**plain, "logs": [2**63 - 1]}), **MAY_REFUSE}
    yield holds("three nodes, of which two have to agree", {**plain, "rpc": urls})
    yield holds("one node", {**plain, "rpc": urls[:1]})
    for one, other in TWO_NODES:
        yield holds(f"two nodes: {one} and {other}", {**plain, "rpc": [one, other]})
    for url in NODE_URLS:
        yield holds(f"the URL of a node: {url}", {**plain, "rpc": [url]})
    yield holds("a checksummed address", {**plain, "registry": MIXED})
    yield holds("an address in capitals", {**plain, "owner": "0x" + plain["owner"][2:].upper()})
    for name, changes in {
        "the smallest numbers": {"chain_id": 1, "time_slack": 0, "recorded_at_tolerance": 0,
                                 "finality": 0, "quorum": 1},
        "the largest numbers": {"chain_id": 2**53 - 1, "time_slack": 172_800, "finality": 100_000,
                                "recorded_at_tolerance": 86_400},
    }.items():  # fmt: skip
        yield holds(name, {**plain, **changes})
    text = to_toml(policy_of(plain))
    yield holds("comments and blank lines", plain, toml=f"# mine\n\n{text}\n# end\n")
    yield holds("single quotes", plain, toml=text.replace('"', "'"))
    members = ", ".join(f"{name} = {json.dumps(value)}" for name, value in plain.items())
    inline = f'format = "anchor-trust/1"\ntrust = [{{{members}}}]\n'
    yield {**holds("an inline table", plain, toml=inline), **MAY_REFUSE}
    yield {**holds("a byte order mark", plain, toml=f"\ufeff{text}"), **MAY_REFUSE}


def list_invalid() -> Iterator[Case]:
    plain = entry_of(operators=None, time_slack=None)
    text = to_toml(policy_of(plain))

    def bent(name: str, rule: str, **changes: Any) -> Case:
        entry = {member: value for member, value in {**plain, **changes}.items() if value != ...}
        return invalid(name, rule, toml=to_toml(policy_of(entry)))

    yield invalid("not TOML", "toml", toml=text + "chain_id\n")
    yield invalid("a member twice", "toml", toml=text + "chain_id = 1\n")
    yield invalid("JSON", "toml", toml=json.dumps(policy_of(plain)))
    for value in ('"anchor-trust/2"', '""', "1"):
        other = text.replace('"anchor-trust/1"', value)
        yield unknown(f"format {value}", "version", toml=other)
    yield unknown("no format", "version", toml=text.split("\n", 1)[1])
    yield unknown("nothing", "version", toml="")
    yield invalid("no entry", "members", toml='format = "anchor-trust/1"\n')
    yield invalid(
        "an empty list of entries", "members", toml='format = "anchor-trust/1"\ntrust = []'
    )
    yield invalid("a member more", "members", toml=f"title = 1\n{text}")
    yield bent("a member more in an entry", "members", status="final")
    for member in ("chain_id", "genesis", "registry", "code_hash", "owner", "logs"):
        yield bent(f"no {member}", "members", **{member: ...})
    for member, values in {
        "chain_id": (0, 2**53, "1", True, 1.5),
        "genesis": ("11" * 32, "0x" + "11" * 31, "0x" + "AA" * 32),
        "code_hash": ("0x",),
        "logs": ([], 0, [-1], ["0"]),
        "time_slack": (-1, 172_801),
        "recorded_at_tolerance": (-1, 86_401, "300"),
        "exclusive_logs": (1, "true"),
        "finality": ("latest", -1, 100_001),
        "quorum": (0, 17),
        "block_hashes": (["0x"], "0x" + "ab" * 32, ["ab" * 32]),
        "operators": (0, [{"from_block": 1}], [{"id": -1}], [{"id": 1, "key": "0x"}],
                      [{"id": 1, "until_block": 2**48}]),
    }.items():  # fmt: skip
        for number, value in enumerate(values, 1):
            yield bent(f"{member} out of its form, {number}", "members", **{member: value})
    for name, value in {
        "an address of 19 bytes": "0x" + "11" * 19,
        "an address without prefix": "11" * 20,
        "an address with another capital": MIXED.replace("F525", "f525"),
    }.items():
        yield bent(name, "address", registry=value)
    url = "https://one.example/"
    for name, changes in {
        "the same node twice": {"rpc": [url, url]},
        "the same node in other spelling": {"rpc": [url, "https://ONE.example./"]},
        "more have to agree than there are": {"rpc": [url], "quorum": 2},
        "17 nodes": {"rpc": [f"https://{number}.example/" for number in range(17)]},
    }.items():
        yield bent(name, "members" if name == "17 nodes" else "nodes", **changes)
    for one, other in ONE_NODE:
        yield bent(f"one node: {one} and {other}", "nodes", rpc=[one, other])
    for url in NO_URLS:
        yield bent(f"no URL of a node: {json.dumps(url)}", "url", rpc=[url])
    yield bent("an unknown assurance, and no port", "url", assurance="consensus",
               rpc=["https://one.example:0/"])  # fmt: skip
    yield bent("an unknown assurance, and an address of 19 bytes", "address",
               assurance="consensus", owner="0x" + "11" * 19)  # fmt: skip
    entry = {**plain, "assurance": "consensus"}
    yield unknown("an assurance that is not known", "assurance", toml=to_toml(policy_of(entry)))
