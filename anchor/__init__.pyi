"""The names of the package, for type checkers; ``__init__.py`` loads them when they are used."""

from anchor.client.answers import Submission
from anchor.client.async_session import AsyncClient
from anchor.client.session import Client
from anchor.errors import (
    AbandonedError,
    AnchorError,
    CannotCheckError,
    ChainGuardError,
    ConfigError,
    FundsError,
    MalformedError,
    MismatchError,
    NotAnchoredError,
    NotFinalError,
    NotTrustedError,
    OperatorActionError,
    SignerError,
    StorageError,
    UnknownVersionError,
    UsageError,
)
from anchor.evidence.digests import Digests
from anchor.evidence.file_hashing import digest_file
from anchor.library.adding import Added
from anchor.library.keystore_file import Keystore
from anchor.library.operating import Project
from anchor.library.verifying import (
    Verifier,
    judge,
    verify,
)
from anchor.library.web3_registry import registry_contract
from anchor.receipt.format import Receipt
from anchor.verification.policy import TrustPolicy
from anchor.verification.report import (
    Report,
    Verdict,
)

__all__ = [
    "AbandonedError",
    "Added",
    "AnchorError",
    "AsyncClient",
    "CannotCheckError",
    "ChainGuardError",
    "Client",
    "ConfigError",
    "Digests",
    "FundsError",
    "Keystore",
    "MalformedError",
    "MismatchError",
    "NotAnchoredError",
    "NotFinalError",
    "NotTrustedError",
    "OperatorActionError",
    "Project",
    "Receipt",
    "Report",
    "SignerError",
    "StorageError",
    "Submission",
    "TrustPolicy",
    "UnknownVersionError",
    "UsageError",
    "Verdict",
    "Verifier",
    "digest_file",
    "judge",
    "registry_contract",
    "verify",
]
