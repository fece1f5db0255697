"A small network taught by a large one: bad input, resuming, other sizes, and the stages after it."

import json

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import command as ssl_nb
from ssl_nb import distil, load_encoder, load_run, predict, pretrain, probe, to_onnx
from ssl_nb.core import SslNbError
from ssl_nb.distilling import regression_loss, similarity_loss, teaching

SMALL = dict(encoder="resnet_small", width=4, batch_size=64, device="cpu", quiet=True)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    "A run of one epoch on a few digits"
    out = tmp_path_factory.mktemp("runs") / "teacher"
    return pretrain("digits", encoder="small_cnn", n_images=200, epochs=1, out=out, device="cpu", quiet=True)


@pytest.fixture
def photos(tmp_path):
    "A folder of photographs in two classes"
    draw = np.random.default_rng(0)
    for i in range(60):
        where = tmp_path / "photos" / f"class {i % 2}"
        where.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (40, 40, 3)).astype(np.uint8)).save(where / f"{i}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize("match", ["features", "similarity"])
def test_the_loss_falls(teacher, tmp_path, match):
    run = distil(teacher, match=match, epochs=4, out=tmp_path / "s", **SMALL)
    loss = [r["loss"] for r in run.history]
    assert loss[-1] < loss[0] and all(np.isfinite([r["valid_loss"] for r in run.history]))
    m = json.loads((run.path / "metrics.json").read_text(encoding="utf-8"))
    assert m["verdict"] == "" and m["student_mb"] < m["teacher_mb"] and "times as many" in m["meaning"]


def test_a_cut_run_goes_on_to_the_same_end(teacher, tmp_path):
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    whole, steps = distil(teacher, epochs=3, out=tmp_path / "whole", **SMALL), []

    def cut(*_):
        steps.append(1)
        if len(steps) == 5:
            raise InterruptedError

    handle = register_optimizer_step_pre_hook(cut)
    with pytest.raises(InterruptedError):
        distil(teacher, epochs=3, out=tmp_path / "cut", **SMALL)
    handle.remove()
    with pytest.raises(SslNbError, match="other settings"):
        distil(teacher, epochs=4, out=tmp_path / "cut", resume=True, **SMALL)
    again = distil(teacher, epochs=3, out=tmp_path / "cut", resume=True, **SMALL)
    for a, b in zip(whole.encoder.state_dict().values(), again.encoder.state_dict().values()):
        assert torch.equal(a, b)


def test_the_stages_after_it(teacher, tmp_path):
    run = distil(teacher, epochs=1, out=tmp_path / "s", **SMALL)
    stage = probe(run, labels_per_class=5, supervised_steps=2, pictures=False, device="cpu", quiet=True)
    assert stage.settings["parent"]["path"] == "s" and run.data().sha256 == teacher.data().sha256
    assert len(predict(run, run.data().test.x[:3])) == 3
    assert to_onnx(stage.path, tmp_path / "s.onnx") and (tmp_path / "s.onnx").stat().st_size < 1e6
    found = ssl_nb("report", str(run.path), cwd=tmp_path)
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert found.returncode == 0 and "taught by the network of teacher" in " ".join(page.split()), (
        found.stderr
    )
    further = pretrain(
        "digits", encoder=run.path, n_images=64, epochs=1, batch_size=32, out=tmp_path / "f", quiet=True
    )
    assert further.settings["parent"]["path"] == "s"


def test_the_student_may_see_smaller_images(photos, tmp_path):
    run = pretrain(photos, encoder="resnet_small", image_size=32, epochs=1, out=tmp_path / "t", quiet=True)
    small = distil(run, image_size=16, epochs=1, out=tmp_path / "s", **SMALL)
    assert small.encoder.size == 16 and small.data().train.shape == (3, 16, 16)
    assert load_encoder(small.path).options["width"] == 4


def test_a_student_of_a_borrowed_network_names_it(borrowed):
    student = distil(borrowed, epochs=1, **SMALL)
    assert student.path == borrowed.path / "distil"
    assert student.settings["borrowed"] == "timm/test_resnet -> resnet_small"
    stage = probe(student, labels_per_class=3, supervised_steps=2, pictures=False, device="cpu", quiet=True)
    assert load_run(stage.path).settings["borrowed"] == "timm/test_resnet -> resnet_small"


@pytest.mark.parametrize(
    "words, says",
    [
        ("gone", "gone"),
        ("t --encoder small_cn", "small_cnn"),
        ("t --encoder timm/resnet18", "a large network again"),
        ("t --match all", "match"),
        ("t --epochs 0", "epochs"),
        ("t --out t", "holds"),
    ],
)
def test_bad_input_is_told_in_one_line(words, says, teacher, tmp_path):
    (tmp_path / "t").symlink_to(teacher.path, target_is_directory=True)
    done = ssl_nb("distil", *words.split(), cwd=tmp_path)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2 and len(lines) == 1 and says in lines[0], done.stderr


def test_odd_numbers():
    t = teaching(torch.ones(4, 3))  # all images alike: there is nothing to tell
    assert t.isfinite().all() and torch.isfinite(regression_loss(torch.zeros(4, 3), t))
    assert torch.isfinite(similarity_loss(torch.randn(2, 3), torch.randn(2, 5)))
