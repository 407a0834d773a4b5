"""The chain of a test session: anvil, the embedded chain, or a node that runs already."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

from anchor.base.errors import CannotCheckError, NodeRefusedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import Clock, SystemClock, unix_now
from anchor.base.types import Block, ChainId, Hash32
from anchor.chain.devnet import Devnet, find_anvil, open_devnet
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.project.files import find_checkout
from anchor.testing.fixture_types import ChainKind
from anchor.verification.policy import FinalityRule

# Blocks on top of an anchor's until it is final, on each kind of local chain.
FINALITY_DEPTH = 2
_BLOCK_SECONDS = 1.0
# Each block is at least a second later than its parent.  Records are refused where the clock is
# five minutes behind the chain's, so blocks are mined in advance up to this many seconds only.
MOST_AHEAD = 120


class LocalChain(AbstractContextManager["LocalChain"]):
    """The chain of the fixture ``anchor_chain``, an `AnchorChain`.

    A chain that this session started mines for transactions and on request only, so that how far
    an anchor has come does not depend on the speed of the machine.
    """

    def __init__(
        self, url: str, *, devnet: Devnet | None = None, clock: Clock | None = None
    ) -> None:
        """Connect to the chain at ``url``, which is ``devnet`` if this session started it."""
        self._cleanup = ExitStack()
        self._system_clock = clock or SystemClock()
        if devnet is not None:
            self._cleanup.callback(devnet.close)
        try:
            self._node = Node(Rpc(url))
            self._cleanup.callback(self._node.close)
            self._url = url
            self._chain_id = self._node.fetch_chain_id()
            self._kind = self._fetch_kind()
            if devnet is not None and self._kind == "anvil":
                self._order("evm_setIntervalMining", 0)
                self._order("evm_setAutomine", True)
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """The JSON-RPC endpoint."""
        return self._url

    @property
    def kind(self) -> ChainKind:
        """The program that runs the chain."""
        return self._kind

    @property
    def chain_id(self) -> ChainId:
        """The chain's id."""
        return self._chain_id

    @property
    def finality(self) -> FinalityRule:
        """The rule by which blocks are final; the embedded chain does not name a final block."""
        return FINALITY_DEPTH if self._kind == "py-evm" else "finalized"

    def mine(self, count: int = 1) -> None:
        """Mine ``count`` blocks at once.

        Raises:
            UsageError: The count is negative, or the node does not mine on request.
        """
        _check_count(count)
        for _ in range(count):
            self._order("evm_mine")

    def reorg(self, count: int = 1) -> None:
        """Replace the newest ``count`` blocks that hold transactions, and all after them.

        Raises:
            UsageError: The count is negative, the node replaces no blocks on request, or the chain
                has fewer such blocks.
        """
        _check_count(count)
        if count == 0:
            return
        number, left = self._node.fetch_latest().number + 1, count
        while left > 0:
            number -= 1
            if number == 0:
                raise UsageError(Message("test-chain-too-short", count=count, actual=count - left))
            left -= bool(self._node.fetch_transaction_hashes(number))
        removed = self._node.fetch_block(number)
        # A block that is mined meanwhile makes the depth one too little.
        while self._node.fetch_block(number) == removed:
            self._order("anvil_reorg", self._node.fetch_latest().number - number + 1, [])

    @contextmanager
    def clock(self) -> Iterator[None]:
        """Mine a block each second until the end of the ``with`` block.

        Programs that wait for finality by themselves need that.
        """
        ended, rpc = threading.Event(), Rpc(self._url)

        def tick() -> None:
            while not ended.wait(_BLOCK_SECONDS):
                with suppress(CannotCheckError):  # whoever uses the chain is told
                    rpc.call("evm_mine")

        thread = threading.Thread(target=tick, name="clock of the test chain", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            rpc.close()

    def mine_until_final(self) -> None:
        """Mine the blocks that make the newest one final, once the chain's time is not far ahead.

        A chain of which nothing is known has to make blocks final by itself.
        """
        if self._kind == "other":
            return
        ahead = self._node.fetch_latest().timestamp - unix_now()
        if ahead > MOST_AHEAD:
            self._system_clock.sleep(ahead - MOST_AHEAD)
        self.mine(FINALITY_DEPTH)

    def final_hash(self, number: int) -> Hash32 | None:
        """Return the hash of the final block at a height; None if that block is not final."""
        with suppress(CannotCheckError):
            if self._node.fetch_final_block(self.finality).number >= number:
                block: Block | None = self._node.fetch_block(number)
                return None if block is None else block.hash
        return None

    def close(self) -> None:
        """Disconnect, and end the chain if this session started it; safe to repeat."""
        self._cleanup.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fetch_kind(self) -> ChainKind:
        program = str(self._node.rpc.call("web3_clientVersion"))
        if program.startswith("anvil/"):
            return "anvil"
        return "py-evm" if program.startswith("anchor-devnet/py-evm/") else "other"

    def _order(self, method: str, *params: object) -> None:
        try:
            self._node.rpc.call(method, params)
        except NodeRefusedError as error:
            raise UsageError(
                Message("test-chain-refuses", name=self._node.name, method=method, reason=error),
                hint=Message("test-chain-refuses-hint"),
            ) from error


def _check_count(count: int) -> None:
    if count < 0:
        raise UsageError(Message("test-chain-count-negative", count=count))


def open_chain(choice: str) -> LocalChain:
    """Return the chain that a choice names: ``auto``, ``anvil``, ``py-evm`` or a node's URL.

    ``auto`` is anvil if it is installed, and otherwise the embedded chain.
    """
    if choice.startswith(("http://", "https://")):
        return LocalChain(choice)
    if choice not in ("auto", "anvil", "py-evm"):
        raise UsageError(Message("test-chain-unknown", choice=choice))
    anvil = None if choice == "py-evm" else find_anvil(find_checkout())
    if choice == "anvil" and anvil is None:
        raise UsageError(Message("test-chain-no-anvil"), hint=Message("test-chain-no-anvil-hint"))
    devnet = open_devnet(anvil=anvil)
    return LocalChain(devnet.url, devnet=devnet)
