"""What clusters of garments sort by, and what a few names do to them; writes the record `fashion-cluster-wall`.

    python benchmarks/wall.py

k-means on the kept encoders of Fashion-MNIST, three seeds, on 3,000 of the test images, drawn at random. Four plain
numbers of each picture (brightness, and area, height and width of its outline) are held against clusters and against
classes: a forest that sees these alone is trained on one half of the images and asked about the other. Among the five
kinds of garment for the upper body the same is asked again. Then a person names groups by what most of their images
show, one click each. Every look at labels adds a line to scorings.csv.
"""

import argparse
import time

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import mutual_info_score

from common import write_clusters
from ssl_nb.data import load_data
from ssl_nb.deepclustering import cluster, clustering_scores, contingency
from ssl_nb.encoders import features
from ssl_nb.runs import log_scoring, results_dir
from ssl_nb.stages import load_encoder

NAME = "fashion-cluster-wall"
TOPS = ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt")
CLICKS = (10, 20, 50, 100)


def plain_numbers(x):
    "(N,4) of images (N,1,H,W) uint8: brightness where the garment is, and area, height and width of its outline"
    inside = x[:, 0] > 12
    area = inside.flatten(1).sum(1).clamp(min=1)
    bright = (x[:, 0] * inside).flatten(1).sum(1) / area
    height, width = inside.any(2).sum(1), inside.any(1).sum(1)
    return torch.stack([bright, area, height, width], 1).float().numpy()


def told(numbers, what, seed):
    "The share of images whose cluster or class a forest tells from plain numbers, beside the largest one alone"
    half = np.random.default_rng(seed).permutation(len(what))
    train, test = half[: len(half) // 2], half[len(half) // 2 :]
    forest = RandomForestClassifier(100, min_samples_leaf=5, random_state=seed, n_jobs=1)
    right = forest.fit(numbers[train], what[train]).score(numbers[test], what[test])
    return dict(told=right, largest=np.bincount(what[test]).max() / len(test))


def shared(numbers, what):
    "The share of the entropy of clusters or classes that tenths of brightness and of area know"
    entropy = mutual_info_score(what, what)
    tenths = [np.digitize(v, np.quantile(v, np.arange(1, 10) / 10)) for v in numbers.T[:2]]
    return dict(zip(("brightness", "area"), [mutual_info_score(t, what) / entropy for t in tenths]))


def sorted_by(numbers, labels, y, part, seed):
    "All figures of one part of the images, for clusters and for classes"
    rows = {}
    for name, what in (("clusters", labels[part]), ("classes", y[part])):
        found = told(numbers[part], what, seed) | shared(numbers[part], what)
        rows |= {f"{figure}@{name}": float(v) for figure, v in found.items()}
    return rows


def measure(seed, x, y, names, results):
    "{metric: value} and the table of classes by clusters of one encoder"
    h, numbers, found = (
        features(load_encoder(results_dir() / "encoders" / f"fashion_mnist-seed-{seed}.safetensors"), x),
        plain_numbers(x),
        {},
    )
    tops = np.isin(y, [names.index(t) for t in TOPS])
    for k in CLICKS:
        labels = cluster(h, k=k, seed=seed).labels_
        scores = clustering_scores(y, labels)
        log_scoring(results, NAME, seed, f"k-means of the kept encoder, k = {k}, {len(x):,} images", scores)
        found[f"named_acc@{k}"] = scores["purity"]
        if k == 10:
            counts = contingency(y, labels).tolist()
            found |= dict(acc=scores["acc"], nmi=scores["nmi"])
            for what, part in (("all", tops | True), ("tops", tops)):
                rows = sorted_by(numbers, np.asarray(labels), y, part, seed)
                found |= {f"{figure},{what}": v for figure, v in rows.items()}
    return found, counts


def main():
    "Measure and write the record"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=3000, help="of the test images [3000]")
    parser.add_argument("--seeds", type=int, default=3, help="kept encoders [3]")
    parser.add_argument("--results", default="results", help="where the record goes [results]")
    args = parser.parse_args()
    d = load_data("fashion_mnist")
    some = torch.randperm(len(d.test), generator=torch.Generator().manual_seed(0))[: args.images]
    x, y = d.test.x[some], d.test.y[some].numpy()
    rows, tables, spent = [], [], []
    for seed in range(args.seeds):
        began = time.perf_counter()
        found, counts = measure(seed, x, y, list(d.classes), args.results)
        rows.append(found)
        tables.append(counts)
        spent.append(round(time.perf_counter() - began, 1))
        print(seed, {k: round(v, 3) for k, v in found.items()}, flush=True)
    cut = args.images != 3000 or args.seeds != 3
    says = f"{args.images} images, {args.seeds} seeds" if cut else None
    settings = dict(clicks=list(CLICKS), tops=list(TOPS))
    extra = dict(contingency=tables)
    print(write_clusters(NAME, "wall.py", args, d, len(x), rows, spent, settings, says, extra))


if __name__ == "__main__":
    main()
