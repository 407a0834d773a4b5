"""The trust policy (``anchor-trust/1``): what the *verifier* pins, outside any receipt.

A policy is a TOML file.  Each ``[[trust]]`` entry names one log owner's logs in one registry on one
chain, and how to ask that chain.  A receipt must fit an entry; it can never widen one.  Each
``[[tsa]]`` entry names a timestamping authority and its root certificates, each ``[[signer]]``
entry who signs records, by an SSH key or by a subject below root certificates.
``docs/trust-policy.md`` shows every member.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.base.messages.message import Message, join
from anchor.base.messages.validation import describe_fault
from anchor.base.system.file_ownership import read_own_file
from anchor.base.system.toml_text import parse_toml
from anchor.base.system.urls import is_node_url
from anchor.base.types import Address, Assurance, ChainId, Hash32, parse_hash
from anchor.ethereum.keccak import parse_address
from anchor.ethereum.known_chains import find_chain
from anchor.signatures.trusted_signer import TrustedSigner, parse_ssh_key
from anchor.timestamps.trusted_tsa import TrustedTsa, parse_roots
from anchor.verification.quorum_rules import MAX_NODES, find_conflict, verifier_quorum

FORMAT = "anchor-trust/1"
# Ample for a hand-written file; a wrong path (a disk image, say) is not read whole.
MAX_POLICY_BYTES = 1 << 20
DEFAULT_TOLERANCE = 300
"""The default for how many seconds an operator's clock may be ahead of the chain's."""
_MAX_BLOCK_HASHES = 1_000
_MAX_DOTS = 500
# Each token is tried with the roots of every authority.
_MAX_TSAS = 32
_MAX_SIGNERS = 256

# The longest rule of a listed chain is a day and a slot.
MAX_TIME_SLACK = 172_800

MAX_DEPTH = 100_000
FinalityRule = Literal["finalized"] | Annotated[int, Field(ge=0, le=MAX_DEPTH)]
"""``finalized``: the chain's own tag; a number: that many confirmations, for chains without one."""


def finality_depth(rule: FinalityRule) -> int | None:
    """Return after how many blocks a block counts as final; None: as the nodes say."""
    return None if rule == "finalized" else rule


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedOperator:
    """An operator id that is accepted for anchors in blocks ``from_block`` to ``until_block``."""

    id: int
    from_block: int
    until_block: int | None

    def accepts(self, *, operator_id: int, block_number: int) -> bool:
        """Return whether this entry accepts an anchor by ``operator_id`` in that block."""
        return (
            operator_id == self.id
            and block_number >= self.from_block
            and (self.until_block is None or block_number <= self.until_block)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustEntry:
    """One owner's logs in one registry on one chain.

    ``operators=None`` accepts every operator of the registry, an empty tuple none.
    ``time_slack`` (seconds) is added to the block's timestamp in the claim "existed no later than";
    None uses the release's rule for the chain.  A record may state a time up to
    ``recorded_at_tolerance`` seconds later than that.  ``exclusive_logs``: the owner keeps no other
    logs in this registry than ``logs``.  ``quorum`` of the nodes at ``rpc`` have to agree;
    ``assurance`` is the minimum accepted.  ``block_hashes`` are final blocks of the chain that the
    verifier obtained independently.  The ``repr`` omits ``rpc``, whose URLs may hold keys.
    """

    chain_id: ChainId
    genesis: Hash32
    registry: Address
    code_hash: Hash32
    owner: Address
    logs: tuple[int, ...]
    operators: tuple[TrustedOperator, ...] | None
    time_slack: int | None
    finality: FinalityRule
    rpc: tuple[str, ...] = field(repr=False)
    quorum: int = 1
    assurance: Assurance = "rpc"
    block_hashes: tuple[Hash32, ...] = ()
    recorded_at_tolerance: int = DEFAULT_TOLERANCE
    exclusive_logs: bool = False

    @property
    def lacks_time_slack(self) -> bool:
        """Whether neither the entry nor this release has a rule: no verification then passes."""
        return self.time_slack is None and find_chain(self.chain_id).time_slack is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """Everything the verifier pinned.

    ``tsas`` are the authorities whose timestamps count, and ``signers`` those who are named.
    """

    entries: tuple[TrustEntry, ...]
    tsas: tuple[TrustedTsa, ...] = ()
    signers: tuple[TrustedSigner, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> TrustPolicy:
        """Parse a trust policy's bytes."""
        return parse_policy(data)

    @classmethod
    def load(cls, path: Path) -> TrustPolicy:
        """Load a trust policy file that belongs to the caller or root."""
        return read_policy(path)[1]


def read_policy(path: Path, *, in_shared_folder: bool = False) -> tuple[bytes, TrustPolicy]:
    """Return the bytes of a policy file that belongs to the caller or root, and the policy."""
    data = read_own_file(path, MAX_POLICY_BYTES + 1, in_shared_folder=in_shared_folder)
    return data, parse_named_policy(path, data)


def parse_named_policy(path: Path, data: bytes) -> TrustPolicy:
    """Parse a trust policy's bytes; error messages begin with ``path``."""
    try:
        return parse_policy(data)
    except (MalformedError, UnknownVersionError) as error:
        raise type(error)(
            Message("with-reason", failure=path, reason=error), hint=error.hint
        ) from error


def parse_policy(data: bytes) -> TrustPolicy:
    """Parse a trust policy."""
    if len(data) > MAX_POLICY_BYTES:
        raise MalformedError(Message("policy-too-long", limit=MAX_POLICY_BYTES))
    # Parsing a dotted key takes time quadratic in its parts.
    if any(line.count(b".") > _MAX_DOTS for line in data.splitlines()):
        raise MalformedError(Message("policy-line-too-many-dots", limit=_MAX_DOTS))
    try:
        value = parse_toml(data)
    except MalformedError as error:
        raise MalformedError(Message("policy-not-toml", reason=error.message)) from error
    stated = value.get("format")
    if stated != FORMAT:
        shown: str = Message("policy-format-no-text")
        if stated is None:
            shown = Message("page-value-missing")
        if isinstance(stated, str):
            shown = repr(stated[:80])
        raise UnknownVersionError(Message("policy-format-unknown", stated=shown, expected=FORMAT))
    try:
        document = _PolicyDocument.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MalformedError(
            Message("policy-member-invalid", member=where[:80], reason=describe_fault(first))
        ) from error
    policy = TrustPolicy(
        entries=tuple(_entry(entry) for entry in document.trust),
        tsas=tuple(
            TrustedTsa(name=each.name, roots=parse_roots(each.roots)) for each in document.tsa
        ),
        signers=tuple(_signer(each) for each in document.signer),
    )
    # An assurance that this version does not know must not silently become a lower one.  Last, as
    # what breaks the format is the graver result.
    for entry in document.trust:
        if entry.assurance not in get_args(Assurance):
            raise UnknownVersionError(
                Message(
                    "policy-assurance-unknown",
                    required=repr(entry.assurance[:80]),
                    known=join(get_args(Assurance)),
                )
            )
    return policy


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


_Bytes32 = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{64}$")]
_BlockNumber = Annotated[int, Field(ge=0, lt=2**48)]
_TimeSlack = Annotated[int, Field(ge=0, le=MAX_TIME_SLACK)]
_Tolerance = Annotated[int, Field(ge=0, le=86_400)]


class _OperatorDocument(_Document):
    id: Annotated[int, Field(ge=0, lt=2**72)]
    from_block: _BlockNumber = 0
    until_block: _BlockNumber | None = None


class _EntryDocument(_Document):
    chain_id: Annotated[int, Field(ge=1, lt=2**53)]
    genesis: _Bytes32
    registry: str
    code_hash: _Bytes32
    owner: str
    logs: Annotated[list[Annotated[int, Field(ge=0, lt=2**96)]], Field(min_length=1)]
    operators: list[_OperatorDocument] | None = None
    time_slack: _TimeSlack | None = None
    recorded_at_tolerance: _Tolerance = DEFAULT_TOLERANCE
    exclusive_logs: bool = False
    finality: FinalityRule = "finalized"
    rpc: Annotated[list[str], Field(max_length=MAX_NODES)] = []
    # Two of several nodes have to agree, unless the policy sets another number.
    quorum: Annotated[int, Field(ge=1, le=MAX_NODES)] | None = None
    assurance: str = "rpc"
    block_hashes: Annotated[list[_Bytes32], Field(max_length=_MAX_BLOCK_HASHES)] = []


_Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,80}$")]
_Subject = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,1000}$")]


