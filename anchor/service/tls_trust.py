"""Whose certificates the service trusts when it sends: those that other connections trust."""

from __future__ import annotations

import ssl

import httpx

from anchor.base.system.file_ownership import find_named_path


def make_tls_context() -> ssl.SSLContext:
    """Return a context that verifies certificates and hosts' names.

    ``REQUESTS_CA_BUNDLE`` names other authorities, as for nodes.
    """
    bundle = find_named_path("REQUESTS_CA_BUNDLE")
    if bundle is None:
        return httpx.create_ssl_context(trust_env=False)
    is_folder = bundle.is_dir()
    return ssl.create_default_context(
        cafile=None if is_folder else bundle, capath=bundle if is_folder else None
    )
