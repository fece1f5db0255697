"""20,000 photographs at 160 pixels through folders, cache, borrow, probe and report: seconds and largest memory.

    SSL_NB_DATA=... python benchmarks/photos.py

The photographs are made here: an enlarged image of CIFAR-10 on a blurred one of the same class, as a JPEG of one of
six shapes. Each step is a process of its own, so its memory is its own, with the libraries that it imports. Then
`borrow` takes two piles of small images: its memory should grow by no more than the images themselves.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from common import _write, parser_of, read
from ssl_nb.data import load_data

SIDE = 160
SHAPES = (320, 240), (240, 320), (280, 280), (400, 225), (225, 400), (192, 256)
ENCODER = "timm/tf_efficientnet_lite0"
TINY = dict(small=2000, large=8000)  # images of 64x64
# a small process between, as a child inherits the largest memory of its parent
SHIM = """
import json, os, sys, time
start, said = time.perf_counter(), [(os.POSIX_SPAWN_DUP2, 2, 1)]
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=said)
_, status, used = os.wait4(pid, 0)
cpu = used.ru_utime + used.ru_stime
print(json.dumps([status, time.perf_counter() - start, cpu, used.ru_maxrss * 1024 / 1e9]))
"""
LOAD = "from ssl_nb.data import load_data; print(load_data('photos', {side}))"
BORROW_TINY = """
import numpy as np
from ssl_nb.borrowing import borrow
x = np.random.default_rng(0).integers(0, 256, ({n}, 3, 64, 64), dtype=np.uint8)
borrow(x, '{encoder}', size=32, out='tiny-{n}', quiet=True)
"""


def photograph(pair, shape, draw):
    "Two images (32,32,3): the first, enlarged, somewhere on the second, blurred"
    front, back = map(Image.fromarray, pair)
    canvas = back.resize(shape, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(6))
    side = int(min(shape) * draw.uniform(0.7, 1))
    left, top = (int(draw.integers(0, room + 1)) for room in (shape[0] - side, shape[1] - side))
    canvas.paste(front.resize((side, side), Image.Resampling.BICUBIC), (left, top))
    return canvas


def make(folder, n, seed=0):
    "`n` JPEGs in ten folders; what is there already is kept"
    train, draw = load_data("cifar10").train, np.random.default_rng(seed)
    x, y = train.x.permute(0, 2, 3, 1).numpy(), train.y.numpy()
    of = [np.flatnonzero(y == c) for c in range(len(train.classes))]
    for i in range(n):
        c = i % len(of)
        front, back = draw.choice(of[c], 2)
        path = folder / train.classes[c] / f"{i:06}.jpg"
        shape = SHAPES[int(draw.integers(len(SHAPES)))]
        photo = photograph((x[front], x[back]), shape, draw)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            photo.save(path, quality=88)
    return folder


def measured(words, cwd, place):
    "(seconds, seconds of the processor, largest memory in GB) of one process"
    shim = [sys.executable, "-I", "-S", "-c", SHIM, *words]
    done = subprocess.run(shim, cwd=cwd, env=place, capture_output=True, text=True)
    status, *found = json.loads(done.stdout)
    if status:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    return found


def steps(side):
    "{name: words of a command}"
    python, ours = sys.executable, str(Path(sys.executable).with_name("ssl_nb"))
    code = lambda text: [python, "-c", text]
    run = "runs/borrow-photos"
    how = ["--encoder", ENCODER, "--image-size", str(side), "--size", str(side), "--quiet"]
    tiny = {f"tiny_{k}": code(BORROW_TINY.format(n=n, encoder=ENCODER)) for k, n in TINY.items()}
    return dict(
        inspect=[ours, "data", "photos", "--image-size", str(side)],
        first=code(LOAD.format(side=side)),
        again=code(LOAD.format(side=side)),
        borrow=[ours, "borrow", "photos", *how],
        borrow_again=[ours, "borrow", "photos", *how, "--force"],
        probe=[ours, "probe", run, "--labels-per-class", "10", "--no-baselines", "--quiet"],
        report=[ours, "report", run],
        **tiny,
    )


def main():
    "Make the photographs, measure and write the record"
    parser = parser_of(__doc__.splitlines()[0], rounds=1)
    parser.set_defaults(images=20_000)
    parser.add_argument(
        "--folder", help="keep the photographs and runs in this folder, outside of the checkout"
    )
    args = read(parser)
    found, metrics = {}, {}
    with tempfile.TemporaryDirectory() as tmp:
        home = Path(args.folder or tmp).resolve()
        photos = make(home / "photos", args.images)
        size = sum(f.stat().st_size for f in photos.rglob("*.jpg"))
        for r in range(args.rounds):
            cache = tempfile.mkdtemp(dir=tmp)
            place = os.environ | dict(SSL_NB_CACHE=cache, OMP_NUM_THREADS=str(args.threads))
            for name, words in steps(SIDE).items():
                words += ["--force"] if args.folder and name in ("borrow", "probe") else []
                found[name] = measured(words, home, place)
                for kind, value in zip(("", "_cpu", "_gb"), found[name]):
                    metrics.setdefault(name + kind, []).append(value)
                wall, cpu, memory = found[name]
                print(f"{name:12} {wall:7.1f} s, {cpu:7.1f} s of the processor, {memory:.2f} GB", flush=True)
                if name == "report":  # before the small images are kept, too
                    kept = {k: _bytes(Path(cache, k)) for k in ("folders", "features")}
        probe = json.loads((home / "runs/borrow-photos/probe/metrics.json").read_text(encoding="utf-8"))
        page = (home / "runs/borrow-photos/report.html").stat().st_size
    raw = TINY["large"] * 3 * 64 * 64 / 1e9  # by less than this the memory should grow from the small one
    about = dict(script="photos.py", side=SIDE, encoder=ENCODER, jpeg_bytes=size, kept_bytes=kept)
    about |= dict(tiny=TINY, tiny_raw_gb=raw, report_bytes=page, linear_acc=probe["linear_acc"])
    seconds = [sum(metrics[k][r] for k in steps(SIDE)) for r in range(args.rounds)]
    path = _write("bench-scale-photos", args, about, seconds, metrics, data="photographs made of CIFAR-10")
    print(f"record: {path}")


def _bytes(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
