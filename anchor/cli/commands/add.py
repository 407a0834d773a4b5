"""``anchor add``: record evidence."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from anchor.base.digests import Digests, parse_digest
from anchor.base.errors import ExitCode, UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_url import ObjectUrl, UrlList, is_object_url, parse_object_url
from anchor.base.system.garbage_collection import collect_rarely
from anchor.base.system.os_errors import explain_os_error
from anchor.base.units import format_bytes
from anchor.cli.console import Colour, Output
from anchor.cli.context import project_session
from anchor.cli.intake_notes import (
    describe_excluded,
    note_left_out,
    note_unread,
    print_excluded,
)
from anchor.cli.object_inputs import ObjectInputs, add_objects
from anchor.cli.options import (
    BandwidthOption,
    ConfigOption,
    ExecutorOption,
    JsonOption,
    NotBeforeOption,
    WorkersOption,
    parse_rate,
)
from anchor.cli.progress_bar import show_hashing
from anchor.evidence.checksums import MAX_LINE_BYTES, parse_checksum_lines
from anchor.evidence.discovery import find_sources
from anchor.evidence.exclusion import Exclusion
from anchor.evidence.file_hashing import hash_stdin
from anchor.evidence.hashing_pool import THREADS, open_workers
from anchor.operate.acceptance import (
    Acceptance,
    EvidenceInput,
    accept,
    accept_with_key,
    claim_restored,
    digest_input,
    fewest,
)
from anchor.operate.file_intake import IntakeResult, gather
from anchor.operate.object_intake import ObjectIntake
from anchor.operate.receipt_files import skip_receipts
from anchor.operate.recent_block import choose_block
from anchor.project.project import OpenProject

_STDIN = "-"


def command(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH|URL",
            help="Files, and folders with all their contents; - is standard input; objects by "
            "s3://, gs://, az:// or https:// URL, in a bucket with all below it.",
        ),
    ] = None,
    digest: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ALGORITHM:HEX",
            help="Digest to record without the file: sha256:HEX or sm3:HEX; repeatable.",
        ),
    ] = None,
    digests_from: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with digests to record, as sha256sum prints them."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name to record for standard input or a single --digest."
        ),
    ] = None,
    follow_symlinks: Annotated[
        bool, typer.Option("--follow-symlinks", help="Follow symbolic links.")
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Leave out of folders what a pattern of .gitignore's language names, such as "
            "'*.tmp', '/build/' or '!keep.tmp'; repeatable. PATHs themselves are never left out.",
        ),
    ] = None,
    gitignore: Annotated[
        bool,
        typer.Option(
            "--gitignore",
            help="Leave out of folders what their .gitignore files name, and .git and __pycache__.",
        ),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Record known files again, as separate evidence.")
    ] = False,
    key: Annotated[
        str | None,
        typer.Option(
            "--idempotency-key",
            metavar="KEY",
            help="Key for one piece of evidence: repeating the call adds nothing, and different "
            "evidence is refused.",
        ),
    ] = None,
    workers: WorkersOption = None,
    executor: ExecutorOption = THREADS,
    urls_from: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with URLs of objects, one a line."),
    ] = None,
    job: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the manifests of objects, which continues an interrupted run; "
            "default: a new folder in manifests/ beside the configuration.",
        ),
    ] = None,
    manifest: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Parquet manifest of objects that another program hashed, or a folder of "
            "them; repeatable.",
        ),
    ] = None,
    limit_bandwidth: BandwidthOption = None,
    not_before: NotBeforeOption = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hash and record evidence; `anchor run` anchors it later."""
    output = Output(as_json=as_json)
    named = paths or []
    files = [Path(each) for each in named if each != _STDIN and not is_object_url(each)]
    objects = ObjectInputs(
        urls=_choose_urls([each for each in named if is_object_url(each)], urls_from),
        job=job,
        manifests=tuple(manifest or ()),
        rate=None if limit_bandwidth is None else parse_rate(limit_bandwidth),
    )
    exclusion = _choose_exclusion(files, exclude or [], gitignore=gitignore)
    with project_session(config_path) as project:
        labelled = _labelled(project, _STDIN in named, digest or [], digests_from, name)
        if not files and not labelled and not objects.is_any:
            raise UsageError(Message("evidence-to-add-unnamed"))
        if key is not None or again:
            objects.refuse_options()
        if key is not None:
            _check_alone(files, labelled, again=again)
        name_block = choose_block(project, not_before, output.note)
        with (
            open_workers(executor, workers, output.note) as hashing,
            show_hashing(output) as count,
            collect_rarely(),
        ):
            # Before the files: a manifest or a URL that is refused leaves nothing recorded.
            taken = add_objects(project, objects, hashing, name_block, count, output.note)
            gathered = gather(
                project,
                skip_receipts(
                    find_sources(files, follow_symlinks=follow_symlinks, exclusion=exclusion),
                    project.config.log,
                ),
                executor=hashing.executor,
                again=again,
                key=key,
                on_done=count,
                name_block=name_block,
            )
        if key is None:
            if not again:
                # A bare digest is known by itself after a restore.
                claim_restored(
                    project, [each for each in labelled if each.digests.size is not None]
                )
            block = name_block() if labelled else None
            accepted = accept(project, labelled, again=again, not_before=block)
        elif labelled:
            accepted = accept_with_key(project, labelled, key, name_block())
        else:
            accepted = Acceptance(new=0, known=0)
        rule = project.config.copies
    total = Acceptance(
        new=gathered.new + accepted.new + taken.new,
        known=gathered.known + accepted.known + taken.known,
        copies=fewest(gathered.copies, accepted.copies, taken.copies),
    )
    if rule is not None and total.copies is not None and total.copies < rule.copies:
        output.note(
            Message("store-second-copy-missing", count=total.copies, required=rule.copies),
            mark=Message("warning-mark"),
            colour=Colour.YELLOW,
        )
    _report(output, gathered, taken, total, exclusion)


