"""An Ethereum chain in this process (py-evm): one block per transaction, no mempool."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import rlp
from eth.abc import BlockAPI, BlockHeaderAPI, ReceiptAPI, SignedTransactionAPI, StateAPI
from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.exceptions import HeaderNotFound, OutOfGas, Revert, TransactionNotFound, VMError
from eth.rlp.accounts import Account
from eth.typing import AccountDetails, AccountState, HeaderParams
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_typing import Address, BlockNumber, Hash32
from eth_utils.exceptions import ValidationError
from trie.hexary import HexaryTrie

from anchor.chain.devnet.accounts import CREATE2_PROXY_CODE, DEV_ADDRESSES, DEV_BALANCE
from anchor.chain.devnet.jsonrpc import EXECUTION_REVERTED, SERVER_ERROR, RpcError
from anchor.ethereum.keccak import hash_keccak256
from anchor.registry.artifact import CREATE2_PROXY

GAS_LIMIT = 30_000_000

# EIP-7623: the least gas per token of call data (a zero byte is one token, any other is four).
_FLOOR_PER_TOKEN = 10
_TRANSACTION_GAS = 21_000
# geth stops searching when the estimate is at most 1.5 % too high.
_ESTIMATE_SLACK = 0.015
_CALL_STIPEND = 2300
# keccak("Error(string)")[:4], which `require` and `revert` with a reason return.
_ERROR_SELECTOR = bytes.fromhex("08c379a0")
# A trie node that is shorter than its hash is embedded in its parent.
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A message to execute without mining it; ``to`` is empty for a creation."""

    sender: Address
    to: Address
    data: bytes
    value: int
    gas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a call; ``error`` is None if it succeeded, else the client's error."""

    gas_used: int
    refund: int
    output: bytes
    error: RpcError | None


def create_chain(chain_id: int, *, timestamp: int) -> MiningChain:
    """Return a chain with the Prague rules and the devnets' accounts and proxy in genesis."""
    # EIP-155, the CHAINID opcode and eth_chainId all take the id from here.
    rules = MiningChain.configure(
        "DevnetChain", chain_id=chain_id, vm_configuration=((0, PragueVM),)
    )
    account: AccountDetails = {"balance": DEV_BALANCE, "nonce": 0, "code": b"", "storage": {}}
    state: AccountState = {Address(address): account for address in DEV_ADDRESSES}
    # EIP-161: a contract's nonce starts at 1.
    proxy: AccountDetails = {"balance": 0, "nonce": 1, "code": CREATE2_PROXY_CODE, "storage": {}}
    state[Address(CREATE2_PROXY)] = proxy
    genesis: dict[str, HeaderParams] = {"gas_limit": GAS_LIMIT, "timestamp": timestamp}
    return cast("MiningChain", rules.from_genesis(AtomicDB(), genesis, state))


