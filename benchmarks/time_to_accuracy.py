"""Seconds of one processor core until features are good, beside lightly's documented SimCLR on the same network.

    python benchmarks/time_to_accuracy.py ours mnist
    python benchmarks/time_to_accuracy.py lightly mnist      # needs lightly installed
    python benchmarks/time_to_accuracy.py record

MNIST counts as reached at 98.5 % by a linear probe with 5,000 labels, CIFAR-10 (JPEG) at 50 % by neighbours among 5,000
labelled images; both are asked on validation images after each epoch. Both arms train `small_cnn` for the same seconds
of the processor, in one process and one thread, so lightly's loader works in the training process. A few steps are
timed first, which fixes the number of epochs. The clock stands still while features are judged. Each arm writes a
part; `record` joins the parts to the record `bench-time-to-accuracy`.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

from speedrun import Pictures, reached
from ssl_nb.core import read_json, write_json
from ssl_nb.data import load_data
from ssl_nb.encoders import feature_dim, features, knn_predict, make_encoder, pixel_statistics
from ssl_nb.objectives import NTXentLoss
from ssl_nb.pretraining import SimCLR, make_projector, pretrain
from ssl_nb.probing import linear_probe
from ssl_nb.runs import about, write_record
from ssl_nb.training import TrainingCallback

N_LABELS = 5000
GOALS = dict(mnist=("linear_acc", 0.985), cifar10=("knn_acc", 0.50))


def judged(encoder, data, name):
    "The accuracy that counts for a data set, on validation images"
    labelled, valid = data.train[torch.arange(N_LABELS)], data.valid
    h, h_valid = features(encoder, labelled.x), features(encoder, valid.x)
    if GOALS[name][0] == "linear_acc":
        return linear_probe(h, labelled.y).score(h_valid, valid.y)
    voted = knn_predict(h, labelled.y, h_valid, n_classes=len(data.classes))
    return (voted == valid.y).double().mean().item()


class Curve:
    "Accuracy over seconds of training"

    def __init__(self, data, name):
        self.data, self.name, self.spent, self.rows = data, name, 0.0, []
        self.go()

    def go(self):
        self.began = time.process_time()

    def after(self, epoch, encoder):
        self.spent += time.process_time() - self.began
        accuracy = judged(encoder, self.data, self.name)
        self.rows.append(dict(epoch=epoch, seconds=round(self.spent, 1), accuracy=accuracy))
        print(f"{self.name}, epoch {epoch}, {self.spent:.0f} s, {100 * accuracy:.1f} %", flush=True)
        self.go()


class Judge(TrainingCallback):
    "The curve as a callback"

    order = 95

    def __init__(self, curve):
        self.curve = curve

    def before_train(self):
        self.curve.go()

    def after_train(self):
        self.curve.after(self.epoch + 1, self.model.encoder)


def ours(data, name, args):
    "The preset of the data set, as long as the time allows"
    curve = Curve(data, name)
    how = dict(encoder="small_cnn", minutes=args.seconds / 60, clock="cpu", batch_size=args.batch)
    run = pretrain(name, out=args.out / f"run-ours-{name}", force=True, quiet=True, cbs=[Judge(curve)], **how)
    return curve, run.settings


def lightly_batches(data, batch):
    "lightly's views of the training images; grey ones without changes of colour, as there is none"
    from lightly.transforms.simclr_transform import SimCLRTransform

    x = data.train.x
    grey = dict(cj_prob=0.0, random_gray_scale=0.0) if x.shape[1] == 1 else {}
    views = SimCLRTransform(input_size=x.shape[2], gaussian_blur=0.0, normalize=None, **grey)
    pictures = Pictures(x.expand(-1, 3, -1, -1), views)
    return torch.utils.data.DataLoader(pictures, batch, shuffle=True, drop_last=True, num_workers=0)


def lightly_epoch(model, optimizer, loader, channels):
    "Train steps by lightly's loss; yields after each"
    from lightly.loss import NTXentLoss as Theirs

    loss_func = Theirs(0.5)
    model.train()
    for views in loader:
        z0, z1 = model(torch.cat(views)[:, :channels]).chunk(2)
        loss_func(z0, z1).backward()
        optimizer.step()
        optimizer.zero_grad()
        yield


def seconds_of_steps(epoch, n=5):
    "Of one step, the first left out"
    next(epoch)
    began = time.process_time()
    for _ in range(n):
        next(epoch)
    return (time.process_time() - began) / n


def lightly(data, name, args):
    "The recipe of lightly's SimCLR example: its views, loss and optimiser"

    def network():
        torch.manual_seed(0)
        x = data.train.x
        encoder = make_encoder("small_cnn", x.shape[1], x.shape[2], *pixel_statistics(x))
        head = make_projector("mlp", feature_dim(encoder), 128)
        model = SimCLR(encoder, head, NTXentLoss(0.5))
        return model, torch.optim.SGD(model.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4)

    loader, channels = lightly_batches(data, args.batch), data.train.x.shape[1]
    step = seconds_of_steps(lightly_epoch(*network(), loader, channels))
    epochs = max(1, int(args.seconds / (step * len(loader))))
    model, optimizer = network()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    curve = Curve(data, name)
    for n in range(epochs):
        for _ in lightly_epoch(model, optimizer, loader, channels):
            pass
        schedule.step()
        curve.after(n + 1, model.encoder)
    settings = dict(encoder="small_cnn", batch_size=args.batch, temperature=0.5, lr=0.06, optimizer="sgd")
    return curve, settings | dict(epochs=epochs)


def part(arm, name, args):
    "Train one arm and write what came of it"
    import importlib.metadata

    data = load_data(name)
    curve, settings = dict(ours=ours, lightly=lightly)[arm](data, name, args)
    plain = {k: v for k, v in settings.items() if v is None or isinstance(v, (int, float, str, bool))}
    found = dict(rows=curve.rows, settings=plain, seconds=args.seconds, about=about("cpu"))
    found |= dict(n=len(data.train), sha256=data.sha256)
    if arm == "lightly":
        found["version"] = importlib.metadata.version("lightly")
    args.out.mkdir(parents=True, exist_ok=True)
    write_json(args.out / f"{arm}-{name}.json", found)


def record(args):
    "The record of the parts"
    files = {(arm, name): args.out / f"{arm}-{name}.json" for name in GOALS for arm in ("ours", "lightly")}
    if missing := [" ".join(k) for k, f in files.items() if not f.is_file()]:
        sys.exit(f"no part of {', '.join(missing)} yet; run it first")
    parts = {f"{arm}, {name}": read_json(f) for (arm, name), f in files.items()}
    metrics = {f"best@{k}": [max(r["accuracy"] for r in found["rows"])] for k, found in parts.items()}
    times = {k: reached(found["rows"], GOALS[k.split(", ")[1]][1], "accuracy") for k, found in parts.items()}
    metrics |= {f"seconds@{k}": [v] for k, v in times.items() if v is not None}
    first = parts["ours, mnist"]
    known, limit = first["about"], first["seconds"]
    made = dict(
        name="bench-time-to-accuracy",
        stage="benchmark",
        command="python benchmarks/time_to_accuracy.py ours mnist",
        preset=None,
        data=dict(name="MNIST and CIFAR-10 (JPEG)", n=first["n"], sha256=first["sha256"]),
        settings={k: found["settings"] for k, found in parts.items()},
        seeds=[0],
        seconds=[sum(found["rows"][-1]["seconds"] for found in parts.values())],
        deviation=None if limit == 1800 else f"one seed, {limit / 60:.0f} minutes an arm in place of 30",
        metrics=metrics,
        extra=dict(
            date=known["date"],
            curves={k: found["rows"] for k, found in parts.items()},
            goals={k: dict(figure=figure, least=least) for k, (figure, least) in GOALS.items()},
            limit=limit,
            lightly=parts["lightly, mnist"]["version"],
        ),
        **{k: known[k] for k in ("device", "threads", "versions", "commit", "dirty")},
    )
    print(f"record: {write_record(args.results, made)}")


def main():
    "Run an arm, or write the record"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["ours", "lightly", "record"])
    parser.add_argument("data", nargs="?", choices=list(GOALS), default="mnist")
    parser.add_argument("--seconds", type=float, default=1800, help="processor time to train [1800]")
    parser.add_argument("--batch", type=int, default=256, help="images in a batch [256]")
    parser.add_argument("--out", type=Path, default=Path("runs/time"), help="where the parts go")
    parser.add_argument("--results", default="results", help="where the record goes [results]")
    args = parser.parse_args()
    torch.set_num_threads(1)
    record(args) if args.what == "record" else part(args.what, args.data, args)


if __name__ == "__main__":
    main()
