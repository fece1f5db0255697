"The wheel works in an environment of its own, in an empty folder, with the project out of reach."

import zipfile

import numpy as np
from PIL import Image

import ssl_nb
from conftest import ROOT, run

DEMO = "demo --epochs 1 --supervised-steps 20 --n-init 5 --quiet --out out".split()  # as small as it gets


def test_wheel_carries_presets_and_records(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    records = [f"ssl_nb/results/{path.name}" for path in (ROOT / "results").glob("*.json")]
    models = [f"ssl_nb/results/models/{path.name}" for path in (ROOT / "results" / "models").iterdir()]
    pictures = [
        f"ssl_nb/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "results" / "pictures").rglob("*.png")
    ]
    assert (
        {"ssl_nb/settings.ini", "ssl_nb/cli.py", *records, *models, *pictures} <= set(names)
        and len(models) >= 4
        and len(pictures) >= 5
    )
    assert "ssl_nb/py.typed" in names  # without it type checkers look away
    assert wheel.name.startswith(f"ssl_nb-{ssl_nb.__version__}-")


def test_wheel_runs_alone(alone, tmp_path):
    fresh, empty = alone(), tmp_path / "empty"
    empty.mkdir()
    seen = run(
        fresh / "python",
        "-c",
        "import importlib.util as u, ssl_nb; print(ssl_nb.__file__, *map(u.find_spec, ('nbdev', 'pytest', 'onnx')))",
        cwd=empty,
    )
    assert seen.stdout.startswith(str(fresh.parent)) and seen.stdout.endswith(" None None None\n"), (
        seen.stdout + seen.stderr
    )
    assert ssl_nb.__version__ in run(fresh / "ssl_nb", "--version", cwd=empty).stdout
    digit = np.zeros((28, 28), np.uint8)
    digit[5:23, 13:16] = 255  # a stroke
    Image.fromarray(digit).save(empty / "one.png")
    named = run(fresh / "ssl_nb", "predict", "--model", "mnist", "one.png", cwd=empty)
    assert named.returncode == 0 and named.stdout.split()[:2] == ["one.png", "1"], named.stdout + named.stderr
    demo = run(fresh / "ssl_nb", *DEMO, cwd=empty)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert (empty / "out" / "report.html").stat().st_size and (empty / "out" / "metrics.json").stat().st_size
