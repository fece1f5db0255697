"""Which of 70,000 features of length 256 to label next, by every method; 10 and 100 images, the latter after the 10.

    python benchmarks/label_next.py

The points lie around thirty directions, as features do. A run counts from the features to the indices, so whitening and
the search for copies are in it.
"""

import numpy as np
import torch

from common import parser_of, read, seconds, write_parts
from ssl_nb.labelling import METHODS, label_next

POINTS, DIM, DIRECTIONS, SIZES = 70_000, 256, 30, (10, 100)


def points(n, seed=0):
    "Vectors around some directions, and what a classifier would say of them"
    gen = torch.Generator().manual_seed(seed)
    middle = torch.randn(DIRECTIONS, DIM, generator=gen)
    h = middle[torch.arange(n) % DIRECTIONS] + 1.5 * torch.randn(n, DIM, generator=gen)
    return h, torch.rand(n, 10, generator=gen)


def measure(h, p, method, rounds):
    "Seconds of each size in each round, the larger one going on from the smaller"
    rows = {n: [] for n in SIZES}
    for seed in range(rounds):
        labelled = np.array([], dtype=np.int64)
        for n in SIZES:
            found = []
            how = dict(method=method, p=p, seed=seed)
            rows[n].append([seconds(lambda: found.append(label_next(h, n - len(labelled), labelled, **how)))])
            labelled = np.concatenate([labelled, found[0]])
            assert len(set(labelled.tolist())) == n
    return rows


def main():
    "Measure and write the record"
    parser = parser_of(__doc__.splitlines()[0], rounds=3)
    parser.set_defaults(images=POINTS)
    args = read(parser)
    h, p = points(args.images)
    rows = {}
    for method in METHODS:
        for n, spent in measure(h, p, method, args.rounds).items():
            rows[f"{method}@{n}"] = spent
            print(f"{method:9} {n:4} labels: {max(s for [s] in spent):6.1f} s", flush=True)
    settings = dict(script="label_next.py", points=args.images, dim=DIM, sizes=list(SIZES))
    write_parts("bench-label-next", args, ["choose"], rows, settings, "vectors around thirty directions")


if __name__ == "__main__":
    main()
