"""The fixtures of these tests."""

from support.fixtures import anvil, anvil_path, embedded, make, own_anvil, site

__all__ = ["anvil", "anvil_path", "embedded", "make", "own_anvil", "site"]
