"""The commands of ``anchor`` in the order of ``anchor --help``, each with its line there.

The module of a command, ``anchor.cli.commands.NAME``, is loaded when the command runs.  So it
imports at its top whatever it needs, however heavy that is.
"""

from __future__ import annotations

COMMANDS = {
    "init": "Create a project: configuration, store and trust policy for one log.",
    "devnet": "Run a local chain until it is interrupted: anvil where it is installed, else "
    "py-evm.",
    "deploy": "Deploy the registry unless it is there; the address is the same on every chain.",
    "source": "Print the registry's source as standard JSON input, which Sourcify and Etherscan "
    "verify.",
    "doctor": "Check configuration, store, key, node, chain and registry; change and send nothing.",
    "add": "Hash evidence and record it; `anchor run --once` then anchors it.",
    "seal": "Append what was added to the log, without anchoring it yet.",
    "run": "Seal what was added and anchor the newest head; without --once, until SIGTERM or "
    "Ctrl-C.",
    "stamp": "Do the whole job and leave FILE.anchor.json beside each file.",
    "status": "Show what is accepted, sealed, included and anchored (final).",
    "log": "Show heads, anchors, queue and alarms as they change, until Ctrl-C.",
    "prove": "Write the receipts with which anybody can verify the evidence.",
    "upgrade": "Complete receipts that were written before their anchor was final.",
    "verify": "Verify that files are unchanged since they were anchored.",
    "verifier": "Write the verifier page: one HTML file that checks receipts in any browser, "
    "offline too.",
    "certify": "Verify files, and write a certificate of what was verified for each.",
    "explain": "Print every hash of a receipt, so that sha256sum can redo it.",
    "export-log": "Publish the log's tiles and its newest final head as a signed checkpoint (C2SP "
    "tlog-tiles).",
    "audit": "Recompute a log from its leaves, and name everything that is not as it must be.",
    "backup": "Make a backup of everything that `anchor restore` needs, and check it.",
    "restore": "Rebuild the store after it was lost, or went back to an old backup.",
    "upgrade-store": "Bring a store that an older release made to this release's schema.",
    "succeed": "Close this project's log for ever, and go on in another from one of its anchors.",
    "erase": "Erase evidence for good: record, salt, name, digests, id, source and idempotency "
    "keys.",
    "serve": "Take evidence in over HTTP, and say where it stands, until SIGTERM or Ctrl-C.",
    "demo": "Anchor a folder on an embedded chain, verify every file, and show an altered one "
    "refused.",
    "trust": "Keep your own trust policies, and say which projects are yours.",
    "operator": "Keep the keys that the log's owner lets anchor in it.",
    "key": "Make a keystore for a key that anchors, or show whose it is.",
    "api-key": "Keep the keys with which `anchor serve` is used.",
    "hold": "Keep evidence from being erased while a dispute or a duty lasts.",
    "transactions": "See what is signed and not settled; give up what the chain never comes to.",
}
