"""100,000 images of 64x64 in a folder: seconds and largest memory of reading them.

They are decoded and kept, read again from the cache, and looked through for copies.

    python benchmarks/scale.py

Each of the three is a process of its own, so that the memory is its own, too; the libraries that it imports are part
of it. The JPEGs are pieces of the two photographs that scikit-learn carries, with a little noise; none is like
another.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from common import _write, parser_of, read

SIDE, CLASSES = 64, 100
STEPS = dict(first="load_data(folder)", again="load_data(folder)", inspect="inspect_data(folder)")
CODE = """
import json, resource, sys, time
import torch
from ssl_nb.data import load_data
from ssl_nb.folders import inspect_data
torch.set_num_threads(int(sys.argv[2]))
folder, start = sys.argv[1], time.perf_counter()
found = {call}
seconds = time.perf_counter() - start
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
print(json.dumps([seconds, memory, str(found).splitlines()[0]]))
"""


def make(folder, n, seed=0):
    "`n` JPEGs of 64x64: pieces of photographs of 64 to 300 pixels, turned, scaled and with noise"
    from sklearn.datasets import load_sample_images

    rng, whole = np.random.default_rng(seed), [Image.fromarray(im) for im in load_sample_images().images]
    for i in range(n):
        path = folder / f"class {i % CLASSES}" / f"{i:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        im = whole[i % 2]
        s = int(rng.integers(64, 300))
        x, y = rng.integers(0, (im.width - s, im.height - s))
        piece = np.asarray(
            im.resize((SIDE, SIDE), Image.Resampling.BILINEAR, (x, y, x + s, y + s)).rotate(
                90 * int(rng.integers(4))
            )
        )
        Image.fromarray((piece + rng.integers(-8, 9, piece.shape)).clip(0, 255).astype(np.uint8)).save(
            path, quality=90
        )
    return folder


def main():
    "Measure and write the record"
    parser = parser_of(__doc__.splitlines()[0], rounds=1)
    parser.set_defaults(images=100_000)
    args = read(parser)
    import os

    metrics, said = {f"{k}{unit}": [] for k in STEPS for unit in ("", "_gb")}, {}
    with tempfile.TemporaryDirectory() as tmp:
        folder = make(Path(tmp) / "images", args.images)
        for r in range(args.rounds):
            place = os.environ | dict(
                SSL_NB_CACHE=str(Path(tmp) / f"cache-{r}"), OMP_NUM_THREADS=str(args.threads)
            )
            for name, call in STEPS.items():
                command = [sys.executable, "-c", CODE.replace("{call}", call), str(folder), str(args.threads)]
                done = subprocess.run(command, env=place, stdout=subprocess.PIPE, text=True, check=True)
                seconds, memory, said[name] = json.loads(done.stdout)
                metrics[name].append(seconds)
                metrics[f"{name}_gb"].append(memory)
                print(
                    f"{name:8} {seconds:7.1f} s, at most {memory:.2f} GB of memory: {said[name]}", flush=True
                )
        kept = sum(file.stat().st_size for file in Path(tmp).glob("cache-0/folders/*/*"))
    settings = dict(script="scale.py", side=SIDE, classes=CLASSES, cache_bytes=kept)
    path = _write(
        "bench-scale",
        args,
        settings,
        [sum(metrics[k][r] for k in STEPS) for r in range(args.rounds)],
        metrics,
        data="JPEGs of 64x64",
    )
    print(f"record: {path}")


if __name__ == "__main__":
    main()
