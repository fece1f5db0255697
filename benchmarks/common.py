"What the benchmarks share: alternating rounds in one process, and the record that they write."
import argparse
import sys
import time

import torch

from ssl_nb.core import about, keep_memory, summary, write_record


def arguments(description, peers, rounds=9):
    "The command line of a benchmark"
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("peer", choices=peers, help="what to compare with")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"alternating rounds after one that does not count [{rounds}]")
    parser.add_argument("--images", type=int, default=512, help="images in a batch [512]")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads [2]")
    parser.add_argument("--results", default="results", help="where the record goes [results]")
    args = parser.parse_args()
    if args.rounds < 1 or args.images < 2: sys.exit("--rounds should be 1 or more and --images 2 or more")
    torch.set_num_threads(args.threads)
    keep_memory()
    return args


def seconds(call):
    "How long one call takes"
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def alternate(ours, peer, rounds):
    "Seconds of both in turn, A B A B ..., so that a machine that slows down slows both; the first pair warms up"
    pairs = [(seconds(ours), seconds(peer)) for _ in range(rounds + 1)][1:]
    return [a for a, _ in pairs], [b for _, b in pairs]


def write(name, args, ours, peer, peer_version, settings):
    "The record of a benchmark: seconds of both and their ratio in each round"
    known = about("cpu")
    ratio = [b / a for a, b in zip(ours, peer)]
    path = write_record(args.results, dict(
        name=name, stage="benchmark", command=f"python benchmarks/{settings.pop('script')} {args.peer}", preset=None,
        data=dict(name="random uint8 images", n=args.images, sha256=None), settings=settings | dict(rounds=args.rounds, threads=args.threads),
        seeds=list(range(args.rounds)), device=known["device"], threads=known["threads"], seconds=[a + b for a, b in zip(ours, peer)],
        versions=known["versions"] | {args.peer: peer_version}, commit=known["commit"], dirty=known["dirty"], deviation=None,
        metrics=dict(ours=ours, peer=peer, ratio=ratio), extra=dict(date=known["date"])))
    middle = sorted(ratio)[len(ratio) // 2]
    print(f"{name}: ours {1000 * sorted(ours)[len(ours) // 2]:.1f} ms, {args.peer} {1000 * sorted(peer)[len(peer) // 2]:.1f} ms, "
          f"ratio {middle:.1f} (median), {min(ratio):.1f} to {max(ratio):.1f}, sd {summary(ratio)[1]:.2f}")
    print(f"record: {path}")
