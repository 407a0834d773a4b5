"""What ``anchor pack`` puts into a bag: verified files with their receipts, and all about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

from anchor.bag.bag_contents import BagPart, OriginalFile, complete_bag
from anchor.bag.bag_format import (
    CAPTURES,
    MANIFEST,
    MAX_LIST_BYTES,
    ORIGINALS,
    POLICY,
    RECEIPTS,
    TAG_MANIFEST,
    parse_list,
)
from anchor.bag.bag_readme import PAGE, README, VERIFIER, PackedBlock, Packing, write_readme
from anchor.bag.exhibit_list import ExhibitEntry, encode_exhibits, render_exhibits
from anchor.bag.packed_names import assign_names
from anchor.bag.packed_policy import encode_packed_policy, spell_party
from anchor.base.digests import Digests
from anchor.base.errors import AnchorError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time
from anchor.certificate.statements import Details, is_about
from anchor.cli.bag_inputs import names_bag, names_evidence_bag
from anchor.cli.console import Colour, Output
from anchor.cli.custody_inputs import CustodyEvents
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.input_files import read_bounded
from anchor.cli.signature_inputs import FOLDER, RECORD_SUFFIX, SignatureInputs
from anchor.ethereum.header import parse_header
from anchor.page import load_page
from anchor.project.files import RECEIPT_SUFFIX, SIGNATURE_NAME, receipts_file
from anchor.project.policy_sources import PolicyFile
from anchor.receipt.format import Receipt, encode_receipt, parse_receipt
from anchor.verification.report import Report
from anchor.verification.signature_claim import GivenSignature

# A certificate, a statement or a token; a film would be an original.
_MAX_ENCLOSURE_BYTES = 1 << 26
_STATEMENTS = (
    "exhibit_no", "category", "title", "content_summary", "purpose_of_proof", "origin",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedFile:
    """A file that passed every step, with its digests, receipt, report and signatures."""

    path: Path
    digests: Digests
    receipt: bytes
    report: Report
    signatures: Sequence[GivenSignature] = ()


def verify_files(
    inputs: VerificationInputs, receipts: Sequence[Path], custody: CustodyEvents, output: Output
) -> tuple[list[VerifiedFile], list[tuple[Path, AnchorError]]]:
    """Return the files that pass every step, and those that do not, each printed with its error.

    Raises:
        UsageError: Standard input or a bag of receipts is named.
    """
    bags = filter(names_bag, receipts)
    bag = next((path for path in bags if not names_evidence_bag(path)), None)
    if bag is not None:
        raise UsageError(Message("pack-bag-named", path=bag), hint=Message("pack-bag-named-hint"))
    files: list[VerifiedFile] = []
    refused: list[tuple[Path, AnchorError]] = []
    signatures = SignatureInputs()
    for name, load in inputs.list_inputs(receipts, receipt=None, digest=None):
        if isinstance(name, Message):
            raise UsageError(Message("pack-standard-input"))
        path = receipts_file(Path(name)) or Path(name)
        try:
            receipt, digests = load()
            report = inputs.judge(receipt, digests)
            report = signatures.apply(inputs, name, None, report)
            report = custody.apply(inputs, report, receipt)
            if report.error is not None:
                raise report.error
        except AnchorError as error:
            failure = Message("pack-file-not-verified", path=path)
            text = Message("with-reason", failure=failure, reason=error)
            output.note(text, mark=Message("error-mark"), colour=Colour.RED)
            if error.hint is not None:
                output.note(error.hint, mark="  ")
            refused.append((path, error))
            continue
        data = encode_receipt(receipt) if isinstance(receipt, Receipt) else receipt
        files.append(
            VerifiedFile(
                path=path,
                digests=digests,
                receipt=data,
                report=report,
                signatures=signatures.list_beside(path),
            )
        )
    return files, refused


def describe_refused(refused: Sequence[tuple[Path, AnchorError]]) -> list[dict[str, object]]:
    """Return files that do not verify as members of a JSON document."""
    return [
        {"file": str(path), "exit_code": int(error.exit_code), "error": error.message}
        for path, error in refused
    ]


def compose_bag(
    files: Sequence[VerifiedFile],
    *,
    details: Details,
    policies: Sequence[PolicyFile],
    enclosures: Mapping[str, Sequence[Path]],
    notices: Mapping[str, bytes],
    events: Sequence[bytes] = (),
) -> dict[str, BagPart]:
    """Return the files of the bag; ``enclosures`` are files for each of the optional folders.

    ``notices`` are the receipts of verified notices, by their names in the bag; ``events`` are the
    receipts of custody events among the enclosures.

    Raises:
        UsageError: A file is given twice, or an enclosure cannot be read or is too large.
    """
    ordered = sorted(files, key=lambda file: (_name(file), file.receipt))
    for one, other in pairwise(ordered):
        if one.receipt == other.receipt:
            raise UsageError(Message("pack-file-twice", path=other.path))
    names = assign_names([_name(file) for file in ordered])
    parts: dict[str, BagPart] = {**notices}
    for name, file in zip(names, ordered, strict=True):
        parts[ORIGINALS + name] = OriginalFile(path=file.path, digests=file.digests)
        parts[f"{RECEIPTS}{name}{RECEIPT_SUFFIX}"] = file.receipt
        parts.update(_list_signatures(name, file))
    bags = [file.path.parent.resolve() for file in ordered if _is_bag(file.path)]
    for name, bag in zip(assign_names([each.name for each in bags]), bags, strict=True):
        parts.update(_list_bag_files(f"{CAPTURES}{name}/", bag))
    case = {
        "case_reference": details.case_reference,
        **details.case.model_dump(),
    }
    exhibits = [
        _describe(name, file, details)
        for name, file in sorted(
            zip(names, ordered, strict=True), key=lambda pair: _rank(pair[1], details)
        )
    ]
    parts["exhibits/exhibits.json"] = encode_exhibits(case, exhibits)
    parts["exhibits/exhibits.html"] = render_exhibits(case, exhibits)
    for folder, paths in enclosures.items():
        for name, path in zip(assign_names([p.name for p in paths]), paths, strict=True):
            parts[f"{folder}/{name}"] = _read_enclosure(path)
    party = details.case.submitted_by or details.issuer.name
    if policies:
        parts[POLICY] = encode_packed_policy([file.policy for file in policies], party)
    parts[VERIFIER] = (resources.files("anchor.standalone") / "verify.py").read_bytes()
    parts[PAGE] = load_page()
    program = f"anchor-evidence {version('anchor-evidence')}"
    signed = {
        name: file.report.existed_by
        for name, file in zip(names, ordered, strict=True)
        if file.signatures and file.report.existed_by is not None
    }
    packing = _describe_packing(ordered, [*notices.values(), *events], parts, program, party)
    packing = replace(packing, signed=signed)
    for language, name in README.items():
        parts[name] = write_readme(packing, sorted(parts), language)
    info = {"Bag-Software-Agent": program}
    if party is not None:
        info["Source-Organization"] = party
    return complete_bag(parts, info)


def _is_bag(path: Path) -> bool:
    """Return whether a file is the manifest of a bag that is evidence."""
    return path.name == MANIFEST and names_evidence_bag(path.parent)


def _list_bag_files(place: str, folder: Path) -> dict[str, BagPart]:
    """Return every file of a bag that is evidence, with the digest that its lists say.

    The bag was verified; a file that has changed since is refused when it is copied.
    """
    tags = read_bounded(folder / TAG_MANIFEST, MAX_LIST_BYTES)
    listed = {
        **parse_list(read_bounded(folder / MANIFEST, MAX_LIST_BYTES), subject=MANIFEST),
        **parse_list(tags, subject=TAG_MANIFEST),
        TAG_MANIFEST: hashlib.sha256(tags).digest(),
    }
    return {
        place + name: OriginalFile(
            path=folder / name,
            digests=Digests(sha256=digest, sm3=None, size=(folder / name).stat().st_size),
        )
        for name, digest in listed.items()
    }


def _list_signatures(name: str, file: VerifiedFile) -> dict[str, BagPart]:
    """Return the signatures of a file's record, and the record's bytes, which they are over."""
    parts: dict[str, BagPart] = {}
    for signature in file.signatures:
        match = SIGNATURE_NAME.fullmatch(Path(signature.name).name)
        assert match is not None and file.report.record is not None, "it was found by its name"
        parts[f"{FOLDER}{name}{match[2]}"] = signature.data
        parts[f"{FOLDER}{name}{RECORD_SUFFIX}"] = file.report.record.encoded
    return parts


def _name(file: VerifiedFile) -> str:
    """Return the recorded name's last part, which may differ from that of the file."""
    assert file.report.record is not None, "it passed every step"
    return file.report.record.name.rstrip("/").rpartition("/")[2]


