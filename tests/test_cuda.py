"""What a GPU must not change. Needs one; without it each test is skipped, and counted as such.

python -m pytest tests/test_cuda.py
"""

import contextlib

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from sklearn.metrics import adjusted_rand_score

import ssl_nb
from ssl_nb.augment import TRANSFORMS, Views, augmentation
from ssl_nb.core import SslNbError, read_json
from ssl_nb.data import load_data
from ssl_nb.encoders import features, make_encoder
from ssl_nb.objectives import NTXentLoss
from ssl_nb.pretraining import SimCLR, estimate, make_projector, pretrain, simclr_learner
from ssl_nb.settings import strengths_of
from ssl_nb.simclr_loss import barlow_twins, nt_xent
from ssl_nb.training import fit, read_history

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")
SMALL = dict(encoder="resnet_small", width=8, epochs=4, batch_size=256, image_size=16, quiet=True)
STRONG = dict.fromkeys(("rotation", "shear"), 15.0) | dict(posterize=3, hue=0.2)


@pytest.fixture(autouse=True)
def exact():
    "Convolutions in full float32, so that a difference is a fault and not TensorFloat-32"
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    "A run of pretraining on the GPU"
    return pretrain("digits", out=tmp_path_factory.mktemp("cuda") / "run", device="cuda", **SMALL)


def pictures(n=64, channels=3, side=32):
    gen = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, channels, 8, 8, generator=gen)
    smooth = torch.nn.functional.interpolate(coarse, side, mode="bicubic").clamp(0, 1)
    return (smooth * 255).to(torch.uint8)


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_the_same_seed_draws_the_same_views(name):
    strength = STRONG.get(name, 0.5)
    views = Views(augmentation(**{k: v.off for k, v in strengths_of(TRANSFORMS).items()} | {name: strength}))
    x = pictures()
    here, there = (views(x.to(d), gen=torch.Generator().manual_seed(1))[0].cpu() for d in ("cpu", "cuda"))
    assert here.isfinite().all() and there.isfinite().all()
    far = (here - there).abs()
    # a pixel at the rim of a hard edge may fall on the other side of it
    assert far.mean() < 1e-4 and (far > 1e-3).float().mean() < 2e-3, (far.mean(), far.max())


@pytest.mark.parametrize("loss", [lambda z, i: nt_xent(z, i, 0.2), barlow_twins])
def test_loss_and_gradient(loss):
    z = torch.randn(128, 32, generator=torch.Generator().manual_seed(0))
    ids = torch.arange(64).repeat(2)
    found = []
    for device in ("cpu", "cuda"):
        own = z.to(device).detach().requires_grad_()
        value = loss(own, ids.to(device))
        value.backward()
        found.append((value.item(), own.grad.cpu()))
    (a, grad_a), (b, grad_b) = found
    assert abs(a - b) < 1e-4 * abs(a)
    assert (grad_a - grad_b).norm() < 1e-4 * grad_a.norm()


@pytest.mark.parametrize("name", ["small_cnn", "resnet_small", "resnet18"])
def test_a_step_of_the_network(name):
    x, ids = pictures(), torch.arange(64)
    torch.manual_seed(0)
    start = SimCLR(make_encoder(name, 3, 32, 0.5, 0.25), make_projector("mlp", _width(name)), NTXentLoss(0.2))
    state, found = start.state_dict(), []
    for device in ("cpu", "cuda"):
        start.load_state_dict(state)
        model = start.to(device).train()
        model.zero_grad()
        v, k = Views(augmentation())(x.to(device), ids.to(device), torch.Generator().manual_seed(2))
        loss = model.objective(model(v), k)
        loss.backward()
        found.append((loss.item(), torch.cat([p.grad.flatten().cpu() for p in model.parameters()])))
    (a, grad_a), (b, grad_b) = found
    assert abs(a - b) < 1e-3 * abs(a)
    assert torch.nn.functional.cosine_similarity(grad_a, grad_b, 0) > 0.999


def _width(name):
    from ssl_nb.encoders import feature_dim

    return feature_dim(make_encoder(name, 3, 32, 0.5, 0.25))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_every_precision_learns(precision, tmp_path):
    run = pretrain("digits", out=tmp_path / "run", device="cuda", precision=precision, **SMALL)
    rows = read_history(run.path / "history.csv")
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.3 and rows[-1]["knn_accuracy"] > 0.8
    assert run.settings["device"] == torch.cuda.get_device_name()


@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float16])
def test_a_recorded_step_is_the_same(dtype):
    x = load_data("digits", 16).train.x.to("cuda")
    found = {}
    for recorded in (True, False):
        torch.manual_seed(0)
        encoder = make_encoder("resnet_small", 1, 16, 0.5, 0.25, width=8)
        model = SimCLR(encoder, make_projector("mlp", 64), NTXentLoss(0.2)).to("cuda")
        learn = simclr_learner(x, model, Views(augmentation()), 256, dtype=dtype)
        assert learn.recorded is not None
        if not recorded:
            learn.recorded = None
        rows = fit(learn, 6)
        assert learn.played == recorded
        found[recorded] = [r["loss"] for r in rows], model.encoder.body[0][1].running_mean.cpu()
    (a, mean_a), (b, mean_b) = found.values()
    near = 0.02 if dtype is None else 0.05
    assert np.allclose(a, b, atol=near), (a, b)
    assert torch.allclose(mean_a, mean_b, atol=4 * near)
    assert a[-1] < a[0] - 0.3


