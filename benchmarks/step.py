"""A whole SimCLR step on 28x28 images: views, encoder and projector, loss, backward, optimiser.

    python benchmarks/step.py lightly     # needs lightly installed

Lightly's arm has lightly's views, a DataLoader (the best of 0, 1 and 2 workers; on a GPU of 4, 8 and as many as there
are cores) and lightly's loss.

Both arms train the same encoder object, with the same optimiser, memory format, precision and batch, and draw crop,
flip, brightness and contrast of the same strengths. What differs is how the views are made and fed, and the loss. A
DataLoader starts anew in each round, with workers that stay.
"""

import os
import statistics

import torch

from common import alternate, arguments, seconds, write
from ssl_nb.augment import Brightness, Compose, Contrast, Crop, Flip, Views
from ssl_nb.data import Batches
from ssl_nb.encoders import make_encoder
from ssl_nb.objectives import NTXentLoss
from ssl_nb.pretraining import SimCLR, make_projector, simclr_step
from ssl_nb.training import autocast, make_optimizer, pick_precision

AREA, CHANGE, TEMPERATURE, STEPS = 0.5, 0.4, 0.2, 8


class Pictures(torch.utils.data.Dataset):
    "PIL images through a transform, as torchvision's own data sets give them"

    def __init__(self, x, transform):
        self.x, self.transform = x.cpu().numpy(), transform

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        from PIL import Image

        return self.transform(Image.fromarray(self.x[i, 0]))


def ours(x, model, opt, batch, dtype):
    "One round by ssl_nb"
    views, gen = (
        Views(Compose(Crop(AREA), Flip(0.5), Brightness(CHANGE), Contrast(CHANGE))),
        torch.Generator().manual_seed(0),
    )
    batches = Batches(x, batch_size=batch)

    def round_():
        for xb, ids in batches:
            with autocast(dtype, x.device):
                loss = simclr_step(model, xb, ids, views, gen)
            loss.backward()
            opt.step()
            opt.zero_grad()

    return round_


def lightly_arm(x, model, opt, batch, workers, dtype):
    "One round by lightly"
    from lightly.loss import NTXentLoss as Theirs
    from lightly.transforms.multi_view_transform import MultiViewTransform
    from torchvision import transforms as T

    t = T.Compose(
        [
            T.RandomResizedCrop(x.shape[-1], scale=(AREA, 1.0)),
            T.RandomHorizontalFlip(),
            T.ColorJitter(CHANGE, CHANGE),
            T.ToTensor(),
        ]
    )
    data = Pictures(x, MultiViewTransform([t, t]))
    loader = torch.utils.data.DataLoader(
        data,
        batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=x.is_cuda,
    )
    loss_func = Theirs(TEMPERATURE)

    def round_():
        for views in loader:
            both = torch.cat(views).to(x.device, non_blocking=True)
            with autocast(dtype, x.device):
                z0, z1 = model(both).chunk(2)
            loss_func(z0, z1).backward()
            opt.step()
            opt.zero_grad()

    return round_


def worker_counts(device):
    "What is tried for the DataLoader"
    return (0, 1, 2) if device == "cpu" else sorted({4, 8, os.cpu_count()})


def images(n):
    "Random grey images"
    gen = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8, generator=gen)


def settings(args, dtype, workers, trials):
    "The settings of the record"
    strengths = dict(crop=AREA, flip=0.5, brightness=CHANGE, contrast=CHANGE, temperature=TEMPERATURE)
    return dict(script="step.py", images=args.images, side=28, views=2, steps=STEPS, **strengths) | dict(
        encoder="small_cnn",
        optimizer="adamw",
        memory_format="channels_last",
        precision=str(dtype or torch.float32).removeprefix("torch."),
        workers=workers,
        workers_tried={str(n): t for n, t in trials.items()},
    )


def main():
    "Measure and write the record"
    import lightly

    args = arguments(__doc__.splitlines()[0], ["lightly"])
    x = images(STEPS * args.images).to(args.device)
    torch.manual_seed(0)
    dtype = pick_precision("auto", args.device)
    model = SimCLR(
        make_encoder("small_cnn", 1, 28, 0.5, 0.25), make_projector("mlp", 256), NTXentLoss(TEMPERATURE)
    ).train()
    model.to(args.device)
    opt = make_optimizer(model)
    mine = ours(x, model, opt, args.images, dtype)
    theirs = {n: lightly_arm(x, model, opt, args.images, n, dtype) for n in worker_counts(args.device)}
    mine()
    trials = {n: [seconds(arm) for _ in range(3)][1:] for n, arm in theirs.items()}
    best = min(trials, key=lambda n: statistics.median(trials[n]))
    measured = alternate(mine, theirs[best], args.rounds)
    how = settings(args, dtype, best, trials)
    write("bench-step-lightly", args, *measured, lightly.__version__, how)


if __name__ == "__main__":
    main()