def _rank(file: VerifiedFile, details: Details) -> int:
    """Return the file's place in the party's order; what it does not name comes last."""
    record = file.report.record
    assert record is not None, "it passed every step"
    places = (
        place
        for place, exhibit in enumerate(details.exhibits)
        if is_about(exhibit.digest, record.digests)
    )
    return next(places, len(details.exhibits))


def _describe(name: str, file: VerifiedFile, details: Details) -> ExhibitEntry:
    record, proven = file.report.record, file.report.leading
    assert record is not None and proven is not None, "it passed every step"
    stated = details.find_exhibit(record.digests).model_dump()
    earliest = (
        {}
        if proven.not_before is None
        else {"made_no_earlier_than": format_time(proven.not_before)}
    )
    sha256, sm3 = file.digests.sha256 or b"", file.digests.sm3 or b""
    return ExhibitEntry(
        original=ORIGINALS + name,
        receipt=f"{RECEIPTS}{name}{RECEIPT_SUFFIX}",
        name=record.name,
        recorded_at=format_time(record.recorded_at),
        size=file.digests.size or 0,
        sha256=sha256.hex(),
        sm3=sm3.hex(),
        anchored={
            "chain_id": proven.chain_id,
            "block_number": proven.anchor.block_number,
            "log": f"0x{proven.log.hex()}",
            "index": proven.index,
            **earliest,
            "existed_no_later_than": format_time(proven.existed_by),
        },
        record=record.encoded,
        stated={statement: stated[statement] for statement in _STATEMENTS},
    )


