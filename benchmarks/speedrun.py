"""Seconds until kNN passes 80, 85 and 90 % on CIFAR-10 (JPEG), ResNet-18, SimCLR, beside lightly's documented recipe.

    python benchmarks/speedrun.py ours --seconds 400 --device cuda
    python benchmarks/speedrun.py lightly --seconds 240 --device cuda     # needs lightly installed
    python benchmarks/speedrun.py record

Both arms train the same network for a given time, which fixes the number of epochs beforehand: a few steps are timed
first. The clock stands still while neighbours vote; it runs while torch.compile works. Neighbours are the training
images without the 5,000 of validation; they vote on those 5,000, and once, at the end, on the test images. Each arm
writes a part; `record` joins the parts to the record `speedrun-cifar10-cuda`.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

from ssl_nb.augment import Views, augmentation
from ssl_nb.core import read_json, write_json
from ssl_nb.data import load_data
from ssl_nb.encoders import feature_dim, features, knn_predict, make_encoder, pixel_statistics, save_encoder
from ssl_nb.objectives import NTXentLoss
from ssl_nb.pretraining import SimCLR, make_projector, simclr_learner
from ssl_nb.runs import about, write_record
from ssl_nb.settings import resolve
from ssl_nb.training import TrainingCallback, autocast, fit, optimizer_defaults, pick_precision

GOALS = (0.80, 0.85, 0.90)
K, VOTE_TEMPERATURE = 200, 0.1  # as lightly and solo-learn vote


def knn(encoder, data, part, device):
    "Share of the images of a part that their neighbours among the training images name right"
    h, h_new = (features(encoder, p.x).to(device) for p in (data.train, part))
    voted = knn_predict(h, data.train.y, h_new, K, VOTE_TEMPERATURE, len(data.classes))
    return (voted.cpu() == part.y.cpu()).double().mean().item()


class Clock:
    "Seconds of training; stands still while it is stopped"

    def __init__(self):
        self.spent, self.began = 0.0, None

    def go(self):
        self.began = time.perf_counter()

    def halt(self):
        torch.cuda.synchronize()
        self.spent += time.perf_counter() - self.began
        return self.spent


class Curve:
    "Accuracy of neighbours over seconds, a few dozen points"

    def __init__(self, encoder, data, device, epochs, points=40):
        self.encoder, self.data, self.device, self.clock = encoder, data, device, Clock()
        self.epochs, self.every, self.rows = epochs, max(1, epochs // points), []

    def after(self, done):
        "Vote after `done` epochs, when it is time to"
        if done % self.every and done != self.epochs:
            return
        spent = self.clock.halt()
        accuracy = knn(self.encoder, self.data, self.data.valid, self.device)
        self.rows.append(dict(epoch=done, seconds=round(spent, 2), knn_acc=accuracy))
        print(f"epoch {done} of {self.epochs}, {spent:.0f} s, kNN {100 * accuracy:.1f} %", flush=True)
        self.clock.go()


class Vote(TrainingCallback):
    "The curve as a callback"

    order = 52

    def __init__(self, curve):
        self.curve = curve

    def after_train(self):
        self.curve.after(self.epoch + 1)


def network(x, s):
    "Encoder, head and loss as the preset says"
    torch.manual_seed(0)
    encoder = make_encoder("resnet18", x.shape[1], x.shape[2], *pixel_statistics(x))
    head = make_projector("mlp", feature_dim(encoder), s["projection_dim"])
    return SimCLR(encoder, head, NTXentLoss(s["temperature"])).to(x.device)


def our_learner(data, args, s):
    "What makes a Learner with everything that makes a GPU fast; it returns Learner and network"
    x, dtype = data.train.x.to(args.device), pick_precision("auto", args.device)
    views = Views(augmentation(**{k: v for k, v in s.items() if k in augmentation_names()}))
    lr, decay = optimizer_defaults(s["optimizer"], s["batch_size"], s["lr"], s["weight_decay"])
    how = dict(lr=lr, weight_decay=decay, optimizer=s["optimizer"], dtype=dtype)

    def make():
        model = network(x, s)
        learn = simclr_learner(x, model, views, s["batch_size"], **how)
        if not args.no_compile:
            model.compile()
        return learn, model

    return make


def ours(data, args):
    "A network trained by ssl_nb"
    s = resolve("pretrain", "cifar10", encoder="resnet18") | overrides(args)
    make = our_learner(data, args, s)
    # two epochs tell the time of one; what torch.compile takes is in the first
    started = time.perf_counter()
    trial = fit(make()[0], 2)
    compiling = max(0.0, time.perf_counter() - started - 2 * trial[-1]["seconds"])
    epochs = max(2, int((args.seconds - compiling) / trial[-1]["seconds"]))
    print(f"{trial[-1]['seconds']:.2f} s an epoch, {compiling:.0f} s to compile, {epochs} epochs", flush=True)
    learn, model = make()
    curve = Curve(model.encoder, data, args.device, epochs)
    curve.clock.spent = compiling  # the second network finds its kernels made
    learn.add_cbs([Vote(curve)])
    curve.clock.go()
    fit(learn, epochs)
    settings = {k: v for k, v in s.items() if v is None or isinstance(v, (int, float, str, bool))}
    precision = str(pick_precision("auto", args.device))
    return (
        model.encoder,
        curve,
        settings | dict(epochs=epochs, compile=not args.no_compile, precision=precision),
    )


def augmentation_names():
    from ssl_nb.augment import TRANSFORMS
    from ssl_nb.settings import strengths_of

    return {*strengths_of(TRANSFORMS), "reverse"}


def overrides(args):
    "KEY=VALUE from the command line"
    return {k: json.loads(v) for k, v in (pair.split("=") for pair in args.set)}


class Pictures(torch.utils.data.Dataset):
    "PIL images through a transform, as torchvision's own data sets give them"

    def __init__(self, x, transform):
        self.x, self.transform = x.permute(0, 2, 3, 1).cpu().numpy(), transform

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        from PIL import Image

        return self.transform(Image.fromarray(self.x[i]))


def lightly_loader(data, batch, workers):
    "lightly's views of the training images"
    from lightly.transforms.simclr_transform import SimCLRTransform

    pictures = Pictures(data.train.x, SimCLRTransform(input_size=32, gaussian_blur=0.0, normalize=None))
    how = dict(shuffle=True, drop_last=True, num_workers=workers, persistent_workers=True, pin_memory=True)
    return torch.utils.data.DataLoader(pictures, batch, **how)


def lightly_epoch(model, loader, optimizer, args):
    "What trains one epoch by lightly's loss"
    from lightly.loss import NTXentLoss as Theirs

    loss_func, dtype = Theirs(0.5), pick_precision("auto", args.device)

    def epoch():
        model.train()
        for views in loader:
            both = torch.cat(views).to(args.device, non_blocking=True)
            with autocast(dtype, args.device):
                z0, z1 = model(both).chunk(2)
            loss_func(z0, z1).backward()
            optimizer.step()
            optimizer.zero_grad()
        torch.cuda.synchronize()

    return epoch


def lightly(data, args):
    "The recipe of lightly's SimCLR example: its views, workers, loss and optimiser, half precision"
    batch, how = 256, dict(projection_dim=128, temperature=0.5)
    model = network(data.train.x.to(args.device), how)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4)
    epoch = lightly_epoch(model, lightly_loader(data, batch, args.workers), optimizer, args)
    epoch()  # workers start
    started = time.perf_counter()
    epoch()
    epochs = max(2, int(args.seconds / (time.perf_counter() - started)))
    print(f"{time.perf_counter() - started:.2f} s an epoch, {epochs} epochs", flush=True)
    model.load_state_dict(network(data.train.x.to(args.device), how).state_dict())
    optimizer.state.clear()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    curve = Curve(model.encoder, data, args.device, epochs)
    curve.clock.go()
    for n in range(epochs):
        epoch()
        schedule.step()
        curve.after(n + 1)
    settings = dict(batch_size=batch, temperature=0.5, lr=0.06, optimizer="sgd", workers=args.workers)
    precision = str(pick_precision("auto", args.device))
    return model.encoder, curve, settings | dict(epochs=epochs, compile=False, precision=precision)


def part(name, args):
    "Train one arm and write what came of it"
    import importlib.metadata

    data = load_data("cifar10")
    encoder, curve, settings = dict(ours=ours, lightly=lightly)[name](data, args)
    found = dict(settings=settings, rows=curve.rows, knn_acc=curve.rows[-1]["knn_acc"])
    found |= dict(about=about(args.device), n=len(data.train), sha256=data.sha256, data=data.name)
    if name == "lightly":
        found["version"] = importlib.metadata.version("lightly")
    if not args.trial:
        found["test_knn_acc"] = knn(encoder, data, data.test, args.device)
        found["linear_acc"] = linear(encoder, data)
        args.out.mkdir(parents=True, exist_ok=True)
        write_json(args.out / f"{name}.json", found)
        save_encoder(encoder, args.out / f"{name}.safetensors", half=True)
    print(name, {k: v for k, v in found.items() if k.endswith("acc")}, flush=True)


def linear(encoder, data):
    "Test accuracy of logistic regression on the features of the training images"
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    model.fit(features(encoder, data.train.x).numpy(), data.train.y.numpy())
    return float(model.score(features(encoder, data.test.x).numpy(), data.test.y.numpy()))


def reached(rows, goal, figure="knn_acc"):
    "Seconds until a figure was as large as its goal; None when it never was"
    return next((row["seconds"] for row in rows if row[figure] >= goal), None)


def compared(first, name, found):
    "The metrics of a peer, and ours at the same second"
    at = found["rows"][-1]["seconds"]
    metrics = {f"{name}_knn_acc": [found["test_knn_acc"]], f"{name}_linear_acc": [found["linear_acc"]]}
    before = [row for row in first["rows"] if row["seconds"] <= at]
    then = before[-1]["knn_acc"] if before else 0.0
    return metrics | {"valid_knn_acc_then": [then], f"{name}_valid_knn_acc": [found["knn_acc"]]}


def record(args):
    "The record of the parts that are there"
    files = {n: args.out / f"{n}.json" for n in ("ours", "lightly")}
    parts = {n: read_json(f) for n, f in files.items() if f.is_file()}
    if "ours" not in parts:
        sys.exit(f"there is no {files['ours']}; run the arm ours first")
    first = parts["ours"]
    metrics = {"knn_acc": [first["test_knn_acc"]], "linear_acc": [first["linear_acc"]]}
    if "lightly" in parts:
        metrics |= compared(first, "lightly", parts["lightly"])
    known = first["about"]
    extra = dict(date=known["date"], curves={n: found["rows"] for n, found in parts.items()})
    goal = lambda rows: {f"{100 * g:.0f} %": reached(rows, g) for g in GOALS}
    extra |= dict(seconds_to={n: goal(found["rows"]) for n, found in parts.items()})
    extra |= dict(peer_versions={n: found["version"] for n, found in parts.items() if "version" in found})
    path = write_record(
        args.results,
        dict(
            name="speedrun-cifar10-cuda",
            stage="benchmark",
            command="python benchmarks/speedrun.py ours --device cuda",
            preset="cifar10",
            data=dict(name=first["data"], n=first["n"], sha256=first["sha256"]),
            settings={n: found["settings"] for n, found in parts.items()},
            seeds=[0],
            seconds=[first["rows"][-1]["seconds"]],
            deviation="one seed",
            metrics=metrics,
            extra=extra,
            **{k: known[k] for k in ("device", "threads", "versions", "commit", "dirty")},
        ),
    )
    print(f"record: {path}")


def main():
    "Run an arm, or write the record"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["ours", "lightly", "record"])
    parser.add_argument("--seconds", type=float, default=400, help="time to train [400]")
    parser.add_argument("--device", default="cuda", choices=["cuda"], help="where [cuda]")
    parser.add_argument("--workers", type=int, default=16, help="of lightly's DataLoader [16]")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings over the preset's"
    )
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--trial", action="store_true", help="keep nothing, look at no test image")
    parser.add_argument("--out", type=Path, default=Path("runs/speedrun"), help="where the parts go")
    parser.add_argument("--results", default="results", help="where the record goes [results]")
    args = parser.parse_args()
    if args.what == "record":
        return record(args)
    if not torch.cuda.is_available():
        sys.exit("no GPU was found, and this benchmark is about one")
    part(args.what, args)


if __name__ == "__main__":
    main()