class _TsaDocument(_Document):
    name: _Name
    roots: str


class _SignerDocument(_Document):
    name: _Name
    ssh_key: str | None = None
    roots: str | None = None
    subject: _Subject | None = None


class _PolicyDocument(_Document):
    format: Literal["anchor-trust/1"]
    trust: Annotated[list[_EntryDocument], Field(min_length=1)]
    tsa: Annotated[list[_TsaDocument], Field(max_length=_MAX_TSAS)] = []
    signer: Annotated[list[_SignerDocument], Field(max_length=_MAX_SIGNERS)] = []


def _entry(document: _EntryDocument) -> TrustEntry:
    if not all(map(is_node_url, document.rpc)):
        raise MalformedError(Message("policy-rpc-invalid", reason=Message("policy-rpc-no-url")))
    quorum = document.quorum or verifier_quorum(len(document.rpc))
    fault = find_conflict(document.rpc, quorum) if document.rpc else None
    if fault is not None:
        raise MalformedError(Message("policy-rpc-invalid", reason=fault))
    operators = document.operators
    return TrustEntry(
        chain_id=ChainId(document.chain_id),
        genesis=parse_hash(document.genesis, subject=Message("policy-genesis")),
        registry=parse_address(document.registry, subject=Message("policy-registry")),
        code_hash=parse_hash(document.code_hash, subject=Message("policy-code-hash")),
        owner=parse_address(document.owner, subject=Message("policy-owner")),
        logs=tuple(document.logs),
        operators=None
        if operators is None
        else tuple(TrustedOperator(**operator.model_dump()) for operator in operators),
        time_slack=document.time_slack,
        finality=document.finality,
        rpc=tuple(document.rpc),
        quorum=quorum,
        assurance=cast(Assurance, document.assurance),
        block_hashes=tuple(
            parse_hash(text, subject=Message("policy-block-hashes"))
            for text in document.block_hashes
        ),
        recorded_at_tolerance=document.recorded_at_tolerance,
        exclusive_logs=document.exclusive_logs,
    )


def _signer(document: _SignerDocument) -> TrustedSigner:
    name, key, roots, subject = document.name, document.ssh_key, document.roots, document.subject
    if key is not None and roots is None and subject is None:
        return TrustedSigner(name=name, ssh_key=parse_ssh_key(key))
    if key is None and roots is not None and subject is not None:
        return TrustedSigner(name=name, roots=parse_roots(roots), subject=subject)
    raise MalformedError(Message("signer-key-ambiguous", name=name))
