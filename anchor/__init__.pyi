"""The names of the package, for type checkers; ``__init__.py`` loads them when they are used."""

from anchor.base.digests import Digests
from anchor.base.errors import (
    AbandonedError,
    AnchorError,
    CannotCheckError,
    ChainGuardError,
    ConfigError,
    ExitCode,
    FundsError,
    MalformedError,
    MismatchError,
    NotAnchoredError,
    NotFinalError,
    NotTrustedError,
    OperatorActionError,
    SignerError,
    StorageError,
    SupersededError,
    UnknownVersionError,
    UsageError,
)
from anchor.base.types import Address, ChainId, Hash32
from anchor.client.answers import Accepted, Refused, Status, StatusNotice, Submission
from anchor.client.async_session import AsyncClient
from anchor.client.case_answers import CaseExhibit, CaseNote, CasePage, TenantCase
from anchor.client.evidence_answers import (
    MadeReviewLink,
    PageEvidence,
    PageOfEvidence,
    ReviewLink,
    StatusCopy,
)
from anchor.client.number_matches import NumberMatch
from anchor.client.search_matches import FoundEvidence, SearchPage
from anchor.client.session import Client
from anchor.client.status_retention import StatusRetention
from anchor.evidence.discovery import IntakeProblem, Skipped, SourceFile
from anchor.evidence.file_hashing import digest_file
from anchor.evidence.group_reading import CollectionAccount
from anchor.evidence.record import Record
from anchor.evidence.record_notice import RecordNotice
from anchor.library.adding import Added
from anchor.library.collecting import Collected
from anchor.library.keystore_file import Keystore
from anchor.library.operating import Project
from anchor.library.verifying import Verifier, judge, verify
from anchor.library.web3_registry import registry_contract
from anchor.monitor.overview import Overview
from anchor.operate.deployment import Deployment
from anchor.operate.single_run import RunResult, RunState
from anchor.project.config import Config
from anchor.receipt.bundle import load_bundle
from anchor.receipt.format import Receipt, ReceiptAnchor
from anchor.signatures.trusted_signer import TrustedSigner
from anchor.timestamps.timestamp_token import VerifiedTimestamp
from anchor.timestamps.trusted_tsa import TrustedTsa
from anchor.verification.policy import TrustEntry, TrustPolicy
from anchor.verification.record_status import NoticeFinding
from anchor.verification.report import (
    Claim,
    CustodyFinding,
    ProvenAnchor,
    Report,
    SignatureFinding,
    Step,
    TimestampFinding,
    UnmadeStep,
    Verdict,
)

__all__ = [
    "AbandonedError",
    "Accepted",
    "Added",
    "Address",
    "AnchorError",
    "AsyncClient",
    "CannotCheckError",
    "CaseExhibit",
    "CaseNote",
    "CasePage",
    "ChainGuardError",
    "ChainId",
    "Claim",
    "Client",
    "Collected",
    "CollectionAccount",
    "Config",
    "ConfigError",
    "CustodyFinding",
    "Deployment",
    "Digests",
    "ExitCode",
    "FoundEvidence",
    "FundsError",
    "Hash32",
    "IntakeProblem",
    "Keystore",
    "MadeReviewLink",
    "MalformedError",
    "MismatchError",
    "NotAnchoredError",
    "NotFinalError",
    "NotTrustedError",
    "NoticeFinding",
    "NumberMatch",
    "OperatorActionError",
    "Overview",
    "PageEvidence",
    "PageOfEvidence",
    "Project",
    "ProvenAnchor",
    "Receipt",
    "ReceiptAnchor",
    "Record",
    "RecordNotice",
    "Refused",
    "Report",
    "ReviewLink",
    "RunResult",
    "RunState",
    "SearchPage",
    "SignatureFinding",
    "SignerError",
    "Skipped",
    "SourceFile",
    "Status",
    "StatusCopy",
    "StatusNotice",
    "StatusRetention",
    "Step",
    "StorageError",
    "Submission",
    "SupersededError",
    "TenantCase",
    "TimestampFinding",
    "TrustEntry",
    "TrustPolicy",
    "TrustedSigner",
    "TrustedTsa",
    "UnknownVersionError",
    "UnmadeStep",
    "UsageError",
    "Verdict",
    "VerifiedTimestamp",
    "Verifier",
    "digest_file",
    "judge",
    "load_bundle",
    "registry_contract",
    "verify",
]
