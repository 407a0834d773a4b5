"""Anchor electronic evidence on Ethereum, and verify it against the chain.

>>> report = anchor.verify(file, receipt, policy=policy)  # returns what was proven, or raises

Importing the package loads nothing: each name below loads what it needs when it is first used.
What is not named here is not for other programs, and changes without notice.
"""

from importlib import import_module

_HOMES = {
    "verify": "anchor.library.verifying",
    "judge": "anchor.library.verifying",
    "Verifier": "anchor.library.verifying",
    "digest_file": "anchor.evidence.file_hashing",
    "Digests": "anchor.evidence.digests",
    "TrustPolicy": "anchor.verification.policy",
    "Receipt": "anchor.receipt.format",
    "Report": "anchor.verification.report",
    "Verdict": "anchor.verification.report",
    "Project": "anchor.library.operating",
    "Added": "anchor.library.operating",
    "Keystore": "anchor.library.keystore_file",
    "Client": "anchor.client.session",
    "AsyncClient": "anchor.client.async_session",
    "Submission": "anchor.client.answers",
    "registry_contract": "anchor.library.web3_registry",
    "AnchorError": "anchor.errors",
    "UsageError": "anchor.errors",
    "ConfigError": "anchor.errors",
    "MalformedError": "anchor.errors",
    "MismatchError": "anchor.errors",
    "NotAnchoredError": "anchor.errors",
    "NotTrustedError": "anchor.errors",
    "AbandonedError": "anchor.errors",
    "CannotCheckError": "anchor.errors",
    "NotFinalError": "anchor.errors",
    "UnknownVersionError": "anchor.errors",
    "OperatorActionError": "anchor.errors",
    "FundsError": "anchor.errors",
    "SignerError": "anchor.errors",
    "ChainGuardError": "anchor.errors",
    "StorageError": "anchor.errors",
}
_EXTRAS = {
    "session": "client",
    "async_session": "client",
    "answers": "client",
    "web3_registry": "rpc",
}
# `__init__.pyi` tells type checkers the same.
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(home), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("anchor"):
            raise  # a bug of ours
        extra = _EXTRAS.get(home.rpartition(".")[2], "operator")
        raise ImportError(
            f"anchor.{name} needs the package {error.name}: pip install 'anchor-evidence[{extra}]'"
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
