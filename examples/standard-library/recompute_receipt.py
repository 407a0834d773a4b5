"""Verify a receipt with only the standard library: RECEIPT [FILE] RPC-URL.

Recomputes the root from the record, then finds the packed anchor in the registry's raw storage.
Nothing of the anchor package is used.  hashlib has Keccak-256 if Python is built with OpenSSL 3.2
or later.
"""

import hashlib
import json
import sys
import urllib.request
from pathlib import Path

receipt = json.loads(Path(sys.argv[1]).read_bytes())
anchor = receipt["anchors"][0]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def keccak256(data: bytes) -> bytes:
    return hashlib.new("keccak-256", data).digest()


if len(sys.argv) == 4:
    file_digest = sha256(Path(sys.argv[2]).read_bytes()).hex()
    assert json.loads(receipt["record"])["digests"]["sha256"] == file_digest, "another file"

node = sha256(b"\x00" + receipt["record"].encode())
position, last = receipt["index"], anchor["size"] - 1
for sibling in map(bytes.fromhex, anchor["path"]):
    while position % 2 == 0 and position == last:  # moves up a level: it has no sibling
        position, last = position // 2, last // 2
    node = sha256(b"\x01" + (sibling + node if position % 2 else node + sibling))
    position, last = position // 2, last // 2
assert node.hex() == anchor["root"], "the record does not lead to the root"

log = bytes.fromhex(receipt["log"][2:])
slot = keccak256(node + keccak256(log + bytes(32)))
question = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "eth_getStorageAt",
    "params": [anchor["registry"], "0x" + slot.hex(), "latest"],
}
request = urllib.request.Request(
    sys.argv[-1], json.dumps(question).encode(), {"Content-Type": "application/json"}
)
word = int(json.load(urllib.request.urlopen(request))["result"], 16)
assert word != 0, "the registry does not hold this root"
print("root     ", node.hex())
print("slot      0x" + slot.hex())
print("size     ", word & (2**48 - 1))
print("sequence ", word >> 48 & (2**40 - 1))
print("block    ", word >> 88 & (2**48 - 1))
print("time     ", word >> 136 & (2**48 - 1))
print("operator ", word >> 184)
