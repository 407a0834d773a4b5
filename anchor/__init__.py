"""Anchor electronic evidence on Ethereum, and verify it against the chain.

>>> report = anchor.verify(file, receipt, policy=policy)  # returns what was proven, or raises

Importing the package imports nothing else: each name below is imported when it is first used.
Other names are not part of the public API, and change without notice.
"""

from importlib import import_module

_HOMES = {
    "verify": "anchor.library.verifying",
    "judge": "anchor.library.verifying",
    "Verifier": "anchor.library.verifying",
    "digest_file": "anchor.evidence.file_hashing",
    "Digests": "anchor.base.digests",
    "SourceFile": "anchor.evidence.discovery",
    "TrustPolicy": "anchor.verification.policy",
    "TrustedTsa": "anchor.timestamps.trusted_tsa",
    "TrustedSigner": "anchor.signatures.trusted_signer",
    "TrustEntry": "anchor.verification.policy",
    "Receipt": "anchor.receipt.format",
    "ReceiptAnchor": "anchor.receipt.format",
    "load_bundle": "anchor.receipt.bundle",
    "Record": "anchor.evidence.record",
    "Report": "anchor.verification.report",
    "Step": "anchor.verification.report",
    "UnmadeStep": "anchor.verification.report",
    "SignatureFinding": "anchor.verification.report",
    "TimestampFinding": "anchor.verification.report",
    "Claim": "anchor.verification.report",
    "ProvenAnchor": "anchor.verification.report",
    "CollectionAccount": "anchor.evidence.group_reading",
    "CustodyFinding": "anchor.verification.report",
    "NoticeFinding": "anchor.verification.record_status",
    "RecordNotice": "anchor.evidence.record_notice",
    "VerifiedTimestamp": "anchor.timestamps.timestamp_token",
    "Verdict": "anchor.verification.report",
    "Project": "anchor.library.operating",
    "Added": "anchor.library.adding",
    "Collected": "anchor.library.collecting",
    "IntakeProblem": "anchor.evidence.discovery",
    "Skipped": "anchor.evidence.discovery",
    "RunResult": "anchor.operate.single_run",
    "RunState": "anchor.operate.single_run",
    "Deployment": "anchor.operate.deployment",
    "Overview": "anchor.monitor.overview",
    "Config": "anchor.project.config",
    "Keystore": "anchor.library.keystore_file",
    "Client": "anchor.client.session",
    "AsyncClient": "anchor.client.async_session",
    "Submission": "anchor.client.answers",
    "Accepted": "anchor.client.answers",
    "Refused": "anchor.client.answers",
    "Status": "anchor.client.answers",
    "StatusNotice": "anchor.client.answers",
    "StatusRetention": "anchor.client.status_retention",
    "NumberMatch": "anchor.client.number_matches",
    "SearchPage": "anchor.client.search_matches",
    "FoundEvidence": "anchor.client.search_matches",
    "PageOfEvidence": "anchor.client.evidence_answers",
    "PageEvidence": "anchor.client.evidence_answers",
    "StatusCopy": "anchor.client.evidence_answers",
    "ReviewLink": "anchor.client.evidence_answers",
    "MadeReviewLink": "anchor.client.evidence_answers",
    "TenantCase": "anchor.client.case_answers",
    "CaseExhibit": "anchor.client.case_answers",
    "CaseNote": "anchor.client.case_answers",
    "CasePage": "anchor.client.case_answers",
    "registry_contract": "anchor.library.web3_registry",
    "Address": "anchor.base.types",
    "ChainId": "anchor.base.types",
    "Hash32": "anchor.base.types",
    "ExitCode": "anchor.base.errors",
    "AnchorError": "anchor.base.errors",
    "UsageError": "anchor.base.errors",
    "ConfigError": "anchor.base.errors",
    "MalformedError": "anchor.base.errors",
    "MismatchError": "anchor.base.errors",
    "NotAnchoredError": "anchor.base.errors",
    "NotTrustedError": "anchor.base.errors",
    "AbandonedError": "anchor.base.errors",
    "SupersededError": "anchor.base.errors",
    "CannotCheckError": "anchor.base.errors",
    "NotFinalError": "anchor.base.errors",
    "UnknownVersionError": "anchor.base.errors",
    "OperatorActionError": "anchor.base.errors",
    "FundsError": "anchor.base.errors",
    "SignerError": "anchor.base.errors",
    "ChainGuardError": "anchor.base.errors",
    "StorageError": "anchor.base.errors",
}
# The extra that each name needs, and packages of it that are imported only when the name is used.
_EXTRAS = {
    "Project": ("operator", ("eth_account", "requests", "web3")),
    "Keystore": ("operator", ("eth_account",)),
    "Client": ("client", ()),
    "AsyncClient": ("client", ()),
    "Submission": ("client", ()),
    "Accepted": ("client", ()),
    "Refused": ("client", ()),
    "Status": ("client", ()),
    "StatusNotice": ("client", ()),
    "StatusRetention": ("client", ()),
    "NumberMatch": ("client", ()),
    "SearchPage": ("client", ()),
    "FoundEvidence": ("client", ()),
    "PageOfEvidence": ("client", ()),
    "PageEvidence": ("client", ()),
    "StatusCopy": ("client", ()),
    "ReviewLink": ("client", ()),
    "MadeReviewLink": ("client", ()),
    "TenantCase": ("client", ()),
    "CaseExhibit": ("client", ()),
    "CaseNote": ("client", ()),
    "CasePage": ("client", ()),
    "registry_contract": ("rpc", ()),
}
# `__init__.pyi` declares the same names for type checkers.
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    needs_extra = import_module("anchor.library.extras").needs_extra
    extra, packages = _EXTRAS.get(name, ("operator", ()))
    with needs_extra(f"anchor.{name}", extra, packages):
        value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
