"""The blocks that records name, proven by nodes for receipts (EIP-2935)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from anchor.base.errors import CannotCheckError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.base.types import Block, Hash32
from anchor.chain.beacon_proof import fetch_beacon_proofs
from anchor.chain.node import Node
from anchor.ethereum.header import Header, parse_header
from anchor.ethereum.known_chains import has_block_history
from anchor.evidence.not_before import NotBefore
from anchor.evidence.record import find_named_block
from anchor.project.config import Config
from anchor.receipt.history_proof import HISTORY_WINDOW, check_beacon, is_in_window
from anchor.receipt.state_proof import BeaconProof, StateProof


class Beacons:
    """Fetches each beacon of a block once; the user is told once why one is missing."""

    def __init__(self, config: Config, node: Node, report: Callable[[Message], None]) -> None:
        """Prepare; ``node`` is asked only when a beacon is needed."""
        self._config = config
        self._node = node
        self._report = report
        self._fetched: dict[tuple[Hash32, NotBefore], BeaconProof | None] = {}
        self._on_chain: dict[Hash32, bool] = {}
        self._is_told = False

    def find_provable(self, record: bytes) -> NotBefore | None:
        """Return the block that a record names, if it is one of a chain that can prove it."""
        named = find_named_block(record)
        if named is None or named.chain_id != self._config.chain_id:
            return None
        return named if has_block_history(named.chain_id) else None

    def add(self, proof: StateProof, named: NotBefore) -> StateProof:
        """Return a state proof with the beacon of a named block, or without it if there is none."""
        header = parse_header(proof.header)
        if (header.hash, named) not in self._fetched:
            block = Block(number=header.number, hash=header.hash, timestamp=header.timestamp)
            self._fetched[header.hash, named] = self.fetch([named], block).get(named)
        beacon = self._fetched[header.hash, named]
        return proof if beacon is None else replace(proof, beacon=beacon)

    def fetch(self, named: Sequence[NotBefore], block: Block) -> dict[NotBefore, BeaconProof]:
        """Return the beacons of these blocks as of ``block``; those that cannot be proven lack."""
        missed = [each for each in named if block.number - each.block_number > HISTORY_WINDOW]
        if missed:
            numbers = [each.block_number for each in missed]
            self._tell(
                Message(
                    "beacon-window-missed",
                    number=min(numbers),
                    block=block.number,
                    limit=HISTORY_WINDOW,
                )
            )
        due = [each for each in named if is_in_window(each.block_number, block.number)]
        chain_id = self._config.chain_id
        try:
            return fetch_beacon_proofs(self._node, due, chain_id=chain_id, block=block)
        except (CannotCheckError, UnknownVersionError) as error:
            self._tell(Message("receipt-beacon-missing", reason=error.message))
            return {}

    def check(
        self, beacon: BeaconProof, named: NotBefore, header: Header, anchored_at: int
    ) -> None:
        """Check a kept beacon as a verifier does."""
        check_beacon(
            beacon,
            named,
            header=header,
            chain_id=self._config.chain_id,
            anchored_at=anchored_at,
        )

    def is_on_chain(self, header: Header) -> bool:
        """Return whether the block of a kept proof is still the nodes'; True if none answers."""
        if header.hash not in self._on_chain:
            try:
                block = self._node.fetch_block(header.number)
            except CannotCheckError:
                return True
            self._on_chain[header.hash] = block is not None and block.hash == header.hash
        return self._on_chain[header.hash]

    def _tell(self, message: Message) -> None:
        if not self._is_told:
            self._is_told = True
            self._report(message)
