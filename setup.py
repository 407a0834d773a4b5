"""Write the manual pages where a wheel is built; pyproject.toml has everything else."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from setuptools import Distribution, setup

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


setup(cmdclass={"install_data": InstallManual}, data_files=[("share/man/man1", [])])
