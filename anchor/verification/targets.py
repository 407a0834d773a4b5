"""Step 4: the choice of the anchors that are looked up, by what the verifier pins.

With a trust policy, anchors in the registries that it names are looked up; without one, those in
this release's own registry, on chains that the release lists.  Each anchor is chosen by itself, so
that one in a foreign registry hides nothing about the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from anchor.errors import CannotCheckError, NotFinalError, NotTrustedError
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import KIND_SENTENCES, Chain, find_chain
from anchor.receipt.format import Receipt, ReceiptAnchor
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.types import Address, ChainId, Head, LogId, log_number, log_owner
from anchor.verification.policy import DEFAULT_TOLERANCE, TrustEntry, TrustPolicy
from anchor.verification.steps import VerificationTarget


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
    aside: tuple[str, ...]


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
                "the receipt is the operator's promise: it names no anchor yet",
                hint="ask the operator for an upgraded receipt, or give a trust policy",
            )
        entries = pinned_entries(policy, receipt.log)
        candidates = [
            Candidate(log=receipt.log, head=receipt.promise.head, anchor=None, entry=entry)
            for entry in entries
        ]
        places = [entry.chain_id for entry in entries]
        aside: list[str] = []
    else:
        candidates, aside = _list_anchors(receipt, policy)
        places = [anchor.chain_id for anchor in receipt.anchors]
    chosen = []
    for candidate in candidates:
        chain_id = _chain_of(candidate)
        if chain_ids and chain_id not in chain_ids:
            aside.append(f"chain {chain_id} is left aside: it is not one that you name")
        else:
            chosen.append(candidate)
    if not chosen:
        named = ", ".join(str(chain_id) for chain_id in sorted(chain_ids))
        on = ", ".join(str(chain_id) for chain_id in dict.fromkeys(places))
        raise NotTrustedError(
            f"the receipt is anchored on chain {on}, and you name chain {named} only"
        )
    chains = frozenset(_chain_of(candidate) for candidate in chosen)
    return Candidates(
        chosen=tuple(
            replace(candidate, other_chains=chains - {_chain_of(candidate)}) for candidate in chosen
        ),
        aside=tuple(dict.fromkeys(aside)),
    )


def _list_anchors(
    receipt: Receipt, policy: TrustPolicy | None
) -> tuple[list[Candidate], list[str]]:
    if policy is None:
        return [
            Candidate(log=receipt.log, head=anchor.head, anchor=anchor, entry=None)
            for anchor in receipt.anchors
        ], []
    entries = pinned_entries(policy, receipt.log)
    candidates: list[Candidate] = []
    aside: list[str] = []
    for anchor in receipt.anchors:
        anchored_in = (anchor.chain_id, anchor.registry)
        fitting = [entry for entry in entries if (entry.chain_id, entry.registry) == anchored_in]
        candidates += [
            Candidate(log=receipt.log, head=anchor.head, anchor=anchor, entry=entry)
            for entry in fitting
        ]
        if not fitting:
            aside.append(f"{_place_of(anchor)} is left aside: the policy does not pin it")
    if not candidates:
        places = ", ".join(map(_place_of, receipt.anchors))
        raise NotTrustedError(f"the receipt is anchored in {places}, which the policy does not pin")
    return candidates, aside


def _place_of(anchor: ReceiptAnchor) -> str:
    return f"registry {format_address(anchor.registry)} on chain {anchor.chain_id}"


def _chain_of(candidate: Candidate) -> ChainId:
    if candidate.entry is not None:
        return candidate.entry.chain_id
    assert candidate.anchor is not None, "a promise is looked for where a policy says"
    return candidate.anchor.chain_id


def list_targets(receipt: Receipt, policy: TrustPolicy | None) -> list[VerificationTarget]:
    """Return every target that a verification with this policy may have looked up."""
    chain_ids = {anchor.chain_id for anchor in receipt.anchors}
    targets = []
    for candidate in list_candidates(receipt, policy, ()).chosen:
        with suppress(NotTrustedError, CannotCheckError):
            targets.append(choose_target(candidate, chain_ids)[0])
    return targets


def choose_target(
    candidate: Candidate, chain_ids: Collection[ChainId]
) -> tuple[VerificationTarget, str]:
    """Step 4, for one anchor: return what to look up.

    Raises:
        NotTrustedError: The registry is not this release's own, or the policy's genesis block is
            not the chain's.
        CannotCheckError: The chain is unknown, or proves nothing unless the verifier names it.
    """
    if candidate.entry is not None:
        target = pinned_target(candidate.entry, candidate.log, candidate.head, candidate.anchor)
        detail = "as pinned"
    else:
        anchor = candidate.anchor
        assert anchor is not None, "a promise is looked for where a policy says"
        target = unpinned_target(
            anchor.chain_id, anchor.registry, candidate.log, candidate.head, anchor, chain_ids
        )
        detail = "not pinned, taken from the receipt; the registry is this release's own"
    chain = find_chain(target.chain_id)
    if chain.kind != "main":
        detail += f"; chain {chain.id} is {KIND_SENTENCES[chain.kind]}"
    return replace(target, other_chains=candidate.other_chains), detail


def format_unpinned_claims(receipt: Receipt, chain_ids: Collection[ChainId]) -> tuple[str, ...]:
    """Return the receipt's claims that no policy pins, each as a phrase."""
    chains = dict.fromkeys(anchor.chain_id for anchor in receipt.anchors)
    return format_unpinned(
        receipt.log, [chain_id for chain_id in chains if chain_id not in chain_ids]
    )


