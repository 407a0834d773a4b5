"""``anchor audit``: audit a whole log, the project's own or a published one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_url import parse_object_url
from anchor.cli.console import Output
from anchor.cli.manifest_audit import audit_manifests
from anchor.cli.options import (
    AcceptUnpinnedOption,
    BandwidthOption,
    ChainIdOption,
    ConfigOption,
    ExecutorOption,
    JsonOption,
    QuorumOption,
    RpcOption,
    WorkersOption,
    parse_rate,
)
from anchor.cli.publication_audit import audit_published
from anchor.evidence.hashing_pool import THREADS


def command(
    location: Annotated[
        str | None,
        typer.Argument(
            metavar="DIR|URL",
            help="Published log (folder, https://, s3://, gs://, az://); default: the project's "
            "own store.",
        ),
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(
            metavar="POLICY",
            help="Your trust policy for a published log; default: as for `anchor verify`.",
        ),
    ] = None,
    rpc: RpcOption = None,
    quorum: QuorumOption = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="VKEY", help="Verifier key of a published log (name+id+key)."),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER[/N]",
            help="Required owner and number of a published log; default number: 0.",
        ),
    ] = None,
    chain_id: ChainIdOption = None,
    accept_unpinned: AcceptUnpinnedOption = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="First rebuild the project's tiles from its store.")
    ] = False,
    originals: Annotated[
        bool,
        typer.Option(
            "--originals",
            help="Also hash the project's evidence files again, where they still exist.",
        ),
    ] = False,
    manifest: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Only read the objects of a manifest again, or of a run's folder, that lie below "
            "the URL s3://…; repeatable.",
        ),
    ] = None,
    executor: ExecutorOption = THREADS,
    workers: WorkersOption = None,
    limit_bandwidth: BandwidthOption = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check only the project's store; ask no node.")
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute a log from its leaves, compare it with the registry and report errors.

    The audit of a published log needs only the published files and the chain.
    """
    output = Output(as_json=as_json)
    if manifest:
        if location is None:
            raise UsageError(Message("audit-manifest-without-url"))
        _check_alone(rebuild, originals, offline, trust, rpc, key, log)
        rate = None if limit_bandwidth is None else parse_rate(limit_bandwidth)
        below = parse_object_url(location)
        audit_manifests(output, manifest, below, name=executor, count=workers, rate=rate)
    elif location is None:
        if trust or rpc or quorum or key or log or chain_id or accept_unpinned:
            raise UsageError(Message("option-published-log-only"))
        # Needs the extra `operator`, which an auditor of a published log may lack.
        from anchor.cli.own_log_audit import audit_own_log

        audit_own_log(output, config_path, rebuild=rebuild, originals=originals, offline=offline)
    elif rebuild or originals or offline:
        option = "--rebuild" if rebuild else "--originals" if originals else "--offline"
        raise UsageError(Message("option-own-log-only", option=option))
    else:
        audit_published(
            output,
            location,
            trust=trust,
            rpc=rpc or (),
            quorum=quorum,
            key=key,
            log=log,
            chain_ids=chain_id or (),
            accept_unpinned=accept_unpinned,
            config_path=config_path,
        )


def _check_alone(*others: object) -> None:
    """Refuse what has no meaning beside ``--manifest``."""
    if any(others):
        raise UsageError(Message("option-manifest-alone"))
