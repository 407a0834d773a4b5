"""A server of S3's protocol (moto) in a process of its own, which ends when its input does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

SERVE = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.disable()
server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server, and the environment in which programs use it."""

    port: int
    client: Any

    @property
    def env(self) -> Mapping[str, str]:
        return make_environment(self.port)

    def make_bucket(self, name: str, contents: Mapping[str, bytes]) -> None:
        self.client.create_bucket(Bucket=name)
        for key, data in contents.items():
            self.client.put_object(Bucket=name, Key=key, Body=data)


def make_environment(port: int) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "a-test-key",
        "AWS_SECRET_ACCESS_KEY": "a-test-secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def run_s3_server(port: int = 0) -> Iterator[S3Server]:
    """Run a server, empty at first; it is a real one as far as HTTP is concerned."""
    import boto3

    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        chosen = int(process.stdout.readline())
        env = make_environment(chosen)
        client = boto3.client(
            "s3",
            endpoint_url=env["AWS_ENDPOINT_URL"],
            region_name=env["AWS_REGION"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        )
        try:
            yield S3Server(chosen, client)
        finally:
            client.close()
            process.kill()


@contextmanager
def using(server: S3Server) -> Iterator[None]:
    """Point this process's AWS environment to the server for the duration of the block."""
    before = dict(os.environ)
    os.environ.update(server.env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
