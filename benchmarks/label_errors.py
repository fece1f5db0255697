"""Planted errors: flipped labels and warped copies in MNIST and Fashion-MNIST, and how many of them are found.

    python benchmarks/label_errors.py     # needs imagededup and cleanvision installed

The encoders are those of results/encoders, which saw no label. One label in twenty is flipped, to any other class
(symmetric) or to the one whose mean picture is nearest (alike). Precision is the share of planted ones among the first
n suspects, n planted. Then 500 images are moved by up to two pixels, made up to 30 % darker or brighter, saved as JPEG
of quality 50 to 90, and put among 10,000 others (copies), and once more without being moved (still). A pair is right
when it is a planted one; copies that the data set has anyway count against everybody.

The peers get the same images as PNG files. imagededup: `PHash().find_duplicates` with its own threshold of 10 bits
(https://idealo.github.io/imagededup/user_guide/finding_duplicates/), and with that of 0 to 10 bits which turned out
best by F1, which flatters it. Its CNN needs weights from the network and is left out. cleanvision: near and exact
duplicates of `Imagelab.find_issues` as they are by default (https://cleanvision.readthedocs.io/).
"""

import argparse
import contextlib
import io
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from common import machine
from own_images import keep_small
from ssl_nb.core import figure_style
from ssl_nb.data import load_data, show_images
from ssl_nb.encoders import features
from ssl_nb.runs import about, results_dir, write_record
from ssl_nb.stages import load_encoder
from ssl_nb.suspects import near_duplicates, neighbour_votes, out_of_fold, rank_labels, wrong_labels

SETS = {"mnist": "mnist", "fashion": "fashion_mnist"}
SHARE, COPIES, SEEDS = 0.05, 500, (0, 1, 2)


def most_alike(x, y, n):
    "For each class the one whose mean picture is nearest"
    means = torch.stack([x[y == c].float().mean(0).flatten() for c in range(n)])
    far = torch.cdist(means, means)
    return far.fill_diagonal_(torch.inf).argmin(1).numpy()


def flipped(y, kind, alike, seed):
    "Labels of which one in twenty is wrong, and which ones"
    draw, n = np.random.default_rng(seed), len(alike)
    bad = draw.choice(len(y), int(SHARE * len(y)), replace=False)
    given = y.copy()
    given[bad] = alike[y[bad]] if kind == "alike" else (y[bad] + draw.integers(1, n, len(bad))) % n
    return given, bad


def first_n(order, bad):
    "The share of planted ones among the first as many"
    return float(np.isin(order[: len(bad)], bad).mean())


def flips(h, x, y, kind, n_classes, seed):
    "Precision of both opinions together and alone, and of what is called doubtful"
    given, bad = flipped(y, kind, most_alike(x, torch.as_tensor(y), n_classes), seed)
    p = dict(probe=out_of_fold(h, given), neighbours=neighbour_votes(h, given))
    found = rank_labels(sum(p.values()) / 2, given)  # as `wrong_labels` does
    orders = {k: rank_labels(alone, given).images for k, alone in p.items()}
    doubtful = found.images[found.doubtful]
    caught = np.isin(doubtful, bad).sum()
    return dict(
        precision=first_n(found.images, bad),
        doubtful_precision=float(caught / max(1, len(doubtful))),
        doubtful_recall=float(caught / len(bad)),
        **{f"{k}_precision": first_n(order, bad) for k, order in orders.items()},
    )


def warped(image, draw, move):
    "An image (1,H,W) moved by up to 2 pixels or not, darker or brighter, and saved as JPEG"
    dy, dx = draw.integers(0, 5, 2) if move else (2, 2)
    h, w = image.shape[1:]
    moved = F.pad(image[None].float(), (2, 2, 2, 2), mode="replicate")[0, 0, dy : dy + h, dx : dx + w]
    bright = (moved * draw.uniform(0.7, 1.3)).clamp(0, 255).round().byte()
    file = io.BytesIO()
    Image.fromarray(bright.numpy()).save(file, "JPEG", quality=int(draw.integers(50, 91)))
    return torch.as_tensor(np.array(Image.open(file)))[None]


def with_copies(x, n, seed, move):
    "The images with copies behind them, and the planted pairs"
    draw = np.random.default_rng(seed + 100)
    source = draw.choice(len(x), n, replace=False)
    copies = torch.stack([warped(x[i], draw, move) for i in source])
    return torch.cat([x, copies]), {(int(i), len(x) + k) for k, i in enumerate(source)}


def pairs_in(groups):
    "All pairs of numbers in the same group"
    return {(min(a, b), max(a, b)) for g in groups for a in g for b in g if a != b}


def scores(found, planted, arm=""):
    "Precision and recall of pairs"
    right = len(found & planted)
    return {f"{arm}precision": right / max(1, len(found)), f"{arm}recall": right / len(planted)}


def imagededup(folder):
    "Pairs by imagededup: with its own threshold, and how many bits each pair differs by"
    from imagededup.methods import PHash

    method = PHash(verbose=False)
    how = dict(scores=True, num_enc_workers=0, num_dist_workers=0)
    found = method.find_duplicates(image_dir=str(folder), max_distance_threshold=10, **how)
    number = lambda name: int(Path(name).stem)
    links = ((number(a), number(b), bits) for a, others in found.items() for b, bits in others)
    return {(min(a, b), max(a, b)): bits for a, b, bits in links}


def cleanvision(folder):
    "Pairs by cleanvision"
    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(folder))
    lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, n_jobs=1, verbose=False)
    sets = [s for kind in ("near_duplicates", "exact_duplicates") for s in lab.info[kind]["sets"]]
    return pairs_in([[int(Path(f).stem) for f in s] for s in sets])


