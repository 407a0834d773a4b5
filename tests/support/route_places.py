"""What stands in the addresses of routes: which kind of thing each place names."""

from __future__ import annotations

import re

# What each place in an address names: the longest beginning of the route decides.
KINDS = {
    ("/v1/evidence", "id"): "evidence",
    ("/v1/keys", "id"): "key",
    ("/v1/invitations", "id"): "invitation",
    ("/v1/webhooks", "id"): "webhook",
    ("/v1/operator/jobs", "id"): "job",
    ("/v1/operator/blocks", "block"): "block",
    ("/v1/cases/{case}/links", "id"): "link",
    ("/tenants/{tenant}/evidence", "id"): "evidence",
    ("/tenants/{tenant}/webhooks", "id"): "webhook",
    ("/v1/uploads", "upload"): "upload",
    ("/", "tenant"): "tenant",
    ("/", "case"): "case",
    ("/", "exhibit"): "exhibit",
    ("/", "person"): "person",
    ("/", "message"): "message",
    ("/", "certificate"): "certificate",
    ("/", "capture"): "capture",
}
# Places that name nothing of a tenant, and what stands there.
WORDS = {"kind": "pdf", "day": "2020-01-01", "sentence": "address-not-found"}


def find_places(path: str) -> dict[str, str]:
    """Return the places of an address that name something of a tenant, with its kind."""
    places = {}
    for name in re.findall(r"\{(\w+)", path):
        if name in WORDS:
            continue
        fits = [start for start, place in KINDS if place == name and path.startswith(start)]
        assert fits, f"{path}: say in KINDS what {{{name}}} names"
        places[name] = KINDS[max(fits, key=len), name]
    return places


def fill_in(path: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)[^}]*\}", lambda match: (WORDS | values)[match[1]], path)
