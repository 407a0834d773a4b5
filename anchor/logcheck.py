"""Verifying a published log: its checkpoint, its tiles and the registry, against one another.

No operator data but what is published is needed.  Nothing here does I/O: tiles come through a
``TileReader``, the chain is a ``ChainView``.  Steps:

1. The checkpoint must be a signed note of a log in a registry.
2. It must be signed by the log's key, where that is known.
3. Chain, registry and log must be the ones the trust policy pins.
4. The node must be on that chain: chain id and genesis block.
5. The code at the registry's address must have the pinned hash.
6. The registry's storage must hold the root, with that size, in a final block.
7. Who submitted it must be an operator the policy accepts.
8. All leaf hashes, in their order and number, must lead to the root, and every tile must hold what
   follows from the leaf hashes.
9. Every anchored head that is published must be the log's at that size, and the registry must hold
   them as its anchors 1 … N, without a gap.
10. The registry must hold no newer head than the checkpoint's.  Who anchored, which log it goes on
    from, and which goes on from it, is told.
11. Every other registry that the policy pins for the same log must hold, as its newest head, one of
    this very log: else it was forked.
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

from anchor.checkpoint import Checkpoint, open_checkpoint, parse_origin
from anchor.checks import (
    Block,
    ChainView,
    Target,
    check_chain,
    check_code,
    check_submitter,
    read_anchor,
)
from anchor.errors import (
    AnchorError,
    CannotCheckError,
    MismatchError,
    NotAnchoredError,
    NotTrustedError,
)
from anchor.loglinks import describe_links, describe_operators, read_links, read_stored
from anchor.notes import NoteVerifier
from anchor.registry.keccak import format_address
from anchor.targets import name_other_chains, pinned_entries, pinned_target, unpinned_target
from anchor.tiles import Tile, TileBuilder, TileReader, read_leaves
from anchor.tree import BLOCK, HASH
from anchor.trust import TrustPolicy
from anchor.types import Anchor, ChainId, Hash32, Head, LogId, log_number, log_owner
from anchor.verdict import Verdict
from anchor.verify import Connect

TITLES = {
    1: "checkpoint is well formed",
    2: "checkpoint is signed",
    3: "registry and log are trusted",
    4: "node is on the right chain",
    5: "registry's code is ours",
    6: "root is anchored and final",
    7: "submitter is accepted",
    8: "tiles lead to the root",
    9: "anchors are complete",
    10: "nothing newer is anchored",
    11: "no fork in another registry",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLog:
    """A published log of which every step passed; ``final`` is the block that was read."""

    checkpoint: Checkpoint
    target: Target
    anchor: Anchor
    final: Block


class Tell(Protocol):
    """Called with the number of each step that did not fail, and a line about it."""

    def __call__(self, number: int, detail: str, verdict: Verdict = Verdict.PASS) -> None: ...


def check_log(
    note: bytes,
    read: TileReader,
    *,
    policy: TrustPolicy | None,
    verifier: NoteVerifier | None,
    connect: Connect,
    tell: Tell,
    anchored: Callable[[Head], Iterable[Head]] = lambda _: (),
    expected: LogId | None = None,
    chain_ids: Collection[ChainId] = (),
) -> CheckedLog:
    """Check the log that ``note``, its checkpoint, speaks of.

    ``anchored`` returns the heads up to a head that are published as anchored; none: it is not
    published which they are.  ``expected`` is the log that it has to be.

    Raises:
        AnchorError: the first step that failed, or could not be made.
    """
    checkpoint = open_checkpoint(note, None)
    head = checkpoint.head
    chain_id, registry, log = parse_origin(checkpoint.origin)
    tell(
        1,
        f"{head.size:,} leaves of log {log_number(log)} of {format_address(log_owner(log))}, "
        f"root {head.root.hex()}",
    )
    if verifier is None:
        # Not a failure: whose log it is, and which head, is the registry's word, not the key's.
        tell(2, "no key was given", Verdict.CANNOT_TELL)
    else:
        open_checkpoint(note, verifier)
        if verifier.name != checkpoint.origin:
            raise NotTrustedError(f"the key is {verifier.name}'s, not {checkpoint.origin}'s")
        tell(2, f"by {verifier.encode()}")
    if expected is not None and log != expected:
        raise NotTrustedError(
            f"this is log {log_number(log)} of {format_address(log_owner(log))}, not log "
            f"{log_number(expected)} of {format_address(log_owner(expected))}"
        )
    if policy is None:
        pinned: tuple[Target, ...] = ()
        targets = [unpinned_target(chain_id, registry, log, head, None, chain_ids)]
        tell(3, "not pinned, taken from the checkpoint; the registry is this release's own")
    else:
        entries = pinned_entries(policy, log)
        pinned = name_other_chains([pinned_target(entry, log, head, None) for entry in entries])
        place = (chain_id, registry)
        targets = [target for target in pinned if (target.chain_id, target.registry) == place]
        if not targets:
            raise NotTrustedError(
                f"the log is in registry {format_address(registry)} on chain {chain_id}, which the "
                "policy does not pin"
            )
        tell(3, "as pinned")
    # Where a policy says several things about one place, each of them has to hold.
    chains = [check_chain(connect(target), target) for target in targets]
    views = [view for view, _ in chains]
    tell(4, chains[0][1])
    codes = [check_code(view, target) for view, target in zip(views, targets, strict=True)]
    finals = [final for final, _ in codes]
    tell(5, codes[0][1])
    places = list(zip(views, targets, finals, strict=True))
    anchors = [_read_anchor(view, target, final, head) for view, target, final in places]
    anchor, final = anchors[0], finals[0]
    tell(6, f"anchor {anchor.sequence}, block {anchor.block_number}; read at final {final.number}")
    submitters = [
        check_submitter(view, target, found, final)
        for (view, target, final), found in zip(places, anchors, strict=True)
    ]
    tell(7, submitters[0][1])
    heads, unread = _read_list(anchored, head)
    others, unasked = _read_others([target for target in pinned if target not in targets], connect)
    sizes = {item.size for item in heads}
    sizes.update(found.size for _, found in others if found.size <= head.size)
    roots = dict.fromkeys(sizes, head.root)
    tiles = check_tiles(head, read, roots)
    tell(8, f"{head.size:,} leaf hashes in {tiles:,} tiles: order and number are proven")
    if unread is not None:
        raise unread
    if heads:
        _check_roots(head, heads, roots)
        for view, target, final in places:
            _check_sequence(view, target, final, heads)
        tell(9, f"anchors 1 to {len(heads):,}, each with its size, and no other")
    else:
        # Not a failure: that the log only grew, the registry has seen to.
        tell(9, "no list of anchors is published", Verdict.CANNOT_TELL)
    tell(10, *_check_whole(*places[0], head, heads))
    compared = _compare_others(others, head, roots)  # a fork is one, whoever else is silent
    if unasked is not None:
        raise unasked
    tell(11, *compared)
    return CheckedLog(checkpoint=checkpoint, target=targets[0], anchor=anchor, final=final)


def _read_anchor(view: ChainView, target: Target, final: Block, head: Head) -> Anchor:
    anchor = read_anchor(view, target, final)
    if anchor is None:
        raise NotAnchoredError(
            f"the registry {format_address(target.registry)} does not hold the checkpoint's root "
            f"{head.root.hex()} for log 0x{target.log.hex()}"
        )
    if anchor.size != head.size:
        raise MismatchError(
            f"the checkpoint has {head.size} leaves, the registry holds its root for {anchor.size}"
        )
    return anchor


def _read_list(
    anchored: Callable[[Head], Iterable[Head]], head: Head
) -> tuple[list[Head], AnchorError | None]:
    """Return the published anchors, or the error to raise at their own step."""
    try:
        return list(anchored(head)), None
    except AnchorError as error:
        return [], error


def _read_others(
    others: Sequence[Target], connect: Connect
) -> tuple[list[tuple[Target, Anchor]], AnchorError | None]:
    """Return the newest anchor of the log in each of the other registries that the policy pins.

    Its root is the target's head.  An error is returned, to be raised at its own step.
    """
    found: list[tuple[Target, Anchor]] = []
    problem: AnchorError | None = None
    for other in others:
        try:
            view, _ = check_chain(connect(other), other)
            final, _ = check_code(view, other)
            root = read_links(view, other, final).root
            stored = None if root is None else read_stored(view, other, final, root)
        except AnchorError as error:
            # Nothing is wrong with this log: of the other place nothing is known.
            problem = problem or CannotCheckError(
                f"{_place(other)} could not be looked at: {error.message}",
                hint=error.hint or "name nodes of its chain in the policy",
            )
            continue
        if root is not None and stored is not None:
            head = Head(root=root, size=stored.size)
            found.append((replace(other, head=head), stored))
    return found, problem


def _place(target: Target) -> str:
    return f"the registry {format_address(target.registry)} on chain {target.chain_id}"


def _compare_others(
    others: Sequence[tuple[Target, Anchor]], head: Head, roots: Mapping[int, Hash32]
) -> tuple[str, Verdict]:
    """Compare other registries' newest heads with the log's own roots at those sizes.

    Raises:
        MismatchError: one of them holds another log under the same name.
    """
    newer = []
    for other, stored in others:
        where = _place(other)
        if stored.size > head.size:
            newer.append(f"{where} holds {stored.size:,} leaves, more than are published")
        elif roots[stored.size] != other.head.root:
            raise MismatchError(
                f"{where} holds another root for this log's first {stored.size:,} leaves: the log "
                "was forked"
            )
    if newer:
        return "; ".join(newer), Verdict.CANNOT_TELL
    if not others:
        return "the log is looked for in one registry only", Verdict.NOT_PRESENT
    return f"{len(others)} more hold heads of this very log", Verdict.PASS


def _check_whole(
    view: ChainView, target: Target, final: Block, head: Head, heads: Sequence[Head]
) -> tuple[str, Verdict]:
    """Compare the checkpoint with the newest head; tell who anchored, and what goes on from it."""
    links = read_links(view, target, final)
    detail = describe_links(view, target, final, links, heads)
    if heads:
        stored = [read_stored(view, target, final, item.root) for item in heads]
        anchors = [anchor for anchor in stored if anchor is not None]
        detail = f"{describe_operators(view, target, final, anchors)}; {detail}"
    if links.root is None or links.root == head.root:
        return detail, Verdict.PASS
    newest = read_stored(view, target, final, links.root)
    size = "more" if newest is None else f"{newest.size:,}"
    return f"the registry holds {size} leaves, newer than what is published; {detail}", (
        Verdict.CANNOT_TELL
    )


def _check_roots(head: Head, heads: list[Head], roots: Mapping[int, Hash32]) -> None:
    """See that every head of the list is this log's, and that it ends with the checkpoint's."""
    for item in heads:
        if roots[item.size] != item.root:
            raise MismatchError(
                f"the first {item.size} leaf hashes do not lead to the root that is published as "
                "anchored"
            )
    if heads[-1] != head:
        raise MismatchError("the list of anchors does not end with the checkpoint's head")


def _check_sequence(view: ChainView, target: Target, final: Block, heads: list[Head]) -> None:
    """See that the registry holds ``heads``, the last of which is the checkpoint's, as 1 … N."""
    for sequence, head in enumerate(heads, start=1):
        anchor = read_anchor(view, replace(target, head=head), final)
        if anchor is None:
            raise NotAnchoredError(
                f"the registry does not hold the root {head.root.hex()}, which is published as "
                f"anchor {sequence}"
            )
        if (anchor.sequence, anchor.size) != (sequence, head.size):
            raise MismatchError(
                f"the head of size {head.size} is published as anchor {sequence}; the registry "
                f"holds its root as anchor {anchor.sequence}, of size {anchor.size}",
                hint="an anchor is missing from the list, or was added to it",
            )


def check_tiles(
    head: Head, read: TileReader, roots: MutableMapping[int, Hash32] | None = None
) -> int:
    """Recompute the whole tree from the tiles of leaf hashes; return how many tiles there are.

    For each size in ``roots``, the root that the first so many leaves lead to is put there.

    Raises:
        MismatchError: a tile does not hold what follows from those below it, or the root is other.
    """
    builder = TileBuilder()
    count = 0
    roots = {} if roots is None else roots
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
        raise MismatchError(f"the {head.size} leaf hashes do not lead to the checkpoint's root")
    return count


def _cut(chunks: Iterable[bytes], sizes: Sequence[int]) -> Iterator[bytes]:
    """Cut ``chunks`` of leaf hashes so that one ends at each of ``sizes``."""
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
        return  # it is what the rest was computed from
    found = read(tile)
    if found == expected:
        return
    at = next(
        at for at in range(tile.width) if found[at * HASH :][:HASH] != expected[at * HASH :][:HASH]
    )
    below = Tile(tile.level - 1, tile.number * BLOCK + at)
    raise MismatchError(f"{below.path} does not lead to hash {at} of {tile.path}: one was altered")