def format_unpinned(log: LogId | None, chain_ids: Iterable[ChainId]) -> tuple[str, ...]:
    """Return the owner of ``log`` and the chains, each as a phrase."""
    owner = [] if log is None else [f"the log's owner {format_address(log_owner(log))}"]
    return (*owner, *(_format_chain(find_chain(chain_id)) for chain_id in chain_ids))


def _format_chain(chain: Chain) -> str:
    is_named = chain.kind in ("main", "test")
    return f"chain {chain.id}, {chain.name}" if is_named else f"chain {chain.id}"


def unpinned_error(unpinned: Sequence[str], document: str = "receipt") -> CannotCheckError:
    """Return the error of step 4 without a policy and without ``accept_unpinned``."""
    claims = (
        f"is the {document}'s own claim"
        if len(unpinned) == 1
        else f"are the {document}'s own claims"
    )
    return CannotCheckError(
        f"no trust policy: {', '.join(unpinned)} {claims}",
        hint="give a trust policy with --trust, or keep one with `anchor trust add`; "
        "--accept-unpinned takes the receipt's word",
    )


def name_other_chains(targets: Sequence[VerificationTarget]) -> tuple[VerificationTarget, ...]:
    """Return the targets, each with ``other_chains`` set to the chains of the others."""
    chains = frozenset(target.chain_id for target in targets)
    return tuple(replace(target, other_chains=chains - {target.chain_id}) for target in targets)


def pinned_entries(policy: TrustPolicy, log: LogId) -> list[TrustEntry]:
    """Return the policy's entries for ``log``.

    Raises:
        NotTrustedError: The policy has no entry for the log.
    """
    owner, number = log_owner(log), log_number(log)
    entries = [entry for entry in policy.entries if entry.owner == owner and number in entry.logs]
    if not entries:
        raise NotTrustedError(
            f"log {number} of owner {format_address(owner)} is not one the trust policy pins",
            hint="check whose log this is before you pin another",
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
            f"registry {format_address(registry)} is not this release's registry, whose "
            "storage could not be filled at deployment",
            hint="if you checked how it was deployed, pin it in a trust policy",
        )
    chain = find_chain(chain_id)
    if chain.kind == "unlisted":
        raise CannotCheckError(
            f"this release lists no registry on chain {chain_id}",
            hint="pin it in a trust policy",
        )
    if chain.kind != "main" and chain_id not in chain_ids:
        raise CannotCheckError(
            f"chain {chain_id} is {KIND_SENTENCES[chain.kind]}, and counts only where a trust "
            "policy or --chain-id names it",
            hint=f"where it is the chain that you mean: --chain-id {chain_id}",
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
            f"the policy pins the genesis block 0x{entry.genesis.hex()} for chain {chain.id}, and "
            f"that of {chain.name} is 0x{chain.genesis.hex() if chain.genesis else ''}",
            hint="check where the policy's genesis comes from",
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
