"""Objects in a folder and in stores that fsspec reaches: one contract for all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.s3_server import S3Server, run_s3_server, using

from anchor.base.errors import ConfigError, MismatchError, StorageError
from anchor.keeping.copy_objects import CopyBucket, CopyObjects, open_copy_objects


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with run_s3_server() as server:
        server.make_bucket("copies", {})
        yield server


@pytest.fixture(params=["file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CopyObjects]:
    if request.param == "file":
        yield open_copy_objects(f"file://{tmp_path / 'bucket'}")
    elif request.param == "memory":
        yield open_copy_objects(f"memory://{tmp_path.name}/bucket")
    else:
        with using(request.getfixturevalue("server")):
            yield open_copy_objects(f"s3://copies/{tmp_path.name}")


def test_objects_are_stored_listed_and_removed(store: CopyObjects) -> None:
    assert store.list_names("t/1") == []
    store.write("t/1/a", b"one")
    store.write("t/1/b", b"two")
    store.write("t/1/b", b"three")
    store.write("t/2/a", b"")
    assert (store.read("t/1/b"), store.read("t/2/a")) == (b"three", b"")
    assert sorted(store.list_names("t/1")) == ["t/1/a", "t/1/b"]
    for _ in range(2):
        store.remove("t/1/a")
    assert store.list_names("t/1") == ["t/1/b"]
    for _ in range(2):
        store.remove_folder("t/1")
    assert store.list_names("t/1") == []
    with pytest.raises(MismatchError):
        store.read("t/1/b")
    assert store.read("t/2/a") == b""


def test_a_store_that_fails_says_so_without_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bucket").write_bytes(b"a file, not a folder")
    folder = open_copy_objects(f"file://{tmp_path / 'bucket'}")
    bucket = open_copy_objects("memory://failing")
    assert isinstance(bucket, CopyBucket)

    def fail(*_: object) -> None:
        raise RuntimeError("secret=1")

    monkeypatch.setattr(bucket._files, "cat_file", fail)
    for store in (folder, bucket):
        with pytest.raises(StorageError) as failure:
            store.read("t/1/a")
        assert "secret" not in str(failure.value)


@pytest.mark.parametrize("url", ["nothing://bucket", "folder://"])
def test_a_url_without_a_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        open_copy_objects(url)
