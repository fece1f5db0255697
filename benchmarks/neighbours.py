"""The 20 nearest neighbours of each of 100,000 points of length 128.

The exact search in torch against the graph of faiss (HNSW).

    python benchmarks/neighbours.py faiss

Both stand behind `nearest_neighbours`, which takes the graph where 100,000 or more images ask on a CPU. The points
lie around 100 directions, close to a space of 24 dimensions, as features do. The record holds how many true
neighbours the graph finds, too.
"""

import torch

from common import alternate, parser_of, read, write
from ssl_nb.encoders import nearest_neighbours

POINTS, DIM, INNER, DIRECTIONS, NEIGHBOURS = 100_000, 128, 24, 100, 20


def points(n, seed=0):
    "Vectors around some directions, most of whose scatter lies in a smaller space"
    gen = torch.Generator().manual_seed(seed)
    middle = torch.randn(DIRECTIONS, DIM, generator=gen)
    space = torch.randn(INNER, DIM, generator=gen)
    wide = torch.randn(n, INNER, generator=gen) @ space
    return middle[torch.arange(n) % DIRECTIONS] + 0.6 * wide + 0.6 * torch.randn(n, DIM, generator=gen)


def recall(exact, graph):
    "The share of the true neighbours that were found"
    found = [
        (a[:, :, None] == b[:, None]).any(2).float().mean(1)
        for a, b in zip(exact.split(4096), graph.split(4096))
    ]
    return torch.cat(found).mean().item()


def main():
    "Measure and write the record"
    parser = parser_of(__doc__.splitlines()[0], ["faiss"], rounds=3)
    parser.set_defaults(images=POINTS)
    args = read(parser)
    import faiss

    faiss.omp_set_num_threads(args.threads)
    x, found = points(args.images), {}

    def search(approximate):
        found[approximate] = nearest_neighbours(x, NEIGHBOURS, approximate=approximate)[1]

    seconds = alternate(lambda: search(False), lambda: search(True), args.rounds)
    settings = dict(
        script="neighbours.py",
        points=args.images,
        dim=DIM,
        neighbours=NEIGHBOURS,
        recall=recall(found[False], found[True]),
    )
    print(f"recall of the graph: {settings['recall']:.4f}")
    write(
        "bench-neighbours", args, *seconds, faiss.__version__, settings, "vectors around a hundred directions"
    )


if __name__ == "__main__":
    main()