def _choose_urls(texts: list[str], list_path: Path | None) -> Sequence[ObjectUrl] | UrlList:
    if list_path is None:
        return [parse_object_url(text) for text in texts]
    if texts:
        raise UsageError(Message("option-urls-from-with-urls"))
    return UrlList(list_path)


def _choose_exclusion(
    files: list[Path], patterns: list[str], *, gitignore: bool
) -> Exclusion | None:
    if not patterns and not gitignore:
        return None
    if not any(path.is_dir() for path in files):
        raise UsageError(Message("option-exclude-misplaced"))
    return Exclusion.of_options([os.fsencode(each) for each in patterns], gitignore=gitignore)


def _check_alone(files: list[Path], labelled: list[EvidenceInput], *, again: bool) -> None:
    if again:
        raise UsageError(Message("option-idempotency-key-with-again"))
    if len(files) + len(labelled) != 1 or any(path.is_dir() for path in files):
        raise UsageError(Message("option-idempotency-key-misplaced"))


def _labelled(
    project: OpenProject,
    stdin: bool,
    digests: list[str],
    digests_from: Path | None,
    name: str | None,
) -> list[EvidenceInput]:
    """Return the submissions of standard input and of bare digests."""
    if name is not None and stdin + len(digests) != 1:
        raise UsageError(Message("option-name-misplaced"))
    inputs = [digest_input(Digests.bare(*parse_digest(text)), name) for text in digests]
    if digests_from is not None:
        inputs += _read_checksums(digests_from)
    if stdin:
        digests_read = hash_stdin(sys.stdin.buffer, project.config.digests)
        label = name or "standard input"
        inputs.append(EvidenceInput(source=f"stdin:{label}", name=label, digests=digests_read))
    return inputs


def _read_checksums(path: Path) -> list[EvidenceInput]:
    try:
        with path.open("rb") as file:
            lines = iter(lambda: file.readline(MAX_LINE_BYTES + 1), b"")
            return [
                digest_input(Digests.bare(algorithm, value), listed)
                for listed, algorithm, value in parse_checksum_lines(lines, subject=str(path))
            ]
    except OSError as error:
        raise explain_os_error(
            Message("file-unreadable", path=path), error, is_named=True
        ) from error


def _report(
    output: Output,
    gathered: IntakeResult,
    taken: ObjectIntake,
    total: Acceptance,
    exclusion: Exclusion | None,
) -> None:
    receipts = note_left_out(output, gathered)
    note_unread(output, taken)
    for changed in gathered.changed:
        output.note(
            Message("evidence-changed-since", path=changed.path, time=changed.accepted_at),
            mark=Message("warning-mark"),
            colour=Colour.YELLOW,
        )
    size = format_bytes(gathered.size + taken.size)
    output.line(Message("evidence-added-summary", new=total.new, known=total.known, size=size))
    if receipts:
        output.line(Message("receipts-left-out", count=receipts))
    if exclusion is not None:
        print_excluded(output, exclusion)
    unread = len(gathered.problems) + taken.unread
    if unread:
        output.line(Message("evidence-unread-count", count=unread))
    output.result(
        {
            "new": total.new,
            "known": total.known,
            **({} if total.copies is None else {"copies": total.copies}),
            "bytes": gathered.size + taken.size,
            "problems": [
                *({"path": str(p.path), "reason": p.reason} for p in gathered.problems),
                *({"path": p.url, "reason": p.reason} for p in taken.problems),
            ],
            "skipped": [{"path": str(s.path), "reason": s.reason} for s in gathered.skipped],
            "changed": [
                {"path": str(changed.path), "recorded_at": changed.accepted_at}
                for changed in gathered.changed
            ],
            **({} if exclusion is None else {"excluded": describe_excluded(exclusion)}),
            **({} if taken.folder is None else {"manifests": str(taken.folder)}),
        }
    )
    if unread:
        raise typer.Exit(ExitCode.USAGE)
    if total.new + total.known == 0:
        output.note(
            Message("evidence-to-add-not-found"), mark=Message("error-mark"), colour=Colour.RED
        )
        raise typer.Exit(ExitCode.USAGE)