class PyEvmChain:
    """The py-evm chain behind the embedded node.  Not thread-safe."""

    def __init__(self, chain: MiningChain, *, clock: Callable[[], float] = time.time) -> None:
        self._chain = chain
        self._clock = clock

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self._chain.chain_id

    @property
    def head(self) -> BlockHeaderAPI:
        """The newest block's header."""
        return self._chain.get_canonical_head()

    def find_block(self, number: int) -> BlockAPI | None:
        """Return the block at this height; None above the head."""
        if number > self.head.block_number:
            return None
        return self._chain.get_canonical_block_by_number(BlockNumber(number))

    def find_block_by_hash(self, block_hash: bytes) -> BlockAPI | None:
        """Return the block with this hash if it is on the canonical chain, else None."""
        try:
            header = self._chain.get_block_header_by_hash(Hash32(block_hash))
        except HeaderNotFound:
            return None
        block = self.find_block(header.block_number)
        return block if block is not None and block.hash == block_hash else None

    def find_transaction(self, transaction_hash: bytes) -> tuple[BlockAPI, int] | None:
        """Return the block that contains this transaction, and its index; None if unknown."""
        try:
            number, index = self._chain.get_canonical_transaction_index(Hash32(transaction_hash))
        except TransactionNotFound:
            return None
        block = self.find_block(number)
        hashes = [] if block is None else [signed.hash for signed in block.transactions]
        is_canonical = transaction_hash in hashes[index : index + 1]
        return (block, index) if block is not None and is_canonical else None

    def list_receipts(self, block: BlockAPI) -> Sequence[ReceiptAPI]:
        """Return the receipts of the block's transactions."""
        return tuple(block.get_receipts(self._chain.chaindb))

    def state_after(self, header: BlockHeaderAPI) -> StateAPI:
        """Return the state after a block."""
        return self._chain.get_vm(header).state

    def prove(self, address: Address, slots: Iterable[int], header: BlockHeaderAPI) -> Any:
        """Return the members of an EIP-1186 proof of an account and of some of its slots."""
        database = self._chain.chaindb.db
        account_key = hash_keccak256(address)
        accounts = HexaryTrie(database, header.state_root)
        account = rlp.decode(accounts[account_key], Account) if accounts[account_key] else Account()
        storage = HexaryTrie(database, account.storage_root)
        state = self.state_after(header)
        return {
            "address": address,
            "accountProof": _prove_key(accounts, account_key),
            "balance": account.balance,
            "codeHash": account.code_hash,
            "nonce": account.nonce,
            "storageHash": account.storage_root,
            "storageProof": [
                {
                    "key": slot,
                    "value": state.get_storage(address, slot),
                    "proof": _prove_key(storage, hash_keccak256(slot.to_bytes(32, "big"))),
                }
                for slot in slots
            ],
        }

    def next_header(self) -> BlockHeaderAPI:
        """Return the next block's draft header, timed now or one second after its parent."""
        return self._draft_header(self.head)

    def _draft_header(self, parent: BlockHeaderAPI) -> BlockHeaderAPI:
        return self._chain.create_header_from_parent(
            parent,
            gas_limit=parent.gas_limit,
            timestamp=max(int(self._clock()), parent.timestamp + 1),
            mix_hash=os.urandom(32),
        )

    def send(self, raw: bytes) -> bytes:
        """Mine a signed transaction into a block of its own, and return its hash.

        Raises:
            RpcError: The transaction is refused; the chain is unchanged.
        """
        signed = self._decode(raw)
        if self.find_transaction(signed.hash) is not None:
            raise RpcError(SERVER_ERROR, "already known")
        self._check_sendable(signed)
        self.mine(signed)
        return signed.hash

    def reorganise(self, depth: int) -> None:
        """Replace the newest ``depth`` blocks by one more block than that, all of them empty."""
        if not 0 < depth <= self.head.block_number:
            height = self.head.block_number
            raise RpcError(SERVER_ERROR, f"reorg depth {depth}: want 1 to {height}")
        fork = self._chain.get_canonical_block_header_by_number(
            BlockNumber(self.head.block_number - depth)
        )
        # py-evm's canonical chain is the one with the greater sum of block numbers.
        for _ in range(depth + 1):
            self._chain.header = self._draft_header(fork)
            mined, _, _ = self._chain.mine_all(())
            fork = mined.imported_block.header

    def mine(self, *transactions: SignedTransactionAPI) -> None:
        """Mine one block of these transactions."""
        self._chain.header = self.next_header()
        try:
            self._chain.mine_all(transactions)
        except ValidationError as error:
            # Nothing was persisted: the state was only in py-evm's vm.
            raise RpcError(SERVER_ERROR, f"invalid transaction: {error}") from error

    def execute(self, call: Call, header: BlockHeaderAPI) -> Outcome:
        """Execute a message on the state after a block, without storing the changes.

        As with geth's eth_call, the sender pays nothing, so the base fee is set to zero.
        """
        # Any: no abstract class has `finalize_gas_used` and the members of a spoofed transaction.
        vm: Any = self._chain.get_vm(header.copy(base_fee_per_gas=0))
        unsigned = vm.create_unsigned_transaction(
            nonce=vm.state.get_nonce(call.sender),
            gas_price=0,
            gas=call.gas,
            to=call.to,
            value=call.value,
            data=call.data,
        )
        if call.gas < unsigned.intrinsic_gas:
            raise RpcError(
                SERVER_ERROR,
                f"intrinsic gas too low: have {call.gas}, want {unsigned.intrinsic_gas}",
            )
        if vm.state.get_balance(call.sender) < call.value:
            raise RpcError(SERVER_ERROR, "insufficient funds for transfer")
        spoofed = SpoofTransaction(unsigned, from_=call.sender)
        try:
            computation = vm.state.apply_transaction(spoofed)
        except ValidationError as error:
            raise RpcError(SERVER_ERROR, f"invalid call: {error}") from error
        failed = computation.is_error
        return Outcome(
            gas_used=vm.finalize_gas_used(spoofed, computation),
            refund=computation.get_gas_refund(),
            output=computation.output,
            error=_describe_failure(computation.error, computation.output) if failed else None,
        )

    def estimate_gas(self, call: Call, header: BlockHeaderAPI) -> int:
        """Return a gas limit with which ``call`` succeeds, at most 1.5 % above the least one.

        Raises:
            RpcError: The call fails even with the gas limit that it names.
        """
        first = self.execute(call, header)
        if first.error is not None:
            raise first.error
        if self._is_enough(replace(call, gas=first.gas_used), header):
            return first.gas_used
        low, high = first.gas_used, call.gas
        # A caller keeps one 64th of its gas from an inner call, so the used gas is often too low.
        guess = (first.gas_used + first.refund + _CALL_STIPEND) * 64 // 63
        while high - low > high * _ESTIMATE_SLACK:
            middle = guess if low < guess < high else (low + high) // 2
            guess = 0
            if self._is_enough(replace(call, gas=middle), header):
                high = middle
            else:
                low = middle
        return high

    def _is_enough(self, call: Call, header: BlockHeaderAPI) -> bool:
        try:
            outcome = self.execute(call, header)
        except RpcError:
            return False
        # py-evm charges the floor of EIP-7623 without asking whether the limit covers it.
        return outcome.error is None and outcome.gas_used <= call.gas

    def _decode(self, raw: bytes) -> SignedTransactionAPI:
        if raw[:1] not in (b"\x01", b"\x02") and not (raw and raw[0] >= 0xC0):
            raise RpcError(SERVER_ERROR, "transaction type not supported")
        try:
            signed = self._chain.get_vm(self.head).get_transaction_builder().decode(raw)
            signed.validate()
            signed.check_signature_validity()
        except (rlp.exceptions.RLPException, ValidationError, ValueError, TypeError) as error:
            raise RpcError(SERVER_ERROR, f"invalid transaction: {error}") from error
        return signed

    def _check_sendable(self, signed: SignedTransactionAPI) -> None:
        """Check that a transaction can be mined next.

        Raises:
            RpcError: The transaction cannot be mined; the message is geth's.
        """
        state, following = self.state_after(self.head), self.next_header()
        nonce, balance = state.get_nonce(signed.sender), state.get_balance(signed.sender)
        cost = signed.gas * signed.max_fee_per_gas + signed.value
        least_gas = max(signed.intrinsic_gas, _floor_gas(signed.data))
        refusal = None
        if signed.chain_id not in (None, self.chain_id):
            refusal = f"invalid chain id for signer: have {signed.chain_id} want {self.chain_id}"
        elif signed.nonce != nonce:
            # geth would keep a later one until the gap closes; without a mempool that is not
            # possible.
            relation = "low" if signed.nonce < nonce else "high"
            refusal = f"nonce too {relation}: next nonce {nonce}, tx nonce {signed.nonce}"
        elif signed.gas > following.gas_limit:
            refusal = "exceeds block gas limit"
        elif signed.gas < least_gas:
            refusal = f"intrinsic gas too low: gas {signed.gas}, minimum needed {least_gas}"
        elif signed.max_priority_fee_per_gas > signed.max_fee_per_gas:
            refusal = "max priority fee per gas higher than max fee per gas"
        elif signed.max_fee_per_gas < base_fee_of(following):
            fees = f"{signed.max_fee_per_gas} < {base_fee_of(following)}"
            refusal = f"max fee per gas less than block base fee: {fees}"
        elif balance < cost:
            refusal = (
                "insufficient funds for gas * price + value: "
                f"balance {balance}, tx cost {cost}, overshot {cost - balance}"
            )
        if refusal is not None:
            raise RpcError(SERVER_ERROR, refusal)


