"""Carries into the wheel and the sdist what stands beside the package.

That is settings.ini and what the pages show of results/: records, pictures and models.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PACKAGE = "ssl_nb"
CARRIED = ["*.json", "*.csv", "models/*", "pictures/**/*.png"]


class BuildWithRecords(build_py):
    "`build_py` that also puts the presets, the published records, their pictures and the models inside the package"

    def carried(self):
        "Pairs of a file beside the package and its place in the build"
        found = sorted(path.as_posix() for kind in CARRIED for path in Path("results").glob(kind))
        return [(name, str(Path(self.build_lib, PACKAGE, name))) for name in ["settings.ini", *found]]

    def run(self):
        super().run()
        if self.editable_mode:
            return  # there the files beside the package are read
        for source, target in self.carried():
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def get_source_files(self):
        return super().get_source_files() + [source for source, _ in self.carried()]

    def get_outputs(self, include_bytecode=True):
        carried = [] if self.editable_mode else [target for _, target in self.carried()]
        return super().get_outputs(include_bytecode) + carried


setup(cmdclass={"build_py": BuildWithRecords})
