"""The walk of the page "Your own images" through a folder that no preset knows.

Every command, what it printed, and its seconds.

    npm pack emoji-datasource-google
    tar xzf emoji-datasource-google-*.tgz
    python benchmarks/own_images.py package

The archive holds Google's Noto emoji as PNG files of 64x64 with an alpha channel, and emoji.json, which names and
sorts them. Their folders and names are made from that. The pictures of the walk are kept beside the record.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path

from PIL import Image

from ssl_nb.core import atomic_path, read_json, write_json, write_text
from ssl_nb.runs import read_settings, write_record
from ssl_nb.training import read_history

SETTINGS = """[emoji]
inherit = simclr
data = emoji

[emoji.pretrain]
image_size = 32
encoder = small_cnn
epochs = 450
batch_size = 256
crop = 0.3
colour = 0.5
blur = 0
"""
MINE = ["--settings", "emoji.ini", "--preset", "emoji"]
WALK = dict(
    look=["data", "emoji", "--image-size", "32", "--out", "look.png"],
    pretrain=["pretrain", *MINE, "--out", "run"],
    probe=["probe", "run", "--labels-per-class", "10"],
    finetune=["finetune", "run", "--labels-per-class", "10"],
    suggest=["cluster", "run", "--k", "0"],
    predict=["predict", "run/finetune", "new"],
    report=["report", "run"],
    shapes=[
        "pretrain",
        "--preset",
        "fashion_cluster",
        "--data",
        "emoji",
        "--image-size",
        "28",
        "--epochs",
        "900",
        "--out",
        "shapes",
    ],
    groups=["cluster", "shapes", "--k", "9", "--head-epochs", "270"],
)  # both with about as many steps as on Fashion-MNIST
OTHERS = {"no change of colour": ["--colour", "0", "--no-colour", "0"], "20 epochs": ["--epochs", "20"]}
PICTURES = dict(
    look=(".", "look.png"),
    views=("views", "*.png"),
    finetune=("run/finetune", "confusion.png"),
    cluster=("run/cluster", "random.png"),
    groups=("shapes/cluster", "random.png"),
)  # folders of the walk, and what the page shows of them


def lay_out(package, place):
    """`emoji`, without skin tones, in a folder for each category, named as people call them

    And `new`: one of each category, kept out of everything."""
    half = place / ".half"
    shutil.rmtree(half, ignore_errors=True)
    for e in json.loads((package / "emoji.json").read_text(encoding="utf-8")):
        file = package / "img" / "google" / "64" / e["image"]
        if e["category"] == "Component" or not file.is_file():
            continue
        to = half / "emoji" / e["category"] / f"{e['short_name'].replace('/', '-')}.png"
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, to)
    (half / "new").mkdir()
    for files in [sorted(d.iterdir()) for d in (half / "emoji").iterdir()]:
        shutil.move(files[len(files) // 2], half / "new")
    for name in (
        "new",
        "emoji",
    ):  # the folder that is looked for comes last, so that an interruption leaves nothing half
        shutil.rmtree(place / name, ignore_errors=True)
        (half / name).rename(place / name)
    half.rmdir()


def say(words, place):
    "Run one command in `place`: what it printed, and how long it took"
    start, worked = time.perf_counter(), cpu_seconds()
    quiet = [] if words[0] in ("data", "predict", "report") else ["--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "ssl_nb", *words, *quiet],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    print(f"$ ssl_nb {' '.join(words)}\n{done.stdout}{done.stderr}", flush=True)
    if done.returncode:
        sys.exit(f"the command ended with {done.returncode}")
    return dict(
        command=f"ssl_nb {' '.join(words)}",
        output=done.stdout + done.stderr,
        seconds=round(time.perf_counter() - start, 1),
        cpu_seconds=round(cpu_seconds() - worked, 1),
    )


def cpu_seconds():
    "What the commands so far kept processors busy for, however busy the machine was with other things"
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def folder_of(name):
    "The run folder of one of the other decisions"
    return name.replace(" ", "-")


def commands():
    "All commands of the walk by name; those of the other decisions come last"
    other = {}
    for name, change in OTHERS.items():
        run = folder_of(name)
        other |= {
            name: ["pretrain", *MINE, *change, "--out", run],
            f"{name}, probe": ["probe", run, "--labels-per-class", "10", "--no-baselines"],
        }
    return WALK | other


def walk(place):
    "Run them in the folder `place`, which holds `emoji` and `new`; what was done already is kept"
    write_text(place / "emoji.ini", SETTINGS)
    kept = place / "said.json"
    said = read_json(kept) if kept.is_file() else {}
    for name, words in commands().items():
        if name in said:
            continue
        said[name] = say(words, place)
        write_json(kept, said)
    return said


def draw_views(run, out):
    "Emoji under almost no, the chosen, and ImageNet's transformations"
    from matplotlib import pyplot as plt

    from ssl_nb.augment import augmentation
    from ssl_nb.reporting import show_views
    from ssl_nb.stages import augmentation_of, load_run

    images, chosen = load_run(run).data().train, augmentation_of(run)
    for name, change in dict(
        gentle=dict(crop=0.8, colour=0.1, no_colour=0.0),
        chosen={},
        imagenet=dict(crop=0.08, colour=1.0, blur=2.0),
    ).items():
        show_views(images, augmentation(**(chosen | change))).savefig(
            out / f"{name}.png", dpi=80, bbox_inches="tight"
        )
        plt.close()


def scores(place):
    "The metrics of the record: the accuracies of the walk, and the validation accuracy of each decision"
    read = lambda run, k: read_json(place / run / "metrics.json")[k]
    names = ["finetune_acc", "linear_acc", "supervised_acc", "random_linear_acc", "raw_linear_acc"]
    metrics = {k: [read("run/finetune", k)] for k in names}
    runs = {"as chosen": "run"} | {n: folder_of(n) for n in OTHERS}
    return metrics | {
        f"valid_linear_acc@{n}": [read(f"{r}/probe", "valid_linear_acc")] for n, r in runs.items()
    }


def keep_small(folder, which, to):
    "Copy pictures beside the records, with few colours to keep them small"
    to.mkdir(parents=True, exist_ok=True)
    for file in sorted(folder.glob(which)):
        with Image.open(file) as picture, atomic_path(to / file.name) as half:
            picture.convert("RGB").quantize(128).save(half, "PNG", optimize=True)


def keep_pictures(place, results):
    "Draw the views, and keep the pictures of the walk beside the record"
    (place / "views").mkdir(exist_ok=True)
    with chdir(place):
        draw_views(Path("run"), Path("views"))  # the run names its data as seen from there
    for name, (folder, which) in PICTURES.items():
        keep_small(place / folder, which, Path(results) / "pictures" / "own-images" / name)


def record(place, package, said):
    "The record of the walk"
    s, tuned = read_settings(place / "run"), read_json(place / "run" / "finetune" / "metrics.json")
    version = read_json(package / "package.json")["version"]
    return dict(
        name="own-images",
        stage="finetune",
        command="python benchmarks/own_images.py package",
        preset=None,
        data=dict(name=f"emoji-datasource-google {version}", n=s["data_n"], sha256=s["data_sha256"]),
        settings=dict(file=SETTINGS),
        seeds=[0],
        seconds=[sum(v["seconds"] for v in said.values())],
        deviation=None,
        metrics=scores(place),
        extra=dict(
            date=s["date"],
            said=said,
            history=read_history(place / "run" / "history.csv"),
            n_labels=tuned["n_labels"],
            n_test=tuned["n_test"],
        ),
        **{k: s[k] for k in ("device", "threads", "versions", "commit", "dirty")},
    )


def main():
    "Walk and write the record"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", help="the unpacked archive")
    parser.add_argument("--out", default="runs/own-images", help="where the walk goes [runs/own-images]")
    parser.add_argument("--results", default="results", help="where the record goes [results]")
    args = parser.parse_args()
    place, package = Path(args.out), Path(args.package)
    if not (package / "emoji.json").is_file():
        sys.exit(f"there is no emoji.json in {package}; unpack emoji-datasource-google")
    if not (place / "emoji").is_dir():
        lay_out(package, place)
    said = walk(place)
    keep_pictures(place, args.results)
    print(f"record: {write_record(args.results, record(place, package, said))}")


if __name__ == "__main__":
    main()
