"""``anchor pack``: verify files, and write them with their receipts as one bag."""

from __future__ import annotations

import hashlib
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from anchor.bag.bag_contents import OriginalFile
from anchor.bag.bag_format import TAG_MANIFEST
from anchor.bag.bag_writer import ZIP_SUFFIX, check_target, write_bag
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_url import is_object_url
from anchor.cli.bag_packing import compose_bag, describe_refused, verify_files
from anchor.cli.console import Output
from anchor.cli.custody_inputs import CustodyEvents, list_event_receipts
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.notice_packing import pack_notices
from anchor.cli.options import (
    AcceptUnpinnedOption,
    BlockHashOption,
    ChainIdOption,
    ConfigOption,
    JsonOption,
    OfflineOption,
    QuorumOption,
    RpcOption,
    TrustOption,
)
from anchor.cli.output_place import open_output_place
from anchor.cli.party_details import check_exhibits, read_details
from anchor.cli.progress_bar import show_hashing
from anchor.cli.timestamp_inputs import find_kept, kept_folder, with_checkpoints
from anchor.verification.report import severest_code


def command(
    receipts: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECEIPT",
            help="Receipts with a final anchor, the files beside them, or bundles of receipts.",
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR|FILE.zip|URL",
            help="New folder or ZIP file to write, or one in a bucket: s3://, gs:// or az://BUCKET/FILE.zip.",
        ),
    ],
    case: Annotated[
        Path | None,
        typer.Option(
            metavar="CASE.toml",
            help="Your own statements on the case and the exhibits, as for `anchor certify "
            "--details`; printed as yours.",
        ),
    ] = None,
    certificate: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="File for the bag's folder of certificates; repeatable."),
    ] = None,
    custody: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="File for the bag's folder on custody; repeatable. Receipts of custody events "
            "have to verify.",
        ),
    ] = None,
    notice: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RECEIPT|DIR",
            help="Receipt of a notice that a file is superseded or withdrawn; repeatable. Those of "
            "your own project are in it anyway.",
        ),
    ] = None,
    statement: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="File for the bag's folder of statements; repeatable."),
    ] = None,
    timestamp: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="File for the bag's folder of timestamps; repeatable. Those that your own "
            "project keeps of the files' heads are in it anyway.",
        ),
    ] = None,
    trust: TrustOption = None,
    rpc: RpcOption = None,
    quorum: QuorumOption = None,
    block_hash: BlockHashOption = None,
    offline: OfflineOption = False,
    chain_id: ChainIdOption = None,
    accept_unpinned: AcceptUnpinnedOption = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify files and pack them, with their receipts, as one bag for court.

    A bag (BagIt 1.0) is a folder, or a ZIP file if its name ends with .zip, with originals,
    receipts, the signatures beside them, an exhibit list, verifiers and instructions in Chinese and
    English. If one file does not verify, none is packed; the exit code is that of `anchor verify`.
    """
    if offline and (rpc or quorum):
        raise UsageError(Message("option-offline-with-nodes"))
    if not is_object_url(target):
        check_target(Path(target))
    elif not target.endswith(ZIP_SUFFIX):
        raise UsageError(Message("bag-url-not-zip", url=target))
    details = read_details(case)
    output = Output(as_json=as_json)
    inputs = VerificationInputs(
        config_path=config_path,
        trust=trust,
        report=output.note,
        rpc=rpc,
        quorum=quorum,
        block_hashes=block_hash,
        chain_ids=chain_id,
        accept_unpinned=accept_unpinned,
        offline=offline,
        show_progress=partial(show_hashing, output),
    )
    events = CustodyEvents.select(list_event_receipts(custody or ()))
    with closing(inputs):
        files, refused = verify_files(inputs, receipts, events, output)
        notices = {} if refused else pack_notices(inputs, files, notice or (), output)
    basis = {
        "policies": inputs.list_policies(),
        "unused_project": inputs.describe_unused(),
        "nodes": inputs.nodes.asked,
    }
    if refused:
        code = severest_code([error.exit_code for _, error in refused])
        output.result(
            {"exit_code": int(code), **basis, "bag": None, "refused": describe_refused(refused)}
        )
        raise typer.Exit(code)
    check_exhibits(details, [file.report for file in files])
    folders = kept_folder(inputs.choice.config)
    kept = [path for file in files for path in find_kept(folders, file.report)]
    bag = compose_bag(
        files,
        details=details,
        policies=inputs.choice.files,
        enclosures={
            "certificate": certificate or [],
            "custody": custody or [],
            "statements": statement or [],
            "timestamps": list(dict.fromkeys([*kept, *with_checkpoints(timestamp or ())])),
        },
        notices=notices,
        events=events.list_receipts(),
    )
    size = sum(part.digests.size or 0 for part in bag.values() if isinstance(part, OriginalFile))
    with open_output_place(target, is_file=True) as place, show_hashing(output, size) as count:
        write_bag(place.path, bag, on_read=partial(count, 0))
    manifest = bag[TAG_MANIFEST]
    identifier = hashlib.sha256(manifest).hexdigest() if isinstance(manifest, bytes) else ""
    output.line(Message("bag-written", path=target, files=len(bag), originals=len(files)))
    output.line(Message("bag-identifier", identifier=identifier, list=TAG_MANIFEST), mark="  ")
    output.result(
        {
            "exit_code": 0,
            **basis,
            "bag": str(target),
            "refused": [],
            "identifier": identifier,
            "originals": len(files),
            "files": len(bag),
            "notices": len(notices),
        }
    )
