"""The trust policy in a packed folder: that of whoever packed it, without nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from anchor.base.messages.message import Message
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import TrustPolicy


def encode_packed_policy(policies: Sequence[TrustPolicy], party: str | None) -> bytes:
    """Return policies as one, without the nodes, whose URLs may hold keys."""
    entries = [replace(entry, rpc=(), quorum=1) for policy in policies for entry in policy.entries]
    remark = Message("bag-policy-remark", party=spell_party(party))
    tsas = dict.fromkeys(tsa for policy in policies for tsa in policy.tsas)
    signers = dict.fromkeys(each for policy in policies for each in policy.signers)
    return f"# {remark}\n".encode() + encode_policy(entries, list(tsas), list(signers))


def spell_party(party: str | None) -> Message | str:
    """Return the name of whoever packed a folder."""
    return Message("bag-party-unnamed") if party is None else party
