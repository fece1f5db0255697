"A parameter that is added to a stage is a setting everywhere, without another line."

import json
import os
import shutil
import subprocess
import sys

from conftest import ROOT

SIGNATURE = "    knn_k: Count = 10,  # Neighbours in the kNN baseline\n"
ADDED = "    new_one: Count = 7,  # A new setting of the probe\n"
BODY = """
import json, sys
from pathlib import Path
from ssl_nb.cli import main
from ssl_nb.core import SslNbError
from ssl_nb.probing import probe
small = '--data digits --image-size 16 --n-images 200 --batch-size 100 --epochs 1 --quiet --out run'.split()
assert main(['pretrain', *small]) == 0
quick = '--labels-per-class 2 --no-baselines --no-pictures --quiet --new-one 8'.split()
assert main(['probe', 'run', *quick]) == 0
assert json.loads(Path('run/probe/settings.json').read_text())['new_one'] == 8
Path('run/probe/metrics.json').unlink()  # as if it had been interrupted
assert main(['probe', 'run', *quick, '--resume', '--new-one', '9']) == 2
assert main(['probe', 'run', *quick, '--resume']) == 0
"""


def test_a_new_parameter_is_flag_preset_record_and_compared_on_resume(tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copytree(ROOT / "ssl_nb", copy / "ssl_nb", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("settings.ini", "results"):
        (copy / name).symlink_to(ROOT / name)
    source = copy / "ssl_nb" / "probing.py"
    text = source.read_text(encoding="utf-8")
    assert text.count(SIGNATURE) == 1
    source.write_text(text.replace(SIGNATURE, SIGNATURE + ADDED), encoding="utf-8")

    def run(*words):
        environment = os.environ | dict(PYTHONPATH=str(copy))
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    shown = run("-m", "ssl_nb", "probe", "--help").stdout
    assert "--new-one N" in shown and "A new setting of the probe" in shown and "[7]" in shown
    presets = run("-m", "ssl_nb", "presets", "digits").stdout
    assert "new_one = 7" in presets.partition("[digits.probe]")[2].partition("[digits.")[0]
    assert "other settings (new_one = 8, now 9)" in run("-c", BODY).stderr
    record = json.loads((tmp_path / "run" / "probe" / "settings.json").read_text(encoding="utf-8"))
    assert record["stage"] == "probe"
