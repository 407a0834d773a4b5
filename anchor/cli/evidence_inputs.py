"""The inputs of ``anchor verify``: policy, nodes, and each file's digests and receipt."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, Protocol

from anchor.bag.bag_format import MANIFEST
from anchor.bag.bag_validation import ValidBag
from anchor.base.digests import SHA256, SM3, Digests, parse_digest
from anchor.base.errors import AnchorError, CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.base.types import ChainId, LogId, parse_hash
from anchor.chain.verifier_nodes import Nodes
from anchor.cli.bag_inputs import (
    Load,
    OpenedBag,
    ShowProgress,
    list_bag,
    load_evidence_bag,
    names_bag,
    names_bag_zip,
)
from anchor.cli.confirmation import ask_about_change
from anchor.cli.input_files import (
    is_folder,
    is_regular_file,
    names_bundle,
    read_receipt,
    receipt_path,
)
from anchor.cli.own_notices import OwnNotices
from anchor.evidence.discovery import SourceFile, find_sources
from anchor.evidence.file_hashing import digest_file, hash_stdin
from anchor.evidence.record import parse_record
from anchor.project.allowlist import find_change
from anchor.project.files import SIGNATURE_NAME, evidence_path, receipts_file
from anchor.project.policy_sources import choose_policy
from anchor.receipt.bundle import is_bundle_file, load_bundle
from anchor.receipt.format import Receipt
from anchor.verification.receipt_choice import Wanted, choose_receipts
from anchor.verification.report import Report
from anchor.verification.verifier import judge

# Reading fewer bytes takes less than a second.
_LARGE_BYTES = 1 << 28

_SOURCES = {
    "option": Message("policy-source-option"),
    "environment": Message("policy-source-environment"),
    "user": Message("policy-source-user"),
    "project": Message("policy-source-project"),
}


class Note(Protocol):
    """Prints one line of progress, after a mark (``anchor.cli.console.Output.note``)."""

    def __call__(self, text: Message, *, mark: str = "") -> None: ...


class ProjectInputs(Protocol):
    """Nodes and receipts from the verifier's own project (``anchor.cli.own_project``)."""

    def list_nodes(self, chain_id: ChainId) -> tuple[Sequence[str], int]: ...
    def make_receipt(self, file: Path, digests: Digests) -> Receipt: ...
    def open_notices(self, log: LogId) -> OwnNotices | None: ...
    def close(self) -> None: ...