def base_fee_of(header: BlockHeaderAPI) -> int:
    """Return a header's base fee; every header has one since London."""
    fee = header.base_fee_per_gas
    assert fee is not None
    return fee


def _prove_key(trie: HexaryTrie, key: bytes) -> list[bytes]:
    nodes = [rlp.encode(node) for node in trie.get_proof(key)]
    return [node for node in nodes if len(node) >= _HASH_BYTES]


def _floor_gas(data: bytes) -> int:
    tokens = 4 * len(data) - 3 * data.count(0)
    return _TRANSACTION_GAS + _FLOOR_PER_TOKEN * tokens


def _describe_failure(error: VMError, output: bytes) -> RpcError:
    """Return the client's error for a failed execution."""
    if isinstance(error, Revert):
        message = "execution reverted" + _decode_reason(output)
        return RpcError(EXECUTION_REVERTED, message, "0x" + output.hex())
    if isinstance(error, OutOfGas):
        return RpcError(SERVER_ERROR, "out of gas")
    return RpcError(SERVER_ERROR, f"{type(error).__name__}: {error}")


def _decode_reason(output: bytes) -> str:
    """Return ``: reason`` of ``Error(string)``; empty for any other revert data."""
    if output[:4] != _ERROR_SELECTOR:
        return ""
    length = int.from_bytes(output[36:68], "big")
    return ": " + output[68 : 68 + length].decode("utf-8", "replace")
