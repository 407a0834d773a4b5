"""nginx serves the tiles of a log from the bucket that it is published to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest
from support.bucket_publications import Bucket, make_bucket
from support.projects import make_site
from support.publications import publish, submissions
from support.s3_server import run_s3_server, using
from support.service import Served, serve
from support.webservers import HOST, web_server

from anchor.base.objects.store_choice import open_object_store
from anchor.chain.devnet import open_devnet
from anchor.operate.acceptance import accept

pytestmark = pytest.mark.release


@dataclass(frozen=True)
class Front:
    """nginx in front of a service, with the tiles in a bucket."""

    http: httpx.Client
    served: Served
    bucket: Bucket


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("bucket")
    with run_s3_server() as s3:
        bucket = make_bucket(s3)
        # S3 asks for the right GetObject for HEAD as well, this server for one of another name.
        policy = {
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:HeadObject"],
                "Resource": f"arn:aws:s3:::{bucket.name}/log/*",
            }],
        }  # fmt: skip
        s3.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))
        with open_devnet(anvil=None) as node:
            site = make_site(folder / "project", node, number=976)
            with site.open() as project:
                accept(project, submissions(800))
            site.round(wait_for="final")
            with using(s3):
                open_object_store.cache_clear()
                publish(site, bucket.url)
            open_object_store.cache_clear()
        s3.client.delete_object(Bucket=bucket.name, Key="log/tile/0/002")
        (folder / "front").mkdir()
        with serve(site.folder, "--proxy", "127.0.0.1", workers=1) as served:
            port = urlsplit(served.url).port
            assert port is not None
            place = f"127.0.0.1:{s3.port}/{bucket.name}/log"
            with (
                web_server("nginx", folder / "front", port, folder, place) as tls_port,
                httpx.Client(
                    base_url=f"https://127.0.0.1:{tls_port}", verify=False,
                    headers={"Host": f"{HOST}:{tls_port}"}, timeout=60,
                ) as client,
            ):  # fmt: skip
                yield Front(client, served, bucket)


def test_full_tiles_come_from_the_bucket_as_the_service_answers_them(front: Front) -> None:
    stored = front.bucket.files()
    for path in ("tile/0/000", "tile/0/001"):
        answer, alone = front.http.get(f"/{path}"), front.served.http.get(f"/{path}")
        assert answer.status_code == 200
        assert answer.content == alone.content == stored[path]
        assert "etag" in answer.headers and "etag" not in alone.headers  # from the bucket
        for name in (
            "cache-control", "content-length", "content-type", "cross-origin-resource-policy",
            "x-content-type-options",
        ):  # fmt: skip
            assert answer.headers[name] == alone.headers[name], name
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert not {"x-amz-request-id", "x-amz-version-id"} & set(answer.headers)


def test_a_tile_can_be_asked_for_again_and_in_part(front: Front) -> None:
    whole = front.http.get("/tile/0/000")
    same = front.http.get("/tile/0/000", headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    part = front.http.get("/tile/0/000", headers={"Range": "bytes=32-63"})
    assert (part.status_code, part.content) == (206, whole.content[32:64])
    head = front.http.head("/tile/0/000")
    assert (head.status_code, head.headers["content-length"]) == (200, "8192")


def test_the_service_answers_for_what_the_bucket_lacks_or_does_not_hold(front: Front) -> None:
    for path in ("/tile/0/002", "/checkpoint", "/anchors/000", "/tile/0/003.p/32"):
        answer, alone = front.http.get(path), front.served.http.get(path)
        assert (answer.status_code, answer.content) == (200, alone.content), path
        assert "etag" not in answer.headers
    assert front.http.post("/tile/0/000", content=b"x").status_code == 405
    assert front.http.get("/tile/0/999").headers["content-type"] == "application/problem+json"


def test_no_key_of_a_client_gets_to_the_bucket(front: Front) -> None:
    """It refuses who brings one that it does not know."""
    keys = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/x/s3/aws4_request"}
    assert "etag" in front.http.get("/tile/0/000", headers=keys).headers


def test_the_service_answers_where_the_bucket_refuses(front: Front) -> None:
    client, name = front.bucket.s3.client, front.bucket.name
    policy = client.get_bucket_policy(Bucket=name)["Policy"]
    client.delete_bucket_policy(Bucket=name)
    try:
        answer = front.http.get("/tile/0/000")
    finally:
        client.put_bucket_policy(Bucket=name, Policy=policy)
    assert (answer.status_code, "etag" in answer.headers) == (200, False)
    assert answer.content == front.bucket.files()["tile/0/000"]
