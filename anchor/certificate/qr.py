"""The QR code: the certified values in a few lines of text, and an address if one is stated."""

from __future__ import annotations

import io

import segno

from anchor.certificate.model import FORMAT, RecordPlace, VerifiedAnchor


def encode_payload(
    place: RecordPlace,
    anchor: VerifiedAnchor | None,
    root: str,
    *,
    draft: bool,
    address: str | None = None,
) -> str:
    """Return the QR code's text: the record's number and digest, the chain, and the root.

    The chain is named with its registry (CAIP-10).  ``address`` is where the issuer says that the
    record can be looked up.
    """
    lines = [
        FORMAT + (" DRAFT" if draft else ""),
        f"number {place.number}",
        f"record sha256:{place.record_sha256}",
    ]
    if anchor is not None:
        lines.append(f"chain {anchor.chain}:{anchor.registry}")
    lines.append(f"root {root}")
    if address is not None:
        lines.append(f"stated address {address}")
    return "\n".join(lines)


def draw_code(payload: str) -> str:
    """Return the QR code as SVG, black on white, with the quiet zone that readers need."""
    code = segno.make_qr(payload, error="m", boost_error=False, encoding="utf-8", eci=False)
    drawn = io.BytesIO()
    code.save(
        drawn,
        kind="svg",
        border=4,
        dark="#000",
        light="#fff",
        xmldecl=False,
        omitsize=True,
        svgclass="code",
        lineclass=None,
        nl=False,
    )
    return drawn.getvalue().decode("ascii")
