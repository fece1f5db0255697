"""Where the time of a SimCLR step goes, and what each way to save some is worth.

    python benchmarks/parts.py

Variants of one step (small_cnn, 512 images of 28x28) take turns. Each is the one before it and one thing more;
"torch.compile alone" goes beyond the second only by that, and in the last, glibc gives freed memory back to the
system, as it does unless told otherwise.
"""

import json
import os
import subprocess
import sys
import time

import torch
from torch import nn

from common import parser_of, read, wait_for_device, write_parts
from ssl_nb.augment import Views, augmentation
from ssl_nb.encoders import make_encoder
from ssl_nb.objectives import NTXentLoss
from ssl_nb.pretraining import SimCLR, make_projector
from ssl_nb.training import autocast, make_optimizer

PARTS = ("views", "forward", "loss", "backward", "optimiser")
VARIANTS = {  # name: (ReLU after the pool, channels last, bfloat16, compiled)
    "plain": (False, False, False, False),
    "ReLU after the pool": (True, False, False, False),
    "+ channels last": (True, True, False, False),
    "+ bfloat16": (True, True, True, False),
    "+ torch.compile": (True, True, True, True),
    "torch.compile alone": (True, False, False, True),
}
MEMORY = "+ bfloat16, memory given back"


def variant(pool_first, last, half, compiled):
    "The network of a variant"
    torch.manual_seed(0)
    enc = make_encoder("small_cnn", 1, 28, 0.5, 0.25)
    if not pool_first:
        for block in list(enc.body)[:3]:
            block[2], block[3] = nn.ReLU(), nn.MaxPool2d(2)
    if not last:
        enc.memory_format = torch.contiguous_format
        enc = enc.to(memory_format=torch.contiguous_format)
    model = SimCLR(enc, make_projector("mlp", 256), NTXentLoss(0.2)).train()
    model.precision = torch.bfloat16 if half else None
    if compiled:
        model.compile()
    return model


def now():
    "Seconds on a clock, when the device is done"
    wait_for_device()
    return time.perf_counter()


def stepper(model, x):
    "A call that does one step and gives the seconds of its parts"
    views, gen = Views(augmentation(crop=0.4, rotation=15, scale=0.1)), torch.Generator().manual_seed(0)
    opt = make_optimizer(model)
    ids = torch.arange(len(x), device=x.device)
    model.to(x.device)

    def step():
        t = [now()]
        v, k = views(x, ids, gen)
        t.append(now())
        with autocast(model.precision, x.device):
            z = model(v)
        t.append(now())
        loss = model.objective(z, k)
        t.append(now())
        loss.backward()
        t.append(now())
        opt.step()
        opt.zero_grad()
        t.append(now())
        return [b - a for a, b in zip(t, t[1:])]

    return step


def measure(step, n=3):
    "The fastest of `n` steps"
    return min((step() for _ in range(n)), key=sum)


def child(images, rounds):
    "In a process of its own: as many measurements, one for each line of input"
    step = stepper(variant(*VARIANTS["+ bfloat16"]), pixels(images))
    measure(step)
    for _ in range(rounds):
        sys.stdin.readline()
        print(json.dumps(measure(step)), flush=True)


def pixels(n):
    return torch.randint(
        0, 256, (n, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def memory_arm(args):
    "The arm that gives memory back, which needs a process of its own"
    return subprocess.Popen(
        [sys.executable, __file__, "child", str(args.images), str(args.rounds), str(args.threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"SSL_NB_KEEP_MEMORY": "0"},
    )


def main():
    "Measure and write the record"
    if len(sys.argv) == 5 and sys.argv[1] == "child":
        torch.set_num_threads(int(sys.argv[4]))
        return child(int(sys.argv[2]), int(sys.argv[3]))
    parser = parser_of(__doc__.splitlines()[0])
    parser.add_argument(
        "--no-compile",
        action="store_true",
        help="leave out torch.compile, which needs a C++ compiler and a minute",
    )
    args = read(parser)
    x = pixels(args.images).to(args.device)
    steps = {
        name: stepper(variant(*how), x) for name, how in VARIANTS.items() if not (args.no_compile and how[-1])
    }
    for step in steps.values():
        measure(step)
    rows = {name: [] for name in steps}
    other = None if x.is_cuda else memory_arm(args)
    for _ in range(args.rounds):
        for name, step in steps.items():
            rows[name].append(measure(step))
        if other:
            print(file=other.stdin, flush=True)
            rows.setdefault(MEMORY, []).append(json.loads(other.stdout.readline()))
    write_parts(
        "bench-step-parts",
        args,
        PARTS,
        rows,
        dict(script="parts.py", images=args.images, side=28, views=2, encoder="small_cnn", temperature=0.2),
    )


if __name__ == "__main__":
    main()
