"""The fixtures of these tests."""

from support.certificate_fixtures import issued
from support.fixtures import anvil_path, module_anvil

__all__ = ["anvil_path", "issued", "module_anvil"]
