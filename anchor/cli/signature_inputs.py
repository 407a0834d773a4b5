"""The signatures of ``anchor verify``: named by the user, beside the receipt, or in a bag."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from anchor.bag.bag_format import ORIGINALS
from anchor.cli.bag_inputs import OpenedBag
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.input_files import read_bounded
from anchor.project.files import RECEIPT_SUFFIX, SIGNATURE_NAME
from anchor.receipt.bundle import is_bundle_file
from anchor.signatures.record_signature import MAX_SIGNATURE_BYTES
from anchor.verification.report import Report
from anchor.verification.signature_claim import GivenSignature, apply_signatures

FOLDER = "signatures/"
RECORD_SUFFIX = ".record.json"
_IN_BAG = re.compile(r"signatures/(.+)\.[0-9a-f]{16}\.(?:sshsig|p7s)", re.DOTALL)
# Of one record; each takes some milliseconds of a program.
_MAX_OF_RECORD = 64


class SignatureInputs:
    """The signatures of a run, found for each receipt."""

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        self._named = [_read(path, is_demanded=True) for path in paths]
        self._in_folders: dict[Path, dict[str, list[str]]] = {}
        self._in_bags: dict[Path, dict[str, list[str]]] = {}

    def apply(
        self, inputs: VerificationInputs, name: str, receipt: Path | None, report: Report
    ) -> Report:
        """Return the report on ``name`` with its signatures, judged by the verifier's policy.

        ``receipt`` is what the user named beside it.  Nothing that is found vouches for itself.
        """
        opened = next(
            (each for each in inputs.bags if Path(name).is_relative_to(each.path / ORIGINALS)), None
        )
        if opened is not None:
            given = self._list_in_bag(opened, Path(name))
        elif receipt is not None and not is_bundle_file(receipt):
            given = self.list_beside(receipt)
        else:
            given = self.list_beside(Path(name))
        signers = inputs.policy.signers if inputs.policy else ()
        named = {each.data for each in self._named}
        others = [each for each in given if each.data not in named]
        return apply_signatures(report, [*self._named, *others], signers)

    def list_beside(self, place: Path) -> list[GivenSignature]:
        """Return the signatures beside a receipt, or beside the evidence that it is for."""
        base = place.name.removesuffix(RECEIPT_SUFFIX)
        names = self._list_folder(place.parent).get(base, [])
        return [_read(place.parent / name, is_demanded=False) for name in names[:_MAX_OF_RECORD]]

    def _list_folder(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._in_folders:
            self._in_folders[folder] = _sort_names(SIGNATURE_NAME, _list_names(folder))
        return self._in_folders[folder]

    def _list_in_bag(self, opened: OpenedBag, original: Path) -> list[GivenSignature]:
        if opened.path not in self._in_bags:
            self._in_bags[opened.path] = _sort_names(_IN_BAG, sorted(opened.bag.tags))
        place = original.relative_to(opened.path / ORIGINALS).as_posix()
        names = self._in_bags[opened.path].get(place, [])
        return [
            GivenSignature(
                name=name,
                data=opened.bag.read(name, MAX_SIGNATURE_BYTES + 1),
                record_name=f"{FOLDER}{place}{RECORD_SUFFIX}",
                is_demanded=False,
            )
            for name in names[:_MAX_OF_RECORD]
        ]


def _sort_names(form: re.Pattern[str], names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names in this form by their first group, which is what they are signatures of."""
    sorted_names: dict[str, list[str]] = {}
    for name in names:
        match = form.fullmatch(name)
        if match is not None:
            sorted_names.setdefault(match[1], []).append(name)
    return sorted_names


def _list_names(folder: Path) -> list[str]:
    """Return the names of a folder's own files, without links, which lead anywhere."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError:
        return []  # such as that of standard input, or one that may not be listed


def _read(path: Path, *, is_demanded: bool) -> GivenSignature:
    return GivenSignature(
        name=str(path),
        data=read_bounded(path, MAX_SIGNATURE_BYTES + 1),
        record_name="record.json",
        is_demanded=is_demanded,
    )
