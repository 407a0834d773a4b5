"""Makes ``support`` importable, lets interrupts work, and records the faults tests inject."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

# By its own name, because site-packages may well hold a package `tests` of others.
_HERE = str(Path(__file__).resolve().parent)
if _HERE not in sys.path:
    sys.path.append(_HERE)

# Loading the tests makes many objects and hardly any garbage.
gc.disable()

# A shell that runs the tests in the background lets them, and all they start, ignore the interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Keep a record of the faults that tests inject; offer the stores' and browser's fixtures.

    Tests have a configuration folder of their own: that of whoever runs them stays as it is.  They
    run in English, whatever the language of whoever runs them.
    """
    os.environ["LANGUAGE"] = "en"
    folder = tempfile.mkdtemp(prefix="anchor-tests-configuration-")
    os.environ["XDG_CONFIG_HOME"] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    from support.examples import load_profile
    from support.faults import FaultRecorder

    load_profile()
    config.pluginmanager.register(FaultRecorder(), "faults")
    config.pluginmanager.import_plugin("support.needs")
    config.pluginmanager.import_plugin("support.stores")
    config.pluginmanager.import_plugin("support.browser")


def pytest_cmdline_main(config: pytest.Config) -> int | pytest.ExitCode | None:
    """Run the contract lane if `ape test` names no tests: the others do without ape's plugin."""
    invoked = config.invocation_params
    if "ape_test" not in (invoked.plugins or ()) or config.args_source == config.ArgsSource.ARGS:
        return None
    lane = Path(_HERE, "contracts")
    return pytest.main([*invoked.args, "-c", f"{lane / 'pytest.ini'}", str(lane)], ["ape_test"])


def pytest_collection_finish() -> None:
    """Look for garbage from here on, and only among what the tests make."""
    gc.collect()
    gc.freeze()
    gc.enable()
