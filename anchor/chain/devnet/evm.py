"""An Ethereum chain inside this process: py-evm, one block per transaction, no mempool, no forks.

Mined blocks are kept as values beside py-evm's database: nothing is ever reorganised, so look-ups
need no walk through it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from anchor.chain.devnet.jsonrpc import SERVER_ERROR, RpcError
from anchor.chain.devnet.records import (
    Call,
    MinedBlock,
    Outcome,
    Transaction,
    base_fee_of,
    describe_failure,
    record_transaction,
)
from anchor.errors import UsageError

if TYPE_CHECKING:  # py-evm takes most of a second to import
    from eth.abc import (
        BlockHeaderAPI,
        ComputationAPI,
        SignedTransactionAPI,
        StateAPI,
        VirtualMachineAPI,
    )
    from eth.typing import AccountState, HeaderParams
    from eth_typing import Address

GAS_LIMIT = 30_000_000

# EIP-7623: what call data costs at the least, per token (a zero byte is one, any other is four).
_FLOOR_PER_TOKEN = 10
_TRANSACTION_GAS = 21_000
# geth stops searching when the estimate is at most 1.5 % too high.
_ESTIMATE_SLACK = 0.015
_CALL_STIPEND = 2300


class EmbeddedChain:
    """py-evm at the Prague rules, with accounts and code put into genesis.  Not thread-safe."""

    def __init__(
        self,
        *,
        chain_id: int,
        balances: Mapping[bytes, int],
        codes: Mapping[bytes, bytes],
        clock: Callable[[], float] = time.time,
    ) -> None:
        try:
            from eth.chains.base import Chain
            from eth.db.atomic import AtomicDB
            from eth.vm.forks.prague import PragueVM
            from rlp import encode
        except ImportError as error:
            raise UsageError(
                f"the embedded devnet needs py-evm: {error}",
                hint="pip install 'anchor-evidence[devnet]', or install anvil",
            ) from error
        self.chain_id = chain_id
        self._clock = clock
        # EIP-155, the CHAINID opcode and eth_chainId all take the id from here.
        rules = Chain.configure("DevnetChain", chain_id=chain_id, vm_configuration=((0, PragueVM),))
        genesis: dict[str, HeaderParams] = {
            "difficulty": 0,
            "gas_limit": GAS_LIMIT,
            "timestamp": int(clock()),
        }
        self._chain = rules.from_genesis(AtomicDB(), genesis, _genesis_state(balances, codes))
        header = self._chain.get_canonical_head()
        size = len(encode(self._chain.get_block_by_header(header)))
        self.blocks = [MinedBlock(header=header, byte_size=size)]
        self._by_hash: dict[bytes, MinedBlock] = {header.hash: self.blocks[0]}
        self._transactions: dict[bytes, Transaction] = {}

    @property
    def head(self) -> MinedBlock:
        """The newest block."""
        return self.blocks[-1]

    def find_block(self, block_hash: bytes) -> MinedBlock | None:
        """Return the block with this hash."""
        return self._by_hash.get(block_hash)

    def find_transaction(self, transaction_hash: bytes) -> Transaction | None:
        """Return the mined transaction with this hash."""
        return self._transactions.get(transaction_hash)

    def state_after(self, block: MinedBlock) -> StateAPI:
        """Return the state that ``block`` left."""
        return self._chain.get_vm(block.header).state

    def next_header(self) -> BlockHeaderAPI:
        """Return the header the next block would start from: now, but later than its parent."""
        parent = self.head.header
        return self._chain.create_header_from_parent(
            parent,
            gas_limit=parent.gas_limit,
            timestamp=max(int(self._clock()), parent.timestamp + 1),
            mix_hash=os.urandom(32),
        )

    def send(self, raw: bytes) -> bytes:
        """Mine a signed transaction into a block of its own, and return its hash.

        Raises:
            RpcError: the transaction is refused; the chain is as it was.
        """
        signed = self._decode(raw)
        if signed.hash in self._transactions:
            raise RpcError(SERVER_ERROR, "already known")
        self._check_sendable(signed)
        self.mine(signed)
        return signed.hash

    def mine(self, *transactions: SignedTransactionAPI) -> MinedBlock:
        """Mine one block, empty or with one transaction."""
        from eth_utils.exceptions import ValidationError
        from rlp import encode

        header = self.next_header()
        vm = self._chain.get_vm(header)
        try:
            header, receipts, outcomes = vm.apply_all_transactions(transactions, header)
        except ValidationError as error:
            # Nothing was persisted: the state lived in this vm only.
            raise RpcError(SERVER_ERROR, f"invalid transaction: {error}") from error
        filled = vm.set_block_transactions_and_withdrawals(
            vm.get_block(), header, transactions, receipts
        )
        mined = vm.mine_block(filled).block
        self._chain.chaindb.persist_block(mined)
        recorded = tuple(
            record_transaction(mined.header, *parts)
            for parts in zip(transactions, receipts, outcomes, strict=True)
        )
        block = MinedBlock(header=mined.header, byte_size=len(encode(mined)), transactions=recorded)
        self.blocks.append(block)
        self._by_hash[mined.header.hash] = block
        self._transactions.update((transaction.hash, transaction) for transaction in recorded)
        return block

    def execute(self, call: Call, block: MinedBlock) -> Outcome:
        """Execute a message on the state after ``block``, keeping nothing.

        Like geth's eth_call it costs the sender nothing, so the base fee is taken to be zero.
        """
        from eth.vm.spoof import SpoofTransaction
        from eth_utils.exceptions import ValidationError

        vm = self._chain.get_vm(block.header.copy(base_fee_per_gas=0))
        unsigned = vm.create_unsigned_transaction(
            nonce=vm.state.get_nonce(_address(call.sender)),
            gas_price=0,
            gas=call.gas,
            to=_address(call.to),
            value=call.value,
            data=call.data,
        )
        if call.gas < unsigned.intrinsic_gas:
            raise RpcError(
                SERVER_ERROR,
                f"intrinsic gas too low: have {call.gas}, want {unsigned.intrinsic_gas}",
            )
        if vm.state.get_balance(_address(call.sender)) < call.value:
            raise RpcError(SERVER_ERROR, "insufficient funds for transfer")
        # SpoofTransaction forwards every attribute by __getattr__, which no checker can see.
        spoofed: SignedTransactionAPI = SpoofTransaction(unsigned, from_=call.sender)  # type: ignore[assignment]
        try:
            computation = vm.state.apply_transaction(spoofed)
        except ValidationError as error:
            raise RpcError(SERVER_ERROR, f"invalid call: {error}") from error
        return Outcome(
            gas_used=_gas_used(vm, spoofed, computation),
            refund=computation.get_gas_refund(),
            output=computation.output,
            error=describe_failure(computation) if computation.is_error else None,
        )

    def estimate_gas(self, call: Call, block: MinedBlock) -> int:
        """Return a gas limit with which ``call`` succeeds, at most 1.5 % above the least one.

        Raises:
            RpcError: it fails however much gas it gets.
        """
        first = self.execute(call, block)
        if first.error is not None:
            raise first.error
        if self._is_enough(replace(call, gas=first.gas_used), block):
            return first.gas_used
        low, high = first.gas_used, call.gas
        # An inner call keeps back one 64th of its gas, so what was used is often not enough.
        guess = (first.gas_used + first.refund + _CALL_STIPEND) * 64 // 63
        while high - low > high * _ESTIMATE_SLACK:
            middle = guess if low < guess < high else (low + high) // 2
            guess = 0
            if self._is_enough(replace(call, gas=middle), block):
                high = middle
            else:
                low = middle
        return high

    def _is_enough(self, call: Call, block: MinedBlock) -> bool:
        try:
            outcome = self.execute(call, block)
        except RpcError:
            return False
        # py-evm charges the floor of EIP-7623 without asking whether the limit covers it.
        return outcome.error is None and outcome.gas_used <= call.gas

    def _decode(self, raw: bytes) -> SignedTransactionAPI:
        from eth_utils.exceptions import ValidationError
        from rlp.exceptions import RLPException

        if raw[:1] not in (b"\x01", b"\x02") and not (raw and raw[0] >= 0xC0):
            raise RpcError(SERVER_ERROR, "transaction type not supported")
        builder = self._chain.get_vm(self.head.header).get_transaction_builder()
        try:
            signed = builder.decode(raw)
            signed.validate()
            signed.check_signature_validity()
        except (RLPException, ValidationError, ValueError, TypeError) as error:
            raise RpcError(SERVER_ERROR, f"invalid transaction: {error}") from error
        return signed

    def _check_sendable(self, signed: SignedTransactionAPI) -> None:
        """Refuse, in geth's words, what could not be mined next."""
        state = self.state_after(self.head)
        nonce, balance = state.get_nonce(signed.sender), state.get_balance(signed.sender)
        cost = signed.gas * signed.max_fee_per_gas + signed.value
        wanted = max(signed.intrinsic_gas, _floor_gas(signed.data))
        base_fee = base_fee_of(self.next_header())
        refusal = None
        if signed.chain_id not in (None, self.chain_id):
            refusal = f"invalid chain id for signer: have {signed.chain_id} want {self.chain_id}"
        elif signed.nonce < nonce:
            refusal = f"nonce too low: next nonce {nonce}, tx nonce {signed.nonce}"
        elif signed.nonce > nonce:
            # geth would keep it until the gap closes; without a mempool it would wait for ever.
            refusal = f"nonce too high: next nonce {nonce}, tx nonce {signed.nonce}"
        elif signed.gas > GAS_LIMIT:
            refusal = "exceeds block gas limit"
        elif signed.gas < wanted:
            refusal = f"intrinsic gas too low: gas {signed.gas}, minimum needed {wanted}"
        elif signed.max_priority_fee_per_gas > signed.max_fee_per_gas:
            refusal = "max priority fee per gas higher than max fee per gas"
        elif signed.max_fee_per_gas < base_fee:
            fee = signed.max_fee_per_gas
            refusal = f"max fee per gas less than block base fee: {fee} < {base_fee}"
        elif balance < cost:
            refusal = (
                "insufficient funds for gas * price + value: "
                f"balance {balance}, tx cost {cost}, overshot {cost - balance}"
            )
        if refusal is not None:
            raise RpcError(SERVER_ERROR, refusal)


def _gas_used(
    vm: VirtualMachineAPI, signed: SignedTransactionAPI, computation: ComputationAPI
) -> int:
    # Every fork since Frontier has it; the abstract class forgot to say so.
    used: int = vm.finalize_gas_used(signed, computation)  # type: ignore[attr-defined]
    return used


def _floor_gas(data: bytes) -> int:
    tokens = 4 * len(data) - 3 * data.count(0)
    return _TRANSACTION_GAS + _FLOOR_PER_TOKEN * tokens


def _genesis_state(balances: Mapping[bytes, int], codes: Mapping[bytes, bytes]) -> AccountState:
    return {
        _address(account): {
            "balance": balances.get(account, 0),
            # EIP-161: a contract's nonce starts at 1.
            "nonce": 1 if account in codes else 0,
            "code": codes.get(account, b""),
            "storage": {},
        }
        for account in {**balances, **codes}
    }


def _address(account: bytes) -> Address:
    return cast("Address", account)
