"Run a notebook as Colab does: all its code cells from top to bottom, marked or not, in the folder one is in; the first error ends it."

import json
import sys

from IPython.core.interactiveshell import InteractiveShell


class Shell(InteractiveShell):
    "A shell without windows"

    def enable_gui(self, gui=None):
        pass


shell = Shell.instance(colors="NoColor")
shell.enable_matplotlib("inline")
with open(sys.argv[1], encoding="utf-8") as file:
    cells = json.load(file)["cells"]
for number, cell in enumerate(cells):
    if cell["cell_type"] != "code":
        continue
    done = shell.run_cell("".join(cell["source"]), store_history=False)
    if not done.success:
        sys.exit(f"cell {number} failed:\n{''.join(cell['source'])}")
