"Clusters, labels and their spreading: the odd cases in which a number could be wrong without a word."

import os

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.metrics import confusion_matrix

from ssl_nb import deepclustering, kmeans
from ssl_nb.augment import augmentation
from ssl_nb.classifier import class_scores
from ssl_nb.core import SslNbError, read_json
from ssl_nb.data import Images, class_numbers, few_labels
from ssl_nb.deepclustering import (
    _starts,
    class_f1,
    cluster_net,
    clustering_scores,
    contingency,
    hungarian_accuracy,
    label_scores,
    label_stability,
    match_clusters,
    train_on_clusters,
)
from ssl_nb.encoders import knn_predict, make_encoder
from ssl_nb.figures import calibration, confusion
from ssl_nb.finetuning import stop_rule
from ssl_nb.probing import linear_probe
from ssl_nb.scan import joined
from ssl_nb.semisupervised import cluster_labels, no_label_came, self_train, spread_labels, whiten
from ssl_nb.training import read_history

BACKENDS = ("torch", "faiss")


# --- k-means

KINDS = dict(tight=0.01, overlapping=1.0, skewed=1.0, duplicated=0.5, offset=0.3)
SHAPES = ((1500, 2, 8), (1500, 32, 12), (800, 512, 6), (1500, 5, 4))


def points(kind, n, dim, k, seed):
    "Blobs of one of the kinds, and which blob each point is of"
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(k, dim)) * (2 if kind == "overlapping" else 10)
    share = rng.dirichlet(np.full(k, 0.5)) if kind == "skewed" else None
    y = rng.choice(k, n, p=share)
    x = middles[y] + KINDS[kind] * rng.normal(size=(n, dim))
    if kind == "duplicated":
        some = rng.integers(0, n // 20, n)
        x, y = x[some], y[some]
    return x + 1e4 * (kind == "offset"), y


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_objective_beside_scikit_learns(kind, shape):
    x, _ = points(kind, *shape, seed=1)
    k = shape[2]
    theirs = KMeans(k, n_init=20, random_state=0).fit(x).inertia_
    for backend in BACKENDS:
        for dtype in (np.float64, np.float32):
            if kind == "offset" and dtype == np.float32:
                theirs = KMeans(k, n_init=20, random_state=0).fit(np.float64(x.astype(dtype))).inertia_
            assert kmeans(x.astype(dtype), k, 20, spherical=False, backend=backend).inertia_ <= 1.01 * theirs


def test_many_points():
    x, y = points("tight", 100_000, 2, 10, seed=0)
    found = kmeans(x, 10, 3, spherical=False)
    assert hungarian_accuracy(y, found.labels_) == 1
    exact = sum(((x[y == c] - x[y == c].mean(0)) ** 2).sum() for c in range(10))
    assert found.inertia_ == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scale, shift", [(1e20, 0), (1e-25, 0), (1e-3, 5), (1, -300)])
def test_scale_and_place_do_not_matter(backend, scale, shift):
    x, y = points("tight", 1000, 16, 12, seed=2)
    for spherical in (True, False):
        found = kmeans(x * scale + shift, 12, 5, spherical=spherical, backend=backend)
        assert hungarian_accuracy(y, found.labels_) == 1
    plain = kmeans(x, 12, 5, spherical=False, backend=backend).inertia_
    assert found.inertia_ / scale**2 == pytest.approx(plain, rel=1e-3)


def test_a_start_meets_nearly_all_tight_blobs():
    x, y = points("tight", 2000, 2, 20, seed=3)
    starts = _starts(torch.as_tensor(x), 20, 50)
    near = torch.cdist(starts, torch.as_tensor(x)).argmin(2)
    met = np.array([len(set(y[i])) for i in near.numpy()])
    assert met.mean() > 19 and (met == 20).mean() > 0.3  # random ones meet 13


def test_a_start_is_the_greedy_one_of_its_draws():
    x = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    second = {tuple(sorted(s)) for s in _starts(x, 2, 200).squeeze(2).long().tolist()}
    assert second <= {(0, 10), (0, 11), (1, 10), (1, 11), (0, 1), (10, 11)}
    far = _starts(torch.tensor([[0.0]] * 99 + [[1.0]]), 2, 100)
    assert far.amax(1).eq(1).all()  # the chance of a point grows with its distance: a twin has none


@pytest.mark.parametrize("backend", BACKENDS)
def test_fewer_points_than_clusters(backend):
    seven = np.repeat(np.random.default_rng(0).normal(size=(7, 3)), 50, 0)
    found = kmeans(seven, 12, 3, spherical=False, backend=backend)
    assert found.inertia_ < 1e-12 and len(set(found.labels_)) == 7


def test_settings_of_kmeans_are_checked():
    for bad in (dict(n_init=0), dict(max_iter=0), dict(init=np.full((3, 2), np.nan))):
        with pytest.raises(SslNbError):
            kmeans(np.random.default_rng(0).normal(size=(30, 2)), 3, **bad)


def test_aligned_loop_with_an_empty_last_cluster():
    x = torch.zeros(40, 1, 16, 16, dtype=torch.uint8)
    x[20:] = 200
    how = dict(num_iterations=3, epochs_per_iteration=1, batch_size=8, n_clusters=6, n_init=2)
    loop = train_on_clusters(cluster_net(x, 6), x, align=True, convergence_threshold=1.0, **how)
    assert len(loop.checks) == 3 and all(check["smallest"] == 0 for check in loop.checks)


# --- labels

WHOLE = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float32, torch.float64]


