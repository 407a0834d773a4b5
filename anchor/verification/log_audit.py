"""Verification of a published log: its checkpoint, its tiles and the registry must agree.

Only published data of the operator is needed.  Nothing here does I/O: tiles come through a
``TileReader``, the chain is a ``ChainView``.  Steps:

1. The checkpoint must be a signed note of a log in a registry.
2. It must be signed by the log's key, if that is known.
3. Chain, registry and log must be the ones the trust policy pins.
4. The node must be on that chain: chain id and genesis block.
5. The code at the registry's address must have the pinned hash.
6. The registry's storage must hold the root, with that size, in a final block.
7. Who submitted it must be an operator the policy accepts.
8. All leaf hashes, in their order and number, must lead to the root, and every tile must hold what
   follows from the leaf hashes.
9. Every anchored head that is published must be the log's at that size, and the registry must hold
   them as its anchors 1 … N, without a gap.
10. The registry must hold no newer head than the checkpoint's, and the log's owner must stand by
    it.  The operators, the log's predecessor and its successor are reported.
11. Every other registry that the policy pins for the same log must hold, as its newest head, one of
    this very log: otherwise the log was forked.
12. If the policy states that the owner keeps only the logs it lists, no other log of the owner may
    have anchors in the registry.

Two findings do not end the audit: the log is not pinned (step 3), or a part of it was abandoned
(step 10).
"""

from __future__ import annotations

from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass, replace
from typing import Protocol

from anchor.base.errors import (
    AbandonedError,
    AnchorError,
    CannotCheckError,
    MismatchError,
    NotAnchoredError,
    NotTrustedError,
)
from anchor.base.messages.message import Message, join
from anchor.base.types import (
    Address,
    Anchor,
    Block,
    ChainId,
    Hash32,
    Head,
    LogId,
    log_number,
    log_owner,
)
from anchor.ethereum.keccak import format_address
from anchor.log.checkpoint import Checkpoint, open_checkpoint, parse_origin
from anchor.log.signed_note import NoteVerifier
from anchor.log.tiles import Tile, TileBuilder, TileReader, read_leaves
from anchor.log.tree import BLOCK, HASH
from anchor.verification.abandonment import read_standing
from anchor.verification.log_history import (
    check_other_logs,
    format_links,
    format_operators,
    read_links,
    read_stored,
)
from anchor.verification.policy import TrustEntry, TrustPolicy
from anchor.verification.report import Verdict, verdict_of
from anchor.verification.steps import (
    ChainView,
    Connect,
    VerificationTarget,
    check_chain,
    check_code,
    check_submitter,
    read_anchor,
)
from anchor.verification.targets import (
    format_unpinned,
    name_other_chains,
    pinned_entries,
    pinned_target,
    unpinned_error,
    unpinned_target,
)

