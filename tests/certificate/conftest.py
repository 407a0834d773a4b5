"""The fixtures of these tests."""

from support.certificate_fixtures import font, issued, pdf

__all__ = ["font", "issued", "pdf"]