def forms(y):
    "The same labels as all types there are"
    tensors = [torch.as_tensor(y).to(t) for t in WHOLE]
    arrays = [np.asarray(y).astype(t) for t in ("u1", "u2", "u4", "u8", "i1", "f4", object, ">i4")]
    return [*tensors, *arrays, list(map(int, y)), tuple(y), [torch.tensor(v) for v in y]]


def test_all_types_give_the_same_scores():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 26, 3000)
    found = np.where(rng.random(3000) < 0.999, (y + 5) % 26, 3)
    want = clustering_scores(y, found)
    assert want["acc"] > 0.99
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    pairs = [*zip(forms(y), forms(found)), (letters[y], found), (letters[y].tolist(), letters[found])]
    pairs += [(y * 7 + 3, found * -2 - 1), (y + 10**9, found), (y.astype("S2"), found.astype("U2"))]
    for a, b in pairs:
        assert clustering_scores(a, b) == pytest.approx(want, abs=1e-12)
        assert contingency(a, b).sum() == 3000
        assert label_stability(a, b) == want["acc"]


def test_classes_of_any_number():
    assert clustering_scores([3, 7, 3, 7], [0, 1, 0, 1])["min_class_f1"] == 1
    assert match_clusters(["a", "b"], [1, 0]) == {1: "a", 0: "b"}
    assert class_f1([3, 7], [5, 5], classes=[3, 7, 9])[2] == 0
    assert contingency([0, 10**9], [0, 1]).shape == (2, 2)
    assert hungarian_accuracy([0, 1, 2], [-1, 0, 0]) == 2 / 3  # noise of HDBSCAN is a cluster as any other
    assert label_stability([-1, 0, 1], [-1, 0, 2], matched=False) == 2 / 3
    assert joined([[10**9, 3, 3], [0, -1, -1]], k=2).tolist() in ([0, 1, 1], [1, 0, 0])


def test_scores_of_a_run_keep_the_place_of_a_class_without_images():
    im = Images(torch.zeros(4, 1, 8, 8), torch.tensor([0, 0, 2, 2]), ["ant", "bee", "cow"])
    found = label_scores(im, np.array([3, 3, 1, 1]))
    assert found["names"] == {3: "ant", 1: "cow"}
    assert found["class_f1"] == dict(ant=1.0, bee=0.0, cow=1.0) and found["min_class_f1"] == 1
    assert found["contingency"] == [[0, 0, 0, 2], [0, 0, 0, 0], [0, 2, 0, 0]]


@pytest.mark.parametrize(
    "bad", [[0, -1], [0, None], [0.0, float("nan")], [0.5, 1], [[0], [1]], [1, "a"], 5, []]
)
def test_what_is_no_label_is_refused(bad):
    for score in (clustering_scores, hungarian_accuracy, lambda y, found: confusion(y, found, 2)):
        with pytest.raises(SslNbError):
            score(bad, [0, 1])


def test_confusion_and_calibration_take_all_types():
    rng = np.random.default_rng(1)
    y, pred = rng.integers(0, 20, (2, 2000))
    p = torch.eye(20, dtype=torch.float64)[pred] * 0.8 + 0.01
    want = str(calibration(p, y))
    names = [f"class {c}" for c in range(20)]
    for a, b in zip(forms(y), forms(pred)):
        assert (confusion(a, b, 20) == confusion_matrix(y, pred)).all()
        assert str(calibration(p, a)) == want
        assert class_scores(a, b, names)["accuracy"] == (y == pred).mean()
    assert class_scores([names[c] for c in y], pred, names) == class_scores(y, pred, names)
    for bad in ([20] * 2000, ["x"] * 2000):
        with pytest.raises(SslNbError):
            calibration(p, bad)
        with pytest.raises(SslNbError):
            confusion(bad, pred, 20)


