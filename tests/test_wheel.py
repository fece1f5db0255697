"The wheel works in an environment of its own, in an empty folder, with the project out of reach."
import shutil
import venv
import zipfile

import numpy as np
import pytest
from PIL import Image

import ssl_nb
from conftest import run

DEMO = ["demo", "--epochs", "1", "--quiet", "--out", "out"]  # as small as the demonstration gets


@pytest.fixture
def wheel(tree):
    "A wheel built from an sdist of the tree, as a release is"
    built = run("python", "-m", "build", "--no-isolation", "--outdir", "wheels", cwd=tree)
    assert built.returncode == 0, built.stdout + built.stderr
    return next((tree / "wheels").glob("*.whl"))


@pytest.fixture
def fresh(tmp_path):
    "A new environment; it takes gigabytes, so nothing of it is kept"
    folder = tmp_path / "fresh"
    venv.create(folder, with_pip=True)
    yield folder / "bin"
    shutil.rmtree(folder)


def test_wheel_carries_presets_and_records(wheel, tree):
    names = zipfile.ZipFile(wheel).namelist()
    records = [f"ssl_nb/results/{path.name}" for path in (tree / "results").glob("*.json")]
    models = [f"ssl_nb/results/models/{path.name}" for path in (tree / "results" / "models").iterdir()]
    assert {"ssl_nb/settings.ini", "ssl_nb/cli.py", *records, *models} <= set(names) and len(models) >= 4
    assert wheel.name.startswith(f"ssl_nb-{ssl_nb.__version__}-")


def test_wheel_runs_alone(wheel, fresh, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    installed = run(fresh / "python", "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-compile", wheel, cwd=empty)
    assert installed.returncode == 0, installed.stderr
    place = run(fresh / "python", "-c", "import ssl_nb; print(ssl_nb.__file__)", cwd=empty)
    assert place.stdout.startswith(str(fresh.parent)), place.stdout + place.stderr
    assert ssl_nb.__version__ in run(fresh / "ssl_nb", "--version", cwd=empty).stdout
    digit = np.zeros((28, 28), np.uint8)
    digit[5:23, 13:16] = 255                                                       # a stroke
    Image.fromarray(digit).save(empty / "one.png")
    named = run(fresh / "ssl_nb", "predict", "--model", "mnist", "one.png", cwd=empty)
    assert named.returncode == 0 and named.stdout.split()[:2] == ["one.png", "1"], named.stdout + named.stderr
    demo = run(fresh / "ssl_nb", *DEMO, cwd=empty)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert (empty / "out" / "report.html").stat().st_size and (empty / "out" / "metrics.json").stat().st_size
