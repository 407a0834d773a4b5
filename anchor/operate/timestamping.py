"""Timestamps (RFC 3161) over the signed checkpoints of final heads, kept as files.

For each head and authority, ``timestamps/`` holds ``SIZE-NAME`` with four endings: ``.checkpoint``
(the bytes that were stamped, the same that are published), ``.pem`` (the certificates in the
token), ``.crl`` (the revocation lists that they name, as far as they could be read) and, written
last, ``.tst`` (the token).  A crash before the token leaves files that the next run replaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anchor.base.errors import AnchorError, CannotCheckError, NotFinalError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import write_file, write_files
from anchor.base.types import Head
from anchor.log.checkpoint import Checkpoint, sign_checkpoint
from anchor.project.config import Config, TsaConfig
from anchor.project.log_key import checkpoint_origin, load_log_key
from anchor.project.project import OpenProject
from anchor.store.heads import load_anchors
from anchor.timestamps.timestamp_token import verify_timestamp
from anchor.timestamps.trusted_tsa import TrustedTsa
from anchor.verification.policy import read_policy

TOKEN_SUFFIX = ".tst"
CHECKPOINT_SUFFIX = ".checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class StampingOutcome:
    """What became of one request; ``error`` is None if the token is kept in ``path``.

    ``is_verified``: the project's trust policy names the authority's root, and the token passed.
    """

    head: Head
    tsa: str
    path: Path
    is_verified: bool = False
    error: AnchorError | None = None


def list_final_heads(project: OpenProject) -> list[Head]:
    """Return the heads whose anchors are final, newest first."""
    return [each.head for each in reversed(project.read(load_anchors)) if each.final]


def list_missing(config: Config, heads: Sequence[Head]) -> list[tuple[Head, TsaConfig]]:
    """Return which of the heads lack a token by which of the configured authorities."""
    return [
        (head, tsa)
        for head in heads
        for tsa in config.tsa
        if not token_path(config, head, tsa.name).exists()
    ]


def token_path(config: Config, head: Head, tsa: str) -> Path:
    """Return the path of the token of an authority for a head."""
    return config.timestamps / f"{head.size}-{tsa}{TOKEN_SUFFIX}"


def stamp_heads(config: Config, missing: Sequence[tuple[Head, TsaConfig]]) -> list[StampingOutcome]:
    """Ask for a token for each of these heads; an authority that fails is not asked again."""
    trusted = _load_authorities(config)
    outcomes: list[StampingOutcome] = []
    failed: set[str] = set()
    for head, tsa in missing:
        if tsa.name in failed:
            continue
        path = token_path(config, head, tsa.name)
        try:
            _stamp(config, head, tsa, trusted)
        except CannotCheckError as error:
            failed.add(tsa.name)
            outcomes.append(StampingOutcome(head=head, tsa=tsa.name, path=path, error=error))
        else:
            verified = bool(trusted)
            outcomes.append(
                StampingOutcome(head=head, tsa=tsa.name, path=path, is_verified=verified)
            )
    return outcomes


def choose_heads(project: OpenProject, *, is_all: bool) -> list[Head]:
    """Return the newest final head, or all of them, newest first."""
    heads = list_final_heads(project)
    if not heads:
        raise NotFinalError(
            Message("timestamp-nothing-final"), hint=Message("publication-nothing-final-hint")
        )
    return heads if is_all else heads[:1]


def _stamp(config: Config, head: Head, tsa: TsaConfig, trusted: Sequence[TrustedTsa]) -> None:
    # Loaded with the first token, because HTTP takes a while to load.
    from anchor.timestamps.tsa_client import fetch_revocation_lists, request_timestamp

    checkpoint = sign_checkpoint(
        Checkpoint(origin=checkpoint_origin(config), head=head), load_log_key(config)
    )
    issued = request_timestamp(tsa.url, checkpoint)
    # First without lists, so that no address is asked that an untrusted certificate names.
    _verify(issued.token, checkpoint, trusted, b"")
    lists = fetch_revocation_lists(issued.certificates)
    _verify(issued.token, checkpoint, trusted, lists)
    path = token_path(config, head, tsa.name)
    write_files(
        [
            (path.with_suffix(CHECKPOINT_SUFFIX), checkpoint),
            (path.with_suffix(".pem"), issued.certificates),
            (path.with_suffix(".crl"), lists),
        ],
        is_named=False,
    )
    # A crash before this: without a token the head counts as not stamped, and is stamped again.
    write_file(path, issued.token)


def _verify(token: bytes, checkpoint: bytes, trusted: Sequence[TrustedTsa], lists: bytes) -> None:
    """Verify a token if the project's trust policy names authorities."""
    if not trusted:
        return
    try:
        verify_timestamp(token, checkpoint, trusted, revocation_lists=lists)
    except AnchorError as error:
        raise CannotCheckError(Message("tsa-answer-wrong", reason=error.message)) from error


def _load_authorities(config: Config) -> tuple[TrustedTsa, ...]:
    """Return the authorities of the project's own trust policy; none if there is no policy."""
    if not config.trust.is_file():
        return ()
    return read_policy(config.trust, in_shared_folder=True)[1].tsas
