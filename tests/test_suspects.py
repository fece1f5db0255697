"Wrong labels, near-duplicates and outliers on odd input: what is refused, and what is answered all the same."

import csv
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import ROOT, code, command, digits
from ssl_nb.core import SslNbError
from ssl_nb.data import image_names
from ssl_nb.stages import load_run
from ssl_nb.suspects import (
    Checked,
    WrongLabels,
    confident_joint,
    light_copies,
    near_duplicates,
    neighbour_votes,
    out_of_fold,
    outliers,
    rank_labels,
    write_check,
    wrong_labels,
)


def blobs(sizes, seed=0):
    "Features around one axis for each class, and the classes"
    draw = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(sizes)), sizes)
    return np.eye(8)[y] + 0.1 * draw.normal(size=(len(y), 8)), y


def noise(n, side=12, channels=1, seed=0):
    "Images that are all different"
    return torch.randint(
        0, 256, (n, channels, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


@pytest.mark.parametrize(
    "h, y, says",
    [
        (np.ones((6, 2)), [0, 0, 0, 1, 1, 1], "all features are the same"),
        (np.full((4, 2), np.nan), [0, 0, 1, 1], "NaN"),
        (np.eye(4), [0, 0, 0, 0], "one class"),
        (np.eye(4), [0, 1, 2, 3], "each class has one image"),
        (np.eye(4), [-1, -1, -1, -1], "no labels to check"),
        (np.eye(4), [None] * 4, "no labels to check"),
        (np.eye(4), [0, 1], "4 features but 2 labels"),
        (np.eye(4)[0], [0, 1, 0, 1], r"\(N,D\)"),
        (np.eye(1), [0], "2 or more images"),
        (np.eye(4), [[0, 1, 0, 1]], "labels should be"),
    ],
)
def test_labels_that_cannot_be_checked(h, y, says):
    with pytest.raises(SslNbError, match=says) as told:
        wrong_labels(h, y)
    assert "\n" not in str(told.value)


def test_a_class_of_one_image_is_not_judged():
    h, y = blobs([20, 20, 1])
    found = wrong_labels(h, y)
    assert found.images[-1] == 40 and found.scores[-1] == 0 and not found.doubtful[-1]
    assert sorted(found.images) == list(range(41))


@pytest.mark.parametrize("sizes", [[2, 1], [2, 2], [3, 1, 1], [2, 7]])
def test_fewer_images_than_folds(sizes):
    h, y = blobs(sizes)
    found = wrong_labels(h, y)
    assert sorted(found.images) == list(range(len(y)))
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_planted_labels_come_first_and_are_mended():
    h, y = blobs([40, 40, 40])
    given = y.copy()
    planted = [3, 50, 100]
    given[planted] = (y[planted] + 1) % 3
    found = wrong_labels(h, given)
    assert sorted(found.images[:3]) == planted and found.doubtful.sum() == 3
    assert found.suggested[:3].tolist() == y[found.images[:3]].tolist()


@pytest.mark.parametrize("kind", [int, str, "tensor", "bool"])
def test_labels_of_any_kind(kind):
    h, y = blobs([30, 30])
    y[5] = 1
    given = {"tensor": torch.as_tensor(y), "bool": y.astype(bool)}.get(kind)
    found = wrong_labels(torch.as_tensor(h), [kind(c) for c in y] if given is None else given)
    assert found.images[0] == 5 and str(found.suggested[0]) in ("0", "False")


def test_images_without_a_label_are_left_alone():
    h, y = blobs([30, 30])
    y[3], y[10:25] = 1, -1
    found = wrong_labels(h, y)
    assert found.images[0] == 3 and not set(found.images) & set(range(10, 25)) and len(found.images) == 45


def test_the_same_seed_gives_the_same_list():
    h, y = blobs([30, 30])
    first, again = (wrong_labels(h, y) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, again))


def naive_list(p, y):
    "Northcutt, Jiang and Chuang 2019, image by image: thresholds, confident joint, normalised margin"
    n = p.shape[1]
    t = [np.mean([p[x, j] for x in range(len(y)) if y[x] == j]) for j in range(n)]
    margin = [p[x, y[x]] - max(p[x, j] for j in range(n) if j != y[x]) for x in range(len(y))]
    doubtful = []
    for x in range(len(y)):
        sure = [j for j in range(n) if p[x, j] >= t[j]]
        doubtful.append(bool(sure) and max(sure, key=lambda j: p[x, j]) != y[x])
    return margin, doubtful


@pytest.mark.parametrize("seed", range(5))
def test_ranking_is_the_published_one(seed):
    draw = np.random.default_rng(seed)
    y = np.r_[np.arange(4), np.arange(4), draw.integers(0, 4, 60)]
    p = draw.dirichlet(np.ones(4), len(y))
    margin, doubtful = naive_list(p, y)
    found = rank_labels(p, y)
    assert found.scores == pytest.approx(sorted((1 - np.array(margin)) / 2, reverse=True))
    assert found.doubtful.tolist() == [doubtful[i] for i in found.images]


def test_a_threshold_that_is_reached_counts():
    p = np.array([[0.8, 0.2], [0.8, 0.2], [0.2, 0.8], [0.2, 0.8]])
    assert confident_joint(p, [0, 0, 1, 1])[0].tolist() == [[2, 0], [0, 2]]


def test_no_probe_learns_from_the_image_it_judges():
    h, y = blobs([20, 20])
    p = out_of_fold(h, y)
    y[0] = 1
    # its own label moves no other fold's opinion of it by more than the choice of C
    assert out_of_fold(h, y)[0, 0] > 0.5 and p[0, 0] > 0.5


def test_no_image_votes_for_itself():
    h, y = blobs([10, 10])
    y[0] = 1
    votes = neighbour_votes(h, y, 5)
    assert votes[0, 1] == 0 and neighbour_votes(h, y, 1000).shape == (20, 2)


def test_copies_among_noise():
    x = noise(60, 6).repeat_interleave(4, 2).repeat_interleave(4, 3)
    x = torch.cat([x, light_copies(x[:10], seed=1)])
    groups = near_duplicates(x.flatten(1).float(), x, k=69)
    assert groups == [[i, 60 + i] for i in range(10)]


def test_the_largest_group_comes_first():
    x = noise(50)
    x = torch.cat([x, x[[7, 9, 9]]])
    assert near_duplicates(x.flatten(1).float(), x) == [[9, 51, 52], [7, 50]]


@pytest.mark.parametrize("channels, side", [(3, 16), (2, 9), (1, 50), (1, 3)])
def test_copies_of_images_of_any_shape(channels, side):
    x = noise(30, side, channels)
    x = torch.cat([x, x[:2]])
    assert {(0, 30), (1, 31)} <= {tuple(g) for g in near_duplicates(x.flatten(1).float(), x)}
    assert light_copies(x).shape == x.shape and light_copies(x).dtype == torch.uint8


def test_constant_images_are_no_copies_of_others():
    x = noise(30)
    x[3], x[4] = 0, 255
    assert near_duplicates(x.flatten(1).float(), x) == []


def test_copies_that_cannot_be_looked_for():
    with pytest.raises(SslNbError, match="5 features but 4 images"):
        near_duplicates(np.eye(5), noise(4))
    with pytest.raises(SslNbError, match="all features are the same"):
        near_duplicates(np.ones((4, 2)), noise(4))
    assert near_duplicates(np.eye(2), noise(2)) == []


def test_outliers_of_few_and_of_equal_images():
    assert outliers(np.eye(2)).shape == (2,)
    same = np.r_[np.ones((30, 3)), [[1, -1, 0.5]]]
    factors = outliers(same, 5)
    assert np.isfinite(factors).all() and factors.argmax() == 30
    with pytest.raises(SslNbError, match="NaN"):
        outliers(np.full((4, 2), np.inf))


def test_a_table_is_whole_and_guards_its_cells(tmp_path):
    names = ["=1+1.png", "naïve/ß.png", "a,b.png"]
    wrong = WrongLabels(
        np.array([1, 0]), np.array([0.9, 0.1]), np.array(["<b>", "x"]), np.array([True, False])
    )
    checked = Checked(names, ["x", "y", None], wrong, [[0, 2]], np.array([1.0, 1.0, 9.0]))
    write_check(checked, tmp_path / "check.csv")
    rows = list(csv.DictReader((tmp_path / "check.csv").open(encoding="utf-8")))
    assert [(r["suspect"], r["file"]) for r in rows] == [
        ("label", "naïve/ß.png"),
        ("copy", "'=1+1.png"),
        ("copy", "a,b.png"),
        ("outlier", "a,b.png"),
    ]
    assert rows[0]["suggested"] == "<b>" and rows[1]["group"] == rows[2]["group"] == "1"


def test_checking_a_run_by_command(trained, tmp_path):
    run = trained / "whole"
    out = tmp_path / "check.csv"
    done = command("check", run, "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    n = re.search(r"(\d+) of 1,797 labels are doubtful", done.stdout)
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert int(n[1]) == sum(r["suspect"] == "label" for r in rows) and str(out) in done.stdout
    out.write_text("mine")
    for words, says in [
        (("--data", "nowhere"), "nowhere"),
        (("--labels", "none.csv"), "none.csv"),
        (("--out", tmp_path), "is a folder"),
        (("--k", "0"), "k"),
    ]:
        failed = command("check", run, *words, cwd=tmp_path)
        assert failed.returncode == 2 and says in failed.stderr and failed.stderr.count("\n") == 1
    assert out.read_text() == "mine"


def test_checking_labels_from_a_file(trained, tmp_path):
    y = digits()[1]
    lines = [f"train/{i},{'one' if i % 2 else 'two'}" for i in range(40)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *lines]) + "\n")
    done = command("check", trained / "whole", "--labels", "labels.csv", "--out", "c.csv", cwd=tmp_path)
    assert done.returncode == 0 and "of 40 labels are doubtful" in done.stdout, done.stderr
    assert len(y) == 1797
    (tmp_path / "labels.csv").write_text("file,label\nelsewhere.png,a\n")
    done = command("check", trained / "whole", "--labels", "labels.csv", "--out", "c.csv", cwd=tmp_path)
    assert done.returncode == 2 and "none of the 1 name" in done.stderr


