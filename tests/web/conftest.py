"""The fixtures of these tests."""

from support.fixtures import anvil_path, module_anvil

__all__ = ["anvil_path", "module_anvil"]