def test_few_labels_of_any_type():
    y = np.random.default_rng(2).integers(0, 5, 100)
    want = few_labels(y, 3, seed=1)
    text = np.array(list("abcde"))[y]
    for same in (*forms(y), text, text.tolist(), y * 3 - 20, y + 10**9):
        assert torch.equal(few_labels(same, 3, seed=1), want)
    some = text.tolist() + [None, float("nan")]
    assert torch.equal(few_labels(some, 3, seed=1), want)
    assert (few_labels(np.r_[y, -1, -1], 3, seed=1) < 100).all()
    with pytest.raises(SslNbError, match="no image has a label"):
        few_labels([-1, -1], 1)


def test_labels_of_a_table():
    import pandas as pd

    column = pd.Series(["cat", None, "dog"])
    assert class_numbers(column, unlabelled="keep")[0].tolist() == [0, -1, 1]
    assert class_numbers(pd.Series([2, pd.NA], dtype="Int64"), unlabelled="keep")[0].tolist() == [0, -1]
    assert class_numbers(pd.Series(["b", "a"], dtype="category"))[1] == ["a", "b"]


def test_probe_of_any_labels():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 60)
    h = torch.as_tensor(np.eye(3)[y] * 4 + rng.normal(size=(60, 3)) * 0.1).float()
    text = np.array(["ant", "bee", "cow"])[y]
    for labels in (*forms(y), text, text.tolist(), y * 4 - 6, y + 10**9):
        found = linear_probe(h, labels)
        assert found.score(h, labels) == 1
        assert knn_predict(h, labels, h, k=3).tolist() == class_list(labels)
    assert linear_probe(h, text).predict(h).tolist() == text.tolist()
    with pytest.raises(SslNbError, match="none of the 3 classes"):
        linear_probe(h, text).score(h, y)


def class_list(labels):
    numbers, names = class_numbers(labels)
    return [names[n] for n in numbers]


def test_a_class_without_labels_keeps_its_place():
    h = torch.eye(2).repeat_interleave(10, 0) + 0.01 * torch.randn(
        20, 2, generator=torch.Generator().manual_seed(0)
    )
    found = linear_probe(h, [1] * 10 + [3] * 10)
    answers = found.as_linear(5)(h).softmax(1)
    assert answers.argmax(1).tolist() == [1] * 10 + [3] * 10
    assert torch.allclose(
        answers[:, [1, 3]].detach(), torch.as_tensor(found.predict_proba(h)).float(), atol=1e-4
    )


def test_when_to_stop_asks_any_labels():
    assert stop_rule("auto", np.repeat([7, 10**9], 50)) == "valid"
    assert stop_rule("auto", ["a", "b"] * 6) == "folds"


@pytest.mark.parametrize("temperature", [1.0, 0.1, 0.01, 1e-3, 1e-6])
def test_neighbours_vote_as_in_double_precision(temperature):
    gen = torch.Generator().manual_seed(0)
    h, new = torch.randn(200, 8, generator=gen), torch.randn(50, 8, generator=gen)
    y = torch.randint(1, 5, (200,), generator=gen)
    cosines, i = (F.normalize(new.double(), dim=1) @ F.normalize(h.double(), dim=1).T).topk(20, 1)
    weights = (cosines / temperature).softmax(1)
    want = (weights[..., None] * F.one_hot(y)[i]).sum(1).argmax(1)
    assert (knn_predict(h, y, new, temperature=temperature) == want).all()
    with pytest.raises(SslNbError, match="NaN"):
        knn_predict(h, y, new * float("nan"))


# --- spreading


def islands(n=30):
    "Three groups of features without ties between them"
    gen = torch.Generator().manual_seed(0)
    return torch.eye(8)[:3].repeat_interleave(n, 0) * 5 + 0.01 * torch.randn(3 * n, 8, generator=gen)


@pytest.mark.parametrize("balance", [False, True])
def test_an_island_without_label_gets_no_class(balance):
    p = spread_labels(islands(), [0, 31], [1, 2], 3, balance=balance)
    assert torch.allclose(p.sum(1), torch.ones(90), atol=1e-4)
    assert no_label_came(p).tolist() == [False] * 60 + [True] * 30
    assert p[:60].argmax(1).tolist() == [1] * 30 + [2] * 30 and (p[60:] == p[60, 0]).all()