def test_benchmark_says_what_is_missing():
    script = "import sys, runpy\nsys.modules['imagededup'] = None\nsys.path.insert(0, sys.argv[1])\n"
    script += "sys.argv = ['x']\nrunpy.run_path(sys.path[0] + '/label_errors.py', run_name='__main__')\n"
    done = code(script, ROOT / "benchmarks", cwd=ROOT)
    assert done.returncode == 1 and "--no-peers" in done.stderr and done.stderr.count("\n") == 1


def test_record_holds_what_was_asked():
    record = json.loads((ROOT / "results" / "label-errors.json").read_text(encoding="utf-8"))
    mean = {name: np.mean(values) for name, values in record["metrics"].items()}
    for name, least in (("mnist", 0.9), ("fashion", 0.6)):
        assert mean[f"precision@{name}-symmetric"] >= least
        assert mean[f"precision@{name}-copies"] >= 0.95 and mean[f"recall@{name}-copies"] >= 0.95
        assert f"imagededup_recall@{name}-copies" in mean and f"cleanvision_recall@{name}-copies" in mean
    assert not record["dirty"] and record["deviation"] is None


def test_checking_a_part_checks_no_more(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = digits()
    for i in range(60):
        file = tmp_path / "pile" / f"{y[i]}" / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x[i]).save(file)
    part = ["--data", "pile", "--n-images", "24", "--image-size", "8", "--batch-size", "12", "--epochs", "1"]
    assert command("pretrain", *part, "--out", "run", "--quiet", cwd=tmp_path).returncode == 0
    done = command("check", "run", "--quiet", cwd=tmp_path)
    d = load_run(tmp_path / "run").data()
    n = sum(map(len, d.parts.values()))
    assert done.returncode == 0 and n < 60 and f"of {n} labels are doubtful" in done.stdout, done.stderr
    named = [f"{f},{f[0]}" for f in image_names(d)["train"]]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *named]))
    done = command("check", "run", "--labels", "labels.csv", "--quiet", cwd=tmp_path)
    assert f"of {len(named)} labels are doubtful" in done.stdout, done.stderr
