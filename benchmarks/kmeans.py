"""k-means of 60,000 points of length 256 in 10 clusters, 20 random starts: faiss and our own behind `ssl_nb.kmeans`, each against scikit-learn.

    python benchmarks/kmeans.py sklearn

The points are 10 overlapping directions, as features are. Both arms start from random points and stop when the objective hardly gets better; the objectives
that they reach stand in the record, too.
"""

import numpy as np
import torch
from ssl_nb.deepcluster import kmeans

from common import alternate, parser_of, read, write

POINTS, DIM, CLUSTERS, STARTS, ROUNDS = 60_000, 256, 10, 20, 100


def points(n, seed=0):
    "Unit vectors around ten directions"
    gen = torch.Generator().manual_seed(seed)
    middle = torch.randn(CLUSTERS, DIM, generator=gen)
    x = middle[torch.arange(n) % CLUSTERS] + 6 * torch.randn(n, DIM, generator=gen)
    return torch.nn.functional.normalize(x, dim=1).numpy()


def main():
    "Measure and write the record"
    parser = parser_of(__doc__.splitlines()[0], ["sklearn"], rounds=3)
    parser.set_defaults(images=POINTS)
    args = read(parser)
    import sklearn
    from sklearn.cluster import KMeans

    x = points(args.images)
    for name, backend in (("bench-kmeans", "faiss"), ("bench-kmeans-torch", "torch")):
        reached = dict(ours=[], peer=[])

        def ours():
            reached["ours"].append(
                kmeans(x, CLUSTERS, STARTS, backend=backend, spherical=False, max_iter=ROUNDS).inertia_
            )

        def peer():
            reached["peer"].append(
                float(
                    KMeans(CLUSTERS, init="random", n_init=STARTS, max_iter=ROUNDS, tol=1e-6, random_state=0)
                    .fit(x)
                    .inertia_
                )
            )

        a, b = alternate(ours, peer, args.rounds)
        assert abs(np.median(reached["ours"]) / np.median(reached["peer"]) - 1) < 0.01, (
            reached
        )  # both have done the work
        settings = dict(
            script="kmeans.py",
            backend=backend,
            points=args.images,
            dim=DIM,
            clusters=CLUSTERS,
            n_init=STARTS,
            max_iter=ROUNDS,
            inertia=reached["ours"][0],
            inertia_peer=reached["peer"][0],
        )
        write(name, args, a, b, sklearn.__version__, settings, "unit vectors around ten directions")


if __name__ == "__main__":
    main()
