"""The walk of the page "Your own images" through a pile without labels: 2,000 pieces of clothing as PNG files.

Every command, what it printed, and its seconds.

    python benchmarks/own_pile.py     # needs playwright and a Chromium

The images are drawn at random from the training part of Fashion-MNIST; their names are numbers, and no label lies
beside them. The person of the walk is the scripted user of `label_actions.py`: it works on `label.html` in a real
browser, knows the class of every image that it is shown, names each group by what most of it shows, lets Check mend
what is clear, and draws over strays, the longest runs first. An action is a name (typed once, a key from then on), a
key, a click or a stroke. Its labels sort the files. How many of all 2,000 lie in the right folder is asked once, at the
end, and so is how many a classifier would have sorted right that learned from these labels. The recipe, and that the
labels sort better than the classifier, were found on another 2,000 images (`--draw 1`).
"""

import argparse
import io
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

import label_actions
from label_actions import browse_site, short
from own_images import keep_small, say
from ssl_nb.core import read_json, write_json
from ssl_nb.data import load_data
from ssl_nb.label_files import write_labels
from ssl_nb.runs import about, read_settings, write_record

N, GROUPS, ACTIONS = 2000, 36, 60
LIGHTLY = "--preset fashion_mnist --rounds 1 --steps 150 --no-baselines --no-pictures"
WALK = dict(
    look=["data", "pile", "--out", "look.png"],
    pretrain="pretrain --data pile --preset fashion_cluster --epochs 500 --batch-size 256 --out run".split(),
    groups=f"cluster run --method kmeans --k {GROUPS}".split(),
    csv="predict run/cluster pile --csv --top-k 1".split(),
    page=f"label run --groups {GROUPS} --out label.html".split(),
    name=None,  # the person's turn
    train=f"semi run --labels labels.csv {LIGHTLY}".split(),
    answers="predict run/semi pile --csv --top-k 1".split(),
    dry="sort run pile --labels labels.csv --out sorted --doubtful 0.5 --dry-run".split(),
    sort="sort run pile --labels labels.csv --out sorted --doubtful 0.5".split(),
)


def lay_out(place, draw):
    "`pile`, 2,000 images called by numbers; their classes, which only the script sees"
    d = load_data("fashion_mnist").train
    some = torch.randperm(len(d), generator=torch.Generator().manual_seed(draw))[:N].sort()[0]
    (place / "pile").mkdir(parents=True)
    for n, im in enumerate(d.x[some]):
        Image.fromarray(im[0].numpy()).save(place / "pile" / f"{n:04}.png")
    truth = {f"{n:04}.png": short(d.classes[c]) for n, c in enumerate(d.y[some].tolist())}
    write_json(place / "truth.json", truth)


def table(said, name):
    "The table that a command printed, with the file as it is called in the pile"
    found = pd.read_csv(io.StringIO(said[name]["output"]))
    return found.assign(file=found.file.str.split("/").str[-1])


class Hand(label_actions.Hand):
    "A hand for which a name is one action, however many letters it has"

    def name(self, text):
        self.count()
        for key in ("Enter", *text, "Enter"):
            self.tab.keyboard.press(key)
        self.tab.evaluate(label_actions.SETTLED)


def name_groups(place):
    "What the person does on the page; keeps labels.csv and a picture of the page"
    true = read_json(place / "truth.json")
    with browse_site.open_browser() as browser:
        tab = browser.new_page(viewport=dict(width=1280, height=900), accept_downloads=True)
        tab.goto((place / "label.html").resolve().as_uri())
        tab.wait_for_selector(".group.current")
        hand = Hand(tab, ACTIONS)
        done = label_actions.work(tab, true, hand=hand)
        labels = label_actions.exported(tab)
        (place / "page").mkdir(exist_ok=True)
        tab.screenshot(path=place / "page" / "page.png")
    write_labels(labels, place / "labels.csv")
    return dict(actions=done, n_labels=len(labels))


def walk(place):
    "Run them in the folder `place`; what was done already is kept"
    kept = place / "said.json"
    said = read_json(kept) if kept.is_file() else {}
    for name, words in WALK.items():
        if name in said:
            continue
        said[name] = name_groups(place) if words is None else say(words, place)
        write_json(kept, said)
    return said


def answered(said):
    "{file: class} as the classifier answered"
    answers = table(said, "answers")
    return dict(zip(answers.file, answers["class"]))


def placed(place):
    "{file: class} as the files were sorted"
    moved = pd.read_csv(place / "sorted.csv")
    return {Path(f).name: c for f, c in zip(moved.file, moved["class"])}


def right(place, found):
    "The share of all images of which `found`, {file: class}, says the right one"
    truth = read_json(place / "truth.json")
    return float(np.mean([found.get(f) == c for f, c in truth.items()]))


def busy(said):
    "Seconds for which one thread was busy with all commands"
    spent = [v.get("cpu_seconds") for name, v in said.items() if name != "name"]
    return None if None in spent else round(sum(spent), 1)


def by_class(place, found):
    "{class: [how many images are of it, how many of them were found]}"
    truth = read_json(place / "truth.json")
    counts = {c: [0, 0] for c in sorted(set(truth.values()))}
    for file, c in truth.items():
        counts[c][0] += 1
        counts[c][1] += found.get(file) == c
    return dict(by_class=counts)


def head(said, name, n=6):
    "A command of which only the first lines are kept, as the rest is a line for each image"
    lines = said[name]["output"].splitlines()
    return said[name] | dict(output="\n".join([*lines[:n], f"... and {len(lines) - n:,} more lines"]))


def record(place, said, draw):
    "The record of the walk"
    s, known, found = read_settings(place / "run"), about(), placed(place)
    scores = dict(acc=[right(place, found)], classifier_acc=[right(place, answered(said))])
    shown = {n: head(said, n) if n in ("csv", "answers") else v for n, v in said.items()}
    return dict(
        name="own-pile",
        stage="semi",
        command="python benchmarks/own_pile.py",
        preset="fashion_cluster",
        data=dict(
            name="Fashion-MNIST (re-split), 2,000 images as files", n=s["data_n"], sha256=s["data_sha256"]
        ),
        settings=dict(groups=GROUPS, most_actions=ACTIONS),
        seeds=[draw],
        seconds=[sum(v.get("seconds", 0) for v in said.values())],  # as the clock says
        deviation=None,
        metrics=scores | dict(actions=[said["name"]["actions"]]),
        extra=dict(
            date=known["date"],
            cpu_seconds=busy(said),
            said=shown,
            n_labels=said["name"]["n_labels"],
            **by_class(place, found),
        ),
        **{k: known[k] for k in ("device", "threads", "versions", "commit", "dirty")},
    )


def main():
    "Walk and write the record"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="runs/own-pile", help="where the walk goes [runs/own-pile]")
    parser.add_argument("--draw", type=int, default=0, help="which 2,000 images, the seed of their draw [0]")
    parser.add_argument("--results", default="results", help="where the record goes [results]")
    args = parser.parse_args()
    place = Path(args.out)
    if not (place / "truth.json").is_file():
        lay_out(place, args.draw)
    said = walk(place)
    found = record(place, said, args.draw)
    for name, file in (("look", "look.png"), ("groups", "run/cluster/random.png"), ("page", "page/page.png")):
        where = place / file
        keep_small(where.parent, where.name, Path(args.results) / "pictures" / "own-pile" / name)
    print(f"record: {write_record(args.results, found)}")


if __name__ == "__main__":
    main()
