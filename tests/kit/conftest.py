"""The fixtures of these tests."""

from support.fixtures import anvil_path, embedded

__all__ = ["anvil_path", "embedded"]
