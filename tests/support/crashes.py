"""The places where a process can end so that something half done is left."""

from __future__ import annotations

from support.command import CRASHING

JOURNAL = ("anchor.store.tx_journal", "StoredJournal")
NODE = ("anchor.chain.node", "Node")
# Every effect of one run, in order; the last word is which call of the function it is.
EFFECTS = [
    ("anchor.operate.single_run", "-", "seal", "1"),
    (*JOURNAL, "reserve_slot", "1"),
    ("anchor.chain.signer.keystore", "KeystoreSigner", "sign_transaction", "1"),
    (*JOURNAL, "save_attempt", "1"),
    (*NODE, "send_raw_transaction", "1"),
    (*NODE, "fetch_receipt", "1"),
    (*JOURNAL, "settle_slot", "1"),
    ("anchor.operate.anchoring", "-", "save_anchor", "1"),
]
# After one effect is before the next, so these are all the states a crash can leave.
CRASHES = [("before", *EFFECTS[0]), *(("after", *effect) for effect in EFFECTS)]


def crashing(*words: str) -> tuple[str, ...]:
    """Return the command that ends itself there."""
    return (*CRASHING, *words)
