"""Fifty runs of seconds, half of them broken on purpose: does the verdict of a run see it?

    python benchmarks/doctor_broken.py

A hit is a broken run with a verdict, a false alarm is a sound run with one. It writes the record `doctor-broken`.
"""

import argparse
import time
from tempfile import TemporaryDirectory

import torch

from ssl_nb.core import SslNbError, read_json
from ssl_nb.data import load_data
from ssl_nb.pretraining import pretrain
from ssl_nb.runs import about, write_record

OFF = dict(crop=1.0, rotation=0.0, translation=0.0, brightness=0.0, contrast=0.0, noise=0.0)
STRONG = dict(crop=0.01, rotation=180.0, translation=0.5, brightness=1.0, contrast=1.0, noise=1.0)
SETS = ("digits", "mnist", "fashion_mnist", "cifar10")
BROKEN = {
    "a rate far too high": dict(lr=30.0),
    "views too weak": OFF,
    "views too strong": STRONG,
    "too few images": {},
    "copies": {},
}
SOUND = {
    "as it is": {},
    "t = 2": dict(temperature=2.0),
    "VICReg": dict(objective="vicreg"),
    "crops": OFF | dict(crop=0.2),
    "large batch": dict(batch_size=256),
}


def images(data, kind, seed, n=1000):
    "A part of a set, spoilt where the kind says so"
    x = load_data(data, image_size=16).train.x
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))]
    if kind == "too few images":
        return x[:12]
    return x[:n] if kind != "copies" else x[:8].repeat(n // 8, 1, 1, 1)


def verdict(data, kind, change, seed, epochs):
    "What a run says of itself, empty when nothing is wrong"
    how = dict(batch_size=64, epochs=epochs, seed=seed, encoder="small_cnn", quiet=True, device="cpu")
    with TemporaryDirectory() as folder:
        try:
            run = pretrain(images(data, kind, seed), out=f"{folder}/run", **how | change)
        except SslNbError as e:
            return str(e)
        return read_json(run.path / "metrics.json")["verdict"]


def record(said, epochs, seconds):
    "The record: how many broken runs have a verdict, and how many sound ones"
    known = about("cpu")
    seen = {kind: sum(map(bool, verdicts)) for kind, verdicts in said.items()}
    return dict(
        name="doctor-broken",
        stage="benchmark",
        command="python benchmarks/doctor_broken.py",
        preset=None,
        data=dict(name=f"1,000 images of {', '.join(SETS)}", n=1000, sha256=None),
        settings=dict(broken=BROKEN, sound=SOUND, epochs=epochs),
        seeds=[0],
        seconds=[seconds],
        deviation=None,
        metrics=dict(hits=[sum(map(seen.get, BROKEN))], false_alarms=[sum(map(seen.get, SOUND))]),
        extra=dict(
            date=known["date"], n_broken=5 * len(BROKEN), n_sound=5 * len(SOUND), seen=seen, said=said
        ),
        **{k: known[k] for k in ("device", "threads", "versions", "commit", "dirty")},
    )


def main():
    "Run them all and write the record"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8, help="of each run [8]")
    parser.add_argument("--results", default="results", help="where the record goes [results]")
    args = parser.parse_args()
    start, said = time.perf_counter(), {}
    for group in (BROKEN, SOUND):
        for kind, change in group.items():
            said[kind] = [
                verdict(SETS[seed % len(SETS)], kind, change, seed, args.epochs) for seed in range(5)
            ]
            print(f"{kind}: {sum(map(bool, said[kind]))} of 5 with a verdict", flush=True)
    print(f"record: {write_record(args.results, record(said, args.epochs, time.perf_counter() - start))}")


if __name__ == "__main__":
    main()
