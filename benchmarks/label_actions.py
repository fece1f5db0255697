"""How many keys and clicks a pile takes on the page of `ssl_nb label`, by a user who knows the answers.

    python benchmarks/label_actions.py mnist
    python benchmarks/label_actions.py fashion

Images are drawn at random and written as PNG files without labels; an encoder is pretrained on them alone; the page
is made, and a scripted user works on it in a real Chromium. An action is one key, one click or one lasso; scrolling
is none. The user knows the class of every image that the page shows, and sees every mistake among them: the groups
are named, Check mends what is clear, and then strays are drawn over, the longest runs first. The labels that the page
exports are scored over all images, where an image without a label is wrong. How the user goes about it and the number
of groups were chosen on other images (--seed 1 of fashion).
"""

import argparse
import csv
import io
import subprocess
import sys
import time
from collections import Counter
from itertools import groupby
from pathlib import Path

import torch
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tools"))

import browse_site  # noqa: E402
from ssl_nb.data import load_data  # noqa: E402
from ssl_nb.label_page import labelling_page  # noqa: E402
from ssl_nb.runs import about, read_settings, run_state, write_record  # noqa: E402

PILES = dict(
    mnist=dict(preset="mnist", n=1000, epochs=200, groups=0, budget=200),
    fashion=dict(preset="fashion_mnist", n=2000, epochs=300, groups=80, budget=300),
)
KEYS = "1234567890qwertyuiopasdfghjklzxcvbnm"
TILES = "all => all.map(t => [t.title.split('\\n')[0], t.querySelector('.chip').textContent])"
LINES = (
    "all => all.map(t => `${t.closest('.group').dataset.g} ${t.offsetTop}`)"  # which tiles stand side by side
)
SETTLED = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))"


class BudgetSpent(Exception):
    "The user has no action left"


class Hand:
    "A hand on a page: keys and clicks, which are counted, up to a budget"

    def __init__(self, tab, budget=10**9):
        self.tab, self.budget, self.actions = tab, budget, 0

    def count(self):
        if self.actions >= self.budget:
            raise BudgetSpent
        self.actions += 1

    def press(self, key):
        self.count()
        self.tab.keyboard.press(key)
        self.tab.evaluate(SETTLED)

    def name(self, text):
        "Type a name"
        self.press("Enter")
        for letter in text:
            self.count()
            self.tab.keyboard.type(letter)
        self.press("Enter")

    def click(self, place):
        self.count()
        place.click()

    def drag(self, tiles):
        "Draw over tiles that stand side by side; one alone is clicked"
        if len(tiles) == 1:
            return self.click(tiles[0])
        self.count()
        tiles[0].evaluate("tile => tile.scrollIntoView({ block: 'center', behavior: 'instant' })")
        boxes = [tile.bounding_box() for tile in tiles]
        at = [(b["x"] + b["width"] / 2, b["y"] + b["height"] / 2) for b in boxes]
        self.tab.mouse.move(*at[0])
        self.tab.mouse.down()
        for spot in at[1:]:
            self.tab.mouse.move(*spot)
        self.tab.mouse.up()

    @property
    def left(self):
        return self.budget - self.actions


class User:
    "Someone who knows the class of every image that the page shows"

    def __init__(self, hand, true):
        self.hand, self.tab, self.true = hand, hand.tab, true

    def classes(self):
        "The classes on the page, in the order of their keys"
        return self.tab.eval_on_selector_all(".class .name", "all => all.map(n => n.textContent)")

    def shown(self, place):
        "(file, label) of the tiles in a part of the page"
        return self.tab.eval_on_selector_all(f"{place} .tile[data-i]", TILES)

    def answer(self, name):
        "Say a class: by its key, or by typing a new name"
        known = self.classes()
        if name in known:
            return self.hand.press(KEYS[known.index(name)])
        return self.hand.name(name)

    def name_groups(self):
        "Name each group by what most of it shows"
        while self.tab.locator(".group.current:not(.named)").count():
            images = self.shown(".group.current")
            self.answer(Counter(self.true[file] for file, _ in images).most_common(1)[0][0])

    def mend_at_once(self):
        "In Check, mend all clear contradictions by one click, where more of them become right than wrong"
        self.hand.press("Shift+C")
        self.tab.wait_for_timeout(300)
        once = self.tab.get_by_role("button", name="Mend the")
        if once.count() and once.is_visible():
            gains = [
                self.true[file] == says for file, says in self.cards()[: int(once.inner_text().split()[2])]
            ]
            if 2 * sum(gains) > len(gains):
                self.hand.click(once)

    def cards(self):
        "(file, suggested class) of what Check suspects"
        read = "all => all.map(c => ['.file-name', 'button'].map(part => c.querySelector(part).textContent))"
        return self.tab.eval_on_selector_all(".card", read)

    def strays(self):
        "(class, numbers of tiles) of what stands side by side, is of one class, and is labelled as another"
        images, lines = self.shown(".group"), self.tab.eval_on_selector_all(".group .tile[data-i]", LINES)
        wrong = [None if self.true[file] == label else self.true[file] for file, label in images]
        runs = groupby(range(len(images)), lambda at: (wrong[at], lines[at]))
        known = self.classes()
        return [(name, list(run)) for (name, _), run in runs if name in known]

    def within_budget(self, runs):
        "The first runs for which there are actions, one for each and one for each of their classes"
        cost = lambda n: n + len({name for name, _ in runs[:n]})
        return runs[: max(n for n in range(len(runs) + 1) if cost(n) <= self.hand.left)]

    def mend_strays(self, least):
        "In Groups, draw over such runs, the longest first, and press the key of their class"
        self.hand.press("Shift+G")
        runs = sorted(self.strays(), key=lambda run: -len(run[1]))
        some = self.within_budget([run for run in runs if len(run[1]) >= least])
        tiles = self.tab.locator(".group .tile[data-i]").element_handles()
        for name in self.classes():
            mine = [run for said, run in some if said == name]
            for run in mine:
                self.hand.drag([tiles[at] for at in run])
            if mine:
                self.answer(name)


