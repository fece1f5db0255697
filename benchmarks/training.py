"""What `train` costs beside a bare loop: the same steps of `small_cnn` at batch 128, in turn.

    python benchmarks/training.py loop

Both arms take the same batches, loss, optimiser, learning rates and precision, and write no files. `train` adds
fastai's events and our callbacks: schedule, history, checkpoint and bar. A ratio below 1 is overhead.
"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from common import alternate, parser_of, read, write
from ssl_nb.data import Images
from ssl_nb.encoders import make_encoder
from ssl_nb.training import Augment, RandomBatches, autocast, pick_precision, train, warmup_cosine

STEPS, RATE = 40, 1e-3


def bare_loop(net, batches, dtype):
    "The steps without anything around them"
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE)
    net.train()
    for step, (x, y) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = RATE * warmup_cosine(step, STEPS)
        with autocast(dtype):
            out = net(x.float() / 255)
        F.cross_entropy(out.float(), y).backward()
        optimizer.step()
        optimizer.zero_grad()


def ours(net, batches, dtype):
    "The steps by `train`"
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE)
    train(net, batches, F.cross_entropy, 1, optimizer, cbs=[Augment()], dtype=dtype)


def main():
    args = read(parser_of(__doc__.partition("\n")[0], ["loop"], rounds=15))
    torch.manual_seed(0)
    x = torch.randint(256, (4096, 1, 28, 28), dtype=torch.uint8)
    images = Images(x, torch.randint(10, (4096,)))
    start = nn.Sequential(make_encoder("small_cnn", 1, 28, 0.5, 0.25), nn.Linear(256, 10))
    dtype, batch = pick_precision(), 128
    arms = [
        lambda run=run: run(copy.deepcopy(start), RandomBatches(images, STEPS, batch), dtype)
        for run in (ours, bare_loop)
    ]
    times = alternate(*arms, args.rounds)
    settings = dict(script="training.py", images=batch, steps=STEPS, precision=str(dtype or torch.float32))
    args.images = batch
    write("bench-train-loop", args, *times, "torch " + torch.__version__, settings)


if __name__ == "__main__":
    main()
