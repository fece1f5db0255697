"README's first example runs as it stands there, in an empty folder."

import re

from conftest import ROOT, code, run

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)


def test_readme_shows_the_calls():
    calls = [
        "ssl_nb.pretrain(",
        "run.features(",
        "ssl_nb.linear_probe(",
        "probe.score(",
        "ssl_nb.cluster(",
        "clusters.labels_",
        "ssl_nb.load_encoder(",
    ]
    assert [call for call in calls if call not in "".join(EXAMPLES)] == []


def test_readme_example_runs(tmp_path):
    check = """
assert h.shape == (1097, 128) and accuracy > .8
assert len(clusters.labels_) == 1097 and not encoder.training
print('all ran')
"""
    done = run("python", "-c", "\n".join([*EXAMPLES, check]), cwd=tmp_path)
    assert done.returncode == 0 and "all ran" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "runs" / "taste" / "model.safetensors").is_file()


def test_import_is_light(tmp_path):
    heavy = "{'torch', 'fastai', 'sklearn', 'matplotlib', 'numpy'} & set(sys.modules)"
    look = f"import sys, ssl_nb; print(sorted({heavy}), ssl_nb.__version__)"
    done = run("python", "-c", look, cwd=tmp_path)
    assert done.stdout.startswith("[]"), done.stdout + done.stderr


def test_a_network_and_a_transform_of_ones_own(tmp_path):
    text = """
import torch, ssl_nb
from torch import nn
body = lambda: nn.Sequential(nn.Flatten(), nn.Linear(2*12*12, 32), nn.ReLU(), nn.Linear(32, 8))
x = (torch.rand(64, 2, 12, 12)*255).byte()
noisy = lambda v: v + .1*torch.randn_like(v)
brief = dict(batch_size=16, quiet=True)
run = ssl_nb.pretrain(x, encoder=body(), transform=noisy, epochs=2, out='own', **brief)
h = ssl_nb.features(ssl_nb.load_encoder('own', body=body()), x)
assert h.shape == (64, 8) and torch.isfinite(h).all()
more = ssl_nb.pretrain(x, encoder=ssl_nb.load_encoder('own', body=body()), epochs=1, out='more', **brief)
assert len(more.history) == 1
print('ok')
"""
    done = code(text, cwd=tmp_path)
    assert done.stdout.endswith("ok\n"), done.stdout + done.stderr
