"""The documents and parameters of uploads and of the copies that come of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Path

from anchor.keeping.upload_rules import TUS_VERSION
from anchor.service.schemas import KeptCopyDocument
from anchor.store.kept_copies import KeptCopy

UPLOAD_PATTERN = r"^[0-9a-f]{32}$"

UploadInPath = Annotated[
    str, Path(pattern=UPLOAD_PATTERN, description="As `Location` of the creation ends.")
]


def describe_copy(copy: KeptCopy | None) -> KeptCopyDocument | None:
    """Return the document of a copy that was not deleted."""
    if copy is None or copy.state == "deleted":
        return None
    return KeptCopyDocument(
        state=copy.state,
        length=copy.length,
        received=copy.received,
        reason=copy.reason,
        upload=upload_address(copy.id) if copy.state == "receiving" else None,
    )


def upload_address(id: str) -> str:
    """Return the address of an upload."""
    return f"/v1/uploads/{id}"


TusVersion = Annotated[
    str | None,
    Header(alias="Tus-Resumable", description=f"The protocol's version, {TUS_VERSION}."),
]
UploadLength = Annotated[
    str | None, Header(alias="Upload-Length", description="The copy's size in bytes.")
]
UploadOffset = Annotated[
    str | None, Header(alias="Upload-Offset", description="Where the body begins in the copy.")
]
UploadMetadata = Annotated[
    str | None,
    Header(
        alias="Upload-Metadata",
        description="`evidence`, a space, and the id of the evidence in Base64. Other keys are "
        "not stored.",
    ),
]


def tus_headers(*names: str) -> dict[str, Any]:
    """Return the description of an answer's headers."""
    return {name: {"schema": {"type": "string"}} for name in ("Tus-Resumable", *names)}
