"""What the build needs beside pyproject.toml: manual pages, and the tag of a wheel without C."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

ROOT = Path(__file__).resolve().parent


class InstallManual(Distribution().get_command_class("install_data")):
    """Install the manual pages, made of the commands of these sources."""

    def run(self) -> None:
        # These sources come before those of a checkout that is installed.
        sys.path[:0] = [str(ROOT), str(ROOT / "scripts" / "_build")]
        from manual_pages import write_manual

        with TemporaryDirectory() as name:
            for page, text in write_manual().items():
                Path(name, page).write_text(text, "utf-8")
            self.data_files = [("share/man/man1", sorted(map(str, Path(name).iterdir())))]
            super().run()


class Wheel(bdist_wheel):
    """A wheel for this platform, or for every one if the optional extension could not be built."""

    def run(self) -> None:
        """Build, see what came of it, and pack that."""
        self.run_command("build")
        extensions = self.get_finalized_command("build_ext").get_outputs()
        if not any(map(os.path.exists, extensions)):
            self.distribution.ext_modules = []
            self.root_is_pure = True
        super().run()


setup(
    cmdclass={"bdist_wheel": Wheel, "install_data": InstallManual},
    data_files=[("share/man/man1", [])],
)
