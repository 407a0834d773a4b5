"""Manifests of bundles: ``manifest-sha256.txt`` of BagIt 1.0 (RFC 8493), and items for a record.

A record of a bundle holds the digests of its manifest, so that the manifest is the file that is
verified against the record, and ``sha256sum -c`` verifies the files against the manifest.
"""

from __future__ import annotations

from collections.abc import Sequence

from anchor.base.digests import SHA256, digest_bytes
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.evidence.file_hashing import FileDigest
from anchor.evidence.record_groups import MAX_ITEMS, BundleItem, BundleManifest, ItemDigests

# RFC 8493 section 2.1.3: these alone are encoded in a path.
_ESCAPES = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))


def encode_manifest(files: Sequence[FileDigest]) -> bytes:
    """Return the manifest of files, sorted by path.

    Raises:
        UsageError: Two files have the same path.
    """
    lines: dict[str, str] = {}
    for file in files:
        path = file.source.name
        if path in lines:
            raise UsageError(Message("bundle-path-twice", path=path), path=file.source.path)
        assert file.digests.sha256 is not None, "files of a bundle are hashed with SHA-256"
        lines[path] = f"{file.digests.sha256.hex()}  {_escape(path)}\n"
    return "".join(lines[path] for path in sorted(lines)).encode()


def describe_contents(files: Sequence[FileDigest], manifest: bytes) -> dict[str, object]:
    """Return the record's ``items``, or its ``manifest`` for more files than a record lists."""
    if len(files) <= MAX_ITEMS:
        ordered = sorted(files, key=lambda file: file.source.name)
        return {"items": [_describe_item(file) for file in ordered]}
    digest = digest_bytes(manifest, (SHA256,)).sha256
    assert digest is not None, "it was asked for"
    total = sum(file.digests.size or 0 for file in files)
    return {
        "manifest": BundleManifest(
            format="bagit-1.0", sha256=digest.hex(), files=len(files), bytes=total
        )
    }


def _describe_item(file: FileDigest) -> BundleItem:
    digests = {
        name: digest.hex()
        for name, digest in (("sha256", file.digests.sha256), ("sm3", file.digests.sm3))
        if digest is not None
    }
    members = {
        "path": file.source.name,
        "digests": ItemDigests.model_validate(digests),
        "size": file.digests.size,
    }
    return BundleItem.model_validate(members)


def _escape(path: str) -> str:
    for character, escape in _ESCAPES:
        path = path.replace(character, escape)
    return path