def _read_enclosure(path: Path) -> bytes:
    data = read_bounded(path, _MAX_ENCLOSURE_BYTES + 1)
    if len(data) > _MAX_ENCLOSURE_BYTES:
        raise UsageError(
            Message("pack-enclosure-too-long", path=path, limit=_MAX_ENCLOSURE_BYTES), path=path
        )
    return data


def _describe_packing(
    files: Sequence[VerifiedFile],
    others: Iterable[bytes],
    parts: Mapping[str, BagPart],
    program: str,
    party: str | None,
) -> Packing:
    blocks: dict[PackedBlock, None] = {}
    for receipt in (*(file.receipt for file in files), *others):
        blocks.update(dict.fromkeys(_list_blocks(parse_receipt(receipt))))
    return Packing(
        program=program,
        party=spell_party(party),
        originals=len(files),
        has_policy=POLICY in parts,
        blocks=sorted(blocks, key=lambda block: (block.chain_id, block.number, block.log)),
        verifier_sha256=_hash_part(parts[VERIFIER]),
        page_sha256=_hash_part(parts[PAGE]),
        not_proven=list(dict.fromkeys(each for file in files for each in file.report.not_proven)),
    )


def _list_blocks(receipt: Receipt) -> list[PackedBlock]:
    headers = [
        (anchor.chain_id, parse_header(anchor.state.header))
        for anchor in receipt.anchors
        if anchor.state is not None
    ]
    return [
        PackedBlock(
            chain_id=chain_id,
            log=f"0x{receipt.log.hex()}",
            number=header.number,
            hash=f"0x{header.hash.hex()}",
        )
        for chain_id, header in headers
    ]


def _hash_part(part: BagPart) -> str:
    assert isinstance(part, bytes)
    return hashlib.sha256(part).hexdigest()
