"""Step 4: the choice of the anchors that are looked up, by what the verifier pins.

With a trust policy, anchors in the registries that it names are looked up; without one, those in
this release's own registry, on chains that the release lists.  Each anchor is chosen by itself, so
that one in a foreign registry hides nothing about the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from anchor.base.errors import CannotCheckError, NotFinalError, NotTrustedError
from anchor.base.messages.message import Message, join
from anchor.base.types import Address, ChainId, Head, LogId, log_number, log_owner
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import KIND_SENTENCES, Chain, find_chain
from anchor.receipt.format import Receipt, ReceiptAnchor
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.verification.policy import DEFAULT_TOLERANCE, TrustEntry, TrustPolicy
from anchor.verification.steps import VerificationTarget

_RECEIPT = Message("document-receipt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One anchor, or (``anchor`` None) a promised head, and the policy's entry for its registry."""

    log: LogId
    head: Head
    anchor: ReceiptAnchor | None
    entry: TrustEntry | None
    other_chains: frozenset[ChainId] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The anchors to look up, and a line about each anchor that is ignored."""

    chosen: tuple[Candidate, ...]
    aside: tuple[Message, ...]


def list_candidates(
    receipt: Receipt, policy: TrustPolicy | None, chain_ids: Collection[ChainId]
) -> Candidates:
    """Step 4, for the whole receipt: return the anchors that may be looked up.

    Raises:
        NotTrustedError: The policy does not pin the log, or no anchor of the receipt.
        NotFinalError: The receipt is a promise, and no policy names a registry to look it up in.
    """
    if receipt.promise is not None:
        if policy is None:
            raise NotFinalError(
                Message("receipt-names-no-anchor"),
                hint=Message("receipt-names-no-anchor-hint"),
            )
        entries = pinned_entries(policy, receipt.log)
        candidates = [
            Candidate(log=receipt.log, head=receipt.promise.head, anchor=None, entry=entry)
            for entry in entries
        ]
        places = [entry.chain_id for entry in entries]
        aside: list[Message] = []
    else:
        candidates, aside = _list_anchors(receipt, policy)
        places = [anchor.chain_id for anchor in receipt.anchors]
    chosen = []
    for candidate in candidates:
        chain_id = _chain_of(candidate)
        if chain_ids and chain_id not in chain_ids:
            aside.append(Message("chain-left-aside", chain=chain_id))
        else:
            chosen.append(candidate)
    if not chosen:
        named = join(str(chain_id) for chain_id in sorted(chain_ids))
        on = join(str(chain_id) for chain_id in dict.fromkeys(places))
        raise NotTrustedError(Message("receipt-on-other-chains", chains=on, named=named))
    chains = frozenset(_chain_of(candidate) for candidate in chosen)
    return Candidates(
        chosen=tuple(
            replace(candidate, other_chains=chains - {_chain_of(candidate)}) for candidate in chosen
        ),
        aside=tuple(dict.fromkeys(aside)),
    )


def _list_anchors(
    receipt: Receipt, policy: TrustPolicy | None
) -> tuple[list[Candidate], list[Message]]:
    if policy is None:
        return [
            Candidate(log=receipt.log, head=anchor.head, anchor=anchor, entry=None)
            for anchor in receipt.anchors
        ], []
    entries = pinned_entries(policy, receipt.log)
    candidates: list[Candidate] = []
    aside: list[Message] = []
    for anchor in receipt.anchors:
        anchored_in = (anchor.chain_id, anchor.registry)
        fitting = [entry for entry in entries if (entry.chain_id, entry.registry) == anchored_in]
        candidates += [
            Candidate(log=receipt.log, head=anchor.head, anchor=anchor, entry=entry)
            for entry in fitting
        ]
        if not fitting:
            aside.append(Message("anchor-left-aside", place=_place_of(anchor)))
    if not candidates:
        places = join(map(_place_of, receipt.anchors))
        raise NotTrustedError(Message("receipt-registries-not-pinned", places=places))
    return candidates, aside


def _place_of(anchor: ReceiptAnchor) -> Message:
    return Message(
        "registry-on-chain", registry=format_address(anchor.registry), chain=anchor.chain_id
    )


def _chain_of(candidate: Candidate) -> ChainId:
    if candidate.entry is not None:
        return candidate.entry.chain_id
    assert candidate.anchor is not None, "a promise is looked for where a policy says"
    return candidate.anchor.chain_id


def list_targets(receipt: Receipt, policy: TrustPolicy | None) -> list[VerificationTarget]:
    """Return every target that a verification with this policy may look up."""
    chain_ids = {anchor.chain_id for anchor in receipt.anchors}
    targets = []
    for candidate in list_candidates(receipt, policy, ()).chosen:
        with suppress(NotTrustedError, CannotCheckError):
            targets.append(choose_target(candidate, chain_ids)[0])
    return targets


def choose_target(
    candidate: Candidate, chain_ids: Collection[ChainId]
) -> tuple[VerificationTarget, Message]:
    """Step 4, for one anchor: return what to look up.

    Raises:
        NotTrustedError: The registry is not this release's own, or the policy's genesis block is
            not the chain's.
        CannotCheckError: The chain is not listed, or proves nothing and is not among ``chain_ids``.
    """
    if candidate.entry is not None:
        target = pinned_target(candidate.entry, candidate.log, candidate.head, candidate.anchor)
        detail = Message("target-as-pinned")
    else:
        anchor = candidate.anchor
        assert anchor is not None, "a promise is looked for where a policy says"
        target = unpinned_target(
            anchor.chain_id, anchor.registry, candidate.log, candidate.head, anchor, chain_ids
        )
        detail = Message("receipt-target-unpinned")
    chain = find_chain(target.chain_id)
    if chain.kind != "main":
        detail = Message(
            "target-chain-kind", detail=detail, chain=chain.id, kind=KIND_SENTENCES[chain.kind]
        )
    return replace(target, other_chains=candidate.other_chains), detail


def format_unpinned_claims(receipt: Receipt, chain_ids: Collection[ChainId]) -> tuple[Message, ...]:
    """Return the receipt's claims that no policy pins, each as a phrase."""
    chains = dict.fromkeys(anchor.chain_id for anchor in receipt.anchors)
    return format_unpinned(
        receipt.log, [chain_id for chain_id in chains if chain_id not in chain_ids]
    )


