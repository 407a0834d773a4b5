"""What the build needs beside pyproject.toml: the tag of a wheel built without a C compiler."""

import os

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel


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


setup(cmdclass={"bdist_wheel": Wheel})
