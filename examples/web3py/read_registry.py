"""Anchor a file on the chain of `anchor devnet --exec`, then read the registry with web3.py."""

import os
import tempfile
from pathlib import Path

from web3 import Web3

import anchor

url = os.environ["ANCHOR_DEVNET_URL"]
with tempfile.TemporaryDirectory() as name:
    file = Path(name, "contract.txt")
    file.write_text("signed\n")
    with anchor.Project.create_on_devnet(Path(name, "log"), rpc=url) as project:
        project.deploy()
        project.add([file])
        project.run_once(wait="final")
        receipt = project.receipt(file)

registry = anchor.registry_contract(Web3(Web3.HTTPProvider(url)))
root, head = registry.functions.headOf(receipt.log).call()
assert root == receipt.anchors[0].head.root
for event in registry.events.Anchored.get_logs(from_block=0, argument_filters={"log": receipt.log}):
    print(f"{event.args.size} leaves, root {event.args.root.hex()}, block {event.blockNumber}")
