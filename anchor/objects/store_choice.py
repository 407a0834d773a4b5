"""The store that reads and writes the objects of a scheme."""

from __future__ import annotations

from functools import cache

from anchor.errors import UsageError
from anchor.messages.message import Message
from anchor.objects.azure_store import AzureStore
from anchor.objects.google_store import GoogleStore
from anchor.objects.object_store import ObjectStore, WritableStore
from anchor.objects.s3_store import S3Store


@cache
def open_object_store(scheme: str) -> ObjectStore:
    """Return the stores of this scheme; one is made for each process and shared by its threads.

    Raises:
        UsageError: The package that reads them is not installed.
    """
    if scheme == "s3":
        return S3Store()
    if scheme == "gs":
        return GoogleStore()
    if scheme == "az":
        return AzureStore()
    # Needs the extra `rpc`, which readers of folders may lack.
    from anchor.objects.web_store import WebStore

    return WebStore()


def open_writable_store(scheme: str) -> WritableStore:
    """Return the stores of this scheme, which write on conditions.

    Raises:
        UsageError: They are not written to, or their package is not installed.
    """
    if scheme != "s3":
        raise UsageError(
            Message("object-scheme-read-only", scheme=scheme),
            hint=Message("object-scheme-read-only-hint"),
        )
    store = open_object_store(scheme)
    assert isinstance(store, S3Store)
    return store
