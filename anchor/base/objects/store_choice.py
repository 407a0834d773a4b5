"""The store that reads and writes the objects of a scheme."""

from __future__ import annotations

from functools import cache
from typing import cast

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.objects.object_store import ObjectStore, WritableStore
from anchor.base.objects.object_url import BUCKETS


@cache
def open_object_store(scheme: str) -> ObjectStore:
    """Return the stores of this scheme; one is made for each process and shared by its threads."""
    # Loaded where a URL is given: other commands start without them.
    if scheme == "s3":
        from anchor.base.objects.s3_store import S3Store

        return S3Store()
    if scheme == "gs":
        from anchor.base.objects.google_store import GoogleStore

        return GoogleStore()
    if scheme == "az":
        from anchor.base.objects.azure_store import AzureStore

        return AzureStore()
    from anchor.base.objects.web_store import WebStore

    return WebStore()


def open_writable_store(scheme: str) -> WritableStore:
    """Return the stores of this scheme, which write on conditions."""
    if scheme not in BUCKETS:
        raise UsageError(
            Message("object-scheme-read-only", scheme=scheme),
            hint=Message("object-scheme-read-only-hint"),
        )
    return cast(WritableStore, open_object_store(scheme))
