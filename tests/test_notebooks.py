"Every notebook runs from top to bottom; cells marked `#| slow` are left out."
import signal

import pytest
from nbdev.config import get_config
from nbdev.test import test_nb as run_notebook

from conftest import ROOT

CONFIG = get_config(ROOT)


@pytest.fixture(autouse=True)
def interruptible():
    "Give Ctrl-C back to pytest: nbdev's own handler would end the whole process at once"
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("path", sorted((ROOT / "nbs").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebook_runs(path):
    ok, _ = run_notebook(path, skip_flags=CONFIG.tst_flags.split(), basepath=ROOT, cell_timeout=CONFIG.cell_timeout)
    assert ok, f"{path.name} failed: see its traceback in the captured output"
