"Every notebook runs from top to bottom as in Colab: in an empty folder, with nothing but the wheel."

import os

import pytest

from colab import EXTRA
from conftest import CAN_FORK, ROOT, run, warm_python


@pytest.mark.parametrize("path", sorted((ROOT / "nbs").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebook_runs(path, alone, tmp_path):
    extra = EXTRA.get(path.name, "")
    programs = alone(extra)
    script = ROOT / "tests" / "run_notebook.py"
    first = os.pathsep.join([str(programs), os.environ["PATH"]])
    if CAN_FORK and not extra:
        done = warm_python(programs / "python").run("notebook", [script, path], tmp_path, PATH=first)
    else:
        done = run(programs / "python", script, path, cwd=tmp_path, PATH=first)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