def format_unpinned(log: LogId | None, chain_ids: Iterable[ChainId]) -> tuple[Message, ...]:
    """Return the owner of ``log`` and the chains, each as a phrase."""
    owner = (
        []
        if log is None
        else [Message("log-owner-address", address=format_address(log_owner(log)))]
    )
    return (*owner, *(_format_chain(find_chain(chain_id)) for chain_id in chain_ids))


def _format_chain(chain: Chain) -> Message:
    is_named = chain.kind in ("main", "test")
    return (
        Message("chain-with-name", chain=chain.id, name=chain.name)
        if is_named
        else Message("chain-by-number", chain=chain.id)
    )


def unpinned_error(unpinned: Sequence[Message], document: Message = _RECEIPT) -> CannotCheckError:
    """Return the error of step 4 without a policy and without ``accept_unpinned``."""
    claims = join(unpinned)
    return CannotCheckError(
        Message("policy-missing-for-claim", claims=claims, document=document)
        if len(unpinned) == 1
        else Message("policy-missing-for-claims", claims=claims, document=document),
        hint=Message("policy-missing-hint"),
    )


def name_other_chains(targets: Sequence[VerificationTarget]) -> tuple[VerificationTarget, ...]:
    """Return the targets, each with ``other_chains`` set to the chains of the others."""
    chains = frozenset(target.chain_id for target in targets)
    return tuple(replace(target, other_chains=chains - {target.chain_id}) for target in targets)


def pinned_entries(policy: TrustPolicy, log: LogId) -> list[TrustEntry]:
    """Return the policy's entries for ``log``."""
    owner, number = log_owner(log), log_number(log)
    entries = [entry for entry in policy.entries if entry.owner == owner and number in entry.logs]
    if not entries:
        raise NotTrustedError(
            Message("log-not-pinned", number=number, owner=format_address(owner)),
            hint=Message("log-not-pinned-hint"),
            actual=log,
        )
    return entries


def unpinned_target(
    chain_id: ChainId,
    registry: Address,
    log: LogId,
    head: Head,
    anchor: ReceiptAnchor | None,
    chain_ids: Collection[ChainId],
) -> VerificationTarget:
    """Return the target for an anchor that no policy pins.

    Raises:
        NotTrustedError: The registry is not this release's own.
        CannotCheckError: The chain is not listed, or proves nothing and is not among ``chain_ids``.
    """
    # The code alone proves nothing: a constructor can write arbitrary storage and then return this
    # project's code.  The CREATE2 address commits to the constructor as well.
    if registry != registry_address():
        raise NotTrustedError(
            Message("registry-not-of-this-release", registry=format_address(registry)),
            hint=Message("registry-not-of-this-release-hint"),
        )
    chain = find_chain(chain_id)
    if chain.kind == "unlisted":
        raise CannotCheckError(
            Message("chain-without-known-registry", chain=chain_id),
            hint=Message("chain-without-known-registry-hint"),
        )
    if chain.kind != "main" and chain_id not in chain_ids:
        raise CannotCheckError(
            Message("chain-not-named", chain=chain_id, kind=KIND_SENTENCES[chain.kind]),
            hint=Message("chain-not-named-hint", chain=chain_id),
        )
    return VerificationTarget(
        chain_id=chain_id,
        genesis=chain.genesis,
        registry=registry,
        code_hash=expected_code_hash(chain_id),
        log=log,
        head=head,
        anchor=anchor,
        operators=None,
        time_slack=None,
        finality="finalized",
        rpc=(),
        quorum=1,
        assurance="rpc",
        block_hashes=(),
        recorded_at_tolerance=DEFAULT_TOLERANCE,
    )


def pinned_target(
    entry: TrustEntry, log: LogId, head: Head, anchor: ReceiptAnchor | None
) -> VerificationTarget:
    """Return the target for an anchor as the policy's ``entry`` pins it.

    Raises:
        NotTrustedError: This release lists the chain with another genesis block.
    """
    chain = find_chain(entry.chain_id)
    if chain.genesis not in (None, entry.genesis):
        raise NotTrustedError(
            Message(
                "policy-genesis-differs",
                pinned=entry.genesis.hex(),
                chain=chain.id,
                name=chain.name,
                expected=chain.genesis.hex() if chain.genesis else "",
            ),
            hint=Message("policy-genesis-differs-hint"),
        )
    return VerificationTarget(
        chain_id=entry.chain_id,
        genesis=entry.genesis,
        registry=entry.registry,
        code_hash=entry.code_hash,
        log=log,
        head=head,
        anchor=anchor,
        operators=entry.operators,
        time_slack=entry.time_slack,
        finality=entry.finality,
        rpc=entry.rpc,
        quorum=entry.quorum,
        assurance=entry.assurance,
        block_hashes=entry.block_hashes,
        recorded_at_tolerance=entry.recorded_at_tolerance,
    )
