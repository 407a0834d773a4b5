"""Where things are in the checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "anchor"
DEPLOY = ROOT / "deploy"
TESTS = ROOT / "tests"
VECTORS = TESTS / "vectors"
