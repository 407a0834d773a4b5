"""The store that reads the objects of a scheme."""

from __future__ import annotations

from functools import cache

from anchor.objects.azure_store import AzureStore
from anchor.objects.google_store import GoogleStore
from anchor.objects.object_store import ObjectStore
from anchor.objects.s3_store import S3Store
from anchor.objects.web_store import WebStore


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
    return WebStore()
