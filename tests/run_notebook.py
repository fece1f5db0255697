"""Run a notebook as Colab does: all its code cells from top to bottom, marked or not, in the folder one is in.

The first error ends it.
"""

import json
import sys

from IPython.core.interactiveshell import InteractiveShell


class Shell(InteractiveShell):
    "A shell without windows"

    def enable_gui(self, gui=None):
        pass


def run_notebook(path):
    "Returns None, or what failed"
    shell = Shell.instance(colors="NoColor")
    shell.enable_matplotlib("inline")
    with open(path, encoding="utf-8") as file:
        cells = json.load(file)["cells"]
    for number, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        if not shell.run_cell(source, store_history=False).success:
            return f"cell {number} failed:\n{source}"


if __name__ == "__main__":
    sys.exit(run_notebook(sys.argv[1]))