def test_compiled_is_the_same(tmp_path):
    runs = [
        pretrain("digits", out=tmp_path / str(c), device="cuda", compile=c, precision="fp32", **SMALL)
        for c in (False, True)
    ]
    plain, compiled = (read_history(r.path / "history.csv") for r in runs)
    assert abs(plain[0]["loss"] - compiled[0]["loss"]) < 0.01
    assert abs(plain[-1]["loss"] - compiled[-1]["loss"]) < 0.1


class Stop(Callback):
    "Interrupt after two epochs"

    order = 65

    def after_epoch(self):
        if self.epoch == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("first, then", [("cuda", "cuda"), ("cuda", "cpu"), ("cpu", "cuda")])
def test_resume_on_another_device(first, then, tmp_path):
    how = SMALL | dict(precision="fp32")
    whole = pretrain("digits", out=tmp_path / "whole", device=first, **how)
    with contextlib.suppress(KeyboardInterrupt):
        pretrain("digits", out=tmp_path / "run", device=first, cbs=[Stop()], **how)
    assert len(read_history(tmp_path / "run" / "history.csv")) == 2
    resumed = pretrain("digits", out=tmp_path / "run", device=then, resume=True, **how)
    a, b = (read_history(r.path / "history.csv") for r in (whole, resumed))
    assert len(a) == len(b) == 4
    assert abs(a[-1]["loss"] - b[-1]["loss"]) < 0.05


def test_kmeans(run):
    h = run.features("digits")
    here, there = (ssl_nb.kmeans(h.to(d), 10, n_init=5, backend="torch") for d in ("cpu", "cuda"))
    assert abs(here.inertia_ / there.inertia_ - 1) < 1e-3
    assert adjusted_rand_score(here.labels_, there.labels_) > 0.98


def test_features_are_those_of_the_cpu(run):
    x = load_data("digits", 16).test.x
    encoder = ssl_nb.load_encoder(run.path)
    here, there = features(encoder.cpu(), x), features(encoder.to("cuda"), x)
    assert (here - there).norm() < 1e-4 * here.norm()


def test_every_later_stage(run, tmp_path):
    few = dict(labels_per_class=5, device="cuda", quiet=True, pictures=False)
    scores = {
        "probe": ssl_nb.probe(run, supervised_steps=40, out=tmp_path / "probe", **few),
        "finetune": ssl_nb.finetune(
            run, steps=40, baselines=False, stop="fixed", first_lr=0.3, out=tmp_path / "tune", **few
        ),
        "semi": ssl_nb.semi(run, steps=40, rounds=1, out=tmp_path / "semi", **few),
    }
    metrics = {k: read_json(r.path / "metrics.json") for k, r in scores.items()}
    assert metrics["probe"]["linear_acc"] > 0.5
    assert metrics["finetune"]["finetune_acc"] > 0.5 and metrics["semi"]["semi_acc"] > 0.5
    how = dict(device="cuda", quiet=True, pictures=False)
    for method in ("kmeans", "scan"):
        options = dict(heads=3, head_epochs=1) if method == "scan" else {}
        found = ssl_nb.cluster_run(run, k=10, method=method, out=tmp_path / method, **options, **how)
        assert read_json(found.path / "metrics.json")["cluster_acc"] > 0.3
    loop = dict(num_iterations=2, epochs_per_iteration=2, batch_size=64, n_init=3, n_images=300)
    for compiled in (False, True):
        found = ssl_nb.deepcluster(
            "digits", out=tmp_path / f"loop-{compiled}", compile=compiled, **loop, **how
        )
        assert read_json(found.path / "metrics.json")["cluster_acc"] > 0.2


def test_predict_and_onnx_from_a_run_of_the_gpu(run, tmp_path):
    from ssl_nb.exporting import to_onnx

    probe = ssl_nb.probe(
        run,
        labels_per_class=5,
        baselines=False,
        pictures=False,
        device="cuda",
        quiet=True,
        out=tmp_path / "p",
    )
    x = load_data("digits", 16).test.x
    there = ssl_nb.predict(probe.path, x, device="cuda")
    here = ssl_nb.predict(probe.path, x, device="cpu")
    assert len(here) == len(there) == len(x)
    assert np.mean([a["class"] == b["class"] for a, b in zip(here, there)]) > 0.99
    assert to_onnx(probe.path, tmp_path / "model.onnx") is not None and (tmp_path / "model.onnx").is_file()


def test_the_estimate_of_memory():
    x = pictures(512).to("cuda")
    model = SimCLR(make_encoder("resnet18", 3, 32, 0.5, 0.25), make_projector("mlp", 512)).to("cuda")
    views = Views(augmentation())
    said = estimate(model, x, views, 256, 1)["bytes"]
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(2):
        v, k = views(x[:256])
        model.objective(model(v), k).backward()
        optimizer.step()
    peak = torch.cuda.max_memory_allocated() - before
    print(f"said {said / 1e9:.2f} GB, measured {peak / 1e9:.2f} GB")
    assert 0.6 < said / peak < 1.7


def test_too_little_memory_is_told_in_a_line(tmp_path):
    x = pictures(4096)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(3e9 / total)
    try:
        with pytest.raises(SslNbError, match="batch-size") as told:
            pretrain(x, out=tmp_path / "run", encoder="resnet50", batch_size=4096, device="cuda", epochs=1)
        assert "\n" not in str(told.value)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