class VerificationInputs:
    """The trust policy, the nodes and the receipts of a verification, found for the user.

    Only policies that the verifier chose count (``anchor.project.policy_sources``); a project that
    was found and does not count is reported once, and ignored.  A receipt is beside its file;
    inside a project of the user, a file without one is looked up in the store, so that an operator
    can verify evidence right after anchoring it.
    """

    def __init__(
        self,
        *,
        config_path: Path | None,
        trust: Path | None,
        report: Note,
        rpc: Sequence[str] | None = None,
        quorum: int | None = None,
        block_hashes: Sequence[str] | None = None,
        chain_ids: Sequence[int] | None = None,
        accept_unpinned: bool = False,
        offline: bool = False,
        show_progress: ShowProgress | None = None,
    ) -> None:
        self.choice = ask_about_change(lambda: choose_policy(trust=trust, config=config_path))
        self.policy = self.choice.policy
        self.is_offline = offline
        self._show_progress = show_progress
        self._project: ProjectInputs | None = None
        self.bags: list[OpenedBag] = []
        if self.choice.unused is not None:
            reason = self.choice.unused.reason
            report(Message("project-unused", reason=reason.message))
            if reason.hint:
                report(reason.hint, mark="  ")
        changed = None if self.choice.config is None else find_change(self.choice.config)
        if changed is not None:  # named, and so used all the same
            report(changed.message, mark=Message("warning-mark"))
        self.nodes = Nodes(rpc or (), quorum, self._list_project_nodes, report)
        self._judge = partial(
            judge,
            policy=self.policy,
            connect=None if offline else self.nodes.connect,
            block_hashes={parse_hash(text, subject="--block-hash") for text in block_hashes or ()},
            chain_ids=frozenset(map(ChainId, chain_ids or ())),
            accept_unpinned=accept_unpinned,
        )

    def judge(self, receipt: bytes | Receipt, digests: Digests) -> Report:
        """Return the report on evidence with these digests; ``nodes`` then lists those asked."""
        self.nodes.asked_now = []
        return self._judge(receipt, digests)

    def _list_project_nodes(self, chain_id: ChainId) -> tuple[Sequence[str], int]:
        """Return the nodes that the project names on that chain, and how many have to agree."""
        project = self._open_project()
        return ((), 1) if project is None else project.list_nodes(chain_id)

    def open_own_notices(self, log: LogId) -> OwnNotices | None:
        """Return the notices in the project; None without one of this log's owner."""
        # As with receipts: a store may be on another machine.
        project = None if self.is_offline else self._open_project()
        return None if project is None else project.open_notices(log)

    def describe_policies(self) -> list[Message]:
        """Return each policy that counts, its SHA-256 and its source, as text."""
        return [
            Message(
                "policy-file-source",
                path=file.path.resolve(),
                sha256=file.sha256,
                source=_SOURCES[file.source],
            )
            for file in self.choice.files
        ]

    def note_policy_place(self, *paths: Path | None) -> tuple[Message, ...]:
        """Return a note on each named policy that is in or below the folder of one of ``paths``.

        So is one in a bag.  Such a policy may be the sender's, and the verification cannot tell.
        """
        folders = [path.parent.resolve() for path in paths if path is not None]
        folders += [opened.path.resolve() for opened in self.bags]
        policies = [
            file.path.resolve()
            for file in self.choice.files
            if file.source in ("option", "environment")
        ]
        return tuple(
            Message("policy-beside-evidence", path=policy)
            for policy in policies
            if any(policy.is_relative_to(folder) for folder in folders)
        )

    def list_policies(self) -> list[dict[str, str]]:
        """Return the policies that count as members of a JSON document."""
        return [
            {"file": str(file.path.resolve()), "sha256": file.sha256, "source": file.source}
            for file in self.choice.files
        ]

    def describe_unused(self) -> dict[str, str] | None:
        """Return the project that does not count, for a JSON document."""
        unused = self.choice.unused
        if unused is None:
            return None
        return {"config": str(unused.config), "reason": unused.reason.message}

    def close(self) -> None:
        """Close the project's store, if it was opened."""
        if self._project is not None:
            self._project.close()

    def list_inputs(
        self, files: Sequence[Path], *, receipt: Path | None, digest: str | None
    ) -> Iterator[tuple[str, Load]]:
        """Yield each file's or digest's name, and a function that reads its receipt and digests."""
        if digest is not None and receipt is None:
            raise UsageError(Message("option-digest-without-receipt"))
        if receipt is not None and is_bundle_file(receipt):
            yield from self._list_from_bundle(receipt, files, digest)
            return
        if digest is not None and receipt is not None:
            yield digest, lambda: (read_receipt(receipt), Digests.bare(*parse_digest(digest)))
        hint = Message("file-missing-digest-hint")
        for file in files:
            if str(file) == "-":
                yield Message("input-standard"), lambda: self._load_stdin(receipt)
            elif receipt is None and names_bundle(file):
                yield from self._list_bundle(file)
            elif (
                names_bag(file)
                if receipt is None
                else is_folder(file) or names_bag_zip(file, receipt)
            ):
                find = partial(self._find_receipt, receipt)
                yield from list_bag(
                    file, self._show_progress, self.bags.append, find, receipt=receipt
                )
            elif receipt is None and is_folder(file):
                yield from self._list_folder(file, hint)
            else:
                yield str(file), partial(self.load, file, receipt, hint=hint)

    def _list_folder(self, folder: Path, hint: Message) -> Iterator[tuple[str, Load]]:
        """Yield every file below a folder, except receipts and signatures beside their files."""
        is_empty = True
        for source in find_sources([folder], follow_symlinks=False):
            if not isinstance(source, SourceFile):
                is_empty = False
                yield str(source.path), partial(_raise, CannotCheckError(source.reason))
            elif not _lies_beside(source.path):
                is_empty = False
                yield str(source.path), partial(self.load, source.path, None, hint=hint)
        if is_empty:
            raise UsageError(
                Message("folder-without-files", path=folder), hint=Message("folder-to-verify-hint")
            )

    def _list_from_bundle(
        self, bundle: Path, files: Sequence[Path], digest: str | None
    ) -> Iterator[tuple[str, Load]]:
        """Choose the receipts of files or a digest from a bundle, which is read once to its end."""
        hint = Message("file-missing-digest-hint")
        loads: list[tuple[str, Load | Wanted]] = []
        if digest is not None:
            bare = Digests.bare(*parse_digest(digest))
            loads.append((digest, Wanted(name="", digests=bare)))
        for file in files:
            is_stdin = str(file) == "-"
            shown = Message("input-standard") if is_stdin else str(file)
            try:
                digests = (
                    hash_stdin(sys.stdin.buffer, (SHA256, SM3))
                    if is_stdin
                    else self._digest(file, hint)
                )
                loads.append((shown, Wanted(name="" if is_stdin else file.name, digests=digests)))
            except AnchorError as error:
                loads.append((shown, partial(_raise, error)))
        wanted = [load for _, load in loads if isinstance(load, Wanted)]
        chosen = iter(choose_receipts(load_bundle(bundle), wanted))
        for shown, load in loads:
            if not isinstance(load, Wanted):
                yield shown, load
                continue
            matching = next(chosen)
            if matching is None:
                missing = Message("bundle-lacks-receipt", path=shown, bundle=bundle)
                yield shown, partial(_raise, UsageError(missing))
            else:
                yield shown, partial(_pair, matching, load.digests)

    def _list_bundle(self, bundle: Path) -> Iterator[tuple[str, Load]]:
        """Yield every receipt of a bundle with the file of its record's name beside the bundle."""
        hint = Message("bundle-file-missing-hint", bundle=shlex.quote(str(bundle)))
        try:
            for receipt in load_bundle(bundle):
                try:
                    name = parse_record(receipt.record).name
                except AnchorError as error:
                    shown = Message("bundle-receipt", bundle=bundle, index=receipt.index)
                    yield shown, partial(_raise, error)
                    continue
                file = evidence_path(bundle.parent, name)
                yield str(file), partial(self._load_beside, receipt, file, hint)
        except AnchorError as error:
            yield str(bundle), partial(_raise, error)

    def _load_beside(self, receipt: Receipt, file: Path, hint: Message) -> tuple[Receipt, Digests]:
        return receipt, self._digest(file, hint)

    def _load_stdin(self, receipt: Path | None) -> tuple[bytes | Receipt, Digests]:
        digests = hash_stdin(sys.stdin.buffer, (SHA256, SM3))
        if receipt is None:
            return self._from_store(Path("-"), digests, None), digests
        return read_receipt(receipt), digests

    def load(
        self, file: Path, receipt: Path | None, *, hint: Message | None = None
    ) -> tuple[bytes | Receipt, Digests]:
        """Return the receipt, as bytes or as made from the store, and the file's digests.

        ``hint`` is the hint of the error if the file is missing.
        """
        if receipt is None and (named := receipts_file(file)) is not None:
            receipt, file = file, named
        digests = self._digest(file, hint)
        return self._find_receipt(receipt, file, digests), digests

    def load_with_bag(
        self, file: Path, receipt: Path, *, hint: Message | None = None
    ) -> tuple[bytes | Receipt, Digests, ValidBag | None]:
        """Return what ``load`` does; of a bag that is one piece of evidence, the bag as well."""
        if is_folder(file) or names_bag_zip(file, receipt):
            find = partial(self._find_receipt, receipt)
            return load_evidence_bag(file, self._show_progress, find)
        return (*self.load(file, receipt, hint=hint), None)

    def _find_receipt(self, receipt: Path | None, file: Path, digests: Digests) -> bytes | Receipt:
        """Return the receipt given, that beside the file, or one made from the store."""
        if receipt is None:
            beside = receipt_path(file)
            if not is_regular_file(beside):
                inner = file / MANIFEST if is_folder(file) else file
                return self._from_store(inner, digests, beside)
            receipt = beside
        if is_bundle_file(receipt):
            (chosen,) = choose_receipts(
                load_bundle(receipt), [Wanted(name=file.name, digests=digests)]
            )
            if chosen is None:
                raise UsageError(Message("bundle-lacks-receipt", path=file, bundle=receipt))
            return chosen
        return read_receipt(receipt)

    def _digest(self, file: Path, hint: Message | None) -> Digests:
        if is_folder(file):
            raise UsageError(
                Message("file-is-folder", path=file),
                hint=Message("folder-to-verify-hint"),
            )
        size = file.stat().st_size if is_regular_file(file) else 0
        if self._show_progress is None or size < _LARGE_BYTES:
            return digest_file(file, hint=hint)
        with self._show_progress(size) as count:
            return digest_file(file, hint=hint, on_read=partial(count, 0))

    def _from_store(self, file: Path, digests: Digests, beside: Path | None) -> Receipt:
        # A store may be on another machine, and its receipts hold no state proof anyway.
        project = None if self.is_offline else self._open_project()
        if project is None:
            reason = "" if beside is None else Message("receipt-missing-reason", name=beside.name)
            raise UsageError(
                Message("receipt-missing", path=file, reason=reason),
                hint=Message("receipt-missing-hint"),
            )
        return project.make_receipt(file, digests)

    def _open_project(self) -> ProjectInputs | None:
        if self._project is None and self.choice.config is not None:
            # Needs the extra `operator`, which a verifier without a project may lack.
            from anchor.cli.own_project import OwnProject

            self._project = OwnProject(self.choice.config)
        return self._project


def _pair(receipt: Receipt, digests: Digests) -> tuple[Receipt, Digests]:
    return receipt, digests


def _lies_beside(path: Path) -> bool:
    """Return whether a file is the receipt of the file beside it, or a signature of its record."""
    signed = SIGNATURE_NAME.fullmatch(path.name)
    file = receipts_file(path) if signed is None else path.with_name(signed[1])
    return file is not None and is_regular_file(file)


def _raise(error: AnchorError) -> NoReturn:
    raise error