TITLES = {
    1: Message("step-checkpoint-well-formed"),
    2: Message("step-checkpoint-signed"),
    3: Message("step-registry-trusted"),
    4: Message("step-node-on-chain"),
    5: Message("step-registry-code"),
    6: Message("step-root-anchored"),
    7: Message("step-submitter-accepted"),
    8: Message("step-tiles-consistent"),
    9: Message("step-anchors-complete"),
    10: Message("step-nothing-newer"),
    11: Message("step-no-fork"),
    12: Message("step-no-other-log"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLog:
    """The result of an audit that ran to its end; ``final`` is the block that was read.

    ``findings`` are the errors that did not end the audit; without any, the log is verified.
    """

    checkpoint: Checkpoint
    target: VerificationTarget
    anchor: Anchor
    final: Block
    findings: tuple[AnchorError, ...]


class StepReporter(Protocol):
    """A callback for each step that did not fail: its number and a line about it."""

    def __call__(self, number: int, detail: Message, verdict: Verdict = Verdict.PASS) -> None: ...


def check_log(
    note: bytes,
    read: TileReader,
    *,
    policy: TrustPolicy | None,
    verifier: NoteVerifier | None,
    connect: Connect,
    report_step: StepReporter,
    anchored: Callable[[Head], Iterable[Head]] = lambda _: (),
    expected: LogId | None = None,
    chain_ids: Collection[ChainId] = (),
    accept_unpinned: bool = False,
) -> CheckedLog:
    """Audit the published log whose signed checkpoint is ``note``.

    ``anchored`` returns the published list of anchored heads up to a given one; it is empty if no
    list is published. ``expected`` is the log that the verifier names, ``chain_ids`` its chains:
    together they pin the log if no policy does.

    Raises:
        AnchorError: A step failed, or could not be performed; the first such step raises.
    """
    checkpoint = open_checkpoint(note, None)
    head = checkpoint.head
    chain_id, registry, log = parse_origin(checkpoint.origin)
    report_step(
        1,
        Message(
            "checkpoint-head",
            size=head.size,
            number=log_number(log),
            owner=format_address(log_owner(log)),
            root=head.root.hex(),
        ),
    )
    if verifier is None:
        # Not a failure: the registry, not the key, determines the log's owner and its head.
        report_step(2, Message("checkpoint-key-not-given"), Verdict.CANNOT_TELL)
    else:
        open_checkpoint(note, verifier)
        if verifier.name != checkpoint.origin:
            raise NotTrustedError(
                Message("checkpoint-key-of-other-log", name=verifier.name, origin=checkpoint.origin)
            )
        report_step(2, Message("checkpoint-signed-by", verifier=verifier.encode()))
    if expected is not None and log != expected:
        raise NotTrustedError(
            Message(
                "log-not-expected",
                number=log_number(log),
                owner=format_address(log_owner(log)),
                expected_number=log_number(expected),
                expected_owner=format_address(log_owner(expected)),
            )
        )
    audited = _AuditTarget(chain_id=chain_id, registry=registry, log=log, head=head)
    if policy is None:
        named = (expected == log, chain_id in chain_ids)
        audited, detail, doubt = _choose_unpinned(audited, named, accept_unpinned=accept_unpinned)
    else:
        audited, detail, doubt = _choose_pinned(audited, policy), Message("target-as-pinned"), None
    findings: list[AnchorError] = [] if doubt is None else [doubt]
    report_step(3, detail, verdict_of(doubt))
    targets, entries = audited.targets, audited.entries
    # If a policy has several entries for one registry, each of them has to hold.
    chains = [check_chain(connect(target), target) for target in targets]
    views = [view for view, _ in chains]
    report_step(4, chains[0][1])
    codes = [check_code(view, target) for view, target in zip(views, targets, strict=True)]
    finals = [final for final, _ in codes]
    report_step(5, codes[0][1])
    places = list(zip(views, targets, finals, strict=True))
    anchors = [_read_anchor(view, target, final, head) for view, target, final in places]
    anchor, final = anchors[0], finals[0]
    report_step(6, _describe_reading(targets[0], anchor, final))
    submitters = [
        check_submitter(view, target, anchor, final)
        for (view, target, final), anchor in zip(places, anchors, strict=True)
    ]
    report_step(7, submitters[0][1])
    heads, unread = _read_list(anchored, head)
    others, unasked = _read_others(audited.others, connect)
    sizes = {anchored_head.size for anchored_head in heads}
    sizes.update(anchor.size for _, anchor in others if anchor.size <= head.size)
    roots = dict.fromkeys(sizes, head.root)
    tiles = check_tiles(head, read, roots)
    report_step(8, Message("tiles-prove-leaves", size=head.size, tiles=tiles))
    if unread is not None:
        raise unread
    if heads:
        _check_roots(head, heads, roots)
        for view, target, final in places:
            _check_sequence(view, target, final, heads)
        report_step(9, Message("anchors-all-listed", count=len(heads)))
    else:
        # Not a failure: the registry has enforced that the log only grew.
        report_step(9, Message("anchors-not-published"), Verdict.CANNOT_TELL)
    whole, verdict, abandoned = _check_whole(*places[0], head, heads, anchor)
    report_step(10, whole, verdict)
    if abandoned is not None:
        findings.append(abandoned)
    # First, because a fork is reported even if another registry could not be read.
    compared = _compare_others(others, head, roots)
    if unasked is not None:
        raise unasked
    report_step(11, *compared)
    report_step(12, *_check_exclusive(entries, places))
    return CheckedLog(
        checkpoint=checkpoint,
        target=targets[0],
        anchor=anchor,
        final=final,
        findings=tuple(findings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _AuditTarget:
    """The chain, registry, log and head that the checkpoint states, and the anchors to look up."""

    chain_id: ChainId
    registry: Address
    log: LogId
    head: Head
    targets: tuple[VerificationTarget, ...] = ()
    others: tuple[VerificationTarget, ...] = ()
    entries: tuple[TrustEntry, ...] = ()


def _choose_unpinned(
    audited: _AuditTarget, named: tuple[bool, bool], *, accept_unpinned: bool
) -> tuple[_AuditTarget, Message, AnchorError | None]:
    """Step 3 without a policy; ``named`` says whether the verifier names the log, and the chain."""
    is_log_named, is_chain_named = named
    chain_id, log = audited.chain_id, audited.log
    chain_ids = (chain_id,) if is_chain_named else ()
    target = unpinned_target(chain_id, audited.registry, log, audited.head, None, chain_ids)
    chosen = replace(audited, targets=(target,))
    unpinned = format_unpinned(None if is_log_named else log, () if is_chain_named else (chain_id,))
    ours = Message("registry-of-this-release")
    if not unpinned:
        return chosen, Message("target-as-named", detail=ours), None
    if accept_unpinned:
        return chosen, Message("checkpoint-target-unpinned", detail=ours), None
    doubt = unpinned_error(unpinned, Message("document-checkpoint"))
    return chosen, doubt.message, doubt


def _choose_pinned(audited: _AuditTarget, policy: TrustPolicy) -> _AuditTarget:
    """Step 3: return what the policy pins of the log, in this registry and others."""
    entries = pinned_entries(policy, audited.log)
    pinned = name_other_chains(
        [pinned_target(entry, audited.log, audited.head, None) for entry in entries]
    )
    stated = (audited.chain_id, audited.registry)
    targets = tuple(target for target in pinned if (target.chain_id, target.registry) == stated)
    if not targets:
        raise NotTrustedError(
            Message(
                "registry-not-pinned",
                registry=format_address(audited.registry),
                chain=audited.chain_id,
            )
        )
    others = tuple(target for target in pinned if target not in targets)
    return replace(audited, targets=targets, others=others, entries=tuple(entries))


def _check_exclusive(
    entries: Sequence[TrustEntry], places: Sequence[tuple[ChainView, VerificationTarget, Block]]
) -> tuple[Message, Verdict]:
    """Check that the owner has only the logs that the policy lists, if the policy states so."""
    view, target, final = places[0]
    exclusive = [
        entry
        for entry in entries
        if entry.exclusive_logs
        and (entry.chain_id, entry.registry) == (target.chain_id, target.registry)
    ]
    if not exclusive:
        return Message("policy-silent-on-other-logs"), Verdict.NOT_PRESENT
    logs = sorted({number for entry in exclusive for number in entry.logs})
    return check_other_logs(view, target, final, logs), Verdict.PASS


def _read_anchor(view: ChainView, target: VerificationTarget, final: Block, head: Head) -> Anchor:
    anchor = read_anchor(view, target, final)
    if anchor is None:
        raise NotAnchoredError(
            Message(
                "registry-lacks-checkpoint-root",
                registry=format_address(target.registry),
                root=head.root.hex(),
                log=target.log.hex(),
            )
        )
    if anchor.size != head.size:
        raise MismatchError(Message("checkpoint-size-differs", size=head.size, actual=anchor.size))
    return anchor


def _describe_reading(target: VerificationTarget, anchor: Anchor, final: Block) -> Message:
    sequence, block = anchor.sequence, anchor.block_number
    if target.final_after is None:
        return Message("anchor-read-at-block", sequence=sequence, block=block, final=final.number)
    return Message(
        "anchor-read-at-treated-block",
        sequence=sequence,
        block=block,
        final=final.number,
        finality=Message("finality-by-depth", count=target.final_after),
    )


def _read_list(
    anchored: Callable[[Head], Iterable[Head]], head: Head
) -> tuple[list[Head], AnchorError | None]:
    """Return the published anchored heads, or the error to raise at step 9."""
    try:
        return list(anchored(head)), None
    except AnchorError as error:
        return [], error


def _read_others(
    others: Sequence[VerificationTarget], connect: Connect
) -> tuple[list[tuple[VerificationTarget, Anchor]], AnchorError | None]:
    """Return the newest anchor of the log in each of the other registries that the policy pins.

    The head of each returned target has that anchor's root.  An error is returned, to be raised at
    step 11.
    """
    anchors: list[tuple[VerificationTarget, Anchor]] = []
    problem: AnchorError | None = None
    for other in others:
        try:
            view, _ = check_chain(connect(other), other)
            final, _ = check_code(view, other)
            root = read_links(view, other, final).root
            stored = None if root is None else read_stored(view, other, final, root)
        except AnchorError as error:
            # Not a fault of this log: the state of the other registry is unknown.
            problem = problem or CannotCheckError(
                Message("registry-not-read", place=_format_registry(other), reason=error.message),
                hint=error.hint or Message("policy-nodes-of-chain-hint"),
            )
            continue
        if root is not None and stored is not None:
            head = Head(root=root, size=stored.size)
            anchors.append((replace(other, head=head), stored))
    return anchors, problem


def _format_registry(target: VerificationTarget) -> Message:
    return Message(
        "registry-at-chain", registry=format_address(target.registry), chain=target.chain_id
    )


def _compare_others(
    others: Sequence[tuple[VerificationTarget, Anchor]], head: Head, roots: Mapping[int, Hash32]
) -> tuple[Message, Verdict]:
    """Compare other registries' newest heads with the log's own roots at those sizes.

    Raises:
        MismatchError: Another registry holds a different log under the same log id.
    """
    newer = []
    for other, stored in others:
        where = _format_registry(other)
        if stored.size > head.size:
            newer.append(Message("registry-ahead-of-publication", place=where, size=stored.size))
        elif roots[stored.size] != other.head.root:
            raise MismatchError(Message("log-forked", place=where, size=stored.size))
    if newer:
        return join(newer, "semicolon"), Verdict.CANNOT_TELL
    if not others:
        return Message("log-in-one-registry-only"), Verdict.NOT_PRESENT
    return Message("registries-agree", count=len(others)), Verdict.PASS


def _check_whole(
    view: ChainView,
    target: VerificationTarget,
    final: Block,
    head: Head,
    heads: Sequence[Head],
    anchor: Anchor,
) -> tuple[Message, Verdict, AnchorError | None]:
    """Check that the checkpoint is the newest head; return a line about operators and links.

    The returned error states that the owner abandoned, or may have abandoned, the published head.
    """
    links = read_links(view, target, final)
    detail, abandonment = format_links(view, target, final, links, heads)
    # Without a published list of anchored heads, events may show an abandonment.
    abandoned = abandonment if heads else _find_abandonment(view, target, final, anchor)
    if heads:
        stored = [read_stored(view, target, final, earlier.root) for earlier in heads]
        anchors = [anchor for anchor in stored if anchor is not None]
        detail = join((format_operators(view, target, final, anchors), detail), "semicolon")
    if abandoned is not None:
        return join((abandoned.message, detail), "semicolon"), verdict_of(abandoned), abandoned
    if links.root is None or links.root == head.root:
        return detail, Verdict.PASS, None
    newest = read_stored(view, target, final, links.root)
    if newest is None:
        detail = Message("registry-newer-of-unknown-size", detail=detail)
    else:
        detail = Message("registry-newer-than-published", size=newest.size, detail=detail)
    return detail, Verdict.CANNOT_TELL, None


def _find_abandonment(
    view: ChainView, target: VerificationTarget, final: Block, anchor: Anchor
) -> AnchorError | None:
    try:
        read_standing(view, target, anchor, final)
    except (AbandonedError, CannotCheckError) as error:
        return error
    return None


def _check_roots(head: Head, heads: list[Head], roots: Mapping[int, Hash32]) -> None:
    """Check that every listed head is this log's, and that the last is the checkpoint's."""
    for anchored in heads:
        if roots[anchored.size] != anchored.root:
            raise MismatchError(Message("anchors-root-differs", size=anchored.size))
    if heads[-1] != head:
        raise MismatchError(Message("anchors-end-before-checkpoint"))


def _check_sequence(
    view: ChainView, target: VerificationTarget, final: Block, heads: list[Head]
) -> None:
    """Check that the registry holds ``heads``, ending with the checkpoint's, as anchors 1 … N."""
    for sequence, head in enumerate(heads, start=1):
        anchor = read_anchor(view, replace(target, head=head), final)
        if anchor is None:
            raise NotAnchoredError(
                Message("registry-lacks-published-anchor", root=head.root.hex(), sequence=sequence)
            )
        if (anchor.sequence, anchor.size) != (sequence, head.size):
            raise MismatchError(
                Message(
                    "anchors-sequence-differs",
                    size=head.size,
                    sequence=sequence,
                    found_sequence=anchor.sequence,
                    found_size=anchor.size,
                ),
                hint=Message("anchors-sequence-differs-hint"),
            )


def check_tiles(head: Head, read: TileReader, roots: MutableMapping[int, Hash32]) -> int:
    """Recompute the whole tree from the tiles of leaf hashes; return the number of tiles.

    For each size that is a key of ``roots``, the computed root of that size is stored as its value.
    """
    builder = TileBuilder()
    count = 0
    for leaves in _cut(read_leaves(read, head.size, 0, head.size), sorted(roots)):
        for tile, expected in builder.add(leaves):
            _compare(tile, expected, read)
            count += 1
        if builder.edge.size in roots:
            roots[builder.edge.size] = builder.edge.root()
    for tile, expected in builder.unfinished():
        _compare(tile, expected, read)
        count += 1
    if builder.edge.root() != head.root:
        raise MismatchError(Message("checkpoint-root-differs", size=head.size))
    return count


def _cut(chunks: Iterable[bytes], sizes: Sequence[int]) -> Iterator[bytes]:
    """Split ``chunks`` of leaf hashes so that a chunk ends after each of ``sizes`` leaves."""
    done = 0
    pending = iter(sizes)
    size = next(pending, None)
    for chunk in chunks:
        start, end = done, done + len(chunk) // HASH
        while size is not None and size <= end:
            if size > done:
                yield chunk[(done - start) * HASH : (size - start) * HASH]
                done = size
            size = next(pending, None)
        if done < end:
            yield chunk[(done - start) * HASH :]
            done = end


def _compare(tile: Tile, expected: bytes, read: TileReader) -> None:
    if not tile.level:
        return  # level 0: the leaf hashes, from which ``expected`` was computed
    published = read(tile)
    if published == expected:
        return
    at = next(
        at
        for at in range(tile.width)
        if published[at * HASH :][:HASH] != expected[at * HASH :][:HASH]
    )
    below = Tile(tile.level - 1, tile.number * BLOCK + at)
    raise MismatchError(Message("tile-altered", path=below.path, index=at, parent=tile.path))