def by_peers(x, planted):
    "Scores of the peers on the same images"
    with TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        for i, image in enumerate(x):
            Image.fromarray(image[0].numpy()).save(Path(folder) / f"{i:06}.png")
        bits, seen = imagededup(folder), cleanvision(folder)
    within = [{p for p, b in bits.items() if b <= most} for most in range(11)]
    half = lambda found: 2 * len(found & planted) / max(1, len(found) + len(planted))
    return (
        scores(within[10], planted, "imagededup_")
        | scores(max(within, key=half), planted, "imagededup_best_")
        | scores(seen, planted, "cleanvision_")
    )


def copies(encoder, x, kind, seed, peers):
    "Scores of ours and the peers on planted copies"
    both, planted = with_copies(x, min(COPIES, len(x) // 20), seed, kind == "copies")
    found = near_duplicates(features(encoder, both), both)
    return scores(pairs_in(found), planted) | (by_peers(both, planted) if peers else {})


def keep_pictures(h, x, y, classes, results):
    "What the data set itself has: the most suspect labels, and copies"
    place = Path(results) / "pictures" / "label-errors"
    found, groups = wrong_labels(h, y), near_duplicates(h, x)
    top, pairs = found.images[:30], [g[k] for k in (0, 1) for g in groups[:15]]
    titles = [f"{classes[y[i]]}\n\u2192 {classes[s]}" for i, s in zip(top, found.suggested)]
    figure_style()
    with TemporaryDirectory() as half:
        fig = show_images(x[top], titles, ncols=10, n=30, size=1.05)
        fig.set_figheight(fig.get_figheight() * 1.2)
        fig.savefig(Path(half) / "suspects.png", dpi=80, bbox_inches="tight")
        if len(pairs):
            fig = show_images(x[pairs], ncols=len(pairs) // 2, n=30, size=0.65)
            fig.savefig(Path(half) / "duplicates.png", dpi=80, bbox_inches="tight")
        keep_small(Path(half), "*.png", place)
    return dict(doubtful=int(found.doubtful.sum()), groups=len(groups), images=len(x))


def measure(args):
    "All scores of all seeds, seconds of each seed, and what Fashion-MNIST has anyway"
    metrics, seconds, natural = {}, [], None
    data = {name: load_data(of) for name, of in SETS.items()}
    for seed in SEEDS[: args.seeds]:
        started = time.perf_counter()
        for name, d in data.items():
            x, y = d.train.x[: args.images], d.train.y[: args.images].numpy()
            encoder = load_encoder(results_dir() / "encoders" / f"{SETS[name]}-seed-{seed}.safetensors")
            h, rows = features(encoder, x), {}
            for kind in ("symmetric", "alike"):
                rows[f"{name}-{kind}"] = flips(h, x, y, kind, len(d.classes), seed)
            if name == "fashion" and natural is None:
                natural = keep_pictures(h, x, y, d.classes, args.results)
            for kind in ("copies", "still"):
                rows[f"{name}-{kind}"] = copies(encoder, x, kind, seed, not args.no_peers)
            for where, row in rows.items():
                print(seed, where, {k: round(v, 4) for k, v in row.items()}, flush=True)
                for metric, value in row.items():
                    metrics.setdefault(f"{metric}@{where}", []).append(value)
        seconds.append(time.perf_counter() - started)
    return metrics, seconds, natural


def peer_versions(left_out):
    "The versions of the peers, or what to do without them"
    if left_out:
        return {}
    try:
        import cleanvision  # noqa: F401
        import imagededup  # noqa: F401
    except ImportError as e:
        sys.exit(
            f"{e.name} is missing: pip install imagededup cleanvision, or measure without them: --no-peers"
        )
    from importlib.metadata import version

    return {name: version(name) for name in ("imagededup", "cleanvision")}


def main():
    "Measure and write the record"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000, help="training images with labels [10000]")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many of the three encoders [3]")
    parser.add_argument("--no-peers", action="store_true", help="without imagededup and cleanvision")
    parser.add_argument("--results", default="results", help="where the record goes [results]")
    args = parser.parse_args()
    if args.images < 200 or not 1 <= args.seeds <= len(SEEDS):
        sys.exit("--images should be 200 or more, --seeds 1 to 3")
    peers = peer_versions(args.no_peers)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    metrics, seconds, natural = measure(args)
    known = about("cpu")
    deviation = None if args.images == 10_000 and peers else f"{args.images} images, peers {list(peers)}"
    record = dict(
        name="label-errors",
        stage="benchmark",
        command="python benchmarks/label_errors.py",
        preset=None,
        data=dict(name="MNIST and Fashion-MNIST (re-split), training images", n=args.images, sha256=None),
        settings=dict(share=SHARE, copies=COPIES, copies_among=args.images),
        seeds=list(SEEDS[: args.seeds]),
        seconds=seconds,
        versions=known["versions"] | peers,
        deviation=deviation,
        metrics=metrics,
        extra=dict(date=known["date"], machine=machine(), fashion_itself=natural, sources=sources()),
        **{k: known[k] for k in ("device", "threads", "commit", "dirty")},
    )
    print(f"record: {write_record(args.results, record)}")


def sources():
    "Where the settings of the peers come from"
    return dict(
        imagededup="https://idealo.github.io/imagededup/user_guide/finding_duplicates/",
        cleanvision="https://cleanvision.readthedocs.io/en/latest/usage.html",
    )


if __name__ == "__main__":
    main()
