"""What every page says of the chain on which the service anchors."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.messages.message import Message
from anchor.base.types import ChainId
from anchor.ethereum.known_chains import KIND_SENTENCES, find_chain, proves_time
from anchor.verification.policy import FinalityRule, finality_depth


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteChain:
    """The chain of a service: the warning of its kind, and what follows for times and finality.

    ``warning`` is None for a main chain; ``finality`` is the rule by which the service and not the
    nodes decides what is final, None where the nodes do.
    """

    warning: Message | None
    proves_time: bool
    finality: Message | None

    @property
    def block_time(self) -> Message:
        """Return the label of the time that a block of the chain states."""
        if self.proves_time:
            return Message("piece-block-time")
        return Message("certificate-block-time")


def describe_site_chain(chain_id: ChainId, rule: FinalityRule) -> SiteChain:
    """Return what is said of a chain on which a project decides by ``rule`` what is final."""
    kind = find_chain(chain_id).kind
    warning = None
    if kind != "main":
        sentence = KIND_SENTENCES[kind]
        warning = Message("report-chain-kind", chain=chain_id, kind=sentence)
    depth, finality = finality_depth(rule), None
    if depth == 0:
        finality = Message("site-finality-at-once")
    elif depth is not None:
        finality = Message("site-finality-by-depth", count=depth)
    return SiteChain(warning=warning, proves_time=proves_time(kind), finality=finality)