def work(tab, true, budget=0, hand=None):
    "Label what the page in `tab` shows, with a hand or with at most so many actions; returns how many were taken"
    user = User(hand or Hand(tab, budget), true)
    try:
        user.name_groups()
        user.mend_at_once()
        user.mend_strays(3)
        user.mend_strays(1)
    except BudgetSpent:
        pass
    return user.hand.actions


def exported(tab):
    "{file: label} of the `labels.csv` that the page exports"
    tab.get_by_role("button", name="Export").click()
    with tab.expect_download() as got:
        tab.get_by_role("button", name="labels.csv", exact=True).click()
    text = Path(got.value.path()).read_text(encoding="utf-8")
    return {row["file"]: row["label"] for row in csv.DictReader(io.StringIO(text))}


def measure(page, true, budget, browser):
    "(share of all images that are labelled right, actions) of a scripted user on a page"
    with browser.new_context(viewport=dict(width=1280, height=900), accept_downloads=True) as context:
        tab = context.new_page()
        tab.goto(Path(page).resolve().as_uri())
        tab.wait_for_selector(".group.current")
        actions = work(tab, true, budget)
        found = exported(tab)
    return sum(found.get(file) == name for file, name in true.items()) / len(true), actions


# --- the pile, its run, its page and the record


def lay_out(place, name, data, n, seed):
    "`n` images at random as PNG files without labels, and their true classes; returns {file: class}"
    d = load_data(data)
    drawn = torch.randperm(len(d.train), generator=torch.Generator().manual_seed(seed))[:n]
    folder, true = place / f"pile-{name}", {}
    folder.mkdir(parents=True, exist_ok=True)
    for j, i in enumerate(drawn.tolist()):
        file = f"image-{j:04}.png"
        Image.fromarray(d.train.x[i, 0].numpy()).save(folder / file)
        true[file] = short(d.classes[d.train.y[i]])
    return true


def short(name):
    "A class as a person would type it: the first word, in small letters"
    return name.split(" - ")[0].split("/")[0].split()[0].lower()


def pretrained(place, name, preset, epochs, seed):
    "The run on the pile alone, made unless it is there"
    run = place / f"run-{name}"
    if run_state(run) != "finished":
        words = [
            "pretrain",
            "--preset",
            preset,
            "--data",
            f"pile-{name}",
            "--image-size",
            "28",
            "--batch-size",
            "256",
        ]
        more = ["--epochs", str(epochs), "--seed", str(seed), "--out", run.name, "--quiet", "--force"]
        subprocess.run([sys.executable, "-m", "ssl_nb", *words, *more], cwd=place, check=True)
    return run


def record(name, pile, run, seed, scores, seconds):
    "What is written down"
    settings, known = read_settings(run), about()
    acc, actions = scores
    return dict(
        name=f"label-actions-{name}",
        stage="label",
        command=f"python benchmarks/label_actions.py {name}",
        preset=pile["preset"],
        data=dict(name=pile["preset"], n=pile["n"], sha256=settings["data_sha256"]),
        settings=pile,
        seeds=[seed],
        seconds=[seconds],
        deviation=None,
        metrics=dict(acc=[acc], actions=[actions]),
        extra=dict(date=known["date"]),
        **{k: known[k] for k in ("device", "threads", "versions", "commit", "dirty")},
    )


def main():
    "Lay out a pile, make its page, work on it, and write the record"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pile", choices=PILES, help="which images")
    parser.add_argument("--images", type=int, help="fewer images than the record has")
    parser.add_argument("--epochs", type=int, help="fewer epochs than the record has")
    parser.add_argument("--seed", type=int, default=0, help="of the draw and of pretraining [0]")
    parser.add_argument(
        "--out", default="runs/label-actions", help="where pile, run and page go [runs/label-actions]"
    )
    parser.add_argument("--results", default="results", help="where the record goes [results]")
    args = parser.parse_args()
    pile = PILES[args.pile] | {k: v for k, v in dict(n=args.images, epochs=args.epochs).items() if v}
    place, start = Path(args.out).resolve(), time.perf_counter()
    true = lay_out(place, args.pile, pile["preset"], pile["n"], args.seed)
    run = pretrained(place, args.pile, pile["preset"], pile["epochs"], args.seed)
    html = place / f"{args.pile}.html"
    page = labelling_page(run, place / f"pile-{args.pile}", html, groups=pile["groups"])
    with browse_site.open_browser() as browser:
        scores = measure(page, true, pile["budget"], browser)
    seconds = round(time.perf_counter() - start, 1)
    print(f"{args.pile}: {100 * scores[0]:.1f} % of {len(true):,} images right after {scores[1]} actions")
    path = write_record(args.results, record(args.pile, pile, run, args.seed, scores, seconds))
    print(f"record: {path}")


if __name__ == "__main__":
    main()
