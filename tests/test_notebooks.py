"Every notebook runs from top to bottom as in Colab: in an empty folder, with nothing but the wheel."

import os

import pytest
from colab import EXTRA

from conftest import ROOT, run


@pytest.mark.parametrize("path", sorted((ROOT / "nbs").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebook_runs(path, alone, tmp_path):
    programs = alone(EXTRA.get(path.name, ""))
    done = run(
        programs / "python",
        ROOT / "tests" / "run_notebook.py",
        path,
        cwd=tmp_path,
        PATH=os.pathsep.join([str(programs), os.environ["PATH"]]),
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
