"""A real EVM (py-evm, Prague) whose SHA-256 precompile is missing or broken.

No node can be told to take a precompile away, but some chains are without one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth.chains.base import Chain
from eth.db.atomic import AtomicDB
from eth.exceptions import Revert
from eth.precompiles import sha256
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.state import PragueState
from eth.vm.spoof import SpoofTransaction

Precompile = Callable[[Any], Any]

SHA256 = (2).to_bytes(20, "big")
SENDER = b"\x5e" * 20
CONTRACT = b"\xc0" * 20
GAS = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a message left: its output (code, when deploying), and whether it reverted."""

    output: bytes
    reverted: bool


def intact(computation: Any) -> Any:
    """The precompile as it should be."""
    return sha256(computation)


def answering(output: bytes) -> Precompile:
    """A precompile that returns ``output``, whatever it is asked."""

    def answer(computation: Any) -> Any:
        computation.output = output
        return computation

    return answer


def reverting_with(output: bytes) -> Precompile:
    """A precompile that fails, with ``output`` as the reason."""

    def revert(computation: Any) -> Any:
        computation.output = output
        raise Revert(output)

    return revert


def deploy(init_code: bytes, precompile: Precompile | None, *, chain_id: int = 1) -> Outcome:
    """Run ``init_code`` in a contract creation; ``None`` means there is no precompile."""
    return _execute(b"", init_code, precompile, chain_id, code=b"")


def call(code: bytes, data: bytes, precompile: Precompile | None) -> Outcome:
    """Call a contract that has ``code``."""
    return _execute(CONTRACT, data, precompile, 1, code=code)


def _execute(
    to: bytes, data: bytes, precompile: Precompile | None, chain_id: int, *, code: bytes
) -> Outcome:
    precompiles = dict(PragueComputation.get_precompiles())
    del precompiles[SHA256]
    if precompile is not None:
        precompiles[SHA256] = precompile
    computation_class = type("Computation", (PragueComputation,), {"_precompiles": precompiles})
    state_class = type("State", (PragueState,), {"computation_class": computation_class})
    vm_class = type("VM", (PragueVM,), {"_state_class": state_class})
    rules = Chain.configure("Rules", chain_id=chain_id, vm_configuration=((0, vm_class),))
    accounts = {
        SENDER: {"balance": 10**20, "nonce": 0, "code": b"", "storage": {}},
        CONTRACT: {"balance": 0, "nonce": 1, "code": code, "storage": {}},
    }
    genesis = {"difficulty": 0, "gas_limit": 30_000_000, "timestamp": 1_790_000_000}
    vm = rules.from_genesis(AtomicDB(), genesis, accounts).get_vm()
    unsigned = vm.create_unsigned_transaction(
        nonce=0, gas_price=10**10, gas=GAS, to=to, value=0, data=data
    )
    computation = vm.state.apply_transaction(SpoofTransaction(unsigned, from_=SENDER))
    if computation.is_error:
        assert isinstance(computation.error, Revert), computation.error
        return Outcome(output=computation.output, reverted=True)
    if to == b"":
        code = vm.state.get_code(computation.msg.storage_address)
        return Outcome(output=code, reverted=False)
    return Outcome(output=computation.output, reverted=False)
