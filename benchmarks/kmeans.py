"""k-means of 60,000 points of length 256 in 10 clusters, 20 starts.

Faiss and our own stand behind `ssl_nb.kmeans`; each is compared with scikit-learn.

    python benchmarks/kmeans.py sklearn

The points are 10 overlapping directions, as features are. Both arms start by greedy k-means++ and stop when the
objective hardly gets better; the objectives that they reach stand in the record, too.
"""

import numpy as np
import torch

from common import alternate, parser_of, read, write
from ssl_nb.deepclustering import kmeans

POINTS, DIM, CLUSTERS, STARTS, ROUNDS = 60_000, 256, 10, 20, 100


def points(n, seed=0):
    "Unit vectors around ten directions"
    gen = torch.Generator().manual_seed(seed)
    middle = torch.randn(CLUSTERS, DIM, generator=gen)
    x = middle[torch.arange(n) % CLUSTERS] + 6 * torch.randn(n, DIM, generator=gen)
    return torch.nn.functional.normalize(x, dim=1).numpy()


def ours(x, backend):
    "The objective that our function reaches"
    return kmeans(x, CLUSTERS, STARTS, backend=backend, spherical=False, max_iter=ROUNDS).inertia_


def peer(x):
    "The objective that scikit-learn reaches"
    from sklearn.cluster import KMeans

    model = KMeans(CLUSTERS, init="k-means++", n_init=STARTS, max_iter=ROUNDS, tol=1e-6, random_state=0)
    return float(model.fit(x).inertia_)


def measure(name, backend, x, args):
    "Seconds of both in turn, and the record"
    import sklearn

    reached = dict(ours=[], peer=[])
    seconds = alternate(
        lambda: reached["ours"].append(ours(x, backend)), lambda: reached["peer"].append(peer(x)), args.rounds
    )
    ratio = np.median(reached["ours"]) / np.median(reached["peer"])
    assert abs(ratio - 1) < 0.01, reached  # both have done the work
    settings = dict(
        script="kmeans.py",
        backend=backend,
        points=args.images,
        dim=DIM,
        clusters=CLUSTERS,
        n_init=STARTS,
        init="k-means++",  # of both
        max_iter=ROUNDS,
        inertia=reached["ours"][0],
        inertia_peer=reached["peer"][0],
    )
    write(name, args, *seconds, sklearn.__version__, settings, "unit vectors around ten directions")


def main():
    "Measure and write both records"
    parser = parser_of(__doc__.splitlines()[0], ["sklearn"], rounds=3)
    parser.set_defaults(images=POINTS)
    args = read(parser)
    x = points(args.images)
    backends = {"bench-kmeans": "faiss", "bench-kmeans-torch": "torch"}
    if args.device == "cuda":  # faiss runs on the CPU here
        del backends["bench-kmeans"]
    for name, backend in backends.items():
        measure(name, backend, x, args)


if __name__ == "__main__":
    main()
