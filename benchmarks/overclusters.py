"""Many small clusters, joined by how often several encoders join them; writes the record `fashion-cluster-joined`.

    python benchmarks/overclusters.py

k-means sorts all 70,000 images of Fashion-MNIST into 50 or 100 small clusters, by each of three kept encoders. An image
is linked to the small cluster that it has in each. Spectral clustering of this graph makes ten groups of images
(Fern and Brodley 2004, ICML; rows of length one as in Ng et al. 2001, NeurIPS 14). Labels score the end, once for each
number of small clusters and start; every look adds a line to scorings.csv. Beside it stand ten clusters of the same
features by k-means. Two other ways of joining were tried before, on 3,000 images: groups of small clusters by their
shared images (Strehl and Ghosh 2002, JMLR 3), and images and small clusters in one spectral clustering. Their scores
are in scorings.csv too.
"""

import argparse
import time

import numpy as np
import torch
from sklearn.decomposition import TruncatedSVD

from common import write_clusters
from ssl_nb.data import load_data
from ssl_nb.deepclustering import all_images, clustering_scores, kmeans
from ssl_nb.encoders import features
from ssl_nb.runs import log_scoring, results_dir
from ssl_nb.stages import load_encoder

NAME = "fashion-cluster-joined"
SMALL = (50, 100)
KEPT = ("acc", "nmi", "purity", "min_class_f1")


def joined(labels, k, seed, n_groups=10):
    "(N,) groups of images that share small clusters, from labels (S,N) of S encoders"
    shown = np.concatenate([np.arange(k) == one[:, None] for one in labels], 1).astype(np.float32)
    linked = shown / np.sqrt(np.maximum(shown.sum(0), 1))
    places = TruncatedSVD(n_groups, random_state=seed).fit_transform(linked)
    return kmeans(torch.as_tensor(places), n_groups, 20, seed).labels_


def measure(spaces, y, seed, results):
    "{metric: value} of one start of k-means"
    found = {}

    def score(what, key, labels):
        scores = clustering_scores(y, labels)
        log_scoring(results, NAME, seed, what, scores)
        found.update({f"{m}@{key}": scores[m] for m in KEPT})

    score("k-means of the first kept encoder", "k-means", kmeans(spaces[0], 10, 3, seed).labels_)
    for k in SMALL:
        small = np.stack([np.asarray(kmeans(h, k, 1, seed).labels_) for h in spaces])
        score(
            f"{k} small clusters of each of {len(spaces)} encoders, joined",
            f"joined {k}",
            joined(small, k, seed),
        )
    return found


def main():
    "Measure and write the record"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, help="only so many images [all]")
    parser.add_argument("--seeds", type=int, default=3, help="starts of k-means [3]")
    parser.add_argument("--results", default="results", help="where the record goes [results]")
    args = parser.parse_args()
    d = load_data("fashion_mnist")
    im = all_images(d)[: args.images]
    kept = sorted((results_dir() / "encoders").glob("fashion_mnist-seed-*.safetensors"))
    spaces = [torch.as_tensor(features(load_encoder(f), im.x)) for f in kept]
    rows, spent = [], []
    for seed in range(args.seeds):
        began = time.perf_counter()
        rows.append(measure(spaces, im.y.numpy(), seed, args.results))
        spent.append(round(time.perf_counter() - began, 1))
        print(seed, {k: round(v, 3) for k, v in rows[-1].items()}, flush=True)
    says = f"{len(im):,} images" if args.images else None
    settings = dict(small=list(SMALL))
    print(write_clusters(NAME, "overclusters.py", args, d, len(im), rows, spent, settings, says))


if __name__ == "__main__":
    main()