def test_self_training_leaves_the_island_out(capsys):
    x = torch.zeros(90, 1, 16, 16, dtype=torch.uint8)
    for c in range(3):
        x[30 * c : 30 * c + 30, :, 5 * c : 5 * c + 4] = 200
    x += torch.randint(0, 20, x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    im, i = Images(x, torch.arange(3).repeat_interleave(30), list("abc")), torch.tensor([31, 61])
    how = dict(rounds=1, steps=2, batch_size=8, quiet=False)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 64))
    _, found, rows = self_train(make_encoder(network, 1, 16), im, i, augmentation(), **how)
    assert no_label_came(found[0]).sum() == 30 and len(rows) == 4
    assert "30 of 90 images are tied to no labelled image" in capsys.readouterr().err


@pytest.mark.parametrize("spread", [spread_labels, cluster_labels])
def test_spreading_checks_what_it_gets(spread):
    h = islands()
    for i, y in (([0, 90], [0, 1]), ([-1], [0]), ([0], [3]), ([0, 1], [0]), ([0], [-1]), ([0], ["a"])):
        with pytest.raises(SslNbError):
            spread(h, i, y, 3)
    for bad in (torch.zeros(90, 8), h * float("nan")):
        with pytest.raises(SslNbError):
            spread(bad, [0, 31], [1, 2], 3)
    assert torch.equal(spread(h, [0, 31, 5], [1, 2, None], 3), spread(h, [0, 31], [1, 2], 3))


def test_whitening_does_not_depend_on_the_order():
    gen = torch.Generator().manual_seed(0)
    first = torch.randn(10_000, 6, generator=gen) * torch.tensor([9.0, 1, 1, 1, 1, 1]) + 3
    rest = torch.randn(10_000, 6, generator=gen) * torch.tensor([1.0, 1, 1, 1, 1, 9]) + 3
    h = torch.cat([first, rest])
    mixed = torch.randperm(len(h), generator=gen)
    a, b = whiten(h), whiten(h[mixed])
    pairs = torch.randint(len(h), (2, 2000), generator=gen)
    back = mixed.argsort()
    cosines = [(w[i] * w[j]).sum(1) for w, (i, j) in ((a, pairs), (b, back[pairs]))]
    assert torch.corrcoef(torch.stack(cosines))[0, 1] > 0.99


@pytest.mark.parametrize("h", [torch.ones(20, 4), torch.zeros(20, 4)])
def test_whitening_of_constant_features(h):
    assert torch.isfinite(whiten(h)).all()


# --- the loop, stopped at each write


class Killed(BaseException):
    "In place of a kill: nothing of ours catches it"


def content(out):
    "All that a run folder holds but times"
    files = {
        str(f.relative_to(out)): f.read_bytes()
        for f in out.rglob("*")
        if f.suffix in (".safetensors", ".npz")
    }
    tables = [read_history(out / name) for name in ("history.csv", "iterations.csv", "parts/autoencoder.csv")]
    rows = [{k: v for k, v in row.items() if k != "seconds"} for table in tables for row in table]
    says = [line.partition(" iteration ")[2] for line in (out / "log.txt").read_text().splitlines()]
    return files, rows, says, {k: v for k, v in read_json(out / "metrics.json").items() if k != "seconds"}


@pytest.mark.parametrize("threshold", [1.0, 0.0], ids=["goes on", "settles"])
def test_a_loop_killed_at_any_write_ends_in_the_same_files(threshold, tmp_path, monkeypatch):
    x = np.random.default_rng(0).integers(0, 255, (24, 16, 16), dtype=np.uint8)
    how = dict(num_iterations=2, epochs_per_iteration=1, n_clusters=3, batch_size=12, n_init=2, feature_dim=8)
    how |= dict(
        convergence_threshold=threshold, autoencoder_epochs=1, pictures=False, quiet=True, device="cpu"
    )
    real, calls, last = os.replace, [], [None]

    def replace(a, b):
        real(a, b)
        calls.append(str(b))
        if len(calls) == last[0]:
            raise Killed

    monkeypatch.setattr(os, "replace", replace)
    deepclustering.deepcluster(x, out=tmp_path / "whole", **how)
    whole, writes = content(tmp_path / "whole"), len(calls)
    assert writes > 12
    for n in range(1, writes):
        calls.clear()
        last[0], out = n, tmp_path / str(n)
        with pytest.raises(Killed):
            deepclustering.deepcluster(x, out=out, **how)
        last[0] = None
        deepclustering.deepcluster(x, out=out, resume=True, **how)
        assert content(out) == whole, f"killed after {calls[n - 1]}"
    (tmp_path / "5" / "metrics.json").unlink()
    for kept in (tmp_path / "5" / "checkpoints").glob("iter_*"):
        kept.unlink()
    with pytest.raises(SslNbError, match=".safetensors is missing"):
        deepclustering.deepcluster(x, out=tmp_path / "5", resume=True, **how)
