"""A local chain and a project on it, as pytest fixtures for tests of those who use anchor.

pytest loads ``pytest_plugin`` by its entry point.  The names here are the types of the fixtures;
importing them imports nothing else of anchor.
"""

from anchor.testing.fixture_types import (
    AnchorChain,
    AnchorProject,
    FileAnchoring,
    OfflineVerification,
)

__all__ = ["AnchorChain", "AnchorProject", "FileAnchoring", "OfflineVerification"]
