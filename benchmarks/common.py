"""What the benchmarks share: alternating rounds in one process, and the record that they write.

With `--device cuda` both arms run on the GPU, a call ends when the GPU is done, and the record's name ends in -cuda.
"""

import argparse
import platform
import sys
import time

import torch

from ssl_nb.core import keep_memory
from ssl_nb.runs import about, summary, write_record


def parser_of(description, peers=(), rounds=9):
    "What every benchmark can be told"
    parser = argparse.ArgumentParser(description=description)
    if peers:
        parser.add_argument("peer", choices=peers, help="what to compare with")
    parser.add_argument(
        "--rounds",
        type=int,
        default=rounds,
        help=f"alternating rounds after one that does not count [{rounds}]",
    )
    parser.add_argument("--images", type=int, default=512, help="images in a batch [512]")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where both arms run [cpu]")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads [2]")
    parser.add_argument("--results", default="results", help="where the record goes [results]")
    return parser


def read(parser):
    "The command line, checked; threads and memory are set"
    args = parser.parse_args()
    if args.rounds < 1 or args.images < 2:
        sys.exit("--rounds should be 1 or more and --images 2 or more")
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU was found; leave --device cuda out")
    torch.set_num_threads(args.threads)
    keep_memory()
    return args


def arguments(description, peers):
    "The command line of a comparison with a peer"
    return read(parser_of(description, peers))


def seconds(call):
    "How long one call takes"
    wait_for_device()
    start = time.perf_counter()
    call()
    wait_for_device()
    return time.perf_counter() - start


def wait_for_device():
    "Until a GPU has done all that it was told"
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def alternate(ours, peer, rounds):
    "Seconds of both in turn, A B A B ..., so that a machine that slows down slows both; the first pair warms up"
    pairs = [(seconds(ours), seconds(peer)) for _ in range(rounds + 1)][1:]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _write(name, args, settings, seconds_, metrics, versions=(), extra=(), data="random uint8 images"):
    "A record; a round counts as a seed"
    known = about(args.device)
    on = "" if args.device == "cpu" else f"-{args.device}"
    flag = [] if args.device == "cpu" else ["--device", args.device]
    return write_record(
        args.results,
        dict(
            name=name + on,
            stage="benchmark",
            command=" ".join(
                [
                    "python",
                    f"benchmarks/{settings.pop('script')}",
                    *([args.peer] if hasattr(args, "peer") else []),
                    *flag,
                ]
            ),
            preset=None,
            data=dict(name=data, n=args.images, sha256=None),
            settings=settings | dict(rounds=args.rounds, threads=args.threads),
            seeds=list(range(args.rounds)),
            device=known["device"],
            threads=known["threads"],
            seconds=seconds_,
            versions=known["versions"] | dict(versions),
            commit=known["commit"],
            dirty=known["dirty"],
            deviation=None,
            metrics=metrics,
            extra=dict(extra, date=known["date"], machine=machine()),
        ),
    )


def write_clusters(name, script, args, data, n, rows, spent, settings, deviation, extra=()):
    "The record of clusterings by the kept encoders of Fashion-MNIST, `rows` of metrics, one for each seed"
    known = about()
    made = dict(
        name=name,
        stage="cluster",
        command=f"python benchmarks/{script}",
        preset="fashion_mnist",
        seeds=list(range(len(rows))),
        seconds=spent,
        data=dict(name=data.name, n=n, sha256=data.sha256),
        settings=dict(script=script, encoder="results/encoders/fashion_mnist-seed-*") | settings,
        deviation=deviation,
        metrics={k: [row[k] for row in rows] for k in rows[0]},
        extra=dict(classes=list(data.classes), date=known.pop("date")) | dict(extra),
    )
    return write_record(args.results, known | made)


def machine():
    "The processor in words"
    try:
        with open("/proc/cpuinfo") as f:
            return next(line.partition(":")[2].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or None


def write(name, args, ours, peer, peer_version, settings, data="random uint8 images"):
    "The record of a comparison: seconds of both and their ratio in each round"
    ratio = [b / a for a, b in zip(ours, peer)]
    path = _write(
        name,
        args,
        settings,
        [a + b for a, b in zip(ours, peer)],
        dict(ours=ours, peer=peer, ratio=ratio),
        {args.peer: peer_version},
        data=data,
    )
    middle = sorted(ratio)[len(ratio) // 2]
    print(
        f"{name}: ours {1000 * sorted(ours)[len(ours) // 2]:.1f} ms, "
        f"{args.peer} {1000 * sorted(peer)[len(peer) // 2]:.1f} ms, "
        f"ratio {middle:.1f} (median), {min(ratio):.1f} to {max(ratio):.1f}, sd {summary(ratio)[1]:.2f}"
    )
    print(f"record: {path}")


def write_parts(name, args, parts, rows, settings, data="random uint8 images"):
    "The record of variants `{name: [[seconds of each part] of each round]}`"
    totals = {k: [sum(r) for r in v] for k, v in rows.items()}
    path = _write(
        name,
        args,
        settings,
        [sum(t) for t in zip(*totals.values())],
        totals,
        extra=dict(parts=dict(names=list(parts), seconds=rows)),
        data=data,
    )
    for k, v in totals.items():
        print(
            f"{k:32} {1000 * sorted(v)[len(v) // 2]:7.1f} ms (median), {1000 * min(v):.1f} to {1000 * max(v):.1f}"
        )
    print(f"record: {path}")
