"""A folder of images, read once by `load_data`, and by torchvision's ImageFolder, which decodes it in every epoch.

    python benchmarks/folders.py torchvision

Two folders, made of random smooth images: small JPEGs of 64x64, and photographs of 1600x1200 that are read as 64x64.
Both arms scale the shorter side and crop the middle, on the same threads; each round of ours begins with an empty
cache. What the next reading takes, from the cache, stands in the record, too.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from common import alternate, parser_of, read, seconds, write
from ssl_nb import data

SIDE, CLASSES = 64, 10


def make(folder, n, width, height, seed=0):
    "`n` JPEGs of smooth random colours in ten classes"
    rng = np.random.default_rng(seed)
    for i in range(n):
        path = folder / f"class {i % CLASSES}" / f"{i:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(
            (width, height), Image.Resampling.BICUBIC
        ).save(path, quality=90)
    return folder


def torchvision_arm(folder):
    "One epoch of ImageFolder as one tensor"
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    shape = v2.Compose([v2.PILToTensor(), v2.Resize(SIDE, antialias=True), v2.CenterCrop(SIDE)])
    images = ImageFolder(folder, shape)
    return lambda: torch.stack([images[i][0] for i in range(len(images))])


def main():
    "Measure and write the records"
    parser = parser_of(__doc__.splitlines()[0], ["torchvision"], rounds=5)
    parser.set_defaults(images=5000)
    args = read(parser)
    import torchvision

    cases = (
        ("bench-folders", args.images, (64, 64), "JPEGs of 64x64"),
        ("bench-folders-photos", args.images // 50, (1600, 1200), "JPEGs of 1600x1200"),
    )
    for name, n, size, what in cases:
        with tempfile.TemporaryDirectory() as tmp:
            n = max(n, 5 * CLASSES)
            folder = make(Path(tmp) / "images", n, *size)
            os.environ["SSL_NB_CACHE"] = str(Path(tmp) / "cache")
            data._worth = 0, 0  # keep small folders, too

            def ours():
                for file in Path(tmp).glob("cache/folders/*/*"):
                    file.unlink()
                return data.load_data(folder, SIDE)

            theirs = torchvision_arm(folder)
            a, b = ours(), theirs()
            assert a.train.shape == tuple(b.shape[1:]) and sum(map(len, a.parts.values())) == len(b) == n
            assert abs(float(a.train.x.float().mean()) - float(b.float().mean())) < 2
            mine, peer = alternate(ours, theirs, args.rounds)
            cached = [seconds(lambda: data.load_data(folder, SIDE)) for _ in range(args.rounds)]
            args.images = n
            settings = dict(
                script="folders.py", files=n, width=size[0], height=size[1], side=SIDE, cached=cached
            )
            print(f"again from the cache {1000 * sorted(cached)[len(cached) // 2]:.1f} ms")
            write(name, args, mine, peer, torchvision.__version__, settings, what)


if __name__ == "__main__":
    main()
